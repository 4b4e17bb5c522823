//! The one connection of this process that writes to the SQLite file. Writes that wait at the same time are committed together,
//! because each commit waits for the disk. A single waiting write is committed at once; nothing waits for a timer.

use std::slice;
use std::sync::Arc;

use sqlx::sqlite::{SqliteArguments, SqliteQueryResult, SqliteRow};
use sqlx::{Connection, Executor, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::watch::Watch;
use crate::store::write_outcome::{WriteOutcome, collect};

/// How many writes one commit has at most.
const COMMITTED_TOGETHER: usize = 64;
/// How many writes may wait for the connection. More wait for a place in the queue.
const QUEUED: usize = 256;

/// A statement and its values.
type WriteStatement = (&'static str, SqliteArguments);
/// An error is shared by all writes that failed with it.
type WriteResult = Result<WriteOutcome<SqliteRow>, Arc<sqlx::Error>>;

pub(in crate::store) struct Writer {
    queue: mpsc::Sender<Request>,
}

enum Request {
    Write(PendingWrite),
    Close(oneshot::Sender<()>),
}

struct PendingWrite {
    statements: Vec<WriteStatement>,
    each_counts: bool,
    done: oneshot::Sender<WriteResult>,
}

impl Writer {
    /// Writes through `connection`, in a task that ends with [`Self::close`]. Writes fail while `watch` finds a file lost.
    pub(super) fn start(connection: SqliteConnection, watch: Arc<Watch>) -> Self {
        let (queue, requests) = mpsc::channel(QUEUED);
        tokio::spawn(serve(connection, watch, requests));
        Self { queue }
    }

    /// Runs the statements of one write: all of them, or none. With `each_counts`, a statement that touches no row undoes the
    /// write. It is durable on return. A write whose caller is gone is still run.
    pub(in crate::store) async fn write(
        &self,
        statements: Vec<WriteStatement>,
        each_counts: bool,
    ) -> WriteResult {
        let closed = || Arc::new(sqlx::Error::PoolClosed);
        let (done, outcome) = oneshot::channel();
        let write = PendingWrite { statements, each_counts, done };
        self.queue.send(Request::Write(write)).await.map_err(|_| closed())?;
        outcome.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Ends the waiting writes, then closes the connection.
    pub(super) async fn close(&self) {
        let (closed, ended) = oneshot::channel();
        if self.queue.send(Request::Close(closed)).await.is_ok() {
            // An error means that the task is gone, and its connection with it.
            let _ = ended.await;
        }
    }
}

async fn serve(mut connection: SqliteConnection, watch: Arc<Watch>, mut requests: mpsc::Receiver<Request>) {
    let mut received = Vec::with_capacity(COMMITTED_TOGETHER);
    while requests.recv_many(&mut received, COMMITTED_TOGETHER).await > 0 {
        let (mut writes, mut closed) = (Vec::with_capacity(received.len()), None);
        for request in received.drain(..) {
            match request {
                Request::Write(write) => writes.push(write),
                Request::Close(done) => closed = Some(done),
            }
        }
        if !writes.is_empty() {
            commit(&mut connection, &watch, writes).await;
        }
        if let Some(closed) = closed {
            // Everything is written, so an error here has no effect.
            let _ = connection.close().await;
            let _ = closed.send(());
            return;
        }
    }
}

/// Commits the writes, and then tells each its outcome.
async fn commit(connection: &mut SqliteConnection, watch: &Watch, writes: Vec<PendingWrite>) {
    let outcomes = committed(connection, watch, &writes).await.unwrap_or_else(|error| {
        let error = Arc::new(error);
        writes.iter().map(|_| Err(Arc::clone(&error))).collect()
    });
    for (write, outcome) in writes.into_iter().zip(outcomes) {
        // The caller may be gone.
        let _ = write.done.send(outcome);
    }
}

/// The outcome of each write; an error if all failed with it, such as a lost or locked file.
async fn committed(
    connection: &mut SqliteConnection,
    watch: &Watch,
    writes: &[PendingWrite],
) -> sqlx::Result<Vec<WriteResult>> {
    watch.check()?;
    let outcomes = match commit_together(connection, writes).await {
        // One write may be too large for the rest of the disk, so each is tried alone. A locked file is locked for all.
        Err(error) if writes.len() > 1 && !super::is_busy(&error) => {
            let mut outcomes = Vec::with_capacity(writes.len());
            for write in writes {
                let alone = commit_together(connection, slice::from_ref(write)).await;
                outcomes.push(alone.map_err(Arc::new).and_then(|mut one| one.swap_remove(0)));
            }
            Ok(outcomes)
        }
        outcomes => outcomes,
    };
    // What was written to a file that was removed meanwhile is lost with it.
    watch.check()?;
    outcomes
}

/// Runs the writes in one transaction; a write that SQLite refuses is undone alone. If it fails, none of them is done.
async fn commit_together(
    connection: &mut SqliteConnection,
    writes: &[PendingWrite],
) -> sqlx::Result<Vec<WriteResult>> {
    let outcomes = in_transaction(connection, writes).await;
    if outcomes.is_err() {
        // After some errors SQLite has rolled back already.
        let _ = control(connection, "ROLLBACK").await;
    }
    outcomes
}

async fn in_transaction(
    connection: &mut SqliteConnection,
    writes: &[PendingWrite],
) -> sqlx::Result<Vec<WriteResult>> {
    if let [write] = writes
        && write.statements.len() == 1
    {
        // A statement is a transaction by itself.
        return Ok(vec![Ok(run(connection, write).await?)]);
    }
    let mut outcomes = Vec::with_capacity(writes.len());
    control(connection, "BEGIN IMMEDIATE").await?;
    let mut end = "COMMIT";
    for write in writes {
        // A single statement that fails is undone by SQLite, a single write with its transaction.
        let has_savepoint = write.statements.len() > 1 && writes.len() > 1;
        if has_savepoint {
            control(connection, "SAVEPOINT of_write").await?;
        }
        let outcome = match run(connection, write).await {
            Err(error) if !is_refusal(&error) => return Err(error),
            outcome => outcome.map_err(Arc::new),
        };
        let is_undone = outcome.as_ref().map_or(true, |outcome| outcome.unmatched.is_some());
        if has_savepoint {
            let end = if is_undone { "ROLLBACK TO of_write; RELEASE of_write" } else { "RELEASE of_write" };
            control(connection, end).await?;
        } else if is_undone && writes.len() == 1 {
            end = "ROLLBACK";
        }
        outcomes.push(outcome);
    }
    control(connection, end).await?;
    Ok(outcomes)
}

/// Runs a statement without values. As a query it is compiled once; a plain string would be compiled each time.
async fn control(connection: &mut SqliteConnection, sql: &'static str) -> sqlx::Result<()> {
    sqlx::query(sql).execute(connection).await.map(|_| ())
}

async fn run(
    connection: &mut SqliteConnection,
    write: &PendingWrite,
) -> sqlx::Result<WriteOutcome<SqliteRow>> {
    let mut total = WriteOutcome::default();
    for (index, (sql, values)) in write.statements.iter().enumerate() {
        let statement = sqlx::query_with(*sql, values.clone());
        let done = collect(connection.fetch_many(statement), SqliteQueryResult::rows_affected).await?;
        if write.each_counts && done.touched == 0 {
            return Ok(WriteOutcome::undone_at(index));
        }
        total.add(done);
    }
    Ok(total)
}

/// Whether SQLite refused the statement because of its values, and changed nothing. After other errors the transaction may be
/// gone.
fn is_refusal(error: &sqlx::Error) -> bool {
    /// `SQLITE_CONSTRAINT`.
    const CONSTRAINT: u32 = 19;
    super::code(error).is_some_and(|code| code & 0xff == CONSTRAINT)
}
