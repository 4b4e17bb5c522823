//! `export`: writes all contacts of a credential to a file, through a running gateway, each once.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::contact_columns;
use super::exit_code::{ReaderGone, unwritable};
use super::file_format::FileFormat;
use super::gateway_client::{Backoff, GatewayClient, GatewayFlags, GatewayProblem, GatewayStream};
use super::output::Output;
use super::progress_bar::Bar;
use crate::app;
use crate::sealing::short_digest;

const PATH: &str = "/crm/contacts/export";
/// How long it tries to go on without any further contact.
const PATIENCE: Duration = Duration::from_mins(10);

/// The flags of `export`.
#[derive(Args)]
pub(super) struct ExportFlags {
    #[command(flatten)]
    gateway: GatewayFlags,
    /// The format. CSV has columns for the common fields; NDJSON has everything.
    #[arg(long, default_value = "ndjson")]
    format: FileFormat,
    /// A filter of the list, such as `lastName=Okafor`.
    #[arg(long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// Write to this file instead of standard output. It must not exist, except with --cursor.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Continue an export at the cursor that it printed when it stopped.
    #[arg(long)]
    cursor: Option<String>,
    /// Columns in CSV for each list, such as three e-mail addresses.
    #[arg(long, default_value_t = 3, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..=20))]
    entries: u8,
}

/// A line of the response.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ExportedLine<'a> {
    #[serde(borrow)]
    Contact(&'a RawValue),
    Checkpoint(String),
    End(ExportedEnd),
}

#[derive(Deserialize)]
struct ExportedEnd {
    complete: bool,
    checkpoint: Option<String>,
    problem: Option<GatewayProblem>,
    #[serde(default)]
    warnings: Vec<ExportWarning>,
}

#[derive(Deserialize)]
struct ExportWarning {
    message: String,
}

#[derive(Deserialize)]
struct ContactId {
    id: String,
}

/// Why a response ended before the last contact.
struct Cut {
    reason: String,
    pause: Option<Duration>,
    may_continue: bool,
}

pub(super) async fn run(flags: ExportFlags) -> anyhow::Result<()> {
    let client = GatewayClient::new(&flags.gateway)?;
    let mut filters = Vec::new();
    for filter in &flags.filter {
        let pair = filter.split_once('=');
        filters.push(pair.ok_or_else(|| anyhow!("--filter {filter}: must be NAME=VALUE"))?);
    }
    client.check().await?;
    let total = total(&client, &filters).await;
    let file = ContactFile::open(&flags)?;
    let bar = Bar::new(total.filter(|_| flags.cursor.is_none()));
    let mut export = Export {
        client,
        filters,
        cursor: flags.cursor.clone(),
        seen: HashSet::new(),
        file,
        bar,
        warnings: Vec::new(),
    };
    let outcome = tokio::select! {
        outcome = export.run() => outcome,
        _ = app::stopped() => Err(anyhow!("stopped")),
    };
    let Export { seen, mut file, cursor, bar, warnings, .. } = export;
    drop(bar);
    file.writer.flush().map_err(unwritable)?;
    if outcome.is_err() && seen.is_empty() && cursor.is_none() {
        remove_new(&flags)?;
    }
    for warning in warnings {
        Output::note(format!("warning: {}", warning.message));
    }
    match (outcome, cursor) {
        (Ok(()), _) => {
            Output::note(format!("{} contacts", seen.len()));
            if file.shortened > 0 {
                let (contacts, entries) = (file.shortened, flags.entries);
                Output::note(format!(
                    "warning: {contacts} contacts have more than {entries} entries in a list; raise --entries, or use --format ndjson"
                ));
            }
            Ok(())
        }
        (Err(error), Some(cursor)) if !error.is::<ReaderGone>() => bail!(
            "{error}\n{} contacts were written; to continue, run the same command with --cursor {cursor} (some contacts may come again)",
            seen.len()
        ),
        (outcome, _) => outcome,
    }
}

/// How many contacts there are, if the gateway can count them.
async fn total(client: &GatewayClient, filters: &[(&str, &str)]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Counted {
        count: u64,
    }
    let response = client.get("/crm/contacts/count", filters).await.ok()?;
    serde_json::from_str::<Counted>(&response.body).ok().map(|counted| counted.count)
}

/// An export under way.
struct Export<'a> {
    client: GatewayClient,
    filters: Vec<(&'a str, &'a str)>,
    /// Where it continues.
    cursor: Option<String>,
    /// The contacts that were written, by the first half of the SHA-256 of their ids.
    seen: HashSet<[u8; 16]>,
    file: ContactFile,
    bar: Bar,
    /// What the gateway warned of at the end of the last response.
    warnings: Vec<ExportWarning>,
}

impl Export<'_> {
    /// Continues at the last checkpoint until the export is complete.
    async fn run(&mut self) -> anyhow::Result<()> {
        let mut backoff = Backoff::new();
        loop {
            let before = self.seen.len();
            let Some(cut) = self.one_response().await? else { return Ok(()) };
            if self.seen.len() > before {
                backoff = Backoff::new();
            }
            let wait = backoff.next(cut.pause, PATIENCE).filter(|_| cut.may_continue);
            let Some(wait) = wait else { bail!("{}", cut.reason) };
            self.bar.tell(&cut.reason);
            tokio::time::sleep(wait).await;
            self.bar.tell("");
        }
    }

    /// Reads one response to its end; `None` if the export is complete.
    async fn one_response(&mut self) -> anyhow::Result<Option<Cut>> {
        let broken = |reason| Some(Cut { reason, pause: None, may_continue: true });
        let cursor = self.cursor.iter().map(|cursor| ("cursor", cursor.as_str()));
        let query: Vec<(&str, &str)> = self.filters.iter().copied().chain(cursor).collect();
        let mut stream = match self.client.stream(PATH, &query).await {
            Ok(GatewayStream::Lines(lines)) => lines,
            Ok(GatewayStream::Refused(response)) => {
                let (problem, pause) = (response.problem(), response.retry_after);
                let may_continue = problem.retryable != "no";
                return Ok(Some(Cut { reason: problem.sentence(), pause, may_continue }));
            }
            Err(reason) => return Ok(broken(reason)),
        };
        loop {
            let line = match stream.next().await {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(broken("the response ended early".to_owned())),
                Err(reason) => return Ok(broken(reason)),
            };
            match serde_json::from_str::<ExportedLine<'_>>(&line) {
                Ok(ExportedLine::Contact(contact)) => self.write(contact)?,
                Ok(ExportedLine::Checkpoint(cursor)) => {
                    self.file.writer.flush().map_err(unwritable)?;
                    self.cursor = Some(cursor);
                }
                Ok(ExportedLine::End(ExportedEnd { complete, checkpoint, problem, warnings })) => {
                    self.warnings = warnings;
                    if complete {
                        return Ok(None);
                    }
                    if checkpoint.is_none() && problem.is_none() {
                        let reason = "the export has ended, but the list could not be walked completely";
                        self.cursor = None;
                        return Ok(Some(Cut { reason: reason.to_owned(), pause: None, may_continue: false }));
                    }
                    self.cursor = checkpoint.or(self.cursor.take());
                    let may_continue = problem.as_ref().is_none_or(|problem| problem.retryable != "no");
                    let reason = problem.map_or_else(|| "it is not complete".to_owned(), |p| p.sentence());
                    return Ok(Some(Cut { reason, pause: None, may_continue }));
                }
                Err(error) => {
                    bail!("a line of the response cannot be read: {error}");
                }
            }
        }
    }

    fn write(&mut self, contact: &RawValue) -> anyhow::Result<()> {
        let known: ContactId = serde_json::from_str(contact.get())
            .map_err(|error| anyhow!("a contact of the response has no id: {error}"))?;
        if self.seen.insert(short_digest(known.id.as_bytes())) {
            self.file.write(contact)?;
            self.bar.advance(1);
        }
        Ok(())
    }
}

/// Where the contacts go.
struct ContactFile {
    writer: BufWriter<Box<dyn Write + Send>>,
    /// The columns of a list in CSV; `None` in NDJSON.
    entries: Option<usize>,
    /// How many contacts have more entries than columns.
    shortened: u64,
}

impl ContactFile {
    fn open(flags: &ExportFlags) -> anyhow::Result<Self> {
        let (continues, is_csv) = (flags.cursor.is_some(), flags.format == FileFormat::Csv);
        let writer: Box<dyn Write + Send> = match &flags.output {
            Some(path) => Box::new(file(path, continues)?),
            None => Box::new(io::stdout()),
        };
        let entries = is_csv.then(|| usize::from(flags.entries));
        let mut file = Self { writer: BufWriter::new(writer), entries, shortened: 0 };
        if let Some(entries) = entries.filter(|_| !continues) {
            file.record(&contact_columns::headers(entries))?;
        }
        Ok(file)
    }

    fn write(&mut self, contact: &RawValue) -> anyhow::Result<()> {
        let Some(entries) = self.entries else {
            return writeln!(self.writer, "{}", contact.get()).map_err(unwritable);
        };
        let contact: Value = serde_json::from_str(contact.get())
            .map_err(|error| anyhow!("a contact of the response cannot be read: {error}"))?;
        let (cells, is_whole) = contact_columns::cells(&contact, entries);
        self.shortened += u64::from(!is_whole);
        self.record(&cells)
    }

    fn record(&mut self, cells: &[String]) -> anyhow::Result<()> {
        let mut writer = csv::Writer::from_writer(&mut self.writer);
        let written = writer.write_record(cells).map_err(io::Error::from);
        written.and_then(|()| writer.flush()).map_err(unwritable)
    }
}

/// Removes the file if this run made it, so that the corrected command can be run.
fn remove_new(flags: &ExportFlags) -> anyhow::Result<()> {
    match &flags.output {
        Some(path) if flags.cursor.is_none() => std::fs::remove_file(path)
            .map_err(|error| anyhow!("{} cannot be removed: {error}", path.display())),
        _ => Ok(()),
    }
}

fn file(path: &Path, continues: bool) -> anyhow::Result<File> {
    let opened = if continues { OpenOptions::new().append(true).open(path) } else { File::create_new(path) };
    opened.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            anyhow!("{} exists already; to continue it add --cursor, or choose another name", path.display())
        }
        _ => anyhow!("{} cannot be opened: {error}", path.display()),
    })
}
