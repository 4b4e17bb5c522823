//! Detects which processes serve from one SQLite file, by locks on a file beside it. The locks end with their process.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::private;
use crate::store::OpenError;

/// How long a start waits for another start, which only releases leases meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// A process that is about to serve.
pub struct InstanceLock {
    file: File,
    path: PathBuf,
    alone: bool,
}

/// A process that serves. It holds a lock that shows other starting processes that they are not alone.
pub struct InstancePresence(#[expect(dead_code, reason = "it is held, not used")] File);

/// Takes the lock of a start. If the file system has no locks, no process is ever alone. Fails with a sentence.
pub(in crate::store) async fn enter(database: &Path) -> Result<InstanceLock, OpenError> {
    let mut path = database.as_os_str().to_owned();
    path.push(".serving");
    let path = PathBuf::from(path);
    let file = private().open(&path).map_err(|error| obstacle(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(InstanceLock { file, path, alone: true }),
        Err(TryLockError::WouldBlock) => Ok(InstanceLock { file, path, alone: false }),
        Err(TryLockError::Error(error)) => {
            tracing::warn!(%error, "this file system has no locks; leases of a killed process are released only when they end");
            Ok(InstanceLock { file, path, alone: false })
        }
    }
}

impl InstanceLock {
    /// Whether no other process serves. None can begin to serve while this value exists.
    #[must_use]
    pub const fn is_alone(&self) -> bool {
        self.alone
    }

    /// Serves from now on, beside processes that start later. Waits for a process that starts alone. Fails with a
    /// sentence.
    pub async fn stay(self) -> Result<InstancePresence, OpenError> {
        let Self { file, path, alone } = self;
        if alone {
            // No system changes a held lock in one step. A process that starts in between finds no unfinished work.
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
                        "another process holds a lock on {}; end it, or wait until it is done",
                        path.display()
                    )));
                }
                // Handled as in `enter`.
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
