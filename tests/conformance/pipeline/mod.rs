//! What only the pipeline CRM has.

mod deleting;
mod logging_in;
mod once;
mod reads;
mod seeds;
mod sent_back;
mod writes;

use contacts_gateway::simulators::pipeline::{PipelineOptions, PipelineSimulator};
use serde_json::Value;

use crate::support::crm::Crm;
use crate::support::worlds::{World, world};

fn pipeline() -> &'static dyn World {
    world("pipeline")
}

/// The pipeline CRM as these options have it, under these settings of the credential.
async fn start(options: PipelineOptions, settings: Value) -> Crm {
    Crm::at(PipelineSimulator::start(options).await.unwrap(), pipeline(), settings).await
}
