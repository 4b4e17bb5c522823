//! The public JSON of responses, serialized from borrowed values.

mod audit;
mod contact;
mod credential;
mod dry_run;
mod fields;
mod key;
mod list;
mod provider;
mod search;
mod serialize;
mod tenant;
mod warning;

pub(super) use audit::AuditListing;
pub(super) use contact::{
    ContactResponse, ContactShape, CountResponse, DeleteResponse, Extent, UpsertResponse,
};
pub(super) use credential::CheckResponse;
pub(crate) use credential::{CredentialListing, CredentialResponse};
pub(super) use dry_run::DryRunResponse;
pub(super) use fields::FieldsResponse;
pub(crate) use key::{KeyListing, KeyResponse};
pub(super) use list::ContactListResponse;
pub(super) use provider::{ProvidersResponse, declared_providers, secret_schema, settings_schema};
pub(super) use search::SearchResponse;
pub(super) use serialize::{Each, Rfc3339, Show};
use serialize::{listing, shape};
pub(super) use tenant::TenantUsageResponse;
pub(crate) use tenant::{TenantListing, TenantResponse};
pub(super) use warning::WarningShape;

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;
    use crate::api::problem::{ProblemContext, render};
    use crate::domain::{
        Contact, EmailAddress, Failure, FieldFault, PhoneNumber, RawJson, RemoteFields, RemoteId, Text,
        Warning, WarningCode,
    };
    use crate::gateway::contacts::{ContactPage, ContactView};
    use crate::instructions::{Work, linear};
    use crate::json;

    fn nobody() -> Contact {
        Contact::bare(RemoteId::from("abc123"))
    }

    fn shown(contact: Contact, warnings: Vec<Warning>) -> Work {
        let shown = ContactView { id: "con_1".into(), contact, warnings, outcome: None, tag: None };
        Box::new(move || drop(black_box(json::to_vec(&ContactResponse::of(&shown)).unwrap())))
    }

    #[test]
    fn rendering_takes_linear_work() {
        linear(
            "api::schema::tests::rendering_takes_linear_work",
            &[
                ("contacts", 500, |n| {
                    let listed = ContactPage {
                        contacts: vec![("con_1".into(), nobody()); n],
                        page_number: None,
                        page_size: 100,
                        next_cursor: None,
                        total: None,
                        pushed_down: Vec::new(),
                        applied_here: Vec::new(),
                        warnings: Vec::new(),
                    };
                    Box::new(move || {
                        drop(black_box(json::to_vec(&ContactListResponse::of(&listed)).unwrap()));
                    })
                }),
                ("fields of the CRM", 1000, |n| {
                    let field = |n| (format!("f{n}").into(), RawJson::from_validated(Text::from_static("1")));
                    let remote_fields = RemoteFields((0..n).map(field).collect());
                    shown(Contact { remote_fields, ..nobody() }, Vec::new())
                }),
                ("phone numbers and e-mail addresses", 1000, |n| {
                    let phone = PhoneNumber { number: "+14155550100".into(), kind: None };
                    let email = EmailAddress { address: "a@example.com".into(), kind: None };
                    let (phone_numbers, email_addresses) = (vec![phone; n], vec![email; n]);
                    shown(Contact { email_addresses, phone_numbers, ..nobody() }, Vec::new())
                }),
                ("warnings", 1000, |n| {
                    shown(nobody(), vec![Warning::new(WarningCode::Incomplete, "/account", "Not shown."); n])
                }),
                ("faults", 1000, |n| {
                    let fault = |n| FieldFault::member(format!("/f{n}"), "unknown_member", "Unknown field.");
                    let failure = Failure::validation((0..n).map(fault).collect::<Vec<_>>());
                    let request = ProblemContext::new("/crm/contacts".parse().unwrap(), "r-1".into());
                    Box::new(move || drop(black_box(render(&failure, &request))))
                }),
            ],
        );
    }
}
