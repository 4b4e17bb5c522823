//! A credential's secret from standard input or a file, never from an argument.

use std::io::{IsTerminal, Read};
use std::path::Path;

use anyhow::{anyhow, bail};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use crate::adapters::AdapterSpec;
use crate::json;

const LARGEST: u64 = 64 * 1024;

/// Reads the secret as a JSON object. If the provider needs only one value, it may be given without the object.
pub(super) fn read(spec: Option<&AdapterSpec>, file: Option<&Path>) -> anyhow::Result<SecretString> {
    let text = text(file)?;
    let text = text.trim();
    if text.is_empty() {
        bail!("the secret is empty; nothing was stored");
    }
    if text.starts_with('{') {
        let fault =
            |_| anyhow!("the secret is not a JSON object with unique fields, such as {{\"apiKey\": \"…\"}}");
        json::check(text, json::REQUEST).map_err(fault)?;
        return Ok(text.into());
    }
    let alone =
        spec.and_then(|spec| spec.secrets.iter().find_map(|form| <[&str; 1]>::try_from(form.members).ok()));
    let [member] = alone.ok_or_else(|| anyhow!("the secret must be a JSON object for this provider"))?;
    let value = Zeroizing::new(serde_json::json!(text).to_string());
    Ok(json::object([(member, value.as_str())]).into())
}

fn text(file: Option<&Path>) -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let read = match file {
        Some(path) => return text_of(path, LARGEST, "the secret"),
        None if std::io::stdin().is_terminal() => bail!(
            "give the secret on standard input or with --secret-file, such as `… < secret.txt`; if typed at a terminal, it \
             would be visible"
        ),
        None => std::io::stdin().take(LARGEST).read_to_string(&mut text),
    };
    read.map_err(|error| anyhow!("the secret cannot be read from standard input: {error}"))?;
    Ok(text)
}

/// The text of a file with a secret, at most `most` bytes. `what` names it in the error.
pub(super) fn text_of(path: &Path, most: u64, what: &str) -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let read = std::fs::File::open(path).and_then(|file| file.take(most).read_to_string(&mut text));
    read.map_err(|error| anyhow!("{what} cannot be read from {}: {error}", path.display()))?;
    Ok(text)
}
