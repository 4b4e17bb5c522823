//! Quotas: one tenant cannot fill the disk, and what it stored before keeps working.

use contacts_gateway::simulators::{Running, pipeline};
use futures_util::{StreamExt, stream};
use reqwest::Response;
use serde_json::{Value, json};

use crate::gateway_process::{ADMIN_TOKEN, GatewayProcess, master_key};

struct Fixture {
    serving: GatewayProcess,
    crm: Running,
    contact: String,
    client: reqwest::Client,
    folder: tempfile::TempDir,
}

struct Account {
    tenant: String,
    key: String,
    credential: String,
}

#[expect(clippy::disallowed_methods, reason = "a caller from outside; the gateway's own client is not his")]
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

impl Fixture {
    async fn open(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = [&[("GATEWAY_KEY_RATE", "0"), ("GATEWAY_LOG", "info")], settings].concat();
        let serving = GatewayProcess::start(folder.path(), "log", &master_key(), &settings).await;
        let crm = pipeline::PipelineSimulator::start(pipeline::PipelineOptions::empty()).await.unwrap();
        let person = json!({ "firstName": "Ada", "lastName": "Okafor", "notes": "x".repeat(40_000),
            "phoneNumber": [{ "value": "+14165550123", "isPrimary": true }] });
        let contact = crm.put(person).unwrap();
        Self { serving, crm, contact, client: client(), folder }
    }

    async fn account(&self, name: &str) -> Account {
        let (tenant, key) = self.serving.tenant(name).await;
        let credential = self.serving.link(&key, self.credential("n")).await;
        Account { tenant, key, credential }
    }

    fn credential(&self, name: &str) -> Value {
        json!({ "provider": "pipeline", "name": name, "settings": { "baseUrl": self.crm.base_url() },
            "secret": { "token": self.crm.token() } })
    }

    /// A write under an `Idempotency-Key`, whose response of 40 KB is stored.
    async fn write(&self, account: &Account, once: &str) -> Response {
        let path = format!("/crm/contacts/{}?credentialId={}", self.contact, account.credential);
        let request = self.client.patch(format!("http://{}{path}", self.serving.address));
        let request = request.header("authorization", format!("Bearer {}", account.key));
        let request = request.header("idempotency-key", once).header("content-type", "application/json");
        request.body(r#"{"firstName":"Ada"}"#).send().await.unwrap()
    }

    /// Sends many writes, a few at a time. Returns their statuses.
    async fn write_many(&self, account: &Account, count: usize) -> Vec<u16> {
        let write =
            |n: usize| async move { self.write(account, &format!("many-{n}")).await.status().as_u16() };
        stream::iter(0..count).map(write).buffer_unordered(8).collect().await
    }

    async fn usage(&self, account: &Account) -> Value {
        let path = format!("/admin/tenants/{}", account.tenant);
        self.serving.call("GET", &path, ADMIN_TOKEN, None).await.json()["usage"].take()
    }

    /// The size of the database and its write-ahead log.
    fn stored(&self) -> u64 {
        let size = |name| std::fs::metadata(self.folder.path().join(name)).map_or(0, |file| file.len());
        size("gateway.db") + size("gateway.db-wal")
    }
}

async fn code(response: Response) -> String {
    let problem: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    problem["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_tenant_at_its_quotas_is_refused_what_is_new_and_keeps_what_it_has() {
    let settings = [
        ("GATEWAY_TENANT_LEDGER_ROWS", "3"),
        ("GATEWAY_TENANT_CREDENTIALS", "2"),
        ("GATEWAY_TENANT_API_KEYS", "2"),
    ];
    let fixture = Fixture::open(&settings).await;
    let (one, two) = (fixture.account("one").await, fixture.account("two").await);
    for n in 0..3 {
        assert_eq!(fixture.write(&one, &format!("k{n}")).await.status(), 200);
    }
    let calls = fixture.crm.calls().len();
    let refused = fixture.write(&one, "k3").await;
    let after: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((80_000..=86_400 + 60).contains(&after), "the oldest row ends in a day: {after}");
    assert_eq!((refused.status().as_u16(), code(refused).await.as_str()), (429, "quota_exceeded"));
    assert_eq!(fixture.crm.calls().len(), calls, "nothing was sent");
    let replayed = fixture.write(&one, "k0").await;
    assert_eq!(
        (replayed.status().as_u16(), &replayed.headers()["idempotency-replayed"]),
        (200, &"true".parse().unwrap())
    );
    assert_eq!(fixture.write(&two, "k3").await.status(), 200, "another tenant");

    let add = |name: &'static str| {
        let body = fixture.credential(name).to_string();
        fixture.serving.call("POST", "/credentials?verify=false", &one.key, Some(body))
    };
    assert_eq!(add("second").await.status, 201);
    let refused = add("third").await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "quota_exceeded"));
    let serving = &fixture.serving;
    let add_key = || {
        let body = json!({ "name": "key", "scopes": ["contacts:read"] }).to_string();
        let path = format!("/admin/tenants/{}/keys", one.tenant);
        async move { serving.call("POST", &path, ADMIN_TOKEN, Some(body)).await }
    };
    assert_eq!(add_key().await.status, 201);
    let refused = add_key().await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "quota_exceeded"));

    let usage = fixture.usage(&one).await;
    assert_eq!(usage["rows"], json!({ "used": 3, "limit": 3 }));
    assert_eq!(usage["bytes"]["limit"], 1 << 30);
    assert!(usage["bytes"]["used"].as_u64().unwrap() > 3 * 512, "{usage}");
    assert_eq!(usage["credentials"], json!({ "used": 2, "limit": 2 }));
    assert_eq!(usage["keys"], json!({ "used": 2, "limit": 2 }));
    assert!(usage["auditRecords"]["used"].as_u64().unwrap() > 5, "{usage}");
    assert_eq!(fixture.usage(&two).await["rows"]["used"], 1);
}

/// Without a quota all 400 responses of 40 KB are stored.
#[tokio::test]
async fn one_key_cannot_fill_the_disk_with_stored_responses() {
    let fixture = Fixture::open(&[("GATEWAY_TENANT_LEDGER_BYTES", "1048576")]).await;
    let one = fixture.account("one").await;
    let statuses = fixture.write_many(&one, 400).await;
    let good = statuses.iter().filter(|status| **status == 200).count();
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert_eq!(good + refused, 400, "{statuses:?}");
    assert!((12..=26).contains(&good), "{good} responses of 40 KB were kept in 1 MiB");
    let used = fixture.usage(&one).await["bytes"]["used"].as_u64().unwrap();
    assert!(used <= 1_048_576, "{used}");
    assert!(fixture.stored() < 7_000_000, "{}", fixture.stored());
}
