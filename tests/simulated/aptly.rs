//! Aptly's simulator against its documentation.

use contacts_gateway::simulators::aptly::{
    AptlyOptions, AptlySimulator, ByEmail, Dialect, Lists, Me, RowShape, UnknownRead, UnknownWrite,
    UpdateBounds,
};
use contacts_gateway::simulators::{Clock, Running, WriteEffect};
use serde_json::{Value, json};

use super::reply::{call, call_as, get, post};

async fn start(options: AptlyOptions) -> Running {
    AptlySimulator::start(options).await.unwrap()
}

fn custom(named: &Value, role: &Value) -> Value {
    json!({
        "DbJT6rMdnuds7vSbP": { "name": "Named On Lease", "dataType": "boolean-checkbox", "optional": true, "value": named },
        "5D8LYiyMt54aKD7x9": { "name": "Occupant Role", "dataType": "text", "optional": true, "value": role },
    })
}

/// The contact of the documentation's examples, as it must have been before them.
fn jane() -> Value {
    json!({
        "_id": "abc123", "firstname": "Jane", "lastname": "Smith", "contactType": "Tenant",
        "title": "Property Manager", "email": ["jane@example.com"],
        "phone": [{ "number": "+14155551234", "type": "mobile" }],
        "imageUrl": "https://images.example.com/jane.png",
        "createdAt": "2024-01-15T10:00:00Z", "updatedAt": "2024-06-01T09:30:00Z",
    })
}

fn documented_request() -> Value {
    json!({
        "First Name": "Jane", "Last Name": "Smith", "Contact Type": "Tenant", "Email": "jane@example.com",
        "Mobile Phone": "+14155551234",
        "customFields": { "DbJT6rMdnuds7vSbP": true, "5D8LYiyMt54aKD7x9": "Primary Tenant" },
    })
}

#[tokio::test]
async fn the_documented_list_is_answered_as_printed() {
    let aptly = start(AptlyOptions { contacts: vec![jane()], ..AptlyOptions::empty() }).await;
    let reply = get(&aptly, "/api/contacts?page=0").await;
    let printed = json!({
        "data": [{
            "_id": "abc123", "firstname": "Jane", "lastname": "Smith", "fullname": "Jane Smith",
            "contactType": "Tenant", "email": ["jane@example.com"],
            "phone": [{ "number": "+14155551234", "type": "mobile" }],
            "createdAt": "2024-01-15T10:00:00Z", "updatedAt": "2024-06-01T09:30:00Z",
            "customFields": custom(&Value::Null, &Value::Null),
        }],
        "count": 1, "page": 0, "pageSize": 200,
    });
    assert_eq!((reply.status, reply.json()), (200, printed));
    assert_eq!(
        (&reply.headers["x-offset"], &reply.headers["x-count"], &reply.headers["x-size"]),
        (&"0".parse().unwrap(), &"1".parse().unwrap(), &"200".parse().unwrap())
    );
}

#[tokio::test]
async fn the_documented_creation_is_answered_as_printed_and_was_an_update() {
    let aptly = start(AptlyOptions { contacts: vec![jane()], ..AptlyOptions::empty() }).await;
    let reply = post(&aptly, "/api/contacts", documented_request()).await;
    let printed = json!({
        "_id": "abc123", "First Name": "Jane", "Last Name": "Smith", "Full Name": "Jane Smith",
        "Contact Type": "Tenant", "Title": "Property Manager", "Company": "", "Email": ["jane@example.com"],
        "Phone": [{ "number": "+14155551234", "type": "mobile" }], "companyId": "comp456",
        "imageUrl": "https://cdn.getaptly.com/photos/abc123.jpg",
        "customFields": custom(&json!(true), &json!("Primary Tenant")),
    });
    assert_eq!((reply.status, reply.json()), (200, printed));
    assert_eq!(aptly.writes()[0].applied, WriteEffect::Updated("abc123".to_owned()));
}

#[tokio::test]
async fn a_creation_makes_one_contact_and_the_same_again_changes_it() {
    let aptly = start(AptlyOptions::empty()).await;
    let first = post(&aptly, "/api/contacts", documented_request()).await.json();
    let again =
        post(&aptly, "/api/contacts", json!({ "Email": "JANE@example.com", "Title": "Boss" })).await.json();
    let id = first["_id"].as_str().unwrap().to_owned();
    assert_eq!((id.len(), &first["Title"], &first["imageUrl"]), (17, &json!(""), &Value::Null));
    assert_eq!(
        (&again["_id"], &again["Title"], &again["First Name"]),
        (&json!(id), &json!("Boss"), &json!("Jane"))
    );
    let applied: Vec<_> = aptly.writes().into_iter().map(|call| call.applied).collect();
    assert_eq!(applied, [WriteEffect::Created(id.clone()), WriteEffect::Updated(id)]);
    assert_eq!(aptly.contacts().len(), 1);
}

#[tokio::test]
async fn without_an_address_every_creation_is_another_contact() {
    let aptly = start(AptlyOptions::empty()).await;
    for _ in 0..2 {
        post(&aptly, "/api/contacts", json!({ "Last Name": "Twin" })).await;
    }
    assert_eq!(aptly.contacts().len(), 2);
}

#[tokio::test]
async fn an_id_in_the_body_turns_a_creation_into_an_update_but_does_not_count_in_an_update() {
    let aptly = start(AptlyOptions { contacts: vec![jane()], ..AptlyOptions::empty() }).await;
    post(&aptly, "/api/contacts", json!({ "_id": "abc123", "Last Name": "New" })).await;
    assert_eq!(aptly.contact("abc123").unwrap()["lastname"], "New");
    let reply = post(&aptly, "/api/contacts/abc123", json!({ "_id": "other", "Last Name": "Newer" })).await;
    assert_eq!((reply.status, reply.json()), (200, json!({})));
    assert_eq!(aptly.contact("abc123").unwrap()["lastname"], "Newer");
}

#[tokio::test]
async fn a_single_read_is_flat_without_times_and_has_texts_for_lists() {
    let aptly = start(AptlyOptions { contacts: vec![jane()], ..AptlyOptions::empty() }).await;
    let alone = get(&aptly, "/api/contacts/abc123").await.json();
    assert_eq!((&alone["email"], &alone["phone"]), (&json!("jane@example.com"), &json!("+14155551234")));
    assert_eq!((&alone["fullName"], &alone["typeId"]), (&json!("Jane Smith"), &json!("tEn4ntTyp3Qw8RbZk")));
    assert!(
        alone.get("createdAt").is_none()
            && alone.get("updatedAt").is_none()
            && alone.get("contactType").is_none()
    );
}

#[tokio::test]
async fn version_three_wraps_the_single_read_and_answers_updates_with_the_record() {
    let options = AptlyOptions { dialect: Dialect::V3, contacts: vec![jane()], ..AptlyOptions::empty() };
    let aptly = start(options).await;
    let wrapped = get(&aptly, "/api/contacts/abc123").await.json();
    assert_eq!((&wrapped["data"][0]["_id"], &wrapped["count"]), (&json!("abc123"), &json!(1)));
    let updated = post(&aptly, "/api/contacts/abc123", json!({ "title": "Boss" })).await.json();
    assert_eq!((&updated["title"], &updated["email"]), (&json!("Boss"), &json!("jane@example.com")));
    let found = post(&aptly, "/api/contacts/by-email", json!({ "email": ["JANE@EXAMPLE.COM"] })).await.json();
    assert_eq!(found["contacts"][0]["_id"], "abc123");
    assert_eq!(post(&aptly, "/api/contacts/by-email", json!({})).await.status, 400);
    let created = post(
        &aptly,
        "/api/contacts",
        json!({ "firstname": "A", "email": ["a@example.com", "b@example.com"] }),
    );
    assert_eq!(created.await.json()["email"], "a@example.com");
    assert!(aptly.journal().alarms().is_empty());
}

#[tokio::test]
async fn in_version_two_the_look_up_by_email_may_write() {
    let options = AptlyOptions { by_email: ByEmail::WritesAContact, ..AptlyOptions::empty() };
    let aptly = start(options).await;
    post(&aptly, "/api/contacts/by-email", json!({ "email": "a@example.com" })).await;
    assert_eq!(aptly.contact("by-email").unwrap()["email"], json!(["a@example.com"]));
    assert_eq!(aptly.journal().alarms().len(), 1);
    let usual = start(AptlyOptions::empty()).await;
    assert_eq!(post(&usual, "/api/contacts/by-email", json!({ "email": "a@example.com" })).await.status, 404);
}

#[tokio::test]
async fn pages_are_zero_based_of_200_and_the_last_changed_comes_first() {
    let aptly = start(AptlyOptions::default()).await;
    let mut lengths = Vec::new();
    for page in 0..4 {
        let reply = get(&aptly, &format!("/api/contacts?page={page}")).await.json();
        assert_eq!((&reply["count"], &reply["page"]), (&json!(450), &json!(page)));
        lengths.push(reply["data"].as_array().unwrap().len());
    }
    assert_eq!(lengths, [200, 200, 50, 0]);
    let last =
        get(&aptly, "/api/contacts?page=2").await.json()["data"][49]["_id"].as_str().unwrap().to_owned();
    post(&aptly, &format!("/api/contacts/{last}"), json!({ "Title": "Now first" })).await;
    assert_eq!(get(&aptly, "/api/contacts?page=0").await.json()["data"][0]["_id"], json!(last));
    for wrong in ["/api/contacts", "/api/contacts?page=-1", "/api/contacts?page=x"] {
        assert_eq!(get(&aptly, wrong).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn filters_find_what_they_promise() {
    let clock = Clock::standing_at("2026-03-01T12:00:00Z".parse().unwrap());
    let other = json!({ "_id": "other", "firstname": "Johnny", "lastname": "Smalls", "contactType": "Owner",
        "email": ["first@example.com", "Second@example.com"], "updatedAt": "2025-01-01T00:00:00Z" });
    let aptly = start(AptlyOptions { clock, contacts: vec![jane(), other], ..AptlyOptions::empty() }).await;
    for (filter, expected) in [
        ("email=JANE%40example.com", vec!["abc123"]),
        ("email=second%40example.com", vec!["other"]),
        ("email=jane%40example", vec![]),
        ("phone=(415)%20555-12", vec!["abc123"]),
        ("name=john%20sm", vec!["other"]),
        ("contact_type=tEn4ntTyp3Qw8RbZk", vec!["abc123"]),
        ("contact_type=Tenant", vec![]),
        ("updated_after=2024-06-01T09:30:00Z", vec!["other", "abc123"]),
        ("updated_after=2024-06-01T09:30:01Z", vec!["other"]),
        ("updated_before=2024-06-01T11:30:00%2B02:00", vec!["abc123"]),
        ("updated_before=2024-06-01", vec![]),
    ] {
        let reply = get(&aptly, &format!("/api/contacts?page=0&{filter}")).await.json();
        let ids: Vec<_> =
            reply["data"].as_array().unwrap().iter().map(|row| row["_id"].as_str().unwrap()).collect();
        assert_eq!(ids, expected, "{filter}");
    }
    assert_eq!(get(&aptly, "/api/contacts?page=0&updated_after=yesterday").await.status, 400);
}

#[tokio::test]
async fn updates_are_by_field_and_lists_are_replaced() {
    let aptly = start(AptlyOptions { contacts: vec![jane()], ..AptlyOptions::empty() }).await;
    let steps = [
        (
            json!({ "Work Phone": "+14155550123" }),
            "phone",
            json!([
                { "number": "+14155551234", "type": "mobile" }, { "number": "+14155550123", "type": "work" },
            ]),
        ),
        (json!({ "Mobile Phone": "" }), "phone", json!([{ "number": "+14155550123", "type": "work" }])),
        (json!({ "phone": [] }), "phone", json!([])),
        (
            json!({ "email": ["x@example.com", "y@example.com"] }),
            "email",
            json!(["x@example.com", "y@example.com"]),
        ),
        (json!({ "Email": "z@example.com" }), "email", json!(["z@example.com"])),
        (json!({ "Email": "" }), "email", json!([])),
        (json!({ "First Name": null }), "firstname", json!("Jane")),
        (json!({ "First Name": "" }), "firstname", json!("")),
        (
            json!({ "customFields": { "DbJT6rMdnuds7vSbP": true } }),
            "customFields",
            json!({ "DbJT6rMdnuds7vSbP": true }),
        ),
    ];
    for (body, field, expected) in steps {
        assert_eq!(post(&aptly, "/api/contacts/abc123", body.clone()).await.json(), json!({}));
        assert_eq!(aptly.contact("abc123").unwrap()[field], expected, "{body}");
    }
    let merging =
        start(AptlyOptions { lists: Lists::Merge, contacts: vec![jane()], ..AptlyOptions::empty() }).await;
    post(&merging, "/api/contacts/abc123", json!({ "email": ["x@example.com"] })).await;
    assert_eq!(merging.contact("abc123").unwrap()["email"], json!(["jane@example.com", "x@example.com"]));
}

#[tokio::test]
async fn native_keys_may_be_overlooked() {
    let aptly =
        start(AptlyOptions { native_keys: false, contacts: vec![jane()], ..AptlyOptions::empty() }).await;
    post(&aptly, "/api/contacts/abc123", json!({ "firstname": "Ann", "Last Name": "Other" })).await;
    let stored = aptly.contact("abc123").unwrap();
    assert_eq!((&stored["firstname"], &stored["lastname"]), (&json!("Jane"), &json!("Other")));
}

#[tokio::test]
async fn bad_writes_are_refused_and_change_nothing() {
    let aptly = start(AptlyOptions { contacts: vec![jane()], ..AptlyOptions::empty() }).await;
    for body in [
        json!({ "Contact Type": "Nobody" }),
        json!({ "typeId": "nothing" }),
        json!({ "customFields": { "unknown": 1 } }),
        json!({ "Contact Type": "Owner", "customFields": { "DbJT6rMdnuds7vSbP": true } }),
        json!({ "imageUrl": "/relative.png" }),
        json!({ "imageUrl": "https://images.example.com/a.gif" }),
        json!({ "Company": { "name": "object" } }),
        json!([]),
    ] {
        let reply = post(&aptly, "/api/contacts/abc123", body.clone()).await;
        assert_eq!((reply.status, reply.json()["error"].as_str()), (400, Some("Bad Request")), "{body}");
    }
    assert!(aptly.writes().is_empty());
}

#[tokio::test]
async fn unknown_ids_answer_as_told() {
    for (unknown_write, status, left) in [
        (UnknownWrite::NotFound, 404, 0),
        (UnknownWrite::FallsThrough, 200, 1),
        (UnknownWrite::Creates, 200, 1),
        (UnknownWrite::Ignored, 200, 0),
    ] {
        let aptly = start(AptlyOptions { unknown_write, ..AptlyOptions::empty() }).await;
        let reply = post(&aptly, "/api/contacts/nobody", json!({ "Last Name": "X" })).await;
        assert_eq!((reply.status, aptly.contacts().len()), (status, left), "{unknown_write:?}");
    }
    for (unknown_read, status, text) in [
        (UnknownRead::NotFound, 404, r#"{"error":"Not Found","message":"Contact not found"}"#),
        (UnknownRead::Null, 200, "null"),
        (UnknownRead::EmptyObject, 200, "{}"),
        (UnknownRead::BadRequest, 400, r#"{"error":"Bad Request","message":"Invalid contact id"}"#),
    ] {
        let aptly = start(AptlyOptions { unknown_read, ..AptlyOptions::empty() }).await;
        let reply = get(&aptly, "/api/contacts/nobody").await;
        assert_eq!((reply.status, reply.text.as_str()), (status, text));
    }
}

#[tokio::test]
async fn keys_are_checked_nothing_can_be_deleted_and_the_allowance_has_its_own_shape() {
    let pace = Some(contacts_gateway::simulators::PublishedRates { per_minute: 3, per_second: 20 });
    let aptly =
        start(AptlyOptions { contacts: vec![jane()], pace, me: Me::Account, ..AptlyOptions::empty() }).await;
    let refused = call_as(&aptly, "wrong", "GET", "/api/app/me", None).await.unwrap();
    assert_eq!((refused.status, refused.json()["error"].as_str()), (401, Some("Unauthorized")));
    assert_eq!(get(&aptly, "/api/app/me").await.json()["companyId"], "comp456");
    assert_eq!(call(&aptly, "DELETE", "/api/contacts/abc123", None).await.status, 404);
    let limited = get(&aptly, "/api/app/me").await;
    assert_eq!(
        (limited.status, limited.json()),
        (429, json!({ "reason": "Rate limit exceeded. Try again shortly." }))
    );
    assert!(limited.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    let bare = start(AptlyOptions { bare_401: true, ..AptlyOptions::empty() }).await;
    bare.revoke(bare.token());
    assert_eq!(
        (get(&bare, "/api/app/me").await.status, get(&bare, "/api/app/me").await.text.as_str()),
        (401, "")
    );
}

#[tokio::test]
async fn bounds_of_updates_compare_as_the_option_says() {
    let contacts = vec![json!({ "_id": "a", "updatedAt": "2026-01-01T00:00:05.500Z" })];
    // Whether the contact matches the bound as `updated_after`, and as `updated_before`.
    for (update_bounds, bound, after, before) in [
        (UpdateBounds::Shown, "2026-01-01T00:00:05Z", true, true),
        (UpdateBounds::Stored, "2026-01-01T00:00:05Z", true, false),
        (UpdateBounds::Stored, "2026-01-01T00:00:05.500Z", true, true),
        (UpdateBounds::Exclusive, "2026-01-01T00:00:05.500Z", false, false),
        (UpdateBounds::Exclusive, "2026-01-01T00:00:06Z", false, true),
        (UpdateBounds::Ignored, "1999-01-01T00:00:00Z", true, true),
    ] {
        let aptly =
            start(AptlyOptions { contacts: contacts.clone(), update_bounds, ..AptlyOptions::empty() }).await;
        for (parameter, matches) in [("updated_after", after), ("updated_before", before)] {
            let reply = get(&aptly, &format!("/api/contacts?page=0&{parameter}={bound}")).await.json();
            assert_eq!(reply["count"], u8::from(matches), "{update_bounds:?} {parameter} {bound}");
        }
    }
}

#[tokio::test]
async fn rows_show_no_times_where_the_option_says_so() {
    let options = AptlyOptions { contacts: vec![jane()], rows: RowShape::Timeless, ..AptlyOptions::empty() };
    let row = get(&start(options).await, "/api/contacts?page=0").await.json()["data"][0].clone();
    assert_eq!((&row["_id"], row.get("updatedAt"), row.get("createdAt")), (&json!("abc123"), None, None));
}
