//! The append-only list of the calls a simulator received: the oracle of the tests.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

/// What a call did to the stored contacts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteEffect {
    #[default]
    None,
    /// A new contact, by this id.
    Created(String),
    /// A change of this contact.
    Updated(String),
    /// These contacts are gone.
    Deleted(Vec<String>),
}

impl WriteEffect {
    #[must_use]
    pub fn is_write(&self) -> bool {
        *self != Self::None
    }
}

/// One call as it arrived, and what became of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RecordedCall {
    /// 1 for the first call ever; kept when the journal is cleared.
    pub sequence: u64,
    /// The method, in capitals.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query as sent, without the question mark.
    pub query: String,
    /// Names of the headers, lower-case, as they came; values are not kept.
    pub headers: Vec<String>,
    /// The last four characters of the token: enough to tell tokens apart.
    pub token: Option<String>,
    pub body: String,
    /// The status answered; nothing when the line was cut or the call hangs.
    pub status: Option<u16>,
    pub applied: WriteEffect,
    pub fault: Option<String>,
    /// Conversations deleted along with contacts.
    pub conversations: u64,
    /// What harm it did, or nearly did: a deletion of everything, a text message to a person, a creation sent to a
    /// list, … Never set for what the gateway may do.
    pub alarm: Option<String>,
}

/// Handle to the calls of one simulator. Clones share one list.
#[derive(Clone, Default)]
pub struct Journal {
    state: Arc<Mutex<JournalState>>,
}

/// Told of each call.
type Watcher = Arc<dyn Fn(&RecordedCall) + Send + Sync>;

#[derive(Default)]
struct JournalState {
    last: u64,
    calls: Vec<RecordedCall>,
    watcher: Option<Watcher>,
}

impl Journal {
    /// All calls, oldest first; a call still being answered is already there.
    #[must_use]
    pub fn calls(&self) -> Vec<RecordedCall> {
        self.state.lock().calls.clone()
    }

    /// The calls that changed a stored contact.
    #[must_use]
    pub fn writes(&self) -> Vec<RecordedCall> {
        self.calls().into_iter().filter(|call| call.applied.is_write()).collect()
    }

    /// The calls with this method and path, whatever they did.
    #[must_use]
    pub fn calls_to(&self, method: &str, path: &str) -> Vec<RecordedCall> {
        self.calls().into_iter().filter(|call| call.method == method && call.path == path).collect()
    }

    /// The harm done so far; a test that expects none says so.
    #[must_use]
    pub fn alarms(&self) -> Vec<String> {
        self.calls().into_iter().filter_map(|call| call.alarm).collect()
    }

    /// Tells `watcher` of each call from now on, once its body is read and before it does anything; also of calls
    /// that are forgotten later.
    pub fn watch(&self, watcher: impl Fn(&RecordedCall) + Send + Sync + 'static) {
        self.state.lock().watcher = Some(Arc::new(watcher));
    }

    /// Forgets all calls. Sequence numbers go on.
    pub fn clear(&self) {
        self.state.lock().calls.clear();
    }

    /// Notes an arriving call and answers its number.
    pub(crate) fn arrive(&self, mut call: RecordedCall) -> u64 {
        let mut state = self.state.lock();
        state.last += 1;
        call.sequence = state.last;
        state.calls.push(call);
        state.last
    }

    /// Adds the body to a noted call.
    pub(crate) fn read(&self, sequence: u64, body: String) {
        let mut state = self.state.lock();
        let watcher = state.watcher.clone();
        let Some(call) = state.calls.iter_mut().rev().find(|call| call.sequence == sequence) else { return };
        call.body = body;
        let call = call.clone();
        drop(state);
        if let Some(watcher) = watcher {
            watcher(&call);
        }
    }

    /// Adds to a noted call what is known by now.
    pub(crate) fn amend(&self, sequence: u64, change: impl FnOnce(&mut RecordedCall)) {
        let mut state = self.state.lock();
        if let Some(call) = state.calls.iter_mut().rev().find(|call| call.sequence == sequence) {
            change(call);
        }
    }
}
