//! The simulators by their provider: each alone as a server of its own, or all of them for the demo.

use std::net::SocketAddr;

use async_trait::async_trait;

use crate::simulators::{Running, aptly, pipeline};

/// A CRM that can be simulated; one row for each row of the adapters' table.
pub static SIMULATED: &[&dyn Simulated] = &[&AptlySimulated, &PipelineSimulated];

/// How a CRM's simulator is started and logged in to.
#[async_trait]
pub trait Simulated: Send + Sync {
    /// The provider's word.
    fn provider(&self) -> &'static str;

    /// Starts it with sample people.
    async fn start(&self, listen: SocketAddr) -> std::io::Result<Running>;

    /// The secret of a credential, a JSON object, given the simulator's token.
    fn secret(&self, token: &str) -> String;
}

struct AptlySimulated;

#[async_trait]
impl Simulated for AptlySimulated {
    fn provider(&self) -> &'static str {
        "aptly"
    }

    async fn start(&self, listen: SocketAddr) -> std::io::Result<Running> {
        aptly::AptlySimulator::start(aptly::AptlyOptions { listen, ..aptly::AptlyOptions::default() }).await
    }

    fn secret(&self, token: &str) -> String {
        format!(r#"{{"apiKey":"{token}"}}"#)
    }
}

struct PipelineSimulated;

#[async_trait]
impl Simulated for PipelineSimulated {
    fn provider(&self) -> &'static str {
        "pipeline"
    }

    async fn start(&self, listen: SocketAddr) -> std::io::Result<Running> {
        pipeline::PipelineSimulator::start(pipeline::PipelineOptions {
            listen,
            ..pipeline::PipelineOptions::default()
        })
        .await
    }

    fn secret(&self, token: &str) -> String {
        format!(r#"{{"token":"{token}"}}"#)
    }
}

/// Starts one simulator with sample people. Fails with a sentence where the address cannot be taken.
pub async fn simulate(crm: &dyn Simulated, listen: SocketAddr) -> anyhow::Result<Running> {
    let started = crm.start(listen).await;
    started.map_err(|error| anyhow::anyhow!("the simulator cannot listen on {listen}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::SIMULATED;
    use crate::adapters::ADAPTERS;

    #[test]
    fn every_adapter_has_a_simulator() {
        let simulated: Vec<&str> = SIMULATED.iter().map(|crm| crm.provider()).collect();
        let adapters: Vec<&str> = ADAPTERS.iter().map(|spec| spec.provider.as_str()).collect();
        assert_eq!(simulated, adapters);
    }
}
