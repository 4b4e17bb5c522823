//! The JSON of a problem: the fields of RFC 9457 first, then extensions.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{ProblemContext, status};
use crate::adapters;
use crate::domain::{
    Candidate, CredentialFailure, Failure, FailureKind, FaultLocation, FieldFault, Origin, Retryable, Text,
    UpstreamStatus,
};

/// An error: what is wrong, who caused it, how to fix it, and whether to retry.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct Problem<'a> {
    /// A page about this kind of problem: `/docs/errors/{code}`, behind the gateway's public URL if one is configured.
    #[schema(format = "uri-reference")]
    r#type: String,
    /// A title that is the same for every problem with this `code`.
    title: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong in this request, and how to fix it.
    #[schema(value_type = String)]
    detail: Cow<'a, str>,
    /// The path of the request, without its query.
    instance: &'a str,
    #[schema(value_type = ProblemCode)]
    code: &'a str,
    /// The same as `detail`.
    #[schema(value_type = String)]
    message: Cow<'a, str>,
    /// The request id, as in the header `X-Request-Id`.
    request_id: &'a str,
    /// Who caused the problem: the caller, the gateway or the upstream CRM.
    #[schema(value_type = ProblemOrigin)]
    origin: &'static str,
    /// Whether the same request can be retried. `same-key-only`: only with the same `Idempotency-Key`.
    #[schema(value_type = ProblemRetryable)]
    retryable: &'static str,
    /// The invalid fields or parameters, at most the first 100.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, max_items = 100)]
    errors: Vec<ProblemFault<'a>>,
    /// The number of faults that are not in `errors`. Absent if `errors` is complete.
    #[serde(skip_serializing_if = "is_none_omitted")]
    #[schema(required = false, minimum = 1)]
    errors_omitted: usize,
    /// The CRM that was called, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    upstream: Option<ProblemUpstream>,
    /// Contacts that conflict with the write, at most the first 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, max_items = 20)]
    candidates: Vec<ProblemCandidate<'a>>,
    /// The number of conflicting contacts that are not in `candidates`. Absent if `candidates` is complete.
    #[serde(skip_serializing_if = "is_none_omitted")]
    #[schema(required = false, minimum = 1)]
    candidates_omitted: usize,
    /// With `scan_limit_reached`: send it as `cursor` to go on behind the last row that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    next_cursor: Option<&'a str>,
    /// With `scan_limit_reached`: how many rows of the CRM were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    rows_read: Option<u64>,
    /// With `upstream_error` of a search: the problem of each credential.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, no_recursion)]
    failures: Vec<CredentialProblem<'a>>,
}

/// The problem of one credential in a search.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CredentialProblem)]
pub(in crate::api) struct CredentialProblem<'a> {
    /// The credential.
    credential_id: &'a str,
    #[schema(no_recursion)]
    problem: Problem<'a>,
}

impl<'a> CredentialProblem<'a> {
    /// The problems of a request.
    pub(in crate::api) fn each(failures: &'a [CredentialFailure], context: &'a ProblemContext) -> Vec<Self> {
        let problem = |CredentialFailure { credential, failure }: &'a CredentialFailure| Self {
            credential_id: credential.as_str(),
            problem: Problem::of(failure, context),
        };
        failures.iter().map(problem).collect()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_none_omitted(omitted: &usize) -> bool {
    *omitted == 0
}

/// An invalid field of the body, or an invalid parameter.
#[derive(Serialize, ToSchema)]
#[schema(as = ProblemFault)]
pub(in crate::api) struct ProblemFault<'a> {
    /// The location in the body, as an RFC 6901 pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pointer: Option<&'a str>,
    /// The name of a query parameter or header, instead of `pointer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    parameter: Option<&'a str>,
    /// A stable code, such as `required` or `unknown_member`.
    code: &'a str,
    /// What is wrong, and how to fix it.
    #[schema(value_type = String)]
    detail: Cow<'a, str>,
}

/// The CRM that was called.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct ProblemUpstream {
    /// The provider of the CRM.
    provider: &'static str,
    /// The HTTP status of its response; null if there was none.
    #[schema(required = true)]
    status: Option<u16>,
}

/// A contact that conflicts with the write.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProblemCandidate)]
pub(in crate::api) struct ProblemCandidate<'a> {
    /// The gateway's id of the contact.
    #[schema(required = true)]
    id: Option<&'a str>,
    /// The CRM's id of the contact.
    remote_id: &'a str,
    /// The field by which it was found, such as `emailAddress`.
    #[schema(value_type = Vec<String>)]
    matched_on: &'a [Text],
}

impl<'a> Problem<'a> {
    /// Describes `failure` as the problem of a request.
    pub(in crate::api) fn of(failure: &'a Failure, context: &'a ProblemContext) -> Self {
        // The effect and the reason are internal, and the wait time and the tag are headers: the body has no fields for them.
        let Failure {
            kind,
            detail,
            retry_after: _,
            effect: _,
            faults,
            candidates,
            upstream,
            retryable: again,
            entity_tag: _,
            scan,
            failures,
            reason: _,
        } = failure;
        // The detail of a bug goes to the log only.
        let shown = *kind != FailureKind::Internal;
        let detail = if shown {
            naming_the_crm(detail, *upstream)
        } else {
            "Internal error of the gateway. Its log has the details under this request id.".into()
        };
        Self {
            r#type: context.page(kind.code()),
            title: status::title(*kind),
            status: status::status(*kind).as_u16(),
            detail: detail.clone(),
            instance: context.path(),
            code: kind.code(),
            message: detail,
            request_id: &context.request_id,
            origin: kind.origin().as_str(),
            retryable: retryable(*again),
            errors: faults.iter().filter(|_| shown).map(|fault| ProblemFault::of(fault, *upstream)).collect(),
            errors_omitted: if shown { faults.omitted() } else { 0 },
            upstream: upstream.filter(|_| shown).map(ProblemUpstream::of),
            candidates: candidates.iter().filter(|_| shown).map(ProblemCandidate::of).collect(),
            candidates_omitted: if shown { candidates.omitted() } else { 0 },
            next_cursor: scan.as_ref().and_then(|scan| scan.next_cursor.as_deref()),
            rows_read: scan.as_ref().map(|scan| scan.rows_read),
            failures: CredentialProblem::each(failures, context),
        }
    }
}

/// The detail, with the name of the CRM where it begins with it: the parts that detect a failure do not know the name.
fn naming_the_crm(detail: &str, upstream: Option<UpstreamStatus>) -> Cow<'_, str> {
    let spec = upstream.and_then(|upstream| adapters::spec(upstream.provider.as_str()));
    let named = spec.and_then(|spec| {
        ["", "The connection to "].iter().find_map(|before| {
            let rest = detail.strip_prefix(before)?;
            let rest = rest.strip_prefix("The CRM").or_else(|| rest.strip_prefix("the CRM"))?;
            rest.starts_with([' ', '\'']).then(|| format!("{before}{}{rest}", spec.name))
        })
    });
    named.map_or(Cow::Borrowed(detail), Cow::Owned)
}

impl<'a> ProblemFault<'a> {
    fn of(fault: &'a FieldFault, upstream: Option<UpstreamStatus>) -> Self {
        let FieldFault { place, code, detail } = fault;
        let (pointer, parameter) = match place {
            FaultLocation::Pointer(text) => (Some(text.as_str()), None),
            FaultLocation::Parameter(name) => (None, Some(name.as_str())),
        };
        Self { pointer, parameter, code, detail: naming_the_crm(detail, upstream) }
    }
}

impl ProblemUpstream {
    const fn of(upstream: UpstreamStatus) -> Self {
        let UpstreamStatus { provider, status } = upstream;
        Self { provider: provider.as_str(), status }
    }
}

impl<'a> ProblemCandidate<'a> {
    fn of(candidate: &'a Candidate) -> Self {
        let Candidate { id, remote_id, matched_on } = candidate;
        Self { id: id.as_deref(), remote_id: remote_id.as_str(), matched_on }
    }
}

const fn retryable(retryable: Retryable) -> &'static str {
    match retryable {
        Retryable::No => "no",
        Retryable::Yes => "yes",
        Retryable::SameKeyOnly => "same-key-only",
    }
}

macro_rules! words {
    ($($name:ident $doc:literal $words:expr;)*) => {$(
        #[doc = $doc]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let words: Vec<&str> = $words;
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some($doc))
                    .enum_values(Some(words))
                    .into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    )*};
}

/// Each code once, because one has two statuses.
fn codes() -> Vec<&'static str> {
    let mut codes: Vec<_> = FailureKind::ALL.iter().map(|kind| kind.code()).collect();
    codes.dedup();
    codes
}

/// A stable error code.
pub struct ProblemCode;

/// The codes are not an `enum`: clients must accept a code that a later version adds.
impl PartialSchema for ProblemCode {
    fn schema() -> RefOr<Schema> {
        let known: Vec<String> = codes().iter().map(|code| format!("`{code}`")).collect();
        let description = format!(
            "A stable error code. Each code has a page at `/docs/errors/{{code}}`. Later versions may add codes. Known codes: {}.",
            known.join(", ")
        );
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[a-z][a-z_]*$"));
        text.description(Some(description)).into()
    }
}

impl ToSchema for ProblemCode {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ProblemCode")
    }
}

words! {
    ProblemOrigin "Who caused the problem: the caller, the gateway or the upstream CRM."
        Origin::ALL.map(Origin::as_str).to_vec();
    ProblemRetryable "Whether the same request can be retried. `same-key-only`: only with the same `Idempotency-Key`."
        [Retryable::No, Retryable::Yes, Retryable::SameKeyOnly].map(retryable).to_vec();
}
