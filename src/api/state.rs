//! What the routes share: the gateway, who authenticates, whether the process takes traffic.

use std::pin::Pin;
use std::sync::Arc;

use axum::extract::FromRef;

use super::RequestAdmission;
use crate::auth::Authenticator;
use crate::domain::Result;
use crate::gateway::Gateway;

/// Answers whether the process takes traffic: `Ok`, or `draining`, `store_unavailable`.
pub type Readiness = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync>;

/// What every route can reach.
#[derive(Clone)]
pub struct AppState {
    /// What we promise whichever the CRM.
    pub gateway: Arc<Gateway>,
    /// Who calls.
    pub authenticator: Arc<Authenticator>,
    /// Whether the process takes traffic.
    pub readiness: Readiness,
    /// Who is let in.
    pub gate: Arc<RequestAdmission>,
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
