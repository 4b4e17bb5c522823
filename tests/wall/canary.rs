//! No secret and no personal datum is left behind: unique ones go through the real binary, in success and in every kind
//! of failure, and afterwards nobody finds them in logs, database or error answers.
//!
//! | what | may stand in |
//! |---|---|
//! | secrets | nothing; a new API key in the one answer that makes it |
//! | addresses, numbers and other personal data | 2xx answers to their caller |
//! | personal words that the CRM repeats in its own message | also the problem that passes this message on |
//! | settings of a credential | the database, and 2xx answers to their caller |

use std::path::Path;

use contacts_gateway::simulators::{Fault, FaultKind, Running, aptly, pipeline};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::gateway_process::{ADMIN_TOKEN, GatewayProcess, client, master_key, send};
use crate::reply::Reply;
use crate::sweep::{Canary, found};

const APTLY_KEY: &str = "aptly-zq81xv04kd7wm3";
const PIPELINE_TOKEN: &str = "tether-9fh2kq6zx1wv0b";
/// Neither long nor full of digits: nothing but exact striking-out keeps it from being repeated.
const PASSWORD: &str = "pa\"s/kzwq+zx#";
const JWT_SECRET: &str = "issuer-4tq8zk1xw7vm2pd9hb5ncj3rf6ly0sg";
const EMAIL: &str = "quorvex.tandlebrook@example.com";
const PHONE: &str = "4165557319";
const FIRST: &str = "Quorvexina";
const LAST: &str = "Tandlebrookson";
const STREET: &str = "Wimblethorpe";
const ACCOUNT: &str = "Zephyrquill";
const CUSTOM: &str = "Brindlefaxen";
const SETTING: &str = "Settingquokka";
const BACKUP: &str = "backup.db";
const METRICS: &str = "metrics";
const OPS: &str = "ops.html";

/// The gateway, both CRMs and everything that was answered.
struct Aviary {
    folder: tempfile::TempDir,
    serving: GatewayProcess,
    crms: [Running; 2],
    /// What was asked and what came back.
    heard: Vec<(String, Reply)>,
    secrets: Vec<Canary>,
    key: String,
    token: String,
}

/// What may stand in answers to the caller alone.
fn personal() -> Vec<Canary> {
    vec![Canary::new("e-mail", EMAIL), Canary::new("phone", PHONE)]
}

/// The same, words that a CRM may repeat.
fn words() -> Vec<Canary> {
    [("first name", FIRST), ("last name", LAST), ("street", STREET), ("account", ACCOUNT), ("custom", CUSTOM)]
        .map(|(name, word)| Canary::new(name, word))
        .into()
}

fn issuer(folder: &Path) -> String {
    std::fs::write(folder.join("issuer-secret"), JWT_SECRET).unwrap();
    let file = folder.join("gateway.toml");
    let table = "[[auth.jwt]]\nissuer = \"https://login.example.com\"\naudience = \"gateway\"\nalgorithms = [\"HS256\"]\n\
                 secret_file = \"issuer-secret\"\ntenant_claim = \"tenant\"\nscope_claim = \"scope\"\n";
    std::fs::write(
        &file,
        table.replace("issuer-secret", &folder.join("issuer-secret").display().to_string()),
    )
    .unwrap();
    file.display().to_string()
}

/// A token of the issuer; of a strange one where `secret` is another.
fn token(tenant: &str, secret: &str) -> String {
    let iat = contacts_gateway::store::now().as_second();
    let claims = json!({ "iss": "https://login.example.com", "aud": "gateway", "iat": iat, "exp": iat + 600,
        "tenant": tenant, "sub": EMAIL, "scope": "contacts:read contacts:write credentials:read" });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

impl Aviary {
    async fn open() -> Self {
        let (folder, master_key) = (tempfile::tempdir().unwrap(), master_key());
        let config = issuer(folder.path());
        // The sweep is faster than a key may be.
        let more = [("GATEWAY_CONFIG", config.as_str()), ("GATEWAY_KEY_RATE", "0")];
        let serving = GatewayProcess::start(folder.path(), "log", &master_key, &more).await;
        let aptly =
            aptly::AptlyOptions { tokens: vec![APTLY_KEY.to_owned()], ..aptly::AptlyOptions::empty() };
        let pipeline = pipeline::PipelineOptions {
            tokens: vec![PIPELINE_TOKEN.to_owned()],
            password: PASSWORD.to_owned(),
            ..pipeline::PipelineOptions::empty()
        };
        let crms = [
            aptly::AptlySimulator::start(aptly).await.unwrap(),
            pipeline::PipelineSimulator::start(pipeline).await.unwrap(),
        ];
        let (tenant, key) = serving.tenant("mine").await;
        let (revoked_id, revoked) = serving.key(&tenant).await;
        serving
            .call("DELETE", &format!("/admin/tenants/{tenant}/keys/{revoked_id}"), ADMIN_TOKEN, None)
            .await;
        let (token, forged) =
            (token(&tenant, JWT_SECRET), token(&tenant, "another secret, as long as an issuer's"));
        let raw = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &master_key).unwrap();
        let secrets = [
            ("master key", master_key.as_bytes()),
            ("master key's bytes", &raw),
            ("admin token", ADMIN_TOKEN.as_bytes()),
            // Without the prefix and the id, which are public.
            ("API key", &key.as_bytes()[20..]),
            ("revoked API key", &revoked.as_bytes()[20..]),
            ("Aptly key", APTLY_KEY.as_bytes()),
            ("pipeline token", PIPELINE_TOKEN.as_bytes()),
            ("password", PASSWORD.as_bytes()),
            ("issuer's secret", JWT_SECRET.as_bytes()),
            ("token's signature", token.rsplit('.').next().unwrap().as_bytes()),
            ("forged token's signature", forged.rsplit('.').next().unwrap().as_bytes()),
        ];
        let secrets = secrets.map(|(name, value)| Canary::new(name, value)).into();
        let mut aviary = Self { folder, serving, crms, heard: Vec::new(), secrets, key, token };
        for wrong in [&revoked, &forged, &format!("{revoked}x"), &revoked[..40].to_owned()] {
            aviary.ask_as(wrong, "GET", "/credentials", None).await;
            aviary.ask_as(wrong, "GET", "/admin/tenants", None).await;
        }
        aviary
    }

    async fn ask_as(&mut self, who: &str, method: &str, path: &str, body: Option<Value>) -> Reply {
        let body = body.map(|body| body.to_string());
        let headers = [("x-request-timeout-ms", "800")];
        let reply = self.serving.call_with(method, path, who, body, &headers).await;
        self.heard.push((format!("{method} {path}"), reply.clone()));
        reply
    }

    async fn ask(&mut self, method: &str, path: &str, body: Option<Value>) -> Reply {
        let key = self.key.clone();
        self.ask_as(&key, method, path, body).await
    }

    /// Credentials of every kind; the probes of half of them meet a refusal first.
    async fn credentials(&mut self) -> Vec<(usize, String, Value)> {
        let [aptly, tether] = [0, 1].map(|at| self.crms[at].base_url());
        let mut made = Vec::new();
        for (at, name, provider, base_url, good, bad) in [
            (0, "a", "aptly", &aptly, json!({ "apiKey": APTLY_KEY }), json!({ "apiKey": PASSWORD })),
            (1, "b", "pipeline", &tether, json!({ "token": PIPELINE_TOKEN }), json!({ "token": PASSWORD })),
            (
                1,
                "c",
                "pipeline",
                &tether,
                json!({ "email": "user1@example.com", "password": PASSWORD }),
                json!({ "email": EMAIL, "password": PIPELINE_TOKEN }),
            ),
        ] {
            let mut settings = json!({ "baseUrl": base_url, "defaultRegion": "CA" });
            if provider == "aptly" {
                settings["createDefaults"] = json!({ "title": SETTING });
            } else {
                settings["allowDelete"] = json!(true);
            }
            let draft = |secret: &Value| json!({ "provider": provider, "name": name, "secret": secret, "settings": settings });
            for refused in [
                bad,
                json!({ "apiKey": 7, "token": [PASSWORD] }),
                json!({ PASSWORD: APTLY_KEY }),
                json!(PASSWORD),
            ] {
                let reply = self.ask("POST", "/credentials", Some(draft(&refused))).await;
                assert!(reply.status >= 400, "{reply:?}");
            }
            let reply = self.ask("POST", "/credentials", Some(draft(&good))).await;
            assert_eq!(reply.status, 201, "{reply:?}");
            let id = reply.json()["credential"]["credentialId"].as_str().unwrap().to_owned();
            self.ask("POST", "/credentials", Some(draft(&good))).await;
            self.ask(
                "PATCH",
                &format!("/credentials/{id}"),
                Some(json!({ "settings": { "baseUrl": "https://10.0.0.1" }, "secret": good })),
            )
            .await;
            // A second account at the host, used once: what befalls the first alone then never closes the host to calls.
            let mut beside = draft(&good);
            beside["name"] = json!(format!("{name} beside"));
            let reply = self.ask("POST", "/credentials?verify=false", Some(beside)).await;
            let beside = reply.json()["credential"]["credentialId"].as_str().unwrap().to_owned();
            self.ask("GET", &format!("/crm/contacts?credentialId={beside}"), None).await;
            made.push((at, id, draft(&good)));
        }
        self.ask("GET", "/credentials", None).await;
        made
    }

    /// Every operation on contacts, good and refused.
    async fn contacts(&mut self, credential: &str) {
        let of = |path: &str| format!("/crm/contacts{path}credentialId={credential}");
        let made = self.ask("POST", &of("?"), Some(person())).await;
        let id = made.json()["contact"]["remoteId"].as_str().unwrap_or("abc123").to_owned();
        let one = of(&format!("/{id}?"));
        let token = self.token.clone();
        self.ask_as(&token, "GET", &one, None).await;
        self.ask("POST", &of("?"), Some(person())).await;
        self.ask("POST", &of("?strict=true&"), Some(person())).await;
        let filters = [
            ("emailAddress", EMAIL),
            ("lastName", LAST),
            ("phoneNumber", PHONE),
            ("nonsense", EMAIL),
            ("pageSize", EMAIL),
        ];
        for (name, value) in filters {
            self.ask("GET", &format!("{}&{name}={value}", of("?")), None).await;
            self.ask("GET", &format!("{}&{name}={value}", of("/count?")), None).await;
        }
        self.ask("GET", &of("?cursor=quorvex.tandlebrook&"), None).await;
        self.ask("GET", &of(&format!("/{EMAIL}?")), None).await;
        for body in [
            json!({ "firstName": FIRST, "account": ACCOUNT }),
            json!({ "lastName": { LAST: EMAIL }, "emailAddresses": [{ "emailAddress": format!("{EMAIL}@") }] }),
            json!({ "phoneNumbers": [{ "phoneNumber": PHONE, "phoneNumberType": 7 }], "addresses": [{ "city": [STREET] }] }),
            json!({ "remoteFields": { "_id": CUSTOM, "customFields": { "nobody's": CUSTOM }, "title": { "x": CUSTOM } } }),
        ] {
            self.ask("PATCH", &one, Some(body)).await;
        }
        for body in [format!("{{\"lastName\":\"{LAST}"), format!("[\"{EMAIL}\"]"), format!("\"{PHONE}")] {
            let key = self.key.clone();
            let reply = self.serving.call("POST", &of("?"), &key, Some(body)).await;
            self.heard.push(("malformed".to_owned(), reply));
        }
        self.ask("POST", &format!("/credentials/{credential}/check"), None).await;
        self.ask("DELETE", &one, None).await;
    }

    /// Everything again while the CRM misbehaves and repeats what it was sent.
    async fn failures(&mut self, at: usize, draft: &Value, secrets: &str) {
        for (number, fault) in faults(secrets).into_iter().enumerate() {
            // Each fault has its own tenant and account, so that rate limits, refused logins and open breakers do not end the
            // sweep.
            let own = self.serving.tenant(&format!("sweep {at} {} {number}", draft["name"])).await.1;
            let key = std::mem::replace(&mut self.key, own);
            let mut draft = draft.clone();
            draft["name"] = json!(format!("{} {number}", draft["name"].as_str().unwrap()));
            let reply = self.ask("POST", "/credentials?verify=false", Some(draft)).await;
            assert_eq!(reply.status, 201, "{reply:?}");
            let credential = reply.json()["credential"]["credentialId"].as_str().unwrap().to_owned();
            let of = |path: &str| format!("/crm/contacts{path}credentialId={credential}");
            self.crms[at].fault(Fault::always(fault));
            self.ask("GET", &of("/abc123?"), None).await;
            self.ask("GET", &format!("{}&lastName={LAST}", of("?")), None).await;
            self.ask("POST", &of("?"), Some(person())).await;
            self.ask("PATCH", &of("/abc123?"), Some(json!({ "firstName": FIRST }))).await;
            self.ask("POST", &format!("/credentials/{credential}/check"), None).await;
            self.crms[at].faults().clear();
            // The write alone fails, after everything before it went well.
            let status = FaultKind::Status {
                code: 400,
                body: echo(secrets),
                content_type: "application/json".into(),
                headers: vec![],
            };
            self.crms[at].fault(Fault::always(status).on_writes());
            self.ask("POST", &of("?"), Some(person())).await;
            self.crms[at].faults().clear();
            self.key = key;
        }
    }

    /// Puts a backup, the metrics and the operator page beside the database.
    async fn keep_what_operators_see(&self) {
        let folder = self.folder.path();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_contacts-gateway"))
            .env_clear()
            .args(["--database-url", "sqlite://gateway.db", "backup", BACKUP])
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metrics = self.serving.call("GET", "/metrics", "", None).await.text;
        assert!(metrics.contains("gateway_upstream_calls_total"), "{metrics}");
        std::fs::write(folder.join(METRICS), metrics).unwrap();
        let (ops, browser) = (format!("{}/ops", self.serving.url()), client());
        let form = browser.post(format!("{ops}/sign-in")).body(format!("token={ADMIN_TOKEN}"));
        let form = form.header("content-type", "application/x-www-form-urlencoded");
        let signed_in = send(form.header("sec-fetch-site", "same-origin")).await.unwrap();
        let cookie = signed_in.header("set-cookie").split(';').next().unwrap().to_owned();
        let page = send(browser.get(&ops).header("cookie", &cookie)).await.unwrap().text;
        // What the page is for is on it: failures of all kinds, and credentials that are refused.
        for shown in ["upstream_credential_rejected", "<th>Call to the CRM</th>", "aria-label=\"Check "] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
        std::fs::write(folder.join(OPS), page).unwrap();
    }

    /// What stands where it must not.
    /// The log, once nothing was added to it for a while: lines are written a little after their request.
    fn whole_log(&self) -> Vec<u8> {
        let mut log = Vec::new();
        loop {
            std::thread::sleep(std::time::Duration::from_millis(250));
            let now = std::fs::read(&self.serving.log).unwrap();
            if now.len() == log.len() {
                return log;
            }
            log = now;
        }
    }

    fn leaks(&self) -> Vec<String> {
        let (personal, words) = (personal(), words());
        let setting = [Canary::new("setting", SETTING)];
        let mut leaks = Vec::new();
        let mut sweep = |place: &str, canaries: &[Canary], bytes: &[u8]| {
            leaks.extend(found(canaries, bytes).into_iter().map(|name| format!("{name} in {place}")));
        };
        let log = self.whole_log();
        for canaries in [&self.secrets[..], &personal, &words, &setting] {
            sweep("the log", canaries, &log);
        }
        for file in ["gateway.db", "gateway.db-wal", "gateway.db-shm", BACKUP, METRICS, OPS] {
            let bytes = std::fs::read(self.folder.path().join(file));
            let bytes = if [BACKUP, METRICS, OPS].contains(&file) {
                bytes.unwrap_or_default()
            } else {
                bytes.unwrap()
            };
            for canaries in [&self.secrets[..], &personal, &words] {
                sweep(file, canaries, &bytes);
            }
            if file == OPS {
                sweep(file, &setting, &bytes);
            }
        }
        for (asked, Reply { status, text, .. }) in &self.heard {
            let place = format!("the answer {status} to {asked}: {text}");
            sweep(&place, &self.secrets, text.as_bytes());
            if *status < 300 {
                continue;
            }
            // The path is the caller's own.
            let problem: Value = serde_json::from_str(text).unwrap();
            let path = asked.split([' ', '?']).nth(1).unwrap_or_default();
            assert!(problem["instance"] == path || asked == "malformed", "{asked}: {text}");
            let text = text.replace(&format!("\"instance\":\"{path}\""), "");
            sweep(&place, &personal, text.as_bytes());
            sweep(&place, &setting, text.as_bytes());
            if problem["upstream"].is_null() || !text.contains("Its message: ") {
                sweep(&place, &words, text.as_bytes());
            }
        }
        leaks
    }
}

/// Somebody made of canaries.
fn person() -> Value {
    json!({ "firstName": FIRST, "lastName": LAST, "account": ACCOUNT,
        "emailAddresses": [{ "emailAddress": EMAIL }],
        "phoneNumbers": [{ "phoneNumber": format!("+1{PHONE}"), "phoneNumberType": "mobile" }],
        "addresses": [{ "street1": STREET, "city": STREET, "country": "CA" }] })
}

/// A CRM that says everything that it was ever sent.
fn echo(secrets: &str) -> String {
    let said = format!("{EMAIL} +1{PHONE} {FIRST} {LAST} {STREET} key={secrets}");
    json!({ "success": false, "message": said, "error": said, "data": { EMAIL: said }, "errors": [said] })
        .to_string()
}

fn faults(secrets: &str) -> Vec<FaultKind> {
    let status = |code: u16| FaultKind::Status {
        code,
        body: echo(secrets),
        content_type: "application/json".into(),
        headers: vec![],
    };
    let mut faults: Vec<FaultKind> = [400, 401, 403, 404, 409, 422, 429, 500, 503].map(status).into();
    faults.extend([
        FaultKind::Body { text: echo(secrets) },
        FaultKind::Body { text: format!("<html>{}", echo(secrets)) },
        FaultKind::SuccessFalse { message: echo(secrets) },
        FaultKind::Redirect { status: 302, location: format!("https://example.com/{EMAIL}?key={secrets}") },
        FaultKind::CutJson,
        FaultKind::ResetAfterApplying,
        FaultKind::NeverAnswer,
    ]);
    faults
}

#[tokio::test]
async fn no_secret_and_no_personal_datum_stays_behind() {
    let mut aviary = Aviary::open().await;
    let credentials = aviary.credentials().await;
    // What a CRM can repeat of the call it answers; a password goes with the login alone.
    let sent = [APTLY_KEY, PIPELINE_TOKEN, PIPELINE_TOKEN];
    for ((at, credential, draft), secrets) in credentials.iter().zip(sent) {
        aviary.contacts(credential).await;
        aviary.failures(*at, draft, secrets).await;
    }
    for path in ["/openapi.json", "/docs/errors", "/docs/errors/internal", "/readyz"] {
        aviary.ask("GET", path, None).await;
    }
    aviary.keep_what_operators_see().await;
    let aptly = aviary.crms[0].base_url();
    assert!(aviary.crms.iter().all(|crm| crm.journal().alarms().is_empty()));
    let leaks = aviary.leaks();
    assert!(leaks.is_empty(), "{} leaks: {:#?}", leaks.len(), &leaks[..leaks.len().min(12)]);
    // The canaries did fly: contacts were answered, settings stored, failures of every kind met.
    let answered = |status: u16| aviary.heard.iter().filter(|(_, reply)| reply.status == status).count();
    for status in [200, 201, 401, 404, 409, 422, 424, 429, 502, 504] {
        assert!(answered(status) > 0, "nothing was answered {status}");
    }
    let good = aviary.heard.iter().filter(|(_, reply)| reply.status < 300);
    let all: String = good.map(|(_, reply)| reply.text.as_str()).collect();
    assert!([EMAIL, PHONE, FIRST, LAST, ACCOUNT].iter().all(|word| all.contains(word)));
    let stored =
        ["gateway.db", "gateway.db-wal"].map(|file| std::fs::read(aviary.folder.path().join(file)).unwrap());
    let settings = [Canary::new("setting", SETTING), Canary::new("base URL", aptly)];
    assert_eq!(
        found(&settings, stored.concat()),
        ["setting", "base URL"],
        "the database is not where it is looked for"
    );
}

#[tokio::test]
async fn a_planted_leak_fails_the_sweep() {
    let mut aviary = Aviary::open().await;
    assert_eq!(aviary.leaks(), [""; 0]);
    // Two ways that are open on purpose: the log has the caller's own request id, the database the names of tenants.
    let headers = [("x-request-id", APTLY_KEY)];
    aviary.serving.call_with("GET", "/livez", "", None, &headers).await;
    let name = json!({ "name": EMAIL }).to_string();
    aviary.serving.call("POST", "/admin/tenants", ADMIN_TOKEN, Some(name)).await;
    let mut leaks = aviary.leaks();
    leaks.sort();
    leaks.dedup_by(|one, other| one[..6] == other[..6]);
    assert!(leaks.iter().any(|leak| leak == "Aptly key in the log"), "{leaks:?}");
    assert!(leaks.iter().any(|leak| leak.starts_with("e-mail in gateway.db")), "{leaks:?}");
    let problem = json!({ "instance": "/x", "detail": format!("no {PHONE} here") }).to_string();
    aviary
        .heard
        .push(("GET /x".to_owned(), Reply { status: 502, headers: http::HeaderMap::new(), text: problem }));
    assert!(aviary.leaks().iter().any(|leak| leak.starts_with("phone in the answer 502")));
}
