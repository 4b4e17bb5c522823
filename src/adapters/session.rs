//! Calls of one account, authorized by a fixed secret, or by a login that is renewed when its token expires.

use crate::domain::{CallContext, Effect, Failure, FailureKind, Result};
use crate::upstream::{Authorization, Call, Logins, NextStep, Reply, TokenFor, Upstream};

/// How to log in to a CRM.
pub(super) trait LogIn: Send + Sync {
    /// The call; it contains the secret.
    fn call(&self) -> Result<Call>;

    /// The authorization of later calls. Fails with `upstream_credential_rejected` if the CRM refuses the
    /// login. The failure must not contain the reply's body: it may repeat what was sent.
    fn authorization(&self, reply: Reply) -> Result<Authorization>;
}

pub(super) enum Session {
    /// Every call has the same secret.
    Fixed(Box<Upstream>),
    /// Every call has the token of the last login.
    Login(Box<Login>),
}

impl Session {
    /// Sends `call`. After a 401, a login is renewed and the call is sent once more, also a write: a CRM that
    /// responds with 401 has not applied it.
    pub(super) async fn call(&self, context: &CallContext, call: &Call) -> Result<Reply> {
        match self {
            Self::Fixed(upstream) => upstream.call(context, call).await,
            Self::Login(login) => login.call(context, call).await,
        }
    }

    /// Logs in again, at most every 10 s, to check that the password is still valid.
    pub(super) async fn renew(&self, context: &CallContext) -> Result<()> {
        match self {
            Self::Fixed(_) => Ok(()),
            Self::Login(login) => login.open(context, TokenFor::Check).await.map(|_| ()),
        }
    }
}

/// A login, made on the first call. Its token is kept only in memory.
pub(super) struct Login {
    anonymous: Upstream,
    how: Box<dyn LogIn>,
    logins: Logins,
}

impl Login {
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

    /// The account with a token, and the token's number; `None` if it is too soon for another login. The first
    /// caller logs in; others wait for it, within their own deadlines.
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

    /// A failed login has no effect, even if it came before a write.
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
        Failure::new(FailureKind::UpstreamTimeout, "The login to the CRM timed out.")
            .with_upstream(self.anonymous.provider(), None)
    }
}
