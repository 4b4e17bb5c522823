//! Nothing reaches a CRM by a name that the gateway does not declare: members smuggled in beside or under others.

use contacts_gateway::domain::Scope;
use serde_json::{Value, json};

use crate::reply::Reply;
use crate::testbed::Testbed;

/// Names that a CRM or a JSON library gives a meaning of its own.
const RESERVED: [&str; 16] = [
    "_id",
    "id",
    "uuid",
    "companyId",
    "organizationId",
    "userId",
    "createdBy",
    "assignees",
    "success",
    "data",
    "__proto__",
    "constructor",
    "prototype",
    "__v",
    "createdAt",
    "updatedAt",
];
/// Names that common members are translated to, in either spelling of either CRM.
const MAPPED: [&str; 20] = [
    "firstname",
    "firstName",
    "First Name",
    "lastname",
    "lastName",
    "Last Name",
    "fullname",
    "name",
    "email",
    "Email",
    "phone",
    "phoneNumber",
    "secondaryPhoneNumber",
    "Mobile Phone",
    "Home Phone",
    "Work Phone",
    "company",
    "Company",
    "address",
    "emailAddresses",
];
/// Looks like a name that may be written, and is another; letter case, blanks and underscores alone make no other name.
const LOOK_ALIKES: [&str; 9] = [
    "\u{ff53}tatus",
    "st\u{0430}tus",
    "status\u{200b}",
    "\u{feff}status",
    "s\u{301}tatus",
    "t\u{0456}tle",
    "\u{ff54}itle",
    "\u{ff3f}id",
    "_\u{0456}d",
];

/// A new person's body; everybody has a phone of their own.
fn person(at: usize) -> Value {
    json!({ "firstName": "Ada", "lastName": "Okafor",
        "emailAddresses": [{ "emailAddress": format!("ada{at}@example.com") }],
        "phoneNumbers": [{ "phoneNumber": format!("+1416555{at:04}") }] })
}

/// What `remote` under `remoteFields` is answered with: in a create and in a change, at each CRM.
async fn answers(testbed: &Testbed, at: usize, remote: &Value) -> Vec<(String, Reply)> {
    let mine = testbed.tenant(&format!("mine {at}")).await;
    let key = testbed.key(&mine, &Scope::ALL, None).await;
    let mut answers = Vec::new();
    for credential in &mine.credentials {
        let list = testbed.send("GET", &format!("/crm/contacts?credentialId={credential}"), &key, None).await;
        let contact = list.json()["contacts"][0]["id"].as_str().unwrap().to_owned();
        let mut body = person(at);
        body["remoteFields"] = remote.clone();
        let one = format!("/crm/contacts/{contact}?credentialId={credential}");
        for (method, uri, body) in [
            ("POST", format!("/crm/contacts?credentialId={credential}"), body),
            ("PATCH", one.clone(), json!({ "remoteFields": remote })),
            ("PUT", one, json!({ "remoteFields": remote })),
        ] {
            let answer = testbed.send(method, &uri, &key, Some(&body.to_string())).await;
            answers.push((format!("{method} {uri} {remote}"), answer));
        }
    }
    answers
}

fn writes(testbed: &Testbed) -> usize {
    let calls = testbed.aptly.calls().into_iter().chain(testbed.pipeline.calls());
    calls.filter(|call| call.method != "GET").count()
}

#[tokio::test]
async fn a_remote_field_that_is_not_declared_is_named_and_nothing_is_written() {
    let testbed = Testbed::open().await;
    for (at, name) in RESERVED.iter().chain(&MAPPED).chain(&LOOK_ALIKES).enumerate() {
        for (call, answer) in answers(&testbed, at, &json!({ *name: "zz-other" })).await {
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (422, "validation_failed"),
                "{call}: {}",
                answer.text
            );
            let pointer = format!("/remoteFields/{name}");
            assert!(answer.places().contains(&pointer), "{call}: {}", answer.text);
        }
    }
    assert_eq!(writes(&testbed), 0, "something was written to a CRM");
}

#[tokio::test]
async fn nothing_is_smuggled_under_a_declared_name() {
    let testbed = Testbed::open().await;
    for (at, remote) in [
        json!({ "customFields": { "_id": "x" } }),
        json!({ "customFields": { "__proto__": { "_id": "x" } } }),
        json!({ "customFields": [{ "_id": "x" }] }),
        json!({ "title": { "_id": "x" }, "status": { "_id": "x" } }),
        json!({ "title": ["x"], "status": ["x"] }),
        json!({ "contactType": { "$set": { "_id": "x" } }, "pipelineStage": { "$ne": null } }),
    ]
    .iter()
    .enumerate()
    {
        for (call, answer) in answers(&testbed, at, remote).await {
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (422, "validation_failed"),
                "{call}: {}",
                answer.text
            );
            assert!(
                answer.places().iter().all(|place| place.starts_with("/remoteFields/")),
                "{}",
                answer.text
            );
            assert!(!answer.places().is_empty(), "{call}");
        }
    }
    assert_eq!(writes(&testbed), 0, "something was written to a CRM");
}

#[tokio::test]
async fn a_member_beside_the_contacts_own_is_refused_before_any_call() {
    let testbed = Testbed::open().await;
    let mine = testbed.tenant("mine").await;
    let key = testbed.key(&mine, &Scope::ALL, None).await;
    let names = RESERVED.into_iter().filter(|name| !["id", "createdAt", "updatedAt"].contains(name));
    for name in
        names.chain(["tenantId", "credentialId", "remote_fields", "last\u{0430}Name", "lastNam\u{ff45}"])
    {
        for credential in &mine.credentials {
            let mut body = person(1);
            body[name] = json!("x");
            for (method, path) in [("POST", "/crm/contacts"), ("PATCH", "/crm/contacts/abc123")] {
                let uri = format!("{path}?credentialId={credential}");
                let answer = testbed.send(method, &uri, &key, Some(&body.to_string())).await;
                assert_eq!(answer.places(), [format!("/{name}")], "{method} {name}: {}", answer.text);
            }
        }
    }
    assert_eq!(testbed.calls(), 0, "something was sent to a CRM");
}
