//! The walk by the list's own pages.

use super::state::WalkMode;
use super::{ContactWalk, Gap, WalkNext, WalkPage, WalkRow, WalkState};
use crate::adapters::token_after;
use crate::domain::{CallContext, Page, PageToken, Result};

pub(super) async fn read(
    walk: &ContactWalk<'_>,
    context: &CallContext,
    state: &WalkState,
    at: Option<&PageToken>,
    limit: usize,
) -> Result<WalkPage> {
    let page = walk.read_within(context, &[], at, limit).await?;
    of_page(state, at, page)
}

/// The list from its start, because it cannot be walked completely. `calls` were made before.
pub(super) async fn instead(
    walk: &ContactWalk<'_>,
    context: &CallContext,
    gap: Gap,
    limit: usize,
    calls: usize,
) -> Result<WalkPage> {
    let page = read(walk, context, &WalkState::incomplete(gap), None, limit).await?;
    Ok(WalkPage { calls: calls + page.calls, ..page })
}

/// The rows of the first page of a list that cannot be walked by time: it can be shown, and only what follows goes by pages.
pub(super) fn of_first(state: &WalkState, gap: Gap, page: Page) -> Result<WalkPage> {
    let mut shown = of_page(&WalkState::incomplete(gap), None, page)?;
    if matches!(shown.next, WalkNext::End(_)) {
        // It is the whole list.
        shown.next = WalkNext::End(state.gap);
    }
    Ok(shown)
}

/// The rows of a page of the list that begins at `at`.
fn of_page(state: &WalkState, at: Option<&PageToken>, page: Page) -> Result<WalkPage> {
    let state_at = |at: Option<PageToken>| WalkState { mode: WalkMode::Pages(at), total: None, ..*state };
    let mut rows = Vec::with_capacity(page.rows.len());
    for (index, contact) in page.rows.into_iter().enumerate() {
        let begins = if index == 0 { at.cloned() } else { Some(token_after(at, index)?) };
        rows.push(WalkRow { contact, at: state_at(begins) });
    }
    let next = match page.next {
        Some(next) => WalkNext::More(state_at(Some(next))),
        None => WalkNext::End(state.gap),
    };
    Ok(WalkPage { rows, next, total: page.total, calls: 1 })
}
