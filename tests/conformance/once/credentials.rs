//! A new credential under a key: stored once, whatever happens to its answer.

use std::sync::Arc;
use std::time::Duration;

use contacts_gateway::domain::{CallContext, CredentialId, RawJson, Result};
use contacts_gateway::gateway::credentials::{Credential, CredentialDraft, CredentialRequest};
use contacts_gateway::gateway::writes::{RequestIdentity, StoredResponse};
use contacts_gateway::simulators::Fault;
use serde_json::json;

use super::{all, database, stage, status};
use crate::support::crm::Crm;
use crate::test_gateway::{secret_of, soon};

fn request(crm: &Crm, name: &str, context: CallContext) -> CredentialRequest {
    let draft = CredentialDraft {
        provider: crm.spec.provider.as_str().into(),
        name: name.to_owned().into(),
        settings: RawJson::from_validated(json!({ "baseUrl": crm.at.base_url() }).to_string().into()),
        secret: secret_of(crm.world.provider(), crm.at.token()).into(),
    };
    CredentialRequest {
        context,
        caller: crm.gateway.caller.clone(),
        identity: Some(RequestIdentity { key: "k".into(), fingerprint_input: name.as_bytes().to_vec() }),
        draft,
        verify: true,
        render: Arc::new(|made: &Credential| {
            let body = made.id.as_str().as_bytes().to_vec();
            Ok(StoredResponse { status: 201, headers: Vec::new(), body, replayed: false })
        }),
    }
}

async fn stored(crm: &Crm, name: &str) -> Result<StoredResponse> {
    crm.gateway.credentials.create_once(request(crm, name, soon())).await
}

async fn rows(crm: &Crm) -> Vec<String> {
    let all = "SELECT id FROM credentials WHERE name = 'new'";
    sqlx::query_scalar(all).fetch_all(&mut database(crm).await).await.unwrap()
}

/// As a process leaves it that ends between the row of the credential and its answer.
async fn cut_off(crm: &Crm) {
    let undone = "UPDATE idempotency SET stage = 'sending', sealed = NULL, sends = 1, lease_until = 0";
    sqlx::query(undone).execute(&mut database(crm).await).await.unwrap();
}

#[tokio::test]
async fn it_is_stored_once_and_the_replay_shows_it() {
    for crm in all().await {
        let first = stored(&crm, "new").await.unwrap();
        let again = stored(&crm, "new").await.unwrap();
        assert_eq!((first.status, first.replayed, again.replayed), (201, false, true));
        assert_eq!(first.body, again.body);
        assert_eq!(rows(&crm).await.len(), 1);
        let other = stored(&crm, "other").await.unwrap_err();
        assert_eq!(other.kind.code(), "idempotency_key_reused");
    }
}

#[tokio::test]
async fn cut_off_after_the_row_the_replay_answers_it() {
    for crm in all().await {
        let first = stored(&crm, "new").await.unwrap();
        cut_off(&crm).await;
        let again = stored(&crm, "new").await.unwrap();
        assert_eq!((again.status, &again.body), (201, &first.body));
        assert_eq!(rows(&crm).await.len(), 1);
    }
}

#[tokio::test]
async fn cut_off_and_the_crm_away_the_key_is_not_forgotten() {
    for crm in all().await {
        let first = stored(&crm, "new").await.unwrap();
        cut_off(&crm).await;
        crm.at.fault(Fault::always(status(401)));
        let _ = stored(&crm, "new").await;
        crm.at.faults().clear();
        let again = stored(&crm, "new").await;
        let again = again.unwrap_or_else(|failure| panic!("{}", failure.kind.code()));
        assert_eq!((again.status, &again.body), (201, &first.body));
        assert_eq!(rows(&crm).await.len(), 1);
    }
}

#[tokio::test]
async fn a_refusal_frees_the_key_and_stores_nothing() {
    for crm in all().await {
        crm.at.fault(Fault::always(status(401)));
        assert_eq!(stored(&crm, "new").await.unwrap_err().kind.code(), "upstream_credential_rejected");
        assert_eq!((stage(&crm).await, rows(&crm).await.len()), (None, 0));
        crm.at.faults().clear();
        let made = stored(&crm, "new").await.unwrap();
        let id = CredentialId::from(String::from_utf8(made.body).unwrap());
        assert_eq!(rows(&crm).await, [id.as_str().to_owned()]);
        assert!(soon().remaining() > Duration::ZERO);
    }
}
