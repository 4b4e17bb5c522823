//! Two gateways on one PostgreSQL, each key sent to both at once, one of them killed now and then.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt, stream};

use super::cluster::{Cluster, postgres};
use super::create::Create;
use super::ledger_check::LedgerCheck;
use super::rng::{Rng, number};
use crate::reply::Reply;

/// Keys under way at a time.
const AT_A_TIME: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_keys_to_two_gateways() {
    both(200, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "half an hour"]
async fn ten_thousand_keys_to_two_gateways() {
    both(number("CRASH_KEYS").unwrap_or(10_000), 10).await;
}

/// Sends so many keys to both, and kills the second so many times, evenly over the keys but for a random pause.
async fn both(keys: u64, kills: usize) {
    let Some(database) = postgres().await else { return };
    let keys = usize::try_from(keys).unwrap();
    let cluster = Arc::new(Cluster::set(Some(database), 2, keys, &[]).await);
    let done = Arc::new(AtomicUsize::new(0));
    let killer = tokio::spawn(kill(cluster.clone(), done.clone(), keys, kills));
    let outcomes: Vec<(Create, Result<Reply, String>)> = stream::iter(0..keys)
        .map(|number| {
            let (cluster, done) = (cluster.clone(), done.clone());
            async move {
                let create = Create::nth(number);
                let outcome = one(&cluster, &create).await;
                done.fetch_add(1, Ordering::SeqCst);
                (create, outcome)
            }
        })
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await;
    killer.await.unwrap();
    let check = LedgerCheck::of(&cluster);
    let judged = outcomes.into_iter().filter_map(|(create, outcome)| match outcome {
        Err(fault) => Some(fault),
        Ok(answer) => check.wrong(&create, &answer),
    });
    let faults: Vec<String> = judged.collect();
    println!("{keys} keys, {kills} kills, {} wrong", faults.len());
    assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), cluster.logs());
}

/// Sends one create to both gateways at once; the answer that both callers got, or what is wrong with theirs.
async fn one(cluster: &Cluster, create: &Create) -> Result<Reply, String> {
    let (first, second) = tokio::join!(create.until_final(cluster, 0), create.until_final(cluster, 1));
    let (first, second) = (first?, second?);
    if (first.status, &first.text) != (second.status, &second.text) {
        return Err(format!(
            "{}: one caller got {} and the other {}",
            create.name(),
            first.text,
            second.text
        ));
    }
    if !first.is_replay() && !second.is_replay() {
        return Err(format!("{}: both callers were answered as the first", create.name()));
    }
    Ok(first)
}

async fn kill(cluster: Arc<Cluster>, done: Arc<AtomicUsize>, keys: usize, kills: usize) {
    let mut rng = Rng::from_env();
    for turn in 1..=kills {
        while done.load(Ordering::SeqCst) < keys * turn / (kills + 1) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        tokio::time::sleep(rng.pause(0, 50)).await;
        assert!(cluster.kill(1).await, "it ended of itself: {}", cluster.logs());
        cluster.start(1, &[]).await;
    }
}
