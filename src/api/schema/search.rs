//! The result of a search over several CRMs.

use serde::Serialize;
use utoipa::ToSchema;

use super::contact::ContactShape;
use super::warning::WarningShape;
use super::{Each, Show};
use crate::api::problem::{CredentialProblem, ProblemContext};
use crate::domain::Warning;
use crate::gateway::contacts::{FoundContact, FoundPerson, SearchResult, Shortfall};

/// The people found in several CRMs.
#[derive(Serialize, ToSchema)]
#[schema(as = SearchAnswer)]
pub(in crate::api) struct SearchResponse<'a> {
    /// The people, in the order of the credentials.
    #[schema(value_type = Vec<PersonShape>)]
    people: Each<'a, FoundPerson>,
    /// The credentials that gave no result, each with its problem.
    failures: Vec<CredentialProblem<'a>>,
    /// The credentials that may have more matches, each with the reason.
    #[schema(value_type = Vec<ShortfallShape>)]
    incomplete: Each<'a, Shortfall>,
    /// Whether every credential gave a result and all matches are shown.
    complete: bool,
}

impl<'a> SearchResponse<'a> {
    /// The response to a request.
    pub(in crate::api) fn of(found: &'a SearchResult, context: &'a ProblemContext) -> Self {
        let SearchResult { people, failures, shortfalls } = found;
        Self {
            people: Each(people),
            failures: CredentialProblem::each(failures, context),
            incomplete: Each(shortfalls),
            complete: found.is_complete(),
        }
    }
}

/// A person, and the contacts that show them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Person)]
pub(in crate::api) struct PersonShape<'a> {
    /// The parameter of the search, then the kinds of values that at least two of the contacts share: `emailAddress`,
    /// `phoneNumber`.
    matched_on: &'a [&'static str],
    /// The contacts, in the order of the credentials.
    #[schema(value_type = Vec<FoundContactShape>)]
    contacts: Each<'a, FoundContact>,
}

impl Show for FoundPerson {
    type Shape<'a> = PersonShape<'a>;

    fn show(&self) -> PersonShape<'_> {
        let Self { matched_on, contacts } = self;
        PersonShape { matched_on, contacts: Each(contacts) }
    }
}

/// A contact of a person in one CRM.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FoundContact)]
pub(in crate::api) struct FoundContactShape<'a> {
    /// The credential to read and write the contact with.
    credential_id: &'a str,
    /// The provider of the CRM.
    provider: &'static str,
    #[schema(value_type = ContactShape)]
    contact: Box<ContactShape<'a>>,
    /// Warnings about the contact; their pointers begin in it.
    #[schema(value_type = Vec<WarningShape>)]
    warnings: Each<'a, Warning>,
}

impl Show for FoundContact {
    type Shape<'a> = FoundContactShape<'a>;

    fn show(&self) -> FoundContactShape<'_> {
        let Self { credential, provider, id, contact, warnings } = self;
        FoundContactShape {
            credential_id: credential.as_str(),
            provider: provider.as_str(),
            contact: Box::new(ContactShape::of(id, contact)),
            warnings: Each(warnings),
        }
    }
}

/// Why a credential may have more matches.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Shortfall)]
pub(in crate::api) struct ShortfallShape<'a> {
    /// The credential.
    credential_id: &'a str,
    /// A stable code: `too_many_matches`, `scan_limit_reached`, `row_unreadable`, `incomplete`,
    /// `walk_incomplete`. New codes may be added.
    code: &'static str,
    /// An explanation for people.
    message: &'a str,
}

impl Show for Shortfall {
    type Shape<'a> = ShortfallShape<'a>;

    fn show(&self) -> ShortfallShape<'_> {
        let Self { credential, code, message } = self;
        ShortfallShape { credential_id: credential.as_str(), code: code.as_str(), message }
    }
}
