//! Query parameters and headers in the OpenAPI document.

use serde_json::Value;
use utoipa::openapi::Required;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type};

use crate::api::extract::DEADLINE_MILLIS;
use crate::domain::bounds::{EMAIL_ADDRESS_MOST, IDEMPOTENCY_KEY_MOST, TEXT_MOST};

/// The maximum page size.
pub(in crate::api) const PAGE_SIZE_MOST: u64 = 100;
const REQUEST_ID_PATTERN: &str = "^[A-Za-z0-9._-]{1,128}$";
/// The parameter of a write that is only planned.
pub(super) const DRY_RUN: &str = "dryRun";
/// The default page size.
pub(in crate::api) const PAGE_SIZE_DEFAULT: u32 = 50;

/// An optional query parameter.
pub(in crate::api) fn query(name: &str, description: &str, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

/// The parameter with an example, which works against the demo.
pub(in crate::api) fn exampled(parameter: Parameter, example: impl Into<Value>) -> Parameter {
    ParameterBuilder::from(parameter).example(Some(example.into())).build()
}

/// A text.
pub(in crate::api) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(TEXT_MOST))
}

/// An e-mail address.
pub(in crate::api) fn email_address() -> ObjectBuilder {
    text().max_length(Some(EMAIL_ADDRESS_MOST)).format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)))
}

/// A phone number: any text with a digit.
pub(in crate::api) fn phone_number() -> ObjectBuilder {
    text().pattern(Some("[0-9]"))
}

/// A timestamp.
pub(in crate::api) fn time() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}

/// A whole number from 1 on.
pub(in crate::api) fn number(most: u64) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(most))
}

/// `true` or `false`.
pub(in crate::api) fn flag(name: &str, default: bool, description: &str) -> Parameter {
    query(name, description, ObjectBuilder::new().schema_type(Type::Boolean).default(Some(default.into())))
}

/// The credential. The older name `connectionId` is accepted but not documented.
pub(in crate::api) fn credential() -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
    let mut parameter =
        query("credentialId", "The id of the credential, which selects the CRM account.", text);
    parameter.required = Required::True;
    exampled(parameter, "demo-aptly")
}

/// The credentials of an operation that asks several.
pub(in crate::api) fn credentials(description: &str) -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).build();
    let list = ArrayBuilder::new().items(text).build();
    let mut parameter = query("credentialId", description, ObjectBuilder::new());
    parameter.schema = Some(list.into());
    exampled(parameter, vec!["demo-aptly", "demo-pipeline"])
}

/// Whether a write is only planned.
pub(in crate::api) fn dry_run() -> Parameter {
    let description = "If `true`, the request is checked like the write, with the same lookups and refusals, and nothing is \
                       written or stored. The response has the calls that the write would send. Cannot be combined with \
                       `Idempotency-Key`.";
    flag(DRY_RUN, false, description)
}

/// The position in a list.
pub(in crate::api) fn cursor() -> Parameter {
    query("cursor", "The `nextCursor` of the previous page.", text())
}

/// The page size.
pub(in crate::api) fn page_size() -> Parameter {
    let size = number(PAGE_SIZE_MOST).default(Some(PAGE_SIZE_DEFAULT.into()));
    exampled(query("pageSize", "The maximum number of items on a page.", size), 10)
}

/// The headers that every operation accepts.
pub(super) fn headers() -> [Parameter; 3] {
    let millis = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(*DEADLINE_MILLIS.start()))
        .maximum(Some(*DEADLINE_MILLIS.end()));
    let request_id = header(
        "X-Request-Id",
        // No pattern: such a value is not refused.
        &format!(
            "Your id for the request. The gateway replaces a value that does not match `{REQUEST_ID_PATTERN}`."
        ),
        ObjectBuilder::new().schema_type(Type::String),
    );
    let deadline = header(
        "X-Request-Timeout-Ms",
        "The deadline of the request in milliseconds. The default is 15 s for reads and 30 s for writes.",
        millis,
    );
    let priority = header(
        "Priority",
        "The priority as in RFC 9218. `u=5` makes the request a background job, such as a row of an import: calls of people \
         go first at the CRM's rate limit, and a quarter of the limit is left to them.",
        ObjectBuilder::new().schema_type(Type::String),
    );
    [exampled(request_id, "my-request-1"), exampled(deadline, 5000), exampled(priority, "u=5")]
}

/// The header that makes a write idempotent.
pub(in crate::api) fn idempotency_key() -> Parameter {
    let key = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(IDEMPOTENCY_KEY_MOST))
        .pattern(Some("^[!-~]+$"));
    let parameter = header(
        "Idempotency-Key",
        "A new key for each write, such as a random UUID. The write then happens once, even if the request is sent again. \
         Within 24 hours, a replay gets the same response with `Idempotency-Replayed: true`. Keys are shared by all API keys of \
         the tenant.",
        key,
    );
    exampled(parameter, "7f9c0c1e-8f0e-4b1c-9d3f-2f6f1a0c5b11")
}

/// The header that prevents an update or delete from overwriting another change.
pub(in crate::api) fn if_match() -> Parameter {
    let tag = r#"(W/)?"[!#-~]*""#;
    let pattern = format!(r"^(\*|{tag}(\s*,\s*{tag})*)$");
    let tags = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).pattern(Some(pattern));
    let parameter = header(
        "If-Match",
        "The `ETag` of the contact as you read it, or several tags separated by commas. The write is sent only if the contact \
         still has one of these tags; otherwise the response is 412 `contact_changed`. `*` requires only that the contact \
         exists. A weak tag, `W/\"…\"`, never matches.",
        tags,
    );
    exampled(parameter, "*")
}

/// The header of a contact that was read by its id.
pub(super) fn entity_tag_header() -> Header {
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(r#"^"[A-Za-z0-9_-]+"$"#)).build();
    HeaderBuilder::new()
        .schema(Some(text))
        .description(Some(
            "A digest of the writable fields of the contact, for `If-Match`. Absent if the contact was not read back by its id.",
        ))
        .build()
}

/// The header of a replayed response.
pub(super) fn replayed_header() -> Header {
    let word = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["true"])).build();
    HeaderBuilder::new()
        .schema(Some(word))
        .description(Some("Present if the response is the stored response of an earlier request."))
        .build()
}

/// The header of every response.
pub(super) fn request_id_header() -> Header {
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(REQUEST_ID_PATTERN)).build();
    HeaderBuilder::new().schema(Some(text)).description(Some("The request id.")).build()
}

fn header(name: &str, description: &str, schema: ObjectBuilder) -> Parameter {
    let mut parameter = query(name, description, schema);
    parameter.parameter_in = ParameterIn::Header;
    parameter
}
