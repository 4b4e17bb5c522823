//! The operator page in a real browser, with traffic and faults behind it.
//!
//! `UPDATE_SCREENSHOTS=1` writes the pictures of the README; `OPS_MINUTES=20` makes traffic for so long before, so that the charts
//! have something to show.

use std::path::Path;
use std::time::{Duration, Instant};

use contacts_gateway::simulators::aptly::{AptlyOptions, AptlySimulator};
use contacts_gateway::simulators::pipeline::{PipelineOptions, PipelineSimulator};
use contacts_gateway::simulators::{Fault, FaultKind, Running};
use serde_json::json;

use crate::chromium::{Chromium, Look};
use crate::gateway_process::{ADMIN_TOKEN, GatewayProcess, master_key};
use crate::proxy::Proxy;
use crate::{click, fill, screenshots};

/// A gateway with two tenants, and their CRMs.
struct TroubledGateway {
    gateway: GatewayProcess,
    crms: [Running; 2],
    /// Key and credential.
    accounts: Vec<(String, String)>,
    _folder: tempfile::TempDir,
}

impl TroubledGateway {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Lost creates stay open for a while.
        let more = [("GATEWAY_SETTLE_MS", "60000")];
        let gateway = GatewayProcess::start(folder.path(), "log", &master_key(), &more).await;
        let aptly =
            AptlySimulator::start(AptlyOptions { people: 60, ..AptlyOptions::empty() }).await.unwrap();
        let pipeline = PipelineSimulator::start(PipelineOptions { people: 60, ..PipelineOptions::empty() })
            .await
            .unwrap();
        let (_, harbour) = gateway.tenant("Harbour Homes").await;
        let (_, north) = gateway.tenant("Northside Rentals").await;
        gateway.tenant("Quiet Lettings").await;
        let mut accounts = Vec::new();
        for (key, name, provider, crm, secret) in [
            (&harbour, "main office", "aptly", &aptly, json!({ "apiKey": aptly.token() })),
            (&north, "sales", "pipeline", &pipeline, json!({ "token": pipeline.token() })),
            (&north, "old account", "aptly", &aptly, json!({ "apiKey": "revoked-long-ago" })),
        ] {
            let settings = json!({ "baseUrl": crm.base_url(), "defaultRegion": "US" });
            let credential =
                json!({ "provider": provider, "name": name, "settings": settings, "secret": secret });
            accounts.push((key.clone(), gateway.link(key, credential).await));
        }
        Self { gateway, crms: [aptly, pipeline], accounts, _folder: folder }
    }

    async fn list(&self, account: usize, query: &str) -> u16 {
        let (key, credential) = &self.accounts[account];
        let path = format!("/crm/contacts?credentialId={credential}&pageSize=5{query}");
        self.gateway.call("GET", &path, key, None).await.status
    }

    /// Successes, and each fault once.
    async fn troubles(&self) {
        for account in [0, 0, 1] {
            assert_eq!(self.list(account, "").await, 200);
        }
        assert_eq!(self.list(2, "").await, 424);
        assert_eq!(self.list(0, "&pageNumber=x").await, 400);
        let status = |code| FaultKind::Status {
            code,
            body: "{}".to_owned(),
            content_type: "application/json".to_owned(),
            headers: Vec::new(),
        };
        self.crms[0].fault(Fault::next(3, status(503)));
        assert_eq!(self.list(0, "").await, 502);
        self.crms[1].fault(Fault::once(FaultKind::NeverAnswer).on_writes());
        let (key, credential) = &self.accounts[1];
        let body = json!({ "firstName": "Ada", "lastName": "Okafor", "phoneNumbers": [{ "phoneNumber": "+1 416 555 0188" }] });
        let headers = [("idempotency-key", "one"), ("x-request-timeout-ms", "1500")];
        let path = format!("/crm/contacts?credentialId={credential}");
        let reply = self.gateway.call_with("POST", &path, key, Some(body.to_string()), &headers).await;
        assert_eq!(reply.status, 504, "{}", reply.text);
        for crm in &self.crms {
            crm.faults().clear();
        }
    }

    /// Traffic that changes from minute to minute.
    async fn traffic(&self, minutes: u64) {
        let (began, mut turn) = (Instant::now(), 0);
        while began.elapsed() < Duration::from_secs(minutes * 60) {
            let minute = began.elapsed().as_secs() / 60;
            let slow = if minute % 7 == 4 { 160 } else { 25 + minute % 3 * 12 };
            for crm in &self.crms {
                crm.faults().clear();
                crm.fault(Fault::always(FaultKind::Latency { ms: slow }));
            }
            turn += 1;
            if minute % 7 == 4 && turn % 6 == 0 {
                self.crms[0].fault(Fault::next(3, FaultKind::HtmlBody { status: 502 }));
            }
            // Below the rates that the CRMs publish.
            for number in 0..=(minute * 5 % 3) {
                self.list(usize::from(number % 3 == 1), "").await;
            }
            if minute % 5 == 2 && turn % 4 == 0 {
                self.list(0, "&emailAddress=x").await;
            }
            tokio::time::sleep(Duration::from_millis(1_500)).await;
        }
        for crm in &self.crms {
            crm.faults().clear();
        }
    }
}

fn sign_in(chromium: &mut Chromium, base: &str, look: &Look) {
    chromium.open(&format!("{base}ops"), look);
    chromium.wait("document.querySelector('#token') !== null || document.querySelector('#tenants') !== null");
    if chromium.evaluate("document.querySelector('#token') !== null") == true {
        chromium.picture(&screenshots().join(format!("ops-sign-in-{}.png", look.name)));
        fill(chromium, "#token", ADMIN_TOKEN);
        click(chromium, ".sign-in .button");
    }
    chromium.wait("document.querySelector('#tenants table') !== null");
}

/// Pictures of the whole page, one screen after the other.
fn pictures(chromium: &mut Chromium, name: &str) {
    for screen in 0..12 {
        chromium.evaluate(&format!("scrollTo(0, {screen} * innerHeight)"));
        chromium.picture(&screenshots().join(format!("ops-{name}-{screen}.png")));
        if chromium.evaluate("scrollY + innerHeight >= document.documentElement.scrollHeight - 1") == true {
            break;
        }
    }
}

#[test]
#[ignore = "needs chromium and nginx; see the head of the suite"]
fn the_operator_page_is_whole_in_every_look_and_under_a_prefix() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let troubled = runtime.block_on(async {
        let troubled = TroubledGateway::start().await;
        let minutes = std::env::var("OPS_MINUTES").ok().and_then(|minutes| minutes.parse().ok());
        troubled.traffic(minutes.unwrap_or(0)).await;
        troubled.troubles().await;
        troubled
    });
    let proxy = Proxy::start(&troubled.gateway.address);
    let mut chromium = Chromium::start();
    let places = [
        ("root", format!("http://{}/", troubled.gateway.address)),
        ("prefix", format!("http://{}/some/prefix/", proxy.address)),
    ];
    for (place, base) in &places {
        for look in Look::ALL.iter().chain([&Look::ZOOMED]) {
            sign_in(&mut chromium, base, look);
            for wide in [
                "document.documentElement.scrollWidth > innerWidth",
                "document.querySelectorAll('details').forEach(one => one.open = true) || document.documentElement.scrollWidth > innerWidth",
            ] {
                assert_eq!(chromium.evaluate(wide), false, "wider than the screen: {} {place}", look.name);
            }
            // What scrolls by itself can be reached by the keyboard.
            let reachable =
                "[...document.querySelectorAll('.scroll')].every(one => one.tabIndex === 0 && one.ariaLabel)";
            assert_eq!(chromium.evaluate(reachable), true);
            let jumps = "[...document.querySelectorAll('.sections a')].every(one => document.querySelector(one.hash))";
            assert_eq!(chromium.evaluate(jumps), true);
            chromium.is_clean(base);
            if *place == "root" {
                chromium.evaluate("document.querySelectorAll('details').forEach(one => one.open = false)");
                pictures(&mut chromium, look.name);
            }
        }
        // The button, as it is used.
        click(&mut chromium, "#credentials form .button");
        chromium.wait("document.querySelector('.lead').textContent.startsWith('Credential')");
        chromium.picture(&screenshots().join(format!("ops-check-{place}.png")));
        click(&mut chromium, "main a.button");
        chromium.wait("document.querySelector('#tenants table') !== null");
        click(&mut chromium, ".actions form .button");
        chromium.wait("document.querySelector('#token') !== null");
        // The cookie is not visible to scripts, and is gone.
        assert_eq!(chromium.evaluate("document.cookie"), "");
    }
    for look in &Look::PRINTED {
        sign_in(&mut chromium, &places[0].1, look);
        let name = format!("ops-{}.png", look.name);
        let folder = if std::env::var_os("UPDATE_SCREENSHOTS").is_some() {
            Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api/docs/assets")
        } else {
            screenshots()
        };
        chromium.picture(&folder.join(name));
    }
    println!("screenshots: {}", screenshots().display());
}
