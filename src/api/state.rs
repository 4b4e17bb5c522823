//! What the routes share: the gateway, who authenticates, whether the process takes traffic.

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::FromRef;

use crate::domain::{Caller, Result};
use crate::gateway::Gateway;

/// Says who calls, from the `Authorization` header as it came.
#[async_trait]
pub trait Authenticate: Send + Sync + 'static {
    /// The tenant's caller behind a key or token.
    ///
    /// - nothing, another scheme, an unknown or ended key: `unauthenticated`
    /// - the admin token: `insufficient_scope`
    async fn caller(&self, authorization: Option<&str>) -> Result<Caller>;

    /// Accepts the admin token.
    ///
    /// - nothing, or neither the token nor a key: `unauthenticated`
    /// - a tenant's key: `insufficient_scope`
    fn operator(&self, authorization: Option<&str>) -> Result<()>;

    /// Whether an admin token is configured; without one the operator's routes do not exist.
    fn admin_enabled(&self) -> bool;
}

/// Answers whether the process takes traffic: `Ok`, or `draining`, `store_unavailable`.
pub type Readiness = Arc<dyn Fn() -> Result<()> + Send + Sync>;

/// What every route can reach.
#[derive(Clone)]
pub struct AppState {
    /// What we promise whichever the CRM.
    pub gateway: Arc<Gateway>,
    /// Who calls.
    pub authenticator: Arc<dyn Authenticate>,
    /// Whether the process takes traffic.
    pub readiness: Readiness,
}

impl FromRef<AppState> for Arc<Gateway> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.gateway)
    }
}

impl FromRef<AppState> for Readiness {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.readiness)
    }
}
