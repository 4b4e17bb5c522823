//! The walk through a list that is sorted by last update. An edit moves a contact to the start of the list, so:
//!
//! - a pass goes on by time: it reads the list up to the time of the last row. Rows with this time that were passed are
//!   skipped. If they need more than one page, they are read by offset, and the row before the page is checked each time;
//! - later passes read what was edited meanwhile, until one needs a single call or shows nothing new.
//!
//! Rows may show whole seconds and bounds may be exclusive. So bounds are sent one second wider, and rows are re-checked.

use super::super::errors::repeats;
use super::super::filters::BOUND_MARGIN;
use super::state::{RowSet, SameTime, UpdateEdge, UpdateWalk, WalkMode};
use super::{ContactWalk, Gap, WalkNext, WalkPage, WalkRow, WalkState, digest, pages};
use crate::domain::{CallContext, Contact, FilterName, Page, Result};

/// Passes after the first one.
const MOST_TAILS: u8 = 10;
/// After so many restarts within rows of the same time, the walk goes by pages.
const MOST_RESTARTS: u8 = 100;
/// Calls of the CRM for the rows of one page.
const MOST_CALLS: usize = 30;
/// Calls to compare the newest rows with those of the pass before.
const MOST_COMPARED: usize = 10;

/// The time and digest of a row.
#[derive(Clone, Copy)]
struct RowKey {
    time: i64,
    digest: u64,
}

enum UpdateStep {
    Done(WalkPage),
    Again(UpdateWalk),
    /// The list cannot be walked by time.
    Broken(Gap),
}

pub(super) async fn read(
    walk: &ContactWalk<'_>,
    context: &CallContext,
    state: &WalkState,
    at: &UpdateWalk,
    limit: usize,
) -> Result<WalkPage> {
    let (mut at, mut calls, mut total) = (at.clone(), 0, state.total);
    while calls < MOST_CALLS && at.restarts <= MOST_RESTARTS {
        let bounds = at.bounds();
        let offset = at.edge.as_ref().map_or(0, |edge| edge.offset);
        let page = walk.read_at_offset(context, &bounds, offset, limit).await?;
        calls += 1;
        if at == UpdateWalk::default() {
            total = page.total;
        }
        if let Some(edge) = at.edge.clone().filter(|edge| edge.offset > 0) {
            // Read after the page: if the row before it is still at its offset, the page follows directly.
            let before = walk.read_at_offset(context, &bounds, edge.offset - 1, limit).await?;
            calls += 1;
            let hook = before.rows.first().map(|row| digest(row.as_ref()));
            if hook != Some(edge.hook) {
                at.start_tie_over();
                continue;
            }
            if page.rows.iter().flatten().any(|row| digest(Some(row)) == edge.hook) {
                return Err(repeats());
            }
        }
        let state = WalkState { mode: WalkMode::Pages(None), total, ..*state };
        if let Some(before) = at.before.filter(|_| at.edge.is_none()) {
            let rows = Newest { bounds, limit, before };
            let (is_known, more) = rows.are_known(walk, context, &page).await?;
            calls += more;
            if is_known {
                return Ok(WalkPage { calls, ..WalkPage::of(&state, Vec::new(), WalkNext::End(state.gap)) });
            }
        }
        match step(&state, at.clone(), page)? {
            UpdateStep::Done(page) => return Ok(WalkPage { calls, ..page }),
            UpdateStep::Again(next) => at = next,
            UpdateStep::Broken(gap) => return pages::instead(walk, context, gap, limit, calls).await,
        }
    }
    pages::instead(walk, context, Gap::NotBounded, limit, calls).await
}

/// The rows with the newest time of a pass, as the next pass should show them.
struct Newest {
    bounds: [(FilterName, Option<i64>); 2],
    limit: usize,
    before: SameTime,
}

impl Newest {
    /// Whether a pass that begins with `first` shows exactly these rows, and the number of further calls to see it. They need
    /// more than one page only if many rows have the same time.
    async fn are_known(
        &self,
        walk: &ContactWalk<'_>,
        context: &CallContext,
        first: &Page,
    ) -> Result<(bool, usize)> {
        let (mut set, mut is_end) = self.rows_of(first);
        let (mut offset, mut calls) = (first.rows.len() as u64, 0);
        while !is_end && set.len() <= self.before.set.len() && calls < MOST_COMPARED {
            let page = walk.read_at_offset(context, &self.bounds, offset, self.limit).await?;
            let (more, ends) = self.rows_of(&page);
            set.join(more);
            (offset, calls, is_end) = (offset + page.rows.len() as u64, calls + 1, ends);
        }
        Ok((is_end && set == self.before.set, calls))
    }

    /// The newest rows of a page, and whether no others follow.
    fn rows_of(&self, page: &Page) -> (RowSet, bool) {
        let is_newest =
            |row: &Contact| row.remote_updated_at.is_some_and(|time| time.as_millisecond() >= self.before.at);
        let newest: Vec<&Contact> = page.rows.iter().flatten().filter(|row| is_newest(row)).collect();
        let is_end = page.next.is_none() || newest.len() < page.rows.len();
        (RowSet::of(newest.into_iter().map(|row| digest(Some(row)))), is_end)
    }
}

/// The rows of `page` that are not passed. `state` is that of the walk, for any mode.
fn step(state: &WalkState, mut at: UpdateWalk, page: Page) -> Result<UpdateStep> {
    let keys = match keys(&page.rows, &at) {
        Ok(keys) => keys,
        Err(gap) if at == UpdateWalk::default() => {
            return Ok(UpdateStep::Done(pages::of_first(state, gap, page)?));
        }
        Err(gap) => return Ok(UpdateStep::Broken(gap)),
    };
    let is_fresh = at.edge.is_none();
    let (entered, rows_read) = (at.edge.clone(), page.rows.len() as u64);
    let most = entered.as_ref().map_or(i64::MAX, |edge| edge.tie.at);
    let kept = |key: &RowKey| key.time <= most && at.before.is_none_or(|before| key.time >= before.at);
    let mut rows: Vec<(RowKey, Option<Contact>)> =
        keys.iter().copied().zip(page.rows).filter(|(key, _)| kept(key)).collect();
    if is_fresh {
        at.newest = rows.first().map(|(key, _)| SameTime { at: key.time, set: RowSet::default() });
    }
    match at.passed_among(&rows) {
        Some(passed) => drop(rows.drain(..passed)),
        None if entered.as_ref().is_some_and(|edge| edge.offset > 0) => {
            at.start_tie_over();
            return Ok(UpdateStep::Again(at));
        }
        None => at.start_tie_over(),
    }
    let mut shown = Vec::with_capacity(rows.len());
    for (key, contact) in rows {
        shown.push(WalkRow { contact, at: with(state, at.clone()) });
        at.pass_row(key);
    }
    // Rows that follow are older than what this pass reads.
    let is_behind = |key: &RowKey| at.before.is_some_and(|before| key.time < before.at);
    let last = keys.last().copied().filter(|key| page.next.is_some() && !is_behind(key));
    if let Some(last) = last {
        // Where all rows have the same time, the time leads no further.
        let same_time = match &entered {
            Some(entered) => (last.time >= most).then_some((entered.tie.at, entered.offset)),
            None => (keys.first().map(|key| key.time) == Some(last.time)).then_some((last.time, 0)),
        };
        if let Some((time, offset)) = same_time {
            at.edge = Some(UpdateEdge {
                tie: SameTime { at: time, set: RowSet::default() },
                last: last.digest,
                offset: offset + rows_read,
                hook: last.digest,
            });
        }
        if shown.is_empty() {
            return Ok(UpdateStep::Again(at));
        }
        return Ok(UpdateStep::Done(WalkPage::of(state, shown, WalkNext::More(with(state, at)))));
    }
    let next = at.next_pass(state, is_fresh);
    match next {
        WalkNext::Maybe(WalkState { mode: WalkMode::ByUpdate(next), .. }) if shown.is_empty() => {
            Ok(UpdateStep::Again(next))
        }
        next => Ok(UpdateStep::Done(WalkPage::of(state, shown, next))),
    }
}

fn with(state: &WalkState, at: UpdateWalk) -> WalkState {
    WalkState { mode: WalkMode::ByUpdate(at), ..*state }
}

/// The keys of rows. Fails where a row shows no time, where rows are not sorted, and where they are out of the bounds. A row
/// without an id has the time of the row before.
fn keys(rows: &[Option<Contact>], at: &UpdateWalk) -> std::result::Result<Vec<RowKey>, Gap> {
    let [(_, least), (_, most)] = at.bounds();
    let mut latest = None;
    let mut keys = Vec::with_capacity(rows.len());
    for row in rows {
        let time = match row {
            Some(contact) => Some(contact.remote_updated_at.ok_or(Gap::NoTimes)?.as_millisecond()),
            None => latest,
        };
        let first = || rows.iter().flatten().find_map(|row| row.remote_updated_at);
        let time = time.or_else(|| Some(first()?.as_millisecond())).ok_or(Gap::NoTimes)?;
        let is_within = least.is_none_or(|least| time >= least) && most.is_none_or(|most| time <= most);
        if !is_within || latest.is_some_and(|latest| time > latest) {
            return Err(Gap::NotBounded);
        }
        latest = Some(time);
        keys.push(RowKey { time, digest: digest(row.as_ref()) });
    }
    Ok(keys)
}

impl UpdateWalk {
    /// The bounds to send, one second wider than those that rows must meet.
    fn bounds(&self) -> [(FilterName, Option<i64>); 2] {
        let since = self.before.map(|before| before.at - BOUND_MARGIN);
        let until = self.edge.as_ref().map(|edge| edge.tie.at + BOUND_MARGIN);
        [(FilterName::RemoteUpdatedAtMin, since), (FilterName::RemoteUpdatedAtMax, until)]
    }

    /// How many of the first rows are passed; `None` if that cannot be told.
    fn passed_among(&mut self, rows: &[(RowKey, Option<Contact>)]) -> Option<usize> {
        let Some(edge) = self.edge.as_mut().filter(|edge| edge.tie.set.len() > 0) else { return Some(0) };
        let same_time = rows.iter().take_while(|(key, _)| key.time == edge.tie.at);
        let passed = same_time.map(|(key, _)| key.digest).position(|digest| digest == edge.last)? + 1;
        let set = RowSet::of(rows[..passed].iter().map(|(key, _)| key.digest));
        // Rows can leave, because they are edited. As many rows that are others were shown in another order.
        let is_known = passed < edge.tie.set.len() || set == edge.tie.set;
        edge.tie.set = set;
        is_known.then_some(passed)
    }

    /// Reads the rows with the time of the last one again.
    fn start_tie_over(&mut self) {
        self.restarts = self.restarts.saturating_add(1);
        if let Some(edge) = &mut self.edge {
            (edge.tie.set, edge.last, edge.offset, edge.hook) = (RowSet::default(), 0, 0, 0);
            if let Some(newest) = self.newest.as_mut().filter(|newest| newest.at == edge.tie.at) {
                newest.set = RowSet::default();
            }
        }
    }

    fn pass_row(&mut self, RowKey { time, digest }: RowKey) {
        if let Some(newest) = self.newest.as_mut().filter(|newest| newest.at == time) {
            newest.set.add(digest);
        }
        match &mut self.edge {
            Some(edge) if edge.tie.at == time => {
                edge.tie.set.add(digest);
                edge.last = digest;
            }
            edge => {
                let tie = SameTime { at: time, set: RowSet::of(std::iter::once(digest)) };
                *edge = Some(UpdateEdge { tie, last: digest, offset: 0, hook: 0 });
            }
        }
    }

    /// What follows at the end of a pass. A pass of a single call shows one moment.
    fn next_pass(self, state: &WalkState, is_single_call: bool) -> WalkNext {
        let Some(newest) = self.newest.filter(|_| !is_single_call) else { return WalkNext::End(state.gap) };
        if self.before == Some(newest) {
            return WalkNext::End(state.gap);
        }
        if self.pass >= MOST_TAILS {
            return WalkNext::End(Some(Gap::Busy));
        }
        let next = Self {
            pass: self.pass + 1,
            before: Some(newest),
            newest: None,
            edge: None,
            restarts: self.restarts,
        };
        WalkNext::Maybe(with(state, next))
    }
}
