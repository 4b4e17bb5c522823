//! `master-key generate`, `master-key rotate`.

use anyhow::bail;
use clap::Subcommand;
use secrecy::ExposeSecret;

use super::output::Output;
use crate::app::Components;
use crate::gateway::credentials::Rotated;
use crate::sealing::MasterKey;

#[derive(Subcommand)]
pub(super) enum MasterKeyCommand {
    /// Print a new master key. Keep it apart from the backups of the database: without it no secret can be opened.
    Generate,
    /// Seal every stored secret under the current master key. Servers may run, and it may be interrupted and run again.
    ///
    /// Set the previous key in `GATEWAY_PREVIOUS_MASTER_KEYS`, for every server too, and remove it when no secret is left.
    Rotate,
}

pub(super) fn generate(output: &mut Output) -> anyhow::Result<()> {
    output.line(MasterKey::generate()?.text().expose_secret())
}

/// Fails if a secret is left that is not sealed under the current key.
pub(super) async fn rotate(parts: &Components, output: &mut Output) -> anyhow::Result<()> {
    let tell = |resealed: u64| Output::note(format!("{resealed} re-sealed so far"));
    let Rotated { resealed, left, unreadable } = parts.gateway.rotation.rotate(tell).await?;
    output.line(format!("{resealed} secrets re-sealed, {left} left"))?;
    if left == 0 {
        return Ok(());
    }
    let named = unreadable.iter().map(|(tenant, credential)| {
        format!("the secret of credential {credential} of tenant {tenant} cannot be opened with any given master key")
    });
    let changing = "secrets were changed at the same time; run this again";
    let sentences = named.chain(unreadable.is_empty().then(|| changing.to_owned()));
    bail!(sentences.collect::<Vec<_>>().join("\n"))
}
