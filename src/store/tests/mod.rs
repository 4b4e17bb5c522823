//! One suite over both databases, and what each promises alone.

mod ledger;
mod overview;
mod postgres;
#[path = "../../../tests/support/postgres.rs"]
pub(crate) mod server;
mod sqlite;
mod suite;
mod usage;
mod writer;

use std::cell::Cell;
use std::path::PathBuf;

use sqlx::{Connection, PgConnection, SqliteConnection};

use self::server::Server;
use crate::domain::{Scope, Scopes, TenantId};
use crate::store::{
    AuditRecord, CheckRecord, CredentialRecord, KeyRecord, Location, Store, TenantRecord, now,
};

thread_local! {
    /// A test's runtime stays on the test's thread.
    static ON_POSTGRES: Cell<bool> = const { Cell::new(false) };
}

/// Runs tests that stand in this file, and ask for `TestPlace::new`, a second time: on PostgreSQL.
macro_rules! also_on_postgres {
    ($($name:ident),* $(,)?) => {
        mod on_postgres {
            $(#[test] fn $name() { crate::store::tests::on_postgres(super::$name); })*
        }
    };
}
pub(crate) use also_on_postgres;

/// Runs `test` with every `TestPlace` in PostgreSQL.
pub(crate) fn on_postgres(test: fn()) {
    if Server::shared().is_some() {
        ON_POSTGRES.set(true);
        test();
    }
}

/// A test of each name on each database, and on PostgreSQL through a pooler.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod through_pgbouncer {
            use crate::store::tests::{TestPlace, server::Server};
            $(#[tokio::test] async fn $name() {
                let Some(server) = Server::shared() else { return };
                if let Some(place) = TestPlace::pooled(server).await {
                    super::$name(&place).await;
                }
            })*
        }
        mod on_postgres {
            use crate::store::tests::{TestPlace, server::Server};
            $(#[tokio::test] async fn $name() {
                if let Some(server) = Server::shared() {
                    super::$name(&TestPlace::postgres(server).await).await;
                }
            })*
        }
        mod on_sqlite {
            $(#[tokio::test] async fn $name() { super::$name(&super::TestPlace::sqlite()).await; })*
        }
    };
}
use on_both;

/// Where the database of one test is; nothing is there before it is opened.
pub(crate) struct TestPlace {
    pub(crate) location: Location,
    folder: Option<tempfile::TempDir>,
}

impl TestPlace {
    pub(crate) async fn new() -> Self {
        if ON_POSTGRES.get() { Self::postgres(Server::shared().unwrap()).await } else { Self::sqlite() }
    }

    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { location: Location::Sqlite(folder.path().join("gateway.db")), folder: Some(folder) }
    }

    /// A new database on `server`, reached through PgBouncer in transaction mode.
    async fn pooled(server: &Server) -> Option<Self> {
        let Self { location: Location::Postgres(direct), .. } = Self::postgres(server).await else {
            unreachable!()
        };
        let [url, _] = server.pooled_urls(direct.options().get_database().unwrap())?;
        Some(Self { location: Location::parse(&url).unwrap(), folder: None })
    }

    /// A new database on `server`.
    async fn postgres(server: &Server) -> Self {
        let name = server.new_name();
        let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
        let make = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(make).execute(&mut connection).await.unwrap();
        Self { location: Location::parse(&server.url(&name)).unwrap(), folder: None }
    }

    pub(crate) const fn is_sqlite(&self) -> bool {
        self.folder.is_some()
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.location).await.unwrap()
    }

    async fn refused(&self) -> String {
        Store::open(&self.location).await.err().expect("it must not open").to_string()
    }

    fn path(&self) -> PathBuf {
        self.folder.as_ref().unwrap().path().join("gateway.db")
    }

    /// Runs statements past the store; answers what the database says against them.
    pub(crate) async fn statement(&self, sql: &'static str) -> Result<(), String> {
        match &self.location {
            Location::Sqlite(path) => {
                let mut connection = SqliteConnection::connect(&path.display().to_string()).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.map(|_| ())
            }
            Location::Postgres(url) => {
                let mut connection = PgConnection::connect_with(url.options()).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.map(|_| ())
            }
        }
        .map_err(|error| error.to_string())
    }
}

/// Opens one new database twelve times at once, each time with a runtime of its own, as processes have.
fn open_together(location: &Location) -> Vec<Result<i64, String>> {
    let opened = (0..12).map(|_| {
        let location = location.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let store = Store::open(&location).await.map_err(|error| error.to_string())?;
                store.database.schema().await.map_err(|failure| failure.detail.as_str().to_owned())
            })
        })
    });
    opened.collect::<Vec<_>>().into_iter().map(|opened| opened.join().unwrap()).collect()
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
        last_check: Some(CheckRecord {
            at: now(),
            since: now(),
            ok: false,
            code: Some("upstream_error".into()),
        }),
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
