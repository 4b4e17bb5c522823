//! Lists and counts: pages cut from the CRM's own pages, every contact once, never short in silence.

use std::collections::HashSet;

use super::cursor::{Binding, Cursors};
use super::{ListRequest, Listed, Start, filters, ids, incomplete};
use crate::adapters::Pushed;
use crate::domain::{
    CallContext, Caller, Contact, ContactQuery, Failure, FailureKind, Position, RemoteId, Result,
};
use crate::gateway::credentials::Opened;

/// Pages of the CRM that one page of ours may take; two suffice unless the CRM repeats itself.
const MOST_PAGES: usize = 10;
/// Pages of the CRM that a count may take where it tells no total.
const MOST_COUNTED_PAGES: usize = 25;

/// One page.
pub(super) async fn list(
    context: &CallContext,
    caller: &Caller,
    opened: &Opened,
    cursors: &Cursors,
    request: &ListRequest,
) -> Result<Listed> {
    let ListRequest { query, start, page_size } = request;
    let split = filters::split(opened.spec, query)?;
    let binding = Binding { tenant: &caller.tenant, credential: &opened.id, query, page_size: *page_size };
    let (at, page_number) = match start {
        Start::PageNumber(number) => {
            (Position(number.saturating_sub(1).saturating_mul(u64::from(*page_size))), Some(*number))
        }
        Start::Cursor(cursor) => (cursors.open(&binding, cursor)?, None),
    };
    let rows = read_rows(context, opened, &split.pushed, at, *page_size as usize).await?;
    Ok(Listed {
        warnings: incomplete(&rows.contacts),
        contacts: rows
            .contacts
            .into_iter()
            .map(|contact| (ids::make(&opened.id, &contact.remote_id), contact))
            .collect(),
        page_number,
        page_size: *page_size,
        next_cursor: rows.next.map(|next| cursors.make(&binding, next)),
        total: rows.total,
        pushed_down: split.pushed_down,
        applied_here: Vec::new(),
    })
}

struct Rows {
    contacts: Vec<Contact>,
    next: Option<Position>,
    total: Option<u64>,
}

/// Reads on until there are `limit` contacts or the CRM has no more.
async fn read_rows(
    context: &CallContext,
    opened: &Opened,
    pushed: &Pushed,
    at: Position,
    limit: usize,
) -> Result<Rows> {
    let (mut rows, mut seen) = (Rows { contacts: Vec::new(), next: Some(at), total: None }, HashSet::new());
    for _ in 0..MOST_PAGES {
        let Some(at) = rows.next else { return Ok(rows) };
        let page = opened.adapter.read_page(context, pushed, at, limit - rows.contacts.len()).await?;
        filters::check(pushed, &page.contacts)?;
        if page.contacts.is_empty() && page.total.is_some_and(|total| at.0 < total) {
            return Err(shows_nothing());
        }
        rows.total = page.total.or(rows.total);
        rows.next = page.next;
        for (index, contact) in page.contacts.into_iter().enumerate() {
            if rows.contacts.len() == limit {
                rows.next = Some(Position(at.0 + index as u64));
                return Ok(rows);
            }
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

/// How many match: the CRM's own total, else a bounded scan.
pub(super) async fn count(context: &CallContext, opened: &Opened, query: &ContactQuery) -> Result<u64> {
    let split = filters::split(opened.spec, query)?;
    let (mut seen, mut at): (HashSet<RemoteId>, _) = (HashSet::new(), Position(0));
    for _ in 0..MOST_COUNTED_PAGES {
        let page = opened.adapter.read_page(context, &split.pushed, at, 100).await?;
        filters::check(&split.pushed, &page.contacts)?;
        if let Some(total) = page.total {
            return Ok(total);
        }
        seen.extend(page.contacts.into_iter().map(|contact| contact.remote_id));
        match page.next {
            Some(next) => at = next,
            None => return Ok(seen.len() as u64),
        }
    }
    let detail = format!(
        "The CRM tells no total, and the count stopped after {} contacts. Narrow it with a filter.",
        seen.len()
    );
    Err(Failure::new(FailureKind::ScanLimitReached, detail))
}
