//! Listings in pages, with authenticated cursors.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::{Failure, Result, Text, Timestamp};
use crate::sealing::Sealer;
use crate::store::{After, AuditRecord, CredentialRecord, KeyRecord, TenantRecord};

const PURPOSE: &str = "listing cursor";
const TAG: usize = 16;
/// The most bytes of the rows of one page, so that a page with large rows ends early.
const PAGE_BYTES: usize = 1024 * 1024;
/// About how many bytes a row has besides its texts.
const ROW_BYTES: usize = 400;

/// One page of a listing.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    pub items: Vec<T>,
    /// The cursor of the next page; `None` at the end.
    pub next_cursor: Option<Text>,
}

/// The requested part of a listing.
#[derive(Clone, Debug)]
pub struct ListingRequest {
    /// The cursor from the page before; `None` for the first page.
    pub cursor: Option<Text>,
    /// 1 to 100.
    pub page_size: u32,
}

/// A row of a listing.
pub(super) trait ListRow {
    /// The position of the row; the next page starts after it.
    fn position(&self) -> After;
    /// About how many bytes the row has in a response.
    fn bytes(&self) -> usize;
}

/// Whether `rows` exceed one page, by number or by bytes.
pub(super) fn exceeds<R: ListRow>(rows: &[R], request: &ListingRequest) -> bool {
    fitting(rows, request) < rows.len()
}

/// How many of `rows` fit into one page: at least one, so that every listing ends.
fn fitting<R: ListRow>(rows: &[R], request: &ListingRequest) -> usize {
    let (size, mut bytes) = (usize::try_from(request.page_size).unwrap_or(usize::MAX), 0);
    let fits = rows.iter().take(size).take_while(|row| {
        bytes += row.bytes();
        bytes <= PAGE_BYTES
    });
    fits.count().max(1).min(rows.len())
}

/// One kind of listing of one owner. Its cursors are invalid in all others.
pub(super) struct ListScope<'a> {
    pub(super) sealer: &'a Sealer,
    pub(super) of: &'static str,
    pub(super) owner: &'a str,
}

impl ListScope<'_> {
    /// The row before the requested page. Fails with `invalid_parameter` for an invalid cursor.
    pub(super) fn after(&self, request: &ListingRequest) -> Result<Option<After>> {
        let Some(cursor) = &request.cursor else { return Ok(None) };
        self.read(cursor).map(Some).ok_or_else(|| {
            Failure::parameter(
                "cursor",
                "This cursor does not belong to this listing. Start without a cursor.",
            )
        })
    }

    /// Splits `rows`, which has one more row than requested if there are more, into the page and the cursor of the rest.
    pub(super) fn cut<R: ListRow>(&self, mut rows: Vec<R>, request: &ListingRequest) -> Listing<R> {
        if !exceeds(&rows, request) {
            return Listing { items: rows, next_cursor: None };
        }
        rows.truncate(fitting(&rows, request));
        let next_cursor = rows.last().map(|last| self.write(&last.position()));
        Listing { items: rows, next_cursor }
    }

    fn write(&self, After { created_at, id }: &After) -> Text {
        let position = format!("{}:{}", created_at.as_millisecond(), id.as_str());
        let tag = self.sealer.mac(PURPOSE, &self.message(&position));
        Text::from(URL_SAFE_NO_PAD.encode([&tag[..TAG], position.as_bytes()].concat()))
    }

    fn read(&self, cursor: &str) -> Option<After> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (tag, position) = bytes.split_at_checked(TAG)?;
        let position = std::str::from_utf8(position).ok()?;
        if !self.sealer.authentic(PURPOSE, &self.message(position), tag) {
            return None;
        }
        let (at, id) = position.split_once(':')?;
        let created_at = Timestamp::from_millisecond(at.parse().ok()?).ok()?;
        Some(After { created_at, id: Text::from(id) })
    }

    /// The owner's id contains no line break, and the kind is a constant, so the text is unambiguous.
    fn message(&self, position: &str) -> Vec<u8> {
        format!("{}\n{}\n{position}", self.of, self.owner).into_bytes()
    }
}

impl ListRow for TenantRecord {
    fn position(&self) -> After {
        After { created_at: self.created_at, id: self.id.as_str().into() }
    }

    fn bytes(&self) -> usize {
        ROW_BYTES + self.name.len()
    }
}

impl ListRow for KeyRecord {
    fn position(&self) -> After {
        After { created_at: self.created_at, id: self.id.as_str().into() }
    }

    fn bytes(&self) -> usize {
        let ids = self.credentials.iter().flatten().map(|id| id.as_str().len());
        ROW_BYTES + self.name.len() + ids.sum::<usize>()
    }
}

impl ListRow for CredentialRecord {
    fn position(&self) -> After {
        After { created_at: self.created_at, id: self.id.as_str().into() }
    }

    fn bytes(&self) -> usize {
        ROW_BYTES + self.name.len() + self.settings.len()
    }
}

impl ListRow for AuditRecord {
    fn position(&self) -> After {
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
