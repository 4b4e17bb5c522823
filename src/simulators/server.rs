//! A simulator on a socket: start, handle, stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::clock::Clock;
use super::connection_handle::{ConnectionHandle, SimulatorListener};
use super::control;
use super::crm::Crm;
use super::exchange::Simulation;
use super::faults::{Fault, SharedList};
use super::journal::{Journal, RecordedCall};
use super::published_rates::{PublishedRates, Quota};
use super::views::View;

/// A simulator that serves until it is shut down or dropped.
pub struct Running {
    address: SocketAddr,
    tokens: Vec<String>,
    simulation: Arc<Simulation>,
    clock: Clock,
    server: JoinHandle<()>,
}

/// The parameters of a start, besides the CRM.
pub(crate) struct SimulatorStart {
    pub listen: SocketAddr,
    pub faults: Vec<Fault>,
    pub tokens: Vec<String>,
    pub clock: Clock,
    pub pace: Option<PublishedRates>,
    pub views: Vec<View>,
}

impl Running {
    pub(crate) async fn start(crm: impl Crm, start: SimulatorStart) -> io::Result<Self> {
        let listener = TcpListener::bind(start.listen).await?;
        let address = listener.local_addr()?;
        let simulation = Arc::new(Simulation {
            crm: Box::new(crm),
            journal: Journal::default(),
            faults: SharedList::new(start.faults),
            views: SharedList::new(start.views),
            pace: start.pace,
            quota: Quota::default(),
            stop: watch::Sender::new(false),
        });
        let router = Router::new().fallback(exchange).with_state(Arc::clone(&simulation));
        let service = router.into_make_service_with_connect_info::<ConnectionHandle>();
        let mut stopped = simulation.stop.subscribe();
        let server = tokio::spawn(async move {
            let until = async move {
                let _ = stopped.wait_for(|stopping| *stopping).await;
            };
            let _ = axum::serve(SimulatorListener(listener), service).with_graceful_shutdown(until).await;
        });
        Ok(Self { address, tokens: start.tokens, simulation, clock: start.clock, server })
    }

    /// `http://127.0.0.1:<port>`, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    #[must_use]
    pub fn token(&self) -> &str {
        self.tokens.first().map_or("", String::as_str)
    }

    /// All tokens of the start.
    #[must_use]
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.simulation.journal
    }

    #[must_use]
    pub fn calls(&self) -> Vec<RecordedCall> {
        self.simulation.journal.calls()
    }

    /// The calls that changed a stored contact.
    #[must_use]
    pub fn writes(&self) -> Vec<RecordedCall> {
        self.simulation.journal.writes()
    }

    #[must_use]
    pub fn faults(&self) -> &SharedList<Fault> {
        &self.simulation.faults
    }

    /// Sets a fault: `running.fault(Fault::once(FaultKind::NeverAnswer))`.
    pub fn fault(&self, fault: Fault) {
        self.simulation.faults.add(fault);
    }

    #[must_use]
    pub fn views(&self) -> &SharedList<View> {
        &self.simulation.views
    }

    /// Changes how responses differ from the stored contacts:
    /// `running.view(View::of(Reading::Single).without(&["company"]))`.
    pub fn view(&self, view: View) {
        self.simulation.views.add(view);
    }

    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// One stored contact, with the CRM's own field names and lists.
    #[must_use]
    pub fn contact(&self, id: &str) -> Option<Value> {
        self.simulation.crm.contact(id)
    }

    /// All stored contacts, in the order of their ids.
    #[must_use]
    pub fn contacts(&self) -> Vec<Value> {
        self.simulation.crm.contacts()
    }

    /// Adds a contact without a call, and returns its id.
    #[must_use = "the id is how to find it again"]
    pub fn put(&self, contact: Value) -> Option<String> {
        self.simulation.crm.put(contact)
    }

    /// Changes fields of a contact without a call. Returns whether the contact was there. Time and version of the record
    /// increase as with any write.
    #[must_use]
    pub fn change(&self, id: &str, fields: &Map<String, Value>) -> bool {
        self.simulation.crm.change(id, fields)
    }

    /// Merges `other` into `primary` without a call; the id of the other contact is gone.
    #[must_use]
    pub fn merge(&self, primary: &str, other: &str) -> bool {
        self.simulation.crm.merge(primary, other)
    }

    /// Removes a contact without a call. Returns whether it was there.
    #[must_use]
    pub fn take_out(&self, id: &str) -> bool {
        self.simulation.crm.take_out(id)
    }

    /// Changes what the CRM shows of its own fields, such as the stages of a pipeline. Returns whether it is a definition of
    /// this CRM.
    #[must_use]
    pub fn define(&self, definition: &Value) -> bool {
        self.simulation.crm.define(definition)
    }

    pub fn revoke(&self, token: &str) {
        self.simulation.crm.revoke(token);
    }

    /// Stops listening, ends hanging calls, and waits for a short time for the others.
    pub async fn shutdown(mut self) {
        self.simulation.stop.send_replace(true);
        if tokio::time::timeout(Duration::from_secs(1), &mut self.server).await.is_err() {
            self.server.abort();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.simulation.stop.send_replace(true);
    }
}

/// Handles every call. The work runs in its own task, because a real CRM also continues when a client disconnects.
async fn exchange(
    State(simulation): State<Arc<Simulation>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    request: Request,
) -> Response {
    let work = tokio::spawn(async move {
        if request.uri().path().starts_with("/_simulator/") {
            return control::answer(&simulation, request).await;
        }
        simulation.handle(&connection, request).await
    });
    work.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
