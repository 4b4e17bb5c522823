//! Aptly, as the shared cases must know it.

use async_trait::async_trait;
use contacts_gateway::domain::Field;
use contacts_gateway::simulators::Running;
use contacts_gateway::simulators::aptly::{AptlyOptions, AptlySimulator, ByEmail, Dialect, Me};
use serde_json::{Value, json};

use super::{Behaviour, Hidden, NewChoice, RemoteSample, Start, Stored, Variant, World, hidden_text};

pub(super) struct Aptly;

async fn start(options: AptlyOptions) -> Running {
    AptlySimulator::start(options).await.unwrap()
}

#[async_trait]
impl World for Aptly {
    fn provider(&self) -> &'static str {
        "aptly"
    }

    fn id_key(&self) -> &'static str {
        "_id"
    }

    fn list_path(&self) -> &'static str {
        "/api/contacts"
    }

    fn behaviour(&self) -> Behaviour {
        Behaviour {
            page_size: 200,
            keeps_numbers_as_typed: true,
            keeps_case_of_emails: true,
            create_shows_phones: true,
            update_shows_names: false,
            // The duogram.
            computes_from_names: true,
            calls_before_first_write: 1,
            kind_of_only_number: "mobile",
        }
    }

    async fn start(&self, setup: Start) -> Running {
        let mut options = AptlyOptions { people: setup.people, ..AptlyOptions::empty() };
        if !setup.tokens.is_empty() {
            options.tokens = setup.tokens;
        }
        if let Some(account) = setup.account {
            account.clone_into(&mut options.company_id);
        }
        if setup.tells_account {
            (options.me, options.by_email) = (Me::Account, ByEmail::WritesAContact);
        }
        start(options).await
    }

    async fn variants(&self, people: usize) -> Vec<Variant> {
        let v2 = AptlyOptions { people, ..AptlyOptions::empty() };
        let v3 = AptlyOptions { dialect: Dialect::V3, ..v2.clone() };
        let variant = async |name, options, settings| Variant {
            name,
            is_dialect: true,
            at: start(options).await,
            settings,
        };
        vec![
            variant("aptly", v2, json!({})).await,
            variant("aptly_v3", v3, json!({ "writeFormat": "native" })).await,
        ]
    }

    async fn odd_lists(&self, people: usize) -> Vec<Running> {
        vec![start(AptlyOptions { people, page_size: 30, ..AptlyOptions::empty() }).await]
    }

    fn permissive(&self) -> Value {
        json!({})
    }

    fn harmful_calls(&self) -> &'static [(&'static str, &'static str)] {
        &[("POST", "/api/contacts/by-email")]
    }

    fn stored_name(&self, field: Field) -> &'static str {
        match field {
            Field::FirstName => "firstname",
            Field::LastName => "lastname",
            Field::Account => "company",
            Field::EmailAddresses => "email",
            Field::PhoneNumbers => "phone",
            other => panic!("{other:?} has no name"),
        }
    }

    fn written_names(&self, field: Field) -> &'static [&'static str] {
        match field {
            Field::FirstName => &["First Name"],
            Field::LastName => &["Last Name"],
            Field::EmailAddresses => &["email"],
            Field::PhoneNumbers => &["Home Phone", "Work Phone"],
            other => panic!("{other:?} has no name"),
        }
    }

    fn record(&self, stored: &Stored<'_>) -> Value {
        json!({ "firstname": stored.first, "lastname": stored.last, "email": stored.emails,
            "phone": self.stored_phones(stored.phones) })
    }

    fn rich(&self) -> Value {
        json!({ "_id": "rich", "firstname": "Ada", "lastname": "Byron", "company": "Engines", "contactType": "Tenant", "title": "Countess",
            "isCompany": false, "email": ["ada@example.com", "byron@example.com"], "customFields": { "5D8LYiyMt54aKD7x9": "Primary Tenant" },
            "phone": [{ "number": "+14165550277", "type": "home" }, { "number": "(416) 555-0278", "type": "work" }],
            "address": { "street": "1 Example Street", "city": "Springfield" }, "imageUrl": "https://images.example.com/a.png", "alerts": [] })
    }

    fn with_all_fields(&self, email: &str, phone: &str) -> Value {
        json!({ "firstname": "Ada", "lastname": "Byron", "company": "Engines", "title": "Countess",
            "email": [email], "phone": [{ "number": phone, "type": "home" }] })
    }

    fn odd_records(&self) -> Vec<Value> {
        vec![
            json!({ "email": ["a@example.com", "A@Example.com"], "phone": [{ "number": "+14165550261", "type": "mobile" }, { "number": "416-555-0261", "type": "mobile" }] }),
            json!({ "phone": [{ "number": "12", "type": "fax" }, { "number": "+14165550262" }], "isCompany": true, "company": "Engines" }),
            json!({ "phone": ["+14165550263"], "address": { "lines": ["x"], "city": 5 } }),
            json!({}),
        ]
    }

    fn stored_phones(&self, numbers: &[&str]) -> Value {
        numbers.iter().map(|number| json!({ "number": number, "type": "mobile" })).collect()
    }

    fn sent_number(&self, body: &Value) -> Value {
        body["Mobile Phone"].clone()
    }

    fn single_read(&self, record: &Value) -> String {
        json!({ "data": [record], "contact": record }).to_string()
    }

    fn list(&self, rows: &[Value], echo: &Value) -> String {
        let mut body = json!({ "data": rows });
        for (name, ours) in [("count", "total"), ("page", "page"), ("pageSize", "size")] {
            if let Some(value) = echo.get(ours) {
                body[name] = value.clone();
            }
        }
        body.to_string()
    }

    fn bare_list(&self, rows: &[Value]) -> String {
        json!({ "data": rows }).to_string()
    }

    fn row(&self, id: &str) -> Value {
        json!({ "_id": id, "firstname": "Ada", "lastname": "Byron", "email": [], "phone": [],
            "createdAt": "2024-01-15T10:00:00Z", "updatedAt": "2024-01-15T10:00:00Z", "address": null, "company": "" })
    }

    fn clearable(&self) -> Value {
        json!({ "account": null, "phoneNumbers": null, "lastName": null, "remoteFields": { "title": null, "contactType": null } })
    }

    fn visible_changes(&self) -> Vec<Value> {
        vec![
            json!({ "firstname": "Augusta" }),
            json!({ "firstname": "" }),
            json!({ "lastname": "King" }),
            json!({ "company": "Looms" }),
            json!({ "email": ["ada@example.com"] }),
            json!({ "email": ["byron@example.com", "ada@example.com"] }),
            json!({ "phone": [{ "number": "+14165550277", "type": "home" }] }),
            json!({ "phone": [{ "number": "(416) 555-0278", "type": "work" }, { "number": "+14165550277", "type": "home" }] }),
            json!({ "phone": [{ "number": "+14165550277", "type": "mobile" }, { "number": "(416) 555-0278", "type": "work" }] }),
            json!({ "title": "Lady" }),
            json!({ "contactType": "Owner" }),
            json!({ "isCompany": true }),
            json!({ "imageUrl": null }),
            json!({ "customFields": { "5D8LYiyMt54aKD7x9": "Guest" } }),
            json!({ "customFields": {} }),
        ]
    }

    fn changes_by_the_crm(&self) -> Value {
        json!({ "updatedAt": "2030-01-01T00:00:00.000Z", "createdAt": "2020-01-01T00:00:00.000Z", "duogram": "XX",
            "alerts": [{ "text": "call back" }], "address": { "street": "2 Example Street" }, "photoId": "p" })
    }

    fn refused_remote_fields(&self) -> [(&'static str, &'static str); 2] {
        [("contactType", "Nonsense"), ("typeId", "Nonsense")]
    }

    fn null_remote_fields(&self) -> Value {
        json!({ "isCompany": null, "contactType": null, "title": null })
    }

    fn remote_changes(&self) -> Vec<Value> {
        vec![json!({ "remoteFields": { "contactType": "Tenant", "isCompany": false,
            "imageUrl": "https://images.example.com/a.png", "customFields": { "5D8LYiyMt54aKD7x9": "Guest" } } })]
    }

    fn new_choice(&self) -> NewChoice {
        NewChoice {
            field: "typeId",
            value: "aPpl1cAntTypHg4Ks",
            known: "oWn3rTyp3Xc5LmPqS",
            definition: json!({ "board": "bNewBoardXy4ZkLx8", "contactTypeIds": ["aPpl1cAntTypHg4Ks"] }),
        }
    }

    fn live_paths(&self) -> &'static [&'static str] {
        &["/api/boards"]
    }

    fn remote_sample(&self, name: &str) -> Option<RemoteSample> {
        let sample = |value, name| RemoteSample { value, stored: name, at: name, replaces: &[] };
        Some(match name {
            "contactType" => sample(json!("Owner"), "contactType"),
            // The simulator keeps the type by its name.
            "typeId" => RemoteSample {
                stored: "contactType",
                replaces: &["contactType"],
                ..sample(json!("oWn3rTyp3Xc5LmPqS"), "typeId")
            },
            "title" => sample(json!("Countess"), "title"),
            "isCompany" => sample(json!(true), "isCompany"),
            "customFields" => {
                sample(json!({ "5D8LYiyMt54aKD7x9": "Guest" }), "customFields/5D8LYiyMt54aKD7x9")
            }
            _ => return None,
        })
    }

    fn remote_fields_before_samples(&self) -> Value {
        json!({ "contactType": "Tenant" })
    }

    fn never_verified(&self) -> Value {
        json!({ "imageUrl": "https://images.example.com/ada.png" })
    }

    fn written_on_create_alone(&self) -> &'static [&'static str] {
        &[]
    }

    fn hidden(&self) -> Vec<Hidden> {
        vec![
            Hidden {
                also: &["fullname"],
                ..hidden_text(Field::FirstName, "/firstName", "firstname", json!(""))
            },
            Hidden {
                also: &["fullname"],
                ..hidden_text(Field::LastName, "/lastName", "lastname", json!(""))
            },
            hidden_text(Field::Account, "/account", "company", json!("")),
            Hidden {
                at: "/emailAddresses",
                set: json!({ "emailAddresses": [{ "emailAddress": "new@example.com" }] }),
                clear: json!({ "emailAddresses": [] }),
                key: "email",
                also: &[],
                stored: [json!(["new@example.com"]), json!([])],
            },
            Hidden {
                at: "/phoneNumbers",
                set: json!({ "phoneNumbers": [{ "phoneNumber": "+14165550299" }] }),
                clear: json!({ "phoneNumbers": null }),
                key: "phone",
                also: &[],
                stored: [json!([{ "number": "+14165550299", "type": "mobile" }]), json!([])],
            },
            Hidden {
                at: "/remoteFields/title",
                set: json!({ "remoteFields": { "title": "Lady" } }),
                clear: json!({ "remoteFields": { "title": null } }),
                key: "title",
                also: &[],
                stored: [json!("Lady"), json!("")],
            },
        ]
    }
}
