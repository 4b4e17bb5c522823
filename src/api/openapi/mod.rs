//! The OpenAPI document, generated from the handlers.

mod examples;
mod generators;
pub(super) mod parameters;
pub(super) mod problems;
mod samples;

use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{Components, OneOfBuilder, Ref, Schema};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContactBuilder, Content, License, OpenApi as Document, RefOr, Server};

use super::problem::{Problem, ProblemCode, ProblemOrigin, ProblemRetryable};
use super::routes::{open_routes, operator_routes, tenant_routes};
use super::schema::DryRunResponse;
use crate::config::PublicUrl;

/// The parts of the document that describe the API as a whole.
#[derive(OpenApi)]
#[openapi(
    info(title = "contacts-gateway", description = include_str!("intro.md")),
    tags(
        (name = "contacts", description = "Contacts in the CRMs."),
        (name = "credentials", description = "The links of a tenant to CRM accounts."),
        (name = "admin", description = "Tenants, API keys and the audit, for the operator. Available only if an admin token is configured."),
        (name = "operation", description = "Health checks."),
    ),
    servers((url = ".", description = "This gateway, also under a path prefix: the URL is relative to this document.")),
    components(schemas(Problem, ProblemCode, ProblemOrigin, ProblemRetryable, DryRunResponse<'static>)),
)]
struct Api;

const REQUEST_ID: &str = "X-Request-Id";
/// The header of replayed responses.
const REPLAYED: &str = "Idempotency-Replayed";

/// The document as formatted JSON. The same text is served, printed and committed.
pub fn document() -> String {
    text(Api::openapi())
}

/// The document of a gateway with a public URL, which is the first server.
pub(super) fn public_document(url: &PublicUrl) -> String {
    let mut document = Api::openapi();
    let mut server = Server::new(url.to_string());
    server.description = Some("This gateway.".to_owned());
    document.servers.get_or_insert_default().insert(0, server);
    text(document)
}

fn text(mut document: Document) -> String {
    document.merge(tenant_routes().split_for_parts().1);
    document.merge(open_routes().split_for_parts().1);
    document.merge(operator_routes().split_for_parts().1);
    complete(&mut document);
    let mut document = serde_json::to_value(&document).unwrap_or_default();
    generators::name_free_parts(&mut document);
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

/// Adds the parts that many operations share.
fn complete(document: &mut Document) {
    // The gateway is self-hosted.
    document.info.contact = Some(ContactBuilder::new().name(Some("The operator of this gateway")).build());
    document.info.license = Some(License::new("MIT"));
    if let Some(license) = &mut document.info.license {
        license.identifier = Some("MIT".to_owned());
    }
    if let Some(components) = &mut document.components {
        for (name, description) in [
            ("bearer", "A tenant's API key, `cg_…`, or a JWT of an issuer that the operator configured."),
            ("admin", "The operator's admin token."),
        ] {
            let mut scheme = Http::new(HttpAuthScheme::Bearer);
            scheme.description = Some(description.to_owned());
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
    }
    let mut shared = Components::new();
    shared.examples.extend(problems::examples());
    shared.headers.insert(REQUEST_ID.to_owned(), parameters::request_id_header().into());
    shared.parameters.extend(parameters::headers().map(|header| (header.name.clone(), header.into())));
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            complete_operation(path, operation, &mut shared);
            let body = first_example(operation, &shared);
            operation.extensions = Some(samples::of(method, path, operation, body));
        }
    }
    if let Some(components) = &mut document.components {
        let Components { examples, headers, parameters, .. } = shared;
        components.examples = examples;
        components.headers = headers;
        components.parameters = parameters;
    }
}

fn complete_operation(path: &str, operation: &mut Operation, shared: &mut Components) {
    let scheme = match path.split('/').nth(1) {
        Some("admin") => Some("admin"),
        Some("crm" | "credentials" | "providers") => Some("bearer"),
        _ => None,
    };
    // An empty requirement states explicitly that no authentication is needed.
    operation.security =
        Some(scheme.map(|name| SecurityRequirement::new(name, [""; 0])).into_iter().collect());
    let headers = shared.parameters.keys().map(|name| reference("parameters", name));
    operation.parameters.get_or_insert_default().extend(headers.map(RefOr::Ref));
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.content.values_mut().for_each(|content| exemplify(content, shared));
    }
    let takes = |name: &str| operation.parameters.iter().flatten().any(|parameter| is_named(parameter, name));
    let (keyed, planned) = (takes("Idempotency-Key"), takes(parameters::DRY_RUN));
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if keyed && status.starts_with('2') {
            response.headers.insert(REPLAYED.to_owned(), parameters::replayed_header().into());
        }
        if status.starts_with('2') && response.content.values().any(shows_contact) {
            response.headers.insert("ETag".to_owned(), parameters::entity_tag_header().into());
        }
        response.content.values_mut().for_each(|content| exemplify(content, shared));
        if planned && status.starts_with('2') {
            response.content.values_mut().for_each(|content| add_dry_run(content, shared));
        }
        response.headers.insert(REQUEST_ID.to_owned(), RefOr::Ref(reference("headers", REQUEST_ID)));
    }
}

fn is_named(parameter: &RefOr<utoipa::openapi::path::Parameter>, name: &str) -> bool {
    matches!(parameter, RefOr::T(parameter) if parameter.name == name)
}

/// Adds the response of a dry run to that of the write.
fn add_dry_run(content: &mut RefOr<Content>, shared: &mut Components) {
    let RefOr::T(written) = content else { return };
    let plan = Ref::from_schema_name("DryRunAnswer");
    let mut planned = RefOr::T(Content::new(Some(plan.clone())));
    exemplify(&mut planned, shared);
    if let (Some(schema), RefOr::T(planned)) = (written.schema.take(), planned) {
        written.schema = Some(RefOr::T(Schema::OneOf(OneOfBuilder::new().item(schema).item(plan).build())));
        written.examples.extend(planned.examples);
    }
}

/// Whether the content is a single contact with its warnings.
fn shows_contact(content: &RefOr<Content>) -> bool {
    let RefOr::T(content) = content else { return false };
    let Some(RefOr::Ref(schema)) = &content.schema else { return false };
    let name = schema.ref_location.rsplit('/').next();
    matches!(name, Some("ContactAnswer" | "UpsertAnswer"))
}

/// Adds references to the examples of the schema. Each example is written once.
fn exemplify(content: &mut RefOr<Content>, shared: &mut Components) {
    let RefOr::T(content) = content else { return };
    if let Some(RefOr::Ref(schema)) = &content.schema {
        let name = schema.ref_location.rsplit('/').next().unwrap_or_default();
        for (key, example) in examples::of(name) {
            let component = format!("{name}.{key}");
            content.examples.insert(key, RefOr::Ref(reference("examples", &component)));
            shared.examples.insert(component, example);
        }
    }
}

/// A reference to a shared component.
fn reference(kind: &str, name: &str) -> Ref {
    Ref::new(format!("#/components/{kind}/{name}"))
}

/// The operations of a path, with their methods.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { get, put, post, patch, delete, .. } = item;
    let all = [("get", get), ("put", put), ("post", post), ("patch", patch), ("delete", delete)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// The first example of the body, which is among the shared ones.
fn first_example<'a>(operation: &Operation, shared: &'a Components) -> Option<&'a Value> {
    let RefOr::T(body) = operation.request_body.as_ref()? else { return None };
    let RefOr::T(content) = body.content.values().next()? else { return None };
    let RefOr::Ref(example) = content.examples.values().next()? else { return None };
    match shared.examples.get(example.ref_location.rsplit('/').next()?)? {
        RefOr::T(example) => example.value.as_ref(),
        RefOr::Ref(_) => None,
    }
}
