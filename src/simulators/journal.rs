//! The list of all calls that a simulator received. Tests compare with it.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

/// The effect of a call on the stored contacts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteEffect {
    #[default]
    None,
    /// This contact is new.
    Created(String),
    /// This contact was changed.
    Updated(String),
    /// These contacts were deleted.
    Deleted(Vec<String>),
}

impl WriteEffect {
    #[must_use]
    pub fn is_write(&self) -> bool {
        *self != Self::None
    }
}

/// One received call and its result.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RecordedCall {
    /// 1 for the first call. Clearing the journal does not reset it.
    pub sequence: u64,
    /// The method, in capitals.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query as sent, without the question mark.
    pub query: String,
    /// The names of the headers in lower case, in order; values are not kept.
    pub headers: Vec<String>,
    /// The last four characters of the token, which distinguish tokens.
    pub token: Option<String>,
    pub body: String,
    /// The status of the response; `None` if there was none.
    pub status: Option<u16>,
    pub applied: WriteEffect,
    pub fault: Option<String>,
    /// The number of conversations that were deleted with contacts.
    pub conversations: u64,
    /// The harm that it did, or nearly did: everything deleted, a text message to a person, a create sent to a list, …
    /// Nothing that the gateway may do sets this.
    pub alarm: Option<String>,
}

/// The calls of one simulator. Clones share one list.
#[derive(Clone, Default)]
pub struct Journal {
    state: Arc<Mutex<JournalState>>,
}

/// Is called with each call.
type Watcher = Arc<dyn Fn(&RecordedCall) + Send + Sync>;

#[derive(Default)]
struct JournalState {
    last: u64,
    calls: Vec<RecordedCall>,
    watcher: Option<Watcher>,
}

impl Journal {
    /// All calls, oldest first, including those without a response yet.
    #[must_use]
    pub fn calls(&self) -> Vec<RecordedCall> {
        self.state.lock().calls.clone()
    }

    /// The calls that changed a stored contact.
    #[must_use]
    pub fn writes(&self) -> Vec<RecordedCall> {
        self.calls().into_iter().filter(|call| call.applied.is_write()).collect()
    }

    /// The calls with this method and path.
    #[must_use]
    pub fn calls_to(&self, method: &str, path: &str) -> Vec<RecordedCall> {
        self.calls().into_iter().filter(|call| call.method == method && call.path == path).collect()
    }

    /// All harm so far.
    #[must_use]
    pub fn alarms(&self) -> Vec<String> {
        self.calls().into_iter().filter_map(|call| call.alarm).collect()
    }

    /// Calls `watcher` for each later call when its body is read and nothing is done yet, even if the journal is cleared
    /// afterwards.
    pub fn watch(&self, watcher: impl Fn(&RecordedCall) + Send + Sync + 'static) {
        self.state.lock().watcher = Some(Arc::new(watcher));
    }

    /// Removes all calls. Sequence numbers continue.
    pub fn clear(&self) {
        self.state.lock().calls.clear();
    }

    /// Adds a new call and returns its number.
    pub(crate) fn arrive(&self, mut call: RecordedCall) -> u64 {
        let mut state = self.state.lock();
        state.last += 1;
        call.sequence = state.last;
        state.calls.push(call);
        state.last
    }

    /// Adds the body to a call.
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

    /// Adds later results to a call.
    pub(crate) fn amend(&self, sequence: u64, change: impl FnOnce(&mut RecordedCall)) {
        let mut state = self.state.lock();
        if let Some(call) = state.calls.iter_mut().rev().find(|call| call.sequence == sequence) {
            change(call);
        }
    }
}
