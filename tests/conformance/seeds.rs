//! The documents' own examples: every documented list is read.

use std::fmt::Write as _;
use std::sync::Arc;

use contacts_gateway::gateway::contacts::ContactView;
use serde_json::{Value, json};

use crate::support::account::{Account, warned};
use crate::support::canned::Canned;
use crate::support::fixtures::{self, text};
use crate::support::person::shown;
use crate::support::worlds::{WORLDS, World};
use crate::test_gateway::{Link, TestGateway};

pub(super) async fn canned(provider: &str) -> (Canned, Account) {
    let (gateway, crm) = (TestGateway::open().await, Canned::start().await);
    let link = Link { base_url: crm.base_url(), secret: "token", settings: json!({}), verify: false };
    let account = Account::link(&Arc::clone(&gateway), provider, link).await;
    (crm, account)
}

pub(super) fn readable(shown_contact: &ContactView) -> String {
    let mut text = serde_json::to_string_pretty(&shown(&shown_contact.contact)).unwrap();
    for (code, pointer) in warned(shown_contact) {
        write!(text, "\n{} {pointer}", code.as_str()).unwrap();
    }
    text
}

#[tokio::test]
async fn every_documented_list_is_read() {
    let named = |world: &&dyn World| {
        let provider = world.provider();
        fixtures::named(provider, "list-").into_iter().map(move |name| (provider, name))
    };
    for (provider, name) in WORLDS.iter().flat_map(named) {
        let (crm, account) = canned(provider).await;
        crm.tell("GET /api/contacts", &[(200, &text(&format!("{provider}/{name}")))]);
        let page = account.page(1, 50).await.unwrap();
        let rows: Vec<Value> = page.contacts.iter().map(|(_, contact)| shown(contact)).collect();
        assert_eq!((rows.len(), page.total), (1, Some(1)));
        insta::assert_snapshot!(
            format!("{provider}_{}", name.trim_end_matches(".json")),
            serde_json::to_string_pretty(&rows[0]).unwrap()
        );
        assert_eq!(account.count(&[]).await.unwrap(), 1);
    }
}
