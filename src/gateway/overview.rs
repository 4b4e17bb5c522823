//! What the operator page shows of the database: totals, and the tenants, credentials and writes that need attention.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::timeout;

use super::Gateway;
use crate::domain::{FailureKind, Result, TenantId, Text};
use crate::store;
pub use crate::store::{CredentialOverview, OpenWrite, RowRange, Stage, TenantOverview, Totals};

/// How long the page waits for the database. It is needed most when the database does not respond.
const READ_WITHIN: Duration = Duration::from_secs(3);
/// How many tenants of the last failures are named.
const NAMED_MOST: usize = 20;

/// The requested parts of the lists.
#[derive(Clone, Copy, Debug)]
pub struct OverviewRanges {
    pub writes: RowRange,
    pub credentials: RowRange,
    pub tenants: RowRange,
}

/// The state of the database. Each part fails with `store_unavailable` on its own.
pub struct Overview {
    /// Whether the disk of the database is full.
    pub is_full: bool,
    pub totals: Result<Totals>,
    pub writes: Result<Vec<OpenWrite>>,
    pub credentials: Result<Vec<CredentialOverview>>,
    pub tenants: Result<Vec<TenantOverview>>,
    /// Names of tenants that were asked for, as far as they could be read.
    pub names: HashMap<TenantId, Text>,
}

/// What happens next with a write of unknown outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenWriteStep {
    /// A request or a lookup works on it.
    InProgress,
    /// The gateway searches for its outcome, after so long.
    Lookup(Duration),
    /// Nothing, until the caller sends it again with the same key.
    Replay,
    /// Nothing: a person must look into the CRM.
    Person,
}

impl Gateway {
    /// Reads the state of the database, and the names of the first [`NAMED_MOST`] tenants of `ids`.
    pub async fn overview(&self, ranges: &OverviewRanges, ids: &[TenantId]) -> Overview {
        let database = &self.database;
        let (totals, writes, credentials, tenants, names) = tokio::join!(
            within(database.totals()),
            within(database.open_writes(ranges.writes)),
            within(database.credentials_by_health(ranges.credentials)),
            within(database.tenants_by_need(ranges.tenants)),
            within(self.names(ids)),
        );
        let names = names.unwrap_or_default();
        Overview { is_full: database.is_full(), totals, writes, credentials, tenants, names }
    }

    /// Tenants that are gone have no name.
    async fn names(&self, ids: &[TenantId]) -> Result<HashMap<TenantId, Text>> {
        let mut names = HashMap::new();
        for id in ids.iter().take(NAMED_MOST) {
            match self.tenants.get(id).await {
                Ok(tenant) => drop(names.insert(tenant.id, tenant.name)),
                Err(failure) if failure.kind == FailureKind::TenantNotFound => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(names)
    }
}

async fn within<T>(read: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| store::timed_out("The database did not respond in time.");
    timeout(READ_WITHIN, read).await.map_err(late)?
}

impl OpenWrite {
    #[must_use]
    pub fn next_step(&self) -> OpenWriteStep {
        if self.is_held {
            return OpenWriteStep::InProgress;
        }
        match self.stage {
            Stage::Ambiguous => OpenWriteStep::Person,
            // There is nothing to search for, or the row is erased before.
            _ if self.look_at >= self.expires_at => OpenWriteStep::Replay,
            _ => {
                let left = self.look_at.duration_since(self.now);
                OpenWriteStep::Lookup(Duration::try_from(left).unwrap_or_default())
            }
        }
    }
}
