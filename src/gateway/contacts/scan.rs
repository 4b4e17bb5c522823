//! The bounded scan: rows of the CRM's list that match filters which the CRM does not answer exactly.

use std::collections::HashSet;
use std::time::Duration;

use super::filters::{RowMatch, Split};
use super::list::{repeats, shows_nothing};
use crate::blocking;
use crate::domain::{
    CallContext, Contact, Failure, FailureKind, Field, FilterName, PageToken, Result, ScanProgress, Text,
    Warning, WarningCode,
};
use crate::gateway::credentials::ConnectedCredential;
use crate::sealing::sha256;

/// Pages of the CRM that one request may read.
const MOST_PAGES: usize = 25;
/// Rows to ask for at once, more than are wanted: most of them do not match.
const ROWS: usize = 100;
/// What is kept of the deadline for the response.
const RESERVE: Duration = Duration::from_secs(2);
/// The part of the time left that is kept at most.
const RESERVED_PART: u32 = 4;
/// Bytes of pages that matches are kept of: each keeps the whole reply that it was read from.
const MOST_KEPT: usize = 16 << 20;
/// Pages with nobody new after which the CRM repeats itself.
const MOST_REPEATED: usize = 10;

/// What a scan looks for.
pub(super) struct Wanted {
    /// Where it begins.
    pub(super) at: Option<PageToken>,
    /// Matches to leave out.
    pub(super) skip: u64,
    /// Matches to return.
    pub(super) limit: usize,
}

/// What a scan found.
#[derive(Default)]
pub(super) struct Scanned {
    /// Matches, each once.
    pub(super) contacts: Vec<Contact>,
    /// How many matches there were, those left out included.
    pub(super) matches: u64,
    /// Where the scan goes on, behind the last row that was judged; `None` at the end.
    pub(super) next: Option<PageToken>,
    /// Whether it stopped at its limit, and not at the end or at one match more than was wanted.
    pub(super) is_cut: bool,
    /// Rows without an id.
    pub(super) unreadable: usize,
    /// Rows that were read.
    pub(super) rows_read: u64,
    /// Contacts that were judged, each once.
    judged: u64,
    /// Of each field, how many rows may match and do not show it.
    unseen: Vec<(Field, u64)>,
}

/// Reads the list until one match more than `wanted.limit` is seen, the list ends, or the limit of a scan is reached: so
/// it is known whether there are more.
pub(super) async fn scan(
    context: &CallContext,
    opened: &ConnectedCredential,
    split: &Split,
    wanted: &Wanted,
) -> Result<Scanned> {
    let (adapter, spec, region) = (opened.adapter.as_ref(), opened.spec, opened.adapter.region());
    let mut scanned = Scanned::default();
    let mut seen: HashSet<[u8; 32]> = HashSet::new();
    let (mut at, mut kept, mut repeated) = (wanted.at.clone(), 0, 0);
    let left = context.remaining();
    let hurried = context.with_timeout(left.saturating_sub(RESERVE.min(left / RESERVED_PART)));
    for number in 0..MOST_PAGES {
        let within = if number == 0 { context } else { &hurried };
        let page = match adapter.read_page(within, &split.pushed, at.as_ref(), ROWS).await {
            Ok(page) => page,
            // The next request begins with the page that was not read, and tells what is wrong with it.
            Err(failure) if number > 0 && is_late(&failure) => break,
            Err(failure) => return Err(failure),
        };
        split.check(&page.rows, region)?;
        if page.withheld {
            return Err(shows_nothing());
        }
        let size = page.rows.iter().flatten().map(Contact::size).sum();
        let judge = || {
            let judged = page
                .rows
                .iter()
                .map(|row| row.as_ref().map(|row| split.judge(spec, row, region)).transpose());
            judged.collect::<Result<Vec<_>>>()
        };
        let verdicts = blocking::within(context, size, judge).await??;
        let (known, found) = (seen.len(), scanned.contacts.len());
        for (index, (row, verdict)) in page.rows.into_iter().zip(verdicts).enumerate() {
            let Some((contact, verdict)) = row.zip(verdict) else {
                scanned.rows_read += 1;
                scanned.unreadable += 1;
                continue;
            };
            // Ids would keep the replies that they are cut from.
            let is_new = !seen.contains(&sha256(contact.remote_id.as_str().as_bytes()));
            if is_new && verdict == RowMatch::Matches && scanned.contacts.len() == wanted.limit {
                scanned.next = Some(spec.paging.behind(at.as_ref(), index)?);
                return Ok(scanned);
            }
            scanned.rows_read += 1;
            if is_new {
                seen.insert(sha256(contact.remote_id.as_str().as_bytes()));
                scanned.add(contact, verdict, wanted.skip);
            }
        }
        let Some(next) = page.next else { return Ok(scanned) };
        at = Some(next);
        kept += if scanned.contacts.len() > found { size } else { 0 };
        repeated += usize::from(seen.len() == known);
        if kept > MOST_KEPT || hurried.remaining().is_zero() {
            break;
        }
        if repeated >= MOST_REPEATED {
            return Err(repeats());
        }
    }
    (scanned.next, scanned.is_cut) = (at, true);
    Ok(scanned)
}

/// Whether the time or the CRM's rate limit is used up.
const fn is_late(failure: &Failure) -> bool {
    matches!(
        failure.kind,
        FailureKind::UpstreamTimeout | FailureKind::GatewayTimeout | FailureKind::UpstreamRateLimited
    )
}

impl Scanned {
    fn add(&mut self, contact: Contact, verdict: RowMatch, skip: u64) {
        self.judged += 1;
        match verdict {
            RowMatch::Matches => {
                self.matches += 1;
                if self.matches > skip {
                    self.contacts.push(contact);
                }
            }
            RowMatch::Differs => {}
            RowMatch::Unseen(field) => match self.unseen.iter_mut().find(|(known, _)| *known == field) {
                Some((_, rows)) => *rows += 1,
                None => self.unseen.push((field, 1)),
            },
        }
    }

    /// The field that none of the rows shows, of a scan from the beginning.
    pub(super) fn shown_nowhere(&self) -> Option<Field> {
        let all = self.unseen.iter().find(|(_, rows)| *rows == self.judged);
        all.map(|(field, _)| *field)
    }

    /// Warnings about rows of which nobody can tell whether they match.
    pub(super) fn warnings(&self) -> impl Iterator<Item = Warning> {
        self.unseen.iter().map(|(field, rows)| {
            let name = field.name();
            let message = format!(
                "Rows that do not show `{name}` are left out, because nobody can tell whether they match: {rows} of those that were read."
            );
            Warning::new(WarningCode::Incomplete, "/contacts", message)
        })
    }
}

/// The scan of `asked` reached its limit; `next` is where it goes on.
pub(super) fn limit_reached(
    opened: &ConnectedCredential,
    asked: &[FilterName],
    rows_read: u64,
    next_cursor: Option<Text>,
) -> Failure {
    let narrowing = opened.spec.filters.iter().map(|filter| filter.name);
    let narrowing = narrowing.filter(|name| asked.iter().all(|asked| asked.canonical() != *name));
    let narrowing: Vec<String> = narrowing.map(|name| format!("`{}`", name.parameter())).collect();
    let add = match narrowing.as_slice() {
        [] => String::new(),
        names => format!(" Add a filter that the CRM answers: {}.", names.join(", ")),
    };
    let go_on = if next_cursor.is_some() { " To go on, send `nextCursor` as `cursor`." } else { "" };
    let detail = format!("The scan stopped after {rows_read} rows of the CRM.{go_on}{add}");
    Failure::new(FailureKind::ScanLimitReached, detail).with_scan(ScanProgress { rows_read, next_cursor })
}
