//! The attacks of both hostile tenants.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contacts_gateway::simulators::{Fault, FaultKind, Running};
use futures_util::FutureExt;
use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::SHARED_TOKEN;
use crate::attackers::{Attack, Attempt};
use crate::gateway_process::{GatewayProcess, secret_of};
use crate::hostile_crm::HostileCrms;

const ISSUER: &str = "https://login.example.com";
/// The timeout of a caller who waits for a response.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long an unused or unread connection is held open.
const HELD: Duration = Duration::from_mins(1);

/// A caller of a hostile tenant.
#[derive(Clone)]
struct Attacker {
    client: reqwest::Client,
    address: String,
    key: String,
}

/// Writes a configuration file with a token issuer whose key server hangs. Returns its path.
pub(crate) fn issuer_file(folder: &Path, hostile: &HostileCrms) -> String {
    let (file, hostile) = (folder.join("gateway.toml"), hostile.address("hanging"));
    let issuer = format!(
        "[[auth.jwt]]\nissuer = \"{ISSUER}\"\naudience = \"contacts-gateway\"\nalgorithms = [\"RS256\"]\n\
         jwks_url = \"http://{hostile}/jwks.json\"\ntenant_claim = \"tenant\"\nscope_claim = \"scope\"\n"
    );
    std::fs::write(&file, issuer).unwrap();
    file.display().to_string()
}

pub(crate) fn names(attacks: &[Attack]) -> Vec<&'static str> {
    attacks.iter().map(|attack| attack.name).collect()
}

/// All attacks, or those that `HOSTILE_ONLY` names.
pub(crate) async fn all(serving: &GatewayProcess, hostile: &HostileCrms, shared: &Running) -> Vec<Attack> {
    let (first, second) =
        (Tenant::open(serving, hostile, "a").await, Tenant::open(serving, hostile, "b").await);
    let mut attacks = replies(&first, &second).await;
    attacks.extend(requests(&first, &second).await);
    attacks.extend(hosts(&first, &second, shared).await);
    attacks.extend(strangers(&first.attacker));
    if let Some(only) = std::env::var_os("HOSTILE_ONLY") {
        let only = only.to_string_lossy();
        let only: Vec<&str> = only.split(',').map(str::trim).collect();
        assert!(only.iter().all(|name| names(&attacks).contains(name)), "of {:?}: {only:?}", names(&attacks));
        attacks.retain(|attack| only.contains(&attack.name));
    }
    attacks
}

/// Attacks by replies that are costly for the gateway.
async fn replies(a: &Tenant<'_>, b: &Tenant<'_>) -> Vec<Attack> {
    let fields = a.contacts("fields").await;
    let single = fields.replace("/crm/contacts?", "/crm/contacts/1?");
    let (large, rows) = (a.contacts("large").await, b.contacts("rows").await);
    let count = rows.replace("/crm/contacts?", "/crm/contacts/count?");
    let matches =
        b.contacts("matches").await.replace("/crm/contacts?", "/crm/contacts/upsert?matchOn=emailAddress&");
    let person =
        json!({ "lastName": "x", "emailAddresses": [{ "emailAddress": "a@example.com" }] }).to_string();
    let unread = {
        let attacker = a.attacker.clone();
        attempt(move |_| {
            let (attacker, large) = (attacker.clone(), large.clone());
            async move { attacker.never_reads(&format!("{large}&pageSize=100")).await }
        })
    };
    let mut attacks = vec![
        attack("30,000 fields", 1000, 3, 600, a.gets(&[&fields, &single])),
        attack("never read", 500, 60, 600, unread),
        attack("436,890 rows", 2000, 2, 300, b.gets(&[&format!("{rows}&pageSize=100"), &count])),
        attack("40,000 matches", 3000, 2, 200, b.sends("POST", &matches, move |_| (person.clone(), None))),
    ];
    for (name, harm) in
        [("endless 1xx", "interim"), ("one-byte chunks", "bytes"), ("endless gzip header", "gzip")]
    {
        attacks.push(attack(name, 1000, 1, 600, b.gets(&[&b.contacts(harm).await])));
    }
    attacks
}

/// Attacks by requests that are costly for the gateway.
async fn requests(a: &Tenant<'_>, b: &Tenant<'_>) -> Vec<Attack> {
    let unknown: Map<String, Value> = (0..110_000).map(|n| (short_name(n), json!(0))).collect();
    let unknown = Value::Object(unknown).to_string();
    let refused = a.contacts("hanging").await;
    let custom: Map<String, Value> = (0..200).map(|n| (format!("x {n}"), json!(n))).collect();
    let custom = json!({ "remoteFields": { "customFields": custom } }).to_string();
    let aptly = b.link("aptly", "custom", json!({})).await.replace("/crm/contacts?", "/crm/contacts/1?");
    let run = std::process::id();
    let keyed = move |n: u32| {
        let phone = format!("+1415{:07}", 5_000_000 + n);
        let person =
            json!({ "lastName": "Okafor", "firstName": "Ada", "phoneNumbers": [{ "phoneNumber": phone }] });
        (person.to_string(), Some(format!("hostile-{run}-{n}")))
    };
    let address = format!("http://{}", a.hostile.address("hanging"));
    let defaults = move |n: u32| {
        let credential = json!({ "provider": "pipeline", "name": format!("defaults {n}"),
            "secret": { "token": "hostile-token-unused" },
            "settings": { "baseUrl": address, "createDefaults": { "process": "p".repeat(1_000_000) } } });
        (credential.to_string(), None)
    };
    vec![
        attack(
            "110,000 unknown fields",
            1000,
            2,
            600,
            a.sends("POST", &refused, move |_| (unknown.clone(), None)),
        ),
        attack(
            "unknown custom fields",
            3000,
            1,
            200,
            b.sends("PATCH", &aptly, move |_| (custom.clone(), None)),
        ),
        attack("keyed large responses", 500, 4, 400, a.sends("POST", &a.contacts("writes").await, keyed)),
        attack("large createDefaults", 1000, 1, 60, a.sends("POST", "/credentials?verify=false", defaults)),
        attack("list of credentials", 3000, 1, 200, a.gets(&["/credentials"])),
    ]
}

/// Attacks by CRMs that fail or hang, on hosts or resources that others use.
async fn hosts(a: &Tenant<'_>, b: &Tenant<'_>, shared: &Running) -> Vec<Attack> {
    let failing = |code| FaultKind::Status {
        code,
        body: r#"{"message":"no"}"#.to_owned(),
        content_type: "application/json".to_owned(),
        headers: Vec::new(),
    };
    shared.fault(Fault::always(failing(502)).bearing(SHARED_TOKEN).on("GET", "/api/contacts"));
    shared.fault(Fault::always(failing(500)).bearing(SHARED_TOKEN));
    let mut at_shared = Vec::new();
    for n in 0..2 {
        let credential = json!({ "provider": "pipeline", "name": format!("shared {n}"),
            "secret": { "token": SHARED_TOKEN }, "settings": { "baseUrl": shared.base_url() } });
        let id = a.serving.link(&a.attacker.key, credential).await;
        at_shared.push(format!("/crm/contacts?credentialId={id}"));
        at_shared.push(format!("/crm/contacts/1?credentialId={id}"));
    }
    let at_shared: Vec<&str> = at_shared.iter().map(String::as_str).collect();
    let group = b.link("aptly", "pause", json!({ "rateLimitGroup": "all" })).await;
    let hanging = a.contacts("hanging").await;
    let check = format!("/credentials/{}/check", hanging.rsplit('=').next().unwrap());
    let run = std::process::id();
    let lost = move |n: u32| {
        let phone = format!("+1415{:07}", 6_000_000 + n);
        let person = json!({ "lastName": "Okafor", "phoneNumbers": [{ "phoneNumber": phone }] });
        (person.to_string(), Some(format!("lost-{run}-{n}")))
    };
    let lost_at = a.contacts("hanging-create").await;
    vec![
        attack("failing shared host", 100, 8, 6000, a.gets(&at_shared)),
        attack("rateLimitGroup", 500, 2, 1200, b.gets(&[&group])),
        attack("hanging checks", 200, 70, 3000, a.sends("POST", &check, |_| (String::new(), None))),
        attack("unknown creates", 500, 8, 300, a.sends("POST", &lost_at, lost)),
    ]
}

/// Attacks that need no key.
fn strangers(attacker: &Attacker) -> Vec<Attack> {
    let made_up = {
        let attacker = attacker.clone();
        attempt(move |number| {
            let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let head = encoded(&json!({ "alg": "RS256", "kid": number.to_string() }));
            let claims = encoded(&json!({ "iss": ISSUER, "aud": "contacts-gateway", "tenant": "honest",
                "iat": 1_800_000_000, "exp": 1_800_003_600, "n": number }));
            let key = format!("{head}.{claims}.{}", URL_SAFE_NO_PAD.encode([7; 256]));
            let attacker = Attacker { key, ..attacker.clone() };
            async move { attacker.call("GET", "/crm/contacts?credentialId=x", None, None).await }
        })
    };
    let idle = {
        let address = attacker.address.clone();
        attempt(move |_| {
            let address = address.clone();
            async move {
                let Ok(socket) = TcpStream::connect(&address).await else { return "refused".to_owned() };
                let closed = async {
                    while socket.readable().await.is_ok() && !matches!(socket.try_read(&mut [0; 64]), Ok(0)) {
                    }
                };
                let closed = tokio::time::timeout(HELD, closed).await;
                closed.map_or("held", |()| "closed by the gateway").to_owned()
            }
        })
    };
    vec![
        attack("made-up tokens", 10, 600, 20_000, made_up),
        attack("idle connections", 20, 1500, 10_000, idle),
    ]
}

/// A name of at most four characters: 110,000 of them fit into 1 MiB.
fn short_name(number: u32) -> String {
    let digit = |place: u32| char::from_digit(number / 36_u32.pow(place) % 36, 36);
    (0..4).filter_map(digit).collect()
}

fn attack(name: &'static str, every_ms: u64, at_once: usize, in_all: u32, attempt: Attempt) -> Attack {
    Attack { name, every: Duration::from_millis(every_ms), at_once, in_all, attempt }
}

fn attempt<F>(make: impl Fn(u32) -> F + Send + Sync + 'static) -> Attempt
where
    F: Future<Output = String> + Send + 'static,
{
    Arc::new(move |number| make(number).boxed())
}

/// A hostile tenant while its attacks are prepared.
struct Tenant<'a> {
    serving: &'a GatewayProcess,
    attacker: Attacker,
    hostile: &'a HostileCrms,
    names: AtomicU32,
}

impl<'a> Tenant<'a> {
    async fn open(serving: &'a GatewayProcess, hostile: &'a HostileCrms, name: &str) -> Self {
        let (_, key) = serving.tenant(name).await;
        #[expect(
            clippy::disallowed_methods,
            reason = "a caller from outside; the gateway's own client is not his"
        )]
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let attacker = Attacker { client, address: serving.address.clone(), key };
        Self { serving, attacker, hostile, names: AtomicU32::new(0) }
    }

    /// Adds a credential at the CRM with this fault. Returns the path of its contacts.
    async fn contacts(&self, harm: &str) -> String {
        self.link("pipeline", harm, json!({})).await
    }

    async fn link(&self, provider: &str, harm: &str, settings: Value) -> String {
        let secret: Value =
            serde_json::from_str(&secret_of(provider, &format!("hostile-token-{harm}"))).unwrap();
        let mut settings = settings.as_object().unwrap().clone();
        settings.insert("baseUrl".to_owned(), json!(format!("http://{}", self.hostile.address(harm))));
        let credential = json!({ "provider": provider, "name": format!("{harm} {}", self.named()), "settings": settings,
            "secret": secret });
        format!("/crm/contacts?credentialId={}", self.serving.link(&self.attacker.key, credential).await)
    }

    /// Names of credentials are unique.
    fn named(&self) -> u32 {
        self.names.fetch_add(1, Ordering::Relaxed)
    }

    /// An attack that reads these paths in turn.
    fn gets(&self, paths: &[&str]) -> Attempt {
        let (attacker, paths) =
            (self.attacker.clone(), paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>());
        attempt(move |number| {
            let (attacker, path) = (attacker.clone(), paths[number as usize % paths.len()].clone());
            async move { attacker.call("GET", &path, None, None).await }
        })
    }

    /// An attack that sends the body and the `Idempotency-Key` that `body` makes of the attempt's number.
    fn sends(
        &self,
        method: &'static str,
        path: &str,
        body: impl Fn(u32) -> (String, Option<String>) + Send + Sync + 'static,
    ) -> Attempt {
        let (attacker, path) = (self.attacker.clone(), path.to_owned());
        attempt(move |number| {
            let (attacker, path, (body, key)) = (attacker.clone(), path.clone(), body(number));
            async move { attacker.call(method, &path, Some(body), key).await }
        })
    }
}

impl Attacker {
    /// Sends a request and reads the whole response. Returns its status, and its code if it is a problem.
    async fn call(&self, method: &str, path: &str, body: Option<String>, key: Option<String>) -> String {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("http://{}{path}", self.address));
        request = request.bearer_auth(&self.key);
        if let Some(body) = body.filter(|body| !body.is_empty()) {
            request = request.header("content-type", "application/json").body(body);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key).header("x-request-timeout-ms", "5000");
        }
        let Ok(mut reply) = request.send().await else { return "no response".to_owned() };
        let (status, mut start, mut length) = (reply.status().as_u16(), Vec::new(), 0);
        loop {
            match reply.chunk().await {
                Ok(Some(chunk)) => {
                    length += chunk.len();
                    start.extend(chunk.iter().take(4096_usize.saturating_sub(start.len())));
                }
                Ok(None) => break,
                Err(_) => return format!("{status}, broken off"),
            }
        }
        let start = String::from_utf8_lossy(&start).into_owned();
        let code = start.split(r#""code":""#).nth(1).and_then(|rest| rest.split('"').next());
        let size = if length > 1 << 20 { " (over 1 MiB)" } else { "" };
        format!("{status} {}{size}", code.filter(|_| status >= 400).unwrap_or_default())
    }

    /// Sends a request and reads nothing of the response.
    async fn never_reads(&self, path: &str) -> String {
        let Ok(mut socket) = TcpStream::connect(&self.address).await else { return "refused".to_owned() };
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {}\r\n\r\n", self.key);
        if socket.write_all(request.as_bytes()).await.is_err() {
            return "broken off".to_owned();
        }
        tokio::time::sleep(HELD).await;
        "held".to_owned()
    }
}
