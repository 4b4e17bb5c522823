//! What the status of an upstream's response means for every CRM. A CRM's `failure.rs` adds its own rules.

use memchr::{memchr, memmem};

use crate::domain::{Effect, Failure, FailureKind, Faults, FieldFault, Text};
use crate::json::CheckedJson;
use crate::upstream::{Reply, Secrets};

/// Longest part of an upstream's message that is passed on, in characters.
const LONGEST_MESSAGE: usize = 300;

/// The failure for a reply outside 2xx. `message` is the text of the upstream's message field.
#[must_use]
pub(super) fn by_status(reply: &Reply, message: Option<&str>) -> Failure {
    let (kind, says) = match reply.status {
        300..=399 => (
            FailureKind::UpstreamRedirected,
            "The CRM responded with a redirect, which is not followed. Fix the base URL.",
        ),
        401 => (
            FailureKind::UpstreamCredentialRejected,
            "The CRM rejected this credential's secret. Store a valid one.",
        ),
        403 => (
            FailureKind::UpstreamPermissionDenied,
            "The CRM does not allow this for the user or key of this credential.",
        ),
        404 => (FailureKind::ContactNotFound, "The CRM has no such contact."),
        409 => (FailureKind::ContactExists, "The CRM already has such a contact."),
        429 => (FailureKind::UpstreamRateLimited, "The CRM's rate limit is used up."),
        // The CRM timed out or refuses early data. This says nothing about the content.
        408 | 425 => (FailureKind::UpstreamError, "The CRM did not accept the call in time."),
        400..=499 => (FailureKind::UpstreamRejected, "The CRM rejected the content."),
        _ => (FailureKind::UpstreamError, "The CRM failed."),
    };
    let effect = if kind == FailureKind::UpstreamError { Effect::Unknown } else { Effect::None };
    let detail = match message.map(|text| sanitized(text, &reply.secrets)).filter(|text| !text.is_empty()) {
        Some(text) => format!("{says} Its message: {text}"),
        None => says.to_owned(),
    };
    Failure::new(kind, detail).with_effect(effect).with_retry_after(reply.retry_after)
}

/// Whether a complete 2xx reply has `success: false`, which is an error all the same.
#[must_use]
pub(super) fn is_soft_failure(reply: &Reply) -> bool {
    let text = if reply.is_success() { reply.json().ok() } else { None };
    // Most replies have no such field, and need not be taken apart. A name may be written with escapes.
    let may_have = |text: &&CheckedJson| {
        let bytes = text.as_bytes();
        memmem::find(bytes, b"success").is_some() || memchr(b'\\', bytes).is_some()
    };
    let members = text.as_ref().filter(may_have).and_then(|text| text.members(text));
    members.and_then(|members| members.get("success")).is_some_and(|raw| raw.get() == "false")
}

/// The reply of a refusal, with the status that decides its meaning: a 2xx counts as a 422.
#[must_use]
pub(super) fn as_client_error(reply: &Reply) -> Reply {
    let status = if reply.is_success() { 422 } else { reply.status };
    let mut reply = reply.clone();
    reply.status = status;
    reply
}

/// For calls that name no contact: a 404 then means that the route does not exist.
#[must_use]
pub(super) fn of_route(failure: Failure) -> Failure {
    match failure.kind {
        FailureKind::ContactNotFound => {
            let detail = "The CRM has no such route at this base URL; check the credential's baseUrl.";
            Failure { detail: detail.into(), ..failure.turned(FailureKind::UpstreamError) }
        }
        _ => failure,
    }
}

/// For reads: a read cannot conflict with an existing contact, and no field can be at fault.
#[must_use]
pub(super) fn of_read(failure: Failure) -> Failure {
    match failure.kind {
        FailureKind::ContactExists => failure.turned(FailureKind::UpstreamError),
        _ => Failure { faults: Faults::new(), ..failure },
    }
}

/// An upstream's message without control characters, addresses, numbers and the account's secrets, shortened.
///
/// A word with `@`, with seven or more digits, or as long as a token may be personal data or another secret.
#[must_use]
pub(super) fn sanitized(message: &str, secrets: &Secrets) -> String {
    let printable: String =
        message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(4 * LONGEST_MESSAGE).collect();
    let printable = without_numbers(&printable);
    let words: Vec<&str> = printable.split_whitespace().map(masked).collect();
    secrets.strike_out(&words.join(" ")).chars().take(LONGEST_MESSAGE).collect()
}

/// A fault of the field that an upstream's message mentions. `pointers` maps words to fields.
#[must_use]
pub(super) fn fault_named(
    pointers: &[(&str, &'static str)],
    message: &str,
    secrets: &Secrets,
) -> Option<FieldFault> {
    let said = message.to_lowercase();
    let (_, pointer) = pointers.iter().find(|(word, _)| said.contains(word))?;
    Some(FieldFault::member(pointer, "upstream_rejected", sanitized(message, secrets)))
}

/// The same failure without the account's secrets, for texts that show data of the CRM's contacts.
#[must_use]
pub(super) fn without_secrets(mut failure: Failure, secrets: &Secrets) -> Failure {
    let strike = |text: &mut Text| *text = Text::from(secrets.strike_out(text).as_ref());
    strike(&mut failure.detail);
    failure.faults.iter_mut().for_each(|fault| strike(&mut fault.detail));
    failure
}

/// The text without phone numbers: runs of digits and phone punctuation with at least seven digits.
fn without_numbers(text: &str) -> String {
    let (mut kept, mut run) = (String::new(), String::new());
    for c in text.chars().chain(std::iter::once('\n')) {
        if c.is_ascii_digit() || (!run.is_empty() && " ()+-./".contains(c)) || "+(".contains(c) {
            run.push(c);
            continue;
        }
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        if digits >= 7 {
            kept.push_str("[number]");
            kept.push_str(&run[run.trim_end().len()..]);
        } else {
            kept.push_str(&run);
        }
        run.clear();
        kept.push(c);
    }
    kept
}

fn masked(word: &str) -> &str {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    if word.contains('@') {
        "[address]"
    } else if digits >= 7 {
        "[number]"
    } else if word.len() > 40 || (word.len() >= 16 && digits > 0) {
        "[…]"
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_lose_addresses_numbers_tokens_and_control_characters() {
        let sanitized = |message: &str| sanitized(message, &Secrets::default());
        let message = "Phone +14155551234 of jane@example.com\u{1b}[31m is taken";
        assert_eq!(sanitized(message), "Phone [number] of [address] [31m is taken");
        assert_eq!(sanitized(&"x".repeat(5000)), "[…]");
        assert!(sanitized(&"word ".repeat(5000)).len() <= LONGEST_MESSAGE);
    }
}
