//! The export: the complete walk as a stream, each contact once. Its memory does not depend on the list, but for 16 bytes a
//! contact.

use std::collections::HashSet;
use std::iter::Peekable;
use std::time::Duration;
use std::vec::IntoIter;

use super::cursor::{Binding, Cursors, ListProgress};
use super::errors::repeats;
use super::export_permits::ExportPermit;
use super::filters::{self, RowMatch, Split, UnseenRows};
use super::ids::IdMaker;
use super::incomplete::IncompleteRows;
use super::walk::{Gap, WalkNext, WalkRow, WalkState};
use crate::blocking;
use crate::domain::{
    CallContext, Contact, ContactQuery, Failure, FailureKind, Result, TenantId, Text, Warning,
};
use crate::gateway::credentials::ConnectedCredential;
use crate::sealing::short_digest;

/// Contacts between two checkpoints.
const CHECKPOINT: u64 = 1_000;
/// Contacts of one response.
const MOST: u64 = 1_000_000;
/// The time for one page of the CRM, without waits for its rate limit.
const PAGE_TIME: Duration = Duration::from_secs(30);
/// Rows to request at once.
const ROWS: usize = 100;
/// Contacts that are returned at once, and about how many bytes.
const CHUNK: usize = 50;
const CHUNK_BYTES: usize = 64 * 1024;
/// The longest wait for the CRM's rate limit, and how often an export waits for one page.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
const MOST_WAITS: usize = 30;
/// Pages of the CRM without a new contact after which it repeats itself.
const MOST_REPEATED: usize = 10;
/// Exports have no page size, so that a list's cursor is not one of an export.
const NO_PAGE_SIZE: u32 = 0;

#[derive(Clone, Debug)]
pub struct ExportRequest {
    pub query: ContactQuery,
    /// A checkpoint of an earlier export with the same filters.
    pub cursor: Option<Text>,
}

/// A part of an export.
#[derive(Debug)]
pub enum ExportPart {
    /// The gateway's ids and the contacts.
    Contacts(Vec<(Text, Contact)>),
    /// Where another export can go on after everything so far.
    Checkpoint(Text),
    /// The last part.
    End(Box<ExportEnd>),
}

#[derive(Debug)]
pub struct ExportEnd {
    /// Whether every contact that existed throughout was returned, in this response or before its cursor.
    pub is_complete: bool,
    /// Contacts of this response.
    pub count: u64,
    /// Where another export can go on, if this one was cut off.
    pub checkpoint: Option<Text>,
    /// Why it was cut off.
    pub failure: Option<Failure>,
    pub warnings: Vec<Warning>,
}

/// A row that is still to be returned, and whether it matches; nobody knows without an id.
type JudgedRow = (WalkRow, Option<RowMatch>);

/// What follows after the rows that were read.
enum Following {
    More(WalkState),
    End(Option<Gap>),
}

/// A running export. A call of [`next`](Self::next) can be dropped, and nothing is lost.
pub struct ContactExport {
    opened: ConnectedCredential,
    split: Split,
    cursors: Cursors,
    tenant: TenantId,
    query: ContactQuery,
    context: CallContext,
    rows: Peekable<IntoIter<JudgedRow>>,
    following: Following,
    /// Digests of the ids; an id itself would keep the reply that it is a slice of.
    seen: HashSet<[u8; 16]>,
    count: u64,
    incomplete: IncompleteRows,
    unseen: UnseenRows,
    /// Pages of the CRM without a new contact.
    repeated: usize,
    /// The number of contacts at the last checkpoint.
    checked: u64,
    has_ended: bool,
    _permit: ExportPermit,
}

impl ContactExport {
    /// Begins an export: reads its first rows. Fails with `invalid_parameter`, `filter_unsupported` and the failures of the CRM.
    pub(super) async fn begin(
        context: &CallContext,
        tenant: &TenantId,
        opened: ConnectedCredential,
        cursors: &Cursors,
        request: ExportRequest,
        permit: ExportPermit,
    ) -> Result<Self> {
        let ExportRequest { query, cursor } = request;
        let split = filters::split(opened.spec, &query, opened.adapter.region());
        let binding = Binding { tenant, credential: &opened.id, query: &query, page_size: NO_PAGE_SIZE };
        let start = match &cursor {
            Some(cursor) => cursors.open(&binding, opened.spec.paging, cursor)?.state,
            None => split.walk(&opened).start(),
        };
        let matches_nobody = split.matches_nobody;
        let mut export = Self {
            cursors: cursors.clone(),
            tenant: tenant.clone(),
            context: context.clone().as_background(),
            rows: Vec::new().into_iter().peekable(),
            following: if matches_nobody { Following::End(None) } else { Following::More(start) },
            seen: HashSet::new(),
            count: 0,
            incomplete: IncompleteRows::default(),
            unseen: UnseenRows::default(),
            repeated: 0,
            checked: 0,
            has_ended: false,
            opened,
            split,
            query,
            _permit: permit,
        };
        if !matches_nobody {
            export.read(0).await?;
            if let Some(field) = export.unseen.shown_nowhere().filter(|_| cursor.is_none()) {
                return Err(export.split.not_shown(export.opened.spec, field));
            }
        }
        Ok(export)
    }

    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The next part; `None` after the end.
    pub async fn next(&mut self) -> Option<ExportPart> {
        if self.has_ended {
            return None;
        }
        loop {
            if self.count > self.checked && self.count.is_multiple_of(CHECKPOINT) {
                self.checked = self.count;
                if let Some(checkpoint) = self.checkpoint() {
                    return Some(ExportPart::Checkpoint(checkpoint));
                }
            }
            if self.count >= MOST && self.position().is_some() {
                let detail = format!(
                    "One export returns at most {MOST} contacts. Start another with `checkpoint` as `cursor`."
                );
                return Some(self.end_early(Failure::new(FailureKind::ScanLimitReached, detail)));
            }
            let contacts = self.take();
            if !contacts.is_empty() {
                return Some(ExportPart::Contacts(contacts));
            }
            if self.rows.peek().is_some() {
                continue;
            }
            if let Following::End(gap) = self.following {
                return Some(self.end(gap, None));
            }
            if let Err(failure) = self.read(MOST_WAITS).await {
                return Some(self.end_early(failure));
            }
        }
    }

    /// Ends the export with `failure`. A later export can continue at its checkpoint.
    pub fn end_early(&mut self, failure: Failure) -> ExportPart {
        self.context.record.note_failure(&failure);
        let checkpoint = self.checkpoint();
        self.end(None, Some((failure, checkpoint)))
    }

    /// The end of the export. `cut` is the failure that ended it, and its checkpoint if there is one.
    fn end(&mut self, gap: Option<Gap>, cut: Option<(Failure, Option<Text>)>) -> ExportPart {
        self.has_ended = true;
        let is_complete = gap.is_none() && cut.is_none();
        let (failure, checkpoint) = cut.map_or((None, None), |(failure, at)| (Some(failure), at));
        let (count, warnings) = (self.count, self.warnings(gap));
        ExportPart::End(Box::new(ExportEnd { is_complete, count, checkpoint, failure, warnings }))
    }

    fn warnings(&self, gap: Option<Gap>) -> Vec<Warning> {
        let warnings = self.unseen.warnings().chain(self.incomplete.warnings()).chain(gap.map(Gap::warning));
        let warnings: Vec<Warning> = warnings.collect();
        self.context.record.note_warnings(&warnings);
        warnings
    }

    /// Where the walk continues; `None` at its end.
    fn position(&mut self) -> Option<&WalkState> {
        match (self.rows.peek(), &self.following) {
            (Some((next, _)), _) => Some(&next.at),
            (None, Following::More(state)) => Some(state),
            (None, Following::End(_)) => None,
        }
    }

    fn checkpoint(&mut self) -> Option<Text> {
        let progress = ListProgress::from(self.position()?.clone());
        let Self { tenant, opened, query, .. } = self;
        let binding = Binding { tenant, credential: &opened.id, query, page_size: NO_PAGE_SIZE };
        Some(self.cursors.make(&binding, &progress))
    }

    /// The next contacts of those that were read, at most up to the next checkpoint.
    fn take(&mut self) -> Vec<(Text, Contact)> {
        let id_maker = IdMaker::of(&self.opened.id);
        let (mut contacts, mut bytes) = (Vec::new(), 0);
        while contacts.len() < CHUNK && bytes < CHUNK_BYTES {
            let Some((row, verdict)) = self.rows.next() else { break };
            let Some(contact) = row.contact else {
                self.incomplete.count_unreadable(1);
                continue;
            };
            let id = short_digest(contact.remote_id.as_str().as_bytes());
            if verdict != Some(RowMatch::Matches) || !self.seen.insert(id) {
                continue;
            }
            self.incomplete.count(&contact);
            self.repeated = 0;
            self.count += 1;
            bytes += contact.size();
            contacts.push((id_maker.make(&contact.remote_id), contact));
            if self.count.is_multiple_of(CHECKPOINT) {
                break;
            }
        }
        contacts
    }

    /// Reads the next rows. Waits for the CRM's rate limit, at most so many times.
    async fn read(&mut self, most_waits: usize) -> Result<()> {
        let Following::More(state) = &self.following else { return Ok(()) };
        let (walk, region) = (self.split.walk(&self.opened), self.opened.adapter.region());
        let is_by_pages = state.is_by_pages();
        let mut waits = 0;
        let (context, page) = loop {
            let deadline = crate::clock::monotonic() + PAGE_TIME;
            let context = CallContext { deadline, ..self.context.clone() };
            let page = walk.read(&context, state, ROWS).await;
            self.opened.note(&page);
            match page {
                Ok(page) => break (context, page),
                Err(failure) => {
                    let wait = wait_of(&failure).filter(|_| waits < most_waits).ok_or(failure)?;
                    waits += 1;
                    tokio::time::sleep(wait).await;
                }
            }
        };
        self.split.check(&page.contacts(), region)?;
        let size = page.contacts().map(Contact::size).sum();
        let contacts = page.rows.iter().map(|row| row.contact.as_ref());
        let judge_all = || self.split.judge_all(self.opened.spec, contacts, region);
        let verdicts = blocking::within(&context, size, judge_all).await??;
        if is_by_pages {
            self.repeated += 1;
            if self.repeated > MOST_REPEATED {
                return Err(repeats());
            }
        }
        verdicts.iter().flatten().for_each(|verdict| self.unseen.count(*verdict));
        self.rows = page.rows.into_iter().zip(verdicts).collect::<Vec<_>>().into_iter().peekable();
        self.following = match page.next {
            WalkNext::End(gap) => Following::End(gap),
            WalkNext::More(next) | WalkNext::Maybe(next) => Following::More(next),
        };
        Ok(())
    }
}

/// How long to wait for the CRM's rate limit, if that is the failure.
fn wait_of(failure: &Failure) -> Option<Duration> {
    let is_rate = matches!(failure.kind, FailureKind::RateLimited | FailureKind::UpstreamRateLimited);
    let least = Duration::from_millis(100);
    is_rate.then(|| failure.retry_after.unwrap_or(Duration::from_secs(1)).clamp(least, LONGEST_WAIT))
}
