//! The result of a search over several CRMs.

use serde::Serialize;
use utoipa::ToSchema;

use super::contact::ContactShape;
use super::warning::WarningShape;
use super::{Each, shape};
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

shape! {
    /// A person, and the contacts that show them.
    #[schema(as = Person)]
    pub(in crate::api) struct PersonShape<'a> of FoundPerson { matched_on, contacts } => {
        /// The parameter of the search, then the kinds of values that at least two of the contacts share: `emailAddress`,
        /// `phoneNumber`.
        matched_on: &'a [&'static str] = matched_on,
        /// The contacts, in the order of the credentials.
        #[schema(value_type = Vec<FoundContactShape>)]
        contacts: Each<'a, FoundContact> = Each(contacts),
    }
}

shape! {
    /// A contact of a person in one CRM.
    #[schema(as = FoundContact)]
    pub(in crate::api) struct FoundContactShape<'a> of FoundContact {
        credential, provider, id, contact, warnings
    } => {
        /// The credential to read and write the contact with.
        credential_id: &'a str = credential.as_str(),
        /// The provider of the CRM.
        provider: &'static str = provider.as_str(),
        #[schema(value_type = ContactShape)]
        contact: Box<ContactShape<'a>> = Box::new(ContactShape::of(id, contact)),
        /// Warnings about the contact; their pointers begin in it.
        #[schema(value_type = Vec<WarningShape>)]
        warnings: Each<'a, Warning> = Each(warnings),
    }
}

shape! {
    /// Why a credential may have more matches.
    #[schema(as = Shortfall)]
    pub(in crate::api) struct ShortfallShape<'a> of Shortfall { credential, code, message } => {
        /// The credential.
        credential_id: &'a str = credential.as_str(),
        /// A stable code: `too_many_matches`, `scan_limit_reached`, `row_unreadable`, `incomplete`,
        /// `walk_incomplete`. New codes may be added.
        code: &'static str = code.as_str(),
        /// An explanation for people.
        message: &'a str = message,
    }
}
