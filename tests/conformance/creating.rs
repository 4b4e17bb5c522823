//! Creates: nobody is overwritten, nothing is lost in silence, nothing is refused after it was done.

use std::time::Duration;

use contacts_gateway::adapters::Write;
use contacts_gateway::domain::{Effect, FailureKind, Field, WarningCode};
use contacts_gateway::gateway::contacts::WriteOptions;
use contacts_gateway::simulators::{Fault, FaultKind, WriteEffect};
use serde_json::{Value, json};

use crate::support::account::{ToldApartBy, hurried, places, warned};
use crate::support::crm::{all, all_under};
use crate::support::person::{ada, shown, with};
use crate::test_gateway::Link;

#[tokio::test]
async fn a_create_stores_the_contact_and_answers_what_the_crm_holds() {
    for crm in all().await {
        let made = crm.create(ada()).await.unwrap();
        assert_eq!(warned(&made), []);
        let read = crm.get(&made.id).await.unwrap();
        assert_eq!(shown(&made.contact), shown(&read.contact));
        let contact = shown(&made.contact);
        assert_eq!((&contact["firstName"], &contact["lastName"]), (&json!("Ada"), &json!("Byron")));
        assert_eq!(contact["emailAddresses"], ada()["emailAddresses"]);
        assert_eq!(contact["phoneNumbers"][0]["phoneNumber"], "+14165550277");
        assert!(contact["remoteCreatedAt"].is_string());
        assert_eq!((crm.sent().len(), crm.at.writes().len()), (1, 1));
        crm.assert_no_alarm();
    }
}

#[tokio::test]
async fn a_create_with_a_known_identity_changes_nothing_and_names_the_contact() {
    for crm in all().await {
        let id = crm.put("Grace", "Hopper", "GRACE@example.com", "+14165550288");
        let before = crm.at.contact(&id);
        let twin = with(
            ada(),
            &json!({
                "emailAddresses": [{ "emailAddress": "ada@example.com" }, { "emailAddress": "Grace@Example.com" }],
                "phoneNumbers": [{ "phoneNumber": "+14165550277" }, { "phoneNumber": "+1 (416) 555-0288" }],
            }),
        );
        let failure = crm.create(twin).await.unwrap_err();
        assert_eq!((failure.kind, failure.effect), (FailureKind::ContactExists, Effect::None));
        let [candidate] = failure.candidates.as_slice() else { panic!("one candidate") };
        assert_eq!(candidate.remote_id.as_str(), id);
        assert_eq!(candidate.matched_on, [crm.identity().word()]);
        assert_eq!(crm.get(candidate.id.as_deref().unwrap()).await.unwrap().contact.remote_id.as_str(), id);
        assert_eq!(crm.at.contact(&id), before);
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn relatives_who_share_what_does_not_identify_them_are_created() {
    for crm in all().await {
        let id = crm.put("Grace", "Byron", "family@example.com", "+14165550288");
        let shared = match crm.told_apart_by() {
            ToldApartBy::Email => json!({ "phoneNumbers": [{ "phoneNumber": "+14165550288" }] }),
            ToldApartBy::Phone => {
                json!({ "emailAddresses": [{ "emailAddress": "family@example.com", "emailAddressType": "main" }] })
            }
        };
        let made = crm.create(with(ada(), &shared)).await.unwrap();
        assert_ne!(made.contact.remote_id.as_str(), id);
        assert_eq!(crm.at.contacts().len(), 2);
    }
}

#[tokio::test]
async fn of_two_creates_at_once_on_one_identity_exactly_one_is_made() {
    for crm in all().await {
        let creates = (0..6).map(|n| {
            let twin = with(ada(), &json!({ "firstName": format!("Ada {n}") }));
            crm.create(twin)
        });
        let outcomes = futures_util::future::join_all(creates).await;
        let made = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!((made, crm.at.contacts().len(), crm.sent().len()), (1, 1, 1));
        let exists = |failure: &&contacts_gateway::domain::Failure| {
            failure.kind == FailureKind::ContactExists && failure.candidates.len() == 1
        };
        assert_eq!(outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).filter(exists).count(), 5);
    }
}

#[tokio::test]
async fn what_the_crm_requires_is_asked_for_before_any_call() {
    for crm in all().await {
        for field in crm.spec.fields.iter().filter(|field| field.required) {
            let mut lacking = ada();
            lacking.as_object_mut().unwrap().remove(field.field.name());
            let failure = crm.create(lacking).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::ValidationFailed);
            assert_eq!(places(&failure), [format!("/{}", field.field.name())]);
        }
        crm.assert_silence();
    }
}

#[tokio::test]
async fn strict_refuses_every_declared_loss_before_any_call() {
    let lossy = json!({ "account": "Engines", "addresses": [{ "city": "London" }] });
    for crm in all().await {
        let failure = crm.create_strictly(with(ada(), &lossy)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ValidationFailed);
        let fields = [(Field::Account, "/account"), (Field::Addresses, "/addresses")];
        let is_lost = |field| matches!(crm.spec.field(field).unwrap().write, Write::Never(_));
        let lost: Vec<_> =
            fields.into_iter().filter(|(field, _)| is_lost(*field)).map(|(_, at)| at).collect();
        assert_eq!(places(&failure), lost);
        crm.assert_silence();
        let made = crm.create(with(ada(), &lossy)).await.unwrap();
        let warned = warned(&made);
        assert_eq!(
            warned.iter().map(|(code, at)| (*code == WarningCode::NotStored, *at)).collect::<Vec<_>>(),
            lost.iter().map(|at| (true, *at)).collect::<Vec<_>>()
        );
    }
}

#[tokio::test]
async fn strict_refuses_what_only_the_translation_knows_to_be_lost_before_anything_is_sent() {
    for crm in all().await {
        for (lossy, at) in [
            (
                json!({ "phoneNumbers": [{ "phoneNumber": "+14165550277", "phoneNumberType": "fax" }] }),
                "/phoneNumbers/0/phoneNumberType",
            ),
            (
                json!({ "emailAddresses": [{ "emailAddress": "ada@example.com", "emailAddressType": "work" }] }),
                "/emailAddresses/0/emailAddressType",
            ),
            (
                json!({ "emailAddresses": [{ "emailAddress": "ada@example.com" }, { "emailAddress": "ADA@example.com" }] }),
                "/emailAddresses/1",
            ),
            (
                json!({ "phoneNumbers": [{ "phoneNumber": "+14165550277" }, { "phoneNumber": "+1 416 555 0277" }] }),
                "/phoneNumbers/1",
            ),
            (json!({ "phoneNumbers": [{ "phoneNumber": "555-0277 99" }] }), "/phoneNumbers/0/phoneNumber"),
        ] {
            let failure = crm.create_strictly(with(ada(), &lossy)).await.unwrap_err();
            assert_eq!(
                (failure.kind, places(&failure)),
                (FailureKind::ValidationFailed, vec![at]),
                "{lossy}"
            );
        }
        crm.assert_nothing_sent();
        crm.create_strictly(ada()).await.unwrap();
    }
}

#[tokio::test]
async fn a_create_that_names_keys_of_the_crm_alone_is_refused_and_sends_nothing() {
    for crm in all().await {
        for key in [
            "_id",
            "id",
            "Id",
            "_ID",
            "uuid",
            "companyId",
            "organizationId",
            "organization_id",
            "userId",
            "createdBy",
            "createdAt",
            "updatedAt",
            "__v",
            "assignees",
            "success",
            "data",
            "__proto__",
            "constructor",
            "email",
            "Email",
            "First Name",
            "first_name",
            "phoneNumber",
            "Mobile Phone",
            "phone",
            "lastName",
            "\u{ff49}d",
            "",
            "a/b~c",
        ] {
            let failure =
                crm.create(with(ada(), &json!({ "remoteFields": { key: "x" } }))).await.unwrap_err();
            let at = format!("/remoteFields/{}", key.replace('~', "~0").replace('/', "~1"));
            assert_eq!(
                (failure.kind, places(&failure)),
                (FailureKind::ValidationFailed, vec![at.as_str()]),
                "{key}"
            );
        }
        let faults = crm
            .create(with(ada(), &json!({ "remoteFields": { "_id": "x", "nonsense": 1, "email": "y" } })))
            .await
            .unwrap_err();
        assert_eq!(faults.faults.len(), 3, "every one is named");
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn defaults_that_could_never_be_written_are_refused_with_the_credential() {
    for crm in all().await {
        for defaults in [json!({ "nonsense": 1 }), json!({ "_id": "x" }), json!({ "email": "x@example.com" })]
        {
            let settings = json!({ "createDefaults": defaults });
            let link = Link { base_url: crm.at.base_url(), secret: crm.at.token(), settings, verify: false };
            let failure =
                crm.gateway.link(&crm.gateway.caller, crm.spec.provider.as_str(), link).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::ValidationFailed);
            assert!(places(&failure)[0].starts_with("/settings/createDefaults/"), "{:?}", places(&failure));
        }
        // As in a create, `null` asks for nothing.
        let settings = json!({ "createDefaults": crm.world.null_remote_fields() });
        let link = Link { base_url: crm.at.base_url(), secret: crm.at.token(), settings, verify: false };
        crm.gateway.link(&crm.gateway.caller, crm.spec.provider.as_str(), link).await.unwrap();
    }
}

#[tokio::test]
async fn a_lost_answer_is_an_unknown_outcome_and_never_sent_again() {
    for fault in [
        FaultKind::ResetBeforeReading,
        FaultKind::ResetAfterApplying,
        FaultKind::ResetAfterHead,
        FaultKind::ResetMidBody,
        FaultKind::TruncatedBody,
        FaultKind::CutChunk,
        FaultKind::WrongContentLength { by: 50 },
        FaultKind::NeverAnswer,
        FaultKind::AppliedNeverAnswers,
        FaultKind::Stall,
        FaultKind::Drip { ms: 200 },
        FaultKind::AppliedThen { status: 500 },
        FaultKind::AppliedThen { status: 503 },
        FaultKind::HtmlBody { status: 502 },
        FaultKind::Oversized { bytes: 6 << 20, declared: false },
        FaultKind::GzipBomb { bytes: 100 << 20 },
    ] {
        for crm in all().await {
            crm.at.fault(Fault::always(fault.clone()).on_writes());
            let failure = crm.create_within(&hurried(), ada(), WriteOptions::default()).await.unwrap_err();
            assert_eq!(
                (failure.kind, failure.effect),
                (FailureKind::OutcomeUnknown, Effect::Unknown),
                "{fault:?}"
            );
            assert!(
                failure.detail.contains(crm.identity().word()) && !failure.detail.contains("ada@"),
                "the field, never its value"
            );
            assert_eq!(crm.sent().len(), 1, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_complete_answer_that_cannot_be_read_is_read_back() {
    for fault in [
        FaultKind::CutJson,
        FaultKind::Body { text: "[]".into() },
        FaultKind::Body { text: "null".into() },
        FaultKind::Body { text: r#"{"data":5}"#.into() },
        FaultKind::HtmlBody { status: 200 },
        FaultKind::Bytes { base64: "/w==".into() },
        FaultKind::EmptyAnswer,
        FaultKind::NoContent,
        FaultKind::ContentType { value: Some("text/plain".into()) },
        FaultKind::ContentType { value: None },
    ] {
        for crm in all().await {
            crm.at.fault(Fault::always(fault.clone()).on_writes());
            let made = crm.create(ada()).await.unwrap_or_else(|failure| panic!("{fault:?} {failure:?}"));
            assert_eq!(
                (warned(&made), crm.sent().len(), crm.at.contacts().len()),
                (vec![], 1, 1),
                "{fault:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_confirmed_create_whose_read_back_fails_is_answered_with_a_warning() {
    for crm in all().await {
        let fault = FaultKind::Status {
            code: 500,
            body: String::new(),
            content_type: String::new(),
            headers: vec![],
        };
        crm.at.fault(Fault::always(fault).on("GET", &crm.world.contact_path("*")));
        let made = crm.create(ada()).await.unwrap();
        let warned = warned(&made);
        assert_eq!(warned[0], (WarningCode::NotVerified, ""));
        assert!(warned[1..].iter().all(|(code, _)| *code == WarningCode::Incomplete), "{warned:?}");
        let contact = shown(&made.contact);
        // Where the CRM's response shows no number, what was sent is not shown for it.
        let shows = crm.world.behaviour().create_shows_phones;
        let number = if shows { json!("+14165550277") } else { Value::Null };
        assert_eq!(
            (&contact["lastName"], &contact["phoneNumbers"][0]["phoneNumber"]),
            (&json!("Byron"), &number)
        );
    }
}

#[tokio::test]
async fn a_refused_create_is_a_failure_that_did_nothing() {
    for crm in all().await {
        for (code, kind) in [
            (400, FailureKind::UpstreamRejected),
            (422, FailureKind::UpstreamRejected),
            (401, FailureKind::UpstreamCredentialRejected),
            (403, FailureKind::UpstreamPermissionDenied),
            (404, FailureKind::UpstreamError),
            (429, FailureKind::UpstreamRateLimited),
            (302, FailureKind::UpstreamRedirected),
        ] {
            // A pause that does not fit the deadline: a 429 that does is answered by sending once more.
            let fault = FaultKind::Status {
                code,
                body: "{}".into(),
                content_type: "application/json".into(),
                headers: vec![("retry-after".into(), "60".into())],
            };
            crm.at.fault(Fault::once(fault).on_writes());
            let failure = crm.afresh().await.create(ada()).await.unwrap_err();
            // What the CRM said of the content is its last word; what it said of the caller or the moment is not.
            let judged = matches!(kind, FailureKind::UpstreamRejected | FailureKind::ContactExists);
            let effect = if judged || code == 404 { Effect::Final } else { Effect::None };
            assert_eq!((failure.kind, failure.effect), (kind, effect), "{code} at {}", crm.spec.title);
            assert_eq!(failure.upstream.unwrap().status, Some(code));
        }
        crm.at
            .fault(Fault::once(FaultKind::SuccessFalse { message: "The moon is wrong".into() }).on_writes());
        let failure = crm.create(ada()).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.effect),
            (FailureKind::UpstreamRejected, Effect::Final),
            "{}",
            crm.spec.title
        );
        assert!(failure.detail.contains("The moon is wrong"));
        assert_eq!(crm.at.contacts().len(), 0);
        assert_eq!(crm.sent().len(), 8);
    }
}

#[tokio::test]
async fn what_the_crm_refuses_points_into_the_unified_contact() {
    for crm in all().await {
        for (key, value) in crm.world.refused_remote_fields() {
            let failure =
                crm.create(with(ada(), &json!({ "remoteFields": { key: value } }))).await.unwrap_err();
            // By a definition that was read live it is refused before it is sent.
            let refused = if crm.sent().is_empty() {
                FailureKind::ValidationFailed
            } else {
                FailureKind::UpstreamRejected
            };
            assert_eq!(failure.kind, refused, "{key}: {}", failure.detail.as_str());
            assert!(places(&failure)[0].starts_with("/remoteFields/"), "{:?}", places(&failure));
            crm.at.journal().clear();
        }
        assert_eq!(crm.at.contacts().len(), 0);
    }
}

#[tokio::test]
async fn nothing_is_sent_while_the_look_up_does_not_tell() {
    for fault in [
        FaultKind::Status { code: 500, body: String::new(), content_type: String::new(), headers: vec![] },
        FaultKind::HtmlBody { status: 200 },
        FaultKind::NeverAnswer,
        FaultKind::Body { text: r#"{"data":[{}]}"#.into() },
    ] {
        for crm in all().await {
            crm.at.fault(Fault::always(fault.clone()).on("GET", crm.world.list_path()));
            let failure = crm.create_within(&hurried(), ada(), WriteOptions::default()).await.unwrap_err();
            assert!(
                failure.kind != FailureKind::OutcomeUnknown && failure.effect == Effect::None,
                "{fault:?} {failure:?}"
            );
            crm.assert_nothing_sent();
        }
    }
}

#[tokio::test]
async fn national_numbers_need_a_region_and_keep_their_digits_without() {
    for region in [json!({}), json!({ "defaultRegion": "US" })] {
        for crm in all_under(&region).await {
            let made = crm
                .create(with(ada(), &json!({ "phoneNumbers": [{ "phoneNumber": "(416) 555-0277" }] })))
                .await
                .unwrap();
            let known = region.get("defaultRegion").is_some();
            let sent = crm.only_body().to_string();
            assert_eq!(sent.contains("+14165550277"), known, "{sent}");
            let expected = if known {
                vec![]
            } else {
                vec![(WarningCode::PhoneNotParsed, "/phoneNumbers/0/phoneNumber")]
            };
            let normalised = (WarningCode::ChangedByUpstream, "/phoneNumbers/0/phoneNumber");
            let as_typed = crm.world.behaviour().keeps_numbers_as_typed;
            let normalised = (!known && !as_typed).then_some(normalised);
            assert_eq!(warned(&made), expected.into_iter().chain(normalised).collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn the_writers_journal_shows_a_single_create() {
    for crm in all().await {
        let made = crm.create(ada()).await.unwrap();
        let writes = crm.at.writes();
        assert_eq!(writes[0].applied, WriteEffect::Created(made.contact.remote_id.as_str().to_owned()));
    }
}

#[tokio::test]
async fn a_create_is_finished_although_its_caller_left_and_the_next_one_sees_it() {
    for crm in all().await {
        crm.at.fault(Fault::once(FaultKind::Latency { ms: 1200 }).on_writes());
        let left = tokio::time::timeout(Duration::from_millis(600), crm.create(ada())).await;
        assert!(left.is_err(), "the caller left while the call was at the CRM");
        let next = crm.create(ada()).await.unwrap_err();
        assert_eq!(next.kind, FailureKind::ContactExists, "it waited for the write before it");
        assert_eq!(crm.at.writes().len(), 1);
    }
}
