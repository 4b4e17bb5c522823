//! How much the database holds of all tenants together, for the metrics.

use std::collections::BTreeMap;

use super::{Row, Sql};
use crate::domain::{Result, Timestamp};
use crate::store::Stage;
use crate::store::records::health;

/// The totals of all tenants.
#[derive(Clone, Debug, PartialEq)]
pub struct Totals {
    pub tenants: u64,
    /// Provider, whether the last check or call shows that they work, and how many credentials.
    pub credentials: Vec<(String, Option<bool>, u64)>,
    pub ledger: Vec<(Stage, u64)>,
    /// When the oldest write of unknown outcome began.
    pub oldest_open: Option<Timestamp>,
    /// Of each limited quota, how much the tenant with the highest use has used, from 0 to 1.
    pub quotas: Vec<(&'static str, f64)>,
}

impl Sql {
    pub(super) async fn totals(&self) -> Result<Totals> {
        let sql = "SELECT provider, check_ok, check_code, count(*) AS number FROM credentials \
             GROUP BY provider, check_ok, check_code";
        let mut credentials = BTreeMap::new();
        for (provider, health, count) in self.rows(sql, &[], by_check).await? {
            *credentials.entry((provider, health)).or_default() += count;
        }
        // By name, so that an index is used: most rows are done, and those are counted below.
        let sql = "SELECT stage, count(*) AS number, min(created_at) AS oldest FROM idempotency \
             WHERE stage IN ('reserved', 'sending', 'unknown', 'found', 'absent', 'ambiguous') GROUP BY stage";
        let open = self.rows(sql, &[], open).await?;
        let sql = "SELECT kind, CAST(sum(row_count) AS BIGINT) AS all_rows, max(row_count) AS most_rows, \
             max(byte_count) AS most_bytes, count(*) AS tenants FROM tenant_usage GROUP BY kind";
        let usage = self.rows(sql, &[], usage).await?;
        let of = |kind: &str| usage.iter().find(|usage| usage.kind == kind);
        let all = of("ledger").map_or(0, |ledger| ledger.all_rows);
        let done = all.saturating_sub(open.iter().map(|(_, count, _)| count).sum());
        let unknown = open.iter().filter(|(stage, ..)| matches!(stage, Stage::Sending | Stage::Unknown));
        let rows = |kind| of(kind).map_or(0, |usage| usage.most_rows);
        let limits = self.quotas();
        let quotas = [
            ("ledger_rows", rows("ledger"), limits.ledger_rows),
            ("ledger_bytes", of("ledger").map_or(0, |usage| usage.most_bytes), limits.ledger_bytes),
            ("credentials", rows("credentials"), limits.credentials),
            ("api_keys", rows("keys"), limits.api_keys),
            ("audit_records", rows("audit"), limits.audit_records),
        ];
        Ok(Totals {
            // Each tenant has one row of this kind, until it is deleted.
            tenants: of("credentials").map_or(0, |credentials| credentials.tenants),
            credentials: credentials
                .into_iter()
                .map(|((provider, health), count)| (provider, health, count))
                .collect(),
            oldest_open: unknown.map(|(.., oldest)| *oldest).min(),
            ledger: open
                .iter()
                .map(|(stage, count, _)| (*stage, *count))
                .chain([(Stage::Done, done)])
                .collect(),
            quotas: quotas
                .into_iter()
                .filter_map(|(name, used, most)| Some((name, ratio(used, most?))))
                .collect(),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio needs no exact counts")]
fn ratio(used: u64, most: u64) -> f64 {
    used as f64 / most as f64
}

fn by_check(row: &Row) -> Result<(String, Option<bool>, u64)> {
    let (ok, code) = (row.column::<Option<i64>>("check_ok")?, row.some_text("check_code")?);
    let health = ok.and_then(|ok| health(ok == 1, code.as_deref()));
    Ok((row.column("provider")?, health, row.number("number")?))
}

fn open(row: &Row) -> Result<(Stage, u64, Timestamp)> {
    Ok((row.stage()?, row.number("number")?, row.time("oldest")?))
}

struct KindUsage {
    kind: String,
    all_rows: u64,
    most_rows: u64,
    most_bytes: u64,
    tenants: u64,
}

fn usage(row: &Row) -> Result<KindUsage> {
    Ok(KindUsage {
        kind: row.column("kind")?,
        all_rows: row.number("all_rows")?,
        most_rows: row.number("most_rows")?,
        most_bytes: row.number("most_bytes")?,
        tenants: row.number("tenants")?,
    })
}
