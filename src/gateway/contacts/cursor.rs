//! Cursors: the position in an upstream's list, authenticated and bound to one list.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::adapters::Paging;
use crate::domain::{
    Contact, ContactQuery, CredentialId, Failure, FilterValue, PageToken, Result, TenantId, Text,
};
use crate::sealing::{Sealer, sha256};

const VERSION: u8 = 3;
/// Bytes of the row number that cursors of versions 1 and 2 start with.
const OFFSET: usize = 8;
const STEPS: usize = 4;
const MARK: usize = 8;
const MAC: usize = 16;
const PURPOSE: &str = "cursor";

pub(super) struct Cursors(Arc<Sealer>);

/// The progress of a walk through a list. Detects a CRM that repeats pages: the walk remembers one earlier
/// page, and replaces it by the current page each time the number of pages doubles. So a cycle of any length is
/// found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Walk {
    /// The next position; `None` is the start of the list.
    pub(super) at: Option<PageToken>,
    /// Number of pages read.
    steps: u32,
    /// Digest of the remembered page.
    mark: [u8; MARK],
}

impl Walk {
    /// A walk that starts here.
    pub(super) const fn from(at: Option<PageToken>) -> Self {
        Self { at, steps: 0, mark: [0; MARK] }
    }

    /// The walk after a page with these contacts; `None` if the remembered page had exactly the same ones.
    pub(super) fn pass(self, page: &[Contact], next: Option<PageToken>) -> Option<Self> {
        if page.is_empty() {
            return Some(Self { at: next, ..self });
        }
        let ids: Vec<&[u8]> =
            page.iter().flat_map(|contact| [contact.remote_id.as_str().as_bytes(), b"\n"]).collect();
        let mut shown = [0; MARK];
        shown.copy_from_slice(&sha256(&ids.concat())[..MARK]);
        if self.steps > 0 && shown == self.mark {
            return None;
        }
        let steps = self.steps.saturating_add(1);
        Some(Self { at: next, steps, mark: if steps.is_power_of_two() { shown } else { self.mark } })
    }
}

/// What a cursor is bound to.
pub(super) struct Binding<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) credential: &'a CredentialId,
    pub(super) query: &'a ContactQuery,
    pub(super) page_size: u32,
}

impl Cursors {
    pub(super) fn new(sealer: Arc<Sealer>) -> Self {
        Self(sealer)
    }

    /// The cursor of `walk` in the list of `binding`.
    pub(super) fn make(&self, binding: &Binding<'_>, walk: &Walk) -> Text {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&walk.steps.to_be_bytes());
        bytes.extend_from_slice(&walk.mark);
        bytes.extend_from_slice(walk.at.as_ref().map_or("", PageToken::as_str).as_bytes());
        let mac = self.0.mac(PURPOSE, &message(binding, &bytes));
        bytes.extend_from_slice(&mac[..MAC]);
        Text::from(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The walk of a cursor. Fails with `invalid_parameter` if it was altered or made for another list.
    pub(super) fn open(&self, binding: &Binding<'_>, paging: Paging, cursor: &str) -> Result<Walk> {
        self.walk(binding, paging, cursor).ok_or_else(|| {
            Failure::parameter("cursor", "`cursor` does not belong to this list. Send `pageInfo.nextCursor` unchanged, with the same credential, filters and pageSize.")
        })
    }

    fn walk(&self, binding: &Binding<'_>, paging: Paging, cursor: &str) -> Option<Walk> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (body, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC)?)?;
        if !self.0.authentic(PURPOSE, &message(binding, body), mac) {
            return None;
        }
        let (version, body) = body.split_first()?;
        if *version == VERSION {
            let (passed, token) = body.split_at_checked(STEPS + MARK)?;
            let token = std::str::from_utf8(token).ok()?;
            return passed_before(passed, Some(PageToken::new(token)?));
        }
        // Earlier releases stored the number of rows before the next page.
        let (offset, passed) = body.split_at_checked(OFFSET)?;
        let at = paging.at_offset(u64::from_be_bytes(offset.try_into().ok()?))?;
        match *version {
            1 if passed.is_empty() => Some(Walk::from(Some(at))),
            2 => passed_before(passed, Some(at)),
            _ => None,
        }
    }
}

/// The walk that continues at `at`, with the cursor's record of earlier pages.
fn passed_before(passed: &[u8], at: Option<PageToken>) -> Option<Walk> {
    let (steps, mark) = passed.split_at_checked(STEPS)?;
    Some(Walk { at, steps: u32::from_be_bytes(steps.try_into().ok()?), mark: mark.try_into().ok()? })
}

/// The authenticated content: the walk, and everything that it is bound to.
fn message(binding: &Binding<'_>, body: &[u8]) -> Vec<u8> {
    let Binding { tenant, credential, query, page_size } = binding;
    let mut message = Vec::with_capacity(128);
    let mut part = |bytes: &[u8]| {
        message.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        message.extend_from_slice(bytes);
    };
    part(body);
    part(tenant.as_str().as_bytes());
    part(credential.as_str().as_bytes());
    part(&page_size.to_be_bytes());
    for filter in &query.filters {
        part(filter.name.parameter().as_bytes());
        match &filter.value {
            FilterValue::Text(text) => part(text.as_bytes()),
            FilterValue::Time(time) => part(&time.as_nanosecond().to_be_bytes()),
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RemoteId;
    use crate::domain::bounds::TEXT_MOST;
    use crate::sealing::MasterKey;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const VERSION_1: &str = "AQAAAAAAAACWY5Otn3RYx_P9vv2CzSSyoA";
    const VERSION_2: &str = "AgAAAAAAAACWAAAAAwcHBwcHBwcH9eX8BVMfF9D-FlfnIXKfjg";

    #[test]
    fn a_walk_notices_pages_that_come_again_whenever_the_circle_begins() {
        for (before, circle) in [(0, 1), (0, 2), (3, 1), (2, 5), (7, 11)] {
            let page = |step: usize| {
                let number = if step < before { step } else { before + (step - before) % circle };
                [Contact::bare(RemoteId::from(format!("page{number}")))]
            };
            let mut walk = Some(Walk::from(None));
            let mut steps = 0;
            while let Some(now) = walk {
                walk = now.pass(&page(steps), None);
                steps += 1;
                assert!(steps <= 4 * (before + circle) + 2, "{before} {circle}");
            }
            assert!(
                steps > before + circle,
                "{before} {circle}: no page was shown twice before step {steps}"
            );
        }
    }

    fn binding<'a>(
        query: &'a ContactQuery,
        tenant: &'a TenantId,
        credential: &'a CredentialId,
    ) -> Binding<'a> {
        Binding { tenant, credential, query, page_size: 50 }
    }

    /// Clients continue with cursors of earlier releases after an upgrade: 150 rows were shown in three pages.
    #[test]
    fn a_cursor_of_an_earlier_release_goes_on_where_it_ended() {
        let (query, tenant, credential) = (ContactQuery::default(), "ten_1".into(), "crd_1".into());
        let binding = binding(&query, &tenant, &credential);
        let key = MasterKey::parse(KEY).unwrap();
        let cursors = Cursors::new(Arc::new(Sealer::new(&key).unwrap()));
        let at = Paging::Fixed(200).at_offset(150);
        let open = |cursor: &str| cursors.open(&binding, Paging::Fixed(200), cursor).unwrap();
        assert_eq!(open(VERSION_1), Walk::from(at.clone()));
        let walk = Walk { at, steps: 3, mark: [7; MARK] };
        assert_eq!(open(VERSION_2), walk);
        assert_eq!(open(&cursors.make(&binding, &walk)), walk);
        assert!(cursors.open(&binding, Paging::Cursor, VERSION_2).is_err(), "this CRM had no such cursor");
    }

    #[test]
    fn the_longest_token_fits_into_a_parameter() {
        let (query, tenant, credential) = (ContactQuery::default(), "ten_1".into(), "crd_1".into());
        let cursors = Cursors::new(Arc::new(Sealer::new(&MasterKey::parse(KEY).unwrap()).unwrap()));
        let longest = Walk::from(PageToken::new("x".repeat(PageToken::MOST)));
        let cursor = cursors.make(&binding(&query, &tenant, &credential), &longest);
        assert!(cursor.len() <= TEXT_MOST, "{}", cursor.len());
    }
}
