//! What an upstream's status means, the same for every CRM; a CRM's `failure.rs` adds what only it knows.

use crate::domain::{Effect, Failure, FailureKind, Faults, FieldFault, Text};
use crate::json;
use crate::upstream::{Reply, Secrets};

/// Longest part of an upstream's message that is passed on, in characters.
const LONGEST_MESSAGE: usize = 300;

/// The failure that a reply outside 2xx means. `message` is the text of the upstream's own message member.
#[must_use]
pub(super) fn by_status(reply: &Reply, message: Option<&str>) -> Failure {
    let (kind, says) = match reply.status {
        300..=399 => (
            FailureKind::UpstreamRedirected,
            "The CRM answered with a redirect; none is followed. Mend the base URL.",
        ),
        401 => (
            FailureKind::UpstreamCredentialRejected,
            "The CRM does not accept this credential's secret. Store a valid one.",
        ),
        403 => (
            FailureKind::UpstreamPermissionDenied,
            "The CRM forbids this to the user or key behind this credential.",
        ),
        404 => (FailureKind::ContactNotFound, "The CRM knows no such contact."),
        409 => (FailureKind::ContactExists, "The CRM says that such a contact exists already."),
        429 => (FailureKind::UpstreamRateLimited, "The CRM's rate limit is used up."),
        // It took too long to read us, or does not want to yet: no word on the content.
        408 | 425 => (FailureKind::UpstreamError, "The CRM did not take the call in time."),
        400..=499 => (FailureKind::UpstreamRejected, "The CRM refused the content."),
        _ => (FailureKind::UpstreamError, "The CRM failed."),
    };
    let effect = if kind == FailureKind::UpstreamError { Effect::Unknown } else { Effect::None };
    let detail = match message.map(|text| sanitized(text, &reply.secrets)).filter(|text| !text.is_empty()) {
        Some(text) => format!("{says} It says: {text}"),
        None => says.to_owned(),
    };
    Failure::new(kind, detail).with_effect(effect).with_retry_after(reply.retry_after)
}

/// Whether a complete 2xx says `success: false`: a refusal all the same.
#[must_use]
pub(super) fn is_soft_failure(reply: &Reply) -> bool {
    let text = if reply.is_success() { reply.json().ok() } else { None };
    let members = text.as_deref().and_then(json::members);
    members.and_then(|members| members.get("success")).is_some_and(|raw| raw.get() == "false")
}

/// The reply by which a refusal is judged: under 2xx it means what a 422 would.
#[must_use]
pub(super) fn as_client_error(reply: &Reply) -> Reply {
    let status = if reply.is_success() { 422 } else { reply.status };
    Reply { status, ..reply.clone() }
}

/// What a refusal of a call means that names no contact: what was not found is the route.
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

/// What a refusal of a read means: nothing was sent that could be there already.
#[must_use]
pub(super) fn of_read(failure: Failure) -> Failure {
    match failure.kind {
        FailureKind::ContactExists => failure.turned(FailureKind::UpstreamError),
        // A read names no member that could be at fault.
        _ => Failure { faults: Faults::new(), ..failure },
    }
}

/// An upstream's message without control characters, addresses, numbers and the account's secrets, cut.
///
/// A word with `@`, with seven or more digits, or as long as a token may be somebody's datum or another secret.
#[must_use]
pub(super) fn sanitized(message: &str, secrets: &Secrets) -> String {
    let printable: String =
        message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(4 * LONGEST_MESSAGE).collect();
    let printable = without_numbers(&printable);
    let words: Vec<&str> = printable.split_whitespace().map(masked).collect();
    secrets.strike_out(&words.join(" ")).chars().take(LONGEST_MESSAGE).collect()
}

/// A fault of the field that an upstream's message speaks of: `pointers` has words and the fields that they mean.
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

/// The same failure, its texts without the account's secrets: for one that names what contacts of the CRM show.
#[must_use]
pub(super) fn without_secrets(mut failure: Failure, secrets: &Secrets) -> Failure {
    let strike = |text: &mut Text| *text = Text::from(secrets.strike_out(text).as_ref());
    strike(&mut failure.detail);
    failure.faults.iter_mut().for_each(|fault| strike(&mut fault.detail));
    failure
}

/// The text without phone numbers, however they are spaced: runs of digits and their punctuation with seven digits.
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
