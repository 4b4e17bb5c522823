//! Creates: nobody is overwritten, nothing is lost in silence, nothing is refused after it was done.

use std::time::Duration;

use contacts_gateway::domain::{Effect, FailureKind, WarningCode};
use contacts_gateway::gateway::contacts::WriteOptions;
use contacts_gateway::simulators::aptly::{self, ByEmail, Dialect};
use contacts_gateway::simulators::pipeline::{self, Conflict, CreateAnswer, SingleRead};
use contacts_gateway::simulators::{Fault, FaultKind, WriteEffect};
use serde_json::{Value, json};

use crate::support::person::{ada, shown, with};
use crate::support::world::{Crm, both, hurried, places, warned};

#[tokio::test]
async fn a_create_stores_the_contact_and_answers_what_the_crm_holds() {
    for crm in both().await {
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
    for crm in both().await {
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
        assert_eq!(
            (candidate.remote_id.as_str(), candidate.matched_on.as_slice()),
            (id.as_str(), &[crm.spec.create_identity().word()][..])
        );
        assert_eq!(crm.get(candidate.id.as_deref().unwrap()).await.unwrap().contact.remote_id.as_str(), id);
        assert_eq!(crm.at.contact(&id), before);
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn relatives_who_share_what_does_not_identify_them_are_created() {
    for crm in both().await {
        let id = crm.put("Grace", "Byron", "family@example.com", "+14165550288");
        let shared = if crm.is("aptly") {
            json!({ "phoneNumbers": [{ "phoneNumber": "+14165550288" }] })
        } else {
            json!({ "emailAddresses": [{ "emailAddress": "family@example.com", "emailAddressType": "main" }] })
        };
        let made = crm.create(with(ada(), &shared)).await.unwrap();
        assert_ne!(made.contact.remote_id.as_str(), id);
        assert_eq!(crm.at.contacts().len(), 2);
    }
}

#[tokio::test]
async fn of_two_creates_at_once_on_one_identity_exactly_one_is_made() {
    for crm in both().await {
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
    for crm in both().await {
        for field in crm.spec.fields.iter().filter(|field| field.required) {
            let mut lacking = ada();
            lacking.as_object_mut().unwrap().remove(field.field.name());
            let failure = crm.create(lacking).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::ValidationFailed);
            assert_eq!(places(&failure), [format!("/{}", field.field.name())]);
        }
        crm.assert_silence();
    }
    let crm = Crm::pipeline(pipeline::PipelineOptions::empty(), json!({})).await;
    for number in ["123456", "call me", "1234567890123456", "+1 415"] {
        let failure = crm
            .create(with(ada(), &json!({ "phoneNumbers": [{ "phoneNumber": number }] })))
            .await
            .unwrap_err();
        assert_eq!(places(&failure), ["/phoneNumbers/0/phoneNumber"], "{number}");
    }
    crm.assert_nothing_sent();
}

#[tokio::test]
async fn strict_refuses_every_declared_loss_before_any_call() {
    let lossy = json!({ "account": "Engines", "addresses": [{ "city": "London" }] });
    for crm in both().await {
        let failure = crm.create_strictly(with(ada(), &lossy)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ValidationFailed);
        let lost: Vec<_> = ["/account", "/addresses"]
            .into_iter()
            .filter(|at| !crm.is("aptly") || *at == "/addresses")
            .collect();
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
    for crm in both().await {
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
    for crm in both().await {
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
async fn defaults_fill_what_the_caller_left_open_and_give_way_to_what_he_says() {
    let crm = Crm::aptly(
        aptly::AptlyOptions::empty(),
        json!({ "createDefaults": { "contactType": "Tenant", "title": "Guest" } }),
    )
    .await;
    crm.create(ada()).await.unwrap();
    assert_eq!(
        (&crm.only_body()["Contact Type"], &crm.only_body()["Title"]),
        (&json!("Tenant"), &json!("Guest"))
    );
    let other = with(
        ada(),
        &json!({ "emailAddresses": [], "remoteFields": { "typeId": "oWn3rTyp3Xc5LmPqS", "Title": "Countess" } }),
    );
    let made = crm.create(other).await.unwrap();
    assert_eq!(
        (&crm.stored(&made)["contactType"], &crm.stored(&made)["title"]),
        (&json!("Owner"), &json!("Countess"))
    );

    let renewals = "64f0a1b2c3d4e5f6a7b8cb01";
    let crm = Crm::pipeline(
        pipeline::PipelineOptions::empty(),
        json!({ "createDefaults": { "status": "Qualified", "process": "import" } }),
    )
    .await;
    let made = crm.create(ada()).await.unwrap();
    assert_eq!(
        (&crm.stored(&made)["status"], &crm.stored(&made)["process"]),
        (&json!("Qualified"), &json!("import"))
    );
    let staged = with(
        ada(),
        &json!({ "phoneNumbers": [{ "phoneNumber": "+14165550278" }], "remoteFields": { "pipelineStage": "64f0a1b2c3d4e5f6a7b8ca02" } }),
    );
    assert_eq!(crm.stored(&crm.create(staged).await.unwrap())["status"], "Contacted");
    let moved = with(
        ada(),
        &json!({ "phoneNumbers": [{ "phoneNumber": "+14165550279" }], "remoteFields": { "pipelineId": renewals } }),
    );
    assert_eq!(crm.stored(&crm.create(moved).await.unwrap())["status"], "Due");
}

#[tokio::test]
async fn defaults_that_could_never_be_written_are_refused_with_the_credential() {
    use crate::support::world::Link;
    for crm in both().await {
        for defaults in [json!({ "nonsense": 1 }), json!({ "_id": "x" }), json!({ "email": "x@example.com" })]
        {
            let settings = json!({ "createDefaults": defaults });
            let link = Link { base_url: crm.at.base_url(), secret: crm.at.token(), settings, verify: false };
            let failure =
                crm.office.link(&crm.office.caller, crm.spec.provider.as_str(), link).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::ValidationFailed);
            assert!(places(&failure)[0].starts_with("/settings/createDefaults/"), "{:?}", places(&failure));
        }
        // As in a create, `null` asks for nothing.
        let nothing = if crm.is("aptly") {
            json!({ "isCompany": null, "contactType": null })
        } else {
            json!({ "process": null, "status": null })
        };
        let settings = json!({ "createDefaults": nothing });
        let link = Link { base_url: crm.at.base_url(), secret: crm.at.token(), settings, verify: false };
        crm.office.link(&crm.office.caller, crm.spec.provider.as_str(), link).await.unwrap();
    }
}

#[tokio::test]
async fn every_form_of_the_create_answer_ends_in_the_whole_contact() {
    for create_answer in [
        CreateAnswer::Thin,
        CreateAnswer::AsPrinted,
        CreateAnswer::WithContact,
        CreateAnswer::Record,
        CreateAnswer::WithoutId,
    ] {
        for single_read in [SingleRead::Present, SingleRead::AbsentHtml, SingleRead::AbsentJson] {
            for create_status in [200, 201] {
                let options = pipeline::PipelineOptions {
                    create_answer,
                    single_read,
                    create_status,
                    ..pipeline::PipelineOptions::empty()
                };
                let crm = Crm::pipeline(options, json!({})).await;
                crm.put("Grace", "Byron", "ada@example.com", "+14165550288");
                let made = crm
                    .create(with(ada(), &json!({ "remoteFields": { "status": "New Lead" } })))
                    .await
                    .unwrap();
                let what = format!("{create_answer:?} {single_read:?}");
                assert_eq!(warned(&made), [], "{what}");
                let contact = shown(&made.contact);
                assert_eq!(
                    (&contact["firstName"], &contact["remoteFields"]["status"]),
                    (&json!("Ada"), &json!("New Lead")),
                    "{what}"
                );
                assert_eq!(contact["phoneNumbers"][0]["phoneNumber"], "+14165550277", "{what}");
            }
        }
    }
    for dialect in [Dialect::V2, Dialect::V3] {
        for fault in [
            None,
            Some(FaultKind::EmptyAnswer),
            Some(FaultKind::NoContent),
            Some(FaultKind::Body { text: "{}".into() }),
        ] {
            let options = aptly::AptlyOptions {
                dialect,
                by_email: ByEmail::WritesAContact,
                ..aptly::AptlyOptions::empty()
            };
            let crm = Crm::aptly(options, json!({})).await;
            if let Some(fault) = fault.clone() {
                crm.at.fault(Fault::once(fault).on_writes());
            }
            let made =
                crm.create(ada()).await.unwrap_or_else(|failure| panic!("{dialect:?} {fault:?} {failure:?}"));
            assert_eq!((warned(&made), crm.at.contacts().len()), (vec![], 1), "{dialect:?} {fault:?}");
            crm.assert_no_alarm();
        }
    }
}

#[tokio::test]
async fn a_relative_is_not_passed_off_as_the_contact_just_created() {
    let crm = Crm::aptly(aptly::AptlyOptions::empty(), json!({})).await;
    let relative = json!({ "firstname": "Grace", "lastname": "Hopper", "phone": [{ "number": "+14165550277", "type": "mobile" }],
        "createdAt": "2024-01-15T10:00:00Z", "updatedAt": "2024-01-15T10:00:00Z" });
    let _ = crm.at.put(relative).unwrap();
    let nothing = FaultKind::Status {
        code: 200,
        body: "{}".into(),
        content_type: "application/json".into(),
        headers: vec![],
    };
    crm.at.fault(Fault::always(nothing).on_writes());
    for first in ["Ada", "Grace"] {
        let created = with(ada(), &json!({ "firstName": first, "lastName": "Hopper", "emailAddresses": [] }));
        let failure = crm.create(created).await.unwrap_err();
        assert_eq!((failure.kind, failure.effect), (FailureKind::OutcomeUnknown, Effect::Unknown), "{first}");
    }
    assert_eq!(crm.at.contacts().len(), 1);
}

#[tokio::test]
async fn every_form_of_a_conflict_is_a_contact_that_exists() {
    for conflict in [Conflict::Status409, Conflict::Status400, Conflict::Status422, Conflict::SuccessFalse] {
        let crm = Crm::pipeline(
            pipeline::PipelineOptions { conflict, ..pipeline::PipelineOptions::empty() },
            json!({}),
        )
        .await;
        crm.put("Neigh", "Bour", "ada@example.com", "+14165550299");
        // Somebody else makes the contact between the look-up and the create.
        crm.at.fault(Fault::once(FaultKind::Latency { ms: 1200 }).on_writes());
        let (outcome, id) = tokio::join!(crm.create(ada()), async {
            tokio::time::sleep(Duration::from_millis(600)).await;
            crm.put("Grace", "Hopper", "grace@example.com", "+14165550277")
        });
        let failure = outcome.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ContactExists, "{conflict:?}");
        let candidates: Vec<_> =
            failure.candidates.iter().map(|candidate| candidate.remote_id.as_str()).collect();
        assert_eq!(candidates, [id], "the neighbour shares the e-mail alone");
    }
}

#[tokio::test]
async fn another_writer_in_between_shows_in_a_warning() {
    let crm = Crm::aptly(aptly::AptlyOptions::empty(), json!({})).await;
    for created in [json!("2024-01-15T10:00:00Z"), Value::Null] {
        crm.at.fault(Fault::once(FaultKind::Latency { ms: 2500 }).on_writes());
        let other = json!({ "firstname": "Grace", "email": ["ada@example.com"], "createdAt": created, "title": "Admiral" });
        let (outcome, id) = tokio::join!(crm.create(ada()), async {
            tokio::time::sleep(Duration::from_millis(600)).await;
            crm.at.put(other).unwrap()
        });
        let made = outcome.unwrap();
        assert_eq!(made.contact.remote_id.as_str(), id);
        assert_eq!(warned(&made), [(WarningCode::MayHaveUpdatedExisting, "/remoteId")]);
        assert!(made.warnings[0].message.contains(id.as_str()));
        assert!(crm.at.take_out(&id));
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
        for crm in both().await {
            crm.at.fault(Fault::always(fault.clone()).on_writes());
            let failure = crm.create_within(&hurried(), ada(), WriteOptions::default()).await.unwrap_err();
            assert_eq!(
                (failure.kind, failure.effect),
                (FailureKind::OutcomeUnknown, Effect::Unknown),
                "{fault:?}"
            );
            assert!(
                failure.detail.contains(crm.spec.create_identity().word())
                    && !failure.detail.contains("ada@"),
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
        for crm in both().await {
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
    for crm in both().await {
        let fault = FaultKind::Status {
            code: 500,
            body: String::new(),
            content_type: String::new(),
            headers: vec![],
        };
        crm.at.fault(Fault::always(fault).on("GET", "/api/contacts/*"));
        let made = crm.create(ada()).await.unwrap();
        let warned = warned(&made);
        assert_eq!(warned[0], (WarningCode::NotVerified, ""));
        assert!(warned[1..].iter().all(|(code, _)| *code == WarningCode::Incomplete), "{warned:?}");
        let contact = shown(&made.contact);
        // The pipeline CRM's response shows no number, and what was sent is not shown for it.
        let number = if crm.is("aptly") { json!("+14165550277") } else { Value::Null };
        assert_eq!(
            (&contact["lastName"], &contact["phoneNumbers"][0]["phoneNumber"]),
            (&json!("Byron"), &number)
        );
    }
}

#[tokio::test]
async fn a_refused_create_is_a_failure_that_did_nothing() {
    for crm in both().await {
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
    for crm in both().await {
        let wrong = if crm.is("aptly") {
            [("contactType", "Nonsense"), ("typeId", "Nonsense")]
        } else {
            [("status", "Nonsense"), ("pipelineId", "Nonsense")]
        };
        for (key, value) in wrong {
            let failure =
                crm.create(with(ada(), &json!({ "remoteFields": { key: value } }))).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::UpstreamRejected, "{key}: {}", failure.detail.as_str());
            assert!(places(&failure)[0].starts_with("/remoteFields/"), "{:?}", places(&failure));
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
        for crm in both().await {
            crm.at.fault(Fault::always(fault.clone()).on("GET", "/api/contacts"));
            let failure = crm.create_within(&hurried(), ada(), WriteOptions::default()).await.unwrap_err();
            assert!(
                failure.kind != FailureKind::OutcomeUnknown && failure.effect == Effect::None,
                "{fault:?} {failure:?}"
            );
            crm.assert_nothing_sent();
        }
    }
    let crm = Crm::aptly(aptly::AptlyOptions::empty(), json!({})).await;
    // A look-up that does not see everybody has not seen that somebody is missing.
    let some = FaultKind::Body { text: r#"{"data":[],"count":1,"page":0,"pageSize":200}"#.into() };
    crm.at.fault(Fault::always(some).on("GET", "/api/contacts"));
    assert_eq!(crm.create(ada()).await.unwrap_err().kind, FailureKind::UpstreamInvalidResponse);
    crm.assert_nothing_sent();
}

#[tokio::test]
async fn national_numbers_need_a_region_and_keep_their_digits_without() {
    for region in [json!({}), json!({ "defaultRegion": "US" })] {
        for crm in [
            Crm::aptly(aptly::AptlyOptions::empty(), region.clone()).await,
            Crm::pipeline(pipeline::PipelineOptions::empty(), region.clone()).await,
        ] {
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
            // The pipeline CRM makes E.164 of what it can read.
            let normalised = (WarningCode::ChangedByUpstream, "/phoneNumbers/0/phoneNumber");
            let normalised = (!known && crm.is("pipeline")).then_some(normalised);
            assert_eq!(warned(&made), expected.into_iter().chain(normalised).collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn the_writers_journal_shows_a_single_create() {
    for crm in both().await {
        let made = crm.create(ada()).await.unwrap();
        let writes = crm.at.writes();
        assert_eq!(writes[0].applied, WriteEffect::Created(made.contact.remote_id.as_str().to_owned()));
    }
}

#[tokio::test]
async fn a_create_is_finished_although_its_caller_left_and_the_next_one_sees_it() {
    for crm in both().await {
        crm.at.fault(Fault::once(FaultKind::Latency { ms: 1200 }).on_writes());
        let left = tokio::time::timeout(Duration::from_millis(600), crm.create(ada())).await;
        assert!(left.is_err(), "the caller left while the call was at the CRM");
        let next = crm.create(ada()).await.unwrap_err();
        assert_eq!(next.kind, FailureKind::ContactExists, "it waited for the write before it");
        assert_eq!(crm.at.writes().len(), 1);
    }
}
