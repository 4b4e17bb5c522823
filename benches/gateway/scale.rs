//! How CPU time per request grows with the page, the number of credentials, and the ledger.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use crate::bodies;
use crate::cases;
use crate::load::{self, Connection, Requests};
use crate::measure::{Plan, Spread, measured};
use crate::mock::Mock;
use crate::processes::{Gateway, Process, Way};

const CREDENTIALS: u32 = 1_000;
const LEDGER_ROWS: u32 = 1_000_000;

/// Copies the one row of the ledger under other keys.
const FILL: &str = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?) \
     INSERT INTO idempotency (tenant_id, key, fingerprint, credential_id, stage, fence, lease_until, look_at, sends, sealed, \
     created_at, expires_at, request_bytes) \
     SELECT tenant_id, hex(randomblob(12)), fingerprint, credential_id, stage, fence, lease_until, look_at, sends, sealed, \
     created_at, expires_at, request_bytes FROM (SELECT * FROM idempotency LIMIT 1), numbers";

/// Prints a table: what grows, and microseconds of CPU per request.
pub(crate) async fn all(binary: &Path, mock: &Mock, plan: Plan) -> Result<()> {
    let gateway = Gateway::prepare(binary, mock)?;
    let process = gateway.start(Way::Pinned)?;
    println!("| what grows | CPU µs per request |\n|---|---|");
    for rows in [1, 10, 50, 100] {
        let lists = cases::lists(&gateway, &gateway.pipeline, rows);
        line(&format!("pipeline: a page of {rows}"), micros(&process, &gateway, &lists, plan).await?);
    }
    line(
        "pipeline: get, 1 credential",
        micros(&process, &gateway, &gets(&gateway, std::slice::from_ref(&gateway.pipeline)), plan).await?,
    );
    let ids = credentials(&gateway, mock).await?;
    line(
        &format!("pipeline: get, {CREDENTIALS} credentials on one host, in turns"),
        micros(&process, &gateway, &gets(&gateway, &ids), plan).await?,
    );
    println!("| resident MiB with {CREDENTIALS} credentials | {:.1} |", process.resident_mib());
    let cases = cases::all(&gateway);
    let keyed = cases.iter().find(|case| case.key == "keyed-create").context("no such case")?;
    line("pipeline: keyed create, empty ledger", micros(&process, &gateway, &keyed.requests, plan).await?);
    drop(process);
    let mut database = SqliteConnection::connect(&gateway.database()).await?;
    sqlx::query(FILL).bind(LEDGER_ROWS).execute(&mut database).await?;
    database.close().await?;
    let process = gateway.start(Way::Pinned)?;
    line(
        &format!("pipeline: keyed create, {LEDGER_ROWS} rows in the ledger"),
        micros(&process, &gateway, &keyed.requests, plan).await?,
    );
    Ok(())
}

fn line(what: &str, micros: Spread) {
    println!("| {what} | {:.0} ({:.0}–{:.0}) |", micros.median, micros.least, micros.most);
}

async fn micros(process: &Process, gateway: &Gateway, requests: &Requests, plan: Plan) -> Result<Spread> {
    let mut found = Vec::new();
    for round in 0..=plan.rounds {
        let measured = measured(process, gateway.address, requests, plan.time).await?;
        if round > 0 {
            found.push(measured.micros());
        }
    }
    Ok(Spread::of(found))
}

/// Gets by each of `credentials` in turns.
fn gets(gateway: &Gateway, credentials: &[String]) -> Requests {
    let (credentials, host, key): (Arc<[String]>, _, _) =
        (credentials.into(), gateway.address, gateway.key.clone());
    Arc::new(move |connection, sent| {
        let turn = usize::try_from(connection + 32 * sent).unwrap_or_default() % credentials.len();
        let (id, credential) = (bodies::id(connection), &credentials[turn]);
        format!(
            "GET /crm/contacts/{id}?credentialId={credential} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\r\n"
        )
        .into()
    })
}

/// Adds credentials over HTTP, and returns their ids.
async fn credentials(gateway: &Gateway, mock: &Mock) -> Result<Vec<String>> {
    let mut connection = Connection::open(gateway.address).await?;
    let mut ids = Vec::new();
    for number in 0..CREDENTIALS {
        let body = format!(
            "{{\"provider\":\"pipeline\",\"name\":\"n{number}\",\"settings\":{{\"baseUrl\":\"http://{}\"}},\"secret\":{{\"token\":\"t{number}\"}}}}",
            mock.pipeline
        );
        let request = format!(
            "POST /credentials?verify=false HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            gateway.key,
            body.len()
        );
        let (status, body) = connection.call(request.as_bytes()).await?;
        let body = String::from_utf8_lossy(body);
        ensure!(status == 201, "a credential cannot be added: {body}");
        let id = body.split('"').find(|word| word.starts_with("cred_")).context("no id")?;
        ids.push(id.to_owned());
    }
    // Each is opened once.
    load::closed(gateway.address, 32, Duration::MAX, CREDENTIALS / 32 + 1, &gets(gateway, &ids)).await?;
    Ok(ids)
}
