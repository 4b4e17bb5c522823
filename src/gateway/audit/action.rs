//! The operations that the audit records, one word each.

use crate::domain::string_enum;

string_enum! {
    pub enum Action {
        ContactCreate = "contact.create",
        ContactUpdate = "contact.update",
        ContactUpsert = "contact.upsert",
        ContactDelete = "contact.delete",
        CredentialCreate = "credential.create",
        CredentialUpdate = "credential.update",
        CredentialDelete = "credential.delete",
        KeyCreate = "key.create",
        KeyRevoke = "key.revoke",
        TenantCreate = "tenant.create",
        TenantDelete = "tenant.delete",
        /// Stored secrets are sealed again under another master key.
        MasterKeyRotate = "master_key.rotate",
        AuthenticationRefuse = "authentication.refuse",
    }
}
