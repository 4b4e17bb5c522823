//! A database of every schema so far, on which this binary starts.

use std::process::Command;

use contacts_gateway::auth::ApiKey;
use secrecy::ExposeSecret;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};

use crate::gateway_process::{GatewayProcess, master_key};

/// Marks a file as ours.
const APPLICATION: u32 = 0x6367_7731;

/// The migration steps, in order.
fn steps() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/migrations/sqlite");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

#[tokio::test]
async fn a_database_of_every_earlier_version_is_brought_up_to_date_and_used() {
    let (steps, key) = (steps(), ApiKey::generate().unwrap());
    assert!(steps.len() >= 5);
    for version in 1..=steps.len() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.db");
        let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
        let mut old = SqliteConnection::connect_with(&options).await.unwrap();
        for step in &steps[..version] {
            old.execute(AssertSqlSafe(step.clone())).await.unwrap();
        }
        let marks = format!("PRAGMA user_version = {version}; PRAGMA application_id = {APPLICATION}");
        old.execute(AssertSqlSafe(marks)).await.unwrap();
        old.execute("INSERT INTO tenants (id, name, created_at) VALUES ('ten_old', 'old', 1)").await.unwrap();
        let insert = "INSERT INTO api_keys (id, tenant_id, name, digest, scopes, created_at) \
             VALUES ($1, 'ten_old', 'n', $2, 'contacts:read', 1)";
        let row = sqlx::query(insert).bind(key.id().as_str()).bind(key.digest().to_vec());
        row.execute(&mut old).await.unwrap();
        old.close().await.unwrap();
        // Whoever only checks it does not update it.
        let live = Command::new(env!("CARGO_BIN_EXE_contacts-gateway"))
            .args(["check-config", "--live", "--database-url", &format!("sqlite://{}", file.display())])
            .env_clear()
            .env("GATEWAY_MASTER_KEY", master_key())
            .output()
            .unwrap();
        let said = String::from_utf8(live.stderr).unwrap();
        assert!(
            said.contains(&format!("has schema {version}, and this version has {}", steps.len())),
            "{said}"
        );
        assert_eq!(said.contains("updates it"), version < steps.len(), "{said}");
        assert_eq!(schema(&options).await, version);
        let mut gateway = GatewayProcess::start(folder.path(), "log", &master_key(), &[]).await;
        let reply = gateway.call("GET", "/providers", key.text().expose_secret(), None).await;
        assert_eq!(reply.status, 200, "version {version}: {reply:?}");
        gateway.process.kill().unwrap();
        gateway.process.wait().unwrap();
        assert_eq!(schema(&options).await, steps.len());
    }
}

async fn schema(options: &SqliteConnectOptions) -> usize {
    let mut database = SqliteConnection::connect_with(options).await.unwrap();
    let schema: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut database).await.unwrap();
    database.close().await.unwrap();
    usize::try_from(schema).unwrap()
}
