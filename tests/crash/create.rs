//! One create under a key, sent until it has its final answer, and judged by what the CRM made of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cluster::Cluster;
use crate::gateway_process::send;
use crate::reply::Reply;

/// How long a create may take from its first sending to its final answer, restarts and a busy machine included: the
/// promise is 60 s on SQLite and 90 s on PostgreSQL, with settle time and lease a few times longer than here.
pub(crate) const LONGEST: Duration = Duration::from_mins(1);

/// One create.
#[derive(Clone, Debug)]
pub(crate) struct Create {
    /// Names the contact and the key; no two creates of a cluster share one.
    number: usize,
    /// Which CRM, as an index.
    pub(crate) crm: usize,
}

impl Create {
    pub(crate) const fn at(crm: usize, number: usize) -> Self {
        Self { number, crm }
    }

    /// The `number`th, at one CRM and the other in turn.
    pub(crate) const fn nth(number: usize) -> Self {
        Self::at(number % 2, number)
    }

    /// The last name, which no other contact has: by it the journals are searched.
    pub(crate) fn name(&self) -> String {
        format!("Number{}", self.number)
    }

    /// At Aptly each second one has no e-mail: there a second sending makes a second contact instead of an update.
    fn body(&self) -> Value {
        const AREAS: [&str; 10] = ["415", "212", "312", "604", "206", "617", "303", "512", "619", "503"];
        let phone = format!("+1{}555{}", AREAS[self.number / 8000 % 10], 2000 + self.number % 8000);
        let mut body = json!({ "firstName": "Person", "lastName": self.name(), "phoneNumbers": [{ "phoneNumber": phone }] });
        if self.crm == 1 || self.number.is_multiple_of(4) {
            body["emailAddresses"] =
                json!([{ "emailAddress": format!("person-{}@example.com", self.number) }]);
        }
        body
    }

    /// Sends it once to the gateway at `url`.
    pub(crate) async fn send(
        &self,
        cluster: &Cluster,
        url: &str,
        within: Option<Duration>,
    ) -> reqwest::Result<Reply> {
        let credential = cluster.credential(self.crm, self.number);
        let request = cluster.client.post(format!("{url}/crm/contacts?credentialId={credential}"));
        let request = request.header("authorization", format!("Bearer {}", cluster.key));
        let request = request.header("idempotency-key", format!("key-{}", self.number));
        // Until then a lost create may still be applied, and is not proven absent.
        let request = request.header("x-request-timeout-ms", "4000");
        let request = request.header("content-type", "application/json").body(self.body().to_string());
        send(match within {
            Some(time) => request.timeout(time),
            None => request,
        })
        .await
    }

    /// Sends it to the gateway of a place again and again until the answer is final.
    /// Fails with what came instead.
    pub(crate) async fn until_final(&self, cluster: &Cluster, place: usize) -> Result<Reply, String> {
        let (began, mut last) = (Instant::now(), String::new());
        while began.elapsed() < LONGEST {
            let pause = if let Some(url) = cluster.url(place).await {
                match self.send(cluster, &url, None).await {
                    Ok(reply) if reply.status == 200 => return Ok(reply),
                    Ok(reply) => {
                        last.clone_from(&reply.text);
                        self.again(&reply)?
                    }
                    Err(error) => {
                        last = error.to_string();
                        Duration::from_millis(50)
                    }
                }
            } else {
                Duration::from_millis(20)
            };
            tokio::time::sleep(pause).await;
        }
        Err(format!("{} has no final answer after {LONGEST:?}; the last: {last}", self.name()))
    }

    /// After which pause the same request makes sense; nothing that a key promises to settle ends otherwise here, as
    /// every contact has a phone of its own.
    fn again(&self, reply: &Reply) -> Result<Duration, String> {
        let after = reply.header("retry-after").parse().map(Duration::from_secs);
        match (reply.status, reply.code().as_str()) {
            (409, "idempotency_in_progress") => {
                Ok(after.map_or(Duration::from_millis(100), |after| after.min(Duration::from_secs(1))))
            }
            (429 | 503, _) => Ok(after.unwrap_or(Duration::from_millis(500))),
            // Not known yet; or released, as the CRM was away and nothing was done.
            (502 | 504, _) => Ok(Duration::from_millis(100)),
            (status, _) => Err(format!("{} was answered {status}: {}", self.name(), reply.text)),
        }
    }

    /// How many calls brought the contact to the CRM, whatever became of them.
    pub(crate) fn sent(&self, cluster: &Cluster) -> usize {
        let quoted = format!("\"{}\"", self.name());
        cluster.crms[self.crm]
            .calls()
            .iter()
            .filter(|call| call.method != "GET" && call.body.contains(&quoted))
            .count()
    }

    /// What is wrong with the replay of a finished key: other bytes, or no replay.
    pub(crate) async fn replay_wrong(
        &self,
        cluster: &Cluster,
        place: usize,
        answer: &Reply,
    ) -> Option<String> {
        let again = match self.until_final(cluster, place).await {
            Ok(again) => again,
            Err(fault) => return Some(fault),
        };
        let same = again.status == answer.status && again.text == answer.text && again.is_replay();
        (!same).then(|| {
            format!(
                "{}: {} and then {} (replayed: {})",
                self.name(),
                answer.text,
                again.text,
                again.is_replay()
            )
        })
    }
}
