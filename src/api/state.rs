//! The state that the routes share.

use std::pin::Pin;
use std::sync::Arc;

use axum::extract::FromRef;

use super::RequestAdmission;
use crate::auth::Authenticator;
use crate::config::TrustedProxies;
use crate::domain::Result;
use crate::gateway::Gateway;
use crate::telemetry::history::RequestHistory;

/// Checks whether the process is ready for traffic. Fails with `draining`, `store_unavailable`.
pub type Readiness = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync>;

/// The state that every route can access.
#[derive(Clone)]
pub struct AppState {
    /// The operations, independent of the CRM.
    pub gateway: Arc<Gateway>,
    /// Authenticates callers.
    pub authenticator: Arc<Authenticator>,
    /// Checks whether the process is ready for traffic.
    pub readiness: Readiness,
    /// Admits or refuses requests.
    pub gate: Arc<RequestAdmission>,
    /// The requests that have ended.
    pub history: Arc<RequestHistory>,
    pub edge: EdgeSettings,
}

/// How the API is reached.
#[derive(Clone, Debug, Default)]
pub struct EdgeSettings {
    pub trusted_proxies: Arc<TrustedProxies>,
    /// Whether another listener serves `/metrics` and `/ops`.
    pub has_ops_listener: bool,
}

impl FromRef<AppState> for Arc<Gateway> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.gateway)
    }
}

impl FromRef<AppState> for Arc<RequestAdmission> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.gate)
    }
}

impl FromRef<AppState> for Readiness {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.readiness)
    }
}
