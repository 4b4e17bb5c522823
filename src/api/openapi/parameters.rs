//! Query parameters and headers as the document describes them.

use utoipa::openapi::Required;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};

use crate::api::extract::DEADLINE_MILLIS;
use crate::domain::bounds::{EMAIL_ADDRESS_MOST, IDEMPOTENCY_KEY_MOST, TEXT_MOST};

/// The largest page.
pub(in crate::api) const PAGE_SIZE_MOST: u64 = 100;
/// The page size of those who ask for none.
pub(in crate::api) const PAGE_SIZE_DEFAULT: u32 = 50;

/// A query parameter that may be left out.
pub(in crate::api) fn query(name: &str, description: &str, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

/// A text.
pub(in crate::api) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(TEXT_MOST))
}

/// An e-mail address.
pub(in crate::api) fn email_address() -> ObjectBuilder {
    text().max_length(Some(EMAIL_ADDRESS_MOST)).format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)))
}

/// A moment.
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

/// The credential. The older name `connectionId` is accepted and not shown.
pub(in crate::api) fn credential() -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
    let mut parameter = query("credentialId", "Which of your credentials, and so which CRM account.", text);
    parameter.required = Required::True;
    parameter
}

/// Where a list goes on.
pub(in crate::api) fn cursor() -> Parameter {
    query("cursor", "Where the list before ended: its `nextCursor`, as it came.", text())
}

/// How many items a page shall hold.
pub(in crate::api) fn page_size() -> Parameter {
    query(
        "pageSize",
        "How many items a page shall hold.",
        number(PAGE_SIZE_MOST).default(Some(PAGE_SIZE_DEFAULT.into())),
    )
}

/// The headers that every call takes.
pub(super) fn headers() -> [Parameter; 2] {
    let id = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9._-]{1,128}$"));
    let millis = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(*DEADLINE_MILLIS.start()))
        .maximum(Some(*DEADLINE_MILLIS.end()));
    [
        header(
            "X-Request-Id",
            "An id of yours for the request; one that is not well formed is replaced.",
            id,
        ),
        header(
            "X-Request-Timeout-Ms",
            "How long the request may take; without it 15 s for reads and 30 s for writes.",
            millis,
        ),
    ]
}

/// The header that makes a write happen once.
pub(in crate::api) fn idempotency_key() -> Parameter {
    let key = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(IDEMPOTENCY_KEY_MOST));
    header(
        "Idempotency-Key",
        "A new one for each write, such as a random UUID: the write then happens once, however often the request is sent \
         with it, and within 24 hours a replay gets the same answer with `Idempotency-Replayed: true`. Keys belong to the tenant, \
         whichever of its API keys sends them.",
        key,
    )
}

/// The header that keeps a change or removal from overwriting another one.
pub(in crate::api) fn if_match() -> Parameter {
    let tags = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
    header(
        "If-Match",
        "The `ETag` of the contact as you read it, or several with commas between them: the write is sent only if the contact \
         still has one of them, else the response is 412 `contact_changed`. `*` requires only that the contact exists. A weak \
         tag, `W/\"…\"`, never matches.",
        tags,
    )
}

/// The header of a contact that was read by its id.
pub(super) fn entity_tag_header() -> Header {
    let text = ObjectBuilder::new().schema_type(Type::String).build();
    HeaderBuilder::new()
        .schema(Some(text))
        .description(Some(
            "For `If-Match`: a digest of what can be written of the contact. Absent if the contact was not read back by its id.",
        ))
        .build()
}

/// The header that a replayed answer bears.
pub(super) fn replayed_header() -> Header {
    let word = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["true"])).build();
    HeaderBuilder::new()
        .schema(Some(word))
        .description(Some("The recorded answer of an earlier request."))
        .build()
}

/// The header that every answer bears.
pub(super) fn request_id_header() -> Header {
    let text = ObjectBuilder::new().schema_type(Type::String).build();
    HeaderBuilder::new().schema(Some(text)).description(Some("The request's id.")).build()
}

fn header(name: &str, description: &str, schema: ObjectBuilder) -> Parameter {
    let mut parameter = query(name, description, schema);
    parameter.parameter_in = ParameterIn::Header;
    parameter
}
