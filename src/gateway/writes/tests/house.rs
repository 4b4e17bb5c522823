//! A ledger on a temporary database, and what is written into it.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;

use crate::config::Limits;
use crate::domain::{
    Address, Caller, Candidate, ContactDraft, EmailAddress, PhoneNumber, Principal, RawJson, ReadOnlyMember,
    RemoteFields, Scope, Scopes, Text, Warning, WarningCode,
};
use crate::gateway::writes::{Ledger, RecoveryContext, RequestIdentity, StoredResponse, ledger};
use crate::sealing::{MasterKey, Sealer};
use crate::store::tests::TestPlace;
use crate::store::{IdempotencyRecord, Reservation, Store, TenantRecord, now};

pub(super) struct TestLedger {
    pub(super) ledger: Ledger,
    pub(super) caller: Caller,
    pub(super) sealer: Arc<Sealer>,
    pub(super) store: Store,
    pub(super) place: TestPlace,
    key: String,
}

impl TestLedger {
    pub(super) async fn new() -> Self {
        let place = TestPlace::new().await;
        let store = place.open().await;
        let key = MasterKey::generate().unwrap();
        let sealer = Arc::new(Sealer::new(&key).unwrap());
        let ledger = Ledger::new(&store, sealer.clone(), Limits::default());
        let caller = tenant(&store, "one").await;
        Self { ledger, caller, sealer, store, place, key: key.text().expose_secret().to_owned() }
    }

    pub(super) fn master_key(&self) -> MasterKey {
        MasterKey::parse(&self.key).unwrap()
    }

    pub(super) async fn another_process(&self) -> Ledger {
        Ledger::new(&self.place.open().await, self.sealer.clone(), Limits::default())
    }

    pub(super) fn with_lease(&self, lease: Duration) -> Ledger {
        Ledger::new(&self.store, self.sealer.clone(), Limits { lease, ..Limits::default() })
    }

    pub(super) fn sealed_by(&self, sealer: Sealer) -> Ledger {
        Ledger::new(&self.store, Arc::new(sealer), Limits::default())
    }

    pub(super) async fn tenant(&self, name: &str) -> Caller {
        tenant(&self.store, name).await
    }
}

async fn tenant(store: &Store, name: &str) -> Caller {
    let id = format!("ten_{name}").into();
    let record = TenantRecord { id, name: name.into(), created_at: now() };
    store.tenants.insert(&record).await.unwrap();
    Caller {
        tenant: record.id,
        principal: Principal::Key("key_x".into()),
        scopes: Scopes::new(&Scope::ALL),
        credentials: None,
    }
}

/// The row of the house's tenant as the database holds it.
pub(super) async fn raw(house: &TestLedger, key: &str) -> IdempotencyRecord {
    let probe = IdempotencyRecord {
        tenant: house.caller.tenant.clone(),
        key: ledger::key(&house.caller.tenant, key),
        fingerprint: Vec::new(),
        credential: None,
        stage: crate::store::Stage::Reserved,
        fence: "probe".into(),
        sends: 0,
        sealed: None,
        created_at: now(),
        expires_at: now(),
        request_bytes: 0,
    };
    match house.store.idempotency.reserve(&probe, Duration::ZERO).await.unwrap() {
        Reservation::Held { record, .. } => *record,
        Reservation::Full { .. } | Reservation::Ours => panic!("there is no such row"),
    }
}

pub(super) fn once(key: &str, asked: &str) -> RequestIdentity {
    RequestIdentity { key: key.into(), fingerprint_input: asked.as_bytes().to_vec() }
}

/// Each key with a request of its own.
pub(super) fn asking(key: &str) -> &str {
    key
}

pub(super) fn answer(body: &[u8]) -> StoredResponse {
    let headers = vec![("location".into(), "/crm/contacts/con_1".into()), ("x".into(), "a: \"b\"".into())];
    StoredResponse { status: 201, headers, body: body.to_vec(), replayed: false }
}

pub(super) fn warning() -> Warning {
    Warning::new(WarningCode::ChangedByUpstream, "/phoneNumbers/0", "The CRM spells it \"otherwise\".")
}

pub(super) fn candidate() -> Candidate {
    Candidate {
        id: Some("con_1".into()),
        remote_id: "r1".into(),
        matched_on: vec!["emailAddress".into(), "phoneNumber".into()],
    }
}

/// A context with something in every field, and texts that a careless writing would change.
pub(super) fn evidence() -> RecoveryContext {
    let json = |text: &'static str| RawJson::from_validated(Text::from_static(text));
    RecoveryContext {
        draft: ContactDraft {
            first_name: Some("canary \u{1f600} \"quoted\" \\ \u{0} \u{2028}".into()),
            last_name: "canary".into(),
            account: None,
            addresses: vec![
                Address::default(),
                Address {
                    address_type: Some("1".into()),
                    street1: Some("2".into()),
                    street2: Some("3".into()),
                    city: Some("4".into()),
                    state: Some("5".into()),
                    country_subdivision: Some("6".into()),
                    country: Some("7".into()),
                    postal_code: Some("8".into()),
                },
            ],
            email_addresses: vec![
                EmailAddress { address: "canary@example.com".into(), kind: Some("main".into()) },
                EmailAddress { address: "b@example.com".into(), kind: None },
            ],
            phone_numbers: vec![
                PhoneNumber { number: "+1 416 555 0123".into(), kind: None },
                PhoneNumber { number: "+1 416 555 0124".into(), kind: Some(Text::default()) },
            ],
            remote_fields: RemoteFields(vec![
                ("z".into(), json("{\"b\": 1.50,\"a\":\"\\u0041\\/\"}")),
                ("a".into(), json("123456789012345678901234567890.10E+2")),
                ("n".into(), json("null")),
            ]),
            read_only: vec![
                ReadOnlyMember { name: "createdAt", value: json("\"2026-01-01\"") },
                ReadOnlyMember { name: "remoteDeleted", value: json("false") },
                ReadOnlyMember { name: "id", value: json("7") },
            ],
        },
        sent_at: "2026-02-03T04:05:06.123456789Z".parse().unwrap(),
        settled_from: "2026-02-03T04:05:18Z".parse().unwrap(),
        open_for: Duration::from_millis(12_345),
        seen: vec!["r7".into(), "r8".into()],
        looked_at: Some("2026-02-03T04:05:05Z".parse().unwrap()),
        absent_lookup: None,
    }
}
