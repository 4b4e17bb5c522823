//! One account at a CRM, as a caller of the gateway's own functions sees it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use contacts_gateway::adapters::{AdapterSpec, IdentityKind, spec};
use contacts_gateway::domain::{
    CallContext, ContactQuery, CredentialId, Failure, Filter, FilterKind, FilterName, FilterValue, Result,
    WarningCode,
};
use contacts_gateway::gateway::contacts::{
    Condition, ContactPage, ContactView, Contacts, FieldsDescription, ListRequest, PageStart,
    ResponseBuilder, WriteOptions, WriteRequest,
};
use contacts_gateway::gateway::writes::StoredResponse;
use serde_json::Value;

use super::person::{draft, patch, upsert};
use crate::test_gateway::{Link, TestGateway, soon};

/// A deadline that comes soon.
pub(crate) fn hurried() -> CallContext {
    CallContext::within(Duration::from_millis(800), "test".into())
}

/// What a CRM tells people apart by.
pub(crate) enum ToldApartBy {
    Email,
    Phone,
}

/// One account at a CRM, as a caller sees it through the gateway.
pub(crate) struct Account {
    pub(crate) gateway: Arc<TestGateway>,
    pub(crate) credential: CredentialId,
    pub(crate) spec: &'static AdapterSpec,
}

impl Account {
    pub(crate) async fn link(gateway: &Arc<TestGateway>, provider: &str, link: Link<'_>) -> Self {
        let credential = gateway.link(&gateway.caller, provider, link).await.unwrap();
        Self { gateway: Arc::clone(gateway), credential, spec: spec(provider).unwrap() }
    }

    pub(crate) async fn get(&self, id: &str) -> Result<ContactView> {
        self.get_within(&soon(), id).await
    }

    pub(crate) async fn get_within(&self, context: &CallContext, id: &str) -> Result<ContactView> {
        self.gateway.contacts.get(context, &self.gateway.caller, &self.credential, id).await
    }

    pub(crate) async fn create(&self, contact: Value) -> Result<ContactView> {
        self.create_within(&soon(), contact, WriteOptions::default()).await
    }

    pub(crate) async fn create_strictly(&self, contact: Value) -> Result<ContactView> {
        self.create_within(&soon(), contact, WriteOptions { strict: true }).await
    }

    pub(crate) async fn create_within(
        &self,
        context: &CallContext,
        contact: Value,
        options: WriteOptions,
    ) -> Result<ContactView> {
        let (request, shown) = self.request(context, options);
        self.contacts().create(request, draft(&contact)).await?;
        Ok(shown.take())
    }

    pub(crate) async fn update(&self, id: &str, change: Value) -> Result<ContactView> {
        self.update_within(&soon(), id, change, WriteOptions::default()).await
    }

    pub(crate) async fn update_within(
        &self,
        context: &CallContext,
        id: &str,
        change: Value,
        options: WriteOptions,
    ) -> Result<ContactView> {
        let (request, shown) = self.request(context, options);
        self.contacts().update(request, id, patch(&change)).await?;
        Ok(shown.take())
    }

    /// A change under a condition: `*`, or tags.
    pub(crate) async fn update_if(&self, tags: &[&str], id: &str, change: Value) -> Result<ContactView> {
        let (request, shown) = self.request(&soon(), WriteOptions::default());
        let request = WriteRequest { condition: Some(condition(tags)), ..request };
        self.contacts().update(request, id, patch(&change)).await?;
        Ok(shown.take())
    }

    /// A removal under a condition: `*`, or tags.
    pub(crate) async fn delete_if(&self, tags: &[&str], id: &str) -> Result<()> {
        let (request, _) = self.request(&soon(), WriteOptions::default());
        let request = WriteRequest { condition: Some(condition(tags)), ..request };
        self.contacts().delete(request, id).await.map(|_| ())
    }

    pub(crate) async fn delete(&self, id: &str) -> Result<()> {
        let (request, _) = self.request(&soon(), WriteOptions::default());
        self.contacts().delete(request, id).await.map(|_| ())
    }

    pub(crate) async fn upsert(
        &self,
        contact: Value,
        match_on: Option<Vec<IdentityKind>>,
    ) -> Result<ContactView> {
        let (request, shown) = self.request(&soon(), WriteOptions::default());
        self.contacts().upsert(request, upsert(&contact), match_on).await?;
        Ok(shown.take())
    }

    pub(crate) fn contacts(&self) -> &Contacts {
        &self.gateway.contacts
    }

    /// A write without a key, and where the contact that it shows is put.
    pub(crate) fn request(&self, context: &CallContext, options: WriteOptions) -> (WriteRequest, Rendered) {
        let (rendered, render) = Rendered::new();
        let (caller, credential) = (self.gateway.caller.clone(), self.credential.clone());
        let context = context.clone();
        let (condition, identity, dry_run) = (None, None, None);
        let request =
            WriteRequest { context, caller, credential, options, condition, identity, render, dry_run };
        (request, rendered)
    }

    pub(crate) async fn fields(&self) -> Result<FieldsDescription> {
        self.fields_within(&soon()).await
    }

    pub(crate) async fn fields_within(&self, context: &CallContext) -> Result<FieldsDescription> {
        self.gateway.contacts.fields(context, &self.gateway.caller, &self.credential).await
    }

    pub(crate) async fn page(&self, number: u64, size: u32) -> Result<ContactPage> {
        self.list(&[], PageStart::PageNumber(number), size).await
    }

    pub(crate) async fn list(
        &self,
        filters: &[(&str, &str)],
        start: PageStart,
        size: u32,
    ) -> Result<ContactPage> {
        self.list_within(&soon(), filters, start, size).await
    }

    pub(crate) async fn list_within(
        &self,
        context: &CallContext,
        filters: &[(&str, &str)],
        start: PageStart,
        size: u32,
    ) -> Result<ContactPage> {
        let request = ListRequest { query: query(filters), start, page_size: size };
        let (contacts, caller) = (&self.gateway.contacts, &self.gateway.caller);
        contacts.list(context, caller, &self.credential, &request).await
    }

    pub(crate) async fn count(&self, filters: &[(&str, &str)]) -> Result<u64> {
        let (contacts, caller) = (&self.gateway.contacts, &self.gateway.caller);
        contacts.count(&soon(), caller, &self.credential, &query(filters)).await
    }

    /// What the CRM tells people apart by.
    pub(crate) fn identity(&self) -> IdentityKind {
        self.spec.create_identity()
    }

    /// What the CRM tells people apart by, as the cases distinguish it.
    pub(crate) fn told_apart_by(&self) -> ToldApartBy {
        match self.identity() {
            IdentityKind::EmailAddress => ToldApartBy::Email,
            IdentityKind::PhoneNumber => ToldApartBy::Phone,
            IdentityKind::RemoteField(name) => panic!("no case is written for a CRM of {name}"),
        }
    }
}

/// The condition that a header with these would set.
pub(crate) fn condition(tags: &[&str]) -> Condition {
    match tags {
        ["*"] => Condition::Exists,
        tags => Condition::OneOf(tags.iter().map(|tag| (*tag).into()).collect()),
    }
}

/// Filters by parameter name.
pub(crate) fn query(filters: &[(&str, &str)]) -> ContactQuery {
    let of = |(name, value): &(&str, &str)| {
        let name = FilterName::parse(name).unwrap();
        let value = match name.kind() {
            FilterKind::Text => FilterValue::Text((*value).into()),
            FilterKind::Time => FilterValue::Time(value.parse().unwrap()),
        };
        Filter { name, value }
    };
    let mut filters: Vec<Filter> = filters.iter().map(of).collect();
    filters.sort_by_key(|filter| FilterName::ALL.iter().position(|name| *name == filter.name));
    ContactQuery { filters }
}

/// The contact that a write shows, caught where the API would write it as JSON.
pub(crate) struct Rendered(Arc<Mutex<Option<ContactView>>>);

impl Rendered {
    pub(crate) fn new() -> (Self, ResponseBuilder) {
        let caught = Arc::new(Mutex::new(None));
        let inside = Arc::clone(&caught);
        let render: ResponseBuilder = Arc::new(move |outcome| {
            let status = outcome.map_or(400, |_| 200);
            *inside.lock().unwrap() = outcome.ok().cloned();
            Ok(StoredResponse { status, headers: Vec::new(), body: Vec::new(), replayed: false })
        });
        (Self(caught), render)
    }

    pub(crate) fn take(&self) -> ContactView {
        self.0.lock().unwrap().take().unwrap()
    }
}

/// Codes and pointers of warnings, in order.
pub(crate) fn warned(shown: &ContactView) -> Vec<(WarningCode, &str)> {
    shown.warnings.iter().map(|warning| (warning.code, warning.pointer.as_str())).collect()
}

/// The places that a failure names.
pub(crate) fn places(failure: &Failure) -> Vec<&str> {
    failure.faults.iter().map(|fault| fault.place.as_str()).collect()
}
