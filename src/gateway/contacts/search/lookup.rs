//! The part of a search that asks one credential: a lookup by the CRM's own search, and a bounded scan where that search
//! may miss contacts.

use std::collections::HashSet;

use tokio::time::timeout_at;

use super::{SearchBy, SearchPermits, Shortfall};
use crate::adapters::{ContactIdentity, Identity, IdentityKind, LookupResult};
use crate::domain::{
    CallContext, Caller, Contact, ContactQuery, CredentialId, FailureKind, Filter, FilterName, FilterValue,
    Provider, Region, RemoteId, Result, Text, WarningCode,
};
use crate::gateway::contacts::filters::{self, Split};
use crate::gateway::contacts::scan::{Wanted, scan};
use crate::gateway::contacts::walk::Gap;
use crate::gateway::credentials::{ConnectedCredential, Credentials};
use crate::store;

/// How many contacts of one credential a search returns.
const MATCHES_MOST: usize = 50;

/// The matches of one credential.
pub(super) struct CredentialMatches {
    pub(super) id: CredentialId,
    pub(super) provider: Provider,
    /// The country of its phone numbers without a country code.
    pub(super) region: Region,
    /// Each once.
    pub(super) contacts: Vec<Contact>,
    pub(super) shortfalls: Vec<Shortfall>,
}

/// What the lookups of one search share.
pub(super) struct CredentialLookup<'a> {
    /// With the deadline of the lookups.
    pub(super) context: &'a CallContext,
    pub(super) caller: &'a Caller,
    pub(super) credentials: &'a Credentials,
    pub(super) permits: &'a SearchPermits,
    pub(super) by: &'a SearchBy,
    /// The bytes of contacts that each may return.
    pub(super) most_bytes: usize,
}

impl CredentialLookup<'_> {
    /// Asks one credential. Ends at the deadline, whatever hangs. Holds one of the credential's permits.
    pub(super) async fn of(&self, id: &CredentialId) -> Result<CredentialMatches> {
        let Self { context, caller, credentials, permits, by, most_bytes } = *self;
        let opened =
            timeout_at(context.deadline, credentials.open(context, caller, id)).await.map_err(|_| {
                let detail = "The gateway's database did not respond in time. Try again.";
                store::timed_out(detail)
            })??;
        let _permit = permits.take(context, &caller.tenant).await?;
        let asked = async {
            let _permit = opened.account.enter(context).await?;
            let mut matches = Matches::default();
            match by {
                SearchBy::EmailAddress(value) => {
                    let (kind, filter) = (IdentityKind::EmailAddress, FilterName::EmailAddress);
                    matches.by_identity(context, &opened, kind, filter, value).await?;
                }
                SearchBy::PhoneNumber(value) => {
                    let (kind, filter) = (IdentityKind::PhoneNumber, FilterName::PhoneNumber);
                    matches.by_identity(context, &opened, kind, filter, value).await?;
                }
                SearchBy::Name(name) => {
                    let split = filters::by_name(opened.spec, name, opened.adapter.region());
                    matches.scan(context, &opened, &split).await?;
                }
            }
            Ok(matches)
        };
        let late = |_| {
            let detail = "The CRM did not respond in the time for this search.";
            opened.failure(FailureKind::UpstreamTimeout, detail)
        };
        let matches = timeout_at(context.deadline, asked).await.map_err(late)?;
        opened.note(&matches);
        let matches = matches?;
        Ok(matches.of(&opened, most_bytes))
    }
}

/// Contacts that match, and why there may be more.
#[derive(Default)]
struct Matches {
    contacts: Vec<Contact>,
    known: HashSet<RemoteId>,
    gaps: Vec<(WarningCode, Text)>,
    /// Whether there are more than are kept.
    overflow: bool,
}

impl Matches {
    /// Finds the contacts with this address or number. Where the CRM is not declared to find all of them, the rows of its list
    /// are compared too.
    async fn by_identity(
        &mut self,
        context: &CallContext,
        opened: &ConnectedCredential,
        kind: IdentityKind,
        filter: FilterName,
        value: &Text,
    ) -> Result<()> {
        let identity = ContactIdentity(vec![Identity { kind, value: value.clone() }]);
        let found = opened.adapter.find_contacts(context, &identity).await?;
        let query =
            ContactQuery { filters: vec![Filter { name: filter, value: FilterValue::Text(value.clone()) }] };
        let split = filters::split(opened.spec, &query, opened.adapter.region());
        let finds_all = !split.pushed_down.is_empty();
        self.add_found(found, kind, finds_all);
        if finds_all || self.overflow {
            return Ok(());
        }
        // The scan ends before the lookup's own deadline, which would discard what was found.
        let left = context.remaining();
        let shorter = context.with_timeout(left.saturating_sub(left / 10));
        match self.scan(&shorter, opened, &split).await {
            // What the lookup found is shown nevertheless.
            Err(failure) if !self.contacts.is_empty() => {
                let message = format!(
                    "The rows of the CRM's list could not be compared ({}), so other matches may be missing.",
                    failure.kind.code()
                );
                self.gap(WarningCode::Incomplete, message);
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Adds what a lookup found. If it `finds_all`, what it could not decide is said.
    fn add_found(&mut self, found: LookupResult, kind: IdentityKind, finds_all: bool) {
        let LookupResult { matches, near, more, complete, date: _ } = found;
        self.overflow |= more > 0;
        self.add(matches.into_iter().map(|found| found.contact));
        let (unshown, similar): (Vec<_>, Vec<_>) =
            near.iter().map(|near| &near.contact).partition(|contact| !contact.shows(kind.field()));
        if !similar.is_empty() {
            let message = format!(
                "{} left out: a number with the same national digits but no country code. Set the credential's `defaultRegion` to compare them.",
                counted(similar.len())
            );
            self.gap(WarningCode::Incomplete, message);
        }
        if finds_all && (!complete || !unshown.is_empty()) && !self.overflow {
            let message = "The CRM's response did not show all matches.";
            self.gap(WarningCode::Incomplete, message);
        }
    }

    /// Adds the rows of the CRM's list that match, as far as a scan comes.
    async fn scan(
        &mut self,
        context: &CallContext,
        opened: &ConnectedCredential,
        split: &Split,
    ) -> Result<()> {
        if split.matches_nobody {
            return Ok(());
        }
        let walk = split.walk(opened);
        let wanted = Wanted { at: walk.start(), skip: 0, limit: MATCHES_MOST };
        let scanned = scan(context, opened, split, &walk, &wanted).await?;
        for warning in scanned.unseen.warnings().chain(scanned.gap.map(Gap::warning)) {
            self.gap(warning.code, warning.message);
        }
        if scanned.unreadable > 0 {
            let message = format!("{} without a readable id left out.", counted(scanned.unreadable));
            self.gap(WarningCode::RowUnreadable, message);
        }
        self.overflow |= scanned.next.is_some() && !scanned.is_cut;
        if scanned.is_cut {
            let message = format!(
                "The scan stopped after {} rows of the CRM, so matches may be missing.",
                scanned.rows_read
            );
            self.gap(WarningCode::ScanLimitReached, message);
        }
        self.add(scanned.contacts.into_iter());
        Ok(())
    }

    fn add(&mut self, contacts: impl Iterator<Item = Contact>) {
        for contact in contacts {
            if self.known.contains(&contact.remote_id) {
                continue;
            }
            if self.contacts.len() == MATCHES_MOST {
                self.overflow = true;
                return;
            }
            self.known.insert(contact.remote_id.clone());
            self.contacts.push(contact);
        }
    }

    fn gap(&mut self, code: WarningCode, message: impl Into<Text>) {
        self.gaps.push((code, message.into()));
    }

    /// The first of the matches, without the replies that they were read from.
    fn of(mut self, opened: &ConnectedCredential, most_bytes: usize) -> CredentialMatches {
        let (mut bytes, all) = (0, self.contacts.len());
        let fits = |contact: &Contact| {
            bytes += contact.size();
            bytes <= most_bytes
        };
        let contacts: Vec<Contact> =
            self.contacts.drain(..).take_while(fits).map(Contact::detached).collect();
        if contacts.len() < all {
            let message = format!(
                "{} left out, because the result would be too large. List this credential's contacts with a filter to see all.",
                counted(all - contacts.len())
            );
            self.gap(WarningCode::TooManyMatches, message);
        }
        if self.overflow {
            let message = format!(
                "More than {MATCHES_MOST} contacts match; the first {MATCHES_MOST} are shown. List this credential's contacts with a filter to see all."
            );
            self.gap(WarningCode::TooManyMatches, message);
        }
        let shortfall = |(code, message)| Shortfall { credential: opened.id.clone(), code, message };
        CredentialMatches {
            id: opened.id.clone(),
            provider: opened.spec.provider,
            region: opened.adapter.region(),
            shortfalls: self.gaps.into_iter().map(shortfall).collect(),
            contacts,
        }
    }
}

fn counted(contacts: usize) -> String {
    if contacts == 1 { "1 contact is".to_owned() } else { format!("{contacts} contacts are") }
}
