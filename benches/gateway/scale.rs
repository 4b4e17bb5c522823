//! How the cost of a request grows with the page, the tenants, the credentials of one host, the ledger and the audit, on SQLite
//! and on PostgreSQL.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};

use crate::bodies;
use crate::cases;
use crate::load::{self, Connection, Requests};
use crate::measure::{Measured, Plan, Spread, measured};
use crate::mock::Mock;
use crate::postgres::Server;
use crate::processes::{ADMIN_TOKEN, Gateway, Process, Way};

const PAGES: [u32; 4] = [1, 10, 50, 100];
const CREDENTIALS: u32 = 1_000;
const TENANTS: u32 = 10_000;
const ROWS: u32 = 1_000_000;
/// How many calls to the operator's API run at once.
const ADDED_TOGETHER: u32 = 16;

/// By how much the cost of the largest size may exceed that of the smallest and still be called flat.
const FLAT: f64 = 1.3;
/// By how much the cost of one more may differ from size to size and still be called linear.
const LINEAR: f64 = 1.5;

/// Copies one row of each table under other keys.
const FILL_SQLITE: [&str; 2] = [
    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000000) \
     INSERT INTO idempotency (tenant_id, key, fingerprint, credential_id, stage, fence, lease_until, look_at, sends, sealed, \
     created_at, expires_at, request_bytes) \
     SELECT tenant_id, hex(randomblob(12)), fingerprint, credential_id, stage, fence, lease_until, look_at, sends, sealed, \
     created_at, expires_at, request_bytes FROM (SELECT * FROM idempotency LIMIT 1), numbers",
    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000000) \
     INSERT INTO audit SELECT hex(randomblob(12)), at - n, actor_kind, actor_id, tenant_id, action, target, fields, outcome, \
     request_id FROM (SELECT * FROM audit ORDER BY at DESC LIMIT 1), numbers",
];
const FILL_POSTGRES: [&str; 2] = [
    "INSERT INTO idempotency (tenant_id, key, fingerprint, credential_id, stage, fence, lease_until, look_at, sends, sealed, \
     created_at, expires_at, request_bytes) \
     SELECT tenant_id, gen_random_uuid()::text, fingerprint, credential_id, stage, fence, lease_until, look_at, sends, sealed, \
     created_at, expires_at, request_bytes FROM (SELECT * FROM idempotency LIMIT 1) AS one, generate_series(1, 1000000)",
    "INSERT INTO audit SELECT gen_random_uuid()::text, at - n, actor_kind, actor_id, tenant_id, action, target, fields, outcome, \
     request_id FROM (SELECT * FROM audit ORDER BY at DESC LIMIT 1) AS one, generate_series(1, 1000000) AS numbers(n)",
];

/// Prints a table for each database, PostgreSQL's if it is installed.
pub(crate) async fn all(binary: &Path, mock: &Mock, plan: Plan) -> Result<()> {
    println!(
        "| what grows | to | CPU µs per request | µs from response to response | it is |\n|---|---|---|---|---|"
    );
    let gateway = Gateway::prepare(binary, mock, None)?;
    let process = gateway.start(Way::Pinned)?;
    let mut pages = Growth::of("rows of a list (pipeline, any database)");
    for rows in PAGES {
        let lists = cases::lists(&gateway, &gateway.pipeline, rows);
        pages.add(rows, &process, &gateway, &lists, plan).await?;
    }
    pages.print();
    drop(process);
    database("SQLite", &gateway, mock, plan).await?;
    if let Some(server) = Server::start() {
        let url = server.url("bench");
        server_runs(&server.url("postgres"), &["CREATE DATABASE bench"]).await?;
        database("PostgreSQL", &Gateway::prepare(binary, mock, Some(url))?, mock, plan).await?;
    }
    Ok(())
}

async fn server_runs(url: &str, statements: &[&'static str]) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    for statement in statements {
        connection.execute(*statement).await?;
    }
    Ok(connection.close().await?)
}

async fn database(name: &str, gateway: &Gateway, mock: &Mock, plan: Plan) -> Result<()> {
    let process = gateway.start(Way::Pinned)?;
    let own = Caller { key: gateway.key.clone(), credential: gateway.pipeline.clone() };
    let cases = cases::all(gateway);
    let keyed = &cases.iter().find(|case| case.key == "keyed-create").context("no such case")?.requests;
    let audit = operator_gets(gateway, "/admin/audit?pageSize=50");
    let mut by_rows = [
        Growth::of(format!("{name}: rows of ledger and audit, a create with Idempotency-Key")),
        Growth::of(format!("{name}: rows of ledger and audit, a page of the audit")),
    ];
    let mut scrapes = Growth::of(format!("{name}: rows of ledger and audit, a scrape of /metrics"));
    by_rows[0].add(0, &process, gateway, keyed, plan).await?;
    by_rows[1].add(0, &process, gateway, &audit, plan).await?;
    scrapes.scrapes(0, &process, gateway).await?;

    let mut credentials = Growth::of(format!("{name}: credentials on one host, gets of each in turns"));
    credentials.add(1, &process, gateway, &gets(gateway, std::slice::from_ref(&own)), plan).await?;
    let callers = credentials_of_one(gateway, mock).await?;
    credentials.add(CREDENTIALS, &process, gateway, &gets(gateway, &callers), plan).await?;
    credentials.print();
    resident(&format!("{name}, {CREDENTIALS} credentials in use"), &process);

    let mut tenants = Growth::of(format!("{name}: tenants, gets of each in turns"));
    tenants.add(1, &process, gateway, &gets(gateway, std::slice::from_ref(&own)), plan).await?;
    let callers = tenants_with_a_credential(gateway, mock).await?;
    for count in [TENANTS / 10, TENANTS] {
        let some = callers.get(..usize::try_from(count)?).context("too few tenants")?;
        tenants.add(count, &process, gateway, &gets(gateway, some), plan).await?;
    }
    tenants.print();
    resident(&format!("{name}, {TENANTS} tenants in use"), &process);

    // The rows are written without the gateway, which would compete for SQLite's file.
    drop(process);
    fill(gateway).await?;
    let process = gateway.start(Way::Pinned)?;
    by_rows[0].add(ROWS, &process, gateway, keyed, plan).await?;
    by_rows[1].add(ROWS, &process, gateway, &audit, plan).await?;
    scrapes.scrapes(ROWS, &process, gateway).await?;
    for growth in by_rows.into_iter().chain([scrapes]) {
        growth.print();
    }
    Ok(())
}

async fn fill(gateway: &Gateway) -> Result<()> {
    let url = gateway.database();
    if url.starts_with("postgres") {
        // Without triggers, which would update the same count a million times in one transaction.
        let [ledger, audit] = FILL_POSTGRES;
        return server_runs(url, &["SET session_replication_role = replica", ledger, audit, "ANALYZE"]).await;
    }
    let mut connection = SqliteConnection::connect(url).await?;
    for statement in FILL_SQLITE {
        connection.execute(statement).await?;
    }
    Ok(connection.close().await?)
}

/// Costs by size.
struct Growth {
    what: String,
    sizes: Vec<(u32, Spread, Spread)>,
}

impl Growth {
    fn of(what: impl Into<String>) -> Self {
        Self { what: what.into(), sizes: Vec::new() }
    }

    async fn add(
        &mut self,
        size: u32,
        process: &Process,
        gateway: &Gateway,
        requests: &Requests,
        plan: Plan,
    ) -> Result<()> {
        eprintln!("{}: {size}", self.what);
        let mut found = Vec::new();
        // The first round warms up.
        for round in 0..=plan.rounds {
            let measured = measured(process, gateway.address, requests, plan.time).await?;
            if round > 0 {
                found.push(measured);
            }
        }
        let of = |figure: fn(&Measured) -> f64| Spread::of(found.iter().map(figure).collect());
        self.sizes.push((size, of(Measured::micros), of(|measured| 1e6 / measured.rate())));
        Ok(())
    }

    /// One scrape at a time, each after what the last one showed is out of date.
    async fn scrapes(&mut self, size: u32, process: &Process, gateway: &Gateway) -> Result<()> {
        eprintln!("{}: {size}", self.what);
        let request = operator_gets(gateway, "/metrics")(0, 0);
        let mut connection = Connection::open(gateway.address).await?;
        let (mut cpu, mut time) = (Vec::new(), Vec::new());
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            let (before, began) = (process.cpu(), Instant::now());
            ensure!(connection.call(&request).await?.0 == 200, "/metrics is not 200");
            time.push(began.elapsed().as_secs_f64() * 1e6);
            cpu.push(crate::measure::float(process.cpu() - before) / 1e3);
        }
        self.sizes.push((size, Spread::of(cpu), Spread::of(time)));
        Ok(())
    }

    fn print(self) {
        let last = self.sizes.len().saturating_sub(1);
        for (index, (size, cpu, time)) in self.sizes.iter().enumerate() {
            let verdict = if index == last { self.verdict() } else { String::new() };
            println!(
                "| {} | {size} | {:.0} ({:.0}–{:.0}) | {:.0} ({:.0}–{:.0}) | {verdict} |",
                self.what, cpu.median, cpu.least, cpu.most, time.median, time.least, time.most
            );
        }
    }

    /// Flat, linear, or by how much it grew. CPU time and the time between responses count both: the database works
    /// outside of the process.
    fn verdict(&self) -> String {
        let of = |figure: fn(&(u32, Spread, Spread)) -> f64| {
            self.sizes.iter().map(|size| (f64::from(size.0), figure(size))).collect::<Vec<_>>()
        };
        let (cpu, time) = (of(|size| size.1.median), of(|size| size.2.median));
        let grew = |costs: &[(f64, f64)]| match (costs.first(), costs.last()) {
            (Some(first), Some(last)) => last.1 / first.1,
            _ => 1.0,
        };
        let most = grew(&cpu).max(grew(&time));
        if most <= FLAT {
            return "flat".to_owned();
        }
        let steps: Vec<f64> =
            cpu.windows(2).map(|pair| (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0)).collect();
        let (least, most_of_one) = steps
            .iter()
            .fold((f64::MAX, f64::MIN), |(least, most), step| (least.min(*step), most.max(*step)));
        if steps.len() > 1 && least > 0.0 && most_of_one / least <= LINEAR {
            return format!("linear: {least:.1} to {most_of_one:.1} µs each");
        }
        format!("{most:.1} times as much")
    }
}

fn resident(of: &str, process: &Process) {
    println!("| resident memory: {of} | | {:.1} MiB | | |", process.resident_mib());
}

/// Who calls, and whose contacts.
#[derive(Clone)]
struct Caller {
    key: String,
    credential: String,
}

/// Gets by each caller in turns.
fn gets(gateway: &Gateway, callers: &[Caller]) -> Requests {
    let (callers, host): (Arc<[Caller]>, _) = (callers.into(), gateway.address);
    Arc::new(move |connection, sent| {
        let turn = usize::try_from(connection + 32 * sent).unwrap_or_default() % callers.len();
        let (id, Caller { key, credential }) = (bodies::id(connection), &callers[turn]);
        format!(
            "GET /crm/contacts/{id}?credentialId={credential} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\r\n"
        )
        .into()
    })
}

fn operator_gets(gateway: &Gateway, path: &'static str) -> Requests {
    let host = gateway.address;
    Arc::new(move |_, _| {
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\r\n").into()
    })
}

/// Credentials of the one tenant.
async fn credentials_of_one(gateway: &Gateway, mock: &Mock) -> Result<Vec<Caller>> {
    let mut connection = Connection::open(gateway.address).await?;
    let mut callers = Vec::new();
    for number in 0..CREDENTIALS {
        let credential = credential(&mut connection, &gateway.key, mock.pipeline, number).await?;
        callers.push(Caller { key: gateway.key.clone(), credential });
    }
    used_once(gateway, &callers).await?;
    Ok(callers)
}

/// Tenants with one key and one credential each.
async fn tenants_with_a_credential(gateway: &Gateway, mock: &Mock) -> Result<Vec<Caller>> {
    let mut adding = Vec::new();
    for part in 0..ADDED_TOGETHER {
        let (address, pipeline) = (gateway.address, mock.pipeline);
        adding.push(async move {
            let mut connection = Connection::open(address).await?;
            let mut callers = Vec::new();
            for number in (part..TENANTS).step_by(usize::try_from(ADDED_TOGETHER)?) {
                let body = format!("{{\"name\":\"tenant {number}\"}}");
                let tenant = added(&mut connection, "/admin/tenants", ADMIN_TOKEN, &body, "ten_").await?;
                let body = "{\"name\":\"bench\",\"scopes\":[\"contacts:read\",\"credentials:write\"]}";
                let keys = format!("/admin/tenants/{tenant}/keys");
                let key = added(&mut connection, &keys, ADMIN_TOKEN, body, "cg_").await?;
                let credential = credential(&mut connection, &key, pipeline, number).await?;
                callers.push(Caller { key, credential });
            }
            anyhow::Ok(callers)
        });
    }
    let parts = futures_util::future::try_join_all(adding).await?;
    let callers: Vec<Caller> = parts.into_iter().flatten().collect();
    used_once(gateway, &callers).await?;
    Ok(callers)
}

async fn used_once(gateway: &Gateway, callers: &[Caller]) -> Result<()> {
    let rounds = u32::try_from(callers.len())? / 32 + 1;
    load::closed(gateway.address, 32, Duration::MAX, rounds, &gets(gateway, callers)).await?;
    Ok(())
}

async fn credential(connection: &mut Connection, key: &str, crm: SocketAddr, number: u32) -> Result<String> {
    let body = format!(
        "{{\"provider\":\"pipeline\",\"name\":\"n{number}\",\"settings\":{{\"baseUrl\":\"http://{crm}\"}},\"secret\":{{\"token\":\"t{number}\"}}}}"
    );
    added(connection, "/credentials?verify=false", key, &body, "cred_").await
}

/// Adds something over HTTP. Returns the first string of the response that begins with `prefix`.
async fn added(
    connection: &mut Connection,
    path: &str,
    secret: &str,
    body: &str,
    prefix: &str,
) -> Result<String> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (status, body) = connection.call(request.as_bytes()).await?;
    let body = String::from_utf8_lossy(body);
    ensure!(status == 201, "{path} fails: {body}");
    let found = body.split('"').find(|word| word.starts_with(prefix));
    Ok(found.with_context(|| format!("no {prefix} in {body}"))?.to_owned())
}
