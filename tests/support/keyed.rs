//! Writes under an `Idempotency-Key`, and the answer that is recorded and replayed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use contacts_gateway::adapters::IdentityKind;
use contacts_gateway::domain::{CallContext, Caller, Failure, Result};
use contacts_gateway::gateway::contacts::{
    Condition, ContactView, ResponseBuilder, UpsertOutcome, WriteOptions, WriteRequest,
};
use contacts_gateway::gateway::writes::{RequestIdentity, StoredResponse};
use serde_json::{Value, json};

use super::account::{Account, condition};
use super::person::{draft, patch, shown, upsert};

/// A write under a key, as it is to be sent.
pub(crate) struct Keyed<'a> {
    account: &'a Account,
    key: &'a str,
    context: CallContext,
    caller: Caller,
    options: WriteOptions,
    condition: Option<Condition>,
}

/// The answer of a write under a key.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    /// `contact`, `warnings`, `outcome`, or the `code` of a final refusal; and a number that no other rendering has.
    pub(crate) body: Value,
    pub(crate) bytes: Vec<u8>,
    pub(crate) replayed: bool,
}

impl Told {
    pub(crate) fn remote_id(&self) -> &str {
        self.body["contact"]["remoteId"].as_str().unwrap()
    }

    /// Codes and pointers of the warnings.
    pub(crate) fn warned(&self) -> Vec<(&str, &str)> {
        let warnings = self.body["warnings"].as_array().unwrap().iter();
        warnings.map(|warning| (warning[0].as_str().unwrap(), warning[1].as_str().unwrap())).collect()
    }

    /// The entity tag, where there is one.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.body["tag"].as_str()
    }

    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl Account {
    /// A write under `key`.
    pub(crate) fn keyed<'a>(&'a self, key: &'a str) -> Keyed<'a> {
        Keyed {
            account: self,
            key,
            context: CallContext::within(Duration::from_secs(10), "test".into()),
            caller: self.gateway.caller.clone(),
            options: WriteOptions::default(),
            condition: None,
        }
    }
}

impl Keyed<'_> {
    pub(crate) fn within(self, millis: u64) -> Self {
        Self { context: CallContext::within(Duration::from_millis(millis), "test".into()), ..self }
    }

    pub(crate) fn by(self, caller: Caller) -> Self {
        Self { caller, ..self }
    }

    /// Under a condition: `*`, or tags.
    pub(crate) fn only_if(self, tags: &[&str]) -> Self {
        Self { condition: Some(condition(tags)), ..self }
    }

    pub(crate) fn strictly(self) -> Self {
        Self { options: WriteOptions { strict: true }, ..self }
    }

    pub(crate) async fn create(self, contact: Value) -> Result<Told> {
        let request = self.request("POST /crm/contacts", &contact);
        told(self.account.contacts().create(request, draft(&contact)).await)
    }

    pub(crate) async fn update(self, id: &str, change: Value) -> Result<Told> {
        let request = self.request(&format!("PATCH /crm/contacts/{id}"), &change);
        told(self.account.contacts().update(request, id, patch(&change)).await)
    }

    pub(crate) async fn delete(self, id: &str) -> Result<Told> {
        let request = self.request(&format!("DELETE /crm/contacts/{id}"), &Value::Null);
        told(self.account.contacts().delete(request, id).await)
    }

    pub(crate) async fn upsert(self, contact: Value, match_on: Option<Vec<IdentityKind>>) -> Result<Told> {
        let request = self.request(&format!("POST /crm/contacts/upsert {match_on:?}"), &contact);
        told(self.account.contacts().upsert(request, upsert(&contact), match_on).await)
    }

    fn request(&self, route: &str, body: &Value) -> WriteRequest {
        let credential = self.account.credential.clone();
        let strict = self.options.strict;
        let asked = format!("{route} {} {strict} {body}", credential.as_str()).into_bytes();
        WriteRequest {
            context: self.context.clone(),
            caller: self.caller.clone(),
            credential,
            options: self.options,
            condition: self.condition.clone(),
            identity: Some(RequestIdentity { key: self.key.into(), fingerprint_input: asked }),
            render: render(),
            dry_run: None,
        }
    }
}

/// Writes another answer each time, so that a replay is told from a second rendering.
fn render() -> ResponseBuilder {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    Arc::new(|outcome: std::result::Result<&ContactView, &Failure>| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let (status, body) = match outcome {
            Ok(done) => (200, written(done, number)),
            Err(failure) => (400, json!({ "code": failure.kind.code(), "number": number })),
        };
        Ok(StoredResponse {
            status,
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
            replayed: false,
        })
    })
}

fn written(done: &ContactView, number: u64) -> Value {
    let outcome = done.outcome.map(|outcome| match outcome {
        UpsertOutcome::Created => "created",
        UpsertOutcome::Updated => "updated",
    });
    let warnings: Vec<_> =
        done.warnings.iter().map(|warning| json!([warning.code.as_str(), warning.pointer])).collect();
    json!({ "id": done.id.as_str(), "contact": shown(&done.contact), "warnings": warnings, "outcome": outcome,
        "tag": done.tag.as_deref(), "number": number })
}

fn told(answer: Result<StoredResponse>) -> Result<Told> {
    let StoredResponse { status, headers: _, body, replayed } = answer?;
    Ok(Told { status, body: serde_json::from_slice(&body).unwrap(), bytes: body, replayed })
}
