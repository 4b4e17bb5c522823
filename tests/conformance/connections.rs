//! Connections to a CRM and to the database: reads share the first and do not need the second once they are warm, each write has
//! a new one, and one that dies costs no create.

use std::time::{Duration, Instant};

use contacts_gateway::domain::{FailureKind, Result};
use serde_json::{Value, json};

use crate::support::account::Account;
use crate::support::closing::{Closing, Proxy};
use crate::support::crm::{Crm, all};
use crate::support::person::{ada, with};
use crate::test_gateway::{Link, TestGateway};

/// A person with an address and a number of their own.
fn person(number: usize) -> Value {
    with(
        ada(),
        &json!({
            "emailAddresses": [{ "emailAddress": format!("ada{number}@example.com") }],
            "phoneNumbers": [{ "phoneNumber": format!("+1416555{:04}", 300 + number) }],
        }),
    )
}

/// The CRM behind `proxy`, through a gateway that has learnt nothing yet.
async fn behind(proxy: &Proxy, crm: &Crm) -> Account {
    let link =
        Link { base_url: proxy.base_url(), secret: crm.at.token(), settings: json!({}), verify: false };
    Account::link(&TestGateway::open().await, crm.spec.provider.as_str(), link).await
}

#[tokio::test]
async fn a_crm_that_closes_after_each_response_makes_no_create_unknown() {
    let mut faults = Vec::new();
    for crm in all().await {
        let cases = (0..=10).map(Closing::After).chain([Closing::AtNextRequest]);
        let (mut number, mut failed) = (0, Vec::new());
        for closing in cases.cycle().take(36) {
            let proxy = Proxy::before(crm.at.address(), closing).await;
            number += 1;
            // Each under a budget of retries of its own: reads that meet the end of a connection are repeated.
            if let Err(failure) = behind(&proxy, &crm).await.create(person(number)).await {
                failed.push((closing, failure.kind));
            }
        }
        let unknown = failed.iter().filter(|(_, kind)| *kind == FailureKind::OutcomeUnknown).count();
        if !failed.is_empty() {
            faults.push(format!("{}: {unknown} of {number} creates unknown: {failed:?}", crm.spec.title));
        }
        let made = (crm.sent().len(), crm.at.contacts().len());
        if made != (number, number) {
            faults.push(format!("{}: {made:?} sent and made of {number}", crm.spec.title));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn reads_share_a_connection_and_each_write_opens_one() {
    for crm in all().await {
        let proxy = Proxy::before(crm.at.address(), Closing::Never).await;
        let account = behind(&proxy, &crm).await;
        account.page(1, 10).await.unwrap();
        let warm = proxy.connections();
        assert_eq!(warm, 1);
        for _ in 0..20 {
            account.page(1, 10).await.unwrap();
        }
        assert_eq!(proxy.connections(), warm, "a read opened a connection");
        for number in 0..5 {
            let made = account.create(person(number)).await.unwrap();
            account.update(&made.id, json!({ "lastName": "King" })).await.unwrap();
        }
        let asked = crm.world.behaviour().calls_before_first_write;
        assert_eq!((proxy.connections() - warm, crm.sent().len()), (10 + asked, 10));
    }
}

/// For less than the time that keys and credentials are used without being read again.
const WARM: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_warm_read_sends_no_statement_to_the_database() {
    for crm in all().await {
        crm.create(person(1)).await.unwrap();
        let tried = async || {
            let account = crm.afresh().await;
            let credential = account.credential.as_str();
            let id = account.page(1, 10).await.unwrap().contacts.remove(0).0;
            let read = async || {
                let paths = [
                    format!("/crm/contacts/{}?credentialId={credential}", id.as_str()),
                    format!("/crm/contacts?credentialId={credential}"),
                    format!("/crm/contacts/count?credentialId={credential}"),
                    format!("/crm/contacts/fields?credentialId={credential}"),
                    "/crm/contacts/search?emailAddress=ada1@example.com".to_owned(),
                ];
                let mut refused = Vec::new();
                for path in paths {
                    let reply = account.gateway.ask("GET", &path).await;
                    refused.extend((reply.status != 200).then(|| format!("{path}: {}", reply.text)));
                }
                refused
            };
            assert_eq!(read().await, Vec::<String>::new());
            let warmed = Instant::now();
            // From now on every statement fails.
            account.gateway.store.database.close().await;
            let refused = read().await;
            (warmed.elapsed() < WARM).then_some(refused)
        };
        let mut outcome = None;
        // A busy machine may take longer than what is known is used.
        for _ in 0..5 {
            outcome = outcome.or(tried().await);
        }
        assert_eq!(outcome, Some(Vec::new()), "{}", crm.spec.title);
    }
}

/// As many calls as a credential may have in flight.
const AT_ONCE: usize = 16;

#[tokio::test]
async fn reads_at_the_same_time_keep_their_connections_for_the_next_ones() {
    for crm in all().await {
        let proxy = Proxy::before(crm.at.address(), Closing::Never).await;
        let account = behind(&proxy, &crm).await;
        for _ in 0..6 {
            let pages = futures_util::future::join_all((0..AT_ONCE).map(|_| account.page(1, 10))).await;
            assert!(pages.iter().all(Result::is_ok), "{pages:?}");
        }
        // The client may open one for a read that then finds another connection free.
        let opened = proxy.connections();
        assert!(opened < 2 * AT_ONCE, "{}: {opened} connections", crm.spec.title);
    }
}

#[tokio::test]
async fn a_read_that_meets_a_dying_connection_is_repeated_over_a_new_one() {
    for crm in all().await {
        let proxy = Proxy::before(crm.at.address(), Closing::AtNextRequest).await;
        let account = behind(&proxy, &crm).await;
        // Several connections that all die at their next request.
        let pages = futures_util::future::join_all((0..6).map(|_| account.page(1, 10))).await;
        assert!(pages.iter().all(Result::is_ok));
        for read in 0..2 {
            // The tenant may retry three times a second.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let page = account.page(1, 10).await;
            assert!(page.is_ok(), "{} read {read}: {page:?}", crm.spec.title);
        }
    }
}
