//! A gateway that is stopped while its create is at the CRM, for longer than its lease, and then goes on.

use std::time::Duration;

use contacts_gateway::simulators::{Fault, FaultKind};
use rustix::process::Signal;

use super::cluster::{Cluster, postgres};
use super::create::Create;
use super::ledger_check::LedgerCheck;

/// On PostgreSQL, because a process that is stopped within a transaction on SQLite keeps the file to itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_of_a_stopped_gateway_is_taken_over_and_not_sent_again() {
    let Some(database) = postgres().await else { return };
    let cluster = Cluster::set(Some(database), 2, 4, &[]).await;
    let url = cluster.url(0).await.unwrap();
    for crm in [0, 1] {
        let create = Create::at(crm, crm);
        // Three leases, and less than the deadline of the request.
        cluster.crms[crm].fault(Fault::once(FaultKind::Latency { ms: 3_000 }).on_writes());
        let first = async { create.send(&cluster, &url, Some(Duration::from_secs(30))).await };
        let other = async {
            while create.sent(&cluster) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            cluster.signal(0, Signal::STOP).await;
            let answer = create.until_final(&cluster, 1).await;
            cluster.signal(0, Signal::CONT).await;
            answer.unwrap_or_else(|fault| panic!("{fault}\n{}", cluster.logs()))
        };
        let (_, answer) = tokio::join!(first, other);
        assert_eq!(create.sent(&cluster), 1, "{}", answer.text);
        assert_eq!(LedgerCheck::of(&cluster).wrong(&create, &answer), None);
        assert_eq!(create.replay_wrong(&cluster, 0, &answer).await, None);
    }
}
