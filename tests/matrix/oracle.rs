//! Judges one case by the contract: `shared` pages and the CRMs' documents, never by what the gateway does.

use std::collections::BTreeSet;

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use crate::api::{Response, word};
use crate::backends::Backend;
use crate::cases::{Case, Field, Kind, Write};
use crate::held::Held;
use crate::report::{Class, Finding};
use crate::run::Seen;

/// Warnings that tell of a loss.
const TELLING: [&str; 5] =
    ["not_stored", "changed_by_upstream", "not_verified", "order_changed", "phone_not_parsed"];

/// Warnings that are wrong wherever the CRM is quiet, nobody else writes and nothing read-only is changed.
const NEVER: [&str; 4] = ["read_only", "possible_duplicate", "may_have_updated_existing", "row_unreadable"];

/// Something asked that is not held as asked.
struct Loss {
    pointer: String,
    text: String,
}

pub(crate) fn judge(case: &Case, seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |class, text: String| findings.push(Finding { class, text });
    let response = &seen.response;
    let nobody = Held::default();
    let after = seen.after.as_ref().unwrap_or(&nobody);
    let losses = losses(case, seen, after);
    if !response.is_success() {
        let wrote = seen.sent.iter().any(|call| call.applied.is_write());
        if wrote && response.status < 500 {
            find(Class::UnaskedChange, format!("{} after a write", said(response)));
        }
        if !may_refuse(case, seen, &losses) {
            find(Class::FalseFailure, said(response));
        }
        return findings;
    }
    for loss in &losses {
        if !told(response, &loss.pointer) {
            find(Class::SilentLoss, format!("{} {}", loss.pointer, loss.text));
        }
    }
    for text in unasked(case, seen, after) {
        find(Class::UnaskedChange, text);
    }
    for (code, pointer) in response.warnings() {
        if is_false(case, seen, after, &losses, code, pointer) {
            find(Class::FalseWarning, format!("{code} {pointer}"));
        }
    }
    for text in wrong_response(response, after) {
        find(Class::WrongResponse, text);
    }
    findings
}

fn said(response: &Response) -> String {
    format!("{} {} {:?}", response.status, response.code(), response.pointers())
}

/// Whether a warning speaks of this place, of something in it or of what holds it.
fn told(response: &Response, pointer: &str) -> bool {
    response.warnings().iter().any(|(code, at)| TELLING.contains(code) && touch(at, pointer))
}

fn touch(one: &str, other: &str) -> bool {
    let within = |inner: &str, outer: &str| inner == outer || inner.starts_with(&format!("{outer}/"));
    within(one, other) || within(other, one)
}

/// Every field that the body names, and what of it is not held.
fn losses(case: &Case, seen: &Seen, after: &Held) -> Vec<Loss> {
    let body = &asked(case, &seen.body);
    let mut losses = Vec::new();
    let mut lose = |pointer: String, text: String| losses.push(Loss { pointer, text });
    for (name, held) in
        [("firstName", &after.first_name), ("lastName", &after.last_name), ("account", &after.account)]
    {
        text_loss(name, body.get(name), held, &mut lose);
    }
    if let Some(wanted) = body.get("emailAddresses") {
        email_losses(wanted, after, &mut lose);
    }
    if let Some(wanted) = body.get("phoneNumbers") {
        phone_losses(wanted, seen.before.as_ref(), after, &mut lose);
    }
    if let Some(wanted) = body.get("addresses") {
        address_loss(wanted, seen.before.as_ref(), &mut lose);
    }
    let remote = body.get("remoteFields").cloned().unwrap_or_default();
    if case.backend.is_aptly() {
        remote_losses_at_aptly(&remote, after, &mut lose);
    } else {
        stage_losses(&remote, seen.before.as_ref(), after, &mut lose);
    }
    // On a new contact what is absent or empty is empty.
    if seen.before.is_none() && seen.after.is_none() {
        lose(String::new(), "nobody was created".to_owned());
    }
    losses
}

/// What of the body asks for something: in a contact sent back whole, the field in question alone, as the rest equals
/// what was shown.
fn asked(case: &Case, body: &Value) -> Value {
    if case.write != Write::Put {
        return body.clone();
    }
    let mut asked = serde_json::json!({});
    let (outer, inner) = case.field.name().split_once('/').unwrap_or((case.field.name(), ""));
    let twins: &[&str] =
        if matches!(inner, "status" | "pipelineStage") { &["status", "pipelineStage"] } else { &[inner] };
    match body.get(outer) {
        Some(value) if inner.is_empty() => asked[outer] = value.clone(),
        Some(members) => {
            for key in twins.iter().filter(|key| members.get(**key).is_some()) {
                asked[outer][*key] = members[*key].clone();
            }
        }
        None => {}
    }
    asked
}

fn stored<'a>(after: &'a Held, key: &str) -> &'a str {
    after.record.get(key).map(word).unwrap_or_default()
}

fn text_loss(name: &str, wanted: Option<&Value>, held: &str, lose: &mut impl FnMut(String, String)) {
    let wanted = match wanted {
        None => return,
        Some(Value::Null) => "",
        Some(Value::String(text)) => text.trim(),
        Some(other) => return lose(format!("/{name}"), format!("{other} was accepted, held {held:?}")),
    };
    if wanted != held {
        let short = |text: &str| text.chars().take(40).collect::<String>();
        lose(format!("/{name}"), format!("asked {:?}, held {:?}", short(wanted), short(held)));
    }
}

fn entries<'a>(list: &'a Value, key: &str, kind: &str) -> Vec<(&'a str, Option<&'a str>)> {
    let entries = list.as_array().map_or(&[][..], Vec::as_slice);
    entries.iter().map(|entry| (word(&entry[key]), entry[kind].as_str())).collect()
}

fn email_losses(wanted: &Value, after: &Held, lose: &mut impl FnMut(String, String)) {
    let mut seen = BTreeSet::new();
    let mut wanted = entries(wanted, "emailAddress", "emailAddressType");
    wanted.retain(|(address, _)| seen.insert(address.to_lowercase()));
    let asked: Vec<String> = wanted.iter().map(|(address, _)| address.to_lowercase()).collect();
    let held: Vec<String> = after.emails.iter().map(|(address, _)| address.to_lowercase()).collect();
    list_losses("/emailAddresses", &asked, &held, lose);
    // The main one is the one that the caller calls so, else the first.
    let is_main = |kind: Option<&str>| kind.is_some_and(|kind| matches!(kind, "main" | "primary"));
    for (place, (address, kind)) in wanted.iter().enumerate() {
        let held = after.emails.iter().find(|(held, _)| held.eq_ignore_ascii_case(address));
        let Some((_, held)) = held else { continue };
        if is_main(*kind) && held != "main" {
            lose(format!("/emailAddresses/{place}/emailAddressType"), format!("asked main, held {held}"));
        }
    }
}

/// What is missing in the list, too much in it, or in another order.
fn list_losses(pointer: &str, asked: &[String], held: &[String], lose: &mut impl FnMut(String, String)) {
    let missing: Vec<usize> = (0..asked.len()).filter(|place| !held.contains(&asked[*place])).collect();
    for place in &missing {
        lose(format!("{pointer}/{place}"), "not held".to_owned());
    }
    let extra = held.iter().filter(|entry| !asked.contains(entry)).count();
    if extra > 0 {
        lose(pointer.to_owned(), "more held than asked for".to_owned());
    }
    if missing.is_empty() && extra == 0 && asked != held {
        lose(pointer.to_owned(), "held in another order or twice".to_owned());
    }
}

/// The digits of a number, also of one in Arabic-Indic digits.
pub(crate) fn digits(text: &str) -> String {
    let digit = |c: char| match c {
        '0'..='9' => Some(c),
        '\u{660}'..='\u{669}' => char::from_digit(u32::from(c) - 0x660, 10),
        _ => None,
    };
    text.chars().filter_map(digit).collect()
}

fn phone_losses(wanted: &Value, before: Option<&Held>, after: &Held, lose: &mut impl FnMut(String, String)) {
    let mut seen = BTreeSet::new();
    let mut wanted = entries(wanted, "phoneNumber", "phoneNumberType");
    wanted.retain(|(number, _)| seen.insert(digits(number)));
    let asked: Vec<String> = wanted.iter().map(|(number, _)| digits(number)).collect();
    let held: Vec<String> = after.phones.iter().map(|(number, _)| digits(number)).collect();
    list_losses("/phoneNumbers", &asked, &held, lose);
    for (place, (number, kind)) in wanted.iter().enumerate() {
        let of = |held: &Held| {
            let mut all = held.phones.iter();
            all.find(|(held, _)| digits(held) == digits(number)).map(|(_, kind)| kind.clone())
        };
        // Without a type: the held one stays, a new one may get any.
        let wanted = kind.map(str::to_owned).or_else(|| before.and_then(of));
        if let (Some(wanted), Some(held)) = (wanted, of(after))
            && wanted != held
        {
            let pointer = format!("/phoneNumbers/{place}/phoneNumberType");
            let asked = if kind.is_some() { "asked" } else { "held before, none asked:" };
            lose(pointer, format!("{asked} {wanted}, held {held}"));
        }
    }
}

/// Neither CRM takes addresses.
fn address_loss(wanted: &Value, before: Option<&Held>, lose: &mut impl FnMut(String, String)) {
    let wanted = wanted.as_array().map_or(&[][..], Vec::as_slice);
    let held = before.is_some_and(|before| before.has_address);
    let is_held = |address: &Value| held && address["street1"] == "1 Example Street";
    let blank = |address: &Value| word(&address["street1"]).trim().is_empty();
    let kept = if held { wanted.iter().any(is_held) } else { true };
    if !kept || wanted.iter().any(|address| !is_held(address) && !blank(address)) {
        lose("/addresses".to_owned(), "cannot be stored".to_owned());
    }
}

/// Stage and status say the same: the one that differs from what was held is meant. On a new contact `null` is absent.
fn stage_losses(remote: &Value, before: Option<&Held>, after: &Held, lose: &mut impl FnMut(String, String)) {
    let held = |key: &str| before.map(|before| stored(before, key));
    let named = ["status", "pipelineStage"].map(|key| (key, remote.get(key)));
    let differing = named.iter().filter(|(key, wanted)| {
        wanted.is_some_and(|wanted| {
            held(key) != Some(word(wanted)) && (before.is_some() || !word(wanted).is_empty())
        })
    });
    for (key, wanted) in differing {
        text_loss(&format!("remoteFields/{key}"), *wanted, stored(after, key), lose);
    }
}

fn remote_losses_at_aptly(remote: &Value, after: &Held, lose: &mut impl FnMut(String, String)) {
    for (key, name) in [("title", "title"), ("contactType", "contactType")] {
        text_loss(&format!("remoteFields/{name}"), remote.get(key), stored(after, key), lose);
    }
    let held = after.record.get("customFields").cloned().unwrap_or_default();
    for (id, wanted) in remote.get("customFields").and_then(Value::as_object).into_iter().flatten() {
        // Readings show each with its definition; writes take the value alone.
        let wanted = wanted.get("value").filter(|_| wanted.get("dataType").is_some()).unwrap_or(wanted);
        let empty = |value: &Value| value.is_null() || value == "";
        if *wanted != held[id] && !(empty(wanted) && empty(&held[id])) {
            lose(
                format!("/remoteFields/customFields/{id}"),
                format!("asked {wanted:.40}, held {:.40}", held[id]),
            );
        }
    }
}

/// Whether the contract lets the gateway refuse, or makes it fail.
fn may_refuse(case: &Case, seen: &Seen, losses: &[Loss]) -> bool {
    let (response, backend) = (&seen.response, case.backend);
    let sent_nothing = seen.sent.iter().all(|call| !call.applied.is_write());
    match response.status {
        422 if !sent_nothing => false,
        422 => refusable(case) || (!backend.native && is_beyond_legacy(case)),
        502 if response.code() == "upstream_did_not_apply" => {
            !losses.is_empty() && (!backend.native || is_overlooked(case))
        }
        // A list that was seen in part cannot be changed safely.
        502 if !backend.whole_rows => sent_nothing && changes_a_list(case),
        _ => false,
    }
}

/// Whether the body holds a list that no reading shows whole, and not as a reading shows it.
fn changes_a_list(case: &Case) -> bool {
    match case.write {
        Write::Patch | Write::Put => is_list(case.field),
        Write::UpsertHeld => true,
        Write::Create | Write::UpsertNew => false,
    }
}

/// An empty stage is overlooked by the CRM; only `null` takes a contact out of its stage.
const fn is_overlooked(case: &Case) -> bool {
    matches!(case.field, Field::Status | Field::PipelineStage)
        && matches!(case.kind, Kind::Empty | Kind::Blank)
}

const fn is_list(field: Field) -> bool {
    matches!(field, Field::EmailAddresses | Field::PhoneNumbers)
}

/// Several addresses, or two numbers of one type.
const fn is_beyond_legacy(case: &Case) -> bool {
    is_list(case.field) && !matches!(case.kind, Kind::Absent | Kind::Null | Kind::Empty | Kind::One)
}

fn refusable(case: &Case) -> bool {
    let Case { backend, field, kind, write } = case;
    let needs_name = write.is_new() || *write == Write::UpsertHeld;
    match (field, kind) {
        (_, Kind::OneTooMany)
        | (Field::EmailAddresses | Field::PhoneNumbers, Kind::Blank | Kind::Unicode)
        | (Field::Addresses, Kind::Blank)
        // Nothing that the CRM knows.
        | (Field::ContactType | Field::Status | Field::PipelineStage, Kind::Several | Kind::Blank)
        | (Field::Status, Kind::Null | Kind::Empty)
        | (Field::CustomFields, Kind::Null) => true,
        (Field::LastName, Kind::Absent | Kind::Null | Kind::Empty | Kind::Blank) => needs_name,
        (Field::PhoneNumbers, Kind::Absent) => write.is_new() && !backend.is_aptly(),
        (Field::PhoneNumbers, Kind::Null | Kind::Empty) => !backend.is_aptly(),
        // Whom an upsert means is told by an address there.
        (Field::EmailAddresses, Kind::Absent | Kind::Null | Kind::Empty) => {
            *write == Write::UpsertNew && backend.is_aptly()
        }
        // A text of another JSON type.
        (field, Kind::Untyped) => {
            !matches!(field, Field::Addresses | Field::EmailAddresses | Field::PhoneNumbers)
        }
        // A type in another spelling is known only where the CRM resolves it.
        (Field::ContactType, Kind::Unicode) => backend.name != "aptly-resolves",
        (field, Kind::Blank) => field.is_text(),
        _ => false,
    }
}

/// The CRM's own fields that a unified field is stored in.
fn stored_in(case: &Case) -> &'static [&'static str] {
    match (case.field, case.backend.is_aptly()) {
        (Field::FirstName, true) => &["firstname"],
        (Field::LastName, true) => &["lastname"],
        (Field::Account, true) => &["company"],
        (Field::EmailAddresses, _) => &["email"],
        (Field::PhoneNumbers, true) => &["phone"],
        (Field::Title, _) => &["title"],
        (Field::ContactType, _) => &["contactType"],
        (Field::CustomFields, _) => &["customFields", "contactType"],
        (Field::FirstName, false) => &["firstName"],
        (Field::LastName, false) => &["lastName"],
        (Field::PhoneNumbers, false) => &["phoneNumber"],
        (Field::Status | Field::PipelineStage, _) => &["status", "pipelineStage", "pipelineId"],
        (Field::Account, false) | (Field::Addresses, _) => &[],
    }
}

/// What changed without being asked for.
fn unasked(case: &Case, seen: &Seen, after: &Held) -> Vec<String> {
    let mut found = Vec::new();
    let Some(before) = &seen.before else {
        let empty = |key: &str, asked: bool| {
            (!asked && !stored(after, key).is_empty()).then(|| format!("{key} is held, though nobody asked"))
        };
        found.extend(empty("company", seen.body["account"].is_string()));
        found.extend(empty("title", seen.body["remoteFields"]["title"].is_string()));
        return found;
    };
    let changed = after.changed_since(before);
    found.extend(
        changed
            .iter()
            .filter(|key| !stored_in(case).contains(&key.as_str()))
            .map(|key| format!("{key} changed")),
    );
    for key in ["email", "phone"] {
        let in_part = !case.backend.whole_rows && before.entries(key).len() > 1;
        if in_part && before.entries(key) != after.entries(key) {
            found.push(format!("{key}: a list is replaced of which no reading shows more than one entry"));
        }
    }
    for key in ["phoneNumber", "email"] {
        let attributes = ["verifiedAt", "verifiedBy", "verificationSource"];
        for entry in before.entries(key) {
            let now = after.entries(key).into_iter().find(|now| now["value"] == entry["value"]);
            let lost = now.is_some_and(|now| attributes.iter().any(|name| now[*name] != entry[*name]));
            if lost {
                found.push(format!("{key}: the verification of an entry that stays is lost"));
            }
        }
    }
    // What no reading shows is sent.
    let visible =
        case.kind == Kind::Absent || is_visible(case.backend, before, &format!("/{}", case.field.name()));
    if matches!(case.kind, Kind::Same | Kind::Absent) && visible && !seen.sent.is_empty() {
        let keys: Vec<_> =
            seen.sent.iter().map(|call| format!("{} {:.60}", call.method, call.body)).collect();
        found.push(format!("a write though nothing differs: {keys:?}"));
    }
    found
}

/// Whether a warning speaks of something that is fine.
fn is_false(case: &Case, seen: &Seen, after: &Held, losses: &[Loss], code: &str, pointer: &str) -> bool {
    if NEVER.contains(&code) {
        return true;
    }
    // The CRM gives a new contact a stage, and takes blanks for no type: told rightly.
    let chosen = matches!(case.field, Field::Status | Field::PipelineStage | Field::ContactType);
    if chosen
        && matches!(case.kind, Kind::Empty | Kind::Blank)
        && touch(pointer, &format!("/{}", case.field.name()))
    {
        return false;
    }
    let lost = losses.iter().any(|loss| touch(&loss.pointer, pointer));
    match code {
        // A duplicate is stored once.
        "not_stored"
            if case.kind == Kind::Duplicates && touch(pointer, &format!("/{}", case.field.name())) =>
        {
            false
        }
        "not_stored" | "order_changed" => !lost,
        // Spelled otherwise than asked.
        "changed_by_upstream" => !lost && !respelled(seen, after, pointer),
        "phone_not_parsed" => case.kind != Kind::Unicode,
        "not_verified" => !lost && is_visible(case.backend, after, pointer),
        "incomplete" => is_shown_whole(case.backend, seen, after, pointer),
        _ => false,
    }
}

/// Whether the body's text at `pointer` is not the text that is held.
fn respelled(seen: &Seen, after: &Held, pointer: &str) -> bool {
    let spelled = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Object(entry) => ["emailAddress", "phoneNumber"]
            .iter()
            .find_map(|key| entry.get(*key))
            .map(word)
            .unwrap_or_default()
            .to_owned(),
        _ => String::new(),
    };
    let Some(text) = seen.body.pointer(pointer).map(spelled).filter(|text| !text.is_empty()) else {
        return false;
    };
    let record = Value::Object(after.record.clone()).to_string();
    !record.contains(&Value::from(text).to_string())
}

/// Whether some reading shows the place whole.
fn is_visible(backend: &Backend, after: &Held, pointer: &str) -> bool {
    let has_row = !backend.is_aptly() || !after.emails.is_empty();
    match pointer.split('/').nth(1).unwrap_or_default() {
        "account" => backend.shows_account,
        "emailAddresses" | "phoneNumbers" => !backend.is_aptly() || (backend.whole_rows && has_row),
        "remoteFields" => {
            let hidden = ["customFields", "contactType", "imageUrl"].iter().any(|key| pointer.contains(key));
            !hidden || (backend.whole_rows && has_row)
        }
        "firstName" | "lastName" => true,
        _ => false,
    }
}

/// Whether a field that is called incomplete is in the response just as it is held.
fn is_shown_whole(backend: &Backend, seen: &Seen, after: &Held, pointer: &str) -> bool {
    let contact = seen.response.contact();
    let name = pointer.trim_start_matches('/');
    match name {
        "firstName" | "lastName" | "account" => contact.get(name).is_some(),
        "emailAddresses" | "phoneNumbers" => {
            is_visible(backend, after, pointer) && contact.get(name).is_some()
        }
        _ => false,
    }
}

/// What the response shows otherwise than it is held.
fn wrong_response(response: &Response, after: &Held) -> Vec<String> {
    let contact = response.contact();
    let incomplete: Vec<&str> =
        response.warnings().iter().filter(|(code, _)| *code == "incomplete").map(|(_, at)| *at).collect();
    let mut wrong = Vec::new();
    let texts =
        [("firstName", &after.first_name), ("lastName", &after.last_name), ("account", &after.account)];
    for name in texts.iter().map(|(name, _)| *name).chain(["emailAddresses", "phoneNumbers", "addresses"]) {
        if contact.get(name).is_none() && !incomplete.iter().any(|at| touch(at, &format!("/{name}"))) {
            wrong.push(format!("{name} is left out without a warning"));
        }
    }
    for (name, held) in texts {
        let shown = contact.get(name).map(word);
        if shown.is_some_and(|shown| {
            shown.nfc().collect::<String>().trim() != held.nfc().collect::<String>().trim()
        }) {
            wrong.push(format!("{name} is shown as {:.40?}, held {held:.40?}", shown.unwrap_or_default()));
        }
    }
    for (name, key, kind, held) in [
        ("emailAddresses", "emailAddress", "emailAddressType", &after.emails),
        ("phoneNumbers", "phoneNumber", "phoneNumberType", &after.phones),
    ] {
        let Some(shown) = contact.get(name) else { continue };
        let canonical = |text: &str| if key == "phoneNumber" { digits(text) } else { text.to_lowercase() };
        let shown: Vec<_> = entries(shown, key, kind)
            .iter()
            .map(|(text, kind)| (canonical(text), kind.unwrap_or_default().to_owned()))
            .collect();
        let held: Vec<_> = held.iter().map(|(text, kind)| (canonical(text), kind.clone())).collect();
        let partial = incomplete.iter().any(|at| touch(at, &format!("/{name}")));
        let shows_part = shown.iter().all(|(text, _)| held.iter().any(|(held, _)| held == text));
        if shown != held && !(partial && shows_part) {
            let order = if shown.len() == held.len() && shows_part { "in another order or type" } else { "" };
            wrong.push(format!("{name}: {} shown, {} held {order}", shown.len(), held.len()));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::backends::Provider;
    use crate::cases;
    use crate::held::rich;

    /// Ada's first name is changed to Grace at Aptly; `change` says what goes wrong.
    fn found(change: impl FnOnce(&mut Seen)) -> Vec<Class> {
        let all = cases::all();
        let case = all.iter().find(|case| case.name() == "aptly-v3/firstName/one/patch").unwrap();
        let before = rich(Provider::Aptly);
        let mut after = before.clone();
        after["firstname"] = json!("Grace");
        let contact = json!({ "firstName": "Grace", "lastName": "Byron", "account": "Engines", "addresses": [],
            "emailAddresses": [{ "emailAddress": "ada0@example.com", "emailAddressType": "main" },
                { "emailAddress": "ada1@example.com", "emailAddressType": "secondary" }],
            "phoneNumbers": [{ "phoneNumber": "+14165550200", "phoneNumberType": "work" },
                { "phoneNumber": "+14165550201", "phoneNumberType": "mobile" }] });
        let mut seen = Seen {
            body: json!({ "firstName": "Grace" }),
            before: Some(Held::of(Provider::Aptly, &before)),
            after: Some(Held::of(Provider::Aptly, &after)),
            sent: Vec::new(),
            response: Response { status: 200, body: json!({ "contact": contact, "warnings": [] }) },
        };
        change(&mut seen);
        judge(case, &seen).into_iter().map(|finding| finding.class).collect()
    }

    #[test]
    fn each_class_of_fault_is_found_and_nothing_where_all_is_well() {
        let warned = |code: &str| json!([{ "code": code, "pointer": "/firstName" }]);
        assert_eq!(found(|_| {}), []);
        assert_eq!(
            found(|seen| seen.response.body["warnings"] = warned("not_stored")),
            [Class::FalseWarning]
        );
        assert_eq!(found(|seen| seen.response.status = 502), [Class::FalseFailure]);
        assert_eq!(
            found(|seen| drop(seen.after.as_mut().unwrap().record.insert("title".to_owned(), json!("x")))),
            [Class::UnaskedChange]
        );
        assert_eq!(
            found(|seen| seen.response.body["contact"]["firstName"] = json!("Ada")),
            [Class::WrongResponse]
        );
        let lost = |seen: &mut Seen| {
            seen.after.clone_from(&seen.before);
            seen.response.body["contact"]["firstName"] = json!("Ada");
        };
        assert_eq!(found(lost), [Class::SilentLoss]);
        let told = |seen: &mut Seen| {
            lost(seen);
            seen.response.body["warnings"] = warned("not_stored");
        };
        assert_eq!(found(told), [], "what is told is not lost in silence");
    }
}
