//! The file with the rows that were not imported: each as it was, with the reason. It can be corrected and imported.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::mapping::REASON;
use super::source::{ImportSource, Original};

/// `people.rejected.csv` beside `people.csv`. It is made with the first rejected row.
pub(super) struct RejectedRows {
    path: PathBuf,
    file: Option<File>,
    headers: Option<csv::StringRecord>,
}

impl RejectedRows {
    /// The path for the file `source`.
    pub(super) fn path_for(source: &Path) -> PathBuf {
        let ending =
            source.extension().map_or_else(String::new, |ending| format!(".{}", ending.to_string_lossy()));
        source.with_extension(format!("rejected{ending}"))
    }

    /// Continues the file at `length`, up to which the rows are recorded. With 0 there is no file yet.
    pub(super) fn open(path: PathBuf, source: &ImportSource, length: u64) -> io::Result<Self> {
        let headers = source.headers().map(|headers| {
            let mut headers = headers.clone();
            if headers.iter().next_back() != Some(REASON) {
                headers.push_field(REASON);
            }
            headers
        });
        let mut rows = Self { path, file: None, headers };
        if length > 0 {
            let mut file = OpenOptions::new().write(true).open(&rows.path)?;
            if file.metadata()?.len() < length {
                return Err(io::Error::other("it is shorter than before"));
            }
            file.set_len(length)?;
            file.seek(SeekFrom::End(0))?;
            rows.file = Some(file);
        }
        Ok(rows)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the row and makes it durable; the length of the file after it.
    pub(super) fn write(&mut self, row: &Original, reason: &str) -> io::Result<u64> {
        let line = self.line(row, reason)?;
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            let mut file = File::create(&self.path)?;
            if let Some(headers) = &self.headers {
                file.write_all(&record(headers)?)?;
            }
            self.file.insert(file)
        };
        file.write_all(&line)?;
        file.sync_data()?;
        file.stream_position()
    }

    fn line(&self, row: &Original, reason: &str) -> io::Result<Vec<u8>> {
        match row {
            Original::Cells(cells) => {
                let columns = self.headers.as_ref().map_or(0, |headers| headers.len() - 1);
                let mut line: csv::StringRecord = cells.iter().take(columns).collect();
                line.push_field(reason);
                record(&line)
            }
            Original::Object(contact) => {
                Ok(format!("{}\n", json!({ "contact": contact, REASON: reason })).into_bytes())
            }
        }
    }
}

fn record(cells: &csv::StringRecord) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells)?;
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}
