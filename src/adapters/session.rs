//! Calls of one account: under a secret sent along each time, or under a login that is renewed when the token ends.

use crate::domain::{CallContext, Effect, Failure, FailureKind, Result};
use crate::upstream::{Authorization, Call, Logins, NextStep, Reply, TokenFor, Upstream};

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

    /// Logs in again, so that a check shows whether the password is still accepted; at most every 10 s.
    pub(super) async fn renew(&self, context: &CallContext) -> Result<()> {
        match self {
            Self::Fixed(_) => Ok(()),
            Self::Login(login) => login.open(context, TokenFor::Check).await.map(|_| ()),
        }
    }
}

/// A login, made when the first call comes; its token is kept in memory alone.
pub(super) struct Login {
    anonymous: Upstream,
    how: Box<dyn LogIn>,
    logins: Logins,
}

impl Login {
    /// The login of `user` with `password`, made by `how`.
    pub(super) fn new(anonymous: Upstream, user: &str, password: &str, how: impl LogIn + 'static) -> Self {
        let logins = anonymous.logins(user, password);
        Self { anonymous: anonymous.hiding(password), how: Box::new(how), logins }
    }

    async fn call(&self, context: &CallContext, call: &Call) -> Result<Reply> {
        let mut refused: Option<(Reply, u64)> = None;
        loop {
            let purpose = refused.as_ref().map_or(TokenFor::Call, |(_, number)| TokenFor::Retry(*number));
            let Some((upstream, number)) = self.open(context, purpose).await? else {
                let reply = refused.map(|(reply, _)| reply);
                return reply.ok_or_else(|| Failure::internal("a login without a token"));
            };
            let reply = upstream.call(context, call).await?;
            if reply.status != 401 {
                self.logins.worked(number);
                return Ok(reply);
            }
            if refused.is_some() {
                return Ok(reply);
            }
            refused = Some((reply, number));
        }
    }

    /// The account under a token, with the token's number; `None` where it is too soon for another login. Whoever comes
    /// first logs in; others wait for that, within their own deadlines.
    async fn open(&self, context: &CallContext, purpose: TokenFor) -> Result<Option<(Upstream, u64)>> {
        let mut turn = None;
        loop {
            match self.logins.next_step(purpose)? {
                NextStep::Use(token, number) => {
                    return Ok(Some((self.anonymous.clone().authorized(token), number)));
                }
                NextStep::GiveUp => return Ok(None),
                NextStep::LogIn if turn.is_none() => {
                    let waited = tokio::time::timeout(context.remaining(), self.logins.turn()).await;
                    turn = Some(waited.map_err(|_| self.late())?);
                }
                NextStep::LogIn => return self.log_in(context).await.map(Some),
            }
        }
    }

    /// A failed login has written nothing, whatever was to be written after it.
    async fn log_in(&self, context: &CallContext) -> Result<(Upstream, u64)> {
        let reply = self.anonymous.call(context, &self.how.call()?).await;
        match reply.and_then(|reply| self.how.authorization(reply)) {
            Ok(token) => {
                let number = self.logins.succeeded(token.clone());
                Ok((self.anonymous.clone().authorized(token), number))
            }
            Err(failure) => {
                let failure = failure.with_effect(Effect::None);
                self.logins.failed(&failure);
                Err(failure)
            }
        }
    }

    fn late(&self) -> Failure {
        Failure::new(FailureKind::UpstreamTimeout, "The login at the CRM did not end in time.")
            .with_upstream(self.anonymous.provider(), None)
    }
}
