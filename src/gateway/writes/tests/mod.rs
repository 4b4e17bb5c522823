//! The ledger over a real database: replays, refusals, crashes at each point, lost leases, expiry.

mod callers;
mod house;
mod releases;
mod stopped;

use std::time::Duration;

use futures_util::future::join_all;

use self::house::{TestLedger, answer, asking, candidate, evidence, once, raw, warning};
use super::{Begin, Destination, InFlightWrite, Ledger, ReplayStep, WriteState};
use crate::domain::{Candidates, CredentialId, Failure, FailureKind, Result};
use crate::sealing::{MasterKey, Sealer};
use crate::store::Stage;
use crate::store::tests::also_on_postgres;

also_on_postgres! {
    an_answer_is_replayed_byte_for_byte,
    another_request_under_the_same_key_is_refused_at_every_stage,
    a_running_write_is_told_from_a_lost_one,
    a_released_key_runs_again_also_for_another_request,
    whatever_point_a_process_dies_at_the_next_one_knows_what_was_under_way,
    where_a_write_was_sent_is_known_at_every_stage_and_of_earlier_versions_it_is_not,
    evidence_comes_back_to_the_byte,
    a_known_outcome_erases_the_request,
    who_lost_the_lease_may_neither_send_nor_write,
    a_lease_is_renewed_while_the_write_runs_and_ends_with_it,
    answers_end_a_day_after_the_first_use,
    nothing_readable_is_at_rest,
    the_same_key_of_another_tenant_is_another_key,
    of_many_who_claim_at_once_one_runs,
    what_dead_processes_left_is_taken_over_to_look,
    a_former_master_key_replays_and_a_strange_one_says_so,
}

fn unknown() -> WriteState {
    WriteState::Unknown(Box::new(evidence()))
}

async fn run(ledger: &Ledger, house: &TestLedger, key: &str, asked: &str) -> InFlightWrite {
    match claim(ledger, house, key, asked).await.unwrap() {
        Begin::Started(attempt) => *attempt,
        Begin::Replay(answer) => panic!("it was answered: {answer:?}"),
    }
}

async fn claim(ledger: &Ledger, house: &TestLedger, key: &str, asked: &str) -> Result<Begin> {
    let credential = CredentialId::from("cred_1");
    ledger.claim(&house.caller, Some(&credential), &once(key, asked)).await
}

async fn refused(ledger: &Ledger, house: &TestLedger, key: &str, asked: &str) -> Failure {
    claim(ledger, house, key, asked).await.err().expect("it must be refused")
}

/// The process is gone, and so is its lease.
async fn dies(house: &TestLedger, attempt: InFlightWrite) {
    drop(attempt);
    house.ledger.end_leases().await.unwrap();
}

#[tokio::test]
async fn an_answer_is_replayed_byte_for_byte() {
    let house = TestLedger::new().await;
    let attempt = run(&house.ledger, &house, "k", "asked").await;
    assert_eq!((attempt.state(), attempt.sends()), (&WriteState::Reserved, 0));
    attempt.record(answer(b"line\nline\0\xff{\"a\": 1}\n")).await.unwrap();
    for ledger in [house.ledger.clone(), house.another_process().await] {
        let Begin::Replay(replay) = claim(&ledger, &house, "k", "asked").await.unwrap() else {
            panic!("it was answered before")
        };
        assert!(replay.replayed);
        assert_eq!(replay.status, 201);
        assert_eq!(replay.body, b"line\nline\0\xff{\"a\": 1}\n");
        assert_eq!(replay.headers, answer(b"").headers);
    }
}

#[tokio::test]
async fn another_request_under_the_same_key_is_refused_at_every_stage() {
    let house = TestLedger::new().await;
    let other = house.another_process().await;
    let mut attempt = run(&house.ledger, &house, "k", "asked").await;
    let reused = async || refused(&other, &house, "k", "asked for more").await.kind;
    assert_eq!(reused().await, FailureKind::IdempotencyKeyReused);
    attempt.sending(Some(evidence())).await.unwrap();
    assert_eq!(reused().await, FailureKind::IdempotencyKeyReused);
    attempt.leave().await;
    assert_eq!(reused().await, FailureKind::IdempotencyKeyReused);
    run(&other, &house, "k", "asked").await.record(answer(b"x")).await.unwrap();
    assert_eq!(reused().await, FailureKind::IdempotencyKeyReused);
    assert!(matches!(claim(&other, &house, "k", "asked").await, Ok(Begin::Replay(_))));
}

#[tokio::test]
async fn a_running_write_is_told_from_a_lost_one() {
    let house = TestLedger::new().await;
    let attempt = run(&house.ledger, &house, "k", "asked").await;
    let failure = refused(&house.ledger, &house, "k", "asked").await;
    assert_eq!(failure.kind, FailureKind::IdempotencyInProgress);
    assert_eq!(failure.retry_after, Some(Duration::from_secs(1)));
    drop(attempt);
    assert_eq!(
        refused(&house.ledger, &house, "k", "asked").await.kind,
        FailureKind::IdempotencyInProgress,
        "nobody knows yet that it ended"
    );
    house.ledger.end_leases().await.unwrap();
    run(&house.ledger, &house, "k", "asked").await.leave().await;
    run(&house.ledger, &house, "k", "asked").await; // At once, as it was let go.
}

#[tokio::test]
async fn a_released_key_runs_again_also_for_another_request() {
    let house = TestLedger::new().await;
    let mut attempt = run(&house.ledger, &house, "k", "asked").await;
    attempt.sending(None).await.unwrap();
    attempt.free_key().await.unwrap();
    let attempt = run(&house.ledger, &house, "k", "asked otherwise").await;
    assert_eq!((attempt.state(), attempt.sends()), (&WriteState::Reserved, 0));
}

#[tokio::test]
async fn whatever_point_a_process_dies_at_the_next_one_knows_what_was_under_way() {
    let house = TestLedger::new().await;
    let next = house.another_process().await;
    let found = WriteState::Applied { remote_id: "r1".into(), warnings: vec![warning()] };
    let ambiguous = WriteState::Ambiguous { candidates: vec![candidate(); 500].into() };

    let attempt = run(&house.ledger, &house, "k", "asked").await;
    dies(&house, attempt).await;
    let mut attempt = run(&next, &house, "k", "asked").await;
    assert_eq!((attempt.state(), attempt.sends()), (&WriteState::Reserved, 0));

    attempt.sending(None).await.unwrap();
    dies(&house, attempt).await;
    let mut attempt = run(&next, &house, "k", "asked").await;
    assert_eq!((attempt.state(), attempt.sends()), (&WriteState::Sent, 1));

    attempt.sending(Some(evidence())).await.unwrap();
    dies(&house, attempt).await;
    let mut attempt = run(&next, &house, "k", "asked").await;
    assert_eq!((attempt.state(), attempt.sends()), (&unknown(), 2));

    attempt.note(unknown()).await.unwrap();
    dies(&house, attempt).await;
    let mut attempt = run(&next, &house, "k", "asked").await;
    assert_eq!(attempt.state(), &unknown());

    for outcome in [found, WriteState::NotApplied, ambiguous] {
        attempt.note(outcome.clone()).await.unwrap();
        dies(&house, attempt).await;
        attempt = run(&next, &house, "k", "asked").await;
        assert_eq!((attempt.state(), attempt.sends()), (&outcome, 2));
    }
    attempt.sending(Some(evidence())).await.unwrap();
    dies(&house, attempt).await;
    let attempt = run(&next, &house, "k", "asked").await;
    assert_eq!((attempt.state(), attempt.sends()), (&unknown(), 3));
}

#[test]
fn what_is_sealed_of_an_ambiguous_outcome_is_bounded() {
    let ambiguous = WriteState::Ambiguous { candidates: vec![candidate(); 40_000].into() };
    let sealed = ambiguous.to_bytes(None).unwrap().unwrap();
    assert!(sealed.len() < 4_096, "{} bytes", sealed.len());
    assert_eq!(WriteState::from_bytes(Stage::Ambiguous, Some(&sealed)).unwrap().0, ambiguous);
}

#[tokio::test]
async fn where_a_write_was_sent_is_known_at_every_stage_and_of_earlier_versions_it_is_not() {
    let house = TestLedger::new().await;
    let next = house.another_process().await;
    let ambiguous = WriteState::Ambiguous { candidates: vec![candidate()].into() };
    let mut sent_to = Destination {
        base_url: "https://crm.example.com".into(),
        secret: "digest".into(),
        account_id: Some("company".into()),
    };
    let mut attempt = run(&house.ledger, &house, "k", "asked").await;
    assert_eq!(attempt.destination(), None);
    attempt.send_to(sent_to.clone());
    attempt.sending(None).await.unwrap();
    for outcome in [WriteState::Sent, WriteState::NotApplied, ambiguous] {
        if outcome != WriteState::Sent {
            attempt.note(outcome.clone()).await.unwrap();
        }
        dies(&house, attempt).await;
        attempt = run(&next, &house, "k", "asked").await;
        assert_eq!((attempt.state(), attempt.destination()), (&outcome, Some(&sent_to)));
    }
    // What is known of the account stays known when the same account is written to again.
    attempt.send_to(Destination { account_id: None, secret: "new".into(), ..sent_to.clone() });
    attempt.sending(Some(evidence())).await.unwrap();
    dies(&house, attempt).await;
    sent_to.secret = "new".into();
    let attempt = run(&next, &house, "k", "asked").await;
    assert_eq!(
        (attempt.state().recovery_context(), attempt.destination()),
        (Some(&evidence()), Some(&sent_to))
    );
}

#[tokio::test]
async fn evidence_comes_back_to_the_byte() {
    let house = TestLedger::new().await;
    let mut attempt = run(&house.ledger, &house, "k", "asked").await;
    attempt.sending(Some(evidence())).await.unwrap();
    let mut later = evidence();
    later.absent_lookup = Some("lookup".into());
    later.open_for = Duration::ZERO;
    attempt.note(WriteState::Unknown(Box::new(later.clone()))).await.unwrap();
    assert_eq!(attempt.state().recovery_context(), Some(&later));
    dies(&house, attempt).await;
    assert_eq!(run(&house.ledger, &house, "k", "asked").await.state().recovery_context(), Some(&later));
}

#[tokio::test]
async fn a_known_outcome_erases_the_request() {
    let house = TestLedger::new().await;
    for (place, outcome) in [
        WriteState::NotApplied,
        WriteState::Applied { remote_id: "r1".into(), warnings: Vec::new() },
        WriteState::Ambiguous { candidates: Candidates::new() },
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("k{place}");
        let mut attempt = run(&house.ledger, &house, &key, "asked").await;
        attempt.sending(Some(evidence())).await.unwrap();
        let before = raw(&house, &key).await.sealed.unwrap().len();
        attempt.note(outcome).await.unwrap();
        assert_eq!(attempt.state().recovery_context(), None);
        let after = raw(&house, &key).await.sealed.map_or(0, |sealed| sealed.len());
        assert!(after * 2 < before, "{after} of {before} bytes are left");
    }
}

#[tokio::test]
async fn who_lost_the_lease_may_neither_send_nor_write() {
    let house = TestLedger::new().await;
    let other = house.another_process().await;
    for key in ["before the send", "after it"] {
        let mut former = run(&house.ledger, &house, key, "asked").await;
        if key == "after it" {
            former.sending(Some(evidence())).await.unwrap();
        }
        house.ledger.end_leases().await.unwrap();
        let owner = run(&other, &house, key, "asked").await;
        let standing = raw(&house, key).await;
        let stopped = former.sending(None).await.unwrap_err();
        assert_eq!(stopped.kind, FailureKind::IdempotencyInProgress);
        assert_eq!(
            former.note(WriteState::NotApplied).await.unwrap_err().kind,
            FailureKind::IdempotencyInProgress
        );
        let unsaid = former.note(unknown()).await.unwrap_err();
        assert_eq!(unsaid.kind, FailureKind::IdempotencyInProgress);
        let late = former.record(answer(b"late")).await.unwrap_err();
        assert_eq!(late.kind, FailureKind::IdempotencyInProgress);
        assert_eq!(raw(&house, key).await, standing);
        owner.record(answer(b"the owner's")).await.unwrap();
    }
    let former = run(&house.ledger, &house, "k", "asked").await;
    house.ledger.end_leases().await.unwrap();
    let owner = run(&other, &house, "k", "asked").await;
    assert_eq!(former.free_key().await.unwrap_err().kind, FailureKind::IdempotencyInProgress);
    assert_eq!(refused(&other, &house, "k", "asked").await.kind, FailureKind::IdempotencyInProgress);
    owner.leave().await;
}

#[tokio::test]
async fn a_lease_is_renewed_while_the_write_runs_and_ends_with_it() {
    let house = TestLedger::new().await;
    let short = house.with_lease(Duration::from_secs(2));
    let attempt = run(&short, &house, "k", "asked").await;
    tokio::time::sleep(Duration::from_millis(3500)).await;
    assert_eq!(refused(&short, &house, "k", "asked").await.kind, FailureKind::IdempotencyInProgress);
    drop(attempt);
    let watching = tokio::spawn(async move { short.watch_leases().await });
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(refused(&house.ledger, &house, "k", "asked").await.kind, FailureKind::IdempotencyInProgress);
    let began = crate::clock::monotonic();
    while claim(&house.ledger, &house, "k", "asked").await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    watching.abort();
}

#[tokio::test]
async fn answers_end_a_day_after_the_first_use() {
    let house = TestLedger::new().await;
    run(&house.ledger, &house, "k", "asked").await.record(answer(b"x")).await.unwrap();
    let row = raw(&house, "k").await;
    assert_eq!(row.expires_at.as_millisecond() - row.created_at.as_millisecond(), 24 * 3600 * 1000);
    let running = run(&house.ledger, &house, "running", "asked").await;
    assert_eq!(house.ledger.erase_expired().await, Ok(0));
    house.place.statement("UPDATE idempotency SET expires_at = 1").await.unwrap();
    assert_eq!(house.ledger.erase_expired().await, Ok(1));
    run(&house.ledger, &house, "k", "asked otherwise").await.free_key().await.unwrap();
    running.record(answer(b"x")).await.unwrap();
    assert_eq!(house.ledger.erase_expired().await, Ok(1));
}

#[tokio::test]
async fn nothing_readable_is_at_rest() {
    let house = TestLedger::new().await;
    let mut attempt = run(&house.ledger, &house, "canary key", "canary of what was asked").await;
    attempt.sending(Some(evidence())).await.unwrap();
    let open = raw(&house, "canary key").await;
    attempt.record(answer(b"canary of an answer")).await.unwrap();
    for row in [open, raw(&house, "canary key").await] {
        let sealed = row.sealed.clone().unwrap();
        let texts = [row.key.as_bytes(), row.fence.as_bytes(), &row.fingerprint, &sealed];
        assert!(texts.iter().all(|text| !text.windows(6).any(|part| part == b"canary")));
        assert_eq!(sealed[..crate::sealing::HEAD], house.sealer.head());
    }
    // Moved to another key's row it does not open.
    run(&house.ledger, &house, "other", "asked").await.record(answer(b"y")).await.unwrap();
    let moved = "UPDATE idempotency SET sealed = (SELECT sealed FROM idempotency ORDER BY sealed LIMIT 1)";
    house.place.statement(moved).await.unwrap();
    let mut opened = 0;
    for (key, asked) in [("canary key", "canary of what was asked"), ("other", "asked")] {
        match claim(&house.ledger, &house, key, asked).await {
            Ok(_) => opened += 1,
            Err(failure) => assert_eq!(failure.kind, FailureKind::SecretUnreadable),
        }
    }
    assert_eq!(opened, 1);
}

#[tokio::test]
async fn the_same_key_of_another_tenant_is_another_key() {
    let house = TestLedger::new().await;
    run(&house.ledger, &house, "k", "asked").await.record(answer(b"one's")).await.unwrap();
    let two = house.tenant("two").await;
    let Begin::Started(attempt) =
        house.ledger.claim(&two, None, &once("k", "asked otherwise")).await.unwrap()
    else {
        panic!("it is another tenant's")
    };
    attempt.record(answer(b"two's")).await.unwrap();
    let Begin::Replay(replay) = claim(&house.ledger, &house, "k", "asked").await.unwrap() else { panic!() };
    assert_eq!(replay.body, b"one's");
    let keys = [raw(&house, "k").await.key, super::ledger::key(&two.tenant, "k")];
    assert_ne!(keys[0], keys[1], "nor can it be seen that both use one key");
}

#[tokio::test]
async fn of_many_who_claim_at_once_one_runs() {
    let house = TestLedger::new().await;
    let other = house.another_process().await;
    for round in 0..8 {
        let key = format!("k{round}");
        let claims = (0..8).map(|n| {
            let (ledger, house, key) = (if n % 2 == 0 { &house.ledger } else { &other }, &house, &key);
            async move { claim(ledger, house, key, "asked").await }
        });
        let (mut running, mut told) = (Vec::new(), 0);
        for claimed in join_all(claims).await {
            match claimed {
                Ok(Begin::Started(attempt)) => running.push(attempt),
                Ok(Begin::Replay(_)) => panic!("nobody answered"),
                Err(failure) if failure.kind == FailureKind::IdempotencyInProgress => told += 1,
                Err(failure) => panic!("{failure:?}"),
            }
        }
        assert_eq!((running.len(), told), (1, 7));
        // Left by its owner, again one of many goes on with it.
        running.remove(0).leave().await;
        let claims = (0..8).map(|_| claim(&other, &house, &key, "asked"));
        let again = join_all(claims).await;
        assert_eq!(again.iter().filter(|claimed| claimed.is_ok()).count(), 1);
    }
}

#[tokio::test]
async fn what_dead_processes_left_is_taken_over_to_look() {
    let house = TestLedger::new().await;
    let sweep = house.another_process().await;
    let mut left = Vec::new();
    for (key, evidence) in [("create", Some(evidence())), ("update", None)] {
        let mut attempt = run(&house.ledger, &house, key, asking(key)).await;
        attempt.sending(evidence).await.unwrap();
        left.push(attempt);
    }
    assert!(sweep.unsettled().await.unwrap().is_empty(), "their process lives");
    drop(left);
    house.ledger.end_leases().await.unwrap();
    let mut taken = sweep.unsettled().await.unwrap();
    assert_eq!(taken.len(), 1);
    let due = taken.remove(0);
    assert_eq!((&due.tenant, due.credential.as_str()), (&house.caller.tenant, "cred_1"));
    let mut attempt = sweep.take_unsettled(&due).await.unwrap().unwrap();
    assert_eq!(attempt.state(), &unknown());
    let meanwhile = refused(&house.ledger, &house, "create", asking("create")).await;
    assert_eq!(meanwhile.kind, FailureKind::IdempotencyInProgress);
    assert!(house.ledger.unsettled().await.unwrap().is_empty(), "one sweep looks at a time");
    assert!(house.ledger.take_unsettled(&due).await.unwrap().is_none(), "also where two saw it");
    attempt.note(unknown()).await.unwrap();
    attempt.leave_for(Duration::ZERO).await;
    let due = sweep.unsettled().await.unwrap().pop().unwrap();
    let mut attempt = sweep.take_unsettled(&due).await.unwrap().unwrap();
    attempt.note(WriteState::Applied { remote_id: "r1".into(), warnings: Vec::new() }).await.unwrap();
    attempt.leave().await;
    assert!(sweep.unsettled().await.unwrap().is_empty(), "it is settled");
    let attempt = run(&house.ledger, &house, "create", asking("create")).await;
    assert!(matches!(attempt.state(), WriteState::Applied { remote_id, .. } if remote_id.as_str() == "r1"));
}

#[tokio::test]
async fn a_former_master_key_replays_and_a_strange_one_says_so() {
    let house = TestLedger::new().await;
    run(&house.ledger, &house, "done", "asked").await.record(answer(b"x")).await.unwrap();
    run(&house.ledger, &house, "reserved", "asked").await.leave().await;
    let new = MasterKey::generate().unwrap();
    let rotated = house.sealed_by(Sealer::with_others(&new, &[house.master_key()]).unwrap());
    assert!(matches!(claim(&rotated, &house, "done", "asked").await, Ok(Begin::Replay(_))));
    let reused = refused(&rotated, &house, "done", "asked otherwise").await;
    assert_eq!(reused.kind, FailureKind::IdempotencyKeyReused);
    run(&rotated, &house, "reserved", "asked").await.leave().await;
    let strange = house.sealed_by(Sealer::new(&new).unwrap());
    for key in ["done", "reserved"] {
        let failure = refused(&strange, &house, key, "asked").await;
        assert_eq!(failure.kind, FailureKind::SecretUnreadable, "{key}");
    }
}

#[test]
fn what_a_request_does_with_the_write_that_it_finds_follows_from_its_state() {
    let applied = WriteState::Applied { remote_id: "r1".into(), warnings: Vec::new() };
    let ambiguous = WriteState::Ambiguous { candidates: Candidates::new() };
    // The state, how often the write was sent, what comes next, whether the key is freed, whether the CRM may have it.
    let cases = [
        (WriteState::Reserved, 0, ReplayStep::Send, true, false),
        (WriteState::Reserved, 1, ReplayStep::Send, true, false),
        (WriteState::Sent, 1, ReplayStep::Send, false, true),
        (WriteState::Sent, 9, ReplayStep::Send, false, true),
        (unknown(), 1, ReplayStep::Recover, false, true),
        (unknown(), 2, ReplayStep::Recover, false, true),
        (WriteState::NotApplied, 0, ReplayStep::SendAgain, false, false),
        (WriteState::NotApplied, 1, ReplayStep::SendAgain, false, false),
        (WriteState::NotApplied, 2, ReplayStep::Refuse, false, false),
        (applied, 1, ReplayStep::Return, false, true),
        (ambiguous, 1, ReplayStep::Refuse, false, true),
        (WriteState::Done(answer(b"x")), 1, ReplayStep::Replay, false, true),
    ];
    for (state, sends, next, frees_key, may_be_applied) in cases {
        assert_eq!(state.next(sends), next, "{state:?} {sends}");
        assert_eq!((state.frees_key(), state.may_be_applied()), (frees_key, may_be_applied), "{state:?}");
    }
}
