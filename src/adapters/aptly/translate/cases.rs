//! Cases of writes to Aptly: what is sent of a change, in which keys, and what fails or gets a warning.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{AptlyChange, Definitions, Format, Single, decode_single, defaults, ignored_native, is_v3};
use crate::domain::{
    Contact, ContactPatch, EmailAddress, FaultLocation, Patch, PhoneNumber, RawJson, ReadOnlyMember, Region,
    RemoteFields, RemoteId, Result, Text, WarningCode,
};

fn read(record: Value) -> Contact {
    let mut record = record;
    record["_id"] = json!("abc123");
    decode_single(&record.to_string().into(), &RemoteId::from("abc123")).unwrap()
}

/// A contact of which a read shows everything.
fn person(fields: &Value) -> Contact {
    let mut record = json!({ "firstname": "Ada", "lastname": "Byron", "company": "", "email": ["ada@example.com"],
        "phone": [], "address": null, "createdAt": "2024-01-15T10:00:00Z", "updatedAt": "2024-01-15T10:00:00Z" });
    record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    read(record)
}

fn phones(entries: &[(&str, &str)]) -> Patch<Vec<PhoneNumber>> {
    let kind = |kind: &str| (!kind.is_empty()).then(|| Text::from(kind));
    Patch::Set(
        entries
            .iter()
            .map(|(number, word)| PhoneNumber { number: (*number).into(), kind: kind(word) })
            .collect(),
    )
}

fn emails(entries: &[(&str, &str)]) -> Patch<Vec<EmailAddress>> {
    let kind = |kind: &str| (!kind.is_empty()).then(|| Text::from(kind));
    Patch::Set(
        entries
            .iter()
            .map(|(address, word)| EmailAddress { address: (*address).into(), kind: kind(word) })
            .collect(),
    )
}

fn remote(fields: &Value) -> RemoteFields {
    let fields = fields.as_object().unwrap().clone();
    RemoteFields(
        fields
            .into_iter()
            .map(|(name, value)| (name.into(), RawJson::from_validated(value.to_string().into())))
            .collect(),
    )
}

type Encoded = (Value, Vec<(WarningCode, String)>);

fn encoded(held: &Contact, patch: &ContactPatch, format: Format) -> Result<Encoded> {
    let change = AptlyChange::of_patch(held, patch, &Definitions::of(Some(held)), Region::default())?;
    let (body, _, losses) = change.encode(format)?;
    let losses = losses.into_iter().map(|loss| (loss.code, loss.pointer)).collect();
    Ok((serde_json::from_str(&body).unwrap(), losses))
}

fn refused(held: &Contact, patch: &ContactPatch, format: Format) -> Vec<(String, &'static str)> {
    let failure = encoded(held, patch, format).unwrap_err();
    let faults = failure.faults.iter().map(|fault| match &fault.place {
        FaultLocation::Pointer(pointer) => (pointer.clone(), fault.code),
        FaultLocation::Parameter(name) => panic!("{name}"),
    });
    faults.collect()
}

fn with_phones(entries: &[(&str, &str)]) -> ContactPatch {
    ContactPatch { phone_numbers: phones(entries), ..ContactPatch::default() }
}

fn with_emails(entries: &[(&str, &str)]) -> ContactPatch {
    ContactPatch { email_addresses: emails(entries), ..ContactPatch::default() }
}

fn with_fields(fields: &Value) -> ContactPatch {
    ContactPatch { remote_fields: remote(fields), ..ContactPatch::default() }
}

const A: &str = "+14165550171";
const B: &str = "+14165550172";
const C: &str = "+14165550173";

fn holding(entries: &[(&str, &str)]) -> Contact {
    let entries: Vec<Value> =
        entries.iter().map(|(number, kind)| json!({ "number": number, "type": kind })).collect();
    person(&json!({ "phone": entries }))
}

#[test]
fn a_held_number_keeps_its_type_where_the_caller_sends_none() {
    let held = holding(&[(A, "work")]);
    for (format, body) in [
        (
            Format::Native,
            json!({ "phone": [{ "number": A, "type": "work" }, { "number": B, "type": "mobile" }] }),
        ),
        (Format::Auto, json!({ "Work Phone": A, "Mobile Phone": B })),
    ] {
        assert_eq!(encoded(&held, &with_phones(&[(A, ""), (B, "")]), format).unwrap(), (body, vec![]));
    }
    // In another spelling too. An unchanged list is no change.
    let spelled = holding(&[("+1 416 555 0171", "home")]);
    let (body, losses) =
        encoded(&spelled, &with_phones(&[("+1 (416) 555-0171", "")]), Format::Native).unwrap();
    assert_eq!((body["phone"][0]["type"].as_str(), losses), (Some("home"), vec![]));
    assert_eq!(encoded(&held, &with_phones(&[(A, "")]), Format::Native).unwrap(), (json!({}), vec![]));
}

#[test]
fn a_type_that_native_keys_cannot_say_is_told() {
    let held = holding(&[(A, "fax")]);
    let (body, losses) = encoded(&held, &with_phones(&[(A, ""), (B, "home")]), Format::Native).unwrap();
    assert_eq!(body["phone"][0]["type"], "mobile");
    assert_eq!(losses, [(WarningCode::NotStored, "/phoneNumbers/0/phoneNumberType".to_owned())]);
}

#[test]
fn the_main_address_stays_the_first_unless_another_is_called_main() {
    let held = person(&json!({ "email": ["a@example.com", "b@example.com"] }));
    let [a, b, c] = ["a@example.com", "b@example.com", "c@example.com"];
    let order = || vec![(WarningCode::OrderChanged, "/emailAddresses".to_owned())];
    for (sent, stored, losses) in [
        (vec![(a, ""), (c, "")], vec![a, c], vec![]),
        (vec![(c, ""), (a, "")], vec![a, c], order()),
        (vec![(c, "main"), (a, "")], vec![c, a], vec![]),
        (vec![(a, ""), (c, "main"), (b, "")], vec![c, a, b], vec![]),
        // The caller did not call it secondary.
        (vec![(b, "")], vec![b], vec![]),
    ] {
        let actual = encoded(&held, &with_emails(&sent), Format::Native).unwrap();
        assert_eq!(actual, (json!({ "email": stored }), losses), "{sent:?}");
    }
    assert_eq!(
        encoded(&held, &with_emails(&[(b, ""), (a, "")]), Format::Native).unwrap(),
        (json!({}), order())
    );
    assert_eq!(
        encoded(&held, &with_emails(&[(a, ""), (b, "")]), Format::Native).unwrap(),
        (json!({}), vec![])
    );
}

#[test]
fn legacy_keys_lose_the_order_of_numbers_and_native_ones_keep_it() {
    let changed = vec![(WarningCode::OrderChanged, "/phoneNumbers".to_owned())];
    let nobody = holding(&[]);
    let both = holding(&[(A, "work"), (B, "mobile")]);
    for (held, sent, is_kept) in [
        (&nobody, vec![(A, "work"), (B, "mobile")], false),
        (&nobody, vec![(A, "mobile"), (B, "home"), (C, "work")], true),
        (&nobody, vec![(A, "work")], true),
        (&both, vec![(A, "work"), (B, "mobile"), (C, "home")], true),
        (&both, vec![(C, "home"), (A, "work"), (B, "mobile")], false),
        (&both, vec![(B, "mobile"), (A, "work")], false),
        (&both, vec![(C, "mobile")], true),
    ] {
        for format in [Format::Auto, Format::Legacy] {
            let (_, losses) = encoded(held, &with_phones(&sent), format).unwrap();
            assert_eq!(losses, if is_kept { vec![] } else { changed.clone() }, "{sent:?}");
        }
        let (body, losses) = encoded(held, &with_phones(&sent), Format::Native).unwrap();
        let order: Vec<_> =
            body["phone"].as_array().unwrap().iter().map(|phone| phone["number"].as_str().unwrap()).collect();
        assert_eq!((order, losses), (sent.iter().map(|(number, _)| *number).collect(), vec![]));
    }
}

#[test]
fn a_legacy_write_never_damages_what_is_held() {
    let numbers = [("/phoneNumbers".to_owned(), "unsupported")];
    for held in [holding(&[(A, "mobile"), (B, "fax")]), holding(&[(A, "mobile"), (B, "mobile")])] {
        let patch = with_phones(&[(A, ""), (C, "home")]);
        assert_eq!(refused(&held, &patch, Format::Legacy), numbers);
        assert!(encoded(&held, &patch, Format::Auto).unwrap().0.get("phone").is_some());
        let name = ContactPatch { first_name: Patch::Set("Augusta".into()), ..ContactPatch::default() };
        assert_eq!(encoded(&held, &name, Format::Legacy).unwrap().0, json!({ "First Name": "Augusta" }));
    }
    // Of two numbers of one type, the held one would be lost.
    let held = holding(&[(A, "mobile")]);
    let at = [("/phoneNumbers/1".to_owned(), "unsupported")];
    assert_eq!(refused(&held, &with_phones(&[(B, "mobile"), (A, "mobile")]), Format::Legacy), at);
    let (body, losses) =
        encoded(&held, &with_phones(&[(A, "mobile"), (B, "mobile")]), Format::Legacy).unwrap();
    assert_eq!(
        (body, losses),
        (json!({ "Mobile Phone": A }), vec![(WarningCode::NotStored, "/phoneNumbers/1".to_owned())])
    );
    let held = person(&json!({ "email": ["a@example.com", "b@example.com"] }));
    let patch = with_emails(&[("a@example.com", ""), ("b@example.com", ""), ("c@example.com", "")]);
    assert_eq!(refused(&held, &patch, Format::Legacy), [("/emailAddresses/1".to_owned(), "unsupported")]);
    assert_eq!(
        encoded(&held, &with_emails(&[("c@example.com", "")]), Format::Legacy).unwrap().0,
        json!({ "Email": "c@example.com" })
    );
}

#[test]
fn halves_of_a_full_name_are_written_together() {
    let derived = read(json!({ "fullname": "Jane van Smith", "email": [], "phone": [] }));
    let names = |first: Patch<Text>, last: Patch<Text>| ContactPatch {
        first_name: first,
        last_name: last,
        ..ContactPatch::default()
    };
    let set = |text: &str| Patch::Set(Text::from(text));
    for (patch, body) in [
        (names(set("Janet"), Patch::Keep), json!({ "firstname": "Janet", "lastname": "van Smith" })),
        (names(Patch::Keep, set("Miller")), json!({ "firstname": "Jane", "lastname": "Miller" })),
        (names(Patch::Clear, Patch::Keep), json!({ "firstname": "", "lastname": "van Smith" })),
        (names(set("Jane"), set("van Smith")), json!({})),
        (names(set("Jane"), set("Miller")), json!({ "firstname": "Jane", "lastname": "Miller" })),
        (names(Patch::Keep, Patch::Keep), json!({})),
    ] {
        assert_eq!(encoded(&derived, &patch, Format::Native).unwrap().0, body);
    }
    let company = read(json!({ "fullname": "Acme van Smith", "isCompany": true }));
    assert_eq!(
        encoded(&company, &names(set("Janet"), Patch::Keep), Format::Native).unwrap().0,
        json!({ "firstname": "Janet" })
    );
    let parts = read(json!({ "firstname": "Jane", "lastname": "van Smith", "fullname": "Jane van Smith" }));
    assert_eq!(
        encoded(&parts, &names(set("Janet"), Patch::Keep), Format::Native).unwrap().0,
        json!({ "firstname": "Janet" })
    );
}

#[test]
fn of_type_id_and_contact_type_one_is_sent() {
    let held = person(&json!({ "typeId": "t1", "contactType": "Tenant" }));
    for (sent, body) in [
        (json!({ "typeId": "t1", "contactType": "Owner" }), json!({ "contactType": "Owner" })),
        (json!({ "typeId": "t2", "contactType": "Tenant" }), json!({ "typeId": "t2" })),
        (json!({ "typeId": "t2", "Contact Type": "Tenant" }), json!({ "typeId": "t2" })),
        (json!({ "typeId": "t1", "contactType": "Tenant" }), json!({})),
        (json!({ "contactType": "Owner" }), json!({ "contactType": "Owner" })),
    ] {
        assert_eq!(encoded(&held, &with_fields(&sent), Format::Native).unwrap(), (body, vec![]));
    }
    let both = [
        ("/remoteFields/typeId".to_owned(), "conflict"),
        ("/remoteFields/contactType".to_owned(), "conflict"),
    ];
    let patch = with_fields(&json!({ "typeId": "t2", "contactType": "Owner" }));
    assert_eq!(refused(&held, &patch, Format::Native), both);
    assert_eq!(refused(&Contact::bare(RemoteId::from("")), &patch, Format::Native), both);
}

#[test]
fn the_old_type_of_a_contact_that_comes_back_whole_is_not_written() {
    let held =
        person(&json!({ "typeId": "t2", "contactType": "Owner", "updatedAt": "2024-01-16T10:00:00Z" }));
    let read_at = |time: &str| {
        let value = RawJson::from_validated(format!("\"{time}\"").into());
        let read_only = vec![ReadOnlyMember { name: "remoteUpdatedAt", value }];
        ContactPatch { read_only, ..with_fields(&json!({ "typeId": "t1", "contactType": "Owner" })) }
    };
    let (body, losses) = encoded(&held, &read_at("2024-01-15T10:00:00.000Z"), Format::Native).unwrap();
    assert_eq!((body, losses), (json!({}), vec![(WarningCode::ReadOnly, "/remoteFields/typeId".to_owned())]));
    let (body, losses) = encoded(&held, &read_at("2024-01-16T10:00:00.000Z"), Format::Native).unwrap();
    assert_eq!((body, losses), (json!({ "typeId": "t1" }), vec![]));
}

#[test]
fn what_a_reading_does_not_show_is_sent() {
    let held = read(json!({}));
    let patch = ContactPatch {
        first_name: Patch::Clear,
        last_name: Patch::Set(" ".into()),
        account: Patch::Clear,
        email_addresses: Patch::Clear,
        phone_numbers: Patch::Set(Vec::new()),
        remote_fields: remote(&json!({ "title": null })),
        ..ContactPatch::default()
    };
    let cleared =
        json!({ "firstname": "", "lastname": "", "title": "", "company": "", "email": [], "phone": [] });
    assert_eq!(encoded(&held, &patch, Format::Native).unwrap(), (cleared, vec![]));
    let empty = person(&json!({ "firstname": "", "lastname": "", "email": [], "title": null }));
    assert_eq!(encoded(&empty, &patch, Format::Native).unwrap(), (json!({}), vec![]));
}

#[test]
fn a_list_that_was_shown_in_part_is_no_change_where_it_equals_that_part() {
    let held = read(json!({ "email": "a@example.com", "phone": "4165550171" }));
    let shown = ContactPatch {
        email_addresses: emails(&[("a@example.com", "main")]),
        ..with_phones(&[("4165550171", "")])
    };
    assert_eq!(encoded(&held, &shown, Format::Native).unwrap(), (json!({}), vec![]));
}

#[test]
fn a_label_that_looks_like_an_id_is_asked_for_before_it_counts_as_one() {
    let sent = remote(&json!({ "customFields": { "ApplicationStatus": "open" } }));
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<HashSet<String>>();
    assert!(Definitions::default().needed_for(&sent, &ids(&["gR7tYu2WqXz5CvBn3"])));
    assert!(!Definitions::default().needed_for(&sent, &ids(&["ApplicationStatus"])));
    let known = person(
        &json!({ "customFields": { "gR7tYu2WqXz5CvBn3": { "name": "ApplicationStatus", "dataType": "text", "value": null } } }),
    );
    let definitions = Definitions::of(Some(&known));
    assert!(!definitions.needed_for(&sent, &ids(&[])));
    let patch = ContactPatch { remote_fields: sent, ..ContactPatch::default() };
    let body = encoded(&known, &patch, Format::Native).unwrap().0;
    assert_eq!(body, json!({ "customFields": { "gR7tYu2WqXz5CvBn3": "open" } }));
    let body = encoded(&person(&json!({})), &patch, Format::Native).unwrap().0;
    assert_eq!(body, json!({ "customFields": { "ApplicationStatus": "open" } }), "unknown, it may be an id");
}

#[test]
fn only_custom_fields_that_differ_are_counted() {
    let fields: serde_json::Map<String, Value> = (0..300)
        .map(|n| (format!("field{n}"), json!({ "name": format!("F {n}"), "dataType": "text", "value": "x" })))
        .collect();
    let held = person(&json!({ "customFields": fields }));
    let mut sent = fields;
    sent["field7"]["value"] = json!("y");
    let changed = with_fields(&json!({ "customFields": sent }));
    assert_eq!(
        encoded(&held, &changed, Format::Native).unwrap().0,
        json!({ "customFields": { "field7": "y" } })
    );
    for n in 0..201 {
        sent[&format!("field{n}")]["value"] = json!("z");
    }
    let too_many = [("/remoteFields/customFields".to_owned(), "too_many")];
    assert_eq!(refused(&held, &with_fields(&json!({ "customFields": sent })), Format::Native), too_many);
}

#[test]
fn defaults_of_a_create_are_checked_like_what_a_create_sends() {
    let check = |fields: Value, format| {
        let setting = RawJson::from_validated(fields.to_string().into());
        defaults(Some(&setting), format).map_err(|failure| {
            failure.faults.iter().map(|fault| format!("{:?}", fault.place)).collect::<Vec<_>>()
        })
    };
    for (fields, format, at) in [
        (json!({ "typeId": "t1", "contactType": "Owner" }), Format::Auto, vec!["typeId", "contactType"]),
        (json!({ "typeId": "t1" }), Format::Legacy, vec!["typeId"]),
        (json!({ "customFields": [1] }), Format::Auto, vec!["customFields"]),
        (json!({ "isCompany": "yes" }), Format::Auto, vec!["isCompany"]),
    ] {
        let at: Vec<String> =
            at.iter().map(|name| format!("Pointer(\"/settings/createDefaults/{name}\")")).collect();
        assert_eq!(check(fields, format).unwrap_err(), at);
    }
    assert!(
        check(
            json!({ "isCompany": null, "customFields": { "Role": "x" }, "contactType": "Owner" }),
            Format::Auto
        )
        .is_ok()
    );
}

#[test]
fn a_row_is_searched_for_by_the_texts_that_the_single_read_shows() {
    let searches = |record: Value| {
        let mut record = record;
        record["_id"] = json!("abc123");
        let single =
            Single::decode(&json!({ "data": [record] }).to_string().into(), &RemoteId::from("abc123"))
                .unwrap();
        single.searches
    };
    let by = |parameter: &'static str, text: &str| (parameter, text.to_owned());
    let found = searches(
        json!({ "firstname": "Ada", "lastname": " Byron", "email": "ada@example.com ", "phone": "+49 (0)30 123-45" }),
    );
    let expected = [
        by("email", "ada@example.com "),
        by("email", "ada@example.com"),
        by("phone", "4903012345"),
        by("name", "Ada  Byron"),
    ];
    assert_eq!(found, expected);
    let found =
        searches(json!({ "fullname": "Ada Byron", "email": "a@example.com, b@example.com,c@example.com" }));
    let expected = [
        by("email", "a@example.com, b@example.com,c@example.com"),
        by("email", "a@example.com"),
        by("email", "b@example.com"),
        by("name", "Ada Byron"),
    ];
    assert_eq!(found, expected);
    assert_eq!(searches(json!({ "email": "ada@example.com" })), [by("email", "ada@example.com")]);
    assert_eq!(
        searches(json!({ "email": [" "], "phone": [{ "type": "work" }], "Mobile Phone": 4_165_550_171_u64 })),
        [by("phone", "4165550171")]
    );
}

#[test]
fn version_3_is_told_by_the_answer_about_the_key() {
    for (answer, expected) in [
        (r#"{"type":"apiKey","companyId":"c1","companyName":null}"#, true),
        (r#"{"companyId":"c1"}"#, false),
        (r#"{"type":null,"companyId":"c1"}"#, false),
        ("[]", false),
    ] {
        assert_eq!(is_v3(answer), expected, "{answer}");
    }
    let sent =
        ContactPatch { last_name: Patch::Set("Byron".into()), ..with_emails(&[("a@example.com", "")]) };
    let nothing = person(&json!({ "firstname": "", "lastname": "", "email": [] }));
    for (body, shown, ignored) in [
        (r#"{"lastname":"Byron"}"#, &nothing, true),
        (r#"{"Last Name":"Byron"}"#, &nothing, false),
        (r#"{"lastname":"Byron"}"#, &person(&json!({ "firstname": "", "lastname": "" })), false),
        (r#"{"lastname":"Byron"}"#, &person(&json!({ "email": [] })), false),
    ] {
        assert_eq!(ignored_native(Some(body), &sent, shown), ignored, "{body}");
    }
}
