//! The bounded scan: searches the CRM's list for rows that match filters which the CRM does not apply exactly.

use std::collections::HashSet;
use std::time::Duration;

use super::errors::repeats;
use super::filters::{RowMatch, Split, UnseenRows};
use super::walk::{ContactWalk, Gap, WalkNext, WalkState};
use crate::blocking;
use crate::domain::{CallContext, Contact, Failure, FailureKind, FilterName, Result, ScanProgress, Text};
use crate::gateway::credentials::ConnectedCredential;
use crate::sealing::sha256;

/// The most pages of the CRM's list that one request reads.
const MOST_PAGES: usize = 25;
/// The same where the walk reads windows, which show fewer rows than a page.
const MOST_WINDOWS: usize = 40;
/// Rows to request at once. This is more than the page needs, because most rows do not match.
const ROWS: usize = 100;
/// The time before the deadline that is reserved for the response.
const RESERVE: Duration = Duration::from_secs(2);
/// The most bytes of pages with matches. A match keeps the whole reply in memory from which it was read.
const MOST_KEPT: usize = 16 << 20;
/// The scan fails after this many pages without a new contact, because the CRM repeats its rows.
const MOST_REPEATED: usize = 10;

/// What a scan searches for.
pub(super) struct Wanted {
    /// Where it begins.
    pub(super) at: WalkState,
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
    /// The number of matches, including those left out.
    pub(super) matches: u64,
    /// Where the scan continues, after the last row that was compared; `None` at the end of the list.
    pub(super) next: Option<WalkState>,
    /// Why the walk may miss contacts.
    pub(super) gap: Option<Gap>,
    /// Whether the scan stopped at its limit.
    pub(super) is_cut: bool,
    /// Rows without an id.
    pub(super) unreadable: usize,
    /// Rows that were read.
    pub(super) rows_read: u64,
    pub(super) unseen: UnseenRows,
}

/// Reads the list until it ends, the limit of a scan is reached, or one match more than `wanted.limit` is found. That match
/// shows that there is a next page.
pub(super) async fn scan(
    context: &CallContext,
    opened: &ConnectedCredential,
    split: &Split,
    walk: &ContactWalk<'_>,
    wanted: &Wanted,
) -> Result<Scanned> {
    let (spec, region) = (opened.spec, opened.adapter.region());
    let mut scanned = Scanned::default();
    let mut seen: HashSet<[u8; 32]> = HashSet::new();
    let (mut at, mut calls, mut kept, mut repeated) = (wanted.at.clone(), 0, 0, 0);
    let shorter = context.leaving(RESERVE);
    let most = if at.is_by_windows() { MOST_WINDOWS } else { MOST_PAGES };
    while calls < most {
        let within = if calls == 0 { context } else { &shorter };
        let page = match walk.read(within, &at, ROWS).await {
            Ok(page) => page,
            // The next request starts with the page that was not read, and returns its failure.
            Err(failure) if calls > 0 && is_late(&failure) => break,
            Err(failure) => return Err(failure),
        };
        calls += page.calls;
        split.check(&page.contacts(), region)?;
        let size = page.contacts().map(Contact::size).sum();
        let verdicts = blocking::within(context, size, || {
            split.judge_all(spec, page.rows.iter().map(|row| row.contact.as_ref()), region)
        })
        .await??;
        let (known, found) = (seen.len(), scanned.contacts.len());
        for (row, verdict) in page.rows.into_iter().zip(verdicts) {
            let Some((contact, verdict)) = row.contact.zip(verdict) else {
                scanned.rows_read += 1;
                scanned.unreadable += 1;
                continue;
            };
            // Ids would keep the replies that they are slices of; digests do not.
            let id = sha256(contact.remote_id.as_str().as_bytes());
            let is_new = !seen.contains(&id);
            if is_new && verdict == RowMatch::Matches && scanned.contacts.len() == wanted.limit {
                (scanned.gap, scanned.next) = (row.at.gap(), Some(row.at));
                return Ok(scanned);
            }
            scanned.rows_read += 1;
            if is_new {
                seen.insert(id);
                scanned.add(contact, verdict, wanted.skip);
            }
        }
        match page.next {
            WalkNext::End(gap) => {
                scanned.gap = gap;
                return Ok(scanned);
            }
            WalkNext::More(next) | WalkNext::Maybe(next) => at = next,
        }
        kept += if scanned.contacts.len() > found { size } else { 0 };
        repeated += usize::from(seen.len() == known);
        if kept > MOST_KEPT || shorter.remaining().is_zero() {
            break;
        }
        if repeated >= MOST_REPEATED {
            return Err(repeats());
        }
    }
    (scanned.gap, scanned.next, scanned.is_cut) = (at.gap(), Some(at), true);
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
        match verdict {
            RowMatch::Matches => {
                self.matches += 1;
                if self.matches > skip {
                    self.contacts.push(contact);
                }
            }
            RowMatch::Differs | RowMatch::Unseen(_) => {}
        }
        self.unseen.count(verdict);
    }
}

/// The failure of a scan for `asked` that reached its limit.
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
    let scan = Some(Box::new(ScanProgress { rows_read, next_cursor }));
    Failure { scan, ..Failure::new(FailureKind::ScanLimitReached, detail) }
}
