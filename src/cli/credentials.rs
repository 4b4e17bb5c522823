//! `credential add`, `credential list`, `credential check`, `credential update`, `credential delete`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::confirm::confirm;
use super::output::{Output, time};
use super::secret;
use super::tenants::collect_all;
use crate::adapters::{self, Account};
use crate::api::schema::{CredentialListing, CredentialResponse};
use crate::app::Components;
use crate::domain::{CallContext, Caller, Principal, RawJson, Scope, Scopes, Text};
use crate::gateway::Listing;
use crate::gateway::credentials::{CheckOutcome, Credential, CredentialDraft, CredentialPatch};
use crate::json;

/// The timeout of a probe.
const PROBE_TIME: Duration = Duration::from_secs(30);

#[derive(Subcommand)]
pub(super) enum CredentialsCommand {
    /// Link a CRM account to a tenant and print the credential's id. The secret is read from standard input.
    Add {
        /// The tenant's id or name.
        #[arg(long)]
        tenant: String,
        /// Which CRM.
        #[arg(long)]
        provider: String,
        /// A name, unique in the tenant.
        #[arg(long)]
        name: String,
        /// Settings, a JSON object such as {"defaultRegion":"US"}.
        #[arg(long, default_value = "{}", value_name = "JSON")]
        settings: String,
        /// Read the secret from this file instead.
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
        /// Store it without asking the CRM whether it accepts the secret.
        #[arg(long)]
        no_verify: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List a tenant's credentials, oldest first; never their secrets.
    List {
        /// The tenant's id or name.
        #[arg(long)]
        tenant: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Ask the CRM whether it still accepts the secret; the exit code is 1 if it does not.
    Check {
        /// The tenant's id or name.
        #[arg(long)]
        tenant: String,
        /// The credential's id.
        credential: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Change a credential: its name, its settings, or its secret.
    Update(CredentialChange),
    /// Delete a credential and destroy its secret.
    #[command(alias = "remove")]
    Delete {
        /// The tenant's id or name.
        #[arg(long)]
        tenant: String,
        /// The credential's id.
        credential: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args)]
pub(super) struct CredentialChange {
    /// The tenant's id or name.
    #[arg(long)]
    tenant: String,
    /// The credential's id.
    credential: String,
    /// A new name, unique in the tenant.
    #[arg(long)]
    name: Option<String>,
    /// Settings to merge, a JSON object such as {"defaultRegion":"US"}; null resets one. A new baseUrl needs the secret.
    #[arg(long, value_name = "JSON")]
    settings: Option<String>,
    /// Read a new secret from standard input.
    #[arg(long)]
    secret: bool,
    /// Read a new secret from this file.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Store it without asking the CRM whether it accepts the secret.
    #[arg(long)]
    no_verify: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    parts: &Components,
    command: CredentialsCommand,
    output: &mut Output,
) -> anyhow::Result<()> {
    match command {
        CredentialsCommand::Add { tenant, provider, name, settings, secret_file, no_verify, json } => {
            let caller = operator_for(parts, &tenant).await?;
            let settings = parsed(settings)?;
            let secret = secret::read(adapters::spec(&provider), secret_file.as_deref())?;
            let draft = CredentialDraft { provider: provider.into(), name: name.into(), settings, secret };
            let made = parts.gateway.credentials.create(&context(), &caller, draft, !no_verify).await?;
            if json {
                output.json(&CredentialResponse::of(&made).credential)
            } else {
                output.line(made.id.as_str())
            }
        }
        CredentialsCommand::List { tenant, json } => {
            let caller = &operator_for(parts, &tenant).await?;
            let all =
                collect_all(|request| async move { parts.gateway.credentials.list(caller, &request).await })
                    .await?;
            list(&all, json, output)
        }
        CredentialsCommand::Check { tenant, credential, json } => {
            let caller = operator_for(parts, &tenant).await?;
            let checked =
                parts.gateway.credentials.check(&context(), &caller, &credential.as_str().into()).await?;
            report(&checked, json, output)
        }
        CredentialsCommand::Update(change) => update(parts, change, output).await,
        CredentialsCommand::Delete { tenant, credential, yes } => {
            let caller = operator_for(parts, &tenant).await?;
            confirm(&format!("Delete {credential} with its secret"), yes)?;
            parts.gateway.credentials.delete(&context(), &caller, &credential.as_str().into()).await?;
            Output::note(format!("Deleted {credential}; its secret is destroyed."));
            Ok(())
        }
    }
}

async fn update(parts: &Components, change: CredentialChange, output: &mut Output) -> anyhow::Result<()> {
    let CredentialChange { tenant, credential, name, settings, secret, secret_file, no_verify, json } =
        change;
    let (caller, id) = (operator_for(parts, &tenant).await?, credential.as_str().into());
    let held = parts.gateway.credentials.get(&caller, &id).await?;
    let settings = settings.map(parsed).transpose()?;
    let spec = adapters::spec(held.provider.as_str());
    let secret = (secret || secret_file.is_some()).then(|| secret::read(spec, secret_file.as_deref()));
    let patch = CredentialPatch { name: name.map(Text::from), settings, secret: secret.transpose()? };
    let changed = parts.gateway.credentials.update(&context(), &caller, &id, patch, !no_verify).await?;
    if json {
        return output.json(&CredentialResponse::of(&changed).credential);
    }
    Output::note(format!("Updated {credential}."));
    Ok(())
}

fn parsed(settings: String) -> anyhow::Result<RawJson> {
    json::check(&settings, json::REQUEST)
        .map_err(|fault| anyhow!("--settings is not valid JSON: {}", fault.reason()))?;
    Ok(RawJson::from_validated(Text::from(settings)))
}

/// The operator has all rights of the tenant.
async fn operator_for(parts: &Components, tenant: &str) -> anyhow::Result<Caller> {
    let tenant = parts.gateway.tenants.find(tenant).await?.id;
    Ok(Caller {
        tenant,
        principal: Principal::CommandLine,
        scopes: Scopes::new(&Scope::ALL),
        credentials: None,
    })
}

fn context() -> CallContext {
    CallContext::within(PROBE_TIME, Text::from_static("command-line"))
}

fn list(all: &Listing<Credential>, json: bool, output: &mut Output) -> anyhow::Result<()> {
    if json {
        return output.json(&CredentialListing::of(all));
    }
    let row = |credential: &Credential| {
        let check = credential.last_check.as_ref().map_or_else(
            || "unknown".to_owned(),
            |check| format!("{} since {}", check.code.as_deref().unwrap_or("ok"), time(check.since)),
        );
        [
            credential.id.to_string(),
            credential.provider.to_string(),
            credential.name.as_str().to_owned(),
            time(credential.updated_at),
            check,
        ]
    };
    let rows: Vec<_> = all.items.iter().map(row).collect();
    output.table(["CREDENTIAL", "PROVIDER", "NAME", "UPDATED", "HEALTH"], &rows)
}

fn report(
    CheckOutcome { outcome, took }: &CheckOutcome,
    json: bool,
    output: &mut Output,
) -> anyhow::Result<()> {
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if json {
        let account = outcome
            .as_ref()
            .ok()
            .map(|Account { id, name }| json!({ "id": id.as_deref(), "name": name.as_deref() }));
        let mut shown = json!({ "ok": outcome.is_ok(), "account": account, "durationMs": duration_ms });
        if let Err(failure) = outcome {
            shown["problem"] = json!({ "code": failure.kind.code(), "detail": failure.detail.as_str() });
        }
        output.json(&shown)?;
    } else if let Ok(Account { id, name }) = outcome {
        let name = name.as_deref().or(id.as_deref()).unwrap_or("an account without a name");
        output.line(format!("ok: {name}, {duration_ms} ms"))?;
    }
    match outcome {
        Ok(_) => Ok(()),
        Err(failure) => bail!("{}: {}", failure.kind.code(), failure.detail.as_str()),
    }
}
