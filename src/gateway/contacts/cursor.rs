//! Cursors: a position in an upstream's list, authenticated and bound to the list it belongs to.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::{
    Contact, ContactQuery, CredentialId, Failure, FilterValue, Position, Result, TenantId, Text,
};
use crate::sealing::{Sealer, sha256};

const VERSION: u8 = 2;
const POSITION: usize = 8;
const STEPS: usize = 4;
const MARK: usize = 8;
const MAC: usize = 16;
const PURPOSE: &str = "cursor";

/// Makes and opens cursors.
pub(super) struct Cursors(Arc<Sealer>);

/// How far a walk through a list has come. It remembers one page that it has passed, a later one each time that the number
/// of pages doubles: so a CRM that shows the same pages again and again is noticed, however many pages there are between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Walk {
    pub(super) position: Position,
    /// Pages that were passed.
    steps: u32,
    /// What the remembered page showed.
    mark: [u8; MARK],
}

impl Walk {
    /// A walk that begins here.
    pub(super) const fn from(position: Position) -> Self {
        Self { position, steps: 0, mark: [0; MARK] }
    }

    /// The walk behind a page of these contacts; `None` where it showed exactly them before.
    pub(super) fn pass(self, page: &[Contact], next: Position) -> Option<Self> {
        if page.is_empty() {
            return Some(Self { position: next, ..self });
        }
        let ids: Vec<&[u8]> =
            page.iter().flat_map(|contact| [contact.remote_id.as_str().as_bytes(), b"\n"]).collect();
        let mut shown = [0; MARK];
        shown.copy_from_slice(&sha256(&ids.concat())[..MARK]);
        if self.steps > 0 && shown == self.mark {
            return None;
        }
        let steps = self.steps.saturating_add(1);
        Some(Self { position: next, steps, mark: if steps.is_power_of_two() { shown } else { self.mark } })
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

    /// The cursor of `walk` in the list that `binding` names.
    pub(super) fn make(&self, binding: &Binding<'_>, walk: Walk) -> Text {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&walk.position.0.to_be_bytes());
        bytes.extend_from_slice(&walk.steps.to_be_bytes());
        bytes.extend_from_slice(&walk.mark);
        let mac = self.0.mac(PURPOSE, &message(binding, &bytes));
        bytes.extend_from_slice(&mac[..MAC]);
        Text::from(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The walk behind a cursor. Fails with `invalid_parameter` where it was altered, or made for another list.
    pub(super) fn open(&self, binding: &Binding<'_>, cursor: &str) -> Result<Walk> {
        self.walk(binding, cursor).ok_or_else(|| {
            Failure::parameter("cursor", "`cursor` is not one that this list gave: pass `pageInfo.nextCursor` on unchanged, with the same credential, filters and pageSize.")
        })
    }

    fn walk(&self, binding: &Binding<'_>, cursor: &str) -> Option<Walk> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (body, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC)?)?;
        if !self.0.authentic(PURPOSE, &message(binding, body), mac) {
            return None;
        }
        let (version, body) = body.split_first()?;
        let (position, passed) = body.split_at_checked(POSITION)?;
        let walk = Walk::from(Position(u64::from_be_bytes(position.try_into().ok()?)));
        match *version {
            // Made by an earlier version of the gateway: the position alone.
            1 if passed.is_empty() => Some(walk),
            VERSION => {
                let (steps, mark) = passed.split_at_checked(STEPS)?;
                Some(Walk {
                    steps: u32::from_be_bytes(steps.try_into().ok()?),
                    mark: mark.try_into().ok()?,
                    ..walk
                })
            }
            _ => None,
        }
    }
}

/// What is authenticated: the position, and all that it is bound to.
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

    #[test]
    fn a_walk_notices_pages_that_come_again_whenever_the_circle_begins() {
        for (before, circle) in [(0, 1), (0, 2), (3, 1), (2, 5), (7, 11)] {
            let page = |step: usize| {
                let number = if step < before { step } else { before + (step - before) % circle };
                [Contact::bare(RemoteId::from(format!("page{number}")))]
            };
            let mut walk = Some(Walk::from(Position(0)));
            let mut steps = 0;
            while let Some(now) = walk {
                walk = now.pass(&page(steps), Position(0));
                steps += 1;
                assert!(steps <= 4 * (before + circle) + 2, "{before} {circle}");
            }
            assert!(
                steps > before + circle,
                "{before} {circle}: no page was shown twice before step {steps}"
            );
        }
    }
}
