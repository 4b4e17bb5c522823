//! Callers who come at their own pace, whether they are answered or not.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

/// How one call went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Went {
    /// 0 where there was no answer.
    pub(crate) status: u16,
    pub(crate) took: Duration,
}

/// Calls one URL.
#[derive(Clone)]
pub(crate) struct Caller {
    client: reqwest::Client,
    url: String,
    key: String,
}

impl Caller {
    pub(crate) fn new(address: &str, path: &str, key: &str) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "a caller from outside; the gateway's own client is not his"
        )]
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
        Self { client, url: format!("http://{address}{path}"), key: key.to_owned() }
    }

    pub(crate) async fn call(&self) -> Went {
        let began = Instant::now();
        let request = self.client.get(&self.url).bearer_auth(&self.key);
        let status = match request.send().await {
            Ok(reply) => {
                let status = reply.status().as_u16();
                reply.bytes().await.map_or(0, |_| status)
            }
            Err(_) => 0,
        };
        Went { status, took: began.elapsed() }
    }

    /// So many callers, each of whom calls again as soon as he is answered.
    pub(crate) async fn in_turns(&self, many: usize, time: Duration) -> Vec<Went> {
        let began = Instant::now();
        let mut callers = JoinSet::new();
        for _ in 0..many {
            let caller = self.clone();
            callers.spawn(async move {
                let mut went = Vec::new();
                while began.elapsed() < time {
                    went.push(caller.call().await);
                }
                went
            });
        }
        callers.join_all().await.into_iter().flatten().collect()
    }

    /// So many calls a second, whatever becomes of those before; those unanswered in the end are left out of nothing:
    /// they are waited for.
    pub(crate) async fn at_a_rate(&self, per_second: u32, time: Duration) -> Vec<Went> {
        let (began, mut calls) = (Instant::now(), JoinSet::new());
        for n in 0.. {
            let due = Duration::from_secs(1) * n / per_second;
            if due >= time {
                break;
            }
            tokio::time::sleep_until((began + due).into()).await;
            let caller = self.clone();
            calls.spawn(async move { caller.call().await });
        }
        calls.join_all().await
    }

    /// The same without an end, after so many at once: until what is answered is dropped, and all calls with it.
    pub(crate) fn without_end(&self, at_once: u32, per_second: u32) -> (JoinSet<()>, Arc<Mutex<Vec<Went>>>) {
        let (mut all, went) = (JoinSet::new(), Arc::new(Mutex::new(Vec::new())));
        let (caller, noted) = (self.clone(), Arc::clone(&went));
        all.spawn(async move {
            let mut calls = JoinSet::new();
            for n in 0_u32.. {
                if n >= at_once {
                    tokio::time::sleep(Duration::from_secs(1) / per_second).await;
                }
                let (caller, noted) = (caller.clone(), Arc::clone(&noted));
                calls.spawn(async move {
                    let went = caller.call().await;
                    noted.lock().unwrap().push(went);
                });
            }
        });
        (all, went)
    }
}

/// The time that `share` of the calls stayed below; an unanswered call counts with the time that it was waited for.
pub(crate) fn quantile(went: &[Went], share: f64) -> Duration {
    let mut times: Vec<Duration> = went.iter().map(|went| went.took).collect();
    times.sort_unstable();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "few calls"
    )]
    let place = (times.len() as f64 * share) as usize;
    times.get(place.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}
