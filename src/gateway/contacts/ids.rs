//! Ids of contacts, made from the credential and the CRM's own id. They are reversible and need no database.
//!
//! An id is `con_` + base64url of: version, 64 bits of the credential's sha256, the CRM's id, 32 bits of
//! checksum. It gives no access and is not secret. The digest and the checksum detect foreign and mistyped ids.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::{CredentialId, Failure, FailureKind, RemoteId, Result, Text};
use crate::sealing::sha256;

const PREFIX: &str = "con_";
const VERSION: u8 = 1;
const OWNER: usize = 8;
const CHECKSUM: usize = 4;

/// Makes the ids of one credential's contacts.
pub(super) struct IdMaker {
    owner: [u8; OWNER],
}

impl IdMaker {
    pub(super) fn of(credential: &CredentialId) -> Self {
        let digest = sha256(credential.as_str().as_bytes());
        let mut owner = [0; OWNER];
        owner.copy_from_slice(&digest[..OWNER]);
        Self { owner }
    }

    pub(super) fn make(&self, remote_id: &RemoteId) -> Text {
        let remote_id = remote_id.as_str().as_bytes();
        let mut bytes = Vec::with_capacity(1 + OWNER + remote_id.len() + CHECKSUM);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.owner);
        bytes.extend_from_slice(remote_id);
        let checksum = sha256(&bytes);
        bytes.extend_from_slice(&checksum[..CHECKSUM]);
        let mut id = String::with_capacity(PREFIX.len() + bytes.len().div_ceil(3) * 4);
        id.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(bytes, &mut id);
        Text::from(id)
    }
}

/// The id of one contact.
pub(super) fn make(credential: &CredentialId, remote_id: &RemoteId) -> Text {
    IdMaker::of(credential).make(remote_id)
}

/// The CRM's id for an id in a path, which is the gateway's or the CRM's own. Fails with `contact_not_found` if
/// it is neither, or belongs to another credential.
pub(super) fn open(credential: &CredentialId, id: &str) -> Result<RemoteId> {
    let remote_id = match id.strip_prefix(PREFIX) {
        Some(encoded) => decode(credential, encoded),
        None => Some(id.to_owned()),
    };
    // The id inside one of ours is checked too: anyone can make one, and a segment `..` would be another path.
    remote_id.map(RemoteId::from).filter(RemoteId::is_plausible).ok_or_else(|| {
        Failure::new(FailureKind::ContactNotFound, "This credential has no contact with this id. Use the `id` or the `remoteId` of one of its contacts.")
    })
}

fn decode(credential: &CredentialId, encoded: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
    let (head, remote_id) = body.split_at_checked(1 + OWNER)?;
    let good = head[0] == VERSION
        && head[1..] == IdMaker::of(credential).owner
        && checksum == &sha256(body)[..CHECKSUM];
    good.then(|| String::from_utf8(remote_id.to_vec()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(name: &str) -> CredentialId {
        CredentialId::from(name)
    }

    #[test]
    fn an_id_leads_back_to_the_contact_of_its_credential_alone() {
        let (mine, theirs) = (credential("mine"), credential("theirs"));
        let id = make(&mine, &RemoteId::from("abc123"));
        assert_eq!(open(&mine, &id).unwrap().as_str(), "abc123");
        assert_eq!(open(&mine, "abc123").unwrap().as_str(), "abc123");
        assert_eq!(open(&theirs, &id).unwrap_err().kind, FailureKind::ContactNotFound);
    }

    /// Callers store ids, so they must never change: this is the digest of those that the first release makes.
    #[test]
    fn ids_are_those_of_the_first_release() {
        let mut all = String::new();
        for n in 0..1000 {
            let credential = credential(&format!("cred_{:032x}", n * 7919));
            let remote_id = RemoteId::from(format!("{:024x}{}", n * 104_729, "x".repeat(n % 41)));
            all.push_str(make(&credential, &remote_id).as_str());
            all.push('\n');
        }
        assert_eq!(
            crate::sealing::hex(&sha256(all.as_bytes())),
            "eb0d8a2c1fb106fc22b56cbfa4b50ad7034cae03bbe2b63f6192aaa182090a29"
        );
        assert_eq!(
            make(&credential("mine"), &RemoteId::from("abc123")).as_str(),
            "con_AT_TBUL-P2GxYWJjMTIzKQMYkA"
        );
    }

    #[test]
    fn every_mistyped_id_is_unknown() {
        let id = make(&credential("mine"), &RemoteId::from("abc123"));
        for at in PREFIX.len()..id.len() {
            let wrong = if &id[at..=at] == "A" { "B" } else { "A" };
            let mistyped = format!("{}{wrong}{}", &id[..at], &id[at + 1..]);
            assert!(open(&credential("mine"), &mistyped).is_err(), "{mistyped}");
        }
    }

    #[test]
    fn implausible_ids_are_unknown_also_inside_an_id_of_ours() {
        let mine = credential("mine");
        for remote in ["..", ".", "", "a/b", "a b", "é", &"x".repeat(65)] {
            assert!(open(&mine, remote).is_err(), "{remote}");
            assert!(open(&mine, &make(&mine, &RemoteId::from(remote))).is_err(), "{remote}");
        }
    }
}
