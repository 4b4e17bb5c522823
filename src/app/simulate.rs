//! One simulator alone, as a server of its own.

use std::net::SocketAddr;

use crate::simulators::{Running, aptly, pipeline};

/// Which CRM is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crm {
    /// Aptly.
    Aptly,
    /// The pipeline CRM.
    Pipeline,
}

/// Starts the simulator of `crm` with sample people. Fails with a sentence where the address cannot be taken.
pub async fn simulate(crm: Crm, listen: SocketAddr) -> anyhow::Result<Running> {
    let started = match crm {
        Crm::Aptly => aptly::Simulator::start(aptly::Options { listen, ..aptly::Options::default() }).await,
        Crm::Pipeline => {
            pipeline::Simulator::start(pipeline::Options { listen, ..pipeline::Options::default() }).await
        }
    };
    started.map_err(|error| anyhow::anyhow!("the simulator cannot listen on {listen}: {error}"))
}
