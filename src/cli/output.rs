//! The output of commands: results on standard output, notes on standard error.

use std::io::{self, Write};

use anyhow::anyhow;
use serde::Serialize;

use super::exit_code::unwritable;
use crate::domain::Timestamp;
use crate::telemetry;

/// Standard output. If its reader closes it, the command ends without an error.
pub(super) struct Output(io::Stdout);

impl Output {
    pub(super) fn new() -> Self {
        Self(io::stdout())
    }

    /// One line of the result.
    pub(super) fn line(&mut self, text: impl AsRef<str>) -> anyhow::Result<()> {
        writeln!(self.0, "{}", text.as_ref()).map_err(unwritable)
    }

    /// Text with its own line breaks.
    pub(super) fn text(&mut self, text: &str) -> anyhow::Result<()> {
        self.0.write_all(text.as_bytes()).and_then(|()| self.0.flush()).map_err(unwritable)
    }

    /// A note for people, which scripts that read the result do not see.
    pub(super) fn note(text: impl AsRef<str>) {
        telemetry::print(text.as_ref());
        // Before the result that it announces.
        telemetry::flush();
    }

    /// The result as JSON.
    pub(super) fn json(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| anyhow!("the output cannot be written as JSON: {error}"))?;
        self.line(text)
    }

    /// Rows under a heading, in aligned columns.
    pub(super) fn table<const N: usize>(
        &mut self,
        heading: [&str; N],
        rows: &[[String; N]],
    ) -> anyhow::Result<()> {
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([heading[column].len()]).max().unwrap_or(0)
        };
        let widths: [usize; N] = std::array::from_fn(width);
        let heading = heading.map(str::to_owned);
        for row in std::iter::once(&heading).chain(rows) {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            self.line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// RFC 3339 in UTC with milliseconds, as the API writes it.
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}
