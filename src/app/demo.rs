//! The demo in one process, without any account: the gateway, both CRMs simulated, a key, two credentials.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use secrecy::ExposeSecret;

use super::serve::{Signals, listen, run, state};
use super::{Components, SIMULATED, Simulated};
use crate::adapters::ADAPTERS;
use crate::api::EdgeSettings;
use crate::auth::{ApiKey, Issuers};
use crate::config::Limits;
use crate::domain::{CallContext, Caller, CredentialId, Principal, RawJson, Scope, Scopes, TenantId, Text};
use crate::gateway::credentials::CredentialDraft;
use crate::sealing::{MasterKey, Sealer};
use crate::simulators::Running;
use crate::store::{KeyRecord, Location, Store, TenantRecord, now};
use crate::upstream::{AllowList, BaseUrlGuard, Transport};

/// The published key, which exists only in the demo's temporary database.
const KEY_ID: &str = "demo000000000000";
const KEY_SECRET: &str = "demo000000000000000000000000000000000000000";
/// The timeout of local calls at the start.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs gateway and simulators on loopback until Ctrl-C. `announce` gets the text that says what to try.
/// Fails with a sentence if it cannot start, or if `address` is not loopback, because its key is public.
pub async fn demo(
    address: SocketAddr,
    announce: impl FnOnce(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        address.ip().is_loopback(),
        "the demo listens only on loopback, because its key is public; use 127.0.0.1:{}",
        address.port()
    );
    // First, so that a Ctrl-C during the start removes the folder too.
    let signals = Signals::new()?;
    let listener = listen(address, "--listen")?;
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut crms = Vec::new();
    for crm in SIMULATED {
        crms.push((crm, crm.start(anywhere).await?));
    }
    // Removed when it goes out of scope, also after a Ctrl-C.
    let folder = tempfile::Builder::new().prefix("contacts-gateway-demo-").tempdir()?;
    let parts = parts(folder.path()).await?;
    let key =
        ApiKey::from_parts(KEY_ID, KEY_SECRET).map_err(|_| anyhow::anyhow!("the demo's key is malformed"))?;
    let caller = tenant(&parts, &key).await?;
    for (crm, running) in &crms {
        link(&parts, &caller, crm.provider, running, &(crm.secret)(running.token())).await?;
    }
    announce(&welcome(listener.local_addr()?, key.text().expose_secret(), &crms))?;
    run(listener, None, None, state(parts, &Limits::default(), EdgeSettings::default()), signals).await?;
    for (_, running) in crms {
        running.shutdown().await;
    }
    Ok(())
}

async fn parts(folder: &std::path::Path) -> anyhow::Result<Components> {
    let store =
        Store::open(&Location::parse(&format!("sqlite://{}", folder.join("demo.db").display()))?).await?;
    let guard = BaseUrlGuard::new(AllowList::parse("127.0.0.1").map_err(anyhow::Error::msg)?);
    let sealer = Sealer::new(&MasterKey::generate().map_err(failed)?).map_err(failed)?;
    let transport = Transport::new(&guard)?;
    Ok(Components::join(store, sealer, guard, transport, None, Issuers::default(), Limits::default()))
}

async fn tenant(parts: &Components, key: &ApiKey) -> anyhow::Result<Caller> {
    let (id, scopes) = (TenantId::from("ten_demo"), Scopes::new(&Scope::ALL));
    let tenant = TenantRecord { id: id.clone(), name: "demo".into(), created_at: now() };
    parts.store.tenants.insert(&tenant).await.map_err(failed)?;
    let record = KeyRecord {
        id: key.id().clone(),
        tenant: id.clone(),
        name: "demo".into(),
        digest: key.digest(),
        scopes: scopes.clone(),
        credentials: None,
        created_at: now(),
        expires_at: None,
        last_used_at: None,
    };
    parts.store.keys.insert(&record).await.map_err(failed)?;
    Ok(Caller { tenant: id, principal: Principal::Key(key.id().clone()), scopes, credentials: None })
}

async fn link(
    parts: &Components,
    caller: &Caller,
    provider: &str,
    crm: &Running,
    secret: &str,
) -> anyhow::Result<()> {
    let settings = format!(r#"{{"baseUrl":"{}","defaultRegion":"US"}}"#, crm.base_url());
    let draft = CredentialDraft {
        provider: provider.into(),
        name: format!("demo {provider}").into(),
        settings: RawJson::from_validated(settings.into()),
        secret: secret.into(),
    };
    let id = CredentialId::from(format!("demo-{provider}"));
    let context = CallContext::within(PATIENCE, Text::from_static("demo"));
    parts.gateway.credentials.create_as(&context, caller, id, draft, true).await.map_err(failed)?;
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where an error is mapped")]
fn failed(failure: crate::domain::Failure) -> anyhow::Error {
    anyhow::anyhow!("the demo could not start: {}", failure.detail.as_str())
}

/// The text for new users. The lines that begin with `curl` work as printed.
fn welcome(address: SocketAddr, key: &str, crms: &[(&Simulated, Running)]) -> String {
    let addresses: Vec<String> =
        crms.iter().map(|(crm, running)| format!("{} {}", crm.provider, running.base_url())).collect();
    let mut text = format!(
        "contacts-gateway demo: one contacts API, {} simulated CRMs with 450 people each.\n\n\
         Swagger UI   http://{address}/docs   (Authorize with the key below)\n\
         API key      {key}\n\
         Simulators   {}   (GET /_simulator/journal shows every call they got)\n",
        crms.len(),
        addresses.join("   "),
    );
    let auth = format!("-H 'Authorization: Bearer {key}'");
    let parts = [first_calls(address, &auth), searches(address, &auth), careful_writes(address, &auth, crms)];
    for (title, calls) in parts.into_iter().flatten() {
        let _ = writeln!(text, "\n{title}\n{}", calls.join("\n")); // Writing to a string does not fail.
    }
    text.push_str("\nCtrl-C stops the demo and removes its data.\n");
    text
}

/// A title, and the calls under it.
type TitledCalls = (&'static str, Vec<String>);

fn first_calls(address: SocketAddr, auth: &str) -> Vec<TitledCalls> {
    let person = r#"{"firstName":"Ada","lastName":"Okafor","emailAddresses":[{"emailAddress":"ada.okafor@example.com"}],"phoneNumbers":[{"phoneNumber":"+1 416 555 0123"}]}"#;
    vec![
        (
            "List people, the same way in both CRMs:",
            calls(|credential| {
                format!("curl -s {auth} 'http://{address}/crm/contacts?credentialId={credential}&pageSize=2'")
            }),
        ),
        (
            "Create the same person in both:",
            calls(|credential| {
                format!(
                    "curl -s {auth} -H 'Content-Type: application/json' 'http://{address}/crm/contacts?credentialId={credential}' -d '{person}'"
                )
            }),
        ),
        (
            "Read them back:",
            vec![
                format!(
                    "curl -s {auth} 'http://{address}/crm/contacts?credentialId=demo-aptly&emailAddress=ada.okafor@example.com'"
                ),
                format!(
                    "curl -s {auth} 'http://{address}/crm/contacts?credentialId=demo-pipeline&remoteCreatedAtMin={}'",
                    minute()
                ),
            ],
        ),
    ]
}

fn searches(address: SocketAddr, auth: &str) -> Vec<TitledCalls> {
    vec![
        (
            "Find her in both CRMs with one search:",
            vec![format!(
                "curl -s {auth} 'http://{address}/crm/contacts/search?emailAddress=ada.okafor@example.com'"
            )],
        ),
        (
            "Filter by name, the same way in both CRMs:",
            calls(|credential| {
                format!(
                    "curl -s {auth} 'http://{address}/crm/contacts?credentialId={credential}&lastName=okafor&pageSize=2'"
                )
            }),
        ),
        (
            "Export everybody, one JSON text a line:",
            calls(|credential| {
                format!("curl -s {auth} 'http://{address}/crm/contacts/export?credentialId={credential}'")
            }),
        ),
    ]
}

fn careful_writes(address: SocketAddr, auth: &str, crms: &[(&Simulated, Running)]) -> Vec<TitledCalls> {
    let once = r#"{"firstName":"Grace","lastName":"Moreau","emailAddresses":[{"emailAddress":"grace.moreau@example.com"}],"phoneNumbers":[{"phoneNumber":"+1 416 555 0124"}]}"#;
    let create = |credential: &str, query: &str, header: &str| {
        format!(
            "curl -s {auth}{header} -H 'Content-Type: application/json' 'http://{address}/crm/contacts?credentialId={credential}{query}' -d '{once}'"
        )
    };
    vec![
        (
            "See what a write would send to each CRM (dry run: checked, and nothing is written):",
            calls(|credential| create(credential, "&dryRun=true", "")),
        ),
        (
            "Create a contact once, even if the request is sent again (same key, same response):",
            calls(|credential| create(credential, "", &format!(" -H 'Idempotency-Key: once-{credential}'"))),
        ),
        (
            "Change a contact only if it was not changed since it was read (ETag, If-Match):",
            edits(address, auth, crms),
        ),
    ]
}

fn calls(call: impl Fn(&str) -> String) -> Vec<String> {
    ADAPTERS.iter().map(|spec| call(&format!("demo-{}", spec.provider))).collect()
}

/// A conditional edit of one contact in each CRM, with the `ETag` of a read.
fn edits(address: SocketAddr, auth: &str, crms: &[(&Simulated, Running)]) -> Vec<String> {
    let edit = |(crm, running): &(&Simulated, Running)| {
        let contact = running.contacts().first()?.get("_id")?.as_str()?.to_owned();
        let url = format!("http://{address}/crm/contacts/{contact}?credentialId=demo-{}", crm.provider);
        let tag = format!("curl -s -o /dev/null -D - {auth} '{url}' | tr -d '\\r' | sed -n 's/^etag: //p'");
        Some(format!(
            r#"curl -s -X PATCH {auth} -H "If-Match: $({tag})" -H 'Content-Type: application/json' '{url}' -d '{{"firstName":"Edith"}}'"#
        ))
    };
    crms.iter().filter_map(edit).collect()
}

/// The current minute: sample people are older, and contacts created from now on are not.
fn minute() -> String {
    let seconds = now().as_second() / 60 * 60;
    crate::domain::Timestamp::from_second(seconds).unwrap_or_else(|_| now()).to_string()
}
