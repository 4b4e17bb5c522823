//! Code shared by CRMs whose list has numbered pages and search parameters: pages, lookups, and the row of one
//! contact.

use std::collections::HashSet;

use super::adapter::{AdapterSpec, LookupResult};
use super::identity::{ContactIdentity, IdentityKind};
use super::lenient_reader::unreadable;
use super::matching::{LookupKey, full_name};
use super::paging::{ListPosition, PageRows, Paging};
use super::reading::Rows;
use crate::domain::{CallContext, Contact, Failure, FailureKind, Page, PageToken, Region, RemoteId, Result};
use crate::json::CheckedJson;
use crate::upstream::Reply;
use async_trait::async_trait;

/// A query parameter of the CRM and its value.
pub(super) type Parameter = (&'static str, String);

/// Bytes of a text to search for. A longer text does not fit into a URL.
pub(super) const LONGEST_SEARCH: usize = 1000;

/// How many values of one kind are used to search for the row of one contact.
const MOST_SEARCHES: usize = 3;

/// A CRM's list of contacts in numbered pages.
#[async_trait]
pub(super) trait ContactList: Sync {
    const SPEC: &'static AdapterSpec;
    /// The rows of a page. A list with cursors does not compile here: a lookup would take one page of matches for all of them.
    const ROWS: PageRows = match Self::SPEC.paging {
        Paging::Numbered { rows, .. } => rows,
        Paging::Cursor => panic!("a list with cursors has no numbered pages"),
    };
    /// The number of the first page.
    const FIRST_PAGE: u64;

    /// Requests page `number` of `size` rows.
    async fn ask(
        &self,
        context: &CallContext,
        number: u64,
        size: u64,
        parameters: &[Parameter],
    ) -> Result<Reply>;

    fn decode(text: &CheckedJson) -> Result<Rows>;

    /// The search parameter for values of this kind; `None` is the full name.
    fn search_parameter(kind: Option<IdentityKind>) -> Option<&'static str>;
}

pub(super) async fn read_page<L: ContactList>(
    list: &L,
    context: &CallContext,
    filters: &[Parameter],
    at: Option<&PageToken>,
    limit: usize,
) -> Result<Page> {
    let offset = ListPosition::of(at)?.skip;
    let mut size = L::ROWS.page_size(offset, limit);
    // If the CRM uses another page size than requested, the offset is in another page.
    for _ in 0..2 {
        let (index, first) = (offset / size, (offset / size).saturating_mul(size));
        let number = index.saturating_add(L::FIRST_PAGE);
        let reply = list.ask(context, number, size, filters).await?;
        let rows = reply.read(context, |reply| reply.decode(L::decode)).await?;
        match rows.size {
            Some(echoed) if echoed != size => size = echoed,
            _ => return rows.from(offset, number, first, size),
        }
    }
    Err(unreadable("the page size", "the same in both responses"))
}

/// Finds the contacts that have one of the identities, with one search for each. Values must be equal as a
/// whole.
pub(super) async fn find_contacts<L: ContactList>(
    list: &L,
    context: &CallContext,
    by: &ContactIdentity,
    region: Region,
) -> Result<LookupResult> {
    let mut found = LookupResult::empty();
    for (parameter, wanted) in searches::<L>(by, region) {
        let parameter = parameter.filter(|_| !found.is_full());
        let Some(parameter) = parameter else {
            found.complete = false;
            continue;
        };
        let reply = first_page(list, context, &[(parameter, wanted.search.clone())]).await?;
        let add = |reply: Reply| {
            let rows = reply.decode(L::decode)?.checked()?;
            let whole = rows.is_whole(rows.size.unwrap_or(L::ROWS.most()));
            found.add(&wanted, whole, rows.readable(), reply.date, region);
            Ok(())
        };
        reply.read(context, add).await?;
    }
    Ok(found)
}

/// The values to search for, without duplicates, and the parameter for each if there is one.
fn searches<L: ContactList>(
    by: &ContactIdentity,
    region: Region,
) -> impl Iterator<Item = (Option<&'static str>, LookupKey)> {
    let mut seen = HashSet::new();
    let keys = by.0.iter().map(move |identity| LookupKey::of(identity, region));
    let keys = keys.filter(move |wanted| !wanted.search.is_empty() && seen.insert(wanted.key()));
    keys.map(|wanted| (L::search_parameter(Some(wanted.kind)), wanted))
}

/// Finds the row of a contact by its known identities and its name.
pub(super) async fn read_other_way<L: ContactList>(
    list: &L,
    context: &CallContext,
    known: &Contact,
    region: Region,
) -> Result<Option<Contact>> {
    row(list, context, &known.remote_id, searches_for::<L>(known, region).chunks(1)).await
}

fn searches_for<L: ContactList>(known: &Contact, region: Region) -> Vec<Parameter> {
    let first = |kind: &IdentityKind| {
        let mut identity = ContactIdentity::of(&[*kind], known);
        identity.0.truncate(MOST_SEARCHES);
        identity.0
    };
    let identity = ContactIdentity(L::SPEC.identities.iter().flat_map(first).collect());
    let values = searches::<L>(&identity, region).map(|(parameter, wanted)| (parameter, wanted.search));
    let name = full_name(known).map(|name| (L::search_parameter(None), name));
    let all = values.chain(name).filter_map(|(parameter, text)| Some((parameter?, text)));
    all.filter(|(_, text)| text.len() <= LONGEST_SEARCH).collect()
}

/// The row of the contact `id`: the first of `searches` that has it among its first rows.
pub(super) async fn row<L: ContactList>(
    list: &L,
    context: &CallContext,
    id: &RemoteId,
    searches: impl IntoIterator<Item = &[Parameter]> + Send,
) -> Result<Option<Contact>> {
    for search in searches {
        let reply = first_page(list, context, search).await?;
        let find = |reply: Reply| Ok(reply.decode(L::decode)?.row_of(id));
        if let Some(row) = reply.read(context, find).await? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// Requests the first page, with as many rows as possible.
pub(super) async fn first_page<L: ContactList>(
    list: &L,
    context: &CallContext,
    parameters: &[Parameter],
) -> Result<Reply> {
    list.ask(context, L::FIRST_PAGE, L::ROWS.most(), parameters).await
}

/// The one contact that a lookup after a write found; if `id` is known, with this id. Fails with
/// `contact_not_found`.
pub(super) fn found_again(found: LookupResult, id: Option<&RemoteId>) -> Result<Contact> {
    let contacts = found.matches.into_iter().map(|found| found.contact);
    let mut same = contacts.filter(|contact| id.is_none_or(|id| contact.remote_id == *id));
    match (same.next(), same.next()) {
        (Some(contact), None) => Ok(contact),
        _ => Err(Failure::new(
            FailureKind::ContactNotFound,
            "The contact just written could not be found again.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::aptly;
    use crate::adapters::identity::Identity;
    use crate::domain::{PhoneIdentity, Text};
    use crate::instructions::linear;

    /// A CRM that finds contacts only by e-mail address.
    struct EmailSearchOnly;

    #[async_trait]
    impl ContactList for EmailSearchOnly {
        const SPEC: &'static AdapterSpec = &aptly::SPEC;
        const FIRST_PAGE: u64 = 0;

        async fn ask(&self, _: &CallContext, _: u64, _: u64, _: &[Parameter]) -> Result<Reply> {
            Err(Failure::internal("nothing is asked"))
        }

        fn decode(_: &CheckedJson) -> Result<Rows> {
            Err(Failure::internal("nothing is read"))
        }

        fn search_parameter(kind: Option<IdentityKind>) -> Option<&'static str> {
            (kind == Some(IdentityKind::EmailAddress)).then_some("email")
        }
    }

    fn identity(kind: IdentityKind, value: impl Into<Text>) -> Identity {
        Identity { kind, value: value.into() }
    }

    #[tokio::test]
    async fn a_lookup_by_what_the_crm_cannot_search_is_not_complete() {
        let context = CallContext::within(std::time::Duration::from_secs(5), "req".into());
        let by = ContactIdentity(vec![identity(IdentityKind::PhoneNumber, "+14155550100")]);
        let found = find_contacts(&EmailSearchOnly, &context, &by, Region::default()).await.unwrap();
        assert!(found.matches.is_empty() && !found.complete);
        let nobody = ContactIdentity::default();
        assert!(
            find_contacts(&EmailSearchOnly, &context, &nobody, Region::default()).await.unwrap().complete
        );
    }

    #[test]
    fn searching_takes_linear_work() {
        // The library reads its tables once.
        drop(PhoneIdentity::of(Region::default(), "+14155550100"));
        linear(
            "adapters::contact_list::tests::searching_takes_linear_work",
            &[("searches", 100, |n| {
                let emails =
                    (0..n).map(|n| identity(IdentityKind::EmailAddress, format!("a{n}@example.com")));
                let phones = (0..n).map(|n| identity(IdentityKind::PhoneNumber, format!("+1415555{n:04}")));
                let by = ContactIdentity(emails.chain(phones).collect());
                Box::new(move || {
                    assert_eq!(searches::<EmailSearchOnly>(&by, Region::default()).count(), 2 * n);
                })
            })],
        );
    }
}
