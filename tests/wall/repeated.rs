//! A CRM that repeats the account's secrets: no part of one reaches a caller, however it is escaped and in any field.

use contacts_gateway::domain::Scope;
use contacts_gateway::simulators::{Fault, FaultKind, Running, aptly, pipeline};
use serde_json::{Value, json};

use crate::reply::Reply;
use crate::testbed::Testbed;

/// Without digits and long words, so that only a comparison with the secret can remove them.
const API_KEY: &str = r#"qu"orvex/tan\dlebrook"#;
const PASSWORD: &str = r#"Wimble "thorpe\ brindle/faxen"#;
const SESSION: &str = r#"zephyr"quill/settingq\uokka"#;
/// How many consecutive characters of a secret no text may contain.
const RUN: usize = 8;

/// `text` as the content of a JSON string: as serde writes it, with every character escaped, in both cases of hex digits.
fn spellings(text: &str) -> [String; 4] {
    let plain = json!(text).to_string();
    let plain = plain[1..plain.len() - 1].to_owned();
    let hex = |upper: bool| {
        let each = text
            .encode_utf16()
            .map(|unit| if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") });
        each.collect::<String>()
    };
    [plain.clone(), plain.replace('/', "\\/"), hex(false), hex(true)]
}

/// Every string and every key in `json`, decoded.
fn texts(json: &Value, into: &mut Vec<String>) {
    match json {
        Value::String(text) => into.push(text.clone()),
        Value::Array(elements) => elements.iter().for_each(|element| texts(element, into)),
        Value::Object(fields) => {
            for (name, value) in fields {
                into.push(name.clone());
                texts(value, into);
            }
        }
        _ => {}
    }
}

#[track_caller]
fn holds_no_run_of(answer: &Reply, secret: &str, what: &str) {
    let mut all = vec![answer.text.clone()];
    texts(&answer.json(), &mut all);
    let secret: Vec<char> = secret.chars().collect();
    for run in secret.windows(RUN) {
        let run: String = run.iter().collect();
        assert!(all.iter().all(|text| !text.contains(&run)), "{what}: {run:?} in {}", answer.text);
    }
}

/// An account at a CRM, and the secrets that its CRM knows.
struct Account {
    crm: Running,
    credential: String,
    secrets: Vec<&'static str>,
    list: &'static str,
    create: &'static str,
}

struct Fixture {
    testbed: Testbed,
    accounts: Vec<Account>,
    reader: String,
    writer: String,
}

async fn fixture() -> Fixture {
    let testbed = Testbed::open().await;
    let tenant = testbed.tenant("mine").await;
    let known = aptly::AptlyOptions { tokens: vec![API_KEY.to_owned()], ..aptly::AptlyOptions::empty() };
    let aptly = aptly::AptlySimulator::start(known).await.unwrap();
    let known =
        pipeline::PipelineOptions { password: PASSWORD.to_owned(), ..pipeline::PipelineOptions::empty() };
    let pipeline = pipeline::PipelineSimulator::start(known).await.unwrap();
    let key = testbed.link_to(&tenant, "aptly", &aptly, &json!({ "apiKey": API_KEY })).await;
    let login = json!({ "email": "ada@example.com", "password": PASSWORD });
    let login = testbed.link_to(&tenant, "pipeline", &pipeline, &login).await;
    let (reader, writer) = (
        testbed.key(&tenant, &[Scope::ContactsRead], None).await,
        testbed.key(&tenant, &Scope::ALL, None).await,
    );
    let accounts = vec![
        Account {
            crm: aptly,
            credential: key,
            secrets: vec![API_KEY],
            list: "/api/contacts",
            create: "/api/contacts",
        },
        Account {
            crm: pipeline,
            credential: login,
            secrets: vec![PASSWORD, SESSION],
            list: "/api/contacts",
            create: "/api/contact",
        },
    ];
    Fixture { testbed, accounts, reader, writer }
}

impl Account {
    /// The CRM accepts the login, and responds like this from then on.
    fn answers(&self, kind: &FaultKind) {
        self.crm.faults().clear();
        let token = json!({ "token": SESSION, "success": true }).to_string();
        self.crm.fault(Fault::always(FaultKind::Body { text: token }).on("POST", "/api/auth/login"));
        self.crm.fault(Fault::always(kind.clone()));
    }

    fn uri(&self) -> String {
        format!("/crm/contacts?credentialId={}", self.credential)
    }

    async fn list(&self, fixture: &Fixture) -> Reply {
        fixture.testbed.send("GET", &self.uri(), &fixture.reader, None).await
    }
}

fn refusal(code: u16, body: String) -> FaultKind {
    FaultKind::Status { code, body, content_type: "application/json".into(), headers: Vec::new() }
}

#[tokio::test]
async fn a_message_of_a_crm_carries_no_part_of_a_secret_out() {
    let fixture = fixture().await;
    let create = json!({ "firstName": "Ada", "lastName": "Byron",
        "emailAddresses": [{ "emailAddress": "ada@example.com" }],
        "phoneNumbers": [{ "phoneNumber": "+14165550277" }] })
    .to_string();
    let mut passed_on = 0;
    for account in &fixture.accounts {
        for secret in &account.secrets {
            let characters: Vec<char> = secret.chars().collect();
            let part: String = characters[3..3 + RUN].iter().collect();
            for (spelling, said) in spellings(secret).into_iter().chain(spellings(&part)).enumerate() {
                let padding = " ".repeat(if spelling % 2 == 0 { 0 } else { 70 * 1024 });
                let told = format!(r#""Not taken {said} so there","padding":"{padding}""#);
                for answered in [
                    refusal(422, format!(r#"{{"message":{told}}}"#)),
                    refusal(403, format!(r#"{{"error":{told}}}"#)),
                    refusal(200, format!(r#"{{"success":false,"message":{told}}}"#)),
                    refusal(200, format!(r#"{{ "success" : false, "error" : {told} }}"#)),
                    // The error names a duplicate field.
                    refusal(200, format!(r#"{{"{said}":1,"{said}":2}}"#)),
                ] {
                    account.answers(&answered);
                    let check = format!("/credentials/{}/check", account.credential);
                    let answers = [
                        account.list(&fixture).await,
                        fixture.testbed.send("POST", &check, &fixture.writer, None).await,
                    ];
                    for answer in answers {
                        holds_no_run_of(&answer, secret, &format!("{answered:?}"));
                        passed_on += usize::from(answer.text.contains("Not taken"));
                    }
                }
                // The lookup before it finds nobody; the create itself is refused.
                account.crm.faults().clear();
                let token = json!({ "token": SESSION, "success": true }).to_string();
                account
                    .crm
                    .fault(Fault::always(FaultKind::Body { text: token }).on("POST", "/api/auth/login"));
                let nobody = r#"{"data":[],"count":0,"total":0}"#.to_owned();
                account.crm.fault(Fault::always(FaultKind::Body { text: nobody }).on("GET", account.list));
                let told = format!(r#"{{"message":{told}}}"#);
                account.crm.fault(Fault::always(refusal(422, told)).on("POST", account.create));
                let answer =
                    fixture.testbed.send("POST", &account.uri(), &fixture.writer, Some(&create)).await;
                holds_no_run_of(&answer, secret, "create");
                assert_eq!(answer.code(), "upstream_rejected", "{}", answer.text);
                passed_on += usize::from(answer.text.contains("Not taken"));
            }
        }
    }
    assert!(passed_on >= 50, "messages were not passed on at all, so nothing was tested: {passed_on}");
}

#[tokio::test]
async fn the_name_of_an_account_carries_no_part_of_a_secret_out() {
    let fixture = fixture().await;
    let (account, secret) = (&fixture.accounts[0], API_KEY);
    // A name with the whole secret is struck out completely; of a name with part of it, only that part.
    let said = [(secret, false), (&secret[5..13], true)];
    let said = said.into_iter().flat_map(|(said, named)| spellings(said).map(|said| (said, named)));
    for (said, named) in said {
        let body = format!(r#"{{"companyId":"company {said}","companyName":"Acme {said} Ltd"}}"#);
        account.answers(&FaultKind::Body { text: body });
        let check = format!("/credentials/{}/check", account.credential);
        let answer = fixture.testbed.send("POST", &check, &fixture.writer, None).await;
        holds_no_run_of(&answer, secret, &said);
        assert_eq!(answer.text.contains("Acme [secret] Ltd"), named, "{}", answer.text);
        assert!(answer.text.contains("[secret]"), "{}", answer.text);
    }
}

#[tokio::test]
async fn names_of_custom_fields_in_an_error_carry_no_part_of_a_secret_out() {
    let fixture = fixture().await;
    let (account, secret) = (&fixture.accounts[0], API_KEY);
    // A name with the whole secret is left out; in a name with part of it, that part is struck out.
    let said = [(secret, false), (&secret[5..13], true)];
    let said = said.into_iter().flat_map(|(said, named)| spellings(said).map(|said| (said, named)));
    for (said, named) in said {
        let body = format!(
            r#"{{"data":[{{"_id":"abc123","firstname":"Ada","customFields":{{"f1":{{"name":"Size {said}","dataType":"text","value":"x"}}}}}}],"count":1}}"#
        );
        account.answers(&FaultKind::Body { text: body });
        let create = json!({ "firstName": "Ada", "lastName": "Byron",
            "emailAddresses": [{ "emailAddress": "ada@example.com" }],
            "remoteFields": { "customFields": { "no such field": "x" } } })
        .to_string();
        let answer = fixture.testbed.send("POST", &account.uri(), &fixture.writer, Some(&create)).await;
        holds_no_run_of(&answer, secret, &said);
        assert_eq!(answer.code(), "validation_failed", "{}", answer.text);
        assert_eq!(answer.text.contains("(Size [secret])"), named, "{}", answer.text);
    }
}

/// A contact of either CRM with `said` in the field under test.
fn contact(provider: usize, place: &str, said: &str) -> String {
    let mut fields = vec![
        r#""_id":"abc123""#.to_owned(),
        r#""untouched":{"kept":["as \"it\" is",12345678901234567890.10]}"#.to_owned(),
    ];
    let has = |name: &str| name == place;
    let of = |name: &str, usual: &str| {
        let value = if has(name) { format!("of {said} it") } else { usual.to_owned() };
        format!("\"{value}\"")
    };
    let [first, last, phones, emails] = if provider == 0 {
        ["firstname", "lastname", "phone", "email"]
    } else {
        ["firstName", "lastName", "phoneNumber", "email"]
    };
    fields.push(format!("\"{first}\":{}", of("firstName", "Ada")));
    fields.push(format!("\"{last}\":{}", of("lastName", "Byron")));
    let number = if provider == 0 { "number" } else { "value" };
    fields.push(format!(
        r#""{phones}":[{{"{number}":"+14165550277"}},{{"{number}":{}}}]"#,
        of("phoneNumbers", "+14165550278")
    ));
    fields
        .push(format!(r#""{emails}":["ada@example.com",{}]"#, of("emailAddresses", "countess@example.com")));
    if has("nested") {
        fields.push(format!(r#""inner":{{"list":[1,{{"deep":"{said}"}}]}}"#));
    }
    if has("key") {
        fields.push(format!(r#""{said}":1"#));
    }
    if has("inner key") {
        fields.push(format!(r#""inner":{{"a":{{"x {said}":null}}}}"#));
    }
    format!("{{{}}}", fields.join(","))
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one list of places")]
async fn a_value_of_a_contact_that_repeats_a_secret_is_left_out_and_the_rest_is_shown() {
    let fixture = fixture().await;
    let places = [
        ("firstName", "/firstName"),
        ("lastName", "/lastName"),
        ("phoneNumbers", "/phoneNumbers"),
        ("emailAddresses", "/emailAddresses"),
        ("nested", "/remoteFields"),
        ("key", "/remoteFields"),
        ("inner key", "/remoteFields"),
    ];
    for (provider, account) in fixture.accounts.iter().enumerate() {
        for secret in &account.secrets {
            for (spelling, said) in spellings(secret).iter().enumerate() {
                let padding = " ".repeat(if spelling % 2 == 0 { 0 } else { 70 * 1024 });
                for (place, pointer) in places {
                    let row = contact(provider, place, said);
                    let page = format!(r#"{{"padding":"{padding}","data":[{row}],"count":1,"total":1}}"#);
                    account.answers(&FaultKind::Body { text: page });
                    let answer = account.list(&fixture).await;
                    assert_eq!(answer.status, 200, "{}", answer.text);
                    let mut all = vec![answer.text.clone()];
                    texts(&answer.json(), &mut all);
                    assert!(!all.iter().any(|text| text.contains(secret)), "{place}: {}", answer.text);
                    let shown = answer.json();
                    let pointers: Vec<&str> = shown["warnings"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter(|warning| warning["code"] == "incomplete")
                        .filter_map(|warning| warning["pointer"].as_str())
                        .collect();
                    assert!(
                        pointers.iter().any(|shown| shown.ends_with(pointer)),
                        "{place}: {pointers:?} {}",
                        answer.text
                    );
                    let item = &shown["contacts"][0];
                    assert_eq!(
                        item["remoteFields"]["untouched"]["kept"][0], "as \"it\" is",
                        "{}",
                        answer.text
                    );
                    assert!(answer.text.contains("12345678901234567890.10"), "{}", answer.text);
                    assert_eq!(item["emailAddresses"][0]["emailAddress"], "ada@example.com");
                    let named = if place == "firstName" {
                        item.get("firstName").is_none()
                    } else {
                        item["firstName"] == "Ada"
                    };
                    assert!(named, "{place}: {}", answer.text);
                }
            }
        }
        // A record with the secret as its id cannot be shown at all.
        let id = "of_a_secret_that_could_be_an_id";
        let crm = aptly::AptlyOptions { tokens: vec![id.to_owned()], ..aptly::AptlyOptions::empty() };
        let crm = aptly::AptlySimulator::start(crm).await.unwrap();
        let tenant = fixture.testbed.tenant(&format!("another {provider}")).await;
        let credential = fixture.testbed.link_to(&tenant, "aptly", &crm, &json!({ "apiKey": id })).await;
        let key = fixture.testbed.key(&tenant, &Scope::ALL, None).await;
        let page = format!(r#"{{"data":[{{"_id":"{id}","firstname":"Ada"}}],"count":1}}"#);
        crm.fault(Fault::always(FaultKind::Body { text: page }));
        let uri = format!("/crm/contacts?credentialId={credential}");
        let answer = fixture.testbed.send("GET", &uri, &key, None).await;
        assert_eq!(answer.code(), "upstream_invalid_response", "{}", answer.text);
        assert!(!answer.text.contains(id), "{}", answer.text);
    }
}

#[tokio::test]
async fn what_only_looks_like_a_secret_is_shown() {
    let fixture = fixture().await;
    for (provider, account) in fixture.accounts.iter().enumerate() {
        let part = &json!(account.secrets[0][..15].to_owned()).to_string();
        let row = contact(provider, "nested", &part[1..part.len() - 1]);
        account.answers(&FaultKind::Body { text: format!(r#"{{"data":[{row}],"count":1,"total":1}}"#) });
        let answer = account.list(&fixture).await;
        let deep = &answer.json()["contacts"][0]["remoteFields"]["inner"]["list"][1]["deep"];
        assert_eq!(*deep, account.secrets[0][..15], "{}", answer.text);
    }
}
