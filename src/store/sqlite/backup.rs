//! A copy of the file while processes use it.

use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::{BUSY, inspect, private, sentence};
use crate::store::OpenError;

/// Copies the database at `path` to the new file `to`: all of one point in time, without what was erased. Its schema stays as it
/// is. Writers wait for nothing. The copy has its name only once it is complete and on the disk.
pub(in crate::store) async fn backup(path: &Path, to: &Path) -> Result<(), OpenError> {
    let (schema, ..) = inspect(path, 0).await?;
    if schema == 0 {
        return Err(OpenError::new(format!(
            "the file {} is an empty database; check GATEWAY_DATABASE_URL",
            path.display()
        )));
    }
    if to.try_exists().unwrap_or(true) {
        return Err(OpenError::new(format!("{} exists already; name a new file", to.display())));
    }
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let made = copy(path, &part).await.and_then(|()| {
        let kept = std::fs::File::open(&part).and_then(|file| file.sync_all());
        kept.and_then(|()| std::fs::rename(&part, to)).map_err(|error| unwritable(to, &error))
    });
    if made.is_err() {
        // It is incomplete; the next backup replaces it if it stays.
        let _ = std::fs::remove_file(&part);
    }
    made
}

async fn copy(path: &Path, part: &Path) -> Result<(), OpenError> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY).disable_statement_logging();
    let mut connection =
        sqlx::SqliteConnection::connect_with(&options).await.map_err(|error| sentence(&error, path))?;
    // SQLite writes into an empty file, and would make one that others may read. What is there is left of an earlier backup,
    // or was put there by someone else: it is removed, never written to.
    match std::fs::remove_file(part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unwritable(part, &error)),
        _ => {}
    }
    private().create_new(true).open(part).map_err(|error| unwritable(part, &error))?;
    let copied = sqlx::query("VACUUM INTO $1")
        .bind(part.to_string_lossy().into_owned())
        .execute(&mut connection)
        .await;
    // Everything is read, so an error here has no effect.
    let _ = connection.close().await;
    copied
        .map(|_| ())
        .map_err(|error| OpenError::new(format!("the copy {} could not be made: {error}", part.display())))
}

fn unwritable(file: &Path, error: &std::io::Error) -> OpenError {
    OpenError::new(format!("{} cannot be written ({error}); name another place", file.display()))
}
