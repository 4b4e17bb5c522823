//! The state that the routes share.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::FromRef;
use http::HeaderMap;
use parking_lot::RwLock;

use super::RequestAdmission;
use crate::auth::Authenticator;
use crate::config::{CorsOrigins, PublicUrl, TrustedProxies};
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
    pub admission: Arc<RequestAdmission>,
    /// The requests that have ended.
    pub history: Arc<RequestHistory>,
    pub edge: EdgeSettings,
}

/// The trusted proxies, which can be replaced while requests are served.
#[derive(Clone, Debug, Default)]
pub struct SharedProxies(Arc<RwLock<TrustedProxies>>);

impl SharedProxies {
    #[must_use]
    pub fn new(proxies: TrustedProxies) -> Self {
        Self(Arc::new(RwLock::new(proxies)))
    }

    pub fn replace(&self, proxies: TrustedProxies) {
        *self.0.write() = proxies;
    }

    /// The address of the client that a connection from `peer` is for.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.0.read().client(peer, headers)
    }
}

/// How the API is reached.
#[derive(Clone, Debug, Default)]
pub struct EdgeSettings {
    pub trusted_proxies: SharedProxies,
    /// Whether another listener serves `/metrics` and `/ops`.
    pub has_ops_listener: bool,
    /// The origins whose browser apps may call the API of tenants.
    pub cors_origins: CorsOrigins,
    /// What the URLs in responses begin with; without it they are paths.
    pub public_url: Option<PublicUrl>,
}

impl FromRef<AppState> for Arc<Gateway> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.gateway)
    }
}

impl FromRef<AppState> for Arc<RequestAdmission> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.admission)
    }
}

impl FromRef<AppState> for Readiness {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.readiness)
    }
}
