//! Creates whose answer was lost: found and adopted, proven absent and sent once more, or left to the caller.

use contacts_gateway::domain::{FailureKind, Field, Retryable};
use contacts_gateway::simulators::{Fault, FaultKind};
use serde_json::json;

use super::{
    SETTLE, SHORT, all, applied, code, got, next_write_meets, refused, relative, someone, stage, status,
    sweep, swept_to, writes_meet,
};
use crate::support::crm::Crm;
use crate::support::person::ada;

const LONG_AGO: &str = "2020-01-01T00:00:00.000Z";

#[tokio::test]
async fn what_was_applied_is_adopted_in_the_same_request() {
    for crm in all().await {
        for (number, fault) in [
            FaultKind::AppliedThen { status: 500 },
            FaultKind::AppliedThen { status: 503 },
            FaultKind::ResetAfterApplying,
            FaultKind::ResetMidBody,
            FaultKind::CutJson,
            FaultKind::EmptyAnswer,
            FaultKind::AppliedNeverAnswers,
            FaultKind::AppliedTwice,
        ]
        .into_iter()
        .enumerate()
        {
            let before = crm.sent().len();
            for held in crm.at.contacts() {
                assert!(crm.at.take_out(held[crm.world.id_key()].as_str().unwrap()));
            }
            next_write_meets(&crm, fault.clone());
            let key = format!("k{number}");
            let first = crm.keyed(&key).within(4000).create(ada()).await;
            let first = first.unwrap_or_else(|failure| panic!("{fault:?}: {failure:?}"));
            assert_eq!((first.status, first.code()), (200, ""));
            assert_eq!((crm.sent().len() - before, crm.at.contacts().len()), (1, 1), "{fault:?}");
            assert_eq!(crm.at.contacts()[0][crm.world.id_key()], first.remote_id());
            let again = crm.keyed(&key).create(ada()).await.unwrap();
            assert_eq!((again.replayed, again.bytes), (true, first.bytes));
        }
        crm.assert_no_alarm();
    }
}

#[tokio::test]
async fn one_field_that_differs_is_warned_about_and_two_are_too_many() {
    for crm in all().await {
        next_write_meets(&crm, FaultKind::NeverAnswer);
        let meanwhile = async {
            got(&crm, 1).await;
            someone(&crm, "Augusta", "Byron")
        };
        let (told, id) = tokio::join!(crm.keyed("one").within(4000).create(ada()), meanwhile);
        let told = told.unwrap();
        assert_eq!(told.remote_id(), id);
        assert_eq!(told.warned(), [("changed_by_upstream", "/firstName")]);
        assert!(crm.at.take_out(&id));

        next_write_meets(&crm, FaultKind::NeverAnswer);
        let meanwhile = async {
            got(&crm, 2).await;
            someone(&crm, "Augusta", "King")
        };
        let (outcome, id) = tokio::join!(crm.keyed("two").within(4000).create(ada()), meanwhile);
        let failure = refused(outcome);
        assert_eq!((failure.kind, failure.retryable), (FailureKind::OutcomeAmbiguous, Retryable::No));
        assert_eq!(failure.candidates[0].remote_id.as_str(), id);
        // Every replay says so, and nothing is sent.
        crm.at.faults().clear();
        let failure = refused(crm.keyed("two").create(ada()).await);
        assert_eq!((failure.kind, failure.candidates.len()), (FailureKind::OutcomeAmbiguous, 1));
        assert_eq!(crm.sent().len(), 2);
    }
}

#[tokio::test]
async fn relatives_are_not_what_was_created() {
    for crm in all().await {
        // Seen before the send, though as new as can be and alike but for one field.
        let seen = relative(&crm, None);
        next_write_meets(&crm, status(500));
        let failure = refused(crm.keyed("seen").within(SHORT).create(ada()).await);
        assert_eq!((failure.kind, failure.retryable), (FailureKind::OutcomeUnknown, Retryable::SameKeyOnly));
        assert!(crm.at.take_out(&seen));
        // Not seen, and older than the send.
        next_write_meets(&crm, FaultKind::NeverAnswer);
        let meanwhile = async {
            got(&crm, 2).await;
            relative(&crm, Some(LONG_AGO))
        };
        let (outcome, older) = tokio::join!(crm.keyed("older").within(2500).create(ada()), meanwhile);
        assert!(matches!(code(&outcome), "outcome_unknown"), "{outcome:?}");
        assert!(crm.at.take_out(&older));
        // Beside a relative the applied one is found.
        relative(&crm, None);
        next_write_meets(&crm, FaultKind::AppliedThen { status: 500 });
        let told = crm.keyed("applied").create(ada()).await.unwrap();
        assert_eq!(told.body["contact"]["firstName"], "Ada");
        assert_eq!(crm.sent().len(), 3);
    }
}

#[tokio::test]
async fn nobody_twice_is_absent_and_the_replay_sends_once_more() {
    for crm in all().await {
        next_write_meets(&crm, status(500));
        let failure = refused(crm.keyed("k").within(SHORT).create(ada()).await);
        assert_eq!((failure.kind, failure.retryable), (FailureKind::OutcomeUnknown, Retryable::SameKeyOnly));
        swept_to(&crm, "absent").await;
        assert_eq!(crm.sent().len(), 1, "the sweep sent");
        let told = crm.keyed("k").create(ada()).await.unwrap();
        assert!(!told.replayed);
        assert_eq!((crm.sent().len(), crm.at.contacts().len()), (2, 1));
        let again = crm.keyed("k").create(ada()).await.unwrap();
        assert_eq!((again.replayed, again.bytes, crm.sent().len()), (true, told.bytes, 2));
    }
}

#[tokio::test]
async fn the_first_request_does_not_send_again_by_itself() {
    for crm in all().await {
        next_write_meets(&crm, status(500));
        let failure = refused(crm.keyed("k").create(ada()).await);
        assert_eq!(failure.kind, FailureKind::OutcomeUnknown);
        assert_eq!(crm.sent().len(), 1);
        // Both looks were made: the replay sends at once.
        crm.keyed("k").within(2000).create(ada()).await.unwrap();
        assert_eq!((crm.sent().len(), crm.at.contacts().len()), (2, 1));
    }
}

#[tokio::test]
async fn a_number_without_a_country_code_is_found_where_the_crm_holds_it_with_one() {
    for crm in all().await {
        for (number, written, held) in [
            (1, "(416) 705-0232", "+14167050232"),
            (2, "1 416 705 0233", "+14167050233"),
            (3, "020 7946 0958", "+442079460958"),
            (4, "0044 20 7946 0959", "+442079460959"),
        ] {
            let before = crm.sent().len();
            let name = format!("Number{number}");
            let person =
                json!({ "firstName": "Ada", "lastName": name, "phoneNumbers": [{ "phoneNumber": written }] });
            next_write_meets(&crm, FaultKind::ResetAfterApplying);
            let failure = code(&crm.keyed(&name).within(SHORT).create(person.clone()).await);
            // What the CRM makes of the number that it was sent.
            let made = crm.at.contacts().into_iter().find(|held| held.to_string().contains(&name)).unwrap();
            let field = crm.world.stored_name(Field::PhoneNumbers);
            let value = crm.world.stored_phones(&[held]);
            assert!(crm.at.change(
                made[crm.world.id_key()].as_str().unwrap(),
                json!({ field: value }).as_object().unwrap()
            ));
            for _ in 0..3 {
                let told = crm.keyed(&name).create(person.clone()).await;
                let told = told.unwrap_or_else(|again| panic!("{written}: {failure}, then {again:?}"));
                assert_eq!(told.remote_id(), made[crm.world.id_key()].as_str().unwrap());
            }
            assert_eq!(crm.sent().len() - before, 1, "{written}");
        }
    }
}

#[tokio::test]
async fn the_last_send_waits_for_a_replay_that_has_time_for_it() {
    for crm in all().await {
        next_write_meets(&crm, status(500));
        assert_eq!(code(&crm.keyed("k").within(SHORT).create(ada()).await), "outcome_unknown");
        assert_eq!(code(&crm.keyed("k").within(1500).create(ada()).await), "outcome_unknown");
        assert_eq!((stage(&crm).await, crm.sent().len()), (Some(("absent".into(), 1)), 1));
        crm.keyed("k").within(1500).create(ada()).await.unwrap();
        assert_eq!((crm.sent().len(), crm.at.contacts().len()), (2, 1));
    }
}

#[tokio::test]
async fn a_broken_connection_proves_nothing_before_the_attempts_own_time_is_over() {
    for crm in all().await {
        next_write_meets(&crm, FaultKind::ResetBeforeReading);
        assert_eq!(code(&crm.keyed("k").within(3000).create(ada()).await), "outcome_unknown");
        // Two looks have shown nobody; the request may still be on its way.
        crm.at.faults().clear();
        assert_eq!(code(&crm.keyed("k").within(900).create(ada()).await), "outcome_unknown");
        assert_eq!(crm.sent().len(), 1);
        swept_to(&crm, "absent").await;
        crm.keyed("k").create(ada()).await.unwrap();
        assert_eq!(crm.sent().len(), 2);
    }
}

#[tokio::test]
async fn the_sweep_finds_and_the_replay_answers_it() {
    for crm in all().await {
        is_found_by_the_sweep(&crm).await;
    }
}

/// A create that is applied when its caller has gone is found in the background, and replayed.
pub(in super::super) async fn is_found_by_the_sweep(crm: &Crm) {
    // Applied late, when the caller has gone.
    next_write_meets(crm, FaultKind::Latency { ms: 1500 });
    assert_eq!(code(&crm.keyed("k").within(800).create(ada()).await), "outcome_unknown");
    applied(crm).await;
    swept_to(crm, "found").await;
    assert_eq!(crm.sent().len(), 1);
    let told = crm.keyed("k").create(ada()).await.unwrap();
    assert_eq!(crm.at.contacts()[0][crm.world.id_key()], told.remote_id());
    assert_eq!(told.body["contact"]["firstName"], "Ada");
    let again = crm.keyed("k").create(ada()).await.unwrap();
    assert_eq!((again.replayed, again.bytes, crm.sent().len()), (true, told.bytes, 1));
}

#[tokio::test]
async fn there_is_never_a_third_send() {
    for crm in all().await {
        writes_meet(&crm, status(500));
        let _sweep = sweep(&crm);
        let mut codes = Vec::new();
        for _ in 0..8 {
            codes.push(code(&crm.keyed("k").within(1500).create(ada()).await));
        }
        assert_eq!(crm.sent().len(), 2, "{codes:?}");
        assert_eq!(codes.last(), Some(&"outcome_ambiguous"), "{codes:?}");
        // Nor when the CRM is well again: what it was told twice it may do at any time.
        crm.at.faults().clear();
        assert_eq!(code(&crm.keyed("k").create(ada()).await), "outcome_ambiguous");
        assert_eq!(crm.sent().len(), 2);
    }
}

#[tokio::test]
async fn a_refusal_of_ours_between_two_sends_does_not_start_the_count_again() {
    for crm in all().await {
        writes_meet(&crm, status(500));
        assert_eq!(code(&crm.keyed("k").create(ada()).await), "outcome_unknown");
        assert_eq!(stage(&crm).await, Some(("absent".into(), 1)));
        // The look-up before the second send fails.
        crm.at.fault(Fault::always(status(401)).on("GET", crm.world.list_path()));
        assert_eq!(code(&crm.keyed("k").create(ada()).await), "upstream_credential_rejected");
        assert_eq!(stage(&crm).await, Some(("absent".into(), 1)));
        writes_meet(&crm, status(500));
        for _ in 0..3 {
            let failure = refused(crm.keyed("k").create(ada()).await);
            assert!(failure.kind != FailureKind::ContactExists);
        }
        assert_eq!(crm.sent().len(), 2);
    }
}

#[tokio::test]
async fn a_second_send_that_the_crm_refused_for_now_may_be_repeated() {
    for crm in all().await {
        next_write_meets(&crm, status(500));
        assert_eq!(code(&crm.keyed("k").create(ada()).await), "outcome_unknown");
        next_write_meets(&crm, status(401));
        assert_eq!(code(&crm.keyed("k").create(ada()).await), "upstream_credential_rejected");
        crm.at.faults().clear();
        crm.keyed("k").create(ada()).await.unwrap();
        assert_eq!(crm.at.contacts().len(), 1);
    }
    // And it does not start the count again: the refused one aside, two are sent.
    for crm in all().await {
        next_write_meets(&crm, status(500));
        assert_eq!(code(&crm.keyed("k").create(ada()).await), "outcome_unknown");
        next_write_meets(&crm, status(401));
        assert_eq!(code(&crm.keyed("k").create(ada()).await), "upstream_credential_rejected");
        assert_eq!(stage(&crm).await, Some(("absent".into(), 1)));
        writes_meet(&crm, status(500));
        for _ in 0..4 {
            crm.keyed("k").create(ada()).await.unwrap_err();
        }
        assert_eq!(crm.sent().len(), 3);
    }
}

#[tokio::test]
async fn a_look_that_fails_or_shows_a_part_never_counts_as_absence() {
    for crm in all().await {
        next_write_meets(&crm, FaultKind::NeverAnswer);
        let part = json!({ "count": 7, "data": [], "total": 7, "contacts": [] }).to_string();
        let meanwhile = async {
            got(&crm, 1).await;
            crm.at.faults().clear();
            crm.at.fault(Fault::always(FaultKind::Body { text: part }).on("GET", crm.world.list_path()));
        };
        let (outcome, ()) = tokio::join!(crm.keyed("k").within(4000).create(ada()), meanwhile);
        assert_eq!(code(&outcome), "outcome_unknown");
        let _sweep = sweep(&crm);
        tokio::time::sleep(4 * SETTLE).await;
        assert_eq!(settled(&crm).await, "outcome_unknown");
        crm.at.faults().clear();
        crm.at.fault(Fault::always(status(500)).on("GET", crm.world.list_path()));
        assert_eq!(settled(&crm).await, "outcome_unknown");
        assert_eq!(crm.sent().len(), 1);
        assert_eq!(stage(&crm).await.unwrap().0, "unknown");
    }
}

/// What a replay says that does not meet the sweep.
async fn settled(crm: &Crm) -> &'static str {
    loop {
        let said = code(&crm.keyed("k").within(2000).create(ada()).await);
        if said != "idempotency_in_progress" {
            return said;
        }
    }
}
