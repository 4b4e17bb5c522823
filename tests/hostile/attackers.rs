//! Attacks that run until they are dropped, each with an interval, a limit on concurrent attempts and a total limit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// How often each attack had which result.
pub(crate) type Tally = BTreeMap<(&'static str, String), u32>;

/// Makes one attempt, given its number. Returns its result.
pub(crate) type Attempt = Arc<dyn Fn(u32) -> BoxFuture<'static, String> + Send + Sync>;

/// One kind of attack.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// The interval between attempts, unless the limit on concurrent ones is reached.
    pub(crate) every: Duration,
    pub(crate) at_once: usize,
    pub(crate) in_all: u32,
    pub(crate) attempt: Attempt,
}

/// Starts all attacks. They end when the returned value is dropped.
pub(crate) fn start(runtime: &Runtime, attacks: Vec<Attack>) -> (JoinSet<()>, Arc<Mutex<Tally>>) {
    let (mut under_way, tally) = (JoinSet::new(), Arc::new(Mutex::new(Tally::new())));
    for attack in attacks {
        under_way.spawn_on(attack.run(Arc::clone(&tally)), runtime.handle());
    }
    (under_way, tally)
}

impl Attack {
    async fn run(self, tally: Arc<Mutex<Tally>>) {
        let (places, mut attempts) = (Arc::new(Semaphore::new(self.at_once)), JoinSet::new());
        let mut ticks = tokio::time::interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0..self.in_all {
            ticks.tick().await;
            let place = Arc::clone(&places).acquire_owned().await.unwrap();
            while attempts.try_join_next().is_some() {}
            let (name, attempt, tally) = (self.name, Arc::clone(&self.attempt), Arc::clone(&tally));
            attempts.spawn(async move {
                let outcome = attempt(number).await;
                drop(place);
                *tally.lock().unwrap().entry((name, outcome)).or_default() += 1;
            });
        }
        while attempts.join_next().await.is_some() {}
    }
}
