//! What the audit records, one word each.

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident $word:literal;)*) => {
        /// Something that is recorded.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Action { $($(#[$doc])* $name,)* }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word in records and parameters.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

actions! {
    /// A contact is created.
    ContactCreate "contact.create";
    /// A contact is changed.
    ContactUpdate "contact.update";
    /// A contact is created, or changed where it is there.
    ContactUpsert "contact.upsert";
    /// A contact is removed.
    ContactDelete "contact.delete";
    /// A credential is stored.
    CredentialCreate "credential.create";
    /// A credential is changed.
    CredentialUpdate "credential.update";
    /// A credential is removed.
    CredentialDelete "credential.delete";
    /// A key is made.
    KeyCreate "key.create";
    /// A key is revoked.
    KeyRevoke "key.revoke";
    /// A tenant is made.
    TenantCreate "tenant.create";
    /// A tenant is removed.
    TenantDelete "tenant.delete";
    /// Stored secrets are sealed under another master key.
    MasterKeyRotate "master_key.rotate";
    /// Somebody was not let in.
    AuthenticationRefuse "authentication.refuse";
}

impl Action {
    /// The action that `word` names, if it names one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.as_str() == word)
    }
}
