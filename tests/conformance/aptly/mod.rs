//! What only Aptly has.

mod formats;
mod once;
mod rates;
mod reads;
mod seeds;
mod writes;

use contacts_gateway::simulators::aptly::{AptlyOptions, AptlySimulator};
use serde_json::Value;

use crate::support::crm::Crm;
use crate::support::worlds::{World, world};

fn aptly() -> &'static dyn World {
    world("aptly")
}

/// Aptly as these options have it, under these settings of the credential.
async fn start(options: AptlyOptions, settings: Value) -> Crm {
    Crm::at(AptlySimulator::start(options).await.unwrap(), aptly(), settings).await
}
