//! Readings that lack fields, records that change by themselves, values that resolve, and odd data, on demand.

use contacts_gateway::simulators::aptly::{self, Dialect, Me, RowShape};
use contacts_gateway::simulators::pipeline::{self, Envelope, ListPhones};
use contacts_gateway::simulators::{Fault, FaultKind, Reading, Running, View};
use serde_json::{Map, Value, json};

use super::reply::{call, get, post};

async fn aptly(options: aptly::AptlyOptions) -> Running {
    let contacts = vec![
        json!({ "_id": "jane", "firstname": "Jane", "lastname": "Smith", "company": "Engines",
        "contactType": "Tenant", "email": ["jane@example.com"], "phone": [{ "number": "+14155551234", "type": "mobile" }] }),
    ];
    aptly::AptlySimulator::start(aptly::AptlyOptions { contacts, ..options }).await.unwrap()
}

async fn pipeline(options: pipeline::PipelineOptions) -> Running {
    let contacts = vec![
        json!({ "_id": "jane", "firstName": "Jane", "lastName": "Smith", "email": "jane@example.com", "updatedAt": "2024-01-01T00:00:00Z",
        "phoneNumber": [{ "value": "+14165550101", "isPrimary": false }, { "value": "+14165550102", "isPrimary": true }] }),
    ];
    pipeline::PipelineSimulator::start(pipeline::PipelineOptions { contacts, ..options }).await.unwrap()
}

async fn row(at: &Running) -> Value {
    let path = if at.token().contains("aptly") { "page=0" } else { "page=1&size=9&ownerFilter=all" };
    let reply = get(at, &format!("/api/contacts?{path}")).await.json();
    let rows = if reply["data"].is_array() { &reply["data"] } else { &reply["contacts"] };
    rows[0].clone()
}

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[tokio::test]
async fn each_kind_of_reading_may_lack_fields_of_its_own() {
    let at = aptly(aptly::AptlyOptions::empty()).await;
    at.view(View::of(Reading::Single).without(&["company", "Full Name"]));
    at.view(View::of(Reading::Row).without(&["_id"]).with("createdAt", json!("2024-01-15")));
    at.view(View::of(Reading::Written).without(&["company"]));
    let single = get(&at, "/api/contacts/jane").await.json();
    assert!(single.get("company").is_none() && single.get("fullName").is_none(), "{single}");
    assert_eq!(single["_id"], "jane");
    let shown = row(&at).await;
    assert_eq!((shown.get("_id"), &shown["createdAt"]), (None, &json!("2024-01-15")));
    let written = post(&at, "/api/contacts", json!({ "Email": "jane@example.com" })).await.json();
    assert!(written.get("Company").is_none() && written.get("Title").is_some(), "{written}");
    assert_eq!(at.contact("jane").unwrap()["company"], "Engines", "it is stored all the same");
    at.views().clear();
    assert_eq!(get(&at, "/api/contacts/jane").await.json()["company"], "Engines");

    let at = pipeline(pipeline::PipelineOptions {
        update_with_contact: true,
        ..pipeline::PipelineOptions::empty()
    })
    .await;
    at.view(View::everywhere().contact("jane").without(&["email"]));
    let patched = call(&at, "PATCH", "/api/contacts/jane", Some(json!({ "firstName": "Ann" }))).await.json();
    assert!(patched["contact"].get("email").is_none() && patched["contact"].get("lastName").is_some());
    assert!(row(&at).await.get("email").is_none());
}

#[tokio::test]
async fn version_three_as_published_shows_no_company_of_people_and_no_custom_fields() {
    let at = aptly(aptly::AptlyOptions::published()).await;
    let single = get(&at, "/api/contacts/jane").await.json()["data"][0].clone();
    for key in ["company", "customFields", "createdAt", "updatedAt"] {
        assert!(single.get(key).is_none(), "{key}");
    }
    assert_eq!(
        (single["duogram"].as_str(), single["email"].as_str()),
        (Some("JS"), Some("jane@example.com"))
    );
    let written =
        post(&at, "/api/contacts/jane", json!({ "isCompany": true, "firstname": "Zoe" })).await.json();
    assert_eq!((&written["company"], &written["duogram"]), (&json!("Engines"), &json!("ZS")));
    assert!(written.get("customFields").is_none() && row(&at).await.get("customFields").is_some());
    let alone =
        aptly(aptly::AptlyOptions { rows: RowShape::Alone, ..aptly::AptlyOptions::published() }).await;
    assert_eq!(row(&alone).await["email"], "jane@example.com");
}

#[tokio::test]
async fn who_a_key_belongs_to_is_told_as_ordered() {
    for (me, dialect, status) in [
        (Me::ByDialect, Dialect::V3, 200),
        (Me::ByDialect, Dialect::V2, 404),
        (Me::Account, Dialect::V2, 200),
        (Me::NotFound, Dialect::V3, 404),
        (Me::NotAllowed, Dialect::V3, 405),
        (Me::OtherJson, Dialect::V3, 200),
    ] {
        let at = aptly(aptly::AptlyOptions { me, dialect, ..aptly::AptlyOptions::empty() }).await;
        let reply = get(&at, "/api/app/me").await;
        assert_eq!(reply.status, status, "{me:?} {dialect:?}");
        assert_eq!(reply.json().get("companyId").is_some(), status == 200 && me != Me::OtherJson);
    }
}

#[tokio::test]
async fn somebody_else_changes_and_merges_between_a_read_and_a_write() {
    let at = pipeline(pipeline::PipelineOptions::empty()).await;
    let before = at.contact("jane").unwrap();
    assert!(at.change("jane", &fields(&json!({ "isUpdated": true, "files": ["a"] }))));
    let after = at.contact("jane").unwrap();
    assert_eq!(
        (&after["isUpdated"], after["__v"].as_u64()),
        (&json!(true), before["__v"].as_u64().map(|v| v + 1))
    );
    assert!(after["updatedAt"].as_str() > before["updatedAt"].as_str());
    let set = fields(&json!({ "latestMessage": { "text": "hi" } }));
    at.fault(Fault::once(FaultKind::Meanwhile { contact: None, set }).on_writes());
    let patch = json!({ "firstName": "Ann" });
    assert_eq!(call(&at, "PATCH", "/api/contacts/jane", Some(patch)).await.status, 200);
    let stored = at.contact("jane").unwrap();
    assert_eq!((&stored["latestMessage"]["text"], &stored["firstName"]), (&json!("hi"), &json!("Ann")));

    let at = aptly(aptly::AptlyOptions::empty()).await;
    let other = at.put(json!({ "email": ["JANE@example.com", "smith@example.com"], "phone": [{ "number": "1", "type": "home" }] }));
    let other = other.unwrap();
    let merged = FaultKind::MergedMeanwhile { primary: "jane".to_owned(), other: other.clone() };
    at.fault(Fault::once(merged).on("GET", "/api/contacts/*"));
    assert_eq!(get(&at, &format!("/api/contacts/{other}")).await.status, 404);
    let primary = at.contact("jane").unwrap();
    assert_eq!(primary["email"], json!(["jane@example.com", "smith@example.com"]));
    assert_eq!(primary["phone"].as_array().unwrap().len(), 2);
    assert!(!at.merge("jane", &other), "it is gone already");
}

#[tokio::test]
async fn values_resolve_on_the_way_into_the_crm() {
    let at = aptly(aptly::AptlyOptions { resolves: true, ..aptly::AptlyOptions::empty() }).await;
    let body = json!({ "First Name": "Zoe\u{308} ", "Contact Type": "oWNER", "customFields": { "Zr5bNm8CyHt2WqXe4": "2025-09-01" } });
    assert_eq!(post(&at, "/api/contacts/jane", body).await.status, 200);
    let stored = at.contact("jane").unwrap();
    assert_eq!((&stored["firstname"], &stored["contactType"]), (&json!("Zo\u{eb}"), &json!("Owner")));
    assert_eq!(stored["customFields"]["Zr5bNm8CyHt2WqXe4"], "2025-09-01T00:00:00.000Z");
    let at =
        pipeline(pipeline::PipelineOptions { resolves: true, ..pipeline::PipelineOptions::empty() }).await;
    let patch = json!({ "firstName": " Zoe\u{308} " });
    assert_eq!(call(&at, "PATCH", "/api/contacts/jane", Some(patch)).await.status, 200);
    assert_eq!(at.contact("jane").unwrap()["firstName"], "Zo\u{eb}");
}

#[tokio::test]
async fn totals_may_lie_and_a_page_may_come_for_ever() {
    let at =
        aptly(aptly::AptlyOptions { count: Some(0), same_page: true, ..aptly::AptlyOptions::empty() }).await;
    let reply = get(&at, "/api/contacts?page=7").await.json();
    assert_eq!((reply["data"].as_array().unwrap().len(), &reply["count"]), (1, &json!(0)));
    let at = pipeline(pipeline::PipelineOptions {
        total: Some(0),
        same_page: true,
        ..pipeline::PipelineOptions::empty()
    })
    .await;
    let reply = get(&at, "/api/contacts?page=7&size=9&ownerFilter=all").await.json();
    assert_eq!((reply["contacts"].as_array().unwrap().len(), &reply["total"]), (1, &json!(0)));
}

#[tokio::test]
async fn lists_of_the_pipeline_show_one_number_in_three_ways() {
    let second = json!(["+14165550102"]);
    for (list_phones, number, others) in [
        (ListPhones::Text, "+14165550101", Some(&second)),
        (ListPhones::PrimaryText, "+14165550102", Some(&json!(["+14165550101"]))),
        (ListPhones::OnlyPrimary, "+14165550102", None),
    ] {
        for envelope in [Envelope::V1, Envelope::V2] {
            let at = pipeline(pipeline::PipelineOptions {
                list_phones,
                envelope,
                ..pipeline::PipelineOptions::empty()
            })
            .await;
            let row = row(&at).await;
            assert_eq!((&row["phoneNumber"], row.get("secondaryPhoneNumber")), (&json!(number), others));
        }
    }
}

#[tokio::test]
async fn a_contact_may_have_a_full_name_alone_until_half_of_it_is_written() {
    let at = aptly(aptly::AptlyOptions::empty()).await;
    let id = at.put(json!({ "fullname": "Jane van Smith" })).unwrap();
    assert_eq!(get(&at, &format!("/api/contacts/{id}")).await.json()["fullName"], "Jane van Smith");
    post(&at, &format!("/api/contacts/{id}"), json!({ "First Name": "Janet" })).await;
    assert_eq!(get(&at, &format!("/api/contacts/{id}")).await.json()["fullName"], "Janet");
    let at = pipeline(pipeline::PipelineOptions::empty()).await;
    let id = at.put(json!({ "fullName": "Jane van Smith" })).unwrap();
    call(&at, "PATCH", &format!("/api/contacts/{id}"), Some(json!({ "firstName": "Janet" }))).await;
    let stored = at.contact(&id).unwrap();
    assert_eq!((&stored["firstName"], stored.get("fullName")), (&json!("Janet"), None));
}

#[tokio::test]
async fn the_same_is_steered_over_http() {
    let at = aptly(aptly::AptlyOptions::empty()).await;
    let view = json!({ "reading": "single", "without": ["company"] });
    assert_eq!(post(&at, "/_simulator/views", view).await.status, 204);
    assert!(get(&at, "/api/contacts/jane").await.json().get("company").is_none());
    assert_eq!(get(&at, "/_simulator/views").await.json().as_array().unwrap().len(), 1);
    assert_eq!(post(&at, "/_simulator/views", json!({ "fields": 1 })).await.status, 400);
    assert_eq!(call(&at, "DELETE", "/_simulator/views", None).await.status, 204);
    let change = json!({ "contact": "jane", "set": { "title": "Boss" } });
    assert_eq!(post(&at, "/_simulator/change", change).await.status, 204);
    assert_eq!(get(&at, "/api/contacts/jane").await.json()["title"], "Boss");
    let other = at.put(json!({})).unwrap();
    let merge = json!({ "primary": "jane", "other": other });
    assert_eq!(post(&at, "/_simulator/merge", merge.clone()).await.status, 204);
    assert_eq!(post(&at, "/_simulator/merge", merge).await.status, 404);
    let fault = json!({ "kind": "meanwhile", "set": { "title": "Chief" }, "times": 1 });
    assert_eq!(post(&at, "/_simulator/faults", fault).await.status, 204);
    assert_eq!(get(&at, "/api/contacts/jane").await.json()["title"], "Chief");
}
