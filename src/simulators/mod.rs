//! Both CRMs as small servers on loopback, with a journal of the received calls and configurable faults.
//!
//! They implement the CRMs' contracts a second time. Nothing here uses another part of the gateway, so a mistake in an adapter
//! is not repeated here. `aptly::AptlySimulator::start` and `pipeline::PipelineSimulator::start` return a [`Running`] with the
//! base URL, the tokens, the journal, the faults and the clock.
//!
//! A running simulator can also be controlled over HTTP:
//!
//! | call | does |
//! |---|---|
//! | `GET /_simulator/journal` | all calls so far, oldest first |
//! | `DELETE /_simulator/journal` | removes them |
//! | `GET /_simulator/contacts` | the stored contacts in the CRM's format |
//! | `GET /_simulator/faults` | the remaining faults |
//! | `POST /_simulator/faults` | adds one fault or an array of them, see [`Fault`] |
//! | `DELETE /_simulator/faults` | removes all faults |
//! | `GET /_simulator/views` | how responses differ from the stored contacts |
//! | `POST /_simulator/views` | adds one view or an array of them, see [`View`] |
//! | `DELETE /_simulator/views` | removes all views |
//! | `POST /_simulator/change` | `{"contact": "…", "set": {…}}`: another client changes a contact |
//! | `POST /_simulator/merge` | `{"primary": "…", "other": "…"}`: merges the other contact into the primary one |
//! | `POST /_simulator/revoke` | `{"token": "…"}` is refused with 401 from now on |
//!
//! A fault over HTTP: `{"kind":"latency","ms":500,"method":"POST","path":"/api/contacts","times":1}`.
//! A view over HTTP: `{"reading":"single","without":["customFields"],"with":{"createdAt":"2024-01-15"}}`.

pub mod aptly;
pub mod pipeline;

mod clock;
mod connection_handle;
mod control;
mod crm;
mod disruption;
mod exchange;
mod fault_kinds;
mod faults;
mod gzip;
mod journal;
mod people;
mod published_rates;
mod reshape;
mod reword;
mod script;
mod server;
mod views;

pub use clock::Clock;
pub use disruption::Disruption;
pub use fault_kinds::{FaultDoc, FaultField, FaultKind, FieldType};
pub use faults::{Fault, FaultError, SharedList};
pub use journal::{Journal, RecordedCall, WriteEffect};
pub use published_rates::PublishedRates;
pub use reshape::Shape;
pub use server::Running;
pub use views::{Reading, View};
