//! An API key is changed for another while calls run, on two processes with one database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use contacts_gateway::simulators::pipeline;
use serde_json::json;

use crate::gateway_process::{ADMIN_TOKEN, GatewayProcess, master_key};

/// How soon a revocation must be known everywhere.
const PROMISED: Duration = Duration::from_secs(5);

/// Calls with `key` until `stop`; counts them. Fails for every answer but 200.
async fn load(serving: Arc<GatewayProcess>, key: String, credential: String, stop: Arc<AtomicBool>) -> u32 {
    let mut calls = 0;
    while !stop.load(Ordering::SeqCst) {
        let path = format!("/crm/contacts?pageSize=1&credentialId={credential}");
        let reply = serving.call("GET", &path, &key, None).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        calls += 1;
    }
    calls
}

#[tokio::test]
async fn while_one_key_is_revoked_the_other_fails_no_call_and_both_processes_know_within_five_seconds() {
    let (folder, master_key) = (tempfile::tempdir().unwrap(), master_key());
    // The calls come faster than a key may.
    let more = [("GATEWAY_KEY_RATE", "0")];
    let start = async |name| Arc::new(GatewayProcess::start(folder.path(), name, &master_key, &more).await);
    let (first, second) = (start("first.log").await, start("second.log").await);
    let crm = pipeline::PipelineSimulator::start(pipeline::PipelineOptions {
        people: 3,
        ..pipeline::PipelineOptions::empty()
    });
    let crm = crm.await.unwrap();
    let (tenant, new) = first.tenant("mine").await;
    let (old_id, old) = first.key(&tenant).await;
    let credential = first.link(
        &new,
        json!({ "provider": "pipeline", "name": "one", "secret": { "token": crm.token() }, "settings": { "baseUrl": crm.base_url() } }),
    );
    let credential = credential.await;
    // The second process remembers the old key.
    assert_eq!(second.call("GET", "/credentials", &old, None).await.status, 200);
    let stop = Arc::new(AtomicBool::new(false));
    let loads: Vec<_> = [&first, &second, &second]
        .map(|serving| {
            tokio::spawn(load(Arc::clone(serving), new.clone(), credential.clone(), Arc::clone(&stop)))
        })
        .into();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let path = format!("/admin/tenants/{tenant}/keys/{old_id}");
    assert_eq!(first.call("DELETE", &path, ADMIN_TOKEN, None).await.status, 204);
    let revoked = Instant::now();
    assert_eq!(
        first.call("GET", "/credentials", &old, None).await.code(),
        "unauthenticated",
        "at once where it was revoked"
    );
    loop {
        let asked = Instant::now();
        let reply = second.call("GET", "/credentials", &old, None).await;
        if reply.code() == "unauthenticated" {
            break;
        }
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(asked - revoked < PROMISED, "still let in after {:?}", asked - revoked);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::SeqCst);
    for load in loads {
        assert!(load.await.unwrap() > 10, "too little load to prove anything");
    }
}

#[tokio::test]
async fn a_serving_process_leaves_no_core_dump() {
    let folder = tempfile::tempdir().unwrap();
    let serving = GatewayProcess::start(folder.path(), "log", &master_key(), &[]).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", serving.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(line.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{line}");
}
