//! `tenant create`, `tenant list`, `tenant delete`.

use clap::Subcommand;

use super::confirm::confirm;
use super::output::{Output, time};
use crate::api::schema::{TenantListing, TenantResponse};
use crate::app::Components;
use crate::domain::{Actor, Result, Text};
use crate::gateway::tenants::TenantRecord;
use crate::gateway::{Listing, ListingRequest};
use crate::store::Usage;

#[derive(Subcommand)]
pub(super) enum TenantsCommand {
    /// Create a tenant and print its id.
    Create {
        /// A name that no other tenant has.
        name: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List tenants, oldest first.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove a tenant with its credentials, secrets and keys permanently.
    Delete {
        /// The tenant's id or name.
        tenant: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

pub(super) async fn run(
    parts: &Components,
    command: TenantsCommand,
    output: &mut Output,
) -> anyhow::Result<()> {
    match command {
        TenantsCommand::Create { name, json } => {
            let tenant = parts.gateway.tenants.create(&Actor::command_line(), &name).await?;
            if json {
                output.json(&TenantResponse::of(&tenant).tenant)
            } else {
                output.line(tenant.id.as_str())
            }
        }
        TenantsCommand::List { json } => {
            let tenants =
                collect_all(|request| async move { parts.gateway.tenants.list(&request).await }).await?;
            if json {
                return output.json(&TenantListing::of(&tenants));
            }
            let row = |TenantRecord { id, name, created_at }: &TenantRecord| {
                [id.to_string(), name.as_str().to_owned(), time(*created_at)]
            };
            output.table(["TENANT", "NAME", "CREATED"], &tenants.items.iter().map(row).collect::<Vec<_>>())
        }
        TenantsCommand::Delete { tenant, yes } => {
            let tenant = parts.gateway.tenants.find(&tenant).await?;
            let Usage { credentials, api_keys, .. } = parts.gateway.tenants.usage(&tenant.id).await?;
            let name = tenant.name.as_str();
            confirm(&format!("Remove {name} with {credentials} credentials and {api_keys} keys"), yes)?;
            parts.gateway.tenants.delete(&Actor::command_line(), &tenant.id).await?;
            Output::note(format!("Removed {} with its credentials and keys.", tenant.id));
            Ok(())
        }
    }
}

/// All items of a listing.
pub(super) async fn collect_all<T, F>(list: impl Fn(ListingRequest) -> F) -> Result<Listing<T>>
where
    F: Future<Output = Result<Listing<T>>>,
{
    let (mut items, mut cursor) = (Vec::new(), None::<Text>);
    loop {
        let Listing { items: more, next_cursor } = list(ListingRequest { cursor, page_size: 100 }).await?;
        items.extend(more);
        if next_cursor.is_none() {
            return Ok(Listing { items, next_cursor });
        }
        cursor = next_cursor;
    }
}
