//! The question before something is removed permanently.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{anyhow, bail};

use super::exit_code::unwritable;

/// Asks whether to go on with `what`, such as `Revoke key_1`. With `--yes` it does not ask. Fails without a terminal, where nobody
/// can answer, and if the answer is not yes.
pub(super) fn confirm(what: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        bail!("{what}? This cannot be undone. Nothing was changed; add --yes to do it");
    }
    write!(std::io::stderr(), "{what}? This cannot be undone. [y/N] ").map_err(unwritable)?;
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| anyhow!("the answer cannot be read: {error}"))?;
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    bail!("Nothing was changed")
}
