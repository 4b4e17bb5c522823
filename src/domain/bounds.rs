//! Bounds that more than one part of the gateway applies or names. Each stands here alone.

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
