//! The simulators by their provider: each alone as a server of its own, or all of them for the demo.

use std::io;
use std::net::SocketAddr;

use futures_util::future::BoxFuture;

use crate::simulators::aptly::{AptlyOptions, AptlySimulator};
use crate::simulators::pipeline::{PipelineOptions, PipelineSimulator};
use crate::simulators::{Fault, Running};

/// The CRMs that can be simulated; one row for each row of the adapters' table.
pub static SIMULATED: &[Simulated] = &[
    Simulated {
        provider: "aptly",
        secret: |token| format!(r#"{{"apiKey":"{token}"}}"#),
        start: |listen, faults| {
            Box::pin(AptlySimulator::start(AptlyOptions { listen, faults, ..AptlyOptions::default() }))
        },
    },
    Simulated {
        provider: "pipeline",
        secret: |token| format!(r#"{{"token":"{token}"}}"#),
        start: |listen, faults| {
            Box::pin(PipelineSimulator::start(PipelineOptions {
                listen,
                faults,
                ..PipelineOptions::default()
            }))
        },
    },
];

/// How a CRM's simulator is started and logged in to.
pub struct Simulated {
    pub provider: &'static str,
    /// The secret of a credential, a JSON object, from the simulator's token.
    pub secret: fn(&str) -> String,
    start: fn(SocketAddr, Vec<Fault>) -> BoxFuture<'static, io::Result<Running>>,
}

impl Simulated {
    /// Starts the simulator with sample people and these faults. Fails with a sentence if it cannot listen on the address.
    pub async fn start(&self, listen: SocketAddr, faults: Vec<Fault>) -> anyhow::Result<Running> {
        let started = (self.start)(listen, faults).await;
        started.map_err(|error| anyhow::anyhow!("the simulator cannot listen on {listen}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::SIMULATED;
    use crate::adapters::ADAPTERS;

    #[test]
    fn every_adapter_has_a_simulator() {
        let simulated: Vec<&str> = SIMULATED.iter().map(|crm| crm.provider).collect();
        let adapters: Vec<&str> = ADAPTERS.iter().map(|spec| spec.provider.as_str()).collect();
        assert_eq!(simulated, adapters);
    }
}
