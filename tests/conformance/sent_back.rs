//! A contact that was read, edited and sent back: what the CRM sets or holds already is not judged, and nothing but
//! the edit changes.

use contacts_gateway::domain::{FailureKind, WarningCode};
use contacts_gateway::gateway::contacts::{ContactView, UpsertOutcome, WriteOptions};
use serde_json::{Value, json};

use crate::support::account::{ToldApartBy, places, warned};
use crate::support::crm::{Crm, all};
use crate::support::person::{ada, shown, with};
use crate::support::worlds::Stored;
use crate::test_gateway::soon;

pub(super) const STRICT: WriteOptions = WriteOptions { strict: true };

/// What a write says of what was sent; what a reading does not show is no part of it.
pub(super) fn told(shown: &ContactView) -> Vec<(WarningCode, &str)> {
    warned(shown).into_iter().filter(|(code, _)| *code != WarningCode::Incomplete).collect()
}

/// The contact as we show it, with the gateway's own id.
pub(super) async fn read(crm: &Crm, id: &str) -> Value {
    let read = crm.get(id).await.unwrap();
    with(shown(&read.contact), &json!({ "id": read.id.as_str() }))
}

/// Changes the stored record as the CRM itself does.
pub(super) fn moves(crm: &Crm, id: &str, fields: &Value) {
    let record = with(crm.at.contact(id).unwrap(), fields);
    crm.at.put(record).unwrap();
}

pub(super) fn phones(numbers: &[(&str, Option<&str>)]) -> Value {
    let phone =
        |(number, kind): &(&str, Option<&str>)| json!({ "phoneNumber": number, "phoneNumberType": kind });
    json!({ "phoneNumbers": numbers.iter().map(phone).collect::<Vec<_>>() })
}

#[tokio::test]
async fn the_same_body_is_sent_twice_whatever_the_crm_computes_meanwhile() {
    for crm in all().await {
        let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
        let computed = |round: u32| json!({ "computed": round, "latestMessage": { "text": "m".repeat(2000), "at": round } });
        moves(&crm, &id, &computed(0));
        let edited = with(read(&crm, &id).await, &json!({ "firstName": "Zoe" }));
        for round in 1..4 {
            moves(&crm, &id, &computed(round));
            let back = crm.update_within(&soon(), &id, edited.clone(), STRICT).await;
            let back = back.unwrap_or_else(|failure| panic!("{:?}", places(&failure)));
            let fields: Vec<_> =
                told(&back).into_iter().filter(|(_, pointer)| pointer.starts_with("/remoteFields")).collect();
            // Where it computes from the name that was edited, the first body still has what it held.
            let differs = !crm.world.behaviour().computes_from_names || round > 1;
            let expected = if differs { vec![(WarningCode::ReadOnly, "/remoteFields")] } else { vec![] };
            assert_eq!(fields, expected, "{} {round}", crm.spec.title);
            assert_eq!(back.contact.first_name.as_deref(), Some("Zoe"));
        }
        assert_eq!(crm.sent().len(), 1, "only the edit is sent, once");
        let stranger = json!({ "firstName": "Ada", "remoteFields": { "computed": 7 } });
        let failure = crm.update(&id, stranger).await.unwrap_err();
        assert_eq!(
            (failure.kind, places(&failure)),
            (FailureKind::ValidationFailed, vec!["/remoteFields/computed"])
        );
    }
}

#[tokio::test]
async fn null_clears_what_an_upsert_finds_and_is_absent_from_what_it_creates() {
    for crm in all().await {
        let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
        let (own, other, entry) = match crm.told_apart_by() {
            ToldApartBy::Email => {
                ("emailAddresses", "phoneNumbers", json!({ "emailAddress": "grace@example.com" }))
            }
            ToldApartBy::Phone => {
                ("phoneNumbers", "emailAddresses", json!({ "phoneNumber": "+14165550288" }))
            }
        };
        let nulls = json!({ "firstName": null, "account": null, other: null });
        let found = crm.upsert(with(ada(), &nulls), None).await.unwrap();
        assert_eq!(
            (found.outcome, found.contact.remote_id.as_str()),
            (Some(UpsertOutcome::Updated), id.as_str())
        );
        let contact = shown(&found.contact);
        assert_eq!(
            (&contact["firstName"], &contact[other]),
            (&Value::Null, &json!([])),
            "{}",
            crm.spec.title
        );

        let fields = crm.world.null_remote_fields();
        let stranger = json!({ "firstName": null, "lastName": "Hopper", "account": null, other: null, "remoteFields": fields,
            own: [entry] });
        let made = crm.upsert(stranger, None).await.unwrap();
        assert_eq!((made.outcome, told(&made)), (Some(UpsertOutcome::Created), vec![]));
        let sent = crm.sent();
        let body: Value = serde_json::from_str(&sent.last().unwrap().body).unwrap();
        assert!(body.as_object().unwrap().values().all(|value| !value.is_null() && value != ""), "{body}");
    }
}

/// A record that breaks each of the gateway's own rules.
fn put_odd(crm: &Crm) -> String {
    let numbers: Vec<String> = (0..60).map(|n| format!("+141655503{n:02}")).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let stored = Stored {
        first: "Ada\tMary",
        last: &"B".repeat(1200),
        emails: &["n/a", "ada@example.com"],
        phones: &numbers,
    };
    let contact = with(crm.world.record(&stored), &json!({ (crm.world.id_key()): "odd" }));
    let many: serde_json::Map<String, Value> = (0..300).map(|n| (format!("field{n}"), json!(n))).collect();
    crm.at.put(with(contact, &Value::Object(many))).unwrap()
}

#[tokio::test]
async fn what_the_crm_holds_already_is_not_judged_as_new() {
    for crm in all().await {
        let id = put_odd(&crm);
        let whole = read(&crm, &id).await;
        let back = crm.update_within(&soon(), &id, whole.clone(), STRICT).await;
        assert_eq!(told(&back.unwrap_or_else(|failure| panic!("{:?}", places(&failure)))), []);
        crm.assert_nothing_sent();
        let title = crm.spec.title;
        let field = |index: usize| format!("/phoneNumbers/{index}/phoneNumber");
        let changed = |name: &str, change: &dyn Fn(&mut Value)| {
            let mut list = whole[name].clone();
            change(&mut list);
            json!({ name: list })
        };
        let one_more =
            |list: &mut Value| list.as_array_mut().unwrap().push(json!({ "phoneNumber": "+14165550399" }));
        for (change, at) in [
            (json!({ "firstName": "Ada\tAnn" }), "/firstName".to_owned()),
            (json!({ "lastName": "C".repeat(1200) }), "/lastName".to_owned()),
            (changed("phoneNumbers", &one_more), "/phoneNumbers".to_owned()),
            (
                json!({ "phoneNumbers": [{ "phoneNumber": "+14165550300" }, { "phoneNumber": "1".repeat(1001) }] }),
                field(1),
            ),
            (
                changed("emailAddresses", &|list| list[1] = json!({ "emailAddress": "nobody" })),
                "/emailAddresses/1/emailAddress".to_owned(),
            ),
            (
                json!({ "emailAddresses": [{ "emailAddress": "ada@example.com", "emailAddressType": "m\u{1}" }] }),
                "/emailAddresses/0/emailAddressType".to_owned(),
            ),
            (json!({ "addresses": vec![json!({ "city": "x" }); 21] }), "/addresses".to_owned()),
            (json!({ "addresses": [{ "city": "a\nb" }] }), "/addresses/0/city".to_owned()),
        ] {
            let failure = crm.update(&id, change).await.unwrap_err();
            assert_eq!(
                (failure.kind, places(&failure)),
                (FailureKind::ValidationFailed, vec![at.as_str()]),
                "{title}"
            );
        }
        crm.assert_nothing_sent();
        let many: serde_json::Map<String, Value> = (0..201).map(|n| (format!("new{n}"), json!(n))).collect();
        let failure = crm.update(&id, json!({ "remoteFields": many })).await.unwrap_err();
        assert_eq!(places(&failure), ["/remoteFields"], "{title}");
    }
}

#[tokio::test]
async fn a_contact_that_breaks_the_rules_is_edited_as_a_whole_and_by_upsert() {
    for crm in all().await {
        let id = put_odd(&crm);
        let edited = with(read(&crm, &id).await, &json!({ "firstName": "Augusta" }));
        let back = crm.update(&id, edited).await.unwrap();
        assert_eq!(
            (back.contact.first_name.as_deref(), back.contact.phone_numbers.len()),
            (Some("Augusta"), 60)
        );
        let mut fewer = read(&crm, &id).await;
        fewer["phoneNumbers"].as_array_mut().unwrap().pop();
        let fewer = crm.update(&id, fewer).await.unwrap();
        assert_eq!(fewer.contact.phone_numbers.len(), 59, "a number of too many can be taken out");
        let whole = read(&crm, &id).await;
        let mut upsert = json!({ "lastName": whole["lastName"], "emailAddresses": whole["emailAddresses"], "phoneNumbers": whole["phoneNumbers"] });
        upsert["firstName"] = json!("Ada");
        let found = crm.upsert(upsert.clone(), None).await.unwrap();
        assert_eq!(
            (found.outcome, found.contact.first_name.as_deref()),
            (Some(UpsertOutcome::Updated), Some("Ada"))
        );
        assert!(crm.at.take_out(&id));
        let sent = crm.sent().len();
        let failure = crm.upsert(upsert, None).await.unwrap_err();
        let mut at = places(&failure);
        at.sort_unstable();
        assert_eq!(
            at,
            ["/emailAddresses/0/emailAddress", "/lastName", "/phoneNumbers"],
            "{}",
            crm.spec.title
        );
        assert_eq!(crm.sent().len(), sent, "what is new is judged before it is sent");
    }
}

#[tokio::test]
async fn an_upsert_by_what_is_no_address_is_refused_before_any_call() {
    for crm in all().await {
        let (list, entry) = match crm.told_apart_by() {
            ToldApartBy::Email => ("emailAddresses", json!({ "emailAddress": "n/a" })),
            ToldApartBy::Phone => ("phoneNumbers", json!({ "phoneNumber": "1".repeat(1001) })),
        };
        let failure = crm.upsert(json!({ "lastName": "Byron", list: [entry] }), None).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ValidationFailed);
        assert!(places(&failure)[0].starts_with(&format!("/{list}/0/")), "{:?}", places(&failure));
        crm.assert_silence();
    }
}
