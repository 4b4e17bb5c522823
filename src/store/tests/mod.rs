//! One suite over both databases, and what each promises alone.

mod sqlite;
mod suite;

use std::path::PathBuf;

use sqlx::{Connection, SqliteConnection};

use crate::domain::{Scope, Scopes, TenantId};
use crate::store::{
    AuditRecord, CheckRecord, CredentialRecord, KeyRecord, Location, Store, TenantRecord, now,
};

/// Where the database of one test is; nothing is there before it is opened.
struct Place {
    location: Location,
    folder: Option<tempfile::TempDir>,
}

impl Place {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { location: Location::Sqlite(folder.path().join("gateway.db")), folder: Some(folder) }
    }

    async fn open(&self) -> Store {
        Store::open(&self.location).await.unwrap()
    }

    async fn refused(&self) -> String {
        Store::open(&self.location).await.err().expect("it must not open").to_string()
    }

    fn path(&self) -> PathBuf {
        self.folder.as_ref().unwrap().path().join("gateway.db")
    }

    /// Runs statements past the store; answers what the database says against them.
    async fn statement(&self, sql: &'static str) -> Result<(), String> {
        match &self.location {
            Location::Sqlite(path) => {
                let mut connection = SqliteConnection::connect(&path.display().to_string()).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await
            }
            Location::Postgres(_) => unreachable!(),
        }
        .map(|_| ())
        .map_err(|error| error.to_string())
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

fn audit(id: &str, tenant: Option<&TenantId>, at: i64) -> AuditRecord {
    AuditRecord {
        id: id.into(),
        at: crate::domain::Timestamp::from_millisecond(at).unwrap(),
        actor_kind: "key".into(),
        actor_id: Some("key_1".into()),
        tenant: tenant.cloned(),
        action: if id.ends_with('x') { "key.revoke".into() } else { "key.create".into() },
        target: None,
        fields: vec!["name".into(), "a \" comma, and\nmore".into()],
        outcome: "done".into(),
        request_id: Some("req_1".into()),
    }
}
