//! `POST /credentials`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use crate::api::answer;
use crate::api::extract::{
    Context, CredentialsWriter, IdempotencyKey, IdempotentJson, Query, VerifyParameters,
};
use crate::api::openapi::problems::CredentialCreateProblems;
use crate::api::schema::CredentialAnswer;
use crate::domain::Result;
use crate::gateway::Gateway;
use crate::gateway::credentials::{CredentialDraft, CredentialRequest, CredentialResponseBuilder};

/// Link a CRM account
///
/// Stores a credential after the CRM has accepted its secret; `verify=false` skips that. The secret is sealed and
/// never shown again. A CRM that refuses it is 424, and nothing is stored. Needs `credentials:write`.
#[utoipa::path(post, path = "/credentials", operation_id = "createCredential", tag = "credentials",
    params(VerifyParameters, IdempotencyKey), request_body = CredentialDraft,
    responses(
        (status = 201, description = "Stored.", body = CredentialAnswer,
            headers(("Location" = String, description = "Where to read the credential."))),
        CredentialCreateProblems))]
pub(in crate::api) async fn create(
    State(gateway): State<Arc<Gateway>>,
    CredentialsWriter(caller): CredentialsWriter,
    Context(context): Context,
    Query(asked): Query<VerifyParameters>,
    written: IdempotentJson<CredentialDraft>,
) -> Result<Response> {
    let IdempotentJson { body: draft, once, keyed: _ } = written;
    let render: CredentialResponseBuilder = Arc::new(|credential| {
        let place = answer::place(&["credentials", credential.id.as_str()], None);
        answer::written(StatusCode::CREATED, &CredentialAnswer::of(credential), Some(place))
    });
    let request = CredentialRequest { context, caller, draft, verify: asked.verify, once, render };
    gateway.credentials.create_once(request).await.map(answer::respond)
}
