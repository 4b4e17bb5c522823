//! `import`: creates a contact for each row of a file, through a running gateway, once each.

mod mapping;
mod progress_file;
mod rejected;
mod sending;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::pin::Pin;

use anyhow::{anyhow, bail};
use clap::Args;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;

use self::progress_file::{ImportHead, ProgressFile, RowEnd};
use self::rejected::RejectedRows;
use self::sending::{RowDestination, RowOutcome, RowWarning};
use self::source::{ImportRow, ImportSource};
use super::file_format::FileFormat;
use super::gateway_client::{GatewayClient, GatewayFlags};
use super::output::Output;
use super::progress_bar::Bar;
use crate::app;
use crate::clock;
use crate::config::crash_point;
use crate::domain::Timestamp;
use crate::sealing::hex;

/// Rows that are sent at the same time.
const AT_A_TIME: usize = 4;
/// After this time the gateway may have forgotten the Idempotency-Key of a row; it keeps one for 24 hours.
const KEY_LIFETIME_SECONDS: i64 = 20 * 3600;
/// Refused rows that a dry run prints.
const SHOWN_MOST: u64 = 20;

/// The flags of `import`.
#[derive(Args)]
pub(super) struct ImportFlags {
    /// The file: CSV with a header, or one JSON object a line.
    file: PathBuf,
    #[command(flatten)]
    gateway: GatewayFlags,
    /// The format, if the file's name does not tell it.
    #[arg(long)]
    format: Option<FileFormat>,
    /// The field of a column, such as `--map "E-Mail (work)=emailAddress"`; `-` leaves the column out.
    #[arg(long, value_name = "COLUMN=FIELD")]
    map: Vec<String>,
    /// Check each row at the gateway and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Update the contacts that exist, instead of rejecting their rows.
    #[arg(long)]
    upsert: bool,
    /// The fields that identify a contact, separated by commas, such as emailAddress.
    #[arg(long, value_name = "FIELDS", requires = "upsert")]
    match_on: Option<String>,
    /// Forget an earlier import of this file. Contacts that it created may be created twice.
    #[arg(long, conflicts_with = "dry_run")]
    restart: bool,
}

pub(super) async fn run(flags: ImportFlags, output: &mut Output) -> anyhow::Result<()> {
    let format = flags.format.or_else(|| FileFormat::of(&flags.file)).ok_or_else(|| {
        anyhow!("the file's name does not tell its format; add --format csv or --format ndjson")
    })?;
    let source = ImportSource::open(&flags.file, format, &flags.map, !flags.upsert)?;
    let destination = flags.destination()?;
    if !source.preview.is_empty() {
        output.table(["COLUMN", "FIELD", "FIRST VALUE"], &source.preview)?;
    }
    destination.client.check().await?;
    if flags.dry_run {
        return dry_run(&source, &destination, output).await;
    }
    let head = flags.head(&source, &destination);
    let progress = ProgressFile::open(&ProgressFile::path_for(&flags.file), &head, flags.restart)?;
    let rejected = RejectedRows::open(RejectedRows::path_for(&flags.file), &source, progress.rejected_length);
    let rejected = rejected.map_err(|error| anyhow!("the file with rejected rows: {error}"))?;
    let import = Import {
        source: &source,
        destination: &destination,
        progress,
        rejected,
        unknown: 0,
        refused: false,
        warned: WarnedRows::default(),
    };
    import.run(output).await
}

impl ImportFlags {
    fn destination(&self) -> anyhow::Result<RowDestination> {
        let mut query = Vec::new();
        if let Some(fields) = &self.match_on {
            query.push(("matchOn", fields.clone()));
        }
        if self.dry_run {
            query.push(("dryRun", "true".to_owned()));
        }
        let path = if self.upsert { "/crm/contacts/upsert" } else { "/crm/contacts" };
        Ok(RowDestination { client: GatewayClient::new(&self.gateway)?, path, query })
    }

    /// What a later run must have in common with this one.
    fn head(&self, source: &ImportSource, destination: &RowDestination) -> ImportHead {
        let columns = source.preview.iter().map(|[column, field, _]| format!("{column}={field}"));
        let mut sent: Vec<String> = columns.collect();
        if sent.is_empty() {
            sent.clone_from(&self.map);
        }
        sent.push(format!("{} {:?}", destination.path, destination.query));
        ImportHead::new(hex(&source.digest), destination.client.target(), sent.join("\n"))
    }
}

async fn dry_run(
    source: &ImportSource,
    destination: &RowDestination,
    output: &mut Output,
) -> anyhow::Result<()> {
    let (bar, mut refused, mut warned) = (Bar::new(Some(source.rows)), 0, WarnedRows::default());
    // Ctrl-C ends a dry run at once.
    let (_stop, never) = watch::channel(false);
    for row in source.rows()? {
        let row = row?;
        match destination.send(&row, None, |reason| bar.tell(reason), never.clone()).await {
            RowOutcome::Imported(warnings) => warned.count(warnings),
            RowOutcome::Rejected(reason) => {
                refused += 1;
                if refused <= SHOWN_MOST {
                    output.line(format!("line {}: {reason}", row.line))?;
                }
            }
            RowOutcome::Stopped(reason) | RowOutcome::Refused(reason) => {
                bail!("{reason}");
            }
            RowOutcome::Unknown => {
                bail!("the gateway did not say whether it accepts a row");
            }
        }
        bar.advance(1);
    }
    drop(bar);
    if refused > SHOWN_MOST {
        output.line(format!("and {} more", refused - SHOWN_MOST))?;
    }
    warned.tell();
    output.line(format!("{} can be imported; nothing was written.", counted(source.rows - refused)))?;
    if refused > 0 { Err(anyhow!("{refused} of {} rows would be rejected", source.rows)) } else { Ok(()) }
}

/// An import under way.
struct Import<'a> {
    source: &'a ImportSource,
    destination: &'a RowDestination,
    progress: ProgressFile,
    rejected: RejectedRows,
    /// Rows of this run of which nobody knows whether they were written.
    unknown: u64,
    /// Whether it stopped for a reason that does not go away by itself.
    refused: bool,
    warned: WarnedRows,
}

/// The warnings about accepted rows: how many rows have each, and what it says of the first one.
#[derive(Default)]
struct WarnedRows(BTreeMap<(String, String), (u64, String)>);

impl WarnedRows {
    fn count(&mut self, warnings: Vec<RowWarning>) {
        let mut seen = BTreeSet::new();
        for RowWarning { code, pointer, message } in warnings {
            if seen.insert((code.clone(), pointer.clone())) {
                self.0.entry((code, pointer)).or_insert((0, message)).0 += 1;
            }
        }
    }

    fn tell(&self) {
        for ((code, _), (rows, message)) in &self.0 {
            Output::note(format!("warning about {}: {code}: {message}", counted(*rows)));
        }
    }
}

fn counted(rows: u64) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

/// A row on its way, and what became of it.
type Sending<'a> = Pin<Box<dyn Future<Output = (ImportRow, RowOutcome)> + 'a>>;

impl Import<'_> {
    async fn run(mut self, output: &mut Output) -> anyhow::Result<()> {
        if !self.progress.is_new() {
            let done = self.progress.imported + self.progress.rejected;
            Output::note(format!(
                "Continuing an earlier import: {done} of {} rows are done.",
                self.source.rows
            ));
        }
        let before = self.progress.imported + self.progress.rejected;
        let stopped = self.send_all().await?;
        self.warned.tell();
        let ProgressFile { imported, rejected, .. } = self.progress;
        let total = format!("{imported} imported, {rejected} rejected of {} rows", self.source.rows);
        output.line(if before > 0 && before == imported + rejected {
            format!("Nothing was written now. In all: {total}")
        } else {
            total
        })?;
        if let Some(reason) = stopped {
            let first = if self.refused { "when this is settled, " } else { "" };
            bail!("{reason}\n{first}run the same command again to continue");
        }
        if self.unknown > 0 {
            bail!(
                "of {} rows it is not known yet whether they were written; run the same command again later",
                self.unknown
            );
        }
        if rejected > 0 {
            let path = self.rejected.path().display();
            bail!("the rejected rows are in {path}, each with its reason");
        }
        Ok(())
    }

    /// Sends every row that has no end yet. The reason if it stopped before the last one.
    async fn send_all(&mut self) -> anyhow::Result<Option<String>> {
        let bar = Bar::new(Some(self.source.rows));
        bar.advance(self.progress.imported + self.progress.rejected);
        let (destination, source) = (self.destination, self.source);
        let mut rows = source.rows()?;
        let mut sending: FuturesUnordered<Sending<'_>> = FuturesUnordered::new();
        let (mut stopped, mut is_end, mut is_interrupted) = (None, false, false);
        let (stop, stops) = watch::channel(false);
        let interrupted = app::stopped();
        tokio::pin!(interrupted);
        loop {
            while sending.len() < AT_A_TIME && stopped.is_none() && !is_end {
                let Some(row) = rows.next().transpose()? else {
                    is_end = true;
                    break;
                };
                if let Some((row, key)) = self.begin(row)? {
                    let (bar, stops) = (&bar, stops.clone());
                    sending.push(Box::pin(async move {
                        let outcome =
                            destination.send(&row, Some(&key), |reason| bar.tell(reason), stops).await;
                        (row, outcome)
                    }));
                }
            }
            tokio::select! {
                ended = sending.next() => match ended {
                    Some((row, outcome)) => {
                        if let Some(reason) = self.end(&row, outcome)? {
                            stopped.get_or_insert(reason);
                        }
                        bar.advance(1);
                    }
                    None => return Ok(stopped),
                },
                _ = &mut interrupted => {
                    if is_interrupted {
                        // What is on its way stays open in the progress file.
                        return Ok(stopped);
                    }
                    Output::note("Stopping after the rows that are on their way. A second Ctrl-C stops at once.");
                    is_interrupted = true;
                    // Rows that wait for another try stay open in the progress file.
                    let _ = stop.send(true);
                    interrupted.set(app::stopped());
                    stopped.get_or_insert_with(|| "stopped".to_owned());
                }
            }
        }
    }

    /// The key of a row that is to be sent; `None` if it has ended already.
    fn begin(&mut self, row: ImportRow) -> anyhow::Result<Option<(ImportRow, String)>> {
        let now = clock::now();
        match self.progress.open.get(&row.number) {
            Some(open) if is_too_old(open.at, now) => {
                let reason = "outcome_unknown: it was sent more than 20 hours ago and has no known outcome; search for the contact before you send it again.";
                self.reject(&row, reason)?;
                Ok(None)
            }
            Some(open) => {
                let key = open.key.clone();
                Ok(Some((row, key)))
            }
            None if row.number <= self.progress.last_sent => Ok(None),
            None => {
                let key = self.progress.send(row.number, now)?;
                crash_point("import_noted");
                Ok(Some((row, key)))
            }
        }
    }

    /// Records what became of a row; the reason if the import must stop.
    fn end(&mut self, row: &ImportRow, outcome: RowOutcome) -> anyhow::Result<Option<String>> {
        crash_point("import_sent");
        match outcome {
            RowOutcome::Imported(warnings) => {
                self.warned.count(warnings);
                self.progress.end(row.number, RowEnd::Imported, self.progress.rejected_length)?;
            }
            RowOutcome::Rejected(reason) => self.reject(row, &reason)?,
            RowOutcome::Unknown => self.unknown += 1,
            RowOutcome::Stopped(reason) => return Ok(Some(reason)),
            RowOutcome::Refused(reason) => {
                self.refused = true;
                return Ok(Some(reason));
            }
        }
        Ok(None)
    }

    fn reject(&mut self, row: &ImportRow, reason: &str) -> anyhow::Result<()> {
        let length = self.rejected.write(&row.original, reason).map_err(|error| {
            let path = self.rejected.path().display();
            anyhow!("{path} cannot be written: {error}; the row is sent again in the next run")
        })?;
        crash_point("import_rejected");
        self.progress.end(row.number, RowEnd::Rejected, length)
    }
}

fn is_too_old(sent: Timestamp, now: Timestamp) -> bool {
    now.as_second() - sent.as_second() > KEY_LIFETIME_SECONDS
}
