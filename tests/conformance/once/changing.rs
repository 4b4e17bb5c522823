//! Updates, removals and upserts under a key: read after a lost answer, sent at most twice.

use contacts_gateway::domain::{FailureKind, Retryable};
use contacts_gateway::simulators::{Fault, FaultKind};
use serde_json::json;

use super::{
    all, applied, code, next_write_meets, refused, relative, removing, someone, stage, status, swept_to,
    writes_meet,
};
use crate::support::account::ToldApartBy;
use crate::support::person::{ada, with};

#[tokio::test]
async fn an_update_whose_answer_was_lost_is_read_and_sent_at_most_twice() {
    for crm in all().await {
        let id = someone(&crm, "Ada", "Byron");
        let change = || json!({ "lastName": "King" });
        next_write_meets(&crm, FaultKind::AppliedThen { status: 500 });
        let told = crm.keyed("applied").update(&id, change()).await.unwrap();
        assert_eq!((told.body["contact"]["lastName"].as_str(), crm.sent().len()), (Some("King"), 1));
        assert!(crm.keyed("applied").update(&id, change()).await.unwrap().replayed);

        let change = || json!({ "lastName": "Lovelace" });
        next_write_meets(&crm, status(500));
        crm.keyed("second").update(&id, change()).await.unwrap();
        assert_eq!(crm.sent().len(), 3);

        let change = || json!({ "lastName": "Noel" });
        writes_meet(&crm, status(500));
        let failure = refused(crm.keyed("never").update(&id, change()).await);
        assert_eq!((failure.kind, failure.retryable), (FailureKind::UpstreamError, Retryable::Yes));
        assert_eq!(crm.sent().len(), 5);
        crm.at.faults().clear();
        let told = crm.keyed("never").update(&id, change()).await.unwrap();
        assert_eq!((told.body["contact"]["lastName"].as_str(), crm.sent().len()), (Some("Noel"), 6));
    }
}

#[tokio::test]
async fn a_removal_is_replayed_and_read_after_a_lost_answer() {
    for crm in removing().await {
        let id = someone(&crm, "Ada", "Byron");
        let first = crm.keyed("plain").delete(&id).await.unwrap();
        let calls = crm.at.calls().len();
        let again = crm.keyed("plain").delete(&id).await.unwrap();
        assert_eq!((again.replayed, again.bytes, crm.at.calls().len()), (true, first.bytes, calls));

        let id = someone(&crm, "Ada", "Byron");
        writes_meet(&crm, status(500));
        let failure = refused(crm.keyed("never").delete(&id).await);
        assert_eq!((failure.kind, failure.retryable), (FailureKind::UpstreamError, Retryable::Yes));
        assert_eq!(crm.sent().len(), 3);
        crm.at.faults().clear();
        crm.keyed("never").delete(&id).await.unwrap();
        assert!(crm.at.contacts().is_empty());
    }
}

#[tokio::test]
async fn a_removal_that_was_applied_and_cut_off_is_done() {
    for crm in removing().await {
        let id = someone(&crm, "Ada", "Byron");
        writes_meet(&crm, FaultKind::AppliedThen { status: 500 });
        crm.at.fault(Fault::always(status(403)).on("GET", &crm.world.contact_path("*")));
        let first = crm.keyed("k").within(3000).delete(&id).await;
        assert!(crm.at.contacts().is_empty(), "{first:?}");
        crm.at.faults().clear();
        assert_eq!(crm.keyed("k").delete(&id).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_removal_of_nobody_is_not_a_success() {
    for crm in removing().await {
        let id = someone(&crm, "Ada", "Byron");
        assert!(crm.at.take_out(&id));
        let outcome = crm.keyed("k").delete(&id).await;
        let word =
            outcome.map_or_else(|failure| failure.kind.code().to_owned(), |told| told.code().to_owned());
        assert_eq!(word, "contact_not_found");
    }
}

#[tokio::test]
async fn a_refused_change_is_the_last_word_and_our_own_refusal_is_not() {
    for crm in all().await {
        let id = someone(&crm, "Ada", "Byron");
        let change = || json!({ "lastName": "King" });
        next_write_meets(&crm, status(422));
        let first = crm.keyed("refused").update(&id, change()).await.unwrap();
        assert_eq!(first.code(), "upstream_rejected");
        let again = crm.keyed("refused").update(&id, change()).await.unwrap();
        assert_eq!((again.replayed, again.bytes, crm.sent().len()), (true, first.bytes, 1));

        let other = relative(&crm, None);
        let taken = match crm.told_apart_by() {
            ToldApartBy::Email => json!({ "emailAddresses": [{ "emailAddress": "ada@example.com" }] }),
            ToldApartBy::Phone => json!({ "phoneNumbers": [{ "phoneNumber": "+14165550277" }] }),
        };
        assert_eq!(code(&crm.keyed("taken").update(&other, taken).await), "contact_exists");
        let told = crm.keyed("taken").update(&other, change()).await.unwrap();
        assert_eq!((told.replayed, told.code(), crm.sent().len()), (false, "", 2));
    }
}

#[tokio::test]
async fn an_upsert_is_once_in_each_of_its_branches() {
    for crm in all().await {
        let created = crm.keyed("create").upsert(ada(), None).await.unwrap();
        assert_eq!(created.body["outcome"], "created");
        let changed = || with(ada(), &json!({ "firstName": "Augusta" }));
        let updated = crm.keyed("update").upsert(changed(), None).await.unwrap();
        assert_eq!(updated.body["outcome"], "updated");
        assert_eq!(updated.remote_id(), created.remote_id());
        let same = crm.keyed("same").upsert(changed(), None).await.unwrap();
        assert_eq!(same.body["outcome"], "updated");
        let sent = crm.sent().len();
        assert_eq!(sent, 2);
        let other = with(ada(), &json!({ "firstName": "Will", "lastName": "King" }));
        assert_eq!(code(&crm.keyed("other").upsert(other.clone(), None).await), "ambiguous_match");
        let calls = crm.at.calls().len();
        for (key, body, first) in
            [("create", ada(), &created), ("update", changed(), &updated), ("same", changed(), &same)]
        {
            let again = crm.keyed(key).upsert(body, None).await.unwrap();
            assert_eq!((again.replayed, &again.bytes), (true, &first.bytes));
        }
        assert_eq!((crm.at.calls().len(), crm.sent().len()), (calls, sent));
        // A refusal of ours frees the key: the next one decides anew.
        assert!(crm.at.take_out(created.remote_id()));
        let told = crm.keyed("other").upsert(other, None).await.unwrap();
        assert_eq!(told.body["outcome"], "created");
    }
}

#[tokio::test]
async fn an_upsert_whose_create_was_lost_created_it() {
    for crm in all().await {
        next_write_meets(&crm, FaultKind::AppliedThen { status: 500 });
        let told = crm.keyed("found").upsert(ada(), None).await.unwrap();
        assert_eq!((told.body["outcome"].as_str(), crm.sent().len()), (Some("created"), 1));
        assert!(crm.at.take_out(told.remote_id()));
    }
    for crm in all().await {
        next_write_meets(&crm, FaultKind::Latency { ms: 1500 });
        assert_eq!(code(&crm.keyed("k").within(800).upsert(ada(), None).await), "outcome_unknown");
        applied(&crm).await;
        swept_to(&crm, "found").await;
        let told = crm.keyed("k").upsert(ada(), None).await.unwrap();
        assert_eq!((told.body["outcome"].as_str(), crm.sent().len()), (Some("created"), 1));
    }
    for crm in all().await {
        next_write_meets(&crm, status(500));
        assert_eq!(code(&crm.keyed("k").upsert(ada(), None).await), "outcome_unknown");
        assert_eq!(stage(&crm).await, Some(("absent".into(), 1)));
        let told = crm.keyed("k").upsert(ada(), None).await.unwrap();
        assert_eq!((told.body["outcome"].as_str(), crm.sent().len()), (Some("created"), 2));
    }
}

#[tokio::test]
async fn an_upsert_whose_change_was_lost_is_not_sent_again_where_it_was_applied() {
    for crm in all().await {
        someone(&crm, "Augusta", "Byron");
        next_write_meets(&crm, FaultKind::AppliedThen { status: 500 });
        let told = crm.keyed("k").upsert(ada(), None).await.unwrap();
        assert_eq!((told.body["outcome"].as_str(), crm.sent().len()), (Some("updated"), 1));
        assert!(crm.keyed("k").upsert(ada(), None).await.unwrap().replayed);
    }
}
