//! Lists and counts: pages cut from the CRM's own pages, every contact once, never short in silence.

use std::collections::HashSet;

use super::cursor::{Binding, Cursors, Walk};
use super::{ContactPage, ListRequest, PageStart, filters, ids, incomplete_rows};
use crate::adapters::Pushed;
use crate::domain::{
    CallContext, Caller, Contact, ContactQuery, Failure, FailureKind, Position, Result, Warning,
};
use crate::gateway::credentials::ConnectedCredential;
use crate::sealing::sha256;

/// Pages of the CRM that one page of ours may take; two suffice unless the CRM repeats itself.
const MOST_PAGES: usize = 10;
/// Pages of the CRM that a count may take where it tells no total.
const MOST_COUNTED_PAGES: usize = 25;

/// One page.
pub(super) async fn list(
    context: &CallContext,
    caller: &Caller,
    opened: &ConnectedCredential,
    cursors: &Cursors,
    request: &ListRequest,
) -> Result<ContactPage> {
    let ListRequest { query, start, page_size } = request;
    let split = filters::split(opened.spec, query)?;
    let binding = Binding { tenant: &caller.tenant, credential: &opened.id, query, page_size: *page_size };
    let (walk, page_number) = match start {
        PageStart::PageNumber(number) => {
            let at = Position(number.saturating_sub(1).saturating_mul(u64::from(*page_size)));
            (Walk::from(at), Some(*number))
        }
        PageStart::Cursor(cursor) => (cursors.open(&binding, cursor)?, None),
    };
    let rows = read_rows(context, opened, &split.pushed, walk.position, *page_size as usize).await?;
    let passed = walk.pass(&rows.contacts, rows.next.unwrap_or(walk.position)).ok_or_else(repeats)?;
    Ok(ContactPage {
        warnings: Warning::bounded(incomplete_rows(&rows.contacts, rows.unreadable)),
        contacts: rows
            .contacts
            .into_iter()
            .map(|contact| (ids::make(&opened.id, &contact.remote_id), contact))
            .collect(),
        page_number,
        page_size: *page_size,
        next_cursor: rows.next.map(|_| cursors.make(&binding, passed)),
        total: rows.total,
        pushed_down: split.pushed_down,
        applied_here: Vec::new(),
    })
}

struct FilteredRows {
    contacts: Vec<Contact>,
    next: Option<Position>,
    total: Option<u64>,
    /// Rows that are left out, because nobody can tell whose they are.
    unreadable: usize,
}

/// Reads on until there are `limit` contacts or the CRM has no more.
async fn read_rows(
    context: &CallContext,
    opened: &ConnectedCredential,
    pushed: &Pushed,
    at: Position,
    limit: usize,
) -> Result<FilteredRows> {
    let mut rows = FilteredRows { contacts: Vec::new(), next: Some(at), total: None, unreadable: 0 };
    let mut seen = HashSet::new();
    for _ in 0..MOST_PAGES {
        let Some(at) = rows.next else { return Ok(rows) };
        let page = opened.adapter.read_page(context, pushed, at, limit - rows.contacts.len()).await?;
        filters::check(pushed, &page.rows)?;
        if page.rows.is_empty() && page.total.is_some_and(|total| at.0 < total) {
            return Err(shows_nothing());
        }
        rows.total = page.total.or(rows.total);
        rows.next = page.next;
        for (index, row) in page.rows.into_iter().enumerate() {
            if rows.contacts.len() == limit {
                rows.next = Some(Position(at.0 + index as u64));
                return Ok(rows);
            }
            let Some(contact) = row else {
                rows.unreadable += 1;
                continue;
            };
            if seen.insert(contact.remote_id.clone()) {
                rows.contacts.push(contact);
            }
        }
        if rows.contacts.len() == limit {
            return Ok(rows);
        }
    }
    if rows.next.is_none() { Ok(rows) } else { Err(repeats()) }
}

/// An empty page where the CRM itself says that there are contacts would be a short one in silence.
fn shows_nothing() -> Failure {
    let detail = "The CRM says that there are contacts and shows none; a whole page cannot be read.";
    Failure::new(FailureKind::UpstreamInvalidResponse, detail)
}

fn repeats() -> Failure {
    Failure::new(
        FailureKind::UpstreamInvalidResponse,
        "The CRM answers the same rows again and again; a whole page cannot be read.",
    )
}

/// How many match: the CRM's own total, unless it says less than the CRM shows; else a bounded scan.
pub(super) async fn count(
    context: &CallContext,
    opened: &ConnectedCredential,
    query: &ContactQuery,
) -> Result<u64> {
    let split = filters::split(opened.spec, query)?;
    // Ids would keep the replies that they are cut from; their digests keep nothing.
    let (mut seen, mut at, mut unreadable): (HashSet<[u8; 32]>, _, _) = (HashSet::new(), Position(0), 0);
    for _ in 0..MOST_COUNTED_PAGES {
        let page = opened.adapter.read_page(context, &split.pushed, at, 100).await?;
        filters::check(&split.pushed, &page.rows)?;
        if let Some(total) = page.total.filter(|total| *total >= at.0 + page.rows.len() as u64) {
            return Ok(total);
        }
        unreadable += page.rows.iter().filter(|row| row.is_none()).count();
        let ids = page.rows.into_iter().flatten().map(|contact| contact.remote_id);
        seen.extend(ids.map(|id| sha256(id.as_str().as_bytes())));
        match page.next {
            Some(next) => at = next,
            None => return Ok((seen.len() + unreadable) as u64),
        }
    }
    let detail = format!(
        "The CRM tells no total, and the count stopped after {} contacts. Narrow it with a filter.",
        seen.len()
    );
    Err(Failure::new(FailureKind::ScanLimitReached, detail))
}
