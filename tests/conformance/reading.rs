//! Reading one contact, in every dialect.

use contacts_gateway::domain::FailureKind;
use contacts_gateway::simulators::{Fault, FaultKind};
use serde_json::json;

use crate::support::crm::{all, all_with_people};
use crate::support::person::shown;

#[tokio::test]
async fn a_contact_is_the_same_by_its_id_and_by_the_crms_own_and_in_the_list() {
    for crm in all_with_people(20).await {
        let listed = crm.page(1, 20).await.unwrap();
        for (id, row) in listed.contacts {
            let (ours, theirs) =
                (crm.get(&id).await.unwrap(), crm.get(row.remote_id.as_str()).await.unwrap());
            assert_eq!((&ours.id, shown(&ours.contact)), (&theirs.id, shown(&theirs.contact)));
            assert_eq!(ours.id, id);
            let (mut row, mut whole) = (shown(&row), shown(&ours.contact));
            for contact in [&mut row, &mut whole] {
                // Aptly's rows do not show these, and say so by a warning.
                for name in ["account", "remoteFields", "addresses"] {
                    contact[name] = json!(null);
                }
            }
            assert_eq!(row, whole);
        }
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn an_unknown_id_is_not_found_and_an_implausible_one_is_not_even_asked_for() {
    for crm in all().await {
        let failure = crm.get("nobody").await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ContactNotFound);
        let calls = crm.at.calls().len();
        for id in ["con_abc", "a b", "../x", "", "é", &"x".repeat(65)] {
            assert_eq!(crm.get(id).await.unwrap_err().kind, FailureKind::ContactNotFound, "{id}");
        }
        assert_eq!(crm.at.calls().len(), calls);
    }
}

#[tokio::test]
async fn every_adapter_is_in_this_suite() {
    let here: Vec<&str> = all().await.iter().map(|crm| crm.spec.provider.as_str()).collect();
    let all: Vec<&str> =
        contacts_gateway::adapters::ADAPTERS.iter().map(|spec| spec.provider.as_str()).collect();
    assert_eq!(here, all, "a CRM without a world in tests/support/worlds is not tested at all");
}

#[tokio::test]
async fn another_contact_than_the_one_asked_for_is_not_passed_off_as_it() {
    for crm in all().await {
        let mine = crm.put("Ada", "Byron", "ada@example.com", "+14165550211");
        let other = json!({ (crm.world.id_key()): "64f0a1b2c3d4e5f6a7b8c9d0", "firstName": "Bea", "phoneNumber": [] });
        let text = crm.world.single_read(&other);
        crm.at.fault(Fault::once(FaultKind::Body { text }).on("GET", &crm.world.contact_path(&mine)));
        assert_eq!(crm.get(&mine).await.unwrap_err().kind, FailureKind::ContactNotFound);
    }
}
