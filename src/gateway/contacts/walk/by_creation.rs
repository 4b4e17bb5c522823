//! The walk through a list whose order is not known: by windows of the creation time, from the newest on. A window is made
//! smaller until one call shows all of it. Its rows are then sorted here, so that the time and id of the last row tell
//! exactly who is passed. Bounds may be exclusive, so they are sent one millisecond wider, and rows are re-checked.

use std::cmp::Reverse;

use super::state::{CreationWalk, Crowd, RowSet, WalkMode};
use super::{ContactWalk, Gap, WalkNext, WalkPage, WalkRow, WalkState, digest, pages};
use crate::domain::{CallContext, Contact, FilterName, Page, Result, Timestamp};

/// Rows to request: as many as the CRM gives at once.
const ROWS: usize = 100;
/// Rows that the next window should have: fewer than a page, because they are not spread evenly.
const WANTED: u64 = 70;
/// The same for a smaller part of a window: its neighbours are shown too.
const WANTED_WITH_NEIGHBOURS: u128 = 60;
/// Contacts that fit into one window however old they are.
const REST: u64 = 80;
/// Calls of the CRM for the rows of one page.
const MOST_CALLS: usize = 60;

/// A row with the time of its creation, in milliseconds.
struct CreatedRow {
    time: i64,
    digest: u64,
    contact: Contact,
}

/// A window that one call did not show whole.
struct TooLarge {
    /// What the CRM counts in it.
    total: Option<u64>,
    from: Option<i64>,
}

enum CreationStep {
    Done(WalkPage),
    Again(CreationWalk),
    /// The list cannot be walked by time.
    Broken(Gap),
}

/// Reads the next rows; always as many as the CRM gives at once, because only a whole window counts.
pub(super) async fn read(
    walk: &ContactWalk<'_>,
    context: &CallContext,
    state: &WalkState,
    at: &CreationWalk,
) -> Result<WalkPage> {
    let (mut at, mut state) = (at.clone(), WalkState { mode: WalkMode::Pages(None), ..*state });
    let (mut calls, mut larger, mut is_obeyed): (_, Option<TooLarge>, _) = (0, None, false);
    let gap = loop {
        if calls >= MOST_CALLS {
            break Gap::NotBounded;
        }
        let is_first = at == CreationWalk::default();
        let offset = at.crowd.as_ref().map_or(0, |crowd| crowd.offset);
        let page = walk.read_at_offset(context, &at.bounds(), offset, ROWS).await?;
        calls += 1;
        if is_first {
            state.total = page.total;
            at.left = page.total;
        }
        let total = page.total;
        let step = match created_rows(&page, &at) {
            Err(gap) if is_first => CreationStep::Done(pages::of_first(&state, gap, page)?),
            Err(gap) => CreationStep::Broken(gap),
            Ok(()) if at.crowd.is_some() => crowd(&state, at.clone(), page),
            Ok(()) if page.next.is_none() => window(&state, at.clone(), page),
            Ok(()) => smaller(&at, &page).map_or(CreationStep::Broken(Gap::NotBounded), CreationStep::Again),
        };
        match step {
            CreationStep::Done(page) if page.rows.is_empty() => match page.next {
                WalkNext::Maybe(WalkState { mode: WalkMode::ByCreation(next), gap, .. }) => {
                    (at, state.gap, larger) = (next, gap, None);
                }
                next => return Ok(WalkPage { next, calls, ..page }),
            },
            CreationStep::Done(page) => return Ok(WalkPage { calls, ..page }),
            CreationStep::Broken(gap) => break gap,
            CreationStep::Again(next) => {
                // A CRM that counts as many in both parts ignores the bounds.
                let same = larger.as_ref().filter(|larger| total.is_some() && larger.total == total);
                if let Some(rest) = same.and_then(|larger| at.rest_of(larger)).filter(|_| !is_obeyed) {
                    calls += 1;
                    if walk.read_within(context, &rest, None, 1).await?.total == total {
                        break Gap::NotBounded;
                    }
                    is_obeyed = true;
                }
                larger = Some(TooLarge { total, from: at.from });
                at = next;
            }
        }
    };
    pages::instead(walk, context, gap, ROWS, calls).await
}

fn with(state: &WalkState, at: CreationWalk) -> WalkState {
    WalkState { mode: WalkMode::ByCreation(at), ..*state }
}

/// Fails where a row shows no time, or one out of the bounds.
fn created_rows(page: &Page, at: &CreationWalk) -> std::result::Result<(), Gap> {
    let [(_, from), (_, upto)] = at.bounds();
    for row in page.rows.iter().flatten() {
        let time = row.remote_created_at.ok_or(Gap::NoTimes)?.as_millisecond();
        if from.is_some_and(|from| time < from) || upto.is_some_and(|upto| time > upto) {
            return Err(Gap::NotBounded);
        }
    }
    Ok(())
}

fn time_of(row: &Contact) -> Option<i64> {
    row.remote_created_at.map(Timestamp::as_millisecond)
}

/// The rows of a window that one call shows whole, without those that are passed.
fn window(state: &WalkState, mut at: CreationWalk, page: Page) -> CreationStep {
    let (known, unreadable): (Vec<_>, Vec<_>) = page.rows.into_iter().partition(Option::is_some);
    let row = |contact: Contact| {
        let (time, digest) = (time_of(&contact)?, digest(Some(&contact)));
        at.has(time).then_some(CreatedRow { time, digest, contact })
    };
    let mut rows: Vec<CreatedRow> = known.into_iter().flatten().filter_map(row).collect();
    rows.sort_by_key(|row| (Reverse(row.time), row.digest));
    let seen = rows.len() as u64;
    rows.retain(|row| at.upto != Some(row.time) || at.passed.is_none_or(|passed| row.digest > passed));
    let highest = at.upto.or_else(|| rows.first().map(|row| row.time)).or(at.from);
    let mut shown = Vec::with_capacity(rows.len() + unreadable.len());
    for CreatedRow { time, digest, contact } in rows {
        shown.push(WalkRow { contact: Some(contact), at: with(state, at.clone()) });
        (at.upto, at.passed) = (Some(time), Some(digest));
        at.left = at.left.map(|left| left.saturating_sub(1));
    }
    let here = with(state, at.clone());
    shown.extend(unreadable.into_iter().map(|contact| WalkRow { contact, at: here.clone() }));
    let width = highest.zip(at.from).map_or(1, |(highest, from)| highest - from + 1);
    CreationStep::Done(WalkPage::of(state, shown, at.after_window(state, width, seen)))
}

/// The walk with a smaller window, at most half as wide; `None` if the page shows nobody. Neighbours of the window count as
/// if they were in it, because they fill its pages.
///
/// The first guess takes the contacts as spread evenly. If it finds nobody, they are not, and windows are halved until the
/// next contact is found.
fn smaller(at: &CreationWalk, page: &Page) -> Option<CreationWalk> {
    let (lower, upper) = (at.from.unwrap_or(i64::MIN), at.upto.unwrap_or(i64::MAX));
    let inside = page.rows.iter().flatten().filter_map(time_of).map(|time| time.max(lower).min(upper));
    let inside: Vec<i64> = inside.collect();
    let (oldest, newest) = (*inside.iter().min()?, *inside.iter().max()?);
    // If it is, the newest contacts are on the page. Seldom it only looks so: then the next window is as large.
    let is_newest_first = at.floor.is_none() && inside.is_sorted_by(|one, next| one >= next);
    let last = at.upto.unwrap_or(newest);
    let Some(first) = at.from else {
        // Where the newest come first, these are all but the oldest of the page.
        return Some(CreationWalk { from: Some((oldest + 1).min(last)), ..at.clone() });
    };
    let Some(upto) = at.upto else {
        let from = if newest <= first {
            // Everybody was created in the first millisecond.
            first + 1
        } else if is_newest_first {
            (oldest + 1).min(newest)
        } else {
            // The page does not show when the newest were created: probably before now.
            crate::clock::now().as_millisecond().max(newest.saturating_add(1))
        };
        return Some(CreationWalk { from: Some(from), floor: Some(first), ..at.clone() });
    };
    if first >= last {
        let crowd = Crowd { pass: 1, offset: 0, shown: RowSet::default(), before: RowSet::default() };
        return Some(CreationWalk { upto: Some(upto), passed: None, crowd: Some(crowd), ..at.clone() });
    }
    let half = (last - first) / 2;
    let total = page.total.unwrap_or(inside.len() as u64).max(inside.len() as u64);
    let width = i64::try_from(
        u128::from((last - first).unsigned_abs()) * WANTED_WITH_NEIGHBOURS / u128::from(total.max(1)),
    );
    let by_rows = oldest + 1;
    let from = if is_newest_first || (by_rows <= last && last - by_rows <= half) {
        by_rows.min(last)
    } else if at.floor.is_some() {
        last - half
    } else {
        last - width.unwrap_or(half).min(half)
    };
    Some(CreationWalk { from: Some(from), floor: Some(first), ..at.clone() })
}

/// Rows of one millisecond that need several pages. They are read until two passes show the same; the second pass only
/// compares.
fn crowd(state: &WalkState, mut at: CreationWalk, page: Page) -> CreationStep {
    let Some(mut crowd) = at.crowd.clone() else { return CreationStep::Again(at) };
    let (offset, rows_read, is_last) = (crowd.offset, page.rows.len() as u64, page.next.is_none());
    let mut shown = Vec::new();
    for (index, row) in page.rows.into_iter().enumerate() {
        let is_inside = row.as_ref().is_none_or(|row| time_of(row).is_some_and(|time| at.has(time)));
        if !is_inside {
            continue;
        }
        crowd.offset = offset + index as u64;
        let digest = digest(row.as_ref());
        if crowd.pass != 2 {
            let begins = CreationWalk { crowd: Some(crowd.clone()), ..at.clone() };
            shown.push(WalkRow { contact: row, at: with(state, begins) });
            at.left = at.left.map(|left| left.saturating_sub(u64::from(crowd.pass == 1)));
        }
        crowd.shown.add(digest);
        crowd.offset += 1;
    }
    let next = match (is_last, crowd.pass) {
        (false, _) => {
            crowd.offset = offset + rows_read;
            at.crowd = Some(crowd);
            WalkNext::Maybe(with(state, at))
        }
        (true, pass) if pass == 1 || (pass == 2 && crowd.shown != crowd.before) => {
            let again = Crowd { pass: pass + 1, offset: 0, shown: RowSet::default(), before: crowd.shown };
            at.crowd = Some(again);
            WalkNext::Maybe(with(state, at))
        }
        (true, pass) => {
            let differs = pass > 2 && crowd.shown != crowd.before;
            let state =
                WalkState { gap: if differs { Some(Gap::Crowded) } else { state.gap }, ..state.clone() };
            at.crowd = None;
            at.after_window(&state, 1, crowd.shown.len() as u64)
        }
    };
    CreationStep::Done(WalkPage::of(state, shown, next))
}

impl CreationWalk {
    /// The bounds to send, one millisecond wider than those that rows must meet.
    fn bounds(&self) -> [(FilterName, Option<i64>); 2] {
        let from = self.from.map(|from| from.saturating_sub(1));
        let upto = self.upto.map(|upto| upto.saturating_add(1));
        [(FilterName::RemoteCreatedAtMin, from), (FilterName::RemoteCreatedAtMax, upto)]
    }

    /// The bounds of `larger` without this window, which is its later part. Nobody is in both, however bounds compare.
    fn rest_of(&self, larger: &TooLarge) -> Option<[(FilterName, Option<i64>); 2]> {
        let upto = self.from?.saturating_sub(2);
        let is_empty = larger.from.is_some_and(|from| from > upto);
        let bounds =
            [(FilterName::RemoteCreatedAtMin, larger.from), (FilterName::RemoteCreatedAtMax, Some(upto))];
        (!is_empty && self.crowd.is_none()).then_some(bounds)
    }

    fn has(&self, time: i64) -> bool {
        self.from.is_none_or(|from| time >= from) && self.upto.is_none_or(|upto| time <= upto)
    }

    /// What follows after a window of this width with so many rows.
    fn after_window(self, state: &WalkState, width: i64, rows: u64) -> WalkNext {
        let Some(from) = self.from else { return WalkNext::End(state.gap) };
        let upto = from - 1;
        let is_rest = rows == 0 || self.left.is_some_and(|left| left <= REST);
        let wider = u128::from(width.unsigned_abs()) * u128::from(WANTED) / u128::from(rows.max(1));
        let wider = i64::try_from(wider).unwrap_or(i64::MAX).clamp(width / 8, width.saturating_mul(8)).max(1);
        let floor = self.floor.filter(|floor| rows == 0 && *floor <= upto);
        let from = match floor {
            Some(floor) => Some(floor + (upto - floor) / 2),
            None => (!is_rest).then(|| upto.saturating_sub(wider - 1)),
        };
        let next = Self { upto: Some(upto), passed: None, from, left: self.left, crowd: None, floor };
        WalkNext::Maybe(with(state, next))
    }
}
