//! The problems that each operation can return: groups of kinds, documented with status, code and an example.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use utoipa::IntoResponses;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Ref, Type};
use utoipa::openapi::{RefOr, Response, ResponseBuilder};

use crate::api::problem;
use crate::domain::FailureKind;

use FailureKind as K;

/// Problems of every operation.
const ANY: &[K] = &[K::InvalidParameter, K::Internal];
/// Problems of an operation that requires authentication.
const SIGNED: &[K] = &[
    K::Unauthenticated,
    K::InsufficientScope,
    K::IssuerUnavailable,
    K::StoreUnavailable,
    K::Overloaded,
    K::Draining,
];
/// More problems of an operation of a tenant.
const LIMITED: &[K] = &[K::RateLimited, K::TooManyConcurrentRequests];
/// More problems of an operation of the operator: wrong admin tokens are limited.
const OPERATOR: &[K] = &[K::RateLimited];
/// More problems of a write that accepts an `Idempotency-Key`.
const KEYED: &[K] =
    &[K::IdempotencyKeyInvalid, K::IdempotencyKeyReused, K::IdempotencyInProgress, K::LedgerQuotaExceeded];
/// Problems of an operation with a body.
const BODY: &[K] = &[K::MalformedRequest, K::BodyTooLarge, K::UnsupportedMediaType, K::ValidationFailed];
/// Problems of an operation that calls a CRM.
const UPSTREAM: &[K] = &[
    K::SecretUnreadable,
    K::UpstreamCredentialRejected,
    K::UpstreamPermissionDenied,
    K::UpstreamRejected,
    K::UpstreamRateLimited,
    K::UpstreamError,
    K::UpstreamUnreachable,
    K::UpstreamTls,
    K::UpstreamRedirected,
    K::UpstreamInvalidResponse,
    K::UpstreamTimeout,
    K::UpstreamCircuitOpen,
    K::GatewayTimeout,
];
/// More problems of a read whose response may be large.
const LARGE: &[K] = &[K::UpstreamResponseTooLarge];
/// More problems of a write to a CRM.
const WRITE: &[K] =
    &[K::OperationUnsupported, K::UpstreamDidNotApply, K::OutcomeUnknown, K::OutcomeAmbiguous];
/// More problems of a write with a condition.
const CONDITIONAL: &[K] = &[K::ContactChanged];
const CREDENTIAL: &[K] = &[K::CredentialNotFound];
const CONTACT: &[K] = &[K::ContactNotFound];
const TENANT: &[K] = &[K::TenantNotFound];
const TAKEN: &[K] = &[K::NameTaken];
const QUOTA: &[K] = &[K::QuotaExceeded];

macro_rules! groups {
    ($($name:ident $doc:literal $groups:expr;)*) => {$(
        #[doc = $doc]
        pub(in crate::api) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                responses(&$groups)
            }
        }
    )*};
}

groups! {
    Liveness "Problems of the liveness probe." [ANY];
    Readying "Problems of the readiness probe." [ANY, &[K::Draining, K::StoreUnavailable]];
    CountProblems "Problems of a count of contacts." [ANY, SIGNED, LIMITED, CREDENTIAL, UPSTREAM, LARGE, &[K::FilterUnsupported, K::ScanLimitReached]];
    ListProblems "Problems of a list of contacts." [ANY, SIGNED, LIMITED, CREDENTIAL, UPSTREAM, LARGE, &[K::FilterUnsupported, K::PageNumberUnsupported, K::ScanLimitReached]];
    SearchProblems "Problems of a search over several CRMs." [ANY, SIGNED, LIMITED, CREDENTIAL, LARGE, &[K::UpstreamError]];
    ExportProblems "Problems of an export before its first line." [ANY, SIGNED, LIMITED, CREDENTIAL, UPSTREAM, LARGE, &[K::FilterUnsupported]];
    GetProblems "Problems of a read of one contact." [ANY, SIGNED, LIMITED, CREDENTIAL, CONTACT, UPSTREAM, LARGE, &[K::OperationUnsupported]];
    FieldsProblems "Problems of a description of fields." [ANY, SIGNED, LIMITED, CREDENTIAL, LARGE, &[K::SecretUnreadable, K::BaseUrlRefused]];
    ProvidersProblems "Problems of a list of providers." [ANY, SIGNED, LIMITED];
    CreateProblems "Problems of a create." [ANY, SIGNED, LIMITED, KEYED, BODY, CREDENTIAL, UPSTREAM, WRITE, &[K::ContactExists]];
    UpsertProblems "Problems of an upsert." [ANY, SIGNED, LIMITED, KEYED, BODY, CREDENTIAL, UPSTREAM, WRITE, &[K::ContactExists, K::AmbiguousMatch]];
    UpdateProblems "Problems of an update." [ANY, SIGNED, LIMITED, KEYED, BODY, CREDENTIAL, CONTACT, UPSTREAM, WRITE, CONDITIONAL, &[K::ContactExists]];
    DeleteProblems "Problems of a delete." [ANY, SIGNED, LIMITED, KEYED, CREDENTIAL, CONTACT, UPSTREAM, WRITE, CONDITIONAL, &[K::DeleteNotAllowed]];
    CredentialListProblems "Problems of a list of credentials." [ANY, SIGNED, LIMITED];
    CredentialProblems "Problems of a read or delete of a credential." [ANY, SIGNED, LIMITED, CREDENTIAL];
    CredentialCreateProblems "Problems of a new credential." [ANY, SIGNED, LIMITED, KEYED, BODY, UPSTREAM, TAKEN, QUOTA, &[K::BaseUrlRefused, K::OperationUnsupported]];
    CredentialUpdateProblems "Problems of an update of a credential." [ANY, SIGNED, LIMITED, BODY, CREDENTIAL, UPSTREAM, TAKEN, &[K::BaseUrlRefused]];
    CredentialCheckProblems "Problems of a check." [ANY, SIGNED, LIMITED, CREDENTIAL, &[K::SecretUnreadable, K::GatewayTimeout]];
    TenantListProblems "Problems of a list of tenants." [ANY, SIGNED, OPERATOR];
    TenantCreateProblems "Problems of a new tenant." [ANY, SIGNED, OPERATOR, BODY, TAKEN];
    TenantProblems "Problems of a read or delete of a tenant." [ANY, SIGNED, OPERATOR, TENANT];
    AuditProblems "Problems of a list of audit records." [ANY, SIGNED, OPERATOR];
    KeyCreateProblems "Problems of a new key." [ANY, SIGNED, OPERATOR, BODY, TENANT, QUOTA];
    KeyListProblems "Problems of a list of keys." [ANY, SIGNED, OPERATOR, TENANT];
    KeyProblems "Problems of a revocation." [ANY, SIGNED, OPERATOR, TENANT, &[K::KeyNotFound]];
}

fn responses(groups: &[&[FailureKind]]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<FailureKind>> = BTreeMap::new();
    for &kind in groups.iter().copied().flatten() {
        by_status.entry(problem::status(kind).as_u16()).or_default().push(kind);
    }
    by_status
        .into_iter()
        .map(|(status, kinds)| (status.to_string(), response(status, &kinds).into()))
        .collect()
}

fn response(status: u16, kinds: &[FailureKind]) -> Response {
    let mut content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    for kind in kinds {
        let example = Ref::new(format!("#/components/examples/{}", example_name(*kind)));
        content.examples.insert(kind.code().to_owned(), RefOr::Ref(example));
    }
    let words: Vec<String> =
        kinds.iter().map(|&kind| format!("`{}`: {}.", kind.code(), problem::title(kind))).collect();
    let response = ResponseBuilder::new().description(words.join(" ")).content(problem::MEDIA_TYPE, content);
    let integer = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).build();
    let text = ObjectBuilder::new().schema_type(Type::String).build();
    let header = |schema, description| {
        HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
    };
    match status {
        401 => response.header("WWW-Authenticate", header(text, "`Bearer`.")),
        412 => response.header("ETag", header(text, "The contact's current tag.")),
        429 | 503 => response.header("Retry-After", header(integer, "The seconds to wait.")),
        _ => response,
    }
    .build()
}

/// An example of each kind, by its component name.
pub(super) fn examples() -> impl Iterator<Item = (String, RefOr<Example>)> {
    // These two occur only outside of operations.
    let nowhere = [K::RouteNotFound, K::MethodNotAllowed];
    K::ALL.iter().filter(move |kind| !nowhere.contains(kind)).map(|&kind| {
        let body = example(kind).body.clone();
        let shown = ExampleBuilder::new().summary(problem::title(kind)).value(Some(body)).build();
        (example_name(kind), shown.into())
    })
}

/// The component name of the example.
fn example_name(kind: FailureKind) -> String {
    format!("problem.{}", recorded_name(kind))
}

/// The name of the recording. A code with two statuses has two.
fn recorded_name(kind: FailureKind) -> String {
    match kind {
        K::LedgerQuotaExceeded => format!("{}.ledger", kind.code()),
        _ => kind.code().to_owned(),
    }
}

/// A response with a problem, as the gateway sends it.
#[derive(Default, Deserialize)]
pub(in crate::api) struct RecordedProblem {
    /// The headers that belong to a problem, such as `retry-after`.
    pub(in crate::api) headers: BTreeMap<String, String>,
    pub(in crate::api) body: serde_json::Value,
}

/// The recorded response of this kind; `tests/it/problems.rs` records it.
pub(in crate::api) fn example(kind: FailureKind) -> &'static RecordedProblem {
    static RECORDED: LazyLock<BTreeMap<String, RecordedProblem>> =
        LazyLock::new(|| serde_json::from_str(include_str!("problems.json")).unwrap_or_default());
    static NONE: LazyLock<RecordedProblem> = LazyLock::new(RecordedProblem::default);
    RECORDED.get(&recorded_name(kind)).unwrap_or(&NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_an_example() {
        for &kind in K::ALL {
            assert_eq!(example(kind).body["code"], kind.code(), "tests/README.md says how to record it");
        }
    }
}
