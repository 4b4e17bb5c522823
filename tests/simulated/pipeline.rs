//! The pipeline CRM's simulator against its documentation.

use contacts_gateway::simulators::pipeline::{
    Conflict, CreateAnswer, DateBounds, Envelope, ListOrder, ListPhones, PipelineOptions, PipelineSimulator,
    SingleRead,
};
use contacts_gateway::simulators::{Clock, Running, WriteEffect};
use serde_json::{Value, json};

use super::reply::{call, call_as, get, post};

const OWNER: &str = "64f0a1b2c3d4e5f6a7b8c9d4";
const UNKNOWN: &str = "000000000000000000000000";

async fn start(options: PipelineOptions) -> Running {
    PipelineSimulator::start(options).await.unwrap()
}

fn documented_request() -> Value {
    json!({
        "firstName": "Jane", "lastName": "Doe", "phoneNumber": [{ "value": "+14165550100", "isPrimary": true }],
        "email": "jane.doe@example.com", "status": "New Lead", "pipelineId": "64f0a1b2c3d4e5f6a7b8c9d1",
    })
}

async fn create(at: &Running, body: Value) -> String {
    let reply = post(at, "/api/contact", body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()["data"]["contact"]["_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_documented_creation_is_answered_as_printed() {
    let options = PipelineOptions { create_answer: CreateAnswer::AsPrinted, ..PipelineOptions::empty() };
    let pipeline = start(options).await;
    let mut reply = post(&pipeline, "/api/contact", documented_request()).await.json();
    let id = reply["data"]["contact"]["_id"].take();
    let printed = json!({
        "success": true, "message": "Contact updated successfully",
        "data": {
            "contact": { "_id": null, "firstName": "Jane", "lastName": "Doe", "status": "Qualified" },
            "message": "Contact updated successfully",
        },
    });
    assert_eq!(reply, printed);
    assert_eq!(pipeline.contact(id.as_str().unwrap()).unwrap()["status"], "New Lead");
}

#[tokio::test]
async fn the_whole_documented_contact_is_at_the_top_when_told() {
    let clock = Clock::standing_at("2026-05-01T14:30:00Z".parse().unwrap());
    let options =
        PipelineOptions { create_answer: CreateAnswer::WithContact, clock, ..PipelineOptions::empty() };
    let pipeline = start(options).await;
    let reply = post(&pipeline, "/api/contact", documented_request()).await.json();
    let id = &reply["data"]["contact"]["_id"];
    assert_eq!(id.as_str().unwrap().len(), 24);
    let printed = json!({
        "_id": id, "firstName": "Jane", "lastName": "Doe",
        "phoneNumber": [{ "value": "+14165550100", "isPrimary": true }], "secondaryPhoneNumber": [],
        "email": "jane.doe@example.com", "status": "New Lead", "pipelineId": "64f0a1b2c3d4e5f6a7b8c9d1",
        "pipelineStage": "64f0a1b2c3d4e5f6a7b8c9d2", "organizationId": "64f0a1b2c3d4e5f6a7b8c9d3",
        "userId": OWNER, "createdBy": OWNER, "assignees": [OWNER],
        "createdAt": "2026-05-01T14:30:00.000Z", "updatedAt": "2026-05-01T14:30:00.000Z", "__v": 0,
    });
    assert_eq!(reply["contact"], printed);
}

#[tokio::test]
async fn numbers_are_normalised_and_unique_in_each_form_of_refusal() {
    for (conflict, status) in [
        (Conflict::Status409, 409),
        (Conflict::Status400, 400),
        (Conflict::Status422, 422),
        (Conflict::SuccessFalse, 200),
    ] {
        let pipeline = start(PipelineOptions { conflict, ..PipelineOptions::empty() }).await;
        let id = create(&pipeline, json!({ "phoneNumber": [{ "value": "(415) 555-0123" }] })).await;
        let stored = pipeline.contact(&id).unwrap();
        assert_eq!(stored["phoneNumber"], json!([{ "value": "+14155550123", "isPrimary": true }]));
        let again =
            post(&pipeline, "/api/contact", json!({ "phoneNumber": [{ "value": "+1 415 555 0123" }] })).await;
        assert_eq!((again.status, again.json()["success"].as_bool()), (status, Some(false)));
        assert!(again.json()["message"].as_str().unwrap().contains("already exists"));
        assert_eq!((pipeline.contacts().len(), pipeline.writes().len()), (1, 1));
    }
}

#[tokio::test]
async fn bad_creations_are_refused() {
    let pipeline = start(PipelineOptions::empty()).await;
    let phone = json!([{ "value": "+14155550123" }]);
    for body in [
        json!({ "firstName": "No phone" }),
        json!({ "phoneNumber": [] }),
        json!({ "phoneNumber": "+14155550123" }),
        json!({ "phoneNumber": [{ "value": "not a number" }] }),
        json!({ "phoneNumber": [{ "value": "+14165550199" }] }),
        json!({ "phoneNumber": phone, "status": "No such stage" }),
        json!({ "phoneNumber": phone, "pipelineStage": UNKNOWN }),
        json!({ "phoneNumber": phone, "pipelineId": UNKNOWN }),
        json!({ "phoneNumber": phone, "email": "no address" }),
    ] {
        let reply = post(&pipeline, "/api/contact", body.clone()).await;
        assert_eq!((reply.status, reply.json()["success"].as_bool()), (400, Some(false)), "{body}");
    }
    assert!(pipeline.contacts().is_empty());
}

#[tokio::test]
async fn a_stage_wins_over_a_status_and_null_takes_it_out() {
    let pipeline = start(PipelineOptions::empty()).await;
    let disagreeing = json!({ "phoneNumber": [{ "value": "+14155550123" }], "status": "New Lead",
        "pipelineStage": "64f0a1b2c3d4e5f6a7b8ca03" });
    let id = create(&pipeline, disagreeing).await;
    assert_eq!(pipeline.contact(&id).unwrap()["status"], "Qualified");
    let path = format!("/api/contacts/{id}");
    let moved = call(&pipeline, "PATCH", &path, Some(json!({ "pipelineId": "64f0a1b2c3d4e5f6a7b8cb01" })))
        .await
        .json();
    assert_eq!(moved["data"]["contact"]["status"], "Due");
    call(&pipeline, "PATCH", &path, Some(json!({ "pipelineStage": null }))).await;
    assert_eq!(pipeline.contact(&id).unwrap()["pipelineStage"], Value::Null);
}

#[tokio::test]
async fn a_patch_is_partial_and_lists_take_the_place_of_lists() {
    let held = json!({ "_id": UNKNOWN, "firstName": "Jane", "email": "a@example.com", "phoneNumber": [
        { "value": "+14155550123", "isPrimary": true, "verifiedAt": "2026-01-01T00:00:00.000Z" } ] });
    let pipeline = start(PipelineOptions { contacts: vec![held], ..PipelineOptions::empty() }).await;
    let path = format!("/api/contacts/{UNKNOWN}");
    for (body, field, expected) in [
        (json!({ "lastName": "Doe", "nonsense": 1 }), "lastName", json!("Doe")),
        (json!({ "email": "B@Example.com" }), "email", json!("b@example.com")),
        (json!({ "email": null }), "email", Value::Null),
        (json!({ "firstName": null }), "firstName", Value::Null),
        (
            json!({ "email": ["A@x.example", "b@x.example"] }),
            "email",
            json!([{ "value": "a@x.example", "isPrimary": true }, { "value": "b@x.example", "isPrimary": false }]),
        ),
        (
            json!({ "phoneNumber": [{ "value": "415-555-0123", "verifiedAt": "kept" }, { "value": "+14155550124", "isPrimary": true }] }),
            "phoneNumber",
            json!([{ "value": "+14155550123", "isPrimary": false, "verifiedAt": "kept" },
                { "value": "+14155550124", "isPrimary": true }]),
        ),
        (
            json!({ "phoneNumber": [{ "value": "+14155550123" }] }),
            "phoneNumber",
            json!([{ "value": "+14155550123", "isPrimary": true }]),
        ),
    ] {
        let reply = call(&pipeline, "PATCH", &path, Some(body.clone())).await;
        assert_eq!(
            (reply.status, &reply.json()["message"]),
            (200, &json!("Contact updated successfully")),
            "{body}"
        );
        assert_eq!(pipeline.contact(UNKNOWN).unwrap()[field], expected, "{body}");
    }
    let stored = pipeline.contact(UNKNOWN).unwrap();
    assert_eq!((stored.get("nonsense"), &stored["__v"]), (None, &json!(7)));
    for empty in [json!({ "phoneNumber": [] }), json!({ "phoneNumber": null })] {
        assert_eq!(call(&pipeline, "PATCH", &path, Some(empty)).await.status, 400);
    }
    assert_eq!(call(&pipeline, "PATCH", "/api/contacts/nobody", Some(json!({}))).await.status, 404);
    let put = call(&pipeline, "PUT", "/api/contact", Some(json!({ "_id": UNKNOWN, "firstName": "Ann" })))
        .await
        .json();
    assert_eq!(put["contact"]["firstName"], "Ann");
}

#[tokio::test]
async fn a_patch_may_overlook_names() {
    let held = json!({ "_id": UNKNOWN, "firstName": "Jane", "phoneNumber": [{ "value": "+14155550123" }] });
    let options =
        PipelineOptions { patch_takes_names: false, contacts: vec![held], ..PipelineOptions::empty() };
    let pipeline = start(options).await;
    let path = format!("/api/contacts/{UNKNOWN}");
    let reply = call(&pipeline, "PATCH", &path, Some(json!({ "firstName": "Ann" }))).await;
    assert_eq!((reply.status, &pipeline.contact(UNKNOWN).unwrap()["firstName"]), (200, &json!("Jane")));
}

#[tokio::test]
async fn lists_show_ones_own_by_default_double_the_rows_and_cap_the_page() {
    let pipeline = start(PipelineOptions::default()).await;
    let own = get(&pipeline, "/api/contacts").await.json();
    assert_eq!((&own["total"], own["contacts"].as_array().unwrap().len()), (&json!(150), 50));
    let all = get(&pipeline, "/api/contacts?ownerFilter=all&page=5&size=500").await.json();
    assert_eq!(
        (&all["total"], &all["data"]["size"], &all["data"]["page"]),
        (&json!(450), &json!(100), &json!(5))
    );
    assert_eq!((&all["contacts"], all["contacts"].as_array().unwrap().len()), (&all["data"]["contacts"], 50));
    assert_eq!(get(&pipeline, "/api/contacts?page=0").await.status, 400);
    let numbers: Vec<_> =
        pipeline.contacts().iter().map(|contact| contact["phoneNumber"][0]["value"].clone()).collect();
    assert!(numbers.iter().all(|number| number.as_str().unwrap().starts_with('+')));
}

#[tokio::test]
async fn searches_and_windows_narrow_a_list() {
    let held = [
        json!({ "_id": "a", "firstName": "Zoë", "lastName": "Müller", "email": "zoe@example.com",
            "phoneNumber": [{ "value": "+14155550123" }], "createdAt": "2026-01-01T00:00:00.000Z" }),
        json!({ "_id": "b", "firstName": "Ann", "phoneNumber": [{ "value": "+14155550124" }],
            "createdAt": "2026-02-01T00:00:00.000Z", "status": "Lost" }),
    ];
    let pipeline = start(PipelineOptions { contacts: held.into(), ..PipelineOptions::empty() }).await;
    for (filter, expected) in [
        ("", vec!["b", "a"]),
        ("search=ZO%C3%8B%20m", vec!["a"]),
        ("search=5550124", vec!["b"]),
        ("search=zoe%40", vec!["a"]),
        ("status=Lost", vec!["b"]),
        ("dateRange=%7B%22start%22%3A%222026-02-01T00%3A00%3A00Z%22%7D", vec!["b"]),
        ("dateRange=%7B%22end%22%3A%222026-01-31%22%7D", vec!["a"]),
    ] {
        let reply = get(&pipeline, &format!("/api/contacts?ownerFilter=all&{filter}")).await.json();
        let ids: Vec<_> =
            reply["contacts"].as_array().unwrap().iter().map(|row| row["_id"].as_str().unwrap()).collect();
        assert_eq!(ids, expected, "{filter}");
    }
    assert_eq!(get(&pipeline, "/api/contacts?dateRange=lately").await.status, 400);
}

#[tokio::test]
async fn older_lists_and_lists_with_text_numbers() {
    let held =
        json!({ "_id": "a", "phoneNumber": [{ "value": "+14155550123" }, { "value": "+14155550124" }] });
    let old =
        PipelineOptions { envelope: Envelope::V1, contacts: vec![held.clone()], ..PipelineOptions::empty() };
    let row = get(&start(old).await, "/api/contacts").await.json()["data"][0].take();
    assert_eq!(
        (&row["phoneNumber"], &row["createdBy"]["fullName"]),
        (&json!("+14155550123"), &json!("Robin Example"))
    );
    let text =
        PipelineOptions { list_phones: ListPhones::Text, contacts: vec![held], ..PipelineOptions::empty() };
    let row = get(&start(text).await, "/api/contacts").await.json()["contacts"][0].take();
    assert_eq!(
        (&row["phoneNumber"], &row["secondaryPhoneNumber"]),
        (&json!("+14155550123"), &json!(["+14155550124"]))
    );
}

#[tokio::test]
async fn the_plural_creation_is_a_list() {
    let pipeline = start(PipelineOptions::empty()).await;
    let reply = post(&pipeline, "/api/contacts", documented_request()).await;
    assert_eq!((reply.status, &reply.json()["data"]["New Lead"]["total"]), (200, &json!(0)));
    assert_eq!((pipeline.contacts().len(), pipeline.journal().alarms().len()), (0, 1));
}

#[tokio::test]
async fn the_single_read_may_be_missing() {
    for (single_read, status, content_type) in [
        (SingleRead::Present, 200, "application/json; charset=utf-8"),
        (SingleRead::AbsentHtml, 404, "text/html; charset=utf-8"),
        (SingleRead::AbsentJson, 404, "application/json; charset=utf-8"),
        (SingleRead::MethodNotAllowed, 405, "application/json; charset=utf-8"),
    ] {
        let held = json!({ "_id": UNKNOWN, "phoneNumber": [{ "value": "+14155550123" }] });
        let pipeline =
            start(PipelineOptions { single_read, contacts: vec![held], ..PipelineOptions::empty() }).await;
        let reply = get(&pipeline, &format!("/api/contacts/{UNKNOWN}")).await;
        assert_eq!((reply.status, reply.headers["content-type"].to_str().unwrap()), (status, content_type));
    }
}

#[tokio::test]
async fn deletions_cascade_and_the_traps_are_noted() {
    let pipeline = start(PipelineOptions { people: 5, ..PipelineOptions::empty() }).await;
    let id = pipeline.contacts()[0]["_id"].as_str().unwrap().to_owned();
    let path = "/api/contacts/bulk-delete";
    let gone = call(&pipeline, "DELETE", path, Some(json!({ "contactIds": [id] }))).await;
    assert_eq!((gone.status, &gone.json()["deletedCount"]), (200, &json!(1)));
    assert_eq!(pipeline.writes()[0].applied, WriteEffect::Deleted(vec![id.clone()]));
    let again = call(&pipeline, "DELETE", path, Some(json!({ "contactIds": [id] }))).await;
    assert_eq!(again.json()["deletedCount"], 0);
    let none = call(&pipeline, "DELETE", path, Some(json!({ "contactIds": [] }))).await;
    assert_eq!((&none.json()["deletedCount"], pipeline.contacts().len()), (&json!(0), 4));
    post(&pipeline, "/api/webhook/outreach", json!({ "phoneNumber": "+14155550188" })).await;
    call(&pipeline, "DELETE", "/api/contacts/query-bulk-delete", None).await;
    let alarms = pipeline.journal().alarms();
    assert!(alarms[0].contains("without any id"));
    assert_eq!((alarms[1].as_str(), alarms[2].as_str()), ("texted a person", "all 5 contacts were deleted"));
}

#[tokio::test]
async fn pipelines_users_and_the_number_check() {
    let held = json!({ "_id": "a", "phoneNumber": [{ "value": "+14155550123" }] });
    let pipeline = start(PipelineOptions { contacts: vec![held], ..PipelineOptions::empty() }).await;
    let default = get(&pipeline, "/api/pipelines?type=Contact").await.json();
    assert_eq!(default["pipelineStages"][0]["_id"], "64f0a1b2c3d4e5f6a7b8c9d2");
    let other =
        get(&pipeline, "/api/pipelines?type=Contact&pipelineId=64f0a1b2c3d4e5f6a7b8cb01").await.json();
    assert_eq!(other["name"], "Renewals");
    assert_eq!(get(&pipeline, "/api/user/list").await.json()[0]["_id"], OWNER);
    let asked = json!({ "contacts": [{ "phoneNumber": "415 555 0123" }, { "phoneNumber": "+14155550199" }] });
    let checked = post(&pipeline, "/api/campaigns/validate-contacts", asked).await.json();
    assert_eq!(checked["data"]["existingContacts"], json!([{ "_id": "a", "phoneNumber": "+14155550123" }]));
    assert_eq!(checked["data"]["newContacts"], json!([{ "phoneNumber": "+14155550199" }]));
}

#[tokio::test]
async fn tokens_belong_to_users_expire_and_come_from_logins() {
    let options =
        PipelineOptions { tokens: vec!["one".to_owned(), "two".to_owned()], ..PipelineOptions::empty() };
    let pipeline = start(options).await;
    create(&pipeline, documented_request()).await;
    let totals = [("one", 1), ("two", 0)];
    for (token, total) in totals {
        let list = call_as(&pipeline, token, "GET", "/api/contacts", None).await.unwrap();
        assert_eq!(list.json()["total"], json!(total));
    }
    pipeline.revoke("one");
    let refused = get(&pipeline, "/api/auth/verify-token").await;
    assert_eq!((refused.status, refused.json()), (401, json!({ "error": "Invalid or expired token" })));
    let wrong = json!({ "email": "user1@example.com", "password": "wrong" });
    assert_eq!(post(&pipeline, "/api/auth/login", wrong).await.status, 401);
    let right = json!({ "email": "user1@example.com", "password": "demo-pipeline-password" });
    let session = post(&pipeline, "/api/auth/login", right).await.json();
    let token = session["token"].as_str().unwrap();
    assert_eq!(session["user"]["id"], OWNER);
    let good = call_as(&pipeline, token, "GET", "/api/auth/verify-token", None).await.unwrap();
    assert_eq!((good.status, good.json()), (200, json!({ "message": "Token is good" })));
}

#[tokio::test]
async fn order_and_bounds_of_lists_are_options() {
    let contact = |id: &str, created: &str, updated: &str| {
        json!({ "_id": id, "createdAt": format!("2026-01-0{created}T00:00:00.000Z"),
            "updatedAt": format!("2026-02-0{updated}T00:00:00.000Z") })
    };
    let contacts = vec![contact("b", "1", "2"), contact("a", "2", "3"), contact("c", "3", "1")];
    let list = async |order, date_bounds| {
        let options =
            PipelineOptions { contacts: contacts.clone(), order, date_bounds, ..PipelineOptions::empty() };
        let range = "%7B%22start%22%3A%222026-01-01T00:00:00Z%22%2C%22end%22%3A%222026-01-03T00:00:00Z%22%7D";
        let path = format!("/api/contacts?ownerFilter=all&dateRange={range}");
        let rows = get(&start(options).await, &path).await.json()["contacts"].take();
        let ids = rows.as_array().unwrap().iter().map(|row| row["_id"].as_str().unwrap().to_owned());
        ids.collect::<String>()
    };
    assert_eq!(list(ListOrder::NewestFirst, DateBounds::Inclusive).await, "cab");
    assert_eq!(list(ListOrder::OldestFirst, DateBounds::Inclusive).await, "bac");
    assert_eq!(list(ListOrder::ChangedFirst, DateBounds::Ignored).await, "abc");
    assert_eq!(list(ListOrder::ById, DateBounds::Exclusive).await, "a");
}
