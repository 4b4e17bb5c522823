//! The rules of a contact's texts and lists. They apply to what is new, never to what the CRM holds already.

use email_address::{EmailAddress as Parsed, Options};

use self::bounds::{EMAIL_ADDRESS_MOST, TEXT_MOST};
use super::Text;

/// Bounds that more than one part of the gateway applies or names.
pub mod bounds {
    /// Characters of a text in a body or a parameter.
    pub const TEXT_MOST: usize = 1000;
    /// Characters of an e-mail address, by RFC 5321.
    pub const EMAIL_ADDRESS_MOST: usize = 254;
    /// Characters of a name that people give to a tenant, a key or a credential.
    pub const NAME_MOST: usize = 100;
    /// Credentials in the list of a key. A longer list is a sign that the key should have none.
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
    /// Entries of a list in a body, also where the CRM holds them already.
    pub const SENT_ENTRIES_MOST: usize = 1_000;
    /// `remoteFields` of a body, also where the CRM holds them already.
    pub const SENT_REMOTE_FIELDS_MOST: usize = 2_000;
}

/// Whether a text may have several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// It may not.
    One,
    /// It may.
    Several,
}

/// The code and the detail of what is wrong with a value.
pub type RuleFault = (&'static str, Text);

/// What is wrong with a text; one that is blank is nothing to judge.
#[must_use]
pub fn text(text: &str, lines: Lines) -> Option<RuleFault> {
    let breaks = |c: char| c.is_control() && !(lines == Lines::Several && matches!(c, '\n' | '\r' | '\t'));
    if text.trim().is_empty() {
        None
    } else if text.chars().any(breaks) {
        Some(("control_character", Text::from_static("It must not hold control characters.")))
    } else if text.chars().count() > TEXT_MOST {
        Some(("too_long", format!("It may be {TEXT_MOST} characters long.").into()))
    } else {
        None
    }
}

/// What is wrong with an e-mail address, apart from the rules of every text.
#[must_use]
pub fn email_address(text: &str) -> Option<RuleFault> {
    (!is_email_address(text)).then_some(("malformed", Text::from_static("It is no e-mail address.")))
}

/// Whether it can be the address of a mailbox, without a name beside it.
#[must_use]
pub fn is_email_address(text: &str) -> bool {
    let options = Options::default().without_display_text().without_domain_literal();
    text.chars().count() <= EMAIL_ADDRESS_MOST && Parsed::parse_with_options(text, options).is_ok()
}

/// What is wrong with the name of a remote field.
#[must_use]
pub fn remote_name(name: &str) -> Option<RuleFault> {
    let wrong = name.trim().is_empty() || name.chars().any(char::is_control);
    let detail = "A member's name must not be empty or hold control characters.";
    wrong.then_some(("malformed", Text::from_static(detail)))
}

/// What is wrong with a list of `found` elements where `most` are allowed.
#[must_use]
pub fn count(what: &str, most: usize, found: usize) -> Option<RuleFault> {
    let fault = || ("too_many", format!("It may hold {most} {what}; it holds {found}.").into());
    (found > most).then(fault)
}
