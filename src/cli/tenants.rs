//! `tenant create`, `tenant list`, `tenant delete`.

use clap::Subcommand;

use super::cli_error::CliOutcome;
use super::output::Output;
use super::shown::{Items, ShownTenant, time};
use crate::app::Components;
use crate::domain::{Actor, Result, Text};
use crate::gateway::tenants::Tenant;
use crate::gateway::{Listing, ListingRequest};

#[derive(Subcommand)]
pub(super) enum TenantsCommand {
    /// Make a tenant and print its id.
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
    /// Remove a tenant with its credentials, secrets and keys, for good.
    Delete {
        /// The tenant's id or name.
        tenant: String,
    },
}

pub(super) async fn run(parts: &Components, command: TenantsCommand, output: &mut Output) -> CliOutcome {
    match command {
        TenantsCommand::Create { name, json } => {
            let tenant = parts.gateway.tenants.create(&Actor::command_line(), &name).await?;
            if json { output.json(&ShownTenant::from(&tenant)) } else { output.line(tenant.id.as_str()) }
        }
        TenantsCommand::List { json } => {
            let tenants = whole(|request| async move { parts.gateway.tenants.list(&request).await }).await?;
            if json {
                return output.json(&Items::whole(tenants.iter().map(ShownTenant::from).collect()));
            }
            let row = |Tenant { id, name, created_at }: &Tenant| {
                [id.to_string(), name.as_str().to_owned(), time(*created_at)]
            };
            output.table(["TENANT", "NAME", "CREATED"], &tenants.iter().map(row).collect::<Vec<_>>())
        }
        TenantsCommand::Delete { tenant } => {
            let tenant = parts.gateway.tenants.find(&tenant).await?;
            parts.gateway.tenants.delete(&Actor::command_line(), &tenant.id).await?;
            Output::note(format!("Removed {} with its credentials and keys.", tenant.id));
            Ok(())
        }
    }
}

/// Walks a listing to its end.
pub(super) async fn whole<T, F>(list: impl Fn(ListingRequest) -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<Listing<T>>>,
{
    let (mut items, mut cursor) = (Vec::new(), None::<Text>);
    loop {
        let Listing { items: more, next_cursor } = list(ListingRequest { cursor, page_size: 100 }).await?;
        items.extend(more);
        if next_cursor.is_none() {
            return Ok(items);
        }
        cursor = next_cursor;
    }
}
