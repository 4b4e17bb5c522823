//! The commented example file, from the declaration of the settings.

use std::fmt::Write as _;

use super::jwt::JWT_KEYS;
use super::limits::RATE_KEYS;
use super::setting::{Setting, ValueKind};
use super::settings::SECTIONS;

const WIDTH: usize = 100;

/// The example file. A line that begins with `#` and no space is a setting that is commented out.
#[must_use]
pub fn example() -> String {
    let mut text = String::new();
    prose(
        &mut text,
        "Settings of contacts-gateway, each with its default, or with an example if it has none. To set one, remove the `#` \
         before it. Environment variables and flags override this file. `contacts-gateway check-config --config FILE` checks it; \
         `contacts-gateway config schema` prints a JSON Schema for editors.",
    );
    for section in &SECTIONS {
        line(&mut text, &format!("\n# === {} ===", section.title));
        for setting in section.settings {
            text.push('\n');
            prose(&mut text, &setting.doc());
            prose(&mut text, &notes(setting));
            let file = if setting.may_have_file() && setting.default.is_none() { "_file" } else { "" };
            line(&mut text, &format!("#{}{file} = {}", setting.key, value(setting)));
        }
    }
    line(&mut text, "\n# === Issuers of tokens (JWT) ===\n");
    prose(&mut text, "Whose tokens are accepted; the table may be repeated. In the file only.");
    table(&mut text, "[[auth.jwt]]", &JWT_KEYS);
    line(&mut text, "\n# === Rate limits of a CRM ===\n");
    prose(
        &mut text,
        "In place of the limits that the CRM publishes; a table for each provider. In the file only.",
    );
    table(&mut text, "[limits.upstream.\"aptly\"]", &RATE_KEYS);
    text
}

fn table(text: &mut String, head: &str, keys: &[Setting]) {
    line(text, &format!("#{head}"));
    for setting in keys {
        prose(text, &setting.doc());
        match setting.example.or(setting.default) {
            Some(_) => line(text, &format!("#{} = {}", setting.key, value(setting))),
            // Another key is the example of its kind.
            None => line(text, &format!("# {} = \"…\"", setting.key)),
        }
    }
}

/// The variable, the default, and whether SIGHUP reloads it.
fn notes(setting: &Setting) -> String {
    let file = if setting.may_have_file() { " or …_FILE" } else { "" };
    let default = match setting.default {
        None => "no default".to_owned(),
        Some("") => "empty by default".to_owned(),
        Some(default) => format!("default {default}"),
    };
    let reloaded = if setting.is_reloaded { "; reloaded by SIGHUP" } else { "" };
    format!("({}{file}; {default}{reloaded})", setting.variable())
}

/// The example or the default, in TOML, which writes these as JSON does.
fn value(setting: &Setting) -> String {
    let text = setting.example.or(setting.default).unwrap_or_default();
    match setting.kind {
        ValueKind::Whole { .. } => text.to_owned(),
        ValueKind::List | ValueKind::Origins | ValueKind::Words(_) => {
            let parts: Vec<_> = text.split(',').map(str::trim).collect();
            serde_json::json!(parts).to_string().replace("\",\"", "\", \"")
        }
        _ => serde_json::json!(text).to_string(),
    }
}

/// Comment lines.
fn prose(text: &mut String, words: &str) {
    let mut column = 0;
    for word in words.split(' ') {
        if column == 0 || column + 1 + word.chars().count() > WIDTH {
            text.push_str(if column == 0 { "#" } else { "\n#" });
            column = 1;
        }
        // Writing to a string does not fail.
        let _ = write!(text, " {word}");
        column += 1 + word.chars().count();
    }
    text.push('\n');
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}
