//! Cursors: the state of a walk through a list, authenticated and bound to the list. A cursor expires after 24 hours.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::walk::WalkState;
use crate::adapters::Paging;
use crate::clock;
use crate::domain::{
    Contact, ContactQuery, CredentialId, Failure, FilterValue, PageToken, Result, TenantId, Text,
};
use crate::sealing::{Sealer, short_digest};

const VERSION: u8 = 4;
/// Bytes of the row number that cursors of versions 1 and 2 start with.
const OFFSET: usize = 8;
/// Bytes of the time at which a cursor was made, in seconds.
const TIME: usize = 4;
const STEPS: usize = 4;
const MARK: usize = 8;
const MAC: usize = 16;
const PURPOSE: &str = "cursor";
/// Seconds for which a cursor is valid.
const VALID: u32 = 24 * 60 * 60;

#[derive(Clone)]
pub(super) struct Cursors(Arc<Sealer>);

/// The progress of a walk through a list. Detects a CRM that repeats pages: the walk remembers one earlier
/// page, and replaces it by the current page each time the number of pages doubles. So a cycle of any length is
/// found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListProgress {
    pub(super) state: WalkState,
    /// Number of pages read.
    steps: u32,
    /// Digest of the remembered page.
    mark: [u8; MARK],
}

impl ListProgress {
    /// A walk that starts here.
    pub(super) const fn from(state: WalkState) -> Self {
        Self { state, steps: 0, mark: [0; MARK] }
    }

    /// The walk after a page with these contacts; `None` if the remembered page had exactly the same ones. A walk by time may
    /// show the same contacts again, and ends all the same.
    pub(super) fn pass(self, page: &[Contact], next: WalkState) -> Option<Self> {
        if !self.state.is_by_pages() {
            return Some(Self::from(next));
        }
        if page.is_empty() {
            return Some(Self { state: next, ..self });
        }
        let ids: Vec<&[u8]> =
            page.iter().flat_map(|contact| [contact.remote_id.as_str().as_bytes(), b"\n"]).collect();
        let shown = short_digest(&ids.concat());
        if self.steps > 0 && shown == self.mark {
            return None;
        }
        let steps = self.steps.saturating_add(1);
        Some(Self { state: next, steps, mark: if steps.is_power_of_two() { shown } else { self.mark } })
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

    /// The cursor of `progress` in the list of `binding`.
    pub(super) fn make(&self, binding: &Binding<'_>, progress: &ListProgress) -> Text {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&seconds().to_be_bytes());
        bytes.extend_from_slice(&progress.steps.to_be_bytes());
        bytes.extend_from_slice(&progress.mark);
        bytes.extend_from_slice(progress.state.encode().as_bytes());
        let mac = self.0.mac(PURPOSE, &message(binding, &bytes));
        bytes.extend_from_slice(&mac[..MAC]);
        Text::from(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The progress of a cursor. Fails with `invalid_parameter` if it was altered or made for another list, and if it has
    /// expired.
    pub(super) fn open(&self, binding: &Binding<'_>, paging: Paging, cursor: &str) -> Result<ListProgress> {
        let (made_at, progress) = self.read(binding, paging, cursor).ok_or_else(|| {
            Failure::parameter("cursor", "It does not belong to this list. Send `pageInfo.nextCursor` unchanged, with the same credential, filters and pageSize.")
        })?;
        if made_at.is_some_and(|made_at| seconds().saturating_sub(made_at) > VALID) {
            let detail =
                "`cursor` has expired: a cursor is valid for 24 hours. Start again without a cursor.";
            return Err(Failure::parameter("cursor", detail));
        }
        Ok(progress)
    }

    /// When the cursor was made, if it says so, and its progress.
    fn read(
        &self,
        binding: &Binding<'_>,
        paging: Paging,
        cursor: &str,
    ) -> Option<(Option<u32>, ListProgress)> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (body, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC)?)?;
        if !self.0.authentic(PURPOSE, &message(binding, body), mac) {
            return None;
        }
        let (version, body) = body.split_first()?;
        if *version == VERSION {
            let (time, body) = body.split_at_checked(TIME)?;
            let (passed, text) = body.split_at_checked(STEPS + MARK)?;
            let state = WalkState::decode(std::str::from_utf8(text).ok()?)?;
            return Some((Some(u32::from_be_bytes(time.try_into().ok()?)), passed_before(passed, state)?));
        }
        // Cursors of earlier releases go on by pages.
        let pages = |at| WalkState::of_pages(Some(at));
        if *version == 3 {
            let (passed, token) = body.split_at_checked(STEPS + MARK)?;
            let token = PageToken::new(std::str::from_utf8(token).ok()?)?;
            return Some((None, passed_before(passed, pages(token))?));
        }
        let (offset, passed) = body.split_at_checked(OFFSET)?;
        let state = pages(paging.at_offset(u64::from_be_bytes(offset.try_into().ok()?))?);
        match *version {
            1 if passed.is_empty() => Some((None, ListProgress::from(state))),
            2 => Some((None, passed_before(passed, state)?)),
            _ => None,
        }
    }
}

/// The progress that continues at `state`, with the cursor's record of earlier pages.
fn passed_before(passed: &[u8], state: WalkState) -> Option<ListProgress> {
    let (steps, mark) = passed.split_at_checked(STEPS)?;
    let steps = u32::from_be_bytes(steps.try_into().ok()?);
    Some(ListProgress { state, steps, mark: mark.try_into().ok()? })
}

/// The wall clock, in seconds.
fn seconds() -> u32 {
    u32::try_from(clock::now().as_second()).unwrap_or_default()
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
    use crate::adapters::{PageRows, Traversal};
    use crate::clock::tests::set_shift;
    use crate::domain::RemoteId;
    use crate::domain::bounds::TEXT_MOST;
    use crate::sealing::MasterKey;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NUMBERED: Paging = Paging::Numbered { rows: PageRows::Fixed(200), traversal: Traversal::Offsets };
    const VERSION_1: &str = "AQAAAAAAAACWY5Otn3RYx_P9vv2CzSSyoA";
    const VERSION_2: &str = "AgAAAAAAAACWAAAAAwcHBwcHBwcH9eX8BVMfF9D-FlfnIXKfjg";

    #[test]
    fn a_walk_notices_pages_that_come_again_whenever_the_circle_begins() {
        for (before, circle) in [(0, 1), (0, 2), (3, 1), (2, 5), (7, 11)] {
            let page = |step: usize| {
                let number = if step < before { step } else { before + (step - before) % circle };
                [Contact::bare(RemoteId::from(format!("page{number}")))]
            };
            let mut progress = Some(ListProgress::from(WalkState::of_pages(None)));
            let mut steps = 0;
            while let Some(now) = progress {
                progress = now.pass(&page(steps), WalkState::of_pages(None));
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

    fn cursors() -> Cursors {
        Cursors::new(Arc::new(Sealer::new(&MasterKey::parse(KEY).unwrap()).unwrap()))
    }

    /// Clients continue with cursors of earlier releases after an upgrade: 150 rows were shown in three pages.
    #[test]
    fn a_cursor_of_an_earlier_release_goes_on_by_pages_where_it_ended() {
        let (query, tenant, credential) = (ContactQuery::default(), "ten_1".into(), "crd_1".into());
        let binding = binding(&query, &tenant, &credential);
        let cursors = cursors();
        let state = WalkState::of_pages(PageToken::new("150"));
        let open = |cursor: &str| cursors.open(&binding, NUMBERED, cursor).unwrap();
        assert_eq!(open(VERSION_1), ListProgress::from(state.clone()));
        let progress = ListProgress { state, steps: 3, mark: [7; MARK] };
        assert_eq!(open(VERSION_2), progress);
        let mut version_3 = vec![3, 0, 0, 0, 3, 7, 7, 7, 7, 7, 7, 7, 7, b'1', b'5', b'0'];
        let mac = cursors.0.mac(PURPOSE, &message(&binding, &version_3));
        version_3.extend_from_slice(&mac[..MAC]);
        assert_eq!(open(&URL_SAFE_NO_PAD.encode(version_3)), progress);
        assert_eq!(open(&cursors.make(&binding, &progress)), progress);
        assert!(cursors.open(&binding, Paging::Cursor, VERSION_2).is_err(), "this CRM had no such cursor");
    }

    #[test]
    fn the_longest_token_fits_into_a_parameter() {
        let (query, tenant, credential) = (ContactQuery::default(), "ten_1".into(), "crd_1".into());
        let longest = WalkState::of_pages(PageToken::new("x".repeat(PageToken::MOST)));
        let cursor = cursors().make(&binding(&query, &tenant, &credential), &ListProgress::from(longest));
        assert!(cursor.len() <= TEXT_MOST, "{}", cursor.len());
    }

    #[test]
    fn an_expired_cursor_is_told_apart_from_a_forged_one() {
        let (query, tenant, credential) = (ContactQuery::default(), "ten_1".into(), "crd_1".into());
        let binding = binding(&query, &tenant, &credential);
        let cursors = cursors();
        let cursor = cursors.make(&binding, &ListProgress::from(WalkState::of_pages(None)));
        let after = |hours: i64, cursor: &str| {
            set_shift(jiff::SignedDuration::from_hours(hours));
            let outcome = cursors.open(&binding, NUMBERED, cursor);
            set_shift(jiff::SignedDuration::ZERO);
            outcome.err().map_or_else(String::new, |failure| failure.detail.as_str().to_owned())
        };
        assert_eq!((after(0, &cursor), after(23, &cursor)), (String::new(), String::new()));
        assert!(after(25, &cursor).contains("expired"), "{}", after(25, &cursor));
        assert!(after(25, &cursor[1..]).contains("does not belong"), "{}", after(25, &cursor[1..]));
        assert_eq!(after(1_000, VERSION_2), "", "cursors of earlier releases have no time");
        assert_eq!(after(-1_000, &cursor), "", "a clock that was set back");
    }
}
