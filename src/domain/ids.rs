//! Ids of tenants, credentials, keys and contacts, and the names of providers.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Text;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(Text);

        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Into<Text>> From<T> for $name {
            fn from(id: T) -> Self {
                Self(id.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.as_str())
            }
        }
    };
}

id!(
    /// A tenant, who owns credentials and keys in the gateway.
    TenantId
);
id!(
    /// A tenant's link to one CRM account, the API's `credentialId`.
    CredentialId
);
id!(
    /// An API key's public part.
    KeyId
);
id!(
    /// A contact's id in its CRM.
    RemoteId
);

impl TenantId {
    /// Every tenant's id begins with this, and no tenant's name does.
    pub const PREFIX: &str = "ten_";

    /// Whether `text` has the form of an id. Such a text is never looked up as a name, so that a name cannot stand for the id of
    /// another or a removed tenant.
    #[must_use]
    pub fn is_spelled_by(text: &str) -> bool {
        text.starts_with(Self::PREFIX)
    }
}

impl RemoteId {
    /// Whether it can be an id: 1 to 64 letters, digits, `_` and `-`. Other characters could change the path of a call.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        let id = self.as_str();
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
    }
}

/// The name of a CRM in the API, the database and tests. Only adapters create one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Provider(&'static str);

impl Provider {
    /// Lower case, no spaces.
    #[must_use]
    pub const fn new(word: &'static str) -> Self {
        Self(word)
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
