//! Which processes serve from one SQLite file: told by locks on a file beside it, which end with their processes.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::private;
use crate::store::OpenError;

/// How long a start waits for another one, which only ends leases meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// A process that is about to serve.
pub struct InstanceLock {
    file: File,
    path: PathBuf,
    alone: bool,
}

/// A process that serves. Held while it does: nobody who starts meanwhile believes to be alone.
pub struct InstancePresence(#[expect(dead_code, reason = "it is held, not used")] File);

/// Comes in. Where the system has no such locks nobody is ever alone. Fails with a sentence.
pub(in crate::store) async fn enter(database: &Path) -> Result<InstanceLock, OpenError> {
    let mut path = database.as_os_str().to_owned();
    path.push(".serving");
    let path = PathBuf::from(path);
    let file = private().open(&path).map_err(|error| obstacle(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(InstanceLock { file, path, alone: true }),
        Err(TryLockError::WouldBlock) => Ok(InstanceLock { file, path, alone: false }),
        Err(TryLockError::Error(error)) => {
            tracing::warn!(%error, "this file system has no locks: what a killed process held is free when its leases end");
            Ok(InstanceLock { file, path, alone: false })
        }
    }
}

impl InstanceLock {
    /// Whether no other process serves. While this lasts none begins to.
    #[must_use]
    pub const fn is_alone(&self) -> bool {
        self.alone
    }

    /// Serves from now on, beside others that begin later. Waits for one that is alone to have come in. Fails with a
    /// sentence.
    pub async fn stay(self) -> Result<InstancePresence, OpenError> {
        let Self { file, path, alone } = self;
        if alone {
            // What one holds is not changed in one step anywhere. Who slips in between finds nothing under way.
            file.unlock().map_err(|error| obstacle(&path, &error))?;
        }
        let started = crate::clock::monotonic();
        loop {
            match file.try_lock_shared() {
                Err(TryLockError::WouldBlock) if started.elapsed() < PATIENCE => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(OpenError::new(format!(
                        "another process holds {} and does not let go; end it, or wait until it is done",
                        path.display()
                    )));
                }
                // As said where it came in.
                Ok(()) | Err(TryLockError::Error(_)) => return Ok(InstancePresence(file)),
            }
        }
    }
}

fn obstacle(path: &Path, error: &std::io::Error) -> OpenError {
    OpenError::new(format!(
        "the file {} beside the database cannot be used ({error}); let this user write to it and its folder",
        path.display()
    ))
}
