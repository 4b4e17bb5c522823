//! `key create`, `key list`, `key revoke`.

use clap::Subcommand;
use secrecy::ExposeSecret;

use super::confirm::confirm;
use super::output::{Output, time};
use super::tenants::collect_all;
use crate::api::schema::{KeyListing, KeyResponse};
use crate::app::Components;
use crate::domain::{Actor, CredentialId, Scope, Scopes, TenantId, Timestamp};
use crate::gateway::keys::{KeyDraft, KeyRecord};

#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// Make an API key and print its secret, which is shown only now.
    Create {
        /// The tenant's id or name.
        #[arg(long)]
        tenant: String,
        /// A name for people.
        #[arg(long)]
        name: String,
        /// The key's scopes, separated by commas: contacts:read, contacts:write, credentials:read, credentials:write.
        #[arg(long = "scope", required = true, value_delimiter = ',', value_parser = scope)]
        scopes: Vec<Scope>,
        /// A credential that the key may use; may be repeated. Without it, the key may use all of the tenant's credentials.
        #[arg(long = "credential", value_name = "ID")]
        credentials: Vec<String>,
        /// When the key expires, such as 2030-01-31T00:00:00Z.
        #[arg(long, value_name = "TIME")]
        expires_at: Option<Timestamp>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List a tenant's keys, oldest first; never their secrets.
    List {
        /// The tenant's id or name.
        #[arg(long)]
        tenant: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key permanently; servers refuse it within 5 seconds.
    Revoke {
        /// The tenant's id or name.
        #[arg(long)]
        tenant: String,
        /// The key's id, `key_…`.
        key: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

pub(super) async fn run(parts: &Components, command: KeysCommand, output: &mut Output) -> anyhow::Result<()> {
    match command {
        KeysCommand::Create { tenant, name, scopes, credentials, expires_at, json } => {
            let ids: Vec<CredentialId> = credentials.into_iter().map(CredentialId::from).collect();
            let draft = KeyDraft {
                name: name.into(),
                scopes: Scopes::new(&scopes),
                credential_ids: Some(ids).filter(|ids| !ids.is_empty()),
                expires_at,
            };
            let tenant = parts.gateway.tenants.find(&tenant).await?.id;
            create(parts, &tenant, draft, json, output).await
        }
        KeysCommand::List { tenant, json } => {
            let tenant = &parts.gateway.tenants.find(&tenant).await?.id;
            let keys =
                collect_all(|request| async move { parts.gateway.keys.list(tenant, &request).await }).await?;
            if json {
                return output.json(&KeyListing::of(&keys));
            }
            let rows: Vec<_> = keys.items.iter().map(row).collect();
            output.table(["KEY", "NAME", "SCOPES", "CREATED", "EXPIRES"], &rows)
        }
        KeysCommand::Revoke { tenant, key, yes } => {
            let tenant = parts.gateway.tenants.find(&tenant).await?.id;
            confirm(&format!("Revoke {key}"), yes)?;
            parts.gateway.keys.revoke(&Actor::command_line(), &tenant, &key.as_str().into()).await?;
            Output::note(format!("Revoked {key}; running servers refuse it within 5 seconds."));
            Ok(())
        }
    }
}

/// Only the secret goes to standard output, so that a script can store it directly.
async fn create(
    parts: &Components,
    tenant: &TenantId,
    draft: KeyDraft,
    json: bool,
    output: &mut Output,
) -> anyhow::Result<()> {
    let (key, secret) = parts.gateway.keys.create(&Actor::command_line(), tenant, draft).await?;
    if json {
        return output.json(&KeyResponse::of(&key, &secret));
    }
    Output::note(format!("Made {}. Its secret is shown only now:", key.id));
    output.line(secret.expose_secret())
}

fn row(key: &KeyRecord) -> [String; 5] {
    let scopes: Vec<&str> = key.scopes.as_slice().iter().copied().map(Scope::as_str).collect();
    [
        key.id.to_string(),
        key.name.as_str().to_owned(),
        scopes.join(","),
        time(key.created_at),
        key.expires_at.map_or_else(|| "never".to_owned(), time),
    ]
}

fn scope(word: &str) -> Result<Scope, String> {
    let words = Scope::ALL.map(Scope::as_str).join(", ");
    Scope::parse(word).ok_or_else(|| format!("the scopes are {words}"))
}
