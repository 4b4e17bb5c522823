//! The complete walk: reads a list so that everybody who stays in it is returned, whatever is created, edited or deleted
//! meanwhile. How is declared by the CRM's [`Traversal`](crate::adapters::Traversal).

mod by_creation;
mod by_update;
mod pages;
mod state;

pub(super) use self::state::{Gap, WalkState};
use super::errors::shows_nothing;
use crate::adapters::{Adapter, AdapterSpec, Pushed};
use crate::domain::{
    CallContext, Contact, Failure, Filter, FilterName, FilterValue, Page, PageToken, Result, Timestamp,
};
use crate::sealing::short_digest;

/// The list of one query.
pub(super) struct ContactWalk<'a> {
    pub(super) adapter: &'a dyn Adapter,
    pub(super) spec: &'static AdapterSpec,
    /// The filters that the CRM gets.
    pub(super) pushed: &'a Pushed,
}

/// Rows of a walk.
pub(super) struct WalkPage {
    pub(super) rows: Vec<WalkRow>,
    pub(super) next: WalkNext,
    /// How many contacts match in all, if the CRM shows it.
    pub(super) total: Option<u64>,
    /// Pages of the CRM that were read.
    pub(super) calls: usize,
}

pub(super) struct WalkRow {
    /// `None` if the row has no readable id.
    pub(super) contact: Option<Contact>,
    /// Where a walk continues that begins with this row.
    pub(super) at: WalkState,
}

impl WalkPage {
    /// Rows of a walk with `state`, before its calls are counted.
    fn of(state: &WalkState, rows: Vec<WalkRow>, next: WalkNext) -> Self {
        Self { rows, next, total: state.total, calls: 0 }
    }

    pub(super) fn contacts(&self) -> impl Iterator<Item = &Contact> + Clone {
        self.rows.iter().filter_map(|row| row.contact.as_ref())
    }
}

/// What follows after the rows of a page.
pub(super) enum WalkNext {
    /// Nothing. With a gap, the walk may have missed contacts.
    End(Option<Gap>),
    /// More rows.
    More(WalkState),
    /// Perhaps more rows.
    Maybe(WalkState),
}

impl ContactWalk<'_> {
    /// The start of the list.
    pub(super) fn start(&self) -> WalkState {
        WalkState::start(self.spec.paging)
    }

    /// Reads the next rows. `limit` is a hint. A page without rows has a next one or is the end.
    pub(super) async fn read(
        &self,
        context: &CallContext,
        state: &WalkState,
        limit: usize,
    ) -> Result<WalkPage> {
        use self::state::WalkMode;
        match &state.mode {
            WalkMode::Pages(at) => pages::read(self, context, state, at.as_ref(), limit).await,
            WalkMode::ByUpdate(at) => by_update::read(self, context, state, at, limit).await,
            WalkMode::ByCreation(at) => by_creation::read(self, context, state, at).await,
        }
    }

    /// Reads rows of the CRM's list, within bounds besides those of the query.
    async fn read_within(
        &self,
        context: &CallContext,
        bounds: &[(FilterName, Option<i64>)],
        at: Option<&PageToken>,
        limit: usize,
    ) -> Result<Page> {
        let mut pushed = self.pushed.clone();
        for (name, millis) in bounds {
            let time = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
            if let Some(time) = time {
                pushed.join(Filter { name: *name, value: FilterValue::Time(time) });
            }
        }
        let page = self.adapter.read_page(context, &pushed, at, limit).await?;
        if page.withheld { Err(shows_nothing()) } else { Ok(page) }
    }

    /// The same from the row at `offset` on.
    async fn read_at_offset(
        &self,
        context: &CallContext,
        bounds: &[(FilterName, Option<i64>)],
        offset: u64,
        limit: usize,
    ) -> Result<Page> {
        let no_offsets = || Failure::internal("a list with cursors is walked by offsets");
        let at =
            (offset > 0).then(|| self.spec.paging.at_offset(offset).ok_or_else(no_offsets)).transpose()?;
        self.read_within(context, bounds, at.as_ref(), limit).await
    }
}

/// A short digest of the row's id; 0 without an id.
fn digest(row: Option<&Contact>) -> u64 {
    row.map_or(0, |contact| u64::from_be_bytes(short_digest(contact.remote_id.as_str().as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::{ADAPTERS, Paging, Traversal};

    /// A walk by time sends these filters, declared or not.
    #[test]
    fn every_crm_has_the_filters_that_its_declared_walk_needs() {
        for spec in ADAPTERS {
            let Paging::Numbered { traversal, .. } = spec.paging else { continue };
            let needed: &[FilterName] = match traversal {
                Traversal::Offsets => &[],
                Traversal::ByUpdate => &[FilterName::RemoteUpdatedAtMin, FilterName::RemoteUpdatedAtMax],
                Traversal::ByCreation => &[FilterName::RemoteCreatedAtMin, FilterName::RemoteCreatedAtMax],
            };
            for name in needed {
                assert!(spec.filter(*name).is_some(), "{} {}", spec.title, name.parameter());
            }
        }
    }
}
