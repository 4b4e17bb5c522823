//! Sealed secrets that somebody moved, cut or pointed elsewhere in the database open for nobody.

use contacts_gateway::simulators::{Running, aptly};
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

use crate::gateway_process::{GatewayProcess, master_key};

/// A secret that no log may show.
const SECRET: &str = "sealed-wq81zmx04kd7";

/// A gateway that has used none of its credentials, so that nothing of them is in memory.
struct Bench {
    folder: tempfile::TempDir,
    master_key: String,
    serving: GatewayProcess,
    crm: Running,
}

impl Bench {
    async fn new() -> Self {
        let (folder, master_key) = (tempfile::tempdir().unwrap(), master_key());
        let serving = GatewayProcess::start(folder.path(), "first.log", &master_key, &[]).await;
        let crm = aptly::AptlyOptions { tokens: vec![SECRET.to_owned()], ..aptly::AptlyOptions::empty() };
        Self { folder, master_key, serving, crm: aptly::AptlySimulator::start(crm).await.unwrap() }
    }

    async fn link(&self, key: &str, name: &str) -> String {
        let credential = json!({ "provider": "aptly", "name": name, "secret": { "apiKey": SECRET },
            "settings": { "baseUrl": self.crm.base_url() } });
        self.serving.link(key, credential).await
    }

    async fn database(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join("gateway.db"));
        options.busy_timeout(std::time::Duration::from_secs(5)).connect().await.unwrap()
    }

    /// What a server says that must not start.
    fn start_and_stop(&self, master_key: Option<&str>) -> String {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_contacts-gateway"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).env_clear().current_dir(self.folder.path());
        command.env("GATEWAY_DATABASE_URL", format!("sqlite://{}/gateway.db", self.folder.path().display()));
        let output = command.envs(master_key.map(|key| ("GATEWAY_MASTER_KEY", key))).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// A second process on the same database: with nothing in memory.
    async fn again(&self, name: &str, master_key: &str) -> GatewayProcess {
        GatewayProcess::start(self.folder.path(), name, master_key, &[]).await
    }
}

/// Every way to use the credential refuses it; the process logs that and goes on.
async fn refused(serving: &mut GatewayProcess, key: &str, credential: &str) {
    let one = format!("/credentials/{credential}/check");
    for (method, path, body) in [
        ("GET", format!("/crm/contacts?credentialId={credential}"), None),
        ("GET", format!("/crm/contacts/abc123?credentialId={credential}"), None),
        ("POST", format!("/crm/contacts?credentialId={credential}"), Some(r#"{"lastName":"x"}"#.to_owned())),
    ] {
        let reply = serving.call(method, &path, key, body).await;
        assert_eq!(reply.code(), "secret_unreadable", "{method} {path}: {reply:?}");
        assert!(!reply.text.contains(SECRET));
    }
    let check = serving.call("POST", &one, key, None).await;
    assert!(check.text.contains("secret_unreadable"), "{check:?}");
    let logged = serving.logged();
    assert!(
        logged
            .lines()
            .any(|line| line.contains("a stored secret cannot be opened") && line.contains(credential)),
        "{logged}"
    );
    assert!(!logged.contains(SECRET) && !logged.contains("a panic"), "{logged}");
    assert!(serving.runs());
}

#[tokio::test]
async fn a_secret_moved_to_another_row_tenant_or_host_does_not_open() {
    let bench = Bench::new().await;
    let serving = &bench.serving;
    let ((_, mine), (_, theirs)) = (serving.tenant("mine").await, serving.tenant("theirs").await);
    let (one, other) = (bench.link(&mine, "one").await, bench.link(&mine, "other").await);
    let foreign = bench.link(&theirs, "foreign").await;
    let (pointed, good) = (bench.link(&mine, "pointed").await, bench.link(&mine, "good").await);
    let listener = aptly::AptlySimulator::start(aptly::AptlyOptions::empty()).await.unwrap();
    let mut database = bench.database().await;
    for (from, to) in [(&other, &one), (&one, &foreign)] {
        let moved =
            "UPDATE credentials SET secret = (SELECT secret FROM credentials WHERE id = $1) WHERE id = $2";
        assert_eq!(
            sqlx::query(moved).bind(from).bind(to).execute(&mut database).await.unwrap().rows_affected(),
            1
        );
    }
    let aimed =
        "UPDATE credentials SET base_url = $1, settings = json_set(settings, '$.baseUrl', $1) WHERE id = $2";
    sqlx::query(aimed).bind(listener.base_url()).bind(&pointed).execute(&mut database).await.unwrap();
    drop(database);
    let mut again = bench.again("second.log", &bench.master_key).await;
    for (key, credential) in [(&mine, &one), (&theirs, &foreign), (&mine, &pointed)] {
        refused(&mut again, key, credential).await;
    }
    assert!(listener.calls().is_empty() && bench.crm.calls().is_empty(), "a secret left");
    let unharmed = again.call("GET", &format!("/crm/contacts?credentialId={good}"), &mine, None).await;
    assert_eq!(unharmed.status, 200, "{unharmed:?}");
}

#[tokio::test]
async fn a_secret_cut_to_any_length_or_in_plain_text_does_not_open() {
    let bench = Bench::new().await;
    let (_, key) = bench.serving.tenant("mine").await;
    let first = bench.link(&key, "0").await;
    let mut database = bench.database().await;
    let length: i64 = sqlx::query_scalar("SELECT length(secret) FROM credentials WHERE id = $1")
        .bind(&first)
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert!((30..200).contains(&length));
    let mut cut = vec![first];
    for at in 1..length {
        cut.push(bench.link(&key, &at.to_string()).await);
    }
    for (at, id) in cut.iter().enumerate() {
        let shorter = "UPDATE credentials SET secret = substr(secret, 1, $1) WHERE id = $2";
        sqlx::query(shorter).bind(i64::try_from(at).unwrap()).bind(id).execute(&mut database).await.unwrap();
    }
    let plain = bench.link(&key, "plain").await;
    let unsealed = format!(r#"{{"apiKey":"{SECRET}"}}"#).into_bytes();
    let open = "UPDATE credentials SET secret = $1 WHERE id = $2";
    sqlx::query(open).bind(unsealed).bind(&plain).execute(&mut database).await.unwrap();
    let mut again = bench.again("second.log", &bench.master_key).await;
    for (at, id) in cut.iter().enumerate() {
        let reply = again.call("GET", &format!("/crm/contacts?credentialId={id}"), &key, None).await;
        assert_eq!(reply.code(), "secret_unreadable", "cut to {at}: {reply:?}");
    }
    refused(&mut again, &key, &plain).await;
    assert!(bench.crm.calls().is_empty(), "a secret left");
}

#[tokio::test]
async fn under_another_master_key_nothing_opens_and_under_none_nothing_starts() {
    let bench = Bench::new().await;
    let (_, key) = bench.serving.tenant("mine").await;
    let credential = bench.link(&key, "one").await;
    let new = master_key();
    // Where the key opens nothing at all it is the wrong one.
    let wrong = bench.start_and_stop(Some(&new));
    assert!(wrong.contains("none of the database's 1 stored secrets can be opened"), "{wrong}");
    // One credential under the new key, so that a server with that key alone has something to serve.
    let both = [("GATEWAY_PREVIOUS_MASTER_KEYS", bench.master_key.as_str())];
    let between = GatewayProcess::start(bench.folder.path(), "between.log", &new, &both).await;
    let other = json!({ "provider": "aptly", "name": "two", "secret": { "apiKey": SECRET },
        "settings": { "baseUrl": bench.crm.base_url() } });
    between.link(&key, other).await;
    let calls = bench.crm.calls().len();
    let mut again = bench.again("second.log", &new).await;
    refused(&mut again, &key, &credential).await;
    assert_eq!(bench.crm.calls().len(), calls, "a secret left");
    let secret = json!({ "secret": { "apiKey": SECRET } }).to_string();
    let mended = again.call("PATCH", &format!("/credentials/{credential}"), &key, Some(secret)).await;
    assert_eq!(mended.status, 200, "{mended:?}");
    let list = again.call("GET", &format!("/crm/contacts?credentialId={credential}"), &key, None).await;
    assert_eq!(list.status, 200, "{list:?}");
    let none = bench.start_and_stop(None);
    assert!(none.contains("GATEWAY_MASTER_KEY: missing"), "{none}");
}
