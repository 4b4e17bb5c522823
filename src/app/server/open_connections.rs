//! The open connections, limited in number. At the limit, a new connection replaces the one that has been idle longest.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::connection_state::ConnectionState;

/// The pause after a search that found no idle connection, because a search scans all connections.
const SEARCH_PAUSE: Duration = Duration::from_millis(50);

/// All open connections of one listener.
pub(super) struct OpenConnections {
    most: usize,
    table: Arc<Mutex<ConnectionTable>>,
}

#[derive(Default)]
struct ConnectionTable {
    connections: HashMap<u64, Arc<ConnectionState>>,
    next: u64,
    /// The connections that were idle at the last search, longest first. Connections that became idle later are not in it.
    idle: VecDeque<(Instant, u64)>,
    searched_in_vain: Option<Instant>,
}

/// One open connection; dropped when it is closed.
pub(super) struct OpenEntry {
    id: u64,
    table: Arc<Mutex<ConnectionTable>>,
}

impl OpenConnections {
    pub(super) fn new(most: usize) -> Self {
        Self { most, table: Arc::default() }
    }

    /// Counts a new connection. At the limit it closes the one that has been idle longest; `None` if none is idle.
    pub(super) fn enter(&self, state: &Arc<ConnectionState>) -> Option<OpenEntry> {
        let mut table = self.table.lock();
        if table.connections.len() >= self.most && !table.close_longest_idle() {
            return None;
        }
        let id = table.next;
        table.next += 1;
        table.connections.insert(id, Arc::clone(state));
        Some(OpenEntry { id, table: Arc::clone(&self.table) })
    }
}

impl ConnectionTable {
    fn close_longest_idle(&mut self) -> bool {
        if self.close_next() {
            return true;
        }
        let now = crate::clock::monotonic();
        if self.searched_in_vain.is_some_and(|at| now.saturating_duration_since(at) < SEARCH_PAUSE) {
            return false;
        }
        let mut idle: Vec<(Instant, u64)> =
            self.connections.iter().filter_map(|(id, state)| Some((state.idle_since()?, *id))).collect();
        idle.sort_unstable();
        self.idle = idle.into();
        let closed = self.close_next();
        self.searched_in_vain = (!closed).then_some(now);
        closed
    }

    /// Closes the first connection that has been idle ever since the search.
    fn close_next(&mut self) -> bool {
        while let Some((since, id)) = self.idle.pop_front() {
            if self.connections.get(&id).is_some_and(|state| state.close_if_idle_since(since)) {
                self.connections.remove(&id);
                return true;
            }
        }
        false
    }
}

impl Drop for OpenEntry {
    fn drop(&mut self) {
        self.table.lock().connections.remove(&self.id);
    }
}
