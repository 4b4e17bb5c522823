//! What a write did, in either database.

use futures_util::{Stream, TryStreamExt};
use sqlx::Either;

/// What a write did.
pub(super) struct WriteOutcome<R> {
    /// How many rows its statements touched.
    pub(super) touched: u64,
    /// The rows that they returned.
    pub(super) rows: Vec<R>,
    /// The index of the statement that touched no row, if each had to. Then nothing is changed.
    pub(super) unmatched: Option<usize>,
}

impl<R> Default for WriteOutcome<R> {
    fn default() -> Self {
        Self { touched: 0, rows: Vec::new(), unmatched: None }
    }
}

impl<R> WriteOutcome<R> {
    /// The statement at `index` touched no row, so the write is undone.
    pub(super) fn undone_at(index: usize) -> Self {
        Self { unmatched: Some(index), ..Self::default() }
    }

    pub(super) fn add(&mut self, next: Self) {
        self.touched += next.touched;
        self.rows.extend(next.rows);
    }

    pub(super) fn with_rows<T>(self, as_row: fn(R) -> T) -> WriteOutcome<T> {
        let Self { touched, rows, unmatched } = self;
        WriteOutcome { touched, rows: rows.into_iter().map(as_row).collect(), unmatched }
    }
}

/// Collects what a statement did; `touched` counts the rows that it touched.
pub(super) async fn collect<D, R>(
    mut steps: impl Stream<Item = sqlx::Result<Either<D, R>>> + Unpin,
    touched: fn(&D) -> u64,
) -> sqlx::Result<WriteOutcome<R>> {
    let mut outcome = WriteOutcome::default();
    while let Some(step) = steps.try_next().await? {
        match step {
            Either::Left(done) => outcome.touched += touched(&done),
            Either::Right(row) => outcome.rows.push(row),
        }
    }
    Ok(outcome)
}
