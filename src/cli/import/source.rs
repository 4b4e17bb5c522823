//! The rows of the file to import: CSV with a header, or one JSON object a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use serde_json::{Map, Value};

use super::mapping::{Mapping, REASON};
use crate::cli::file_format::FileFormat;
use crate::json;
use crate::sealing::sha256_of;

/// The fields of an exported contact that a new contact must not have.
const IDS: [&str; 2] = ["id", "remoteId"];

/// A file whose every row could be read.
pub(super) struct ImportSource {
    path: PathBuf,
    /// The same file until the end, even if another one takes its name.
    file: File,
    kind: ImportSourceKind,
    /// How many rows it has.
    pub(super) rows: u64,
    /// The SHA-256 of all its bytes.
    pub(super) digest: [u8; 32],
    /// For each column its header, its field and its first value that is not blank.
    pub(super) preview: Vec<[String; 3]>,
}

enum ImportSourceKind {
    Csv {
        delimiter: u8,
        mapping: Mapping,
        headers: csv::StringRecord,
    },
    /// Fields at the top of each object that are left out or renamed.
    Ndjson(Vec<(String, Option<String>)>),
}

/// One row.
pub(super) struct ImportRow {
    /// Counted from 1, without the header. It is what the progress file calls the row.
    pub(super) number: u64,
    /// The line of the file on which it begins.
    pub(super) line: u64,
    /// The body of a create.
    pub(super) body: String,
    pub(super) original: Original,
}

/// A row as it stands in the file.
#[derive(Clone)]
pub(super) enum Original {
    Cells(csv::StringRecord),
    Object(Value),
}

impl ImportSource {
    /// Reads the whole file once. Fails with a sentence for each fault, so that a bad file is refused before the first write.
    pub(super) fn open(
        path: &Path,
        format: FileFormat,
        map: &[String],
        is_create: bool,
    ) -> anyhow::Result<Self> {
        let unreadable = |error: io::Error| anyhow!("{} cannot be read: {error}", path.display());
        let file = File::open(path).map_err(unreadable)?;
        if file.metadata().map_err(unreadable)?.is_dir() {
            bail!("{} is a folder", path.display());
        }
        let digest = sha256_of(&file).map_err(unreadable)?;
        let kind = match format {
            FileFormat::Csv => csv_kind(path, &file, map)?,
            FileFormat::Ndjson => ImportSourceKind::Ndjson(renamed(map)?),
        };
        let mut source = Self { path: path.to_owned(), file, kind, rows: 0, digest, preview: Vec::new() };
        source.read_all()?;
        if is_create && source.rows > 0 && !source.names_people() {
            bail!(
                "no column fills `lastName`, which a new contact needs: name one with --map HEADER=lastName"
            );
        }
        Ok(source)
    }

    fn read_all(&mut self) -> anyhow::Result<()> {
        let mut preview = match &self.kind {
            ImportSourceKind::Csv { mapping, .. } => {
                mapping.shown().map(|[header, field]| [header, field, String::new()]).collect()
            }
            ImportSourceKind::Ndjson(_) => Vec::new(),
        };
        let mut rows = 0;
        for row in self.rows()? {
            row?.fill(&mut preview);
            rows += 1;
        }
        (self.rows, self.preview) = (rows, preview);
        Ok(())
    }

    fn names_people(&self) -> bool {
        match &self.kind {
            ImportSourceKind::Csv { mapping, .. } => mapping.fills("lastName"),
            ImportSourceKind::Ndjson(_) => true,
        }
    }

    /// The header of a CSV file.
    pub(super) fn headers(&self) -> Option<&csv::StringRecord> {
        match &self.kind {
            ImportSourceKind::Csv { headers, .. } => Some(headers),
            ImportSourceKind::Ndjson(_) => None,
        }
    }

    /// All rows from the first one.
    pub(super) fn rows(&self) -> anyhow::Result<Box<dyn Iterator<Item = anyhow::Result<ImportRow>> + '_>> {
        let mut file = &self.file;
        file.rewind().map_err(|error| self.fault(&format!("cannot be read: {error}")))?;
        Ok(match &self.kind {
            ImportSourceKind::Csv { delimiter, mapping, .. } => {
                let records = reader(file, *delimiter).into_records().zip(1..);
                Box::new(records.filter_map(|(record, number)| {
                    let record = match record {
                        // A spreadsheet may end with rows that have delimiters and nothing else.
                        Ok(record) if record.iter().all(|cell| cell.trim().is_empty()) => return None,
                        Ok(record) => record,
                        Err(error) => return Some(Err(self.csv_fault(&error))),
                    };
                    let line = record.position().map_or(number + 1, csv::Position::line);
                    let body = mapping.body(record.iter()).to_string();
                    Some(Ok(ImportRow { number, line, body, original: Original::Cells(record) }))
                }))
            }
            ImportSourceKind::Ndjson(changes) => {
                let lines = BufReader::new(file).lines().zip(1_u64..);
                let objects = lines.filter_map(move |(line, at)| {
                    let object = self.object(line, at).transpose()?;
                    Some(object.map(|object| (object, at)))
                });
                Box::new(objects.zip(1..).map(|(object, number)| {
                    let (object, line) = object?;
                    let contact = changed(object, changes);
                    let body = contact.to_string();
                    Ok(ImportRow { number, line, body, original: Original::Object(contact) })
                }))
            }
        })
    }

    /// The contact in a line; `None` if the line has none: blank lines, and the lines between the contacts of an export.
    fn object(&self, line: io::Result<String>, at: u64) -> anyhow::Result<Option<Map<String, Value>>> {
        let line = line.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => self.fault(&format!("line {at}: not UTF-8")),
            _ => self.fault(&format!("cannot be read: {error}")),
        })?;
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty() {
            return Ok(None);
        }
        json::check(line, json::REQUEST)
            .map_err(|fault| self.fault(&format!("line {at}: {}", fault.reason())))?;
        let Ok(Value::Object(mut object)) = serde_json::from_str(line) else {
            let reason = format!("line {at}: must be a JSON object, such as {{\"lastName\": \"Okafor\"}}");
            return Err(self.fault(&reason));
        };
        if object.contains_key("checkpoint") || object.contains_key("end") {
            return Ok(None);
        }
        if let Some(Value::Object(contact)) = object.get_mut("contact") {
            return Ok(Some(std::mem::take(contact)));
        }
        Ok(Some(object))
    }

    fn csv_fault(&self, error: &csv::Error) -> anyhow::Error {
        let line = error.position().map(|position| format!("line {}: ", position.line()));
        let reason = match error.kind() {
            csv::ErrorKind::Utf8 { .. } => "it is not UTF-8; save the file as `CSV UTF-8`".to_owned(),
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("it has {len} cells, but the header has {expected_len}")
            }
            _ => error.to_string(),
        };
        self.fault(&format!("{}{reason}", line.unwrap_or_default()))
    }

    fn fault(&self, reason: &str) -> anyhow::Error {
        anyhow!("{}: {reason}", self.path.display())
    }
}

impl ImportRow {
    /// Completes the preview with the values of this row.
    fn fill(&self, preview: &mut [[String; 3]]) {
        if let Original::Cells(cells) = &self.original {
            for ([.., first], cell) in preview.iter_mut().zip(cells) {
                if first.is_empty() {
                    cell.trim().clone_into(first);
                }
            }
        }
    }
}

/// Reads the header. The delimiter is the one that gives the most columns.
fn csv_kind(path: &Path, file: &File, map: &[String]) -> anyhow::Result<ImportSourceKind> {
    let fault = |reason: &str| anyhow!("{}: {reason}", path.display());
    let mut best: Option<(u8, csv::StringRecord)> = None;
    for delimiter in [b',', b';', b'\t'] {
        let mut file = file;
        file.rewind().map_err(|error| fault(&format!("cannot be read: {error}")))?;
        let mut reader = reader(file, delimiter);
        let headers = reader
            .headers()
            .map_err(|_| fault("the header cannot be read: it is not UTF-8; save the file as `CSV UTF-8`"))?;
        if best.as_ref().is_none_or(|(_, other)| headers.len() > other.len()) {
            best = Some((delimiter, headers.clone()));
        }
    }
    let Some((delimiter, headers)) = best.filter(|(_, headers)| !headers.is_empty()) else {
        return Err(fault("the file is empty"));
    };
    let names: Vec<&str> = headers.iter().collect();
    for (number, name) in names.iter().enumerate() {
        if name.trim().is_empty() {
            return Err(fault(&format!("column {} has no header", number + 1)));
        }
        if names[..number].contains(name) {
            return Err(fault(&format!("two columns have the header `{name}`")));
        }
    }
    let has_reasons = path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with(".rejected"));
    let mapping =
        Mapping::new(&names, map, has_reasons).map_err(|faults| anyhow!("{}", faults.join("\n")))?;
    Ok(ImportSourceKind::Csv { delimiter, mapping, headers })
}

fn reader(file: &File, delimiter: u8) -> csv::Reader<&File> {
    csv::ReaderBuilder::new().delimiter(delimiter).from_reader(file)
}

/// The changes of `--map` to the objects of an NDJSON file: `old=new`, or `old=-` to leave a field out.
fn renamed(map: &[String]) -> anyhow::Result<Vec<(String, Option<String>)>> {
    let change = |text: &String| match text.rsplit_once('=') {
        Some((old, "-")) => Ok((old.to_owned(), None)),
        Some((old, new)) if !new.is_empty() => Ok((old.to_owned(), Some(new.to_owned()))),
        _ => Err(anyhow!("--map {text}: must be FIELD=NEW_NAME, or FIELD=- to leave it out")),
    };
    map.iter().map(change).collect()
}

fn changed(mut contact: Map<String, Value>, changes: &[(String, Option<String>)]) -> Value {
    let reasons = [REASON];
    IDS.iter().chain(&reasons).for_each(|name| drop(contact.shift_remove(*name)));
    for (old, new) in changes {
        if let (Some(value), Some(new)) = (contact.shift_remove(old), new) {
            contact.insert(new.clone(), value);
        }
    }
    Value::Object(contact)
}
