//! Listings cut into pages, with cursors that only this gateway can make.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::{Failure, Result, Text, Timestamp};
use crate::sealing::Sealer;
use crate::store::After;

const PURPOSE: &str = "listing cursor";
const TAG: usize = 16;

/// Some items of a listing, and where it goes on.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next items; `None` at the end.
    pub next_cursor: Option<Text>,
}

/// Which part of a listing is asked for.
#[derive(Clone, Debug)]
pub struct ListingRequest {
    /// A cursor of the listing before; `None` for its beginning.
    pub cursor: Option<Text>,
    /// 1 to 100.
    pub page_size: u32,
}

/// One listing: what is listed, and whose. Its cursors are of no use in another.
pub(super) struct Scope<'a> {
    pub(super) sealer: &'a Sealer,
    pub(super) of: &'static str,
    pub(super) owner: &'a str,
}

impl Scope<'_> {
    /// Behind which row the request goes on. Fails with `invalid_parameter` for a cursor of elsewhere.
    pub(super) fn after(&self, request: &ListingRequest) -> Result<Option<After>> {
        let Some(cursor) = &request.cursor else { return Ok(None) };
        self.read(cursor).map(Some).ok_or_else(|| {
            Failure::parameter("cursor", "This is no cursor of this listing; begin without one.")
        })
    }

    /// Cuts `rows`, of which one more than asked for was read, into items and the cursor of the rest.
    pub(super) fn cut<R>(
        &self,
        mut rows: Vec<R>,
        request: &ListingRequest,
        place: impl Fn(&R) -> After,
    ) -> (Vec<R>, Option<Text>) {
        let size = usize::try_from(request.page_size).unwrap_or(usize::MAX);
        if rows.len() <= size {
            return (rows, None);
        }
        rows.truncate(size);
        let cursor = rows.last().map(|last| self.write(&place(last)));
        (rows, cursor)
    }

    fn write(&self, After { created_at, id }: &After) -> Text {
        let place = format!("{}:{}", created_at.as_millisecond(), id.as_str());
        let tag = self.sealer.mac(PURPOSE, &self.message(&place));
        Text::from(URL_SAFE_NO_PAD.encode([&tag[..TAG], place.as_bytes()].concat()))
    }

    fn read(&self, cursor: &str) -> Option<After> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (tag, place) = bytes.split_at_checked(TAG)?;
        let place = std::str::from_utf8(place).ok()?;
        if !self.sealer.authentic(PURPOSE, &self.message(place), tag) {
            return None;
        }
        let (at, id) = place.split_once(':')?;
        let created_at = Timestamp::from_millisecond(at.parse().ok()?).ok()?;
        Some(After { created_at, id: Text::from(id) })
    }

    /// The owner's id holds no line break, and what is listed is our own word: the parts cannot be cut elsewhere.
    fn message(&self, place: &str) -> Vec<u8> {
        format!("{}\n{}\n{place}", self.of, self.owner).into_bytes()
    }
}
