//! A stored contact in Aptly's responses: rows of lists, creates and single reads use different keys.

use serde_json::{Value, json};

use super::records::AptlyRecord;
use super::{AptlyOptions, fields};

/// A row of a list; the same in both versions.
pub(super) fn row(record: &AptlyRecord) -> Value {
    json!({
        "_id": show(record, "_id"),
        "firstname": show(record, "firstname"),
        "lastname": show(record, "lastname"),
        "fullname": full_name(record),
        "contactType": record.get("contactType").unwrap_or(&Value::Null),
        "email": list(record, "email"),
        "phone": list(record, "phone"),
        "createdAt": whole_seconds(record, "createdAt"),
        "updatedAt": whole_seconds(record, "updatedAt"),
        "customFields": fields::enriched(record),
    })
}

/// The response of v2 to a create (or an update that it treats as one).
pub(super) fn created(record: &AptlyRecord, company_id: &str) -> Value {
    json!({
        "_id": show(record, "_id"),
        "First Name": show(record, "firstname"),
        "Last Name": show(record, "lastname"),
        "Full Name": full_name(record),
        "Contact Type": show(record, "contactType"),
        "Title": show(record, "title"),
        "Company": show(record, "company"),
        "Email": list(record, "email"),
        "Phone": list(record, "phone"),
        "companyId": company_id,
        "imageUrl": thumbnail(record),
        "customFields": fields::enriched(record),
    })
}

/// A single read: e-mail and phone as one text each, no times, no name of the type.
pub(super) fn alone(record: &AptlyRecord, options: &AptlyOptions) -> Value {
    let first_email = record.get("email").and_then(|all| all.get(0)).unwrap_or(&Value::Null);
    let first_phone = record.get("phone").and_then(|all| all.get(0)).and_then(|one| one.get("number"));
    let is_company = record.get("isCompany").and_then(Value::as_bool).unwrap_or(false);
    let mut shown = json!({
        "_id": show(record, "_id"),
        "uuid": record.get("uuid").unwrap_or(&Value::Null),
        "firstname": show(record, "firstname"),
        "lastname": show(record, "lastname"),
        "fullName": full_name(record),
        "typeId": fields::of(record).map(|kind| kind.id),
        "email": first_email.as_str().unwrap_or_default(),
        "phone": first_phone.and_then(Value::as_str).unwrap_or_default(),
        "title": show(record, "title"),
        "company": show(record, "company"),
        "isCompany": is_company,
        "companyId": options.company_id,
        "imageUrl": thumbnail(record),
        "photoId": thumbnail(record).map(|_| format!("photo-{}", text(record, "_id"))),
        "address": record.get("address").cloned().unwrap_or_else(|| json!({})),
        "customFields": fields::enriched(record),
        "duogram": initials(record),
        "alerts": record.get("alerts").cloned().unwrap_or_else(|| json!([])),
    });
    if let (Value::Object(shown), false) = (&mut shown, is_company || options.company_of_people) {
        shown.shift_remove("company");
    }
    shown
}

pub(super) fn full_name(record: &AptlyRecord) -> String {
    let name = format!("{} {}", text(record, "firstname"), text(record, "lastname")).trim().to_owned();
    let others = [text(record, "fullname"), text(record, "company")];
    if name.is_empty() {
        others.into_iter().find(|text| !text.is_empty()).unwrap_or_default().to_owned()
    } else {
        name
    }
}

pub(super) fn text<'a>(record: &'a AptlyRecord, key: &str) -> &'a str {
    record.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A time in a response, without the fraction that is used for sorting.
pub(super) fn whole_seconds(record: &AptlyRecord, key: &str) -> Option<String> {
    text(record, key).get(..19).map(|seconds| format!("{seconds}Z"))
}

fn show(record: &AptlyRecord, key: &str) -> Value {
    record.get(key).filter(|value| !value.is_null()).cloned().unwrap_or_else(|| Value::from(""))
}

fn list(record: &AptlyRecord, key: &str) -> Value {
    record.get(key).filter(|value| value.is_array()).cloned().unwrap_or_else(|| json!([]))
}

/// Never the URL that was written.
fn thumbnail(record: &AptlyRecord) -> Option<String> {
    let has_image = !text(record, "imageUrl").is_empty();
    has_image.then(|| format!("https://cdn.getaptly.com/photos/{}.jpg", text(record, "_id")))
}

fn initials(record: &AptlyRecord) -> String {
    let first = |key| text(record, key).chars().next();
    first("firstname").into_iter().chain(first("lastname")).flat_map(char::to_uppercase).collect()
}
