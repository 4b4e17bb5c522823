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
use crate::telemetry;
use crate::upstream::{AllowList, BaseUrlGuard, Transport};

/// The published key, which exists only in the demo's temporary database.
const KEY_ID: &str = "demo000000000000";
const KEY_SECRET: &str = "demo000000000000000000000000000000000000000";
/// Published too.
const OPERATOR_TOKEN: &str = "demo-operator-token";
/// The timeout of local calls at the start.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs gateway and simulators on loopback until Ctrl-C. `announce` gets the text that says what to try, with colours if wanted.
/// Fails with a sentence if it cannot start, or if `address` is not loopback, because its key is public.
pub async fn demo(
    address: SocketAddr,
    has_colours: bool,
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
        crms.push((crm, crm.start(anywhere, Vec::new()).await?));
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
    announce(&welcome(listener.local_addr()?, key.text().expose_secret(), &crms, has_colours))?;
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
    let operator = OPERATOR_TOKEN.into();
    Ok(Components::join(
        store,
        sealer,
        guard,
        transport,
        Some(&operator),
        Issuers::default(),
        Limits::default(),
    ))
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

/// The text for new users. The lines that begin with `curl` or `for` work as printed, once `KEY` is set; they have no colours.
fn welcome(address: SocketAddr, key: &str, crms: &[(&Simulated, Running)], has_colours: bool) -> String {
    const PERSON: &str = r#"{"firstName":"Ada","lastName":"Okafor","emailAddresses":[{"emailAddress":"ada.okafor@example.com"}],"phoneNumbers":[{"phoneNumber":"+1 416 555 0123"}]}"#;
    const AUTH: &str = r#"-H "Authorization: Bearer $KEY""#;
    let bold = |text: &str| telemetry::styled(has_colours, 1, text);
    let dim = |text: &str| telemetry::styled(has_colours, 2, text);
    let ids: Vec<String> = ADAPTERS.iter().map(|spec| format!("demo-{}", spec.provider)).collect();
    let url = format!("http://{address}/crm/contacts");
    let mut text = format!(
        "{}\n\n\
         {}    http://{address}/docs/\n\
         {}        http://{address}/docs/guide/\n\
         {}     http://{address}/ops   sign in with {OPERATOR_TOKEN}\n",
        bold(&format!(
            "contacts-gateway demo: one contacts API, {} simulated CRMs with 450 people each.",
            crms.len()
        )),
        bold("Reference"),
        bold("Guide"),
        bold("Operator"),
    );
    for (crm, running) in crms {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{}{:width$}{}   simulated; its calls: /_simulator/journal",
            bold(crm.provider),
            "",
            running.base_url(),
            width = 13_usize.saturating_sub(crm.provider.len()),
        );
    }
    let _ = write!(
        text,
        "\nIn another terminal:\n\nexport KEY={key}\n\
         \n{}\n",
        dim("# two people of each CRM"),
    );
    for id in &ids {
        let _ = writeln!(text, "curl -s {AUTH} '{url}?credentialId={id}&pageSize=2'");
    }
    let _ = write!(
        text,
        "\n{}\n\
         for crm in {}; do curl -s {AUTH} -H 'Content-Type: application/json' \"{url}?credentialId=$crm\" -d '{PERSON}'; done\n\
         curl -s {AUTH} '{url}/search?emailAddress=ada.okafor@example.com'\n\
         \n{}\n",
        dim("# the same person into both CRMs, and one search over both"),
        ids.join(" "),
        dim("Each call is one line below. Ctrl-C stops the demo and removes its data."),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_readers_copy_has_no_colours() {
        let text = |has_colours| welcome(SocketAddr::from(([127, 0, 0, 1], 8080)), "cg_1", &[], has_colours);
        let (plain, coloured) = (text(false), text(true));
        assert!(!plain.contains('\x1b'));
        assert!(
            coloured.contains("\x1b[1mGuide\x1b[0m        http://127.0.0.1:8080/docs/guide/\n"),
            "{coloured}"
        );
        assert!(coloured.contains("\n\x1b[2m# two people of each CRM\x1b[0m\n"), "{coloured}");
        let copied = |line: &&str| ["export ", "curl ", "for "].iter().any(|start| line.starts_with(start));
        let copied = |text: &'_ str| text.lines().filter(copied).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(copied(&coloured), copied(&plain));
        assert_eq!(copied(&plain).len(), 3 + ADAPTERS.len());
    }
}
