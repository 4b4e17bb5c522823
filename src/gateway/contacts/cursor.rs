//! Cursors: a position in an upstream's list, authenticated and bound to the list it belongs to.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::{ContactQuery, CredentialId, Failure, FilterValue, Position, Result, TenantId, Text};
use crate::sealing::Sealer;

const VERSION: u8 = 1;
const POSITION: usize = 8;
const MAC: usize = 16;
const PURPOSE: &str = "cursor";

/// Makes and opens cursors.
pub(super) struct Cursors(Arc<Sealer>);

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

    /// The cursor of `position` in the list that `binding` names.
    pub(super) fn make(&self, binding: &Binding<'_>, position: Position) -> Text {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&position.0.to_be_bytes());
        let mac = self.0.mac(PURPOSE, &message(binding, &bytes));
        bytes.extend_from_slice(&mac[..MAC]);
        Text::from(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The position behind a cursor. Fails with `invalid_parameter` where it was altered, or made for another list.
    pub(super) fn open(&self, binding: &Binding<'_>, cursor: &str) -> Result<Position> {
        self.position(binding, cursor).ok_or_else(|| {
            Failure::parameter("cursor", "`cursor` is not one that this list gave: pass `pageInfo.nextCursor` on unchanged, with the same credential, filters and pageSize.")
        })
    }

    fn position(&self, binding: &Binding<'_>, cursor: &str) -> Option<Position> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (body, mac) = bytes.split_at_checked(1 + POSITION)?;
        let good =
            body[0] == VERSION && mac.len() == MAC && self.0.authentic(PURPOSE, &message(binding, body), mac);
        good.then(|| body[1..].try_into().ok().map(u64::from_be_bytes).map(Position)).flatten()
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
