//! The store on a real file: what is kept, what is refused, what two processes do to each other.

use std::path::PathBuf;
use std::sync::Arc;

use super::Sqlite;
use crate::domain::{CredentialId, FailureKind, KeyId, Scope, Scopes, TenantId, Text};
use crate::store::{
    After, CheckRecord, CredentialRecord, CredentialStore, Database, KeyRecord, KeyStore, Location, Store,
    TenantRecord, TenantStore, now,
};

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }
    fn path(&self) -> PathBuf {
        self.folder.path().join("gateway.db")
    }
    async fn open(&self) -> Sqlite {
        super::open(&self.path()).await.unwrap()
    }
    async fn refused(&self) -> String {
        super::open(&self.path()).await.err().expect("it must not open").to_string()
    }
}

fn tenant(name: &str) -> TenantRecord {
    TenantRecord { id: format!("ten_{name}").into(), name: name.into(), created_at: now() }
}

fn key(id: &str, tenant: &TenantId) -> KeyRecord {
    KeyRecord {
        id: id.into(),
        tenant: tenant.clone(),
        name: "key".into(),
        digest: [7; 32],
        scopes: Scopes::new(&[Scope::ContactsRead, Scope::CredentialsWrite]),
        credentials: Some(vec!["cred_a".into(), "cred_b".into()]),
        created_at: now(),
        expires_at: Some(now()),
        last_used_at: None,
    }
}

fn credential(id: &str, tenant: &TenantId) -> CredentialRecord {
    CredentialRecord {
        id: id.into(),
        tenant: tenant.clone(),
        provider: "aptly".into(),
        name: format!("name of {id}").into(),
        settings: r#"{"a":"é"}"#.into(),
        base_url: "https://crm.example.com".into(),
        secret: b"sealed \0\xff bytes".to_vec(),
        revision: 1,
        created_at: now(),
        updated_at: now(),
        last_check: Some(CheckRecord { at: now(), ok: false, code: Some("upstream_error".into()) }),
    }
}

#[tokio::test]
async fn records_come_back_as_they_were_also_after_a_restart() {
    let place = Place::new();
    let (one, key, credential) = {
        let store = place.open().await;
        let one = tenant("one");
        let (key, credential) = (key("key_1", &one.id), credential("cred_1", &one.id));
        TenantStore::insert(&store, &one).await.unwrap();
        KeyStore::insert(&store, &key).await.unwrap();
        CredentialStore::insert(&store, &credential).await.unwrap();
        store.close().await;
        (one, key, credential)
    };
    let store = place.open().await;
    assert_eq!(TenantStore::get(&store, &one.id).await.unwrap().as_ref(), Some(&one));
    assert_eq!(store.find("one").await.unwrap(), Some(one.clone()));
    assert_eq!(KeyStore::get(&store, &key.id).await.unwrap(), Some(key));
    assert_eq!(CredentialStore::get(&store, &one.id, &credential.id).await.unwrap(), Some(credential));
    assert_eq!(store.schema().await, Ok(1));
}

#[tokio::test]
async fn a_credential_is_loaded_by_its_own_tenant_alone() {
    let place = Place::new();
    let store = place.open().await;
    let (one, two) = (tenant("one"), tenant("two"));
    for tenant in [&one, &two] {
        TenantStore::insert(&store, tenant).await.unwrap();
    }
    CredentialStore::insert(&store, &credential("cred_1", &one.id)).await.unwrap();
    let id = CredentialId::from("cred_1");
    assert!(CredentialStore::get(&store, &two.id, &id).await.unwrap().is_none());
    assert!(CredentialStore::list(&store, &two.id, None, 10).await.unwrap().is_empty());
    assert!(!CredentialStore::delete(&store, &two.id, &id).await.unwrap());
    assert!(!CredentialStore::update(&store, &credential("cred_1", &two.id)).await.unwrap());
    assert!(CredentialStore::get(&store, &one.id, &id).await.unwrap().is_some());
}

#[tokio::test]
async fn taken_names_and_missing_tenants_are_told_apart() {
    let place = Place::new();
    let store = place.open().await;
    let one = tenant("one");
    TenantStore::insert(&store, &one).await.unwrap();
    let again = TenantRecord { id: "ten_other".into(), ..one.clone() };
    assert_eq!(TenantStore::insert(&store, &again).await.unwrap_err().kind, FailureKind::NameTaken);
    let mut first = credential("cred_1", &one.id);
    CredentialStore::insert(&store, &first).await.unwrap();
    let second = CredentialRecord { id: "cred_2".into(), ..first.clone() };
    assert_eq!(CredentialStore::insert(&store, &second).await.unwrap_err().kind, FailureKind::NameTaken);
    CredentialStore::insert(&store, &CredentialRecord { name: "other".into(), ..second }).await.unwrap();
    first.name = "other".into();
    assert_eq!(store.update(&first).await.unwrap_err().kind, FailureKind::NameTaken);
    let nobody = TenantId::from("ten_nobody");
    assert_eq!(
        KeyStore::insert(&store, &key("key_1", &nobody)).await.unwrap_err().kind,
        FailureKind::TenantNotFound
    );
}

#[tokio::test]
async fn a_change_of_what_was_changed_meanwhile_is_refused() {
    let place = Place::new();
    let store = place.open().await;
    let one = tenant("one");
    TenantStore::insert(&store, &one).await.unwrap();
    let first = credential("cred_1", &one.id);
    CredentialStore::insert(&store, &first).await.unwrap();
    assert!(store.update(&CredentialRecord { name: "mine".into(), ..first.clone() }).await.unwrap());
    assert!(!store.update(&CredentialRecord { name: "late".into(), ..first.clone() }).await.unwrap());
    let check = CheckRecord { at: now(), ok: true, code: None };
    store.note_check(&one.id, &first.id, 1, &check).await.unwrap();
    let held = CredentialStore::get(&store, &one.id, &first.id).await.unwrap().unwrap();
    assert_eq!((held.name.as_str(), held.revision, held.last_check), ("mine", 2, first.last_check));
    store.note_check(&one.id, &first.id, 2, &check).await.unwrap();
    let held = CredentialStore::get(&store, &one.id, &first.id).await.unwrap().unwrap();
    assert_eq!(held.last_check, Some(check));
}

#[tokio::test]
async fn a_removed_tenant_leaves_no_key_and_no_byte_of_a_secret() {
    let place = Place::new();
    let store = place.open().await;
    let one = tenant("one");
    TenantStore::insert(&store, &one).await.unwrap();
    KeyStore::insert(&store, &key("key_1", &one.id)).await.unwrap();
    let mut sealed = credential("cred_1", &one.id);
    sealed.secret = b"canary of a sealed secret".to_vec();
    CredentialStore::insert(&store, &sealed).await.unwrap();
    assert!(TenantStore::delete(&store, &one.id).await.unwrap());
    assert!(!TenantStore::delete(&store, &one.id).await.unwrap());
    assert!(KeyStore::get(&store, &KeyId::from("key_1")).await.unwrap().is_none());
    assert!(CredentialStore::get(&store, &one.id, &sealed.id).await.unwrap().is_none());
    for file in std::fs::read_dir(place.folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(sealed.secret.len()).any(|part| part == sealed.secret));
    }
}

#[tokio::test]
async fn listings_go_on_behind_a_row_whatever_was_made_in_the_same_millisecond() {
    let place = Place::new();
    let store = place.open().await;
    let at = now();
    for n in 0..7 {
        let record =
            TenantRecord { id: format!("ten_{n}").into(), name: format!("{n}").into(), created_at: at };
        TenantStore::insert(&store, &record).await.unwrap();
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let rows = TenantStore::list(&store, after.as_ref(), 3).await.unwrap();
        let Some(last) = rows.last() else { break };
        after = Some(After { created_at: last.created_at, id: Text::from(last.id.as_str()) });
        seen.extend(rows.into_iter().map(|row| row.name.as_str().to_owned()));
    }
    assert_eq!(seen.join(""), "0123456");
}

#[tokio::test]
async fn many_open_one_new_file_together() {
    let place = Place::new();
    let path = Arc::new(place.path());
    let opened = (0..12).map(|_| {
        let path = path.clone();
        // A runtime of its own for each, as processes have.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let store = super::open(&path).await.map_err(|error| error.to_string())?;
                store.schema().await.map_err(|failure| failure.detail.as_str().to_owned())
            })
        })
    });
    for opened in opened.collect::<Vec<_>>() {
        assert_eq!(opened.join().unwrap(), Ok(1));
    }
}

#[tokio::test]
async fn the_file_is_durable_private_and_made_with_its_folder() {
    let place = Place::new();
    let path = place.folder.path().join("data/gateway.db");
    let store = super::open(&path).await.unwrap();
    let pragma = |name: &'static str| sqlx::query_scalar::<_, i64>(name).fetch_one(&store.0);
    assert_eq!(pragma("PRAGMA synchronous").await.unwrap(), 2);
    assert_eq!(pragma("PRAGMA foreign_keys").await.unwrap(), 1);
    assert_eq!(pragma("PRAGMA secure_delete").await.unwrap(), 1);
    assert_eq!(pragma("PRAGMA busy_timeout").await.unwrap(), 5000);
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&store.0).await.unwrap();
    assert_eq!(mode, "wal");
    #[cfg(unix)]
    for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o077, 0);
    }
}

#[tokio::test]
async fn every_obstacle_is_a_sentence_that_says_what_to_do() {
    let place = Place::new();
    std::fs::write(place.path(), "this is a letter and no database".repeat(40)).unwrap();
    assert!(place.refused().await.contains("no SQLite database"));

    let deep =
        Location::parse(&format!("sqlite://{}/a/b/gateway.db", place.folder.path().display())).unwrap();
    assert!(Store::open(&deep).await.err().unwrap().to_string().contains("cannot be made"));

    let folder = Place::new();
    std::fs::create_dir(folder.path()).unwrap();
    assert!(folder.refused().await.contains("cannot be opened for writing"));
}

#[tokio::test]
async fn a_newer_schema_and_a_strange_database_are_left_alone() {
    let place = Place::new();
    let store = place.open().await;
    sqlx::query("PRAGMA user_version = 99").execute(&store.0).await.unwrap();
    store.close().await;
    assert!(place.refused().await.contains("newer version"));

    let strange = Place::new();
    let store = strange.open().await;
    sqlx::raw_sql("PRAGMA application_id = 5").execute(&store.0).await.unwrap();
    store.close().await;
    assert!(strange.refused().await.contains("another program"));
}

#[tokio::test]
async fn a_file_locked_by_another_program_is_a_sentence() {
    let place = Place::new();
    let store = place.open().await;
    let mut holder = store.0.acquire().await.unwrap();
    sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut *holder).await.unwrap();
    assert!(place.refused().await.contains("is locked"));
}
