//! What is known of an import so far, in a file beside the imported one: a line for each row that is sent, and one for its end.
//!
//! The line of a row is durable before the row is sent. A later run sends a row without an end again under the same
//! Idempotency-Key, so that the gateway writes it once.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::Timestamp;

/// Fits the file's format; another one is refused.
const VERSION: u32 = 1;

/// The first line: what the import is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImportHead {
    pub(super) version: u32,
    /// The SHA-256 of the imported file, in hexadecimal digits.
    pub(super) file: String,
    /// The gateway's URL and the credential.
    pub(super) target: String,
    /// The columns with their fields, and the other flags that change what is sent.
    pub(super) mapping: String,
}

/// Any further line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase", untagged)]
enum ProgressLine {
    Sent {
        row: u64,
        key: String,
        at: Timestamp,
    },
    Ended {
        ended: u64,
        outcome: RowEnd,
        /// The length of the file with rejected rows.
        rejected_length: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RowEnd {
    Imported,
    Rejected,
}

/// A row that was sent and has no end yet.
#[derive(Clone, Debug)]
pub(super) struct OpenRow {
    pub(super) key: String,
    /// When it was first sent.
    pub(super) at: Timestamp,
}

pub(super) struct ProgressFile {
    path: PathBuf,
    file: File,
    pub(super) open: BTreeMap<u64, OpenRow>,
    /// The last row that was ever sent.
    pub(super) last_sent: u64,
    pub(super) imported: u64,
    pub(super) rejected: u64,
    pub(super) rejected_length: u64,
}

impl ProgressFile {
    /// `people.csv.progress` beside `people.csv`.
    pub(super) fn path_for(source: &Path) -> PathBuf {
        let mut name = source.as_os_str().to_owned();
        name.push(".progress");
        name.into()
    }

    /// Opens the file or makes a new one, and locks it until the end of the process. `restart` forgets what it holds.
    /// Fails with a sentence if another process has it, or if it is of another import.
    pub(super) fn open(path: &Path, head: &ImportHead, restart: bool) -> anyhow::Result<Self> {
        let failed = |error: io::Error| unusable(path, &error);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another import is using {}", path.display());
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut progress = Self {
            path: path.to_owned(),
            file,
            open: BTreeMap::new(),
            last_sent: 0,
            imported: 0,
            rejected: 0,
            rejected_length: 0,
        };
        if restart {
            progress.file.set_len(0).map_err(failed)?;
        }
        progress.read(head)?;
        Ok(progress)
    }

    fn read(&mut self, head: &ImportHead) -> anyhow::Result<()> {
        let failed = |path: &Path, error: io::Error| unusable(path, &error);
        let file = self.file.try_clone().map_err(|error| failed(&self.path, error))?;
        let (mut lines, mut length) = (BufReader::new(file), 0);
        let mut line = Vec::new();
        let mut is_first = true;
        loop {
            line.clear();
            let read = lines.read_until(b'\n', &mut line).map_err(|error| failed(&self.path, error))?;
            // A line without its end was torn by a crash. What it says was never acted on.
            if read == 0 || line.last() != Some(&b'\n') {
                break;
            }
            if is_first {
                let known = serde_json::from_slice::<ImportHead>(&line);
                known.map_err(|_| foreign(&self.path)).and_then(|known| same(&self.path, &known, head))?;
            } else {
                let known = serde_json::from_slice::<ProgressLine>(&line).map_err(|_| foreign(&self.path))?;
                match known {
                    ProgressLine::Sent { row, key, at } => {
                        self.last_sent = self.last_sent.max(row);
                        self.open.insert(row, OpenRow { key, at });
                    }
                    ProgressLine::Ended { ended, outcome, rejected_length } => {
                        self.open.remove(&ended);
                        self.count(outcome);
                        self.rejected_length = rejected_length;
                    }
                }
            }
            is_first = false;
            length += read as u64;
        }
        self.file.set_len(length).map_err(|error| failed(&self.path, error))?;
        self.file.seek(SeekFrom::End(0)).map_err(|error| failed(&self.path, error))?;
        if is_first {
            self.append(head)?;
        }
        Ok(())
    }

    /// Whether nothing was ever sent.
    pub(super) const fn is_new(&self) -> bool {
        self.last_sent == 0
    }

    /// Records that `row` is about to be sent; the key to send it with. It is durable when this returns.
    pub(super) fn send(&mut self, row: u64, now: Timestamp) -> anyhow::Result<String> {
        let key = Uuid::now_v7().to_string();
        self.append(&ProgressLine::Sent { row, key: key.clone(), at: now })?;
        self.file.sync_data().map_err(|error| unusable(&self.path, &error))?;
        self.last_sent = self.last_sent.max(row);
        self.open.insert(row, OpenRow { key: key.clone(), at: now });
        Ok(key)
    }

    /// Records how `row` ended. If this is lost, the row is sent again and gets the stored response.
    pub(super) fn end(&mut self, row: u64, outcome: RowEnd, rejected_length: u64) -> anyhow::Result<()> {
        self.append(&ProgressLine::Ended { ended: row, outcome, rejected_length })?;
        self.open.remove(&row);
        self.rejected_length = rejected_length;
        self.count(outcome);
        Ok(())
    }

    fn count(&mut self, outcome: RowEnd) {
        match outcome {
            RowEnd::Imported => self.imported += 1,
            RowEnd::Rejected => self.rejected += 1,
        }
    }

    fn append(&mut self, line: &impl Serialize) -> anyhow::Result<()> {
        let mut text = serde_json::to_vec(line).map_err(|error| unusable(&self.path, &error.into()))?;
        text.push(b'\n');
        self.file.write_all(&text).map_err(|error| unusable(&self.path, &error))
    }
}

impl ImportHead {
    pub(super) const fn new(file: String, target: String, mapping: String) -> Self {
        Self { version: VERSION, file, target, mapping }
    }
}

fn unusable(path: &Path, error: &io::Error) -> anyhow::Error {
    anyhow!("the progress cannot be kept in {}: {error}; nothing more was sent", path.display())
}

fn foreign(path: &Path) -> anyhow::Error {
    anyhow!("{} is not the progress of an import; move it away", path.display())
}

fn same(path: &Path, known: &ImportHead, head: &ImportHead) -> anyhow::Result<()> {
    let changed = if known.version != head.version {
        return Err(foreign(path));
    } else if known.file != head.file {
        "another content of the file".to_owned()
    } else if known.target != head.target {
        format!("the target {}, and this one has {}", known.target, head.target)
    } else if known.mapping != head.mapping {
        "another mapping or other flags".to_owned()
    } else {
        return Ok(());
    };
    Err(anyhow!(
        "{} is of an import of this file with {changed}. Use the same again to continue it, or --restart to import from the first row, \
         which may create contacts twice",
        path.display()
    ))
}
