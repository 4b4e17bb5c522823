//! The pipeline CRM, as the shared cases must know it.

use async_trait::async_trait;
use contacts_gateway::domain::Field;
use contacts_gateway::simulators::Running;
use contacts_gateway::simulators::pipeline::{
    Conflict, CreateAnswer, Envelope, ListPhones, PipelineOptions, PipelineSimulator,
};
use serde_json::{Value, json};

use super::{Behaviour, Hidden, NewChoice, RemoteSample, Start, Stored, Variant, World, hidden_text};

pub(super) struct Pipeline;

async fn start(options: PipelineOptions) -> Running {
    PipelineSimulator::start(options).await.unwrap()
}

#[async_trait]
impl World for Pipeline {
    fn provider(&self) -> &'static str {
        "pipeline"
    }

    fn id_key(&self) -> &'static str {
        "_id"
    }

    fn list_path(&self) -> &'static str {
        "/api/contacts"
    }

    fn behaviour(&self) -> Behaviour {
        Behaviour {
            page_size: 50,
            keeps_numbers_as_typed: false,
            keeps_case_of_emails: false,
            create_shows_phones: false,
            update_shows_names: true,
            computes_from_names: false,
            calls_before_first_write: 0,
            kind_of_only_number: "primary",
        }
    }

    async fn start(&self, setup: Start) -> Running {
        let mut options = PipelineOptions { people: setup.people, ..PipelineOptions::empty() };
        if !setup.tokens.is_empty() {
            options.tokens = setup.tokens;
        }
        if setup.tells_account {
            // It names the organisation on its contacts alone.
            let mut zoe = json!({ "firstName": "Zoe", "lastName": "Quill",
                "phoneNumber": [{ "value": "+14165550333", "isPrimary": true }] });
            if let Some(account) = setup.account {
                zoe["organizationId"] = json!(account);
            }
            options.contacts = vec![zoe];
        }
        start(options).await
    }

    async fn variants(&self, people: usize) -> Vec<Variant> {
        let variant = async |name, options| {
            let (at, settings) = (start(options).await, json!({}));
            Variant { name, is_dialect: name == "pipeline", at, settings }
        };
        let whole = PipelineOptions {
            people,
            envelope: Envelope::V1,
            create_answer: CreateAnswer::WithContact,
            create_status: 201,
            conflict: Conflict::Status422,
            update_with_contact: true,
            ..PipelineOptions::empty()
        };
        let record = PipelineOptions {
            people,
            create_answer: CreateAnswer::Record,
            create_status: 201,
            conflict: Conflict::Status400,
            update_with_contact: true,
            ..PipelineOptions::empty()
        };
        vec![
            variant("pipeline", PipelineOptions { people, ..PipelineOptions::empty() }).await,
            variant("pipeline_v1", whole).await,
            variant("pipeline_record", record).await,
        ]
    }

    async fn odd_lists(&self, people: usize) -> Vec<Running> {
        let options = || PipelineOptions { people, ..PipelineOptions::empty() };
        vec![
            start(PipelineOptions { largest_page: 40, ..options() }).await,
            start(PipelineOptions { envelope: Envelope::V1, ..options() }).await,
            start(PipelineOptions { list_phones: ListPhones::Text, ..options() }).await,
        ]
    }

    fn permissive(&self) -> Value {
        json!({ "allowDelete": true })
    }

    fn harmful_calls(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    fn stored_name(&self, field: Field) -> &'static str {
        match field {
            Field::FirstName => "firstName",
            Field::LastName => "lastName",
            Field::EmailAddresses => "email",
            Field::PhoneNumbers => "phoneNumber",
            other => panic!("{other:?} has no name"),
        }
    }

    fn written_names(&self, field: Field) -> &'static [&'static str] {
        match field {
            Field::FirstName => &["firstName"],
            Field::LastName => &["lastName"],
            Field::EmailAddresses => &["email"],
            Field::PhoneNumbers => &["phoneNumber"],
            other => panic!("{other:?} has no name"),
        }
    }

    fn record(&self, stored: &Stored<'_>) -> Value {
        let email = match stored.emails {
            [] => Value::Null,
            [one] => json!(one),
            many => many
                .iter()
                .enumerate()
                .map(|(n, email)| json!({ "value": email, "isPrimary": n == 0 }))
                .collect(),
        };
        json!({ "firstName": stored.first, "lastName": stored.last, "email": email,
            "phoneNumber": self.stored_phones(stored.phones) })
    }

    fn rich(&self) -> Value {
        json!({ "_id": "rich", "firstName": "Ada", "lastName": "Byron", "process": "import", "score": 3, "status": "New Lead",
            "pipelineId": "64f0a1b2c3d4e5f6a7b8c9d1", "pipelineStage": "64f0a1b2c3d4e5f6a7b8c9d2",
            "email": [{ "value": "byron@example.com", "isPrimary": false }, { "value": "ada@example.com", "isPrimary": true, "verifiedAt": "2026-01-01T00:00:00.000Z" }],
            "phoneNumber": [{ "value": "+14165550278", "isPrimary": false },
                { "value": "+14165550277", "isPrimary": true, "verifiedAt": "2026-02-01T00:00:00.000Z", "verifiedBy": "u1", "verificationSource": "sms" }] })
    }

    fn with_all_fields(&self, email: &str, phone: &str) -> Value {
        self.record(&Stored { first: "Ada", last: "Byron", emails: &[email], phones: &[phone] })
    }

    fn odd_records(&self) -> Vec<Value> {
        vec![
            json!({ "phoneNumber": [] }),
            json!({ "phoneNumber": "12", "secondaryPhoneNumber": ["12", { "value": "+14165550262", "label": "boat" }] }),
            json!({ "phoneNumber": [{ "value": "+14165550263", "isPrimary": false }, { "value": "+14165550264", "isPrimary": false }],
                "email": [{ "value": "a@example.com" }, { "value": "A@example.com" }] }),
            json!({ "phoneNumber": [{ "value": "+14165550265", "isPrimary": true }, { "value": "+14165550266", "isPrimary": true }], "email": ["b@example.com"] }),
        ]
    }

    fn stored_phones(&self, numbers: &[&str]) -> Value {
        numbers
            .iter()
            .enumerate()
            .map(|(n, number)| json!({ "value": number, "isPrimary": n == 0 }))
            .collect()
    }

    fn sent_number(&self, body: &Value) -> Value {
        body["phoneNumber"][0]["value"].clone()
    }

    fn single_read(&self, record: &Value) -> String {
        json!({ "data": { "contact": record } }).to_string()
    }

    fn list(&self, rows: &[Value], echo: &Value) -> String {
        let mut data = echo.clone();
        data["contacts"] = json!(rows);
        json!({ "success": true, "data": data }).to_string()
    }

    fn bare_list(&self, rows: &[Value]) -> String {
        json!({ "contacts": rows }).to_string()
    }

    fn row(&self, id: &str) -> Value {
        json!({ "_id": id, "firstName": "Ada", "lastName": "Byron", "email": null, "phoneNumber": [],
            "createdAt": "2024-01-15T10:00:00Z", "updatedAt": "2024-01-15T10:00:00Z" })
    }

    fn clearable(&self) -> Value {
        json!({})
    }

    fn visible_changes(&self) -> Vec<Value> {
        vec![
            json!({ "firstName": "Augusta" }),
            json!({ "firstName": null }),
            json!({ "lastName": "King" }),
            json!({ "email": [{ "value": "ada@example.com", "isPrimary": true }] }),
            json!({ "email": [{ "value": "byron@example.com", "isPrimary": true }, { "value": "ada@example.com", "isPrimary": false }] }),
            json!({ "phoneNumber": [{ "value": "+14165550277", "isPrimary": true }] }),
            json!({ "phoneNumber": [{ "value": "+14165550278", "isPrimary": true }, { "value": "+14165550277", "isPrimary": false }] }),
            json!({ "status": "Touring" }),
            json!({ "pipelineStage": "64f0a1b2c3d4e5f6a7b8c9ff" }),
            json!({ "pipelineId": "64f0a1b2c3d4e5f6a7b8c9fe" }),
            json!({ "process": "export" }),
        ]
    }

    fn changes_by_the_crm(&self) -> Value {
        json!({ "updatedAt": "2030-01-01T00:00:00.000Z", "createdAt": "2020-01-01T00:00:00.000Z", "__v": 7, "score": 9,
            "assignees": [], "isUpdated": true, "lastMessageTime": "2030-01-01T00:00:00.000Z", "latestMessage": { "text": "hi" } })
    }

    fn refused_remote_fields(&self) -> [(&'static str, &'static str); 2] {
        [("status", "Nonsense"), ("pipelineId", "Nonsense")]
    }

    fn null_remote_fields(&self) -> Value {
        json!({ "process": null, "status": null, "pipelineStage": null })
    }

    fn remote_changes(&self) -> Vec<Value> {
        vec![
            json!({ "remoteFields": { "pipelineStage": null } }),
            // A body that was read and names the stage twice: the CRM tells whether both are one.
            json!({ "id": "{id}", "remoteFields": { "status": "Contacted", "pipelineStage": "64f0a1b2c3d4e5f6a7b8ca03" } }),
        ]
    }

    fn new_choice(&self) -> NewChoice {
        let stage = json!({ "_id": "64f0a1b2c3d4e5f6a7b8cc01", "name": "Toured" });
        NewChoice {
            field: "status",
            value: "Toured",
            known: "Contacted",
            definition: json!({ "pipeline": "64f0a1b2c3d4e5f6a7b8c9d1", "stage": stage }),
        }
    }

    fn live_paths(&self) -> &'static [&'static str] {
        &["/api/pipelines", "/api/user/list", "/api/organizations/sections/*"]
    }

    fn remote_sample(&self, name: &str) -> Option<RemoteSample> {
        let sample = |value, name| RemoteSample { value, stored: name, at: name, replaces: &[] };
        Some(match name {
            "status" => sample(json!("Contacted"), "status"),
            "pipelineStage" => sample(json!("64f0a1b2c3d4e5f6a7b8ca02"), "pipelineStage"),
            "pipelineId" => sample(json!("64f0a1b2c3d4e5f6a7b8cb01"), "pipelineId"),
            "process" => sample(json!("import"), "process"),
            _ => return None,
        })
    }

    fn remote_fields_before_samples(&self) -> Value {
        json!({})
    }

    fn never_verified(&self) -> Value {
        json!({})
    }

    fn written_on_create_alone(&self) -> &'static [&'static str] {
        &["process"]
    }

    fn hidden(&self) -> Vec<Hidden> {
        vec![
            hidden_text(Field::FirstName, "/firstName", "firstName", Value::Null),
            hidden_text(Field::LastName, "/lastName", "lastName", Value::Null),
            Hidden {
                at: "/emailAddresses",
                set: json!({ "emailAddresses": [{ "emailAddress": "new@example.com" }] }),
                clear: json!({ "emailAddresses": null }),
                key: "email",
                also: &[],
                stored: [json!("new@example.com"), Value::Null],
            },
            Hidden {
                at: "/phoneNumbers",
                set: json!({ "phoneNumbers": [{ "phoneNumber": "+14165550299" }] }),
                // The last number cannot be cleared.
                clear: Value::Null,
                key: "phoneNumber",
                also: &[],
                stored: [json!([{ "value": "+14165550299", "isPrimary": true }]), Value::Null],
            },
            Hidden {
                at: "/remoteFields/status",
                set: json!({ "remoteFields": { "status": "Contacted" } }),
                clear: Value::Null,
                key: "status",
                also: &[],
                stored: [json!("Contacted"), Value::Null],
            },
        ]
    }
}
