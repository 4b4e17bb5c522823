//! One case: a simulated CRM of its own, one fault, one operation through the gateway, and what came of it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use contacts_gateway::simulators::{Fault, FaultKind, RecordedCall, Running};
use serde_json::{Value, json};

use super::contract::Contract;
use super::front::{self, Canary, Front};
use super::gateway_process::{GatewayProcess, client, master_key, send};
use super::reply::Reply;
use super::table::{Row, Wrong, dated};
use super::worlds::{Start, Stored, World};

/// What no log and no problem may hold.
pub(crate) const CANARIES: [&str; 4] =
    ["canary-of-a-token", "canary.fault@example.com", "4165550277", "Canaryname"];

/// The gateway that all cases share, and its caller.
pub(crate) struct Bench {
    pub(crate) gateway: GatewayProcess,
    pub(crate) client: reqwest::Client,
    pub(crate) key: String,
    pub(crate) canary: Canary,
    /// The base URLs of all cases so far.
    used: Mutex<HashSet<String>>,
    _folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn open() -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let authority = front::fixture("ca.pem");
        let settings = [
            ("GATEWAY_SETTLE_MS", "300"),
            ("GATEWAY_LEASE_MS", "1000"),
            ("SSL_CERT_FILE", &authority),
            // The cases come faster than a caller may.
            ("GATEWAY_KEY_RATE", "0"),
            ("GATEWAY_TENANT_IN_FLIGHT", "0"),
            ("GATEWAY_CREDENTIAL_IN_FLIGHT", "0"),
        ];
        let gateway = GatewayProcess::start(folder.path(), "log", &master_key(), &settings).await;
        let (_, key) = gateway.tenant("one").await;
        let canary = Canary::listen().await;
        Arc::new(Self { gateway, client: client(), key, canary, used: Mutex::default(), _folder: folder })
    }
}

/// What is asked of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    List,
    Get,
    CreateWithKey,
    Create,
    Update,
}

impl Operation {
    /// In the order of the table's columns.
    pub(crate) const ALL: [Self; 5] =
        [Self::List, Self::Get, Self::CreateWithKey, Self::Create, Self::Update];

    pub(crate) const fn creates(self) -> bool {
        matches!(self, Self::CreateWithKey | Self::Create)
    }

    pub(crate) const fn writes(self) -> bool {
        !matches!(self, Self::List | Self::Get)
    }
}

/// A fault that waits for an operation.
pub(crate) struct Case {
    pub(crate) bench: Arc<Bench>,
    pub(crate) operation: Operation,
    pub(crate) deadline: u64,
    pub(crate) crm: Running,
    _contract: Contract,
    _front: Front,
    credential: String,
    /// Of the contact that is there before; creates begin with none.
    held: String,
}

/// What came.
pub(crate) struct Came {
    pub(crate) reply: Reply,
    pub(crate) took: Duration,
    pub(crate) calls: Vec<RecordedCall>,
}

impl Case {
    pub(crate) async fn prepare(
        bench: &Arc<Bench>,
        row: &Row,
        world: &dyn World,
        operation: Operation,
    ) -> Self {
        let (crm, front) = loop {
            let tokens = vec!["canary-of-a-token".to_owned()];
            let crm = world.start(Start { tokens, ..Start::default() }).await;
            let front = match row.wrong {
                Wrong::Tls(certificate) => Front::tls(certificate, crm.address()).await,
                Wrong::Nobody => Front::nobody(),
                Wrong::Always(_) | Wrong::RequestIdentity(_) => Front::of(crm.base_url()),
            };
            // The system gives a port again. The gateway would still know the failures of the case that had it before: a breaker
            // would be open, or no retry left.
            if bench.used.lock().unwrap().insert(front.url.clone()) {
                break (crm, front);
            }
            crm.shutdown().await;
        };
        let held = if operation.creates() { String::new() } else { crm.put(held(world)).unwrap() };
        let credential = bench.gateway.link_at(&bench.key, world.provider(), &front.url, &crm).await;
        let case = Self {
            bench: bench.clone(),
            operation,
            deadline: row.deadline,
            _contract: Contract::watch(world.provider(), &crm),
            crm,
            _front: front,
            credential,
            held,
        };
        match &row.wrong {
            Wrong::Always(kind) => case.crm.fault(case.aimed(Fault::always(dated(kind)))),
            Wrong::RequestIdentity(kind) => case.crm.fault(case.aimed(Fault::once(dated(kind)))),
            Wrong::Tls(_) | Wrong::Nobody => {}
        }
        case
    }

    /// The fault for the operation's own call.
    fn aimed(&self, fault: Fault) -> Fault {
        match self.operation {
            Operation::List => fault.on("GET", "/api/contacts"),
            Operation::Get => fault.on("GET", "/api/contacts/*"),
            _ => fault.on_writes(),
        }
    }

    /// Asks the gateway; the same request each time.
    pub(crate) async fn ask(&self) -> Came {
        let began = Instant::now();
        let reply = send(self.request()).await;
        let took = began.elapsed();
        let calls = self.crm.calls().into_iter().filter(|call| self.is_own(call)).collect();
        // No answer at all is one more deviation, and no reason to stop the others.
        let none = |error: reqwest::Error| Reply {
            status: 0,
            headers: http::HeaderMap::new(),
            text: error.to_string(),
        };
        let reply = reply.unwrap_or_else(none);
        Came { reply, took, calls }
    }

    fn request(&self) -> reqwest::RequestBuilder {
        let (Bench { gateway, client, key, .. }, Self { credential, held, .. }) = (&*self.bench, self);
        let url = |id: &str| format!("{}/crm/contacts{id}?credentialId={credential}", gateway.url());
        let request = match self.operation {
            Operation::List => client.get(url("")),
            Operation::Get => client.get(url(&format!("/{held}"))),
            Operation::Create => client.post(url("")).body(contact().to_string()),
            Operation::CreateWithKey => {
                client.post(url("")).body(contact().to_string()).header("idempotency-key", credential)
            }
            Operation::Update => {
                client.patch(url(&format!("/{held}"))).body(json!({ "firstName": "Augusta" }).to_string())
            }
        };
        let request = request.header("authorization", format!("Bearer {key}"));
        let request = request.header("x-request-timeout-ms", self.deadline.to_string());
        if self.operation.writes() { request.header("content-type", "application/json") } else { request }
    }

    /// Whether a call is of the operation's own kind: the one that meets the fault.
    fn is_own(&self, call: &RecordedCall) -> bool {
        match self.operation {
            Operation::List => call.method == "GET" && call.path == "/api/contacts",
            Operation::Get => call.method == "GET" && call.path == format!("/api/contacts/{}", self.held),
            _ => call.method != "GET",
        }
    }

    /// How many calls have changed anything at the CRM so far, by its journal. That is stricter than counting contacts: a
    /// second create of one e-mail is an update at Aptly.
    pub(crate) fn applied(&self) -> usize {
        self.crm.writes().len()
    }

    /// Whether the contact that was there bears its new name.
    pub(crate) fn is_updated(&self) -> bool {
        self.crm.contact(&self.held).unwrap_or_default().to_string().contains("Augusta")
    }
}

impl Came {
    /// Whether the machine was too busy to send anything within the case's deadline. That says nothing about the fault.
    pub(crate) fn was_too_late(&self) -> bool {
        let code = self.reply.text.contains("\"gateway_timeout\"")
            || self.reply.text.contains("\"store_unavailable\"");
        self.calls.is_empty() && code
    }
}

/// Somebody whom both CRMs can hold to the letter.
fn contact() -> Value {
    json!({ "firstName": "Ada", "lastName": "Canaryname",
        "emailAddresses": [{ "emailAddress": "canary.fault@example.com" }], "phoneNumbers": [{ "phoneNumber": "+14165550277" }] })
}

/// The same as the CRM spells it.
fn held(world: &dyn World) -> Value {
    world.record(&Stored {
        first: "Ada",
        last: "Canaryname",
        emails: &["canary.fault@example.com"],
        phones: &["+14165550277"],
    })
}

/// Whether the CRM does what is asked before this fault spoils the answer, as the fault's own documentation says. `None`
/// where it does so later.
pub(crate) fn applies(wrong: &Wrong) -> Option<bool> {
    let (Wrong::Always(kind) | Wrong::RequestIdentity(kind)) = wrong else {
        return Some(matches!(wrong, Wrong::Tls("valid")));
    };
    match kind {
        FaultKind::Latency { ms } if *ms >= 1000 => None,
        FaultKind::NeverAnswer
        | FaultKind::Status { .. }
        | FaultKind::TooManyRequests { .. }
        | FaultKind::ResetBeforeReading
        | FaultKind::Redirect { .. }
        | FaultKind::SuccessFalse { .. } => Some(false),
        _ => Some(true),
    }
}
