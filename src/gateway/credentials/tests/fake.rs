//! A CRM that is not there: it accepts the keys that begin with `good`.

use std::sync::Arc;

use async_trait::async_trait;

use crate::adapters::{
    Account, Adapter, AdapterConnection, AdapterSpec, Applied, ContactIdentity, IdentityKind, LookupResult,
    Operations, Paging, Prepared, Pushed, SecretForm, SettingKind, SettingSpec,
};
use crate::domain::{
    CallContext, Contact, ContactDraft, ContactPatch, Failure, FailureKind, Page, PageToken, Provider,
    Region, RemoteId, Result,
};

/// The base URL is in the account's id, the key in its name: tests see what was opened.
pub(super) static FAKE: AdapterSpec = AdapterSpec {
    provider: Provider::new("fake"),
    name: "Fake CRM",
    title: "Fake CRM",
    operations: Operations { create: false, update: false, delete: false },
    fields: &[],
    remote_fields: &[],
    live: &[],
    filters: &[],
    paging: Paging::Cursor,
    create_upserts: false,
    identities: &[IdentityKind::EmailAddress],
    settings: &[
        SettingSpec { name: "baseUrl", kind: SettingKind::BaseUrl, required: false, note: "Where it is." },
        SettingSpec { name: "defaultRegion", kind: SettingKind::Region, required: false, note: "A country." },
        SettingSpec { name: "allowDelete", kind: SettingKind::Flag, required: false, note: "A flag." },
    ],
    secrets: &[SecretForm { members: &["apiKey"], note: "a key" }],
    default_base_url: Some("https://fake.example.com"),
    limits: &[],
    examples: "{}",
    docs: "",
    connect,
};

pub(super) static ADAPTERS: &[&AdapterSpec] = &[&FAKE];

struct Fake {
    key: String,
    base_url: String,
}

#[expect(clippy::unnecessary_wraps, reason = "the seam lets an adapter refuse")]
fn connect(connection: AdapterConnection<'_>) -> Result<Arc<dyn Adapter>> {
    let AdapterConnection { settings: _, secret, upstream } = connection;
    let base_url = upstream.base_url().as_str().to_owned();
    Ok(Arc::new(Fake { key: secret.expose("apiKey").to_owned(), base_url }))
}

fn never<T>() -> Result<T> {
    Err(Failure::internal("the fake CRM has no contacts"))
}

#[async_trait]
impl Adapter for Fake {
    fn region(&self) -> Region {
        Region::default()
    }
    async fn probe(&self, _: &CallContext) -> Result<Account> {
        if self.key.starts_with("good") {
            return Ok(Account {
                id: Some(self.base_url.as_str().into()),
                name: Some(self.key.as_str().into()),
            });
        }
        Err(Failure::new(FailureKind::UpstreamCredentialRejected, "The CRM refused the key."))
    }
    async fn read_page(&self, _: &CallContext, _: &Pushed, _: Option<&PageToken>, _: usize) -> Result<Page> {
        never()
    }
    async fn get_contact(&self, _: &CallContext, _: &RemoteId) -> Result<Contact> {
        never()
    }
    async fn find_contacts(&self, _: &CallContext, _: &ContactIdentity) -> Result<LookupResult> {
        never()
    }
    async fn prepare_create(&self, _: &CallContext, _: &ContactDraft) -> Result<Prepared> {
        never()
    }
    async fn prepare_update(&self, _: &CallContext, _: &Contact, _: &ContactPatch) -> Result<Prepared> {
        never()
    }
    async fn prepare_delete(&self, _: &CallContext, _: &RemoteId) -> Result<Prepared> {
        never()
    }
    async fn send(&self, _: &CallContext, _: &Prepared) -> Result<Applied> {
        never()
    }
    async fn read_back(&self, _: &CallContext, _: &Prepared, _: &Applied) -> Result<Contact> {
        never()
    }
    async fn read_other_way(&self, _: &CallContext, _: &Contact) -> Result<Option<Contact>> {
        never()
    }
}
