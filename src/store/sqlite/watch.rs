//! Detects that the open database file was removed or replaced at its path. Writes to such a file are lost.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Marks the error of a write whose database file was removed or replaced.
#[derive(Debug, thiserror::Error)]
#[error("the database file was removed or replaced")]
struct FileLost;

/// Whether a write failed because its file was removed or replaced.
pub(in crate::store) fn is_lost(error: &sqlx::Error) -> bool {
    let sqlx::Error::Io(error) = error else { return false };
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<FileLost>)
}

/// The identities of the database file, its `-wal` and its `-shm` at the time of opening. SQLite does not recreate these files
/// while a connection is open, so a difference means that another program replaced one.
pub(in crate::store) struct Watch {
    files: Vec<(PathBuf, FileIdentity)>,
    lost: AtomicBool,
}

/// Device and inode of the entry at the path, and of the file that it leads to if it is a symbolic link. A file that is
/// moved away behind a new link would lose its `-wal` at the next start.
type FileIdentity = [(u64, u64); 2];

impl Watch {
    /// Watches those files of the database at `path` that exist now.
    pub(super) fn new(path: &Path) -> Self {
        let files = ["", "-wal", "-shm"].into_iter().filter_map(|suffix| {
            let mut file = path.as_os_str().to_owned();
            file.push(suffix);
            let identity = identity(Path::new(&file)).ok()?;
            Some((PathBuf::from(file), identity))
        });
        Self { files: files.collect(), lost: AtomicBool::new(false) }
    }

    /// Fails if a database file was removed or replaced.
    pub(super) fn check(&self) -> sqlx::Result<()> {
        if self.is_lost() { Err(sqlx::Error::Io(io::Error::other(FileLost))) } else { Ok(()) }
    }

    /// Whether a file is removed or replaced now; changes are logged.
    pub(in crate::store) fn is_lost(&self) -> bool {
        let missing = self.files.iter().find(|(path, known)| differs(path, *known));
        let lost = missing.is_some();
        if self.lost.swap(lost, Ordering::Relaxed) != lost {
            if let Some((path, _)) = missing {
                tracing::error!(
                    file = %path.display(),
                    "the database file was removed or replaced while the gateway runs; writes are refused, because they would \
                     be lost. Stop the gateway, put the file back, start it again"
                );
            } else {
                tracing::warn!("the database file is back; writes are accepted again");
            }
        }
        lost
    }
}

/// Other errors count as no difference: if the file is unusable, statements fail anyway.
fn differs(path: &Path, known: FileIdentity) -> bool {
    match identity(path) {
        Ok(now) => now != known,
        Err(error) => matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}

fn identity(path: &Path) -> io::Result<FileIdentity> {
    let entry = std::fs::symlink_metadata(path)?;
    let file = if entry.is_symlink() { inode(&std::fs::metadata(path)?) } else { inode(&entry) };
    Ok([inode(&entry), file])
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_moved_behind_a_new_link_counts_as_replaced_and_a_link_from_the_start_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let [real, path] = ["real.db", "gateway.db"].map(|name| folder.path().join(name));
        std::fs::write(&real, "").unwrap();
        std::os::unix::fs::symlink(&real, &path).unwrap();
        let (direct, linked) = (Watch::new(&real), Watch::new(&path));
        assert!(!direct.is_lost() && !linked.is_lost());
        let away = folder.path().join("away.db");
        std::fs::rename(&real, &away).unwrap();
        assert!(direct.is_lost() && linked.is_lost());
        std::os::unix::fs::symlink(&away, &real).unwrap();
        assert!(direct.is_lost(), "its `-wal` would be sought beside the other file");
        std::fs::remove_file(&real).unwrap();
        std::fs::rename(&away, &real).unwrap();
        assert!(!direct.is_lost() && !linked.is_lost());
    }
}
