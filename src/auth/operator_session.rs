//! Sessions of the operator in a browser: signed by the gateway, stored nowhere, valid for a short time.
//!
//! A session is its end and a MAC over the end and the admin token, under the master key. So all replicas accept it, another
//! admin token ends it, and whoever sees one cannot try tokens against it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Authenticator, LONGEST, unauthenticated};
use crate::domain::{Failure, FailureKind, Result};
use crate::sealing::length_prefixed;

/// How long a session is valid.
pub const SESSION_TIME: Duration = Duration::from_mins(30);
const PURPOSE: &str = "operator session";
/// The bytes of the MAC.
const TAG: usize = 32;

impl Authenticator {
    /// Opens a session for whoever has the admin token. Fails with `unauthenticated`, and without an operator with
    /// `route_not_found`.
    pub fn sign_in(&self, token: &str) -> Result<String> {
        let (Some(admin), Some(sealer)) = (&self.admin, &self.sealer) else {
            return Err(Failure::new(FailureKind::RouteNotFound, "This gateway has no admin token."));
        };
        if token.len() > LONGEST || !self.is_admin_token(token) {
            let detail = "This is not the admin token of this gateway.";
            return Err(unauthenticated(detail).with_reason("wrong admin token"));
        }
        let end = crate::clock::now().as_second().saturating_add(SESSION_TIME.as_secs().cast_signed());
        let tag = sealer.mac(PURPOSE, &message(end, admin));
        Ok(format!("{end}.{}", URL_SAFE_NO_PAD.encode(tag)))
    }

    /// Whether `session` is one that [`Self::sign_in`] opened, with the same admin token, and has not ended.
    #[must_use]
    pub fn is_session(&self, session: &str) -> bool {
        let (Some(admin), Some(sealer)) = (&self.admin, &self.sealer) else { return false };
        let Some((end, tag)) = session.split_once('.') else { return false };
        let (Ok(end), Ok(tag)) = (end.parse::<i64>(), URL_SAFE_NO_PAD.decode(tag)) else { return false };
        let left = end.saturating_sub(crate::clock::now().as_second());
        // One that ends later was opened before the clock was set back.
        let is_valid = left > 0 && left <= SESSION_TIME.as_secs().cast_signed();
        is_valid && tag.len() == TAG && sealer.authentic(PURPOSE, &message(end, admin), &tag)
    }
}

fn message(end: i64, admin: &[u8; 32]) -> Vec<u8> {
    length_prefixed(&[&end.to_be_bytes(), admin])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::SignedDuration;
    use secrecy::SecretString;

    use super::*;
    use crate::clock::tests::set_shift;
    use crate::sealing::{MasterKey, Sealer};
    use crate::store::tests::TestPlace;

    /// Replicas with these admin tokens and one master key.
    async fn replicas<const N: usize>(tokens: [Option<&str>; N]) -> [Authenticator; N] {
        let sealer = Arc::new(Sealer::new(&MasterKey::generate().unwrap()).unwrap());
        let keys = TestPlace::new().await.open().await.keys;
        tokens.map(|token| {
            Authenticator::new(keys.clone(), token.map(SecretString::from).as_ref())
                .with_sessions(sealer.clone())
        })
    }

    #[tokio::test]
    async fn every_replica_accepts_a_session_until_it_ends_or_the_token_changes() {
        let [one, other, changed, without] =
            replicas([Some("the token"), Some("the token"), Some("another"), None]).await;
        let session = one.sign_in("the token").unwrap();
        assert!(one.is_session(&session) && other.is_session(&session));
        assert!(!changed.is_session(&session) && !without.is_session(&session));
        assert!(!session.contains("token"));
        for (shift, valid) in [(29 * 60, true), (30 * 60 + 1, false), (-5, false), (-86_400, false)] {
            set_shift(SignedDuration::from_secs(shift));
            assert_eq!(one.is_session(&session), valid, "{shift} s later");
        }
        set_shift(SignedDuration::ZERO);
    }

    #[tokio::test]
    async fn only_the_admin_token_opens_a_session_and_only_an_unchanged_session_is_one() {
        let [one, stranger] = replicas([Some("the token"), None]).await;
        for wrong in ["", "the toke", "the token ", "THE TOKEN", &"x".repeat(LONGEST + 1)] {
            let failure = one.sign_in(wrong).unwrap_err();
            assert_eq!(
                (failure.kind, failure.reason),
                (FailureKind::Unauthenticated, Some("wrong admin token"))
            );
        }
        assert_eq!(stranger.sign_in("").unwrap_err().kind, FailureKind::RouteNotFound);
        let session = one.sign_in("the token").unwrap();
        let (end, tag) = session.split_once('.').unwrap();
        let later = end.parse::<i64>().unwrap() - 1;
        let cut = &tag[..tag.len() - 4];
        for tampered in [
            format!("{later}.{tag}"),
            format!("{end}.{cut}"),
            format!("{end}."),
            format!("{end}.{}", tag.to_uppercase()),
            format!("{end}{tag}"),
            format!("-{session}"),
            String::new(),
            "the token".to_owned(),
        ] {
            assert!(!one.is_session(&tampered), "{tampered}");
        }
        let [elsewhere] = replicas([Some("the token")]).await;
        assert!(!elsewhere.is_session(&session), "another master key");
    }
}
