//! A backup of a gateway that is in use, and a gateway that starts from it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::gateway_process::{GatewayProcess, master_key};
use crate::testbed::crm;

fn backup(database: &str, to: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_contacts-gateway"));
    // It needs no master key: secrets stay sealed.
    command.env_clear().env("GATEWAY_DATABASE_URL", database).args(["backup", to]).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_busy_gateway_starts_with_all_it_had() {
    let (folder, restored, master_key) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), master_key());
    let gateway =
        GatewayProcess::start(folder.path(), "log", &master_key, &[("GATEWAY_KEY_RATE", "0")]).await;
    let crm = crm().await;
    let (_, key) = gateway.tenant("one").await;
    let credential = gateway.link_at(&key, "aptly", &crm.base_url(), &crm).await;
    let path = format!("/crm/contacts?credentialId={credential}");
    let create = async |gateway: &GatewayProcess, number: usize| {
        let body = json!({ "lastName": "Okafor", "emailAddresses": [{ "emailAddress": format!("ada{number}@example.com") }] });
        let once = format!("once-{number}");
        gateway.call_with("POST", &path, &key, Some(body.to_string()), &[("idempotency-key", &once)]).await
    };
    let first = create(&gateway, 0).await;
    assert_eq!(first.status, 200, "{first:?}");
    let database = format!("sqlite://{}/gateway.db", folder.path().display());
    let copy = restored.path().join("gateway.db");
    let to = copy.to_str().unwrap().to_owned();
    let (ended, url) = (AtomicBool::new(false), database.clone());
    // Writes go on while the copy is made.
    let (output, written) = tokio::join!(
        async {
            let output = tokio::task::spawn_blocking(move || backup(&url, &to)).await.unwrap();
            ended.store(true, Ordering::SeqCst);
            output
        },
        async {
            let mut number = 1;
            while !ended.load(Ordering::SeqCst) {
                assert_eq!(create(&gateway, number).await.status, 200);
                number += 1;
            }
            number
        }
    );
    assert!(output.status.success(), "{}", said(&output));
    assert!(written > 1);
    let bytes = std::fs::read(&copy).unwrap();
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    for secret in [crm.token(), &key[20..], "Okafor", "ada0@example.com"] {
        assert!(
            !bytes.windows(secret.len()).any(|part| part == secret.as_bytes()),
            "{secret} is in the backup"
        );
    }
    check_planted(&database, restored.path());
    check_refusals(&database, &copy);
    assert_eq!(std::fs::read(&copy).unwrap(), bytes);
    drop(gateway);
    let gateway = GatewayProcess::start(restored.path(), "log", &master_key, &[]).await;
    let replayed = create(&gateway, 0).await;
    assert!(replayed.is_replay() && replayed.text == first.text, "{replayed:?}");
    assert_eq!(gateway.call("GET", &path, &key, None).await.status, 200, "key and sealed secret work");
}

/// What someone else put in the place of the unfinished copy is neither written to nor taken over.
fn check_planted(database: &str, folder: &Path) {
    let [victim, to, part] = ["victim", "second.db", "second.db.part"].map(|name| folder.join(name));
    std::fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, &part).unwrap();
    let output = backup(database, to.to_str().unwrap());
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    let copied = std::fs::symlink_metadata(&to).unwrap();
    assert!(copied.is_file() && copied.permissions().mode() & 0o777 == 0o600, "{copied:?}");
    std::fs::remove_file(&victim).unwrap();
    std::fs::remove_file(&to).unwrap();
}

/// An existing file is not replaced, and nothing is left of a failed copy.
fn check_refusals(database: &str, copy: &Path) {
    let folder = copy.parent().unwrap();
    let nowhere = folder.join("no/copy.db");
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = elsewhere.path().join("foreign.db");
    let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('CREATE TABLE theirs (id)')";
    let made = Command::new("python3").args(["-c", script]).arg(&foreign).status().unwrap();
    assert!(made.success());
    let foreign = format!("sqlite://{}", foreign.display());
    for (database, to, sentence) in [
        (database, copy, "exists already"),
        (database, &nowhere, "cannot be written"),
        ("sqlite://nowhere.db", &folder.join("copy.db"), "there is no database"),
        (&foreign, &folder.join("copy.db"), "another program"),
        ("postgres://u:p@127.0.0.1:1/d", &folder.join("copy.db"), "pg_dump"),
    ] {
        let output = backup(database, to.to_str().unwrap());
        assert!(
            !output.status.success() && said(&output).contains(sentence),
            "{sentence}: {}",
            said(&output)
        );
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
}
