//! Upserts: created, changed, or left to the caller where nobody can tell who is meant.

use contacts_gateway::adapters::IdentityKind::{EmailAddress, PhoneNumber};
use contacts_gateway::domain::{FailureKind, Result};
use contacts_gateway::gateway::contacts::UpsertOutcome;
use serde_json::{Value, json};

use crate::support::account::{ToldApartBy, places};
use crate::support::crm::all;
use crate::support::person::ada;

fn person(first: &str, last: &str, email: &str, phone: &str) -> Value {
    json!({ "firstName": first, "lastName": last, "emailAddresses": [{ "emailAddress": email }],
        "phoneNumbers": [{ "phoneNumber": phone }] })
}

#[tokio::test]
async fn the_first_creates_and_the_second_changes_the_same_contact() {
    for crm in all().await {
        let first = crm.upsert(ada(), None).await.unwrap();
        assert_eq!(first.outcome, Some(UpsertOutcome::Created), "{}", crm.spec.title);
        let mut changed = ada();
        changed["firstName"] = json!("Augusta");
        let second = crm.upsert(changed, None).await.unwrap();
        assert_eq!(second.outcome, Some(UpsertOutcome::Updated));
        assert_eq!(second.id, first.id);
        assert_eq!(second.contact.first_name.as_deref(), Some("Augusta"));
        assert_eq!(crm.at.contacts().len(), 1);
        crm.assert_no_alarm();
    }
}

#[tokio::test]
async fn the_same_again_sends_nothing() {
    for crm in all().await {
        crm.upsert(ada(), None).await.unwrap();
        let sent = crm.sent().len();
        let same = crm.upsert(ada(), None).await.unwrap();
        assert_eq!((same.outcome, crm.sent().len()), (Some(UpsertOutcome::Updated), sent));
    }
}

#[tokio::test]
async fn what_the_body_leaves_out_stays() {
    for crm in all().await {
        let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
        let given = match crm.told_apart_by() {
            ToldApartBy::Email => {
                json!({ "firstName": "Ada", "lastName": "King", "emailAddresses": [{ "emailAddress": "ada@example.com" }] })
            }
            ToldApartBy::Phone => {
                json!({ "firstName": "Ada", "lastName": "King", "phoneNumbers": [{ "phoneNumber": "+14165550277" }] })
            }
        };
        let shown = crm.upsert(given, None).await.unwrap();
        assert_eq!(shown.contact.remote_id.as_str(), id);
        assert_eq!(shown.contact.email_addresses.len(), 1);
        assert_eq!(shown.contact.phone_numbers.len(), 1);
        assert_eq!(shown.contact.last_name.as_deref(), Some("King"));
    }
}

#[tokio::test]
async fn a_relative_who_shares_the_other_identity_is_another_person() {
    for crm in all().await {
        let (husband, wife) = match crm.told_apart_by() {
            ToldApartBy::Email => (("will@example.com", "+14165550277"), ("ada@example.com", "+14165550277")),
            ToldApartBy::Phone => {
                (("family@example.com", "+14165550199"), ("family@example.com", "+14165550277"))
            }
        };
        let husband = crm.put("Will", "King", husband.0, husband.1);
        let wife = person("Ada", "King", wife.0, wife.1);
        let shown = crm.upsert(wife, None).await.unwrap();
        assert_eq!(shown.outcome, Some(UpsertOutcome::Created), "{}", crm.spec.title);
        assert_ne!(shown.contact.remote_id.as_str(), husband);
        assert_eq!(crm.at.contacts().len(), 2);
    }
}

#[tokio::test]
async fn one_of_another_first_and_last_name_is_left_to_the_caller_unless_match_on_says_so() {
    for crm in all().await {
        let id = crm.put("Will", "King", "ada@example.com", "+14165550277");
        let ada = || person("Ada", "Byron", "ada@example.com", "+14165550277");
        let failure = crm.upsert(ada(), None).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::AmbiguousMatch, "{}", crm.spec.title);
        let [candidate] = failure.candidates.as_slice() else { panic!("{:?}", failure.candidates) };
        assert_eq!(candidate.remote_id.as_str(), id);
        assert_eq!(candidate.matched_on, [crm.identity().word()]);
        assert!(candidate.id.is_some());
        crm.assert_nothing_sent();
        // One of the two names is enough.
        let married = person("Ada", "King", "ada@example.com", "+14165550277");
        assert_eq!(crm.upsert(married, None).await.unwrap().outcome, Some(UpsertOutcome::Updated));
        let named = crm.upsert(ada(), Some(vec![crm.identity()])).await.unwrap();
        assert_eq!(
            (named.outcome, named.contact.remote_id.as_str()),
            (Some(UpsertOutcome::Updated), id.as_str())
        );
    }
}

#[tokio::test]
async fn several_matches_are_named_and_nothing_is_written() {
    for crm in all().await {
        let by_email = crm.put("Ada", "Byron", "ada@example.com", "+14165550111");
        let by_phone = crm.put("Ada", "Byron", "other@example.com", "+14165550277");
        let both = Some(vec![EmailAddress, PhoneNumber]);
        let ada = person("Ada", "Byron", "ada@example.com", "+14165550277");
        let failure = crm.upsert(ada, both).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::AmbiguousMatch, "{}", crm.spec.title);
        let candidates = failure.candidates.as_slice();
        assert_eq!(candidates.len(), 2);
        for (candidate, (id, word)) in
            candidates.iter().zip([(&by_email, "emailAddress"), (&by_phone, "phoneNumber")])
        {
            assert_eq!(candidate.remote_id.as_str(), id);
            assert_eq!(candidate.matched_on, [word]);
        }
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn one_who_matches_on_both_is_one_match() {
    for crm in all().await {
        let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
        let ada = person("Augusta", "Byron", "ada@example.com", "+14165550277");
        let shown = crm.upsert(ada, Some(vec![EmailAddress, PhoneNumber])).await.unwrap();
        assert_eq!(
            (shown.outcome, shown.contact.remote_id.as_str()),
            (Some(UpsertOutcome::Updated), id.as_str())
        );
    }
}

#[tokio::test]
async fn without_anything_to_look_by_it_is_refused_before_any_call() {
    for crm in all().await {
        let failure = crm.upsert(json!({ "lastName": "Byron" }), None).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ValidationFailed);
        let wanted = match crm.told_apart_by() {
            ToldApartBy::Email => "/emailAddresses",
            ToldApartBy::Phone => "/phoneNumbers",
        };
        assert_eq!(places(&failure), [wanted]);
        crm.assert_silence();
    }
}

#[tokio::test]
async fn many_at_once_make_one_contact() {
    for crm in all().await {
        let upserts = (0..8).map(|_| crm.upsert(ada(), None));
        let all = futures_util::future::join_all(upserts).await;
        let created = all
            .iter()
            .filter(|one| one.as_ref().is_ok_and(|shown| shown.outcome == Some(UpsertOutcome::Created)));
        assert_eq!(created.count(), 1, "{:?}", all.iter().map(|one| one.as_ref().err()).collect::<Vec<_>>());
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(crm.at.contacts().len(), 1);
    }
}

#[tokio::test]
async fn what_stands_in_the_way_of_the_create_is_named() {
    // Looked for by what the CRM does not tell people apart by: who has the other stands in the way.
    for crm in all().await {
        let (email, phone, by) = match crm.told_apart_by() {
            ToldApartBy::Email => ("ada@example.com", "+14165550299", PhoneNumber),
            ToldApartBy::Phone => ("will@example.com", "+14165550277", EmailAddress),
        };
        let owner = crm.put("Will", "King", email, phone);
        let ada = person("Ada", "Byron", "ada@example.com", "+14165550277");
        let failure = crm.upsert(ada, Some(vec![by])).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ContactExists);
        assert_eq!(failure.candidates[0].remote_id.as_str(), owner);
        crm.assert_nothing_sent();
    }
}
