//! Returns free pages of a SQLite file to the file system.

use std::path::Path;
use std::time::Duration;

use sqlx::{SqliteConnection, SqlitePool};

/// `PRAGMA auto_vacuum = INCREMENTAL`.
const INCREMENTAL: i64 = 2;
/// The largest file that is converted at startup; rewriting it takes a second or two and blocks writers.
const CONVERTED_MOST: i64 = 256 * 1024 * 1024;
/// One step returns 256 pages of 4 KiB, so that a writer waits only briefly for it.
const STEP: &str = "PRAGMA incremental_vacuum(256)";
/// The most steps of one call, for 512 MiB.
const STEPS: usize = 512;
/// The pause between two steps, in which others can write.
const PAUSE: Duration = Duration::from_millis(20);

/// Enables incremental vacuum for a file of an earlier version, which rewrites it once. A large file is left unchanged, and
/// the log says what to do. A failure is logged; the file can still be used.
pub(super) async fn convert(connection: &mut SqliteConnection, path: &Path) {
    if let Err(error) = try_convert(connection, path).await {
        tracing::warn!(%error, "incremental vacuum could not be enabled, so the database file does not shrink; retried at the next start");
    }
}

async fn try_convert(connection: &mut SqliteConnection, path: &Path) -> sqlx::Result<()> {
    let number = async |connection: &mut SqliteConnection, sql: &'static str| {
        sqlx::query_scalar::<_, i64>(sql).fetch_one(connection).await
    };
    if number(connection, "PRAGMA auto_vacuum").await? == INCREMENTAL {
        return Ok(());
    }
    let pages = number(connection, "PRAGMA page_count").await?;
    let bytes = pages.saturating_mul(number(connection, "PRAGMA page_size").await?);
    if bytes > CONVERTED_MOST {
        tracing::warn!(
            bytes,
            "the database file is of an earlier version and does not shrink when rows are erased; to enable that, stop the \
             gateway and run: sqlite3 {} 'PRAGMA auto_vacuum = INCREMENTAL; VACUUM'",
            path.display()
        );
        return Ok(());
    }
    sqlx::raw_sql("PRAGMA auto_vacuum = INCREMENTAL; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(connection)
        .await
        .map(|_| ())
}

pub(in crate::store) async fn shrink(pool: &SqlitePool) -> sqlx::Result<()> {
    for _ in 0..STEPS {
        let free: i64 = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(pool).await?;
        let mode: i64 = sqlx::query_scalar("PRAGMA auto_vacuum").fetch_one(pool).await?;
        if free == 0 || mode != INCREMENTAL {
            break;
        }
        // SQLite returns one page for each row that is read.
        sqlx::query(STEP).fetch_all(pool).await?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
