//! SIGHUP: reads the configuration again, applies what can be applied while requests are served, and says what needs a restart.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;

use super::server::Tls;
use super::{ValidServer, inspect};
use crate::api::{RequestAdmission, SharedProxies};
use crate::config::{Config, ConfigError, Flags};
use crate::telemetry;

/// How long reading all files may take.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// The parts of a running gateway that take new settings.
pub(super) struct Reloader {
    pub(super) flags: Flags,
    /// As it applies now.
    pub(super) running: Config,
    pub(super) trusted_proxies: SharedProxies,
    pub(super) admission: Arc<RequestAdmission>,
    pub(super) tls: Option<Tls>,
}

impl Reloader {
    /// Reloads at each signal.
    pub(super) async fn run(mut self, mut hangups: Signal) {
        while hangups.recv().await.is_some() {
            self.reload().await;
        }
    }

    async fn reload(&mut self) {
        let (flags, tls) = (self.flags.clone(), self.tls.clone());
        // A file on a mount that hangs must not stop a thread that serves.
        let read = tokio::task::spawn_blocking(move || {
            if let Some(tls) = tls {
                tls.reload();
            }
            inspect(&flags)
        });
        let Ok(read) = tokio::time::timeout(READ_WITHIN, read).await else {
            tracing::error!(
                "the configuration was not reloaded, because its files could not be read within {READ_WITHIN:?}; the previous one \
                 stays in use"
            );
            return;
        };
        // It panicked, which is logged.
        let Ok(inspected) = read else { return };
        let warnings = inspected.warnings();
        let new = match inspected.valid() {
            Ok(ValidServer { config, .. }) => config,
            Err(ConfigError(faults)) => {
                tracing::error!(
                    faults = faults.len(),
                    "the configuration was not reloaded, because it is not valid; the previous one stays in use"
                );
                for fault in faults {
                    tracing::error!("{fault}");
                }
                return;
            }
        };
        telemetry::log_warnings(&warnings);
        // Every setting that is declared as reloaded is applied here.
        let set_level = || telemetry::set_level(new.log.log, new.log.log_success.one_of());
        // The lines below use the more verbose of the old and the new level.
        if new.log.log > self.running.log.log {
            set_level();
        }
        self.trusted_proxies.replace(new.server.trusted_proxies.clone());
        let rates = |config: &Config| (config.limits.key_rate, config.limits.key_burst);
        if rates(&new) != rates(&self.running) {
            self.admission.set_rates(&new.limits);
            (self.running.limits.key_rate, self.running.limits.key_burst) = rates(&new);
        }
        let (applied, pending) = self.running.adopt(&new);
        if applied.is_empty() {
            tracing::info!("the configuration was reloaded; no reloadable setting changed");
        } else {
            tracing::info!(settings = applied.join(", "), "the configuration was reloaded");
        }
        if !pending.is_empty() {
            tracing::warn!(settings = pending.join(", "), "changes of these settings need a restart");
        }
        set_level();
        (self.running.log.log, self.running.log.log_success) = (new.log.log, new.log.log_success);
    }
}
