//! One search over several credentials: asks all of them at once, and groups the contacts by person.

mod lookup;
mod people;
mod permits;

use std::time::Duration;

use futures_util::future::join_all;

use self::lookup::{CredentialLookup, CredentialMatches};
pub(super) use self::permits::SearchPermits;
use super::incomplete;
use crate::blocking;
use crate::domain::{
    CallContext, Caller, Contact, CredentialFailure, CredentialId, Failure, FailureKind, Provider, Result,
    Retryable, Text, Warning, WarningCode,
};
use crate::gateway::contacts::ids::IdMaker;
use crate::gateway::credentials::Credentials;

/// How many credentials one search asks.
pub const SEARCHED_MOST: usize = 50;
/// The time before the deadline that is reserved for the response: a slow CRM then becomes a failure of its credential.
const RESERVE: Duration = Duration::from_millis(500);
/// The bytes of all contacts of one result.
const RESULT_BYTES: usize = 4 << 20;

/// A search for people.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    pub by: SearchBy,
    /// The credentials to ask, each once. Empty: all that the caller may use.
    pub credentials: Vec<CredentialId>,
}

/// The value that a contact must have.
#[derive(Clone, Debug)]
pub enum SearchBy {
    EmailAddress(Text),
    PhoneNumber(Text),
    /// As its first name, its last name, or both together.
    Name(Text),
}

impl SearchBy {
    /// The parameter of the search.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::EmailAddress(_) => "emailAddress",
            Self::PhoneNumber(_) => "phoneNumber",
            Self::Name(_) => "name",
        }
    }
}

/// What a search found.
#[derive(Clone, Debug, Default)]
pub struct SearchResult {
    pub people: Vec<FoundPerson>,
    /// The credentials whose CRM gave no result.
    pub failures: Vec<CredentialFailure>,
    /// The credentials whose CRM may have more matches.
    pub shortfalls: Vec<Shortfall>,
}

/// The contacts of one person.
#[derive(Clone, Debug)]
pub struct FoundPerson {
    /// The parameter of the search, and the kinds of values that several of the contacts share.
    pub matched_on: Vec<&'static str>,
    /// In the order of the credentials.
    pub contacts: Vec<FoundContact>,
}

#[derive(Clone, Debug)]
pub struct FoundContact {
    pub credential: CredentialId,
    pub provider: Provider,
    /// The gateway's id, `con_…`.
    pub id: Text,
    /// As a list shows it.
    pub contact: Contact,
    pub warnings: Vec<Warning>,
}

/// Why the result of one credential may lack matches.
#[derive(Clone, Debug)]
pub struct Shortfall {
    pub credential: CredentialId,
    pub code: WarningCode,
    pub message: Text,
}

impl SearchResult {
    /// Whether every CRM was asked and every match is shown.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.failures.is_empty() && self.shortfalls.is_empty()
    }

    /// The approximate size of its texts in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let contacts = self.people.iter().flat_map(|person| &person.contacts);
        contacts.map(|found| found.contact.size()).sum()
    }
}

/// Asks all credentials at the same time. A failure of one is part of the result; all fail only together, with
/// `upstream_error`, or with `credential_not_found` if the caller may use none of those it names.
pub(super) async fn search(
    context: &CallContext,
    caller: &Caller,
    credentials: &Credentials,
    permits: &SearchPermits,
    request: &SearchRequest,
) -> Result<SearchResult> {
    let asked = if request.credentials.is_empty() {
        credentials.ids(caller).await?
    } else {
        request.credentials.clone()
    };
    if asked.len() > SEARCHED_MOST {
        return Err(too_many());
    }
    let shorter = context.leaving(RESERVE);
    let most_bytes = RESULT_BYTES / asked.len().max(1);
    let lookup =
        CredentialLookup { context: &shorter, caller, credentials, permits, by: &request.by, most_bytes };
    let outcomes = join_all(asked.iter().map(|id| lookup.of(id))).await;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for (credential, outcome) in asked.into_iter().zip(outcomes) {
        match outcome {
            Ok(matches) => found.push(matches),
            // It was removed, but the key or the cache still lists it.
            Err(failure) if request.credentials.is_empty() && is_unknown(&failure) => {}
            Err(failure) => {
                context.record.note_failed_credential(&credential, failure.kind);
                failures.push(CredentialFailure { credential, failure });
            }
        }
    }
    if found.is_empty() && !failures.is_empty() {
        return Err(nobody_answered(failures));
    }
    let shortfalls = found.iter_mut().flat_map(|matches| std::mem::take(&mut matches.shortfalls)).collect();
    let size = found.iter().flat_map(|matches| &matches.contacts).map(Contact::size).sum();
    let people = blocking::within(context, size, || people::group(shown(found), request.by.word())).await?;
    Ok(SearchResult { people, failures, shortfalls })
}

/// The contacts in the order of the credentials, each with the region of its credential's numbers.
fn shown(found: Vec<CredentialMatches>) -> Vec<people::Located> {
    let of_one = |CredentialMatches { id: credential, provider, region, contacts, shortfalls: _ }| {
        let id_maker = IdMaker::of(&credential);
        contacts.into_iter().map(move |contact: Contact| {
            let warnings = Warning::bounded(incomplete(&contact));
            let (id, credential) = (id_maker.make(&contact.remote_id), credential.clone());
            people::Located { region, found: FoundContact { credential, provider, id, contact, warnings } }
        })
    };
    found.into_iter().flat_map(of_one).collect()
}

fn too_many() -> Failure {
    let detail = format!(
        "This key can use more than {SEARCHED_MOST} credentials, and one search asks at most {SEARCHED_MOST}. Name some of them: `credentialId` may be repeated."
    );
    Failure::parameter("credentialId", detail)
}

fn is_unknown(failure: &Failure) -> bool {
    failure.kind == FailureKind::CredentialNotFound
}

fn nobody_answered(failures: Vec<CredentialFailure>) -> Failure {
    if let Some(first) = failures.first()
        && failures.iter().all(|failed| is_unknown(&failed.failure))
    {
        return first.failure.clone();
    }
    let is_worth_retrying = failures.iter().any(|failed| failed.failure.retryable == Retryable::Yes);
    let detail = "No credential gave a result. `failures` has the problem of each.";
    let retryable = if is_worth_retrying { Retryable::Yes } else { Retryable::No };
    Failure { retryable, failures, ..Failure::new(FailureKind::UpstreamError, detail) }
}
