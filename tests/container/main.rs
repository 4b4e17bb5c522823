//! The image and the compose file, with a real container engine: `cargo test --test container -- --ignored`.
//!
//! It needs Docker or Podman with Compose. Variables:
//! - `CONTAINER_ENGINE`: the command of the engine, `docker` if not given; `CONTAINER_COMPOSE`: that of Compose, `docker compose`.
//! - `CONTAINER_IMAGE`: an image that was built before; without it the test builds one.
//! - `PREVIOUS_IMAGE`: the image of the previous release, from whose volume the upgrade starts.
//! - `CONTAINER_RUN`: further arguments of each `run`; `CONTAINER_OVERRIDE`: a further compose file.

#![expect(clippy::disallowed_methods, reason = "tests measure real time")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod engine;
mod files;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use engine::{Compose, Engine, Started};

const ADMIN: &str = "the-operator-of-the-container-test";
const MOST_OF_IMAGE: u64 = 30 * 1024 * 1024;
const LONGEST_START: Duration = Duration::from_secs(2);
/// Callers that write while a replica is killed, and the writes of each.
const CALLERS: usize = 4;
const WRITES: usize = 10;

/// An account at the simulated CRM, over HTTP.
#[derive(Clone)]
struct Account {
    url: String,
    key: String,
    credential: String,
    client: reqwest::Client,
}

impl Account {
    /// A tenant, a key and a credential for the CRM at `crm`.
    async fn open(url: &str, crm: &str, token: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let post = async |path: &str, who: &str, body: Value| {
            let request = client.post(format!("{url}{path}")).bearer_auth(who).body(body.to_string());
            let reply = request.header("content-type", "application/json").send().await.unwrap();
            let (status, text) = (reply.status(), reply.text().await.unwrap());
            assert!(status.is_success(), "{path}: {status} {text}");
            serde_json::from_str::<Value>(&text).unwrap()
        };
        let tenant = post("/admin/tenants", ADMIN, json!({ "name": "acme" })).await;
        let tenant = tenant["tenant"]["id"].as_str().unwrap();
        let scopes = ["contacts:read", "contacts:write", "credentials:read", "credentials:write"];
        let key = json!({ "name": "app", "scopes": scopes });
        let key = post(&format!("/admin/tenants/{tenant}/keys"), ADMIN, key).await;
        let key = key["secret"].as_str().unwrap().to_owned();
        let credential = json!({ "provider": "aptly", "name": "board", "settings": { "baseUrl": crm, "defaultRegion": "US" },
            "secret": { "apiKey": token } });
        let made = post("/credentials", &key, credential).await;
        let credential = made["credential"]["credentialId"].as_str().unwrap().to_owned();
        Self { url: url.to_owned(), key, credential, client }
    }

    /// Creates the person `number` under a key of its own; again until the gateway says how it ended.
    async fn create(&self, number: usize) -> Value {
        let body = json!({ "firstName": "Person", "lastName": format!("Number {number}"),
            "emailAddresses": [{ "emailAddress": format!("person{number}@example.com") }] });
        let began = Instant::now();
        loop {
            let url = format!("{}/crm/contacts?credentialId={}", self.url, self.credential);
            let request = self.client.post(url).bearer_auth(&self.key).body(body.to_string());
            let request = request.header("content-type", "application/json");
            let sent = request.header("idempotency-key", format!("person-{number}")).send().await;
            let (status, text) = match sent {
                Ok(reply) => (reply.status().as_u16(), reply.text().await.unwrap_or_default()),
                Err(error) => (0, error.to_string()),
            };
            match status {
                200 => return serde_json::from_str(&text).unwrap(),
                // The replica or the connection is gone, another replica is still on it, or the CRM asks for a pause.
                0 | 409 | 429 | 502..=504 => {}
                _ => panic!("{number}: {status} {text}"),
            }
            assert!(began.elapsed() < Duration::from_mins(2), "{number}: {status} {text}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}?credentialId={}", self.url, self.credential);
        let reply = self.client.get(&url).bearer_auth(&self.key).send().await.unwrap();
        let (status, text) = (reply.status(), reply.text().await.unwrap());
        assert!(status.is_success(), "{url}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn count(&self) -> u64 {
        self.get("/crm/contacts/count").await["count"].as_u64().unwrap()
    }
}

/// Waits until the gateway at `url` is ready.
async fn ready(url: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let began = Instant::now();
    loop {
        let reply = client.get(format!("{url}/readyz")).timeout(Duration::from_secs(2)).send().await;
        if reply.is_ok_and(|reply| reply.status() == 200) {
            return;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{url} does not become ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A gateway on the volume `data`, reached at the returned URL.
fn gateway(engine: &Engine, image: &str, network: &str, name: &str) -> (Started, String) {
    let port = engine::free_port();
    let started = engine.run(
        image,
        name,
        &[
            "--read-only",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            "--network",
            network,
            "--publish",
            &format!("127.0.0.1:{port}:8080"),
            "--volume",
            &format!("{network}:/data"),
            "--env",
            &format!("GATEWAY_MASTER_KEY={}", engine::master_key()),
            "--env",
            &format!("GATEWAY_ADMIN_TOKEN={ADMIN}"),
            "--env",
            "GATEWAY_UPSTREAM_ALLOW=crm",
        ],
        &["serve"],
    );
    (started, format!("http://127.0.0.1:{port}"))
}

fn crm(engine: &Engine, image: &str, network: &str) -> (Started, String) {
    let arguments = ["--network", network, "--network-alias", "crm"];
    let started = engine.run(image, "crm", &arguments, &["simulate", "aptly", "--listen", "0.0.0.0:9000"]);
    let token = engine.printed(&started, "with the token ");
    (started, token)
}

#[tokio::test]
#[ignore = "needs a container engine; a named command"]
async fn the_image_serves_with_no_rights_upgrades_its_volume_and_stops_cleanly() {
    let engine = Engine::from_environment();
    let image = engine.image();
    let previous = std::env::var("PREVIOUS_IMAGE")
        .unwrap_or_else(|_| panic!("PREVIOUS_IMAGE is not set: name the image of the previous release"));
    let network = engine.network("cg-image");
    let beyond = engine.size(&image) - engine.size("gcr.io/distroless/cc-debian12:nonroot");
    println!("the image has {} KB beyond its base", beyond / 1000);
    assert!(beyond < MOST_OF_IMAGE, "{beyond} bytes");
    let (_crm, token) = crm(&engine, &image, &network.name);
    // The previous release makes the database.
    let (old, url) = gateway(&engine, &previous, &network.name, "cg-previous");
    ready(&url).await;
    let before = Account::open(&url, "http://crm:9000", &token).await;
    let made = before.create(1).await;
    assert_eq!(engine.stop(&old), 0);
    let began = Instant::now();
    let (new, url) = gateway(&engine, &image, &network.name, "cg-new");
    ready(&url).await;
    let took = began.elapsed();
    println!("ready {took:?} after the engine was asked to start it");
    assert!(took < LONGEST_START, "{took:?}");
    let after = Account { url, ..before };
    let id = made["contact"]["id"].as_str().unwrap();
    assert_eq!(after.get(&format!("/crm/contacts/{id}")).await["contact"], made["contact"]);
    assert_eq!(
        after.create(1).await["contact"]["id"],
        made["contact"]["id"],
        "the stored response is replayed"
    );
    after.create(2).await;
    // What the kernel says about the process.
    let status = engine.status_of(&new);
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    assert!(field("Uid:").split_whitespace().all(|id| id == "65532"), "{status}");
    assert_eq!((field("CapEff:").trim_matches('0'), field("NoNewPrivs:").as_str()), ("", "1"));
    assert!(engine.exec(&new, &["/usr/local/bin/contacts-gateway", "healthcheck"]).is_ok());
    let began = Instant::now();
    assert_eq!(engine.stop(&new), 0);
    println!("stopped by TERM after {:?}", began.elapsed());
}

#[tokio::test]
#[ignore = "needs a container engine; a named command"]
async fn compose_serves_from_sqlite_and_keeps_its_data() {
    let engine = Engine::from_environment();
    let image = engine.image();
    engine.tag(&image, "contacts-gateway");
    let compose = Compose::new(
        &engine,
        "cg-sqlite",
        &[("GATEWAY_ADMIN_TOKEN", ADMIN), ("GATEWAY_UPSTREAM_ALLOW", "crm")],
    );
    compose.up(&["gateway"]);
    ready(&compose.url).await;
    let (_crm, token) = crm(&engine, &image, &compose.network());
    let account = Account::open(&compose.url, "http://crm:9000", &token).await;
    let made = account.create(1).await;
    let tenants = compose.exec("gateway", &["contacts-gateway", "tenant", "list"]);
    assert!(tenants.contains("acme"), "{tenants}");
    compose.run(&["restart", "gateway"]);
    ready(&compose.url).await;
    let id = made["contact"]["id"].as_str().unwrap();
    assert_eq!(account.get(&format!("/crm/contacts/{id}")).await["contact"], made["contact"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine; a named command"]
async fn of_two_replicas_one_dies_under_load_and_each_write_happens_once() {
    let engine = Engine::from_environment();
    let image = engine.image();
    engine.tag(&image, "contacts-gateway");
    let settings = [
        ("GATEWAY_ADMIN_TOKEN", ADMIN),
        ("GATEWAY_UPSTREAM_ALLOW", "crm"),
        ("POSTGRES_PASSWORD", "5f1c2a7e9b"),
    ];
    let compose = Compose::new(&engine, "cg-postgres", &settings);
    compose.up(&["--profile", "postgres", "balancer"]);
    ready(&compose.url).await;
    let (_crm, token) = crm(&engine, &image, &compose.network());
    let account = Account::open(&compose.url, "http://crm:9000", &token).await;
    let before = account.count().await;
    let killed = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (account, killed) = (account.clone(), Arc::clone(&killed));
            tokio::spawn(async move {
                let mut afterwards = 0;
                for write in 0..WRITES {
                    account.create(caller * WRITES + write).await;
                    afterwards += usize::from(killed.load(Ordering::SeqCst));
                }
                afterwards
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(3)).await;
    compose.run(&["kill", "--signal", "KILL", "replica-1"]);
    killed.store(true, Ordering::SeqCst);
    let mut afterwards = 0;
    for caller in callers {
        afterwards += caller.await.unwrap();
    }
    println!("{afterwards} of {} writes were finished after the kill", CALLERS * WRITES);
    assert!(afterwards > 0, "it was killed after the load");
    assert_eq!(account.count().await - before, (CALLERS * WRITES) as u64);
}
