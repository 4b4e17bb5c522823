//! The honest tenant: a low, steady rate of lists, reads, keyed creates and updates at a CRM that works.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use contacts_gateway::simulators::{Journal, Running};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::HONEST_TOKEN;
use crate::callers::Went;
use crate::gateway_process::GatewayProcess;

const PER_SECOND: u32 = 20;
/// How many contacts are read and updated in turn, so that updates of one contact rarely overlap.
const CONTACTS: u32 = 40;

/// One call and how it went.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) operation: &'static str,
    pub(crate) went: Went,
    /// The problem's code; `no response` if there was none.
    pub(crate) code: String,
    /// When it was sent, relative to the start of its phase.
    pub(crate) at: Duration,
}

impl Outcome {
    pub(crate) fn is_success(&self) -> bool {
        matches!(self.went.status, 200 | 201)
    }
}

/// The tenant, its key and its credential.
pub(crate) struct Honest {
    caller: Arc<Caller>,
    journal: Journal,
    contacts: Vec<String>,
    next: AtomicU32,
}

struct Caller {
    client: reqwest::Client,
    base: String,
    key: String,
    credential: String,
}

impl Honest {
    pub(crate) async fn open(serving: &GatewayProcess, crm: &Running) -> Self {
        let (_, key) = serving.tenant("honest").await;
        let credential = json!({ "provider": "pipeline", "name": "honest", "secret": { "token": HONEST_TOKEN },
            "settings": { "baseUrl": crm.base_url(), "defaultRegion": "US" } });
        let credential = serving.link(&key, credential).await;
        let person = |n: u32| {
            json!({ "firstName": "Ada", "lastName": format!("Okafor {n}"), "email": format!("ada{n}@example.com"),
                "phoneNumber": [{ "value": format!("+1415{:07}", 3_000_000 + n), "isPrimary": true }] })
        };
        let contacts = (0..CONTACTS).map(|n| crm.put(person(n)).unwrap()).collect();
        #[expect(
            clippy::disallowed_methods,
            reason = "a caller from outside; the gateway's own client is not his"
        )]
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(35)).build().unwrap();
        let base = format!("http://{}", serving.address);
        let (caller, journal) = (Arc::new(Caller { client, base, key, credential }), crm.journal().clone());
        Self { caller, journal, contacts, next: 0.into() }
    }

    /// Makes calls at the rate for so long, even while earlier ones are unfinished. Waits for all of them.
    pub(crate) async fn calls(&self, time: Duration) -> Vec<Outcome> {
        let (began, mut calls) = (Instant::now(), JoinSet::new());
        for n in 0.. {
            let due = Duration::from_secs(1) * n / PER_SECOND;
            if due >= time {
                break;
            }
            tokio::time::sleep_until((began + due).into()).await;
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let contact = self.contacts[number as usize / 4 % self.contacts.len()].clone();
            let caller = Arc::clone(&self.caller);
            calls.spawn(async move { caller.call(number, &contact, due).await });
            // The simulator's journal is not used here, and would grow for ten minutes.
            if n % 200 == 0 {
                self.journal.clear();
            }
        }
        calls.join_all().await
    }
}

impl Caller {
    async fn call(&self, number: u32, contact: &str, at: Duration) -> Outcome {
        let Self { client, base, key, credential } = self;
        let url = |path: &str| format!("{base}/crm/contacts{path}credentialId={credential}");
        let (operation, request) = match number % 4 {
            0 => ("list", client.get(url("?pageSize=20&"))),
            1 => ("get", client.get(url(&format!("/{contact}?")))),
            2 => {
                let person = json!({ "firstName": "Grace", "lastName": format!("Moreau {number}"),
                    "emailAddresses": [{ "emailAddress": format!("grace{number}@example.com") }],
                    "phoneNumbers": [{ "phoneNumber": format!("+1415{:07}", 4_000_000 + number) }] });
                let request = client.post(url("?")).header("idempotency-key", format!("honest-{number}"));
                ("create", request.header("content-type", "application/json").body(person.to_string()))
            }
            _ => {
                let change = json!({ "lastName": format!("Okafor {number}") });
                let request = client.patch(url(&format!("/{contact}?")));
                ("update", request.header("content-type", "application/json").body(change.to_string()))
            }
        };
        let began = Instant::now();
        let reply = async {
            let reply = request.bearer_auth(key).send().await?;
            Ok::<_, reqwest::Error>((reply.status().as_u16(), reply.text().await?))
        };
        let (status, text) = reply.await.unwrap_or_default();
        let took = began.elapsed();
        let problem: Value = serde_json::from_str(&text).unwrap_or_default();
        let code = if status == 0 { "no response" } else { problem["code"].as_str().unwrap_or_default() };
        Outcome { operation, went: Went { status, took }, code: code.to_owned(), at }
    }
}
