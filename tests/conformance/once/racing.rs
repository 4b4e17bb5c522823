//! Many creates of one person at once, through one gateway and through two on one database.

use contacts_gateway::domain::FailureKind;
use contacts_gateway::simulators::{Fault, FaultKind};
use futures_util::future::join_all;
use serde_json::json;
use sqlx::{Connection, PgConnection};

use super::{all, code};
use crate::postgres::Server;
use crate::support::account::Account;
use crate::support::crm::linked;
use crate::support::person::ada;
use crate::test_gateway::TestGateway;

#[tokio::test]
async fn creates_of_one_person_run_one_after_another() {
    for crm in all().await {
        let keys: Vec<String> = (0..8).map(|number| format!("k{number}")).collect();
        let keyed = join_all(keys.iter().map(|key| crm.keyed(key).create(ada())));
        let bare = join_all((0..8).map(|_| crm.create(ada())));
        let (keyed, bare) = tokio::join!(keyed, bare);
        let made =
            keyed.iter().filter(|told| told.is_ok()).count() + bare.iter().filter(|one| one.is_ok()).count();
        assert_eq!((made, crm.at.contacts().len(), crm.sent().len()), (1, 1, 1));
        assert!(keyed.iter().all(|told| matches!(code(told), "answered" | "contact_exists")));
        assert!(
            bare.iter()
                .filter_map(|one| one.as_ref().err())
                .all(|one| one.kind == FailureKind::ContactExists)
        );
    }
}

#[tokio::test]
async fn one_key_many_times_at_once_is_one_create() {
    for crm in all().await {
        let all = join_all((0..8).map(|_| crm.keyed("k").create(ada()))).await;
        assert_eq!(crm.sent().len(), 1);
        let codes: Vec<_> = all.iter().map(code).collect();
        assert!(
            codes.iter().all(|code| matches!(*code, "answered" | "idempotency_in_progress")),
            "{codes:?}"
        );
        assert!(codes.contains(&"answered"));
    }
}

#[tokio::test]
async fn two_gateways_on_one_database_make_one_contact_also_through_a_pooler() {
    let Some(server) = Server::shared() else { return };
    let mut crms = Vec::new();
    for pooled in [false, true] {
        crms.extend(all().await.into_iter().map(|crm| (crm, pooled)));
    }
    for (crm, pooled) in crms {
        let name = server.new_name();
        let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
        let make = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(make).execute(&mut connection).await.unwrap();
        let url =
            if pooled { server.pooled_urls(&name).map(|[url, _]| url) } else { Some(server.url(&name)) };
        let Some(url) = url else { continue };
        let [first, second] = TestGateway::two_on(&url).await;
        let one = linked(&first, crm.spec.provider.as_str(), &crm.at, json!({})).await;
        let other = Account { gateway: second, credential: one.credential.clone(), spec: one.spec };
        // Long enough that the others look meanwhile, were they not kept waiting.
        crm.at.fault(Fault::always(FaultKind::Latency { ms: 600 }).on_writes());
        let keys: Vec<String> = (0..8).map(|number| format!("k{number}")).collect();
        let sent = keys.iter().enumerate().map(|(number, key)| {
            if number % 2 == 0 { one.keyed(key).create(ada()) } else { other.keyed(key).create(ada()) }
        });
        let codes: Vec<_> = join_all(sent).await.iter().map(code).collect();
        assert_eq!(codes.iter().filter(|code| **code == "answered").count(), 1, "{codes:?}");
        assert!(codes.iter().all(|code| matches!(*code, "answered" | "contact_exists")), "{codes:?}");
        assert_eq!((crm.sent().len(), crm.at.contacts().len()), (1, 1));
        // What one has answered the other replays.
        let done = codes.iter().position(|code| *code == "answered").unwrap();
        let (here, there) =
            tokio::join!(one.keyed(&keys[done]).create(ada()), other.keyed(&keys[done]).create(ada()));
        let (here, there) = (here.unwrap(), there.unwrap());
        assert_eq!((here.replayed, there.replayed, &here.bytes), (true, true, &there.bytes));
    }
}
