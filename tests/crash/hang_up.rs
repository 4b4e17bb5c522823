//! A caller who hangs up in the middle of a create: it is finished all the same, and the replay answers it.

use std::time::Duration;

use contacts_gateway::simulators::{Fault, FaultKind};

use super::cluster::Cluster;
use super::create::Create;
use super::ledger_check::LedgerCheck;

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hangs_up_finds_the_create_done() {
    let cluster = Cluster::set(None, 1, 20, &[]).await;
    let url = cluster.url(0).await.unwrap();
    // While the CRM has not begun, and while it has done it and not answered.
    let slow = [FaultKind::Latency { ms: 900 }, FaultKind::LateAnswer { ms: 900 }];
    for (number, (crm, kind)) in
        [0, 1].into_iter().flat_map(|crm| slow.clone().map(|kind| (crm, kind))).enumerate()
    {
        cluster.crms[crm].fault(Fault::once(kind.clone()).on_writes());
        let create = Create::at(crm, number);
        // He hangs up once the create is at the CRM, which takes its time.
        let left = tokio::select! {
            reply = create.send(&cluster, &url, None) => Some(reply),
            () = arrived(&cluster, &create) => None,
        };
        assert!(left.is_none(), "{kind:?}: it was answered before he could hang up");
        let running = create.send(&cluster, &url, None).await.unwrap();
        assert_eq!(
            (running.status, running.code().as_str()),
            (409, "idempotency_in_progress"),
            "{}",
            running.text
        );
        assert!(!running.header("retry-after").is_empty());
        // Nobody asks until it must be finished, so that the answer cannot be the asking's work.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let answer = create.send(&cluster, &url, None).await.unwrap();
        assert_eq!((answer.status, answer.is_replay()), (200, true), "{kind:?}: {}", answer.text);
        assert_eq!(
            (LedgerCheck::of(&cluster).wrong(&create, &answer), create.sent(&cluster)),
            (None, 1),
            "{kind:?}"
        );
        assert_eq!(create.replay_wrong(&cluster, 0, &answer).await, None, "{kind:?}");
    }
}

async fn arrived(cluster: &Cluster, create: &Create) {
    while create.sent(cluster) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The same at random moments, before, within and after the call to the CRM.
#[tokio::test(flavor = "multi_thread")]
async fn whenever_a_caller_hangs_up_the_create_happens_once() {
    let cluster = Cluster::set(None, 1, 40, &[]).await;
    let url = cluster.url(0).await.unwrap();
    for number in 0..40_u32 {
        let create = Create::nth(number.try_into().unwrap());
        cluster.crms[create.crm].fault(Fault::once(FaultKind::Latency { ms: 40 }).on_writes());
        let _ = create.send(&cluster, &url, Some(Duration::from_millis(5 + 4 * u64::from(number)))).await;
        let answer = create.until_final(&cluster, 0).await.unwrap();
        assert_eq!(
            LedgerCheck::of(&cluster).wrong(&create, &answer),
            None,
            "hung up after {} ms",
            5 + 4 * number
        );
        assert_eq!(create.replay_wrong(&cluster, 0, &answer).await, None);
    }
}
