//! Listings cut into pages, with cursors that only this gateway can make.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::{Failure, Result, Text, Timestamp};
use crate::sealing::Sealer;
use crate::store::{After, AuditRecord, CredentialRecord, KeyRecord, TenantRecord};

const PURPOSE: &str = "listing cursor";
const TAG: usize = 16;
/// Bytes of the rows of one page: it ends early where they hold more, so that a list is never as large as its rows.
const PAGE_BYTES: usize = 1024 * 1024;
/// What a row takes beside its texts, roughly.
const ROW_BYTES: usize = 400;

/// Some items of a listing, and where it goes on.
#[derive(Clone, Debug)]
pub struct Listing<T> {
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

/// A row that can be listed.
pub(super) trait ListRow {
    /// Where a listing goes on behind it.
    fn place(&self) -> After;
    /// About how many bytes it takes in a response.
    fn bytes(&self) -> usize;
}

/// Whether `rows` are more than one page, by number or by bytes.
pub(super) fn exceeds<R: ListRow>(rows: &[R], request: &ListingRequest) -> bool {
    fitting(rows, request) < rows.len()
}

/// How many of `rows` one page holds: at least one, so that every listing ends.
fn fitting<R: ListRow>(rows: &[R], request: &ListingRequest) -> usize {
    let (size, mut bytes) = (usize::try_from(request.page_size).unwrap_or(usize::MAX), 0);
    let fits = rows.iter().take(size).take_while(|row| {
        bytes += row.bytes();
        bytes <= PAGE_BYTES
    });
    fits.count().max(1).min(rows.len())
}

/// One listing: what is listed, and whose. Its cursors are of no use in another.
pub(super) struct ListScope<'a> {
    pub(super) sealer: &'a Sealer,
    pub(super) of: &'static str,
    pub(super) owner: &'a str,
}

impl ListScope<'_> {
    /// Behind which row the request goes on. Fails with `invalid_parameter` for a cursor of elsewhere.
    pub(super) fn after(&self, request: &ListingRequest) -> Result<Option<After>> {
        let Some(cursor) = &request.cursor else { return Ok(None) };
        self.read(cursor).map(Some).ok_or_else(|| {
            Failure::parameter("cursor", "This is no cursor of this listing; begin without one.")
        })
    }

    /// Cuts `rows`, of which one more than asked for was read, into items and the cursor of the rest.
    pub(super) fn cut<R: ListRow>(
        &self,
        mut rows: Vec<R>,
        request: &ListingRequest,
    ) -> (Vec<R>, Option<Text>) {
        if !exceeds(&rows, request) {
            return (rows, None);
        }
        rows.truncate(fitting(&rows, request));
        let cursor = rows.last().map(|last| self.write(&last.place()));
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

impl ListRow for TenantRecord {
    fn place(&self) -> After {
        After { created_at: self.created_at, id: self.id.as_str().into() }
    }

    fn bytes(&self) -> usize {
        ROW_BYTES + self.name.len()
    }
}

impl ListRow for KeyRecord {
    fn place(&self) -> After {
        After { created_at: self.created_at, id: self.id.as_str().into() }
    }

    fn bytes(&self) -> usize {
        let ids = self.credentials.iter().flatten().map(|id| id.as_str().len());
        ROW_BYTES + self.name.len() + ids.sum::<usize>()
    }
}

impl ListRow for CredentialRecord {
    fn place(&self) -> After {
        After { created_at: self.created_at, id: self.id.as_str().into() }
    }

    fn bytes(&self) -> usize {
        ROW_BYTES + self.name.len() + self.settings.len()
    }
}

impl ListRow for AuditRecord {
    fn place(&self) -> After {
        After { created_at: self.at, id: self.id.clone() }
    }

    fn bytes(&self) -> usize {
        let texts =
            [&self.actor_id, &self.target, &self.request_id].into_iter().flatten().map(|text| text.len());
        ROW_BYTES + texts.chain(self.fields.iter().map(|field| field.len())).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::now;

    fn tenant(name: usize) -> TenantRecord {
        TenantRecord { id: "ten_1".into(), name: "n".repeat(name).into(), created_at: now() }
    }

    #[test]
    fn a_page_ends_by_its_number_or_by_its_bytes_and_holds_one_row_at_least() {
        let request = |page_size| ListingRequest { cursor: None, page_size };
        let rows = |count: usize, name| vec![tenant(name); count];
        assert_eq!(fitting(&rows(11, 9), &request(10)), 10);
        assert_eq!(fitting(&rows(11, 300_000), &request(10)), 3);
        assert_eq!(fitting(&rows(3, 2_000_000), &request(10)), 1);
        assert_eq!(fitting(&rows(0, 9), &request(10)), 0);
        assert!(!exceeds(&rows(1, 2_000_000), &request(10)), "it may be the last");
        assert!(!exceeds(&rows(10, 9), &request(10)) && exceeds(&rows(2, 700_000), &request(10)));
    }
}
