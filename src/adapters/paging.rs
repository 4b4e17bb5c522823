//! How the list of a CRM is paged, and the tokens of its pages.

use crate::domain::{Failure, PageToken, Result, Text};

/// How the list of a CRM is paged, and how all its contacts can be read while others are created, edited and deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// By page number.
    Numbered { rows: PageRows, traversal: Traversal },
    /// By a cursor that each page has for the next one. The list can only be read from the start. Following
    /// the cursors reads every contact.
    Cursor,
}

/// The number of rows of a numbered page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageRows {
    /// Every page has this many.
    Fixed(u64),
    /// A page has as many as the call asks for, up to this number.
    UpTo(u64),
}

/// How all contacts of a list with numbered pages can be read while others are created, edited and deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traversal {
    /// By page number only. Pages shift when contacts change, so a walk can miss some.
    Offsets,
    /// The list is sorted by last update, the newest first. It has the filters `remoteUpdatedAtMin` and
    /// `remoteUpdatedAtMax`.
    ByUpdate,
    /// The list has the filters `remoteCreatedAtMin` and `remoteCreatedAtMax`. Its order does not matter.
    ByCreation,
}

impl Paging {
    /// The token of the row at `offset`; `None` if the CRM cannot start there.
    #[must_use]
    pub fn at_offset(self, offset: u64) -> Option<PageToken> {
        let position = ListPosition { cursor: None, skip: offset };
        match self {
            Self::Numbered { .. } => position.token().ok(),
            Self::Cursor => None,
        }
    }
}

/// The token of the row that is `rows` after `at`, on the same page; `None` is the start of the list.
pub fn token_after(at: Option<&PageToken>, rows: usize) -> Result<PageToken> {
    let position = ListPosition::of(at)?;
    ListPosition { skip: position.skip.saturating_add(rows as u64), ..position }.token()
}

impl PageRows {
    /// The most rows of one page.
    pub(super) const fn most(self) -> u64 {
        match self {
            Self::Fixed(rows) | Self::UpTo(rows) => rows,
        }
    }

    /// The smallest page size with which `limit` rows from `offset` on are on one page, or else the largest.
    pub(super) fn page_size(self, offset: u64, limit: usize) -> u64 {
        let wanted = (limit as u64).clamp(1, self.most());
        match self {
            Self::UpTo(_) if offset.is_multiple_of(wanted) => wanted,
            Self::UpTo(most) | Self::Fixed(most) => most,
        }
    }
}

/// The content of a token: how many rows to skip, from the start of the list or of the page that the CRM's
/// cursor names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListPosition {
    pub(super) cursor: Option<Text>,
    pub(super) skip: u64,
}

impl ListPosition {
    /// Reads a token; `None` is the start of the list. Fails with `invalid_parameter` if another release made
    /// it in another format.
    pub(super) fn of(token: Option<&PageToken>) -> Result<Self> {
        let text = token.map_or("0", PageToken::as_str);
        let (skip, cursor) = match text.split_once(':') {
            Some((skip, cursor)) => (skip, Some(Text::from(cursor))),
            None => (text, None),
        };
        let skip = skip.parse().map_err(|_| {
            Failure::parameter(
                "cursor",
                "This cursor was made by another version of the gateway. Start again without a cursor.",
            )
        })?;
        Ok(Self { cursor, skip })
    }

    /// Encodes the position. Fails with `upstream_invalid_response` if the CRM's cursor is too long.
    pub(super) fn token(&self) -> Result<PageToken> {
        let text = match &self.cursor {
            Some(cursor) => format!("{}:{}", self.skip, cursor.as_str()),
            None => self.skip.to_string(),
        };
        PageToken::new(text).ok_or_else(|| super::lenient_reader::unreadable("the cursor", "short enough"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::FailureKind;

    #[test]
    fn a_token_leads_back_to_its_position_and_goes_on_inside_a_page() {
        let numbered = Paging::Numbered { rows: PageRows::Fixed(200), traversal: Traversal::Offsets };
        let offset = numbered.at_offset(250).unwrap();
        assert_eq!(ListPosition::of(Some(&offset)).unwrap(), ListPosition { cursor: None, skip: 250 });
        assert_eq!(token_after(Some(&offset), 7).unwrap().as_str(), "257");
        assert_eq!(token_after(None, 7).unwrap().as_str(), "7");
        let second = ListPosition { cursor: Some("a:b".into()), skip: 0 };
        let inside = token_after(Some(&second.token().unwrap()), 3).unwrap();
        assert_eq!(ListPosition::of(Some(&inside)).unwrap(), ListPosition { skip: 3, ..second });
        assert_eq!(Paging::Cursor.at_offset(0), None);
    }

    #[test]
    fn a_cursor_that_no_parameter_could_hold_is_refused() {
        let long = ListPosition { cursor: Some("x".repeat(PageToken::MOST).into()), skip: 0 };
        assert_eq!(long.token().unwrap_err().kind, FailureKind::UpstreamInvalidResponse);
        let other = PageToken::new("of another release").unwrap();
        assert_eq!(ListPosition::of(Some(&other)).unwrap_err().kind, FailureKind::InvalidParameter);
    }
}
