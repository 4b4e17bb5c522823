//! Remembers logins at CRMs, because CRMs lock out users whose logins are refused too often. The state outlives adapters,
//! and everything that logs in the same user shares it: calls, checks, changed settings, other credentials.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::Authorization;
use crate::domain::{Failure, FailureKind, Result};
use crate::sealing::sha256;

/// How long a refused password is not tried again.
const REFUSED_FOR: Duration = Duration::from_secs(30);
/// The minimum time between logins of one session when its tokens are refused, or its login responses are invalid.
const APART: Duration = Duration::from_secs(10);
/// The limit on refusals of one user in a minute. Beyond it, passwords that were never accepted are not tried.
const MOST_REFUSALS: usize = 5;
const MINUTE: Duration = Duration::from_mins(1);
/// How many passwords of one user are remembered.
const MOST_SECRETS: usize = 8;

type LoginSecret = [u8; 32];

/// The logins of one user at one CRM.
#[derive(Default)]
pub(super) struct User {
    turn: tokio::sync::Mutex<()>,
    known: Mutex<UserLogins>,
}

#[derive(Default)]
struct UserLogins {
    refusals: VecDeque<Instant>,
    /// The most recently used one is the last.
    sessions: Vec<LoginSession>,
}

/// The logins of one user under one password.
struct LoginSession {
    secret: LoginSecret,
    /// How many logins succeeded. It is also the number of the current token, so that a refusal of an earlier token is recognised.
    logins: u64,
    token: Option<Authorization>,
    /// Whether a call with the current token got a response other than 401.
    worked: bool,
    /// When the last two logins succeeded, newest first.
    last: [Option<Instant>; 2],
    failed: Option<(Failure, Instant)>,
}

/// The logins of one user with one password. Clones, and all that are made for the same user, share their state.
#[derive(Clone)]
pub struct Logins {
    user: Arc<User>,
    secret: LoginSecret,
}

#[derive(Clone, Copy, Debug)]
pub enum TokenFor {
    Call,
    /// A call that got 401 with the token of this number.
    Retry(u64),
    /// A check of the password.
    Check,
}

pub enum NextStep {
    /// Use this one, with its number.
    Use(Authorization, u64),
    LogIn,
    /// Fail the call: the token was refused, and the last login was too recent to repeat.
    GiveUp,
}

impl Logins {
    pub(super) fn new(user: Arc<User>, base_url: &str, password: &str) -> Self {
        let secret = sha256(format!("{}:{base_url}{password}", base_url.len()).as_bytes());
        Self { user, secret }
    }

    /// Waits until no other login of this user is in progress. Hold the guard while logging in.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.user.turn.lock().await
    }

    /// How to get a token. Fails with the failure of the last login while that must not be repeated, and with
    /// `rate_limited` if too many passwords of the user were refused.
    pub fn next_step(&self, purpose: TokenFor) -> Result<NextStep> {
        let (mut known, now) = (self.user.known.lock(), crate::clock::monotonic());
        let wait = known.wait_after_refusals(now);
        let session = known.session(self.secret);
        if let Some((failure, until)) = &session.failed
            && now < *until
        {
            return Err(failure.clone());
        }
        let Some(token) = &session.token else {
            return match wait {
                Some(wait) if session.logins == 0 => Err(too_many(wait)),
                _ => Ok(NextStep::LogIn),
            };
        };
        Ok(match purpose {
            TokenFor::Retry(refused) if refused == session.logins => {
                if session.may_renew(now) {
                    NextStep::LogIn
                } else {
                    NextStep::GiveUp
                }
            }
            TokenFor::Check if long_ago(session.last[0], now) => NextStep::LogIn,
            TokenFor::Call | TokenFor::Retry(_) | TokenFor::Check => {
                NextStep::Use(token.clone(), session.logins)
            }
        })
    }

    /// Notes a login that succeeded. Returns the number of its token.
    pub fn succeeded(&self, token: Authorization) -> u64 {
        let mut known = self.user.known.lock();
        let session = known.session(self.secret);
        session.logins += 1;
        session.token = Some(token);
        session.worked = false;
        session.last = [Some(crate::clock::monotonic()), session.last[0]];
        session.failed = None;
        session.logins
    }

    /// Notes a login that failed. A login that failed because of the network or a busy CRM may be retried at once.
    pub fn failed(&self, failure: &Failure) {
        let (mut known, now) = (self.user.known.lock(), crate::clock::monotonic());
        let pause = match failure.kind {
            FailureKind::UpstreamCredentialRejected => {
                known.refusals.push_back(now);
                REFUSED_FOR
            }
            FailureKind::UpstreamInvalidResponse => APART,
            _ => return,
        };
        let session = known.session(self.secret);
        session.token = None;
        session.failed = Some((failure.clone(), now + pause));
    }

    /// Notes that a call with the token of this number got a response other than 401.
    pub fn worked(&self, number: u64) {
        let mut known = self.user.known.lock();
        let session = known.session(self.secret);
        session.worked |= session.logins == number;
    }
}

impl User {
    /// Whether it has nothing to remember.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let mut known = self.known.lock();
        known.forget_refusals(now);
        let is_idle = |session: &LoginSession| {
            long_ago(session.last[0], now) && session.failed.as_ref().is_none_or(|(_, until)| *until <= now)
        };
        known.refusals.is_empty() && known.sessions.iter().all(is_idle)
    }
}

impl UserLogins {
    fn session(&mut self, secret: LoginSecret) -> &mut LoginSession {
        let at = self.sessions.iter().position(|session| session.secret == secret);
        let session = match at {
            Some(at) => self.sessions.remove(at),
            None => {
                LoginSession { secret, logins: 0, token: None, worked: false, last: [None; 2], failed: None }
            }
        };
        if self.sessions.len() >= MOST_SECRETS {
            self.sessions.remove(0);
        }
        self.sessions.push(session);
        let last = self.sessions.len() - 1;
        &mut self.sessions[last]
    }

    fn forget_refusals(&mut self, now: Instant) {
        while self.refusals.front().is_some_and(|at| now.saturating_duration_since(*at) >= MINUTE) {
            self.refusals.pop_front();
        }
    }

    /// How long no new password may be tried; `None` if one may be tried now.
    fn wait_after_refusals(&mut self, now: Instant) -> Option<Duration> {
        self.forget_refusals(now);
        let at = self.refusals.len().checked_sub(MOST_REFUSALS)?;
        self.refusals.get(at).map(|at| (*at + MINUTE).saturating_duration_since(now))
    }
}

impl LoginSession {
    /// A token that worked may have expired, so it is renewed at once, but not twice in a row. A token that never worked is
    /// renewed only after [`APART`].
    fn may_renew(&self, now: Instant) -> bool {
        long_ago(self.last[0], now) || (self.worked && long_ago(self.last[1], now))
    }
}

fn long_ago(login: Option<Instant>, now: Instant) -> bool {
    login.is_none_or(|at| now.saturating_duration_since(at) >= APART)
}

fn too_many(wait: Duration) -> Failure {
    let detail = "The CRM refused too many logins of this user in the last minute; nothing was sent. Try again later with the right password.";
    Failure::new(FailureKind::RateLimited, detail).with_retry_after(Some(wait))
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn logins(user: &Arc<User>, password: &str) -> Logins {
        Logins::new(Arc::clone(user), "https://crm.example.com", password)
    }

    fn refusal() -> Failure {
        Failure::new(FailureKind::UpstreamCredentialRejected, "The CRM refused the login.")
    }

    /// `use`, `log in`, `give up`, or the failure's code.
    fn step(logins: &Logins, purpose: TokenFor) -> &'static str {
        match logins.next_step(purpose) {
            Ok(NextStep::Use(..)) => "use",
            Ok(NextStep::LogIn) => "log in",
            Ok(NextStep::GiveUp) => "give up",
            Err(failure) => failure.kind.code(),
        }
    }

    fn token() -> Authorization {
        Authorization::new("authorization", "Bearer any").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_password_rests_for_thirty_seconds_and_another_one_does_not() {
        let user = Arc::default();
        let (wrong, right) = (logins(&user, "wrong"), logins(&user, "right"));
        assert_eq!(step(&wrong, TokenFor::Call), "log in");
        wrong.failed(&refusal());
        assert!(!user.is_idle(crate::clock::monotonic()));
        for purpose in [TokenFor::Call, TokenFor::Check, TokenFor::Retry(0)] {
            assert_eq!(step(&logins(&user, "wrong"), purpose), "upstream_credential_rejected");
        }
        assert_eq!(step(&right, TokenFor::Call), "log in");
        assert_eq!(right.succeeded(token()), 1);
        assert_eq!(step(&right, TokenFor::Call), "use");
        advance(REFUSED_FOR).await;
        assert_eq!((step(&wrong, TokenFor::Call), step(&right, TokenFor::Call)), ("log in", "use"));
        advance(MINUTE).await;
        assert!(user.is_idle(crate::clock::monotonic()));
    }

    #[tokio::test(start_paused = true)]
    async fn after_five_refusals_in_a_minute_only_a_password_that_was_accepted_before_is_tried() {
        let user = Arc::default();
        let known = logins(&user, "right");
        known.succeeded(token());
        for number in 0..MOST_REFUSALS {
            let wrong = logins(&user, &format!("wrong {number}"));
            assert_eq!(step(&wrong, TokenFor::Call), "log in");
            wrong.failed(&refusal());
        }
        let another = logins(&user, "another");
        assert_eq!(step(&another, TokenFor::Call), "rate_limited");
        advance(Duration::from_secs(59)).await;
        assert_eq!(
            another.next_step(TokenFor::Check).err().unwrap().retry_after,
            Some(Duration::from_secs(1))
        );
        assert_eq!(step(&known, TokenFor::Retry(1)), "log in");
        advance(Duration::from_secs(1)).await;
        assert_eq!(step(&another, TokenFor::Call), "log in");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_never_worked_is_renewed_every_ten_seconds_and_one_that_worked_once_more_at_once() {
        let (user, mut logged_in) = (Arc::default(), 0);
        let logins = logins(&user, "right");
        logins.succeeded(token());
        for _ in 0..600 {
            advance(Duration::from_millis(100)).await;
            assert_eq!(step(&logins, TokenFor::Call), "use");
            if step(&logins, TokenFor::Retry(logged_in + 1)) == "log in" {
                logged_in = logins.succeeded(token()) - 1;
            }
        }
        assert_eq!(logged_in, 6, "in a minute");
        logins.worked(1);
        assert_eq!(step(&logins, TokenFor::Retry(7)), "give up", "an earlier token worked");
        advance(APART).await;
        let number = logins.succeeded(token());
        logins.worked(number);
        assert_eq!(step(&logins, TokenFor::Retry(number)), "log in");
        let number = logins.succeeded(token());
        logins.worked(number);
        assert_eq!(step(&logins, TokenFor::Retry(number)), "give up");
        assert_eq!(step(&logins, TokenFor::Retry(number - 1)), "use", "somebody has logged in since");
        assert_eq!(step(&logins, TokenFor::Check), "use");
        advance(APART).await;
        assert_eq!(step(&logins, TokenFor::Check), "log in");
    }

    #[tokio::test(start_paused = true)]
    async fn an_unreadable_login_rests_for_ten_seconds_and_a_lost_one_not_at_all() {
        let logins = logins(&Arc::default(), "right");
        logins.failed(&Failure::new(FailureKind::UpstreamTimeout, "It did not answer."));
        assert_eq!(step(&logins, TokenFor::Call), "log in");
        logins.failed(&Failure::new(FailureKind::UpstreamInvalidResponse, "It holds no token."));
        assert_eq!(step(&logins, TokenFor::Call), "upstream_invalid_response");
        advance(APART).await;
        assert_eq!(step(&logins, TokenFor::Call), "log in");
    }
}
