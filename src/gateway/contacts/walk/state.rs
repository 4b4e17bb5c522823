//! The state of a walk, as a cursor holds it. Its size does not depend on the list.

use serde::{Deserialize, Serialize};

use crate::adapters::{Paging, Traversal};
use crate::domain::{PageToken, Text, Warning, WarningCode};

#[derive(Clone, Debug, PartialEq)]
pub(in crate::gateway::contacts) struct WalkState {
    pub(super) mode: WalkMode,
    /// How many contacts matched at the start, if the CRM shows it.
    pub(super) total: Option<u64>,
    /// Why the walk may miss contacts.
    pub(super) gap: Option<Gap>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum WalkMode {
    /// By the list's own pages.
    Pages(Option<PageToken>),
    ByUpdate(UpdateWalk),
    ByCreation(CreationWalk),
}

/// A set of rows, by number and combined digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RowSet {
    rows: u32,
    ids: u64,
}

impl RowSet {
    pub(super) const fn add(&mut self, digest: u64) {
        self.rows = self.rows.saturating_add(1);
        self.ids ^= digest;
    }

    pub(super) const fn join(&mut self, other: Self) {
        self.rows = self.rows.saturating_add(other.rows);
        self.ids ^= other.ids;
    }

    pub(super) fn of(digests: impl Iterator<Item = u64>) -> Self {
        digests.fold(Self::default(), |mut set, digest| {
            set.add(digest);
            set
        })
    }

    pub(super) const fn len(self) -> usize {
        self.rows as usize
    }
}

/// Rows with the same time, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SameTime {
    pub(super) at: i64,
    pub(super) set: RowSet,
}

/// A walk through a list that is sorted by last update. The first pass reads the list, each later one the contacts that were
/// edited during the one before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct UpdateWalk {
    pub(super) pass: u8,
    /// What this pass shows if nothing was edited during the one before: the rows with the newest time at its start.
    pub(super) before: Option<SameTime>,
    /// The rows of this pass with the newest time at its start.
    pub(super) newest: Option<SameTime>,
    pub(super) edge: Option<UpdateEdge>,
    /// How often rows with the same time were read again from the first one.
    pub(super) restarts: u8,
}

/// How far a pass came: everybody who was updated later is passed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct UpdateEdge {
    /// The passed rows with the time of the last one, from `offset` on.
    pub(super) tie: SameTime,
    /// The last row.
    pub(super) last: u64,
    /// Rows before the page to read, in the list up to this time. Above 0 only if rows with this time need several pages.
    pub(super) offset: u64,
    /// The row before `offset`.
    pub(super) hook: u64,
}

/// A walk by windows of the creation time, from the newest on. Each window is read in one call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct CreationWalk {
    /// The last millisecond of the window; `None` is open. Everybody created later is passed.
    pub(super) upto: Option<i64>,
    /// The last row that is passed, of those that were created in the last millisecond.
    pub(super) passed: Option<u64>,
    /// The first millisecond of the window; `None` is open.
    pub(super) from: Option<i64>,
    /// About how many contacts are left, if it is known.
    pub(super) left: Option<u64>,
    pub(super) crowd: Option<Crowd>,
    /// The contacts from here to the last millisecond are too many for one window. It is known while a gap is crossed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) floor: Option<i64>,
}

/// Contacts that were created in one millisecond and do not fit into one page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Crowd {
    /// Counted from 1.
    pub(super) pass: u8,
    pub(super) offset: u64,
    /// What this pass has shown so far.
    pub(super) shown: RowSet,
    /// What the pass before showed.
    pub(super) before: RowSet,
}

/// Why a walk may miss contacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::gateway::contacts) enum Gap {
    /// The list has only page numbers.
    Offsets,
    /// Rows do not show the time by which the list is walked.
    NoTimes,
    /// The list does not follow the bounds or the order that are declared for it.
    NotBounded,
    /// Contacts are edited faster than they are read.
    Busy,
    /// Contacts that were created in one millisecond are shown differently each time.
    Crowded,
}

impl Gap {
    const ALL: [Self; 5] = [Self::Offsets, Self::NoTimes, Self::NotBounded, Self::Busy, Self::Crowded];

    pub(in crate::gateway::contacts) fn warning(self) -> Warning {
        let reason = match self {
            Self::Offsets => "the CRM's list has only page numbers, and pages shift when contacts change",
            Self::NoTimes => "the CRM's rows do not show the time by which its list is walked",
            Self::NotBounded => "the CRM's list does not follow its time filters or its order",
            Self::Busy => "contacts were edited faster than the CRM's list can be read",
            Self::Crowded => "the CRM's pages differ for contacts that were created at the same time",
        };
        let message = format!("Contacts that changed during the walk may be missing: {reason}.");
        Warning::new(WarningCode::WalkIncomplete, "/contacts", message)
    }
}

/// The form of a state that is not one of plain pages.
#[derive(Serialize, Deserialize)]
struct StoredState<M> {
    #[serde(rename = "t")]
    total: Option<u64>,
    #[serde(rename = "g")]
    gap: Option<Gap>,
    #[serde(rename = "m")]
    mode: M,
}

impl WalkState {
    pub(super) fn start(paging: Paging) -> Self {
        let mode = match paging {
            Paging::Cursor => WalkMode::Pages(None),
            Paging::Numbered { traversal: Traversal::Offsets, .. } => return Self::incomplete(Gap::Offsets),
            Paging::Numbered { traversal: Traversal::ByUpdate, .. } => {
                WalkMode::ByUpdate(UpdateWalk::default())
            }
            Paging::Numbered { traversal: Traversal::ByCreation, .. } => {
                WalkMode::ByCreation(CreationWalk::default())
            }
        };
        Self { mode, total: None, gap: None }
    }

    /// A walk by the list's own pages from `at` on.
    pub(in crate::gateway::contacts) const fn of_pages(at: Option<PageToken>) -> Self {
        Self { mode: WalkMode::Pages(at), total: None, gap: None }
    }

    /// The walk by pages from the start of the list, because it cannot be complete.
    pub(super) const fn incomplete(gap: Gap) -> Self {
        Self { mode: WalkMode::Pages(None), total: None, gap: Some(gap) }
    }

    /// Whether it goes by the list's own pages, so that only the rows tell whether a CRM repeats them.
    pub(in crate::gateway::contacts) const fn is_by_pages(&self) -> bool {
        matches!(self.mode, WalkMode::Pages(_))
    }

    /// Whether each call reads a window of the creation time.
    pub(in crate::gateway::contacts) const fn is_by_windows(&self) -> bool {
        matches!(self.mode, WalkMode::ByCreation(_))
    }

    pub(in crate::gateway::contacts) const fn gap(&self) -> Option<Gap> {
        self.gap
    }

    /// The state as a text.
    pub(in crate::gateway::contacts) fn encode(&self) -> String {
        let Self { mode, total, gap } = self;
        let (total, gap) = (*total, *gap);
        let (kind, stored) = match mode {
            WalkMode::Pages(at) => {
                let number = gap.and_then(|gap| Gap::ALL.iter().position(|one| *one == gap));
                let number = number.map_or_else(|| "-".to_owned(), |number| number.to_string());
                return format!("p{number}{}", at.as_ref().map_or("", PageToken::as_str));
            }
            WalkMode::ByUpdate(mode) => ('u', serde_json::to_string(&StoredState { total, gap, mode })),
            WalkMode::ByCreation(mode) => ('c', serde_json::to_string(&StoredState { total, gap, mode })),
        };
        // Numbers and nulls can always be written.
        format!("{kind}{}", stored.unwrap_or_default())
    }

    /// The state of a text; `None` if another release wrote it in another form.
    pub(in crate::gateway::contacts) fn decode(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_at_checked(1)?;
        let mode = |total, gap, mode| Some(Self { mode, total, gap });
        match kind {
            "p" => {
                let (gap, token) = rest.split_at_checked(1)?;
                let gap = if gap == "-" { None } else { Some(*Gap::ALL.get(gap.parse::<usize>().ok()?)?) };
                let at = (!token.is_empty()).then(|| PageToken::new(Text::from(token)));
                mode(None, gap, WalkMode::Pages(at.flatten()))
            }
            "u" => {
                let stored: StoredState<UpdateWalk> = serde_json::from_str(rest).ok()?;
                mode(stored.total, stored.gap, WalkMode::ByUpdate(stored.mode))
            }
            "c" => {
                let stored: StoredState<CreationWalk> = serde_json::from_str(rest).ok()?;
                mode(stored.total, stored.gap, WalkMode::ByCreation(stored.mode))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PageToken;

    #[test]
    fn every_state_is_read_back_from_its_text_and_fits_into_a_cursor() {
        let set = RowSet { rows: u32::MAX, ids: u64::MAX };
        let tie = SameTime { at: i64::MIN, set };
        let edge = UpdateEdge { tie, last: u64::MAX, offset: u64::MAX, hook: u64::MAX };
        let by_update = UpdateWalk {
            pass: 10,
            before: Some(tie),
            newest: Some(tie),
            edge: Some(edge),
            restarts: u8::MAX,
        };
        let by_creation = CreationWalk {
            upto: Some(i64::MIN),
            passed: Some(u64::MAX),
            from: Some(i64::MIN),
            left: Some(u64::MAX),
            crowd: Some(Crowd { pass: 3, offset: u64::MAX, shown: set, before: set }),
            floor: Some(i64::MIN),
        };
        let modes = [
            WalkMode::Pages(None),
            WalkMode::Pages(PageToken::new("x".repeat(PageToken::MOST))),
            WalkMode::ByUpdate(by_update),
            WalkMode::ByCreation(by_creation),
        ];
        for mode in modes {
            let total = (!matches!(mode, WalkMode::Pages(_))).then_some(u64::MAX);
            for gap in Gap::ALL.into_iter().map(Some).chain([None]) {
                let state = WalkState { mode: mode.clone(), total, gap };
                let text = state.encode();
                assert_eq!(WalkState::decode(&text), Some(state));
                assert!(text.len() <= PageToken::MOST + 2, "{}", text.len());
            }
        }
        for text in ["", "p", "x{}", "u{}", "p9", "c"] {
            assert_eq!(WalkState::decode(text), None, "{text}");
        }
    }
}
