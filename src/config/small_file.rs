//! Small files: the configuration, one secret, a key set.

use std::io::Read;
use std::path::Path;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

/// The largest configuration or secret file that is read.
pub(super) const LARGEST: u64 = 64 * 1024;
/// The largest key set. A hundred keys of the longest kind fit.
const LARGEST_KEY_SET: u64 = 1024 * 1024;

/// The secret in the file at `path`, without the line break at its end.
pub(super) fn secret(path: &Path) -> Result<SecretString, String> {
    let text = filled(path)?;
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.contains(['\n', '\r']) {
        return Err(format!("names {}, which has more than one line", path.display()));
    }
    Ok(secret.into())
}

/// The secrets in the file at `path`, one per line, joined by commas.
pub(super) fn secrets(path: &Path) -> Result<SecretString, String> {
    let text = filled(path)?;
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Ok(lines.join(",").into())
}

fn filled(path: &Path) -> Result<Zeroizing<String>, String> {
    let text = text(path, LARGEST).map_err(|reason| {
        // The path may be the secret itself, written here by mistake.
        let named = if path.exists() { path.display().to_string() } else { "a file".to_owned() };
        format!(
            "names {named}, which cannot be read: {reason}; it must be the path of a file that contains the secret"
        )
    })?;
    if text.trim().is_empty() { Err(format!("names {}, which is empty", path.display())) } else { Ok(text) }
}

/// The text of a path that does not exist, unless it looks like a URL, which may contain a password.
pub(super) fn named(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains("://") || text.contains('@') { "(not shown)".to_owned() } else { text }
}

/// The key set in the file at `path`. Its keys are public.
pub(super) fn key_set(path: &Path) -> Result<String, String> {
    text(path, LARGEST_KEY_SET).map(|text| text.to_string())
}

/// The text of the file at `path`, of at most `largest` bytes.
pub(super) fn text(path: &Path, largest: u64) -> Result<Zeroizing<String>, String> {
    let mut text = Zeroizing::new(String::new());
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let read = file.take(largest + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if u64::try_from(read).unwrap_or(u64::MAX) > largest {
        return Err(format!("it is larger than {} KiB", largest / 1024));
    }
    Ok(text)
}
