//! The rules of a contact's texts and lists. They apply to new values, never to values that the CRM already holds.

use email_address::{EmailAddress as Parsed, Options};

use self::bounds::{EMAIL_ADDRESS_MOST, TEXT_MOST};
use super::Text;

/// Bounds that more than one part of the gateway applies or names.
pub mod bounds {
    /// Characters of a text in a body or parameter.
    pub const TEXT_MOST: usize = 1000;
    /// Characters of an e-mail address, by RFC 5321.
    pub const EMAIL_ADDRESS_MOST: usize = 254;
    /// Characters of the name of a tenant, a key or a credential.
    pub const NAME_MOST: usize = 100;
    /// Credentials in the list of a key.
    pub const KEY_CREDENTIALS_MOST: usize = 100;
    /// Characters of an `Idempotency-Key`.
    pub const IDEMPOTENCY_KEY_MOST: usize = 255;

    /// Postal addresses of a contact that are written.
    pub const ADDRESSES_MOST: usize = 20;
    /// E-mail addresses of a contact that are written.
    pub const EMAILS_MOST: usize = 50;
    /// Phone numbers of a contact that are written.
    pub const PHONES_MOST: usize = 50;
    /// `remoteFields` that one write changes.
    pub const CHANGED_REMOTE_FIELDS_MOST: usize = 200;
    /// The most entries of a list in a body, including entries that the CRM already has.
    pub const SENT_ENTRIES_MOST: usize = 1_000;
    /// The most `remoteFields` of a body, including fields that the CRM already has.
    pub const SENT_REMOTE_FIELDS_MOST: usize = 2_000;
}

/// Whether a text may have several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    One,
    Several,
}

/// Why a value is invalid: a code and a text.
pub type RuleFault = (&'static str, Text);

/// Checks a text; a blank one is valid.
#[must_use]
pub fn text(text: &str, lines: Lines) -> Option<RuleFault> {
    let breaks = |c: char| c.is_control() && !(lines == Lines::Several && matches!(c, '\n' | '\r' | '\t'));
    if text.trim().is_empty() {
        None
    } else if text.chars().any(breaks) {
        Some(("control_character", Text::from_static("Must not contain control characters.")))
    } else if text.chars().count() > TEXT_MOST {
        Some(("too_long", format!("Too long: at most {TEXT_MOST} characters are allowed.").into()))
    } else {
        None
    }
}

/// Checks an e-mail address, beyond the rules of every text.
#[must_use]
pub fn email_address(text: &str) -> Option<RuleFault> {
    (!is_email_address(text)).then_some(("malformed", Text::from_static("Not a valid e-mail address.")))
}

/// Whether it can be the address of a mailbox, without a display name.
#[must_use]
pub fn is_email_address(text: &str) -> bool {
    let options = Options::default().without_display_text().without_domain_literal();
    text.chars().count() <= EMAIL_ADDRESS_MOST && Parsed::parse_with_options(text, options).is_ok()
}

/// Checks the name of a remote field.
#[must_use]
pub fn remote_name(name: &str) -> Option<RuleFault> {
    let wrong = name.trim().is_empty() || name.chars().any(char::is_control);
    let detail = "A field name must not be empty or contain control characters.";
    wrong.then_some(("malformed", Text::from_static(detail)))
}

/// Checks that a list of `found` elements has at most `most`.
#[must_use]
pub fn count(what: &str, most: usize, found: usize) -> Option<RuleFault> {
    let fault = || {
        ("too_many", format!("Too many: at most {most} {what} are allowed, and there are {found}.").into())
    };
    (found > most).then(fault)
}
