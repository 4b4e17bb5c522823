//! Examples of requests and responses, by the name of their schema. Response examples are rendered by the code that renders
//! real responses, so that they stay correct. A test sends the request examples to a new demo.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::example::{Example, ExampleBuilder};

use crate::adapters::{ADAPTERS, Account, FieldChoice, RemoteFieldDefinition, spec};
use crate::api::schema::{
    AuditListing, CheckResponse, ContactListResponse, ContactResponse, ContactShape, CountResponse,
    CredentialListing, CredentialResponse, DeleteResponse, DryRunResponse, Each, ExportEndShape, ExportLine,
    FieldsResponse, KeyListing, KeyResponse, ProvidersResponse, SearchResponse, TenantListing,
    TenantResponse, TenantUsageResponse, UpsertResponse, declared_providers,
};
use crate::config::Quotas;
use crate::domain::{
    Contact, CredentialFailure, EmailAddress, Failure, FailureKind, FilterName, PhoneNumber, Provider,
    RawJson, RemoteFields, RemoteId, Scope, Scopes, Text, Timestamp, Warning, WarningCode,
};
use crate::gateway::Listing;
use crate::gateway::audit::Action;
use crate::gateway::contacts::{
    ContactPage, ContactView, DryRun, FieldsDescription, FoundContact, FoundPerson, KnowledgeSource,
    PlannedCall, SearchResult, Shortfall, UpsertOutcome,
};
use crate::gateway::credentials::{CheckRecord, Credential};
use crate::gateway::keys::KeyRecord;
use crate::gateway::tenants::{TenantRecord, Usage};
use crate::store::AuditRecord;

/// The examples of the schema `name`.
pub(super) fn of(name: &str) -> Vec<(String, RefOr<Example>)> {
    let examples = match name {
        "ContactAnswer" => vec![
            ("aptly", "A contact in Aptly", value(&ContactResponse::of(&aptly()))),
            ("pipeline", "A contact in the pipeline CRM", value(&ContactResponse::of(&pipeline()))),
        ],
        "UpsertAnswer" => upserts(),
        "ContactListAnswer" => vec![
            (
                "aptly",
                "A page from Aptly",
                value(&ContactListResponse::of(&listed(aptly(), Some(412), FilterName::RemoteUpdatedAtMin))),
            ),
            (
                "pipeline",
                "A page from the pipeline CRM",
                value(&ContactListResponse::of(&listed(pipeline(), None, FilterName::RemoteCreatedAtMin))),
            ),
        ],
        "SearchAnswer" => searches(),
        "DryRunAnswer" => dry_runs(),
        "ExportLine" => exported(),
        "CountAnswer" => vec![("count", "A count", value(&CountResponse { count: 412 }))],
        "DeleteAnswer" => vec![("removed", "Deleted", value(&DeleteResponse { success: true }))],
        "CredentialAnswer" => vec![
            ("aptly", "A credential for Aptly", value(&CredentialResponse::of(&credential("aptly")))),
            (
                "pipeline",
                "A credential for the pipeline CRM",
                value(&CredentialResponse::of(&credential("pipeline"))),
            ),
        ],
        "CredentialListing" => vec![(
            "both",
            "Both CRMs",
            value(&CredentialListing::of(&all([credential("aptly"), credential("pipeline")]))),
        )],
        "CheckAnswer" => checks(),
        "FieldsAnswer" => descriptions(),
        "ProvidersAnswer" => {
            vec![(
                "all",
                "All CRMs",
                value(&ProvidersResponse::of(&declared_providers(), |spec| spec.limits.to_vec())),
            )]
        }
        other => match of_operator(other) {
            Some(examples) => examples,
            None => return from_files(other).collect(),
        },
    };
    examples
        .into_iter()
        .map(|(name, summary, value)| {
            (name.to_owned(), ExampleBuilder::new().summary(summary).value(Some(value)).build().into())
        })
        .collect()
}

/// The examples of the schemas for the operator.
fn of_operator(name: &str) -> Option<Vec<(&'static str, &'static str, Value)>> {
    Some(match name {
        "TenantAnswer" => vec![("tenant", "A tenant", value(&TenantResponse::of(&tenant())))],
        "TenantUsageAnswer" => {
            vec![("tenant", "A tenant", value(&TenantUsageResponse::of(&tenant(), &usage())))]
        }
        "TenantListing" => vec![("tenants", "One tenant", value(&TenantListing::of(&all([tenant()]))))],
        "KeyAnswer" => {
            vec![(
                "key",
                "A new key",
                value(&KeyResponse::of(&key(), &"cg_shown-here-and-never-again".into())),
            )]
        }
        "KeyListing" => vec![("keys", "One key", value(&KeyListing::of(&all([key()]))))],
        "AuditListing" => vec![("audit", "A key changes a contact, and another key is refused", audited())],
        _ => return None,
    })
}

fn exported() -> Vec<(&'static str, &'static str, Value)> {
    let contact =
        |shown: &ContactView| value(&ExportLine::Contact(ContactShape::of(&shown.id, &shown.contact)));
    let end =
        ExportEndShape { complete: true, count: 412, checkpoint: None, problem: None, warnings: Each(&[]) };
    vec![
        ("aptly", "A contact in Aptly", contact(&aptly())),
        ("pipeline", "A contact in the pipeline CRM", contact(&pipeline())),
        ("checkpoint", "After 1,000 contacts", value(&ExportLine::Checkpoint("BGkrZx8AAAAA"))),
        ("end", "The last line", value(&ExportLine::End(end))),
    ]
}

fn upserts() -> Vec<(&'static str, &'static str, Value)> {
    let shown = |contact: ContactView, outcome| {
        value(&UpsertResponse::of(&ContactView { outcome: Some(outcome), ..contact }))
    };
    vec![
        ("created", "No contact matched", shown(aptly(), UpsertOutcome::Created)),
        ("updated", "One contact matched", shown(pipeline(), UpsertOutcome::Updated)),
    ]
}

/// Files with handwritten examples in OpenAPI format: one for each CRM, and one for the gateway.
fn files() -> impl Iterator<Item = &'static str> {
    ADAPTERS.iter().map(|spec| spec.examples).chain([include_str!("examples.json")])
}

fn from_files(schema: &str) -> impl Iterator<Item = (String, RefOr<Example>)> {
    files().flat_map(move |file| {
        let mut schemas: BTreeMap<String, BTreeMap<String, Example>> =
            serde_json::from_str(file).unwrap_or_default();
        schemas.remove(schema).into_iter().flatten().map(|(name, example)| (name, example.into()))
    })
}

fn value(response: &impl Serialize) -> Value {
    serde_json::to_value(response).unwrap_or_default()
}

fn timestamp(text: &str) -> Timestamp {
    text.parse().unwrap_or(Timestamp::UNIX_EPOCH)
}

fn all<T, const N: usize>(items: [T; N]) -> Listing<T> {
    Listing { items: items.into(), next_cursor: None }
}

fn aptly() -> ContactView {
    let mut contact = person("68f0c2a91b7d", "maria.okafor@example.com", "+1 416 555 0134");
    contact.remote_fields = RemoteFields(vec![(
        Text::from_static("contactType"),
        RawJson::from_validated(Text::from_static(r#""Tenant""#)),
    )]);
    ContactView {
        id: Text::from_static("con_AfQ2mX1kTzU2OGYwYzJhOTFiN2R4"),
        contact,
        warnings: vec![],
        outcome: None,
        tag: None,
    }
}

fn pipeline() -> ContactView {
    let mut contact = person("7b1e55d0", "maria.okafor@example.com", "+14165550134");
    contact.remote_fields = RemoteFields(vec![(
        Text::from_static("stage"),
        RawJson::from_validated(Text::from_static(r#""Viewing booked""#)),
    )]);
    let warning = Warning::new(
        WarningCode::NotStored,
        "/phoneNumbers/0/phoneNumberType",
        "The CRM keeps numbers without their type.",
    );
    ContactView {
        id: Text::from_static("con_ARx8u0aLPpQ3YjFlNTVkMGs"),
        contact,
        warnings: vec![warning],
        outcome: None,
        tag: None,
    }
}

fn person(remote_id: &'static str, email: &'static str, phone: &'static str) -> Contact {
    Contact {
        first_name: Some("Maria".into()),
        last_name: Some("Okafor".into()),
        email_addresses: vec![EmailAddress { address: email.into(), kind: Some("main".into()) }],
        phone_numbers: vec![PhoneNumber { number: phone.into(), kind: Some("mobile".into()) }],
        remote_created_at: Some(timestamp("2026-03-02T15:04:05Z")),
        remote_updated_at: Some(timestamp("2026-03-09T08:30:00.5Z")),
        ..Contact::bare(RemoteId::from(remote_id))
    }
}

fn listed(shown: ContactView, total: Option<u64>, filter: FilterName) -> ContactPage {
    ContactPage {
        contacts: vec![(shown.id, shown.contact)],
        page_number: Some(1),
        page_size: 1,
        next_cursor: Some("opaque-cursor-of-the-next-page".into()),
        total,
        pushed_down: vec![filter],
        applied_here: vec![],
        warnings: vec![],
    }
}

fn dry_runs() -> Vec<(&'static str, &'static str, Value)> {
    let planned = |path: &str, body: &'static str, warnings| {
        let body = Some(RawJson::from_validated(Text::from_static(body)));
        let call = PlannedCall { method: "POST".to_owned(), path: path.to_owned(), body };
        value(&DryRunResponse::of(&DryRun { calls: vec![call], warnings }))
    };
    let aptly = r#"{"First Name":"Maria","Last Name":"Okafor","Email":"maria.okafor@example.com"}"#;
    let pipeline = r#"{"firstName":"Maria","lastName":"Okafor","phoneNumber":[{"value":"+14165550134","isPrimary":true}]}"#;
    let lost = Warning::new(
        WarningCode::NotStored,
        "/account",
        "Not stored: contacts of the pipeline CRM have no company.",
    );
    vec![
        ("dryRun-aptly", "What a create would send to Aptly", planned("/api/contacts", aptly, vec![])),
        (
            "dryRun-pipeline",
            "What a create would send to the pipeline CRM",
            planned("/api/contact", pipeline, vec![lost]),
        ),
    ]
}

fn searches() -> Vec<(&'static str, &'static str, Value)> {
    let contact =
        |credential: &'static str, provider, ContactView { id, contact, warnings, .. }| FoundContact {
            credential: credential.into(),
            provider: Provider::new(provider),
            id,
            contact,
            warnings,
        };
    let (one, other) =
        (contact("demo-aptly", "aptly", aptly()), contact("demo-pipeline", "pipeline", pipeline()));
    let matched_on = vec!["emailAddress", "phoneNumber"];
    let both = SearchResult {
        people: vec![FoundPerson { matched_on, contacts: vec![one.clone(), other] }],
        ..SearchResult::default()
    };
    let late =
        Failure::new(FailureKind::UpstreamTimeout, "The CRM did not respond in the time for this search.")
            .with_upstream(Provider::new("pipeline"), None);
    let partly = SearchResult {
        people: vec![FoundPerson { matched_on: vec!["name"], contacts: vec![one] }],
        failures: vec![CredentialFailure { credential: "demo-pipeline".into(), failure: late }],
        shortfalls: vec![Shortfall {
            credential: "demo-aptly".into(),
            code: WarningCode::TooManyMatches,
            message: "More than 50 contacts match; the first 50 are shown. List this credential's contacts with a filter to see all.".into(),
        }],
    };
    let show = |found| {
        value(&SearchResponse::of(found, "/crm/contacts/search", "0193d3a1-7f00-7000-8000-000000000001"))
    };
    vec![
        ("both", "One person in both CRMs", show(&both)),
        ("partly", "One CRM is too slow, the other has more matches", show(&partly)),
    ]
}

fn credential(provider: &'static str) -> Credential {
    let settings = match provider {
        "aptly" => r#"{"defaultRegion":"US"}"#,
        _ => r#"{"baseUrl":"https://crm.example.com","defaultRegion":"CA"}"#,
    };
    Credential {
        id: format!("demo-{provider}").into(),
        provider: Provider::new(provider),
        name: format!("{provider} of the leasing team").into(),
        settings: RawJson::from_validated(Text::from_static(settings)),
        created_at: timestamp("2026-03-01T09:00:00Z"),
        updated_at: timestamp("2026-03-01T09:00:00Z"),
        last_check: Some(CheckRecord { at: timestamp("2026-03-01T09:00:00Z"), ok: true, code: None }),
    }
}

fn descriptions() -> Vec<(&'static str, &'static str, Value)> {
    let show = |provider| value(&FieldsResponse::of(&described(provider)));
    vec![
        ("aptly", "An account at Aptly", show("aptly")),
        ("pipeline", "An account at the pipeline CRM", show("pipeline")),
    ]
}

/// The declaration, with a definition that is read live and one that contacts show.
fn described(provider: &str) -> FieldsDescription {
    let mut described = FieldsDescription::declared(spec(provider).unwrap_or(ADAPTERS[0]));
    let field =
        |name: &'static str, value: &'static str, label: Option<&'static str>| RemoteFieldDefinition {
            name: name.into(),
            choices: vec![FieldChoice {
                value: value.into(),
                label: label.map(Text::from_static),
                within: None,
            }],
            ..RemoteFieldDefinition::default()
        };
    let (live, seen) = match provider {
        "aptly" => (
            field("typeId", "tEn4ntTyp3Qw8RbZk", None),
            RemoteFieldDefinition {
                name: "customFields".into(),
                custom_field_id: Some("5D8LYiyMt54aKD7x9".into()),
                label: Some("Occupant Role".into()),
                data_type: Some("text".into()),
                ..RemoteFieldDefinition::default()
            },
        ),
        _ => (
            field("pipelineStage", "64f0a1b2c3d4e5f6a7b8c9d2", Some("New Lead")),
            RemoteFieldDefinition {
                name: "source".into(),
                json_type: Some("string".into()),
                ..RemoteFieldDefinition::default()
            },
        ),
    };
    described.join(KnowledgeSource::Live, [live]);
    described.join(KnowledgeSource::Seen, [seen]);
    described
}

fn checks() -> Vec<(&'static str, &'static str, Value)> {
    let took = std::time::Duration::from_millis(184);
    let account = Account { id: Some("co_81".into()), name: Some("Harbour Homes".into()) };
    let refused = Failure::new(FailureKind::UpstreamCredentialRejected, "The CRM rejects the stored secret.")
        .with_upstream(Provider::new("pipeline"), Some(401));
    let show = |outcome| {
        value(&CheckResponse::of(
            &outcome,
            took,
            "/credentials/demo-pipeline/check",
            "0193d3a1-7f00-7000-8000-000000000001",
        ))
    };
    vec![
        ("aptly", "Aptly accepts the secret", show(Ok(account))),
        ("pipeline", "The pipeline CRM rejects it", show(Err(refused))),
    ]
}

fn audited() -> Value {
    let update = AuditRecord {
        id: "aud_0193d3a5".into(),
        at: timestamp("2026-03-09T08:30:00.412Z"),
        actor_kind: "key".into(),
        actor_id: Some("key_4fTz0QmW81LxVb2A".into()),
        tenant: Some("ten_0193d3a1".into()),
        action: Action::ContactUpdate.as_str().into(),
        target: Some("con_AfQ2mX1kTzU2OGYwYzJhOTFiN2R4".into()),
        fields: vec!["phoneNumbers".into(), "remoteFields.contactType".into()],
        outcome: "ok".into(),
        request_id: Some("0193d3a1-7f00-7000-8000-000000000001".into()),
    };
    let refusal = AuditRecord {
        id: "aud_0193d3a4".into(),
        at: timestamp("2026-03-09T08:29:58.007Z"),
        actor_kind: "nobody".into(),
        tenant: None,
        action: Action::AuthenticationRefuse.as_str().into(),
        target: None,
        fields: vec!["unrecorded:44".into()],
        outcome: FailureKind::Unauthenticated.code().into(),
        ..update.clone()
    };
    value(&AuditListing::of(&all([update, refusal])))
}

fn usage() -> Usage {
    Usage {
        ledger_rows: 1_284,
        ledger_bytes: 2_310_912,
        credentials: 12,
        api_keys: 3,
        audit_records: 20_377,
        limits: Quotas::default(),
    }
}

fn tenant() -> TenantRecord {
    TenantRecord {
        id: "ten_0193d3a1".into(),
        name: "Harbour Homes".into(),
        created_at: timestamp("2026-03-01T08:55:00Z"),
    }
}

fn key() -> KeyRecord {
    KeyRecord {
        id: "0193d3a2".into(),
        tenant: "ten_0193d3a1".into(),
        name: "resident portal".into(),
        digest: [0; 32],
        scopes: Scopes::new(&[Scope::ContactsRead, Scope::ContactsWrite]),
        credentials: None,
        created_at: timestamp("2026-03-01T08:56:00Z"),
        expires_at: None,
        last_used_at: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_examples_is_read() {
        for file in files() {
            let schemas: BTreeMap<String, BTreeMap<String, Example>> = serde_json::from_str(file).unwrap();
            assert!(schemas.values().flat_map(BTreeMap::values).all(|example| example.value.is_some()));
        }
    }
}
