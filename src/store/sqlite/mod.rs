//! The store in one SQLite file: creating its folder and file, settings, and migration. Every problem is reported as one
//! sentence.

mod backup;
mod instance_lock;
mod migrate;
mod space;
mod watch;
mod writer;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};

use self::watch::Watch;
use self::writer::Writer;
use crate::store::OpenError;
pub(super) use backup::backup;
pub(super) use instance_lock::enter;
pub use instance_lock::{InstanceLock, InstancePresence};
pub(super) use migrate::inspect;
pub(super) use space::shrink;
pub(super) use watch::is_lost;

/// How long a statement waits for another process's write to end.
const BUSY: Duration = Duration::from_secs(5);
/// The oldest SQLite whose write-ahead log has no known corruption bug.
const OLDEST: (u32, u32, u32) = (3, 51, 3);

pub(in crate::store) struct Sqlite {
    /// The connections that read.
    pub(in crate::store) pool: SqlitePool,
    /// Its connection stays open for as long as the pool. When the last connection closes, SQLite deletes the `-wal` and `-shm`
    /// files and later creates new ones, which [`Watch`] would report as replaced.
    pub(in crate::store) writer: Writer,
    /// Detects that its files were removed or replaced.
    pub(in crate::store) watch: Arc<Watch>,
}

impl Sqlite {
    pub(in crate::store) async fn close(&self) {
        self.pool.close().await;
        self.writer.close().await;
    }
}

/// Opens the file at `path` with its schema up to date.
pub(crate) async fn open(path: &Path) -> Result<Sqlite, OpenError> {
    folder(path)?;
    file(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON")
        .disable_statement_logging();
    let mut first = first_connection(&options, path).await?;
    recent(&mut first, path).await?;
    migrate::migrate(&mut first, path).await?;
    space::convert(&mut first, path).await;
    let pool = SqlitePoolOptions::new()
        .max_connections(8)
        .acquire_timeout(BUSY)
        // Keep connections: a new one would open whatever file is at the path then.
        .idle_timeout(None)
        .max_lifetime(None)
        // A file does not hang up, and each test is a round trip to the connection's thread.
        .test_before_acquire(false)
        .connect_with(options)
        .await
        .map_err(|error| sentence(&error, path))?;
    let watch = Arc::new(Watch::new(path));
    Ok(Sqlite { pool, writer: Writer::start(first, Arc::clone(&watch)), watch })
}

/// Only this connection enables the write-ahead log, and retries: SQLite does not wait if two processes enable it together.
/// The file keeps the setting.
async fn first_connection(
    options: &SqliteConnectOptions,
    path: &Path,
) -> Result<SqliteConnection, OpenError> {
    // Applies to new files; existing ones are converted by `space`.
    let options =
        options.clone().auto_vacuum(SqliteAutoVacuum::Incremental).journal_mode(SqliteJournalMode::Wal);
    let started = crate::clock::monotonic();
    loop {
        match SqliteConnection::connect_with(&options).await {
            Err(error) if is_busy(&error) && started.elapsed() < BUSY => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            outcome => return outcome.map_err(|error| sentence(&error, path)),
        }
    }
}

async fn recent(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(connection)
        .await
        .map_err(|error| sentence(&error, path))?;
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    if (next(), next(), next()) >= OLDEST {
        return Ok(());
    }
    let (major, minor, least) = OLDEST;
    Err(OpenError::new(format!(
        "this build has SQLite {version}, but needs {major}.{minor}.{least} or later; build it with the bundled SQLite"
    )))
}

/// Creates the folder if its parent exists. A mistyped path does not create several folders.
fn folder(path: &Path) -> Result<(), OpenError> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(_) if folder.is_dir() => Ok(()),
        Err(error) => Err(OpenError::new(format!(
            "the folder {} for the database cannot be created ({error}); create it and let this user write to it, or name \
             another place in GATEWAY_DATABASE_URL",
            folder.display()
        ))),
    }
}

/// Creates or opens the file for writing, readable by this user only. SQLite gives its other files the same permissions.
fn file(path: &Path) -> Result<(), OpenError> {
    private().open(path).map(|_| ()).map_err(|error| {
        OpenError::new(format!(
            "the database {} cannot be opened for writing ({error}); let this user write to the file and its folder, or \
             name another place in GATEWAY_DATABASE_URL",
            path.display()
        ))
    })
}

/// Open options for a file that only this user may read.
fn private() -> std::fs::OpenOptions {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).read(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The sentence for a failed first connection.
fn sentence(error: &sqlx::Error, path: &Path) -> OpenError {
    let what = advice(error).unwrap_or("cannot be used");
    OpenError::new(format!("the database {} {what}", path.display())).with_cause(error.to_string())
}

/// The operator's remedy for an error of SQLite, if it is known.
pub(in crate::store) fn advice(error: &sqlx::Error) -> Option<&'static str> {
    Some(match code(error)? & 0xff {
        5 | 6 => "is locked by another program; end it, or wait until it is done",
        8 | 14 => "cannot be written; let this user write to the file and its folder",
        // A file size limit, and a full disk while the index of the write-ahead log grows, are errors of this kind.
        10 => "cannot be read or written; free disk space or raise the file size limit, else check the disk",
        11 => "is damaged; restore it from a backup",
        13 => "cannot grow because the disk is full; free disk space",
        26 => "is not a SQLite database; set another file in GATEWAY_DATABASE_URL",
        _ => return None,
    })
}

/// Whether a write failed because the disk is full, or a file reached the system's size limit.
pub(in crate::store) fn is_full(error: &sqlx::Error) -> bool {
    /// `SQLITE_IOERR_WRITE`.
    const WRITE: u32 = 778;
    /// `SQLITE_IOERR_SHMSIZE`.
    const SHM_SIZE: u32 = 4874;
    code(error).is_some_and(|code| code & 0xff == 13 || matches!(code, WRITE | SHM_SIZE))
}

pub(in crate::store) fn is_busy(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

fn code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}
