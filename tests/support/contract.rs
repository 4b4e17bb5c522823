//! Calls that reach a simulated CRM, judged by the slice of its contract as they come: a violation fails the test.

use std::sync::{Arc, Mutex};

use contacts_gateway::simulators::Running;

use super::slice::Slice;

/// Judges the calls to one simulator until it is dropped, which fails the test where one broke the contract.
pub(crate) struct Contract(Arc<Mutex<Vec<String>>>);

impl Contract {
    pub(crate) fn watch(provider: &str, at: &Running) -> Self {
        let (slice, found) = (Slice::of(provider), Arc::new(Mutex::new(Vec::new())));
        let broken = Arc::clone(&found);
        at.journal().watch(move |call| {
            let faults = slice.faults(&call.method, &call.path, &call.query, &call.body, None);
            if !faults.is_empty() {
                let sent = format!("{} {}?{} {}", call.method, call.path, call.query, call.body);
                broken.lock().unwrap().push(format!("{sent}\n    {}", faults.join("\n    ")));
            }
        });
        Self(found)
    }
}

impl Drop for Contract {
    fn drop(&mut self) {
        let broken = self.0.lock().unwrap();
        if !std::thread::panicking() {
            assert!(broken.is_empty(), "calls against the CRM's contract:\n{}", broken.join("\n"));
        }
    }
}
