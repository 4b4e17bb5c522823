//! Both CRMs as small servers on loopback, with a journal of what reached them and faults on demand.
//!
//! They are a second, independent reading of the CRMs' contracts: nothing here names another part of the gateway,
//! so a mistake made in an adapter is not made again here. `aptly::AptlySimulator::start` and
//! `pipeline::PipelineSimulator::start` answer a [`Running`], which tells the base URL and the tokens, and holds the
//! journal, the faults and the clock.
//!
//! The same can be had over HTTP while a simulator runs:
//!
//! | call | does |
//! |---|---|
//! | `GET /_simulator/journal` | every call so far, oldest first |
//! | `DELETE /_simulator/journal` | forgets them |
//! | `GET /_simulator/contacts` | what is stored, as the CRM spells it |
//! | `GET /_simulator/faults` | faults still waiting |
//! | `POST /_simulator/faults` | sets one fault or an array of them, see [`Fault`] |
//! | `DELETE /_simulator/faults` | takes all faults back |
//! | `GET /_simulator/views` | how readings differ from what is stored |
//! | `POST /_simulator/views` | adds one view or an array of them, see [`View`] |
//! | `DELETE /_simulator/views` | takes all views back |
//! | `POST /_simulator/change` | `{"contact": "…", "set": {…}}`: somebody else at the CRM changes a contact |
//! | `POST /_simulator/merge` | `{"primary": "…", "other": "…"}`: the other contact vanishes into the primary one |
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
pub use faults::{ArmedFaults, Fault, FaultKind};
pub use journal::{Journal, RecordedCall, WriteEffect};
pub use published_rates::PublishedRates;
pub use reshape::Shape;
pub use server::Running;
pub use views::{Reading, View, Views};
