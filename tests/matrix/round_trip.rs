//! A contact that was read is edited in one field and sent back whole, twice, while the CRM goes on computing and
//! changing fields of its own: nothing but the edit changes. Also records that break the gateway's own rules, and
//! readings that lack any fields.

use std::sync::Arc;

use contacts_gateway::simulators::{Reading, View};
use serde_json::{Map, Value, json};
use unicode_normalization::UnicodeNormalization as _;

use crate::api::{self, Response, word};
use crate::backends::{BACKENDS, Backend, Provider};
use crate::held::{Held, address, number, rich};
use crate::oracle::digits;
use crate::rng::Rng;
use crate::run::Crm;

/// How the caller read the contact.
#[derive(Clone, Copy, Debug)]
enum Source {
    Get,
    Row,
    /// The response to a write of the same value.
    Written,
}

/// One field changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    FirstName,
    LastName,
    NoFirstName,
    Account,
    MoreEmails,
    MorePhones,
    Title,
    CustomField,
    Status,
}

const EDITS: [Edit; 9] = [
    Edit::FirstName,
    Edit::LastName,
    Edit::NoFirstName,
    Edit::Account,
    Edit::MoreEmails,
    Edit::MorePhones,
    Edit::Title,
    Edit::CustomField,
    Edit::Status,
];

/// One trip, as the seed makes it.
#[derive(Debug)]
struct Trip {
    name: String,
    /// Whether the record breaks the gateway's rules.
    broken: bool,
    record: Value,
    views: Vec<View>,
    source: Source,
    edit: Edit,
    method: &'static str,
}

/// Makes `trips` trips at every backend; what is wrong is told with the seed that makes it again.
pub(crate) async fn all(seed: u64, trips: u64) -> (u64, Vec<String>) {
    let api = api::open().await;
    let mut running = tokio::task::JoinSet::new();
    for (index, backend) in BACKENDS.iter().enumerate() {
        let api = Arc::clone(&api);
        running.spawn(async move {
            let mut found = Vec::new();
            let crm = Crm::start(&api, backend).await;
            // Where the CRM overlooks native keys, a create shows it; a change alone is refused as not applied.
            let person = json!({ "lastName": "First", "phoneNumbers": [{ "phoneNumber": "+14165550000" }] });
            crm.account.call("POST", "", "", Some(&person)).await;
            let usual = crm.at.views().all();
            for trip in 0..trips {
                let mut rng = Rng::seeded(seed ^ ((index as u64) << 48) ^ (trip << 16));
                let trip = Trip::thrown(backend, &mut rng, trip, &usual);
                found.extend(trip.make(&crm, &mut rng).await);
            }
            found
        });
    }
    let mut found = Vec::new();
    while let Some(of_one) = running.join_next().await {
        found.extend(of_one.unwrap());
    }
    found.sort();
    (trips * BACKENDS.len() as u64, found)
}

impl Trip {
    fn thrown(backend: &'static Backend, rng: &mut Rng, trip: u64, usual: &[View]) -> Self {
        let broken = broken(backend.provider);
        let (what, record) = match rng.below(3) {
            0 => pick(rng, &broken).clone(),
            _ => ("rich", rich(backend.provider)),
        };
        let mut views = usual.to_vec();
        if rng.below(2) == 0 {
            views.extend([Reading::Single, Reading::Row, Reading::Written].map(|reading| {
                let keys = keys(backend.provider);
                let lacking = keys.iter().copied().filter(|_| rng.below(4) == 0);
                // Without that flag, a full name alone may be a company's, and is shown whole. Without that field, nobody can
                // tell which numbers cannot be written.
                let needed = match what {
                    "full-name" | "company" => "isCompany",
                    "second-phone-field" => "secondaryPhoneNumber",
                    _ => "",
                };
                let lacking: Vec<&str> = lacking.filter(|key| *key != needed).collect();
                View::of(reading).without(&lacking)
            }));
        }
        let source = *pick(rng, &[Source::Get, Source::Row, Source::Written]);
        let edit = *pick(rng, &EDITS);
        let method = *pick(rng, &["PUT", "PATCH"]);
        Self {
            broken: what != "rich",
            name: format!("{} trip {trip} {what}", backend.name),
            record,
            views,
            source,
            edit,
            method,
        }
    }

    async fn make(&self, crm: &Crm, rng: &mut Rng) -> Vec<String> {
        crm.clear();
        crm.at.views().clear();
        let id = crm.at.put(self.record.clone()).unwrap();
        self.views.iter().for_each(|view| crm.at.view(view.clone()));
        let Some((mut body, incomplete)) = self.read(crm, &id).await else {
            return vec![self.told(self.edit, "it could not be read")];
        };
        let edit = self.fitting(&body, &incomplete, crm.backend);
        edit.make(&mut body, crm.backend.provider);
        let legacy = crm.backend.name.contains("legacy") || crm.backend.name.contains("native-lost");
        let mut found = Vec::new();
        for time in ["first", "second"] {
            let computed = goes_on(crm.backend.provider, rng);
            assert!(crm.at.change(&id, &computed));
            let before = crm.held(&id).unwrap();
            crm.at.journal().clear();
            let response = crm.account.call(self.method, &format!("/{id}"), "", Some(&body)).await;
            let after = crm.held(&id).unwrap();
            let wrote = crm.at.calls().iter().any(|call| call.applied.is_write());
            if !response.is_success()
                && is_honest(&response, edit, [wrote, legacy, self.name.ends_with("sixty-phones")])
                && after.changed_since(&before).is_empty()
            {
                return found;
            }
            let rows = matches!(self.source, Source::Row) && !crm.backend.is_aptly();
            let held = self.is_held(edit, &body, &before, &after);
            let outcome = judge(
                edit,
                time,
                &before,
                &after,
                &response,
                [wrote, self.broken, rows, legacy, self.shows_derived_names(), held],
            );
            found.extend(outcome.into_iter().map(|text| self.told(edit, &format!("{time}: {text}"))));
            if !found.is_empty() {
                if std::env::var_os("MATRIX_LOUD").is_some() {
                    println!(
                        "== {}\nbody {body}\nbefore {}\nafter  {}\nanswer {}",
                        found.join("\n"),
                        Value::Object(before.record.clone()),
                        Value::Object(after.record.clone()),
                        response.body
                    );
                    for call in crm.at.calls() {
                        println!("  {} {}?{} {}", call.method, call.path, call.query, call.body);
                    }
                }
                break;
            }
        }
        found
    }

    /// Whether the record holds the edit and what it held beside it. Where a reading shows a full name alone, the caller
    /// edits the parts that the reading made of it.
    fn is_held(&self, edit: Edit, body: &Value, before: &Held, after: &Held) -> bool {
        let names = matches!(edit, Edit::FirstName | Edit::LastName | Edit::NoFirstName);
        if names && self.shows_derived_names() {
            // A half that the body does not name stays.
            if body.get("firstName").is_none() || body.get("lastName").is_none() {
                return true;
            }
            let sent = [word(&body["firstName"]), word(&body["lastName"])].join(" ");
            let now = [whole_first_name(after), whole_last_name(after)].join(" ");
            return edit.is_held(before, after) || sent.trim() == now.trim();
        }
        edit.is_held(before, after)
    }

    fn told(&self, edit: Edit, text: &str) -> String {
        let Self { name, source, method, .. } = self;
        let of = |view: &View| format!("{:?} lacks {:?}", view.reading, view.without);
        let lacking = self.views.iter().map(of).collect::<Vec<_>>().join("; ");
        format!("{name} {source:?} {edit:?} {method}: {text}\n      {lacking}")
    }

    /// The contact as the caller has it, and what the warnings call incomplete.
    async fn read(&self, crm: &Crm, id: &str) -> Option<(Value, Vec<String>)> {
        let path = format!("/{id}");
        let response = match self.source {
            Source::Get => crm.account.call("GET", &path, "", None).await,
            Source::Row => crm.account.call("GET", "", "&pageSize=10", None).await,
            Source::Written => crm.account.call("PATCH", &path, "", Some(&json!({}))).await,
        };
        if response.status != 200 {
            return None;
        }
        let contact = match self.source {
            Source::Row => response.body["contacts"].get(0)?.clone(),
            Source::Get | Source::Written => response.contact().clone(),
        };
        let incomplete = response.warnings().into_iter().filter(|(code, _)| *code == "incomplete");
        Some((contact, incomplete.map(|(_, pointer)| pointer.to_owned()).collect()))
    }

    /// Whether a reading may show a full name alone, or a part of the names.
    fn shows_derived_names(&self) -> bool {
        let is_name = |key: &String| ["firstname", "lastname", "fullname"].contains(&&*key.to_lowercase());
        self.name.ends_with("full-name") || self.views.iter().any(|view| view.without.iter().any(is_name))
    }

    /// Whether the readings by which a write is judged show when the record was changed.
    fn shows_update_times(&self) -> bool {
        self.shows("updatedAt")
    }

    /// Whether the readings by which a write is judged show the field.
    fn shows(&self, field: &str) -> bool {
        let lacks = |view: &View| view.without.iter().any(|key| key == field);
        !self.views.iter().any(|view| view.reading != Some(Reading::Row) && lacks(view))
    }

    /// The edit, or another one where the reading does not show the list whole that it would lengthen.
    fn fitting(&self, body: &Value, incomplete: &[String], backend: &Backend) -> Edit {
        let whole =
            |name: &str| body[name].is_array() && !incomplete.iter().any(|pointer| pointer.contains(name));
        match self.edit {
            Edit::MoreEmails if !whole("emailAddresses") => Edit::FirstName,
            Edit::MorePhones if !whole("phoneNumbers") => Edit::LastName,
            Edit::Account | Edit::Title | Edit::CustomField if !backend.is_aptly() => Edit::FirstName,
            // Without that time, or any name of the stage, nobody can tell a body that was sent before from one that was not.
            Edit::Status
                if backend.is_aptly()
                    || body["remoteUpdatedAt"].is_null()
                    || !self.shows_update_times()
                    || !(self.shows("status") || self.shows("pipelineStage")) =>
            {
                Edit::LastName
            }
            // There is nothing to clear.
            Edit::NoFirstName if body["firstName"].is_null() => Edit::LastName,
            // Without that time, or the account, nobody can tell a name that follows from the account.
            Edit::FirstName | Edit::Account
                if self.name.ends_with("company")
                    && !(self.shows_update_times() && self.shows("company")) =>
            {
                Edit::Title
            }
            edit => edit,
        }
    }
}

impl Edit {
    fn make(self, body: &mut Value, provider: Provider) {
        let more = |body: &mut Value, key: &str, entry: Value| body[key].as_array_mut().unwrap().push(entry);
        match self {
            Self::FirstName => body["firstName"] = json!("Edited"),
            Self::LastName => body["lastName"] = json!("Edited"),
            Self::NoFirstName => body["firstName"] = Value::Null,
            Self::Account => body["account"] = json!("Edited Ltd"),
            Self::MoreEmails => more(body, "emailAddresses", json!({ "emailAddress": address(90) })),
            Self::MorePhones => {
                let kind = if provider == Provider::Aptly { "home" } else { "secondary" };
                more(body, "phoneNumbers", json!({ "phoneNumber": number(90), "phoneNumberType": kind }));
            }
            Self::Title => body["remoteFields"]["title"] = json!("Edited"),
            Self::CustomField => body["remoteFields"]["customFields"]["5D8LYiyMt54aKD7x9"] = json!("Edited"),
            Self::Status => body["remoteFields"]["status"] = json!("Qualified"),
        }
    }

    /// The stored fields that the edit may change.
    const fn stored_in(self) -> &'static [&'static str] {
        match self {
            // Names that the CRM keeps as one are written as two.
            Self::FirstName | Self::LastName | Self::NoFirstName => {
                &["firstname", "firstName", "lastname", "lastName", "fullname", "fullName"]
            }
            Self::Account => &["company"],
            Self::MoreEmails => &["email"],
            Self::MorePhones => &["phone", "phoneNumber"],
            Self::Title => &["title"],
            Self::CustomField => &["customFields"],
            Self::Status => &["status", "pipelineStage", "pipelineId"],
        }
    }

    /// Whether the record holds the edit and, in the same field, everything that it held.
    fn is_held(self, before: &Held, after: &Held) -> bool {
        let stored = |key: &str| after.record.get(key).cloned().unwrap_or_default();
        // Sent again as a part of the list, an entry may be stored without blanks, once, or in another spelling.
        let canonical = |text: &str| {
            let line = text.split(" x").next().unwrap_or_default();
            if text.contains('@') { text.trim().to_lowercase() } else { digits(line) }
        };
        let kept = |before: &[(String, String)], after: &[(String, String)], more: &str| {
            let after: Vec<String> = after.iter().map(|(text, _)| canonical(text)).collect();
            let held = |text: &str| after.iter().any(|known| known.ends_with(&canonical(text)));
            // One text can hold several addresses, which are stored as several.
            let parts = |text: &str| held(text) || text.split(", ").all(held);
            before.iter().all(|(text, _)| parts(text)) && held(more)
        };
        let composed = |text: String| text.trim().nfc().collect::<String>();
        let same_last = composed(after.last_name.clone()) == composed(whole_last_name(before));
        match self {
            Self::FirstName => after.first_name == "Edited" && same_last,
            Self::NoFirstName => after.first_name.is_empty() && same_last,
            Self::LastName => {
                after.last_name == "Edited"
                    && composed(after.first_name.clone()) == composed(whole_first_name(before))
            }
            Self::Account => after.account == "Edited Ltd",
            Self::MoreEmails => kept(&before.emails, &after.emails, &address(90)),
            Self::MorePhones => kept(&before.phones, &after.phones, &number(90)),
            Self::Title => stored("title") == "Edited",
            Self::CustomField => stored("customFields")["5D8LYiyMt54aKD7x9"] == "Edited",
            Self::Status => stored("status") == "Qualified",
        }
    }
}

/// A full name alone is shown as its first word and the rest.
fn full_name(held: &Held) -> &str {
    let alone = held.first_name.is_empty() && held.last_name.is_empty();
    let full = held.record.get("fullname").or_else(|| held.record.get("fullName"));
    if alone { full.map(word).unwrap_or_default() } else { "" }
}

fn whole_first_name(held: &Held) -> String {
    let full = full_name(held);
    if full.is_empty() {
        held.first_name.clone()
    } else {
        full.split(' ').next().unwrap_or_default().to_owned()
    }
}

fn whole_last_name(held: &Held) -> String {
    let full = full_name(held);
    if full.is_empty() {
        held.last_name.clone()
    } else {
        full.split_once(' ').map_or("", |(_, rest)| rest).to_owned()
    }
}

fn judge(
    edit: Edit,
    time: &str,
    before: &Held,
    after: &Held,
    response: &Response,
    [wrote, broken, rows, legacy, derived, held]: [bool; 6],
) -> Vec<String> {
    let mut found = Vec::new();
    if !response.is_success() {
        return vec![format!(
            "{} {} {:?}{}",
            response.status,
            response.code(),
            response.pointers(),
            if wrote { " after a write" } else { "" }
        )];
    }
    let changed = after.changed_since(before);
    // A CRM that composes texts composes all of a record that is written.
    let composed = |held: &Held, key: &str| {
        held.record.get(key).map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), |text| text.trim().to_owned())
                .nfc()
                .collect::<String>()
        })
    };
    let real = changed.iter().filter(|key| composed(before, key) != composed(after, key));
    found.extend(real.filter(|key| !edit.stored_in().contains(&key.as_str())).map(|key| {
        let of = |held: &Held| format!("{:.120}", held.record.get(key).cloned().unwrap_or_default());
        format!("{key} changed from {} to {}", of(before), of(after))
    }));
    if time == "second"
        && !changed.is_empty()
        && changed.iter().all(|key| edit.stored_in().contains(&key.as_str()))
    {
        found.push(format!("sent again it changes {changed:?}"));
    }
    let list = match edit {
        Edit::MoreEmails => "/emailAddresses",
        Edit::MorePhones => "/phoneNumbers",
        _ => "nowhere",
    };
    // The CRM changed the record meanwhile: of fields that say the same the other is left alone, and a warning says so.
    let doubtful: &[&str] = match edit {
        Edit::Status => &["/remoteFields/status", "/remoteFields/pipelineStage"],
        Edit::LastName => &["/lastName"],
        _ => &[],
    };
    let left_alone =
        response.warnings().into_iter().any(|(code, at)| code == "read_only" && doubtful.contains(&at));
    let not_stored =
        response.warnings().into_iter().any(|(code, at)| code == "not_stored" && at.starts_with(list));
    let is_told = left_alone || (legacy && not_stored);
    if !(held || is_told || time == "second") {
        found.push("the edit is not held, or not it alone".to_owned());
    }
    found.extend(false_warnings(response, list, [broken, rows, derived]));
    found
}

/// Warnings about what was stored as it was sent.
fn false_warnings(response: &Response, list: &str, [broken, rows, derived]: [bool; 3]) -> Vec<String> {
    let mut found = Vec::new();
    for (code, pointer) in response.warnings() {
        // Entries that break the rules are sent again with the list, and may be stored otherwise.
        if broken && pointer.starts_with(list) {
            continue;
        }
        // A row may show the entries in another order than they are held.
        if rows && code == "order_changed" {
            continue;
        }
        // A text that is sent as it was read is stored in the form in which the CRM composes it.
        if (broken || derived)
            && matches!(code, "changed_by_upstream" | "not_stored")
            && ["/firstName", "/lastName"].contains(&pointer)
        {
            continue;
        }
        // Nobody else touches what was asked, and it can be stored.
        if matches!(code, "not_stored" | "changed_by_upstream" | "order_changed" | "phone_not_parsed") {
            found.push(format!("warned {code} {pointer}"));
        }
    }
    found
}

/// A failure that changed nothing and is the truth: a list that no reading shows whole, a value that the CRM refuses, a
/// list that legacy keys cannot say, an entry more than a list may have (`full`).
fn is_honest(response: &Response, edit: Edit, [wrote, legacy, full]: [bool; 3]) -> bool {
    let list = matches!(edit, Edit::MoreEmails | Edit::MorePhones | Edit::CustomField);
    if full && edit == Edit::MorePhones {
        return (response.status, response.code()) == (422, "validation_failed");
    }
    if legacy && list {
        return matches!(
            (response.status, response.code()),
            (422, "validation_failed" | "upstream_rejected")
                | (502, "upstream_did_not_apply" | "upstream_invalid_response")
        );
    }
    !wrote
        && list
        && matches!(
            (response.status, response.code()),
            (502, "upstream_invalid_response") | (422, "upstream_rejected")
        )
}

fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    let place = rng.below(from.len() as u64);
    &from[usize::try_from(place).unwrap()]
}

/// What the CRM and its other clients change by themselves, without the contact's unified fields.
fn goes_on(provider: Provider, rng: &mut Rng) -> Map<String, Value> {
    let changes = match provider {
        Provider::Aptly => vec![
            json!({ "alerts": [{ "text": format!("alert {}", rng.below(1000)) }] }),
            json!({ "uuid": format!("{:08x}-0000-4000-8000-000000000000", rng.below(1 << 32)) }),
            json!({}),
        ],
        Provider::Pipeline => vec![
            json!({ "isUpdated": true, "latestMessage": { "text": format!("message {}", rng.below(1000)) },
                "lastMessageTime": "2026-11-01T10:00:00.000Z" }),
            json!({ "files": [format!("file {}", rng.below(1000))] }),
            json!({ "assignees": ["64f0a1b2c3d4e5f6a7b8c9d4", "64f0a1b2c3d4e5f6a7b8cad4"] }),
            json!({}),
        ],
    };
    pick(rng, &changes).as_object().unwrap().clone()
}

/// Fields that a reading may lack; letter case and spaces do not matter.
fn keys(provider: Provider) -> &'static [&'static str] {
    match provider {
        Provider::Aptly => &[
            "firstname",
            "lastname",
            "fullname",
            "company",
            "title",
            "email",
            "phone",
            "contactType",
            "typeId",
            "customFields",
            "createdAt",
            "updatedAt",
            "isCompany",
            "address",
            "duogram",
            "alerts",
            "imageUrl",
            "uuid",
            "companyId",
        ],
        Provider::Pipeline => &[
            "firstName",
            "lastName",
            "email",
            "phoneNumber",
            "secondaryPhoneNumber",
            "status",
            "pipelineStage",
            "pipelineId",
            "assignees",
            "createdAt",
            "updatedAt",
            "__v",
            "process",
            "source",
            "userId",
            "organizationId",
            "createdBy",
        ],
    }
}

/// The rich record with these fields.
fn with(provider: Provider, changes: &Value) -> Value {
    let mut record = rich(provider);
    for (key, value) in changes.as_object().unwrap() {
        record[key] = value.clone();
    }
    record
}

fn emails(provider: Provider, all: &[&str]) -> Value {
    let entry = |(place, email): (usize, &&str)| match provider {
        Provider::Aptly => json!(email),
        Provider::Pipeline => json!({ "value": email, "isPrimary": place == 0 }),
    };
    with(provider, &json!({ "email": all.iter().enumerate().map(entry).collect::<Vec<_>>() }))
}

fn phones(provider: Provider, all: &[(String, &str)]) -> Value {
    let entry = |(place, (number, kind)): (usize, &(String, &str))| match provider {
        Provider::Aptly => json!({ "number": number, "type": kind }),
        Provider::Pipeline => json!({ "value": number, "isPrimary": place == 0 }),
    };
    let key = if provider == Provider::Aptly { "phone" } else { "phoneNumber" };
    with(provider, &json!({ key: all.iter().enumerate().map(entry).collect::<Vec<_>>() }))
}

/// Records that the gateway would refuse if they were new.
fn broken(provider: Provider) -> Vec<(&'static str, Value)> {
    let first = if provider == Provider::Aptly { "firstname" } else { "firstName" };
    let last = if provider == Provider::Aptly { "lastname" } else { "lastName" };
    let (emails, phones) =
        (|all: &[&str]| emails(provider, all), |all: &[(String, &str)]| phones(provider, all));
    let named = |key: &str, name: &str| with(provider, &json!({ key: name }));
    let sixty: Vec<_> = (0..60).map(|n| (number(n), "mobile")).collect();
    let mut all = vec![
        ("no-email-at-all", emails(&["n/a"])),
        ("bad-email-first", emails(&["n/a", "ada0@example.com"])),
        ("bad-email-last", emails(&["ada0@example.com", "no address"])),
        ("blank-at-the-end", emails(&["ada0@example.com ", "ada1@example.com"])),
        ("two-in-one", emails(&["ada0@example.com, ada1@example.com"])),
        ("without-emails", emails(&[])),
        ("same-email-twice", emails(&["ada0@example.com", "Ada0@Example.com"])),
        ("tab", named(first, "Ada\tAugusta")),
        ("line-break", named(last, "Byron\nLovelace")),
        ("blanks-around", named(last, "  Byron ")),
        ("decomposed", named(last, "Zoe\u{308}")),
        ("long-name", named(last, &"x".repeat(1500))),
        ("sixty-phones", phones(&sixty)),
        ("short-phone", phones(&[("12".to_owned(), "work"), (number(0), "mobile")])),
        ("extension", phones(&[("+1 416 555 0201 x12".to_owned(), "work")])),
        ("national", phones(&[("(416) 555-0201".to_owned(), "home"), (number(3), "work")])),
        ("same-phone-twice", phones(&[(number(0), "work"), ("416-555-0200".to_owned(), "mobile")])),
    ];
    all.extend(broken_at(provider));
    all
}

/// Those that only one of the CRMs can hold.
fn broken_at(provider: Provider) -> Vec<(&'static str, Value)> {
    let with = |changes: Value| with(provider, &changes);
    let nested = (0..27).fold(json!(1), |inner, _| json!([inner]));
    let many: Map<String, Value> = (0..300).map(|n| (format!("property{n}"), json!(n))).collect();
    match provider {
        Provider::Aptly => vec![
            ("fax", phones(provider, &[(number(0), "fax"), (number(1), "mobile")])),
            (
                "untyped",
                with(json!({ "phone": [{ "number": number(0) }, { "number": number(1), "type": "home" }] })),
            ),
            ("company", with(json!({ "isCompany": true, "firstname": "", "lastname": "" }))),
            ("full-name", with(json!({ "firstname": "", "lastname": "", "fullname": "Jane van Smith" }))),
            ("odd-address", with(json!({ "address": { "lines": ["x"], "city": 5, "deep": nested } }))),
            ("empty", json!({})),
        ],
        Provider::Pipeline => vec![
            ("second-phone-field", with(json!({ "secondaryPhoneNumber": [number(7)] }))),
            ("email-text-with-two", with(json!({ "email": "ada0@example.com, ada1@example.com" }))),
            ("phone-text", with(json!({ "phoneNumber": [number(0)] }))),
            ("many-fields", with(Value::Object(many))),
            ("deep", with(json!({ "nested": nested }))),
            ("no-stage", with(json!({ "status": null, "pipelineStage": null }))),
            ("bare", json!({ "phoneNumber": [{ "value": number(0), "isPrimary": true }] })),
        ],
    }
}
