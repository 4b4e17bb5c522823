//! The filters of a list, and the pages of its response.

use super::{Contact, Field, PhoneIdentity, Region, Text, Timestamp};

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

/// The part of an ASCII word that stands in a text which has the word, but for case. A text may have `ß` where the word has
/// `ss`. A word that is `cut_before` or `cut_behind` may begin or end within such a letter, or within `İ`.
fn safe_part(word: &str, cut_before: bool, cut_behind: bool) -> &str {
    let end = word.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(word.len());
    let sharp = word.as_bytes().windows(2).position(|two| two.eq_ignore_ascii_case(b"ss"));
    let part = &word[..sharp.map_or(end, |sharp| sharp.min(end))];
    let is_cut = cut_behind && part.len() == word.len();
    let part = if cut_before { part.strip_prefix(['s', 'S']).unwrap_or(part) } else { part };
    if is_cut { part.strip_suffix(['s', 'S', 'i', 'I']).unwrap_or(part) } else { part }
}

/// Bytes of a word by which a CRM is searched: a shorter one would find nearly everybody.
const SHORTEST_WORD: usize = 2;

impl ContactQuery {
    /// Adds a filter. Of two bounds of one kind (`createdAtMin` and `remoteCreatedAtMin`) the narrower one counts.
    pub fn join(&mut self, new: Filter) {
        let Some(known) = self.filters.iter_mut().find(|known| known.name == new.name) else {
            self.filters.push(new);
            return;
        };
        if let (FilterValue::Time(one), FilterValue::Time(other)) = (&known.value, &new.value) {
            let lower = matches!(new.name, FilterName::RemoteCreatedAtMin | FilterName::RemoteUpdatedAtMin);
            known.value = FilterValue::Time(if lower { *one.max(other) } else { *one.min(other) });
        }
    }
}

impl Filter {
    /// Parts of the value that stand, but for case, in every name that matches. Only ASCII letters and digits: which other
    /// characters a CRM takes for equal is not known. Empty where there are none, and for filters that are not of a name.
    #[must_use]
    pub fn search_words(&self) -> Vec<&str> {
        use FilterName as F;
        let FilterValue::Text(text) = &self.value else { return Vec::new() };
        let is_part = match self.name {
            F::FirstName | F::LastName => false,
            F::FirstNameContains | F::LastNameContains => true,
            _ => return Vec::new(),
        };
        let last = text.split_whitespace().count().saturating_sub(1);
        let ascii = text.split_whitespace().enumerate().filter(|(_, word)| word.is_ascii());
        let parts =
            ascii.map(|(index, word)| safe_part(word, is_part && index == 0, is_part && index == last));
        parts.filter(|part| part.len() >= SHORTEST_WORD).collect()
    }

    /// The digits of a phone number that stand in every spelling of it, for a CRM that compares digits alone.
    #[must_use]
    pub fn phone_digits(&self, region: Region) -> Option<String> {
        match (self.name, &self.value) {
            (FilterName::PhoneNumber, FilterValue::Text(text)) => {
                PhoneIdentity::of(region, text).last_digits().map(str::to_owned)
            }
            _ => None,
        }
    }
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
    FirstNameNotEquals "firstNameNotEquals" Text "First name differs, ignoring case; an empty one differs.";
    LastName "lastName" Text "Last name equals, ignoring case.";
    LastNameContains "lastNameContains" Text "Last name contains, ignoring case.";
    LastNameNotEquals "lastNameNotEquals" Text "Last name differs, ignoring case; an empty one differs.";
    Account "account" Text "Account equals, ignoring case.";
    AccountContains "accountContains" Text "Account contains, ignoring case.";
    AccountNotEquals "accountNotEquals" Text "Account differs, ignoring case; an empty one differs.";
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

    /// The field of the contact that it is about.
    #[must_use]
    pub const fn field(self) -> Field {
        match self.canonical() {
            Self::FirstName | Self::FirstNameContains | Self::FirstNameNotEquals => Field::FirstName,
            Self::LastName | Self::LastNameContains | Self::LastNameNotEquals => Field::LastName,
            Self::Account | Self::AccountContains | Self::AccountNotEquals => Field::Account,
            Self::EmailAddress => Field::EmailAddresses,
            Self::PhoneNumber => Field::PhoneNumbers,
            Self::LastActivityAt => Field::LastActivityAt,
            Self::RemoteCreatedAtMin | Self::RemoteCreatedAtMax | Self::CreatedAtMin | Self::CreatedAtMax => {
                Field::RemoteCreatedAt
            }
            Self::RemoteUpdatedAtMin | Self::RemoteUpdatedAtMax | Self::UpdatedAtMin | Self::UpdatedAtMax => {
                Field::RemoteUpdatedAt
            }
        }
    }

    /// Whether it searches for a first or last name that equals or contains the value.
    #[must_use]
    pub const fn is_name_search(self) -> bool {
        matches!(self, Self::FirstName | Self::FirstNameContains | Self::LastName | Self::LastNameContains)
    }

    /// Whether it matches what differs, so that an empty field matches too.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        matches!(self, Self::FirstNameNotEquals | Self::LastNameNotEquals | Self::AccountNotEquals)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crm_is_searched_only_by_what_stands_in_every_name_that_matches() {
        let words = |name, text: &str| {
            let filter = Filter { name, value: FilterValue::Text(text.into()) };
            filter.search_words().join(" ")
        };
        for (text, equals, contains) in [
            ("Smith", "Smith", "mith"),
            ("van  Dyk", "van Dyk", "van Dyk"),
            ("Strasse", "Stra", "tra"),
            ("Weiss", "Wei", "Wei"),
            ("Ali", "Ali", "Al"),
            ("Ali Inci", "Ali Inci", "Ali Inc"),
            ("Anne-Marie O'Neil", "Anne", "Anne"),
            ("José Maria", "Maria", "Maria"),
            ("Ёлка", "", ""),
            ("s", "", ""),
            ("ss", "", ""),
        ] {
            assert_eq!(words(FilterName::LastName, text), equals, "{text}");
            assert_eq!(words(FilterName::FirstNameContains, text), contains, "{text}");
            assert_eq!(words(FilterName::LastNameNotEquals, text), "", "{text}");
            assert_eq!(words(FilterName::Account, text), "", "{text}");
        }
    }
}
