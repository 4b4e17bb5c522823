//! Calls of one account: under a secret sent along each time, or under a login that is renewed when the token ends.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::domain::{CallContext, Effect, Failure, FailureKind, Result};
use crate::upstream::{Authorization, Call, Reply, Upstream};

/// How long a refused login is not tried again: CRMs lock users out who mistype too often. A changed secret makes a
/// new session, and a check does too.
const REFUSED_FOR: Duration = Duration::from_secs(30);

/// How a CRM is logged in to.
pub(super) trait LogIn: Send + Sync {
    /// The call; it holds the secret.
    fn call(&self) -> Result<Call>;

    /// What authorises calls after `reply`. Fails with `upstream_credential_rejected` where the CRM refuses the
    /// login. Nothing of the reply's body may stand in a failure: it may repeat what was sent.
    fn authorization(&self, reply: Reply) -> Result<Authorization>;
}

/// The way to one account.
pub(super) enum Session {
    /// Each call bears the same secret.
    Fixed(Box<Upstream>),
    /// Each call bears the token of the last login.
    Login(Box<Login>),
}

impl Session {
    /// Sends `call`. After a 401 under a login it is sent once more under a new one, a write too: a CRM that answers
    /// 401 has applied nothing.
    pub(super) async fn call(&self, context: &CallContext, call: &Call) -> Result<Reply> {
        match self {
            Self::Fixed(upstream) => upstream.call(context, call).await,
            Self::Login(login) => login.call(context, call).await,
        }
    }
}

/// A login, made when the first call comes; its token is kept in memory alone.
pub(super) struct Login {
    anonymous: Upstream,
    how: Box<dyn LogIn>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How often the CRM was logged in to; tells a token that was just refused from one made since.
    logins: u64,
    last: Option<Outcome>,
}

enum Outcome {
    In(Upstream),
    Refused(Failure, Instant),
}

impl Login {
    pub(super) fn new(anonymous: Upstream, how: impl LogIn + 'static) -> Self {
        Self { anonymous, how: Box::new(how), state: Mutex::default() }
    }

    async fn call(&self, context: &CallContext, call: &Call) -> Result<Reply> {
        let (upstream, login) = self.open(context, None).await?;
        let reply = upstream.call(context, call).await?;
        if reply.status != 401 {
            return Ok(reply);
        }
        let (upstream, _) = self.open(context, Some(login)).await?;
        upstream.call(context, call).await
    }

    /// The account under a login other than `refused`, with the login's number. Whoever comes first logs in; others
    /// wait for that, within their own deadlines.
    async fn open(&self, context: &CallContext, refused: Option<u64>) -> Result<(Upstream, u64)> {
        let waited = tokio::time::timeout(context.remaining(), self.state.lock()).await;
        let mut state = waited.map_err(|_| self.late())?;
        match &state.last {
            Some(Outcome::In(upstream)) if refused != Some(state.logins) => {
                return Ok((upstream.clone(), state.logins));
            }
            Some(Outcome::Refused(failure, at)) if at.elapsed() < REFUSED_FOR => return Err(failure.clone()),
            _ => {}
        }
        match self.log_in(context).await {
            Ok(upstream) => {
                state.logins += 1;
                state.last = Some(Outcome::In(upstream.clone()));
                Ok((upstream, state.logins))
            }
            Err(failure) => {
                if failure.kind == FailureKind::UpstreamCredentialRejected {
                    state.last = Some(Outcome::Refused(failure.clone(), Instant::now()));
                }
                Err(failure)
            }
        }
    }

    /// A failed login has written nothing, whatever was to be written after it.
    async fn log_in(&self, context: &CallContext) -> Result<Upstream> {
        let reply = self.anonymous.call(context, &self.how.call()?).await;
        let authorization = reply.and_then(|reply| self.how.authorization(reply));
        authorization
            .map(|authorization| self.anonymous.clone().authorized(authorization))
            .map_err(|failure| failure.with_effect(Effect::None))
    }

    fn late(&self) -> Failure {
        Failure::new(FailureKind::UpstreamTimeout, "The login at the CRM did not end in time.")
            .with_upstream(self.anonymous.provider(), None)
    }
}
