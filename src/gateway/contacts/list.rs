//! Lists and counts. A page is assembled from the CRM's own pages, with every contact once. It is never short
//! without an error.

use std::collections::HashSet;

use super::cursor::{Binding, Cursors, ListProgress};
use super::errors::repeats;
use super::filters::Split;
use super::ids::IdMaker;
use super::incomplete::IncompleteRows;
use super::scan::{Scanned, Wanted, limit_reached, scan};
use super::walk::{ContactWalk, Gap, WalkNext, WalkState};
use super::{ContactPage, ListRequest, PageStart, filters};
use crate::adapters::AdapterSpec;
use crate::domain::{
    CallContext, Caller, Contact, ContactQuery, Failure, FailureKind, FieldFault, PageToken, Region, Result,
    ScanProgress, Text, Warning, WarningCode,
};
use crate::gateway::credentials::ConnectedCredential;
use crate::sealing::sha256;

/// Pages of the CRM that one page of ours may need. Two are enough, unless the CRM repeats itself.
const MOST_PAGES: usize = 10;
/// Pages of the CRM that a count may read if the CRM shows no total.
const MOST_COUNTED_PAGES: usize = 25;

pub(super) async fn list(
    context: &CallContext,
    caller: &Caller,
    opened: &ConnectedCredential,
    cursors: &Cursors,
    request: &ListRequest,
) -> Result<ContactPage> {
    let ListRequest { query, start, page_size } = request;
    let split = filters::split(opened.spec, query, opened.adapter.region());
    let binding = Binding { tenant: &caller.tenant, credential: &opened.id, query, page_size: *page_size };
    let walk = split.walk(opened);
    let (progress, page_number) = match start {
        PageStart::First => (ListProgress::from(walk.start()), Some(1)),
        PageStart::PageNumber(number) => {
            let token = token_of_page(opened.spec, *number, *page_size)?;
            (ListProgress::from(WalkState::of_pages(token)), Some(*number))
        }
        PageStart::Cursor(cursor) => (cursors.open(&binding, opened.spec.paging, cursor)?, None),
    };
    let limit = *page_size as usize;
    let (rows, passed) = if split.is_exact() {
        let rows = read_rows(context, &walk, &split, opened.adapter.region(), &progress.state, limit).await?;
        let passed = rows.passed(progress)?;
        (rows, passed)
    } else {
        let skip = page_number.map_or(0, |number| (number - 1).saturating_mul(u64::from(*page_size)));
        // Of rows that are filtered here, only a scan from the beginning knows which is the first of a page.
        let progress = if skip > 0 { ListProgress::from(WalkState::of_pages(None)) } else { progress };
        let is_first = page_number.is_some();
        let make = |passed: &ListProgress| cursors.make(&binding, passed);
        matching_rows(context, opened, &split, &walk, is_first, progress, skip, limit, make).await?
    };
    let mut incomplete = IncompleteRows::default();
    rows.contacts.iter().for_each(|contact| incomplete.count(contact));
    incomplete.count_unreadable(rows.unreadable);
    let mut warnings: Vec<Warning> = incomplete.warnings().collect();
    warnings.extend(rows.warnings);
    warnings.extend(rows.gap.map(Gap::warning));
    let id_maker = IdMaker::of(&opened.id);
    Ok(ContactPage {
        warnings: Warning::bounded(warnings),
        contacts: rows
            .contacts
            .into_iter()
            .map(|contact| (id_maker.make(&contact.remote_id), contact))
            .collect(),
        page_number,
        page_size: *page_size,
        next_cursor: passed.map(|passed| cursors.make(&binding, &passed)),
        total: rows.total,
        pushed_down: split.pushed_down,
        applied_here: split.applied_here,
    })
}

/// The token of page `number`, counted from 1; `None` is the start of the list. Fails with
/// `page_number_unsupported`.
fn token_of_page(spec: &AdapterSpec, number: u64, page_size: u32) -> Result<Option<PageToken>> {
    let offset = number.saturating_sub(1).saturating_mul(u64::from(page_size));
    if offset == 0 {
        return Ok(None);
    }
    spec.paging.at_offset(offset).map(Some).ok_or_else(|| {
        let detail = format!(
            "{} can only be listed from the start. Leave out `pageNumber`, and send `pageInfo.nextCursor` as `cursor` for each further page.",
            spec.name
        );
        let fault = FieldFault::parameter("pageNumber", "page_number_unsupported", detail.as_str());
        Failure::new(FailureKind::PageNumberUnsupported, detail).with_faults(vec![fault])
    })
}

impl Split {
    /// The walk through the list that the CRM returns for the query.
    pub(super) fn walk<'a>(&'a self, opened: &'a ConnectedCredential) -> ContactWalk<'a> {
        ContactWalk { adapter: opened.adapter.as_ref(), spec: opened.spec, pushed: &self.pushed }
    }
}

#[derive(Default)]
struct FilteredRows {
    contacts: Vec<Contact>,
    next: Option<WalkState>,
    /// Why the walk may miss contacts.
    gap: Option<Gap>,
    total: Option<u64>,
    /// Rows that are left out because their id cannot be read.
    unreadable: usize,
    /// What the caller should know about the filters.
    warnings: Vec<Warning>,
}

impl FilteredRows {
    /// The progress behind these rows; `None` at the end of the list. Fails if the CRM repeats its pages.
    fn passed(&self, progress: ListProgress) -> Result<Option<ListProgress>> {
        let is_end = self.next.is_none();
        let next = self.next.clone().unwrap_or(WalkState::of_pages(None));
        let passed = progress.pass(&self.contacts, next).ok_or_else(repeats)?;
        Ok((!is_end).then_some(passed))
    }
}

/// The page of `limit` contacts behind `skip` others that match, and the progress behind it. Fails with
/// `scan_limit_reached`.
#[expect(clippy::too_many_arguments, reason = "all that a page of a scan depends on")]
async fn matching_rows(
    context: &CallContext,
    opened: &ConnectedCredential,
    split: &Split,
    walk: &ContactWalk<'_>,
    is_first: bool,
    progress: ListProgress,
    skip: u64,
    limit: usize,
    cursor: impl Fn(&ListProgress) -> Text,
) -> Result<(FilteredRows, Option<ListProgress>)> {
    if split.matches_nobody {
        return Ok((FilteredRows::default(), None));
    }
    let wanted = Wanted { at: progress.state.clone(), skip, limit };
    let scanned = scan(context, opened, split, walk, &wanted).await?;
    if let Some(field) = scanned.unseen.shown_nowhere().filter(|_| is_first) {
        return Err(split.not_shown(opened.spec, field));
    }
    let mut warnings: Vec<Warning> = scanned.unseen.warnings().collect();
    let (is_cut, rows_read) = (scanned.is_cut, scanned.rows_read);
    let Scanned { contacts, next, gap, unreadable, .. } = scanned;
    let rows = FilteredRows { contacts, next, gap, total: None, unreadable, warnings: Vec::new() };
    let passed = rows.passed(progress)?;
    if is_cut && rows.contacts.len() < limit {
        if skip > 0 || rows.contacts.is_empty() {
            let next = passed.filter(|_| skip == 0).map(|passed| cursor(&passed));
            return Err(limit_reached(opened, &split.asked(), rows_read, next));
        }
        let message = format!(
            "The scan stopped after {rows_read} rows of the CRM, so the page is short. Go on with `nextCursor`."
        );
        warnings.push(Warning::new(WarningCode::ScanLimitReached, "/contacts", message));
    }
    Ok((FilteredRows { warnings, ..rows }, passed))
}

/// Reads pages until there are `limit` contacts or the list ends.
async fn read_rows(
    context: &CallContext,
    walk: &ContactWalk<'_>,
    split: &Split,
    region: Region,
    at: &WalkState,
    limit: usize,
) -> Result<FilteredRows> {
    let (mut rows, mut at, mut calls) = (FilteredRows::default(), at.clone(), 0);
    let mut seen = HashSet::new();
    while calls < MOST_PAGES {
        let page = walk.read(context, &at, (limit - rows.contacts.len()).max(1)).await?;
        split.check(&page.contacts(), region)?;
        rows.total = page.total.or(rows.total);
        calls += page.calls;
        for row in page.rows {
            if rows.contacts.len() == limit {
                return Ok(rows.until(row.at));
            }
            let Some(contact) = row.contact else {
                rows.unreadable += 1;
                continue;
            };
            if seen.insert(contact.remote_id.clone()) {
                rows.contacts.push(contact);
            }
        }
        match page.next {
            WalkNext::End(gap) => return Ok(FilteredRows { gap, ..rows }),
            WalkNext::More(next) if rows.contacts.len() == limit => return Ok(rows.until(next)),
            WalkNext::More(next) | WalkNext::Maybe(next) => at = next,
        }
    }
    if at.is_by_pages() { Err(repeats()) } else { Ok(rows.until(at)) }
}

impl FilteredRows {
    /// These rows, where more may follow from `next` on.
    fn until(self, next: WalkState) -> Self {
        Self { gap: next.gap(), next: Some(next), ..self }
    }
}

/// The number of matches: the CRM's own total, unless it is below the rows seen, else a bounded scan.
pub(super) async fn count(
    context: &CallContext,
    opened: &ConnectedCredential,
    query: &ContactQuery,
) -> Result<u64> {
    let split = filters::split(opened.spec, query, opened.adapter.region());
    if split.matches_nobody {
        return Ok(0);
    }
    if !split.is_exact() {
        let walk = split.walk(opened);
        // The number of this moment needs no walk, and pages of the CRM show more rows a call than its windows.
        let everybody = Wanted { at: WalkState::of_pages(None), skip: u64::MAX, limit: usize::MAX };
        let scanned = scan(context, opened, &split, &walk, &everybody).await?;
        return match scanned.unseen.shown_nowhere() {
            Some(field) => Err(split.not_shown(opened.spec, field)),
            None if scanned.is_cut => Err(limit_reached(opened, &split.asked(), scanned.rows_read, None)),
            None => Ok(scanned.matches),
        };
    }
    // Ids would keep the replies that they are slices of; digests do not.
    let (mut seen, mut at, mut rows, mut unreadable): (HashSet<[u8; 32]>, _, _, _) =
        (HashSet::new(), None, 0, 0);
    for _ in 0..MOST_COUNTED_PAGES {
        let page = opened.adapter.read_page(context, &split.pushed, at.as_ref(), 100).await?;
        split.check(&page.rows.iter().flatten(), opened.adapter.region())?;
        rows += page.rows.len() as u64;
        if let Some(total) = page.total.filter(|total| *total >= rows) {
            return Ok(total);
        }
        unreadable += page.rows.iter().filter(|row| row.is_none()).count();
        let ids = page.rows.into_iter().flatten().map(|contact| contact.remote_id);
        seen.extend(ids.map(|id| sha256(id.as_str().as_bytes())));
        if page.next.is_none() {
            return Ok((seen.len() + unreadable) as u64);
        }
        at = page.next;
    }
    let detail = format!(
        "The CRM shows no total, and the count stopped after {} contacts. Add a filter to count fewer.",
        seen.len()
    );
    let scan = ScanProgress { rows_read: rows, next_cursor: None };
    Err(Failure { scan: Some(Box::new(scan)), ..Failure::new(FailureKind::ScanLimitReached, detail) })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use async_trait::async_trait;

    use super::*;
    use crate::adapters::{
        Account, Adapter, Applied, ContactIdentity, LookupResult, Paging, Prepared, Pushed, spec,
    };
    use crate::domain::{ContactDraft, ContactPatch, Page, RemoteId};

    /// A CRM with ten contacts in pages of four. Each page has a cursor for the next.
    #[derive(Default)]
    struct CursorPages {
        asked: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl Adapter for CursorPages {
        async fn read_page(
            &self,
            _: &CallContext,
            _: &Pushed,
            at: Option<&PageToken>,
            _: usize,
        ) -> Result<Page> {
            let token = at.map_or("0", PageToken::as_str).to_owned();
            self.asked.lock().unwrap().push(token.clone());
            let (skip, cursor) = token.split_once(':').unwrap_or((&token, "0"));
            let (skip, first): (usize, usize) = (skip.parse().unwrap(), cursor.parse().unwrap());
            let row = |number| Some(Contact::bare(RemoteId::from(format!("row{number}"))));
            let rows = (first..(first + 4).min(10)).skip(skip).map(row).collect();
            let next = (first + 4 < 10).then(|| PageToken::new(format!("0:{}", first + 4))).flatten();
            Ok(Page { rows, next, total: None, withheld: false })
        }

        fn region(&self) -> Region {
            Region::default()
        }
        async fn probe(&self, _: &CallContext) -> Result<Account> {
            unreachable!()
        }
        async fn get_contact(&self, _: &CallContext, _: &RemoteId) -> Result<Contact> {
            unreachable!()
        }
        async fn find_contacts(&self, _: &CallContext, _: &ContactIdentity) -> Result<LookupResult> {
            unreachable!()
        }
        async fn prepare_create(&self, _: &CallContext, _: &ContactDraft) -> Result<Prepared> {
            unreachable!()
        }
        async fn prepare_update(&self, _: &CallContext, _: &Contact, _: &ContactPatch) -> Result<Prepared> {
            unreachable!()
        }
        async fn prepare_delete(&self, _: &CallContext, _: &RemoteId) -> Result<Prepared> {
            unreachable!()
        }
        async fn send(&self, _: &CallContext, _: &Prepared) -> Result<Applied> {
            unreachable!()
        }
        async fn read_back(&self, _: &CallContext, _: &Prepared, _: &Applied) -> Result<Contact> {
            unreachable!()
        }
        async fn read_other_way(&self, _: &CallContext, _: &Contact) -> Result<Option<Contact>> {
            unreachable!()
        }
    }

    /// A third CRM needs nothing but its declaration.
    fn with_cursors() -> &'static AdapterSpec {
        let aptly = spec("aptly").unwrap();
        Box::leak(Box::new(AdapterSpec { name: "This CRM", paging: Paging::Cursor, ..*aptly }))
    }

    #[tokio::test]
    async fn a_list_of_cursors_is_walked_in_pages_of_any_size_and_shows_everybody_once() {
        let (spec, all) = (with_cursors(), Split::default());
        for limit in 1..12 {
            let (crm, mut seen) = (CursorPages::default(), Vec::new());
            let walk = ContactWalk { adapter: &crm, spec, pushed: &all.pushed };
            let mut at = walk.start();
            loop {
                let context = CallContext::within(Duration::from_secs(5), "req".into());
                let rows = read_rows(&context, &walk, &all, Region::default(), &at, limit).await.unwrap();
                assert!(rows.contacts.len() == limit || rows.next.is_none(), "a short page");
                assert_eq!(rows.gap, None);
                seen.extend(rows.contacts.into_iter().map(|contact| contact.remote_id.as_str().to_owned()));
                match rows.next {
                    // As a cursor would hold it.
                    Some(next) => at = WalkState::decode(&next.encode()).unwrap(),
                    None => break,
                }
            }
            assert_eq!(seen, (0..10).map(|number| format!("row{number}")).collect::<Vec<_>>());
        }
        let crm = CursorPages::default();
        let walk = ContactWalk { adapter: &crm, spec, pushed: &all.pushed };
        let context = CallContext::within(Duration::from_secs(5), "req".into());
        let rows = read_rows(&context, &walk, &all, Region::default(), &walk.start(), 6).await.unwrap();
        let inside = WalkState::of_pages(PageToken::new("2:4"));
        assert_eq!(rows.next, Some(inside), "two rows behind the beginning of the second page");
        assert_eq!(*crm.asked.lock().unwrap(), ["0", "0:4"]);
    }

    #[test]
    fn a_crm_with_cursors_alone_has_a_first_page_and_no_others_by_number() {
        let with_cursors = with_cursors();
        assert_eq!(token_of_page(with_cursors, 1, 50).unwrap(), None);
        let failure = token_of_page(with_cursors, 2, 50).unwrap_err();
        assert_eq!(failure.kind, FailureKind::PageNumberUnsupported);
        assert_eq!(failure.faults[0].place.as_str(), "pageNumber");
        // No CRM causes it, so that the example of the document is not recorded.
        let example: serde_json::Value =
            serde_json::from_str(include_str!("../../api/openapi/problems.json")).unwrap();
        let body = &example["page_number_unsupported"]["body"];
        for detail in [&body["detail"], &body["message"], &body["errors"][0]["detail"]] {
            assert_eq!(detail, failure.detail.as_str());
        }
        let numbered = token_of_page(spec("aptly").unwrap(), 3, 50).unwrap();
        assert_eq!(numbered, PageToken::new("100"));
    }
}
