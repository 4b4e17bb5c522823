//! The filters of a list, and the pages of its response.

use super::{Contact, Text, Timestamp};

/// The filters of one list or count; a contact must match all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContactQuery {
    /// Each name at most once, in the order of [`FilterName::ALL`].
    pub filters: Vec<Filter>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    pub name: FilterName,
    pub value: FilterValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterValue {
    /// Text, already trimmed, never empty.
    Text(Text),
    Time(Timestamp),
}

/// The kind of value that a filter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterKind {
    Text,
    /// RFC 3339 time.
    Time,
}

macro_rules! filters {
    ($($name:ident $parameter:literal $kind:ident $doc:literal;)*) => {
        /// The filters of the unified API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FilterName { $(#[doc = $doc] $name,)* }

        impl FilterName {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            #[must_use]
            pub const fn parameter(self) -> &'static str {
                match self { $(Self::$name => $parameter,)* }
            }

            #[must_use]
            pub const fn kind(self) -> FilterKind {
                match self { $(Self::$name => FilterKind::$kind,)* }
            }

            /// One sentence for the OpenAPI document.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$name => $doc,)* }
            }
        }
    };
}

filters! {
    FirstName "firstName" Text "First name equals, ignoring case.";
    FirstNameContains "firstNameContains" Text "First name contains, ignoring case.";
    FirstNameNotEquals "firstNameNotEquals" Text "First name differs, ignoring case; an absent one differs.";
    LastName "lastName" Text "Last name equals, ignoring case.";
    LastNameContains "lastNameContains" Text "Last name contains, ignoring case.";
    LastNameNotEquals "lastNameNotEquals" Text "Last name differs, ignoring case; an absent one differs.";
    Account "account" Text "Account equals, ignoring case.";
    AccountContains "accountContains" Text "Account contains, ignoring case.";
    AccountNotEquals "accountNotEquals" Text "Account differs, ignoring case; an absent one differs.";
    EmailAddress "emailAddress" Text "One of the e-mail addresses equals, ignoring case.";
    PhoneNumber "phoneNumber" Text "One of the phone numbers has the same digits in its E.164 form.";
    LastActivityAt "lastActivityAt" Time "Last activity at this time.";
    RemoteCreatedAtMin "remoteCreatedAtMin" Time "Created in the CRM at this time or later.";
    RemoteCreatedAtMax "remoteCreatedAtMax" Time "Created in the CRM at this time or earlier.";
    RemoteUpdatedAtMin "remoteUpdatedAtMin" Time "Changed in the CRM at this time or later.";
    RemoteUpdatedAtMax "remoteUpdatedAtMax" Time "Changed in the CRM at this time or earlier.";
    CreatedAtMin "createdAtMin" Time "The same as `remoteCreatedAtMin`: the gateway keeps no record of its own.";
    CreatedAtMax "createdAtMax" Time "The same as `remoteCreatedAtMax`.";
    UpdatedAtMin "updatedAtMin" Time "The same as `remoteUpdatedAtMin`.";
    UpdatedAtMax "updatedAtMax" Time "The same as `remoteUpdatedAtMax`.";
}

impl FilterName {
    /// The filter that this one is an alias of, or itself. The gateway keeps no record of its own, so its times are the CRM's.
    #[must_use]
    pub const fn canonical(self) -> Self {
        match self {
            Self::CreatedAtMin => Self::RemoteCreatedAtMin,
            Self::CreatedAtMax => Self::RemoteCreatedAtMax,
            Self::UpdatedAtMin => Self::RemoteUpdatedAtMin,
            Self::UpdatedAtMax => Self::RemoteUpdatedAtMax,
            other => other,
        }
    }

    /// The filter with this query parameter; `None` if there is none.
    #[must_use]
    pub fn parse(parameter: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|name| name.parameter() == parameter)
    }
}

/// Where a list goes on: a text of the adapter's own, which nobody else reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageToken(Text);

impl PageToken {
    /// Bytes of a token. It travels in a cursor, which is a parameter of bounded length.
    pub const MOST: usize = 700;

    /// The token of this text; `None` if it is too long.
    #[must_use]
    pub fn new(text: impl Into<Text>) -> Option<Self> {
        Some(text.into()).filter(|text| text.len() <= Self::MOST).map(Self)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Some rows of an upstream's list, from a token on.
#[derive(Clone, Debug)]
pub struct Page {
    /// The rows; there may be more or fewer than requested. One whose contact cannot be identified is `None`.
    pub rows: Vec<Option<Contact>>,
    /// Where the rows after these begin; `None` at the end.
    pub next: Option<PageToken>,
    /// The total number of matching rows, if the CRM returns it.
    pub total: Option<u64>,
    /// Whether the CRM shows no row here although it counts some.
    pub withheld: bool,
}
