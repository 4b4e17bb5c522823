//! What the audit says of writes that reach a CRM: the contact, the members, the outcome, and no value.

use contacts_gateway::gateway::ListingRequest;
use contacts_gateway::gateway::audit::AuditRequest;
use serde_json::json;

use crate::support::crm::{Crm, all};
use crate::support::person::{ada, with};

/// The records of this case's tenant, oldest first, each in a line.
async fn lines(crm: &Crm) -> Vec<String> {
    let request = AuditRequest {
        tenant: Some(crm.gateway.caller.tenant.clone()),
        from: None,
        to: None,
        action: None,
        listing: ListingRequest { cursor: None, page_size: 50 },
    };
    let records = crm.gateway.audit.list(&request).await.unwrap().items;
    let line = |record: &contacts_gateway::store::AuditRecord| {
        let fields: Vec<&str> = record.fields.iter().map(contacts_gateway::domain::Text::as_str).collect();
        assert_eq!(record.request_id.as_deref(), Some("test").filter(|_| record.actor_kind == "key"));
        let target = record.target.as_deref().unwrap_or("-");
        format!("{} {target} [{}] {}", record.action.as_str(), fields.join(","), record.outcome.as_str())
    };
    records.iter().rev().map(line).filter(|line| line.starts_with("contact")).collect()
}

#[tokio::test]
async fn each_write_names_its_contact_its_members_and_its_end() {
    for crm in all().await {
        let made = crm.create(ada()).await.unwrap();
        crm.create(with(ada(), &json!({ "firstName": "Augusta" }))).await.unwrap_err();
        crm.update(made.contact.remote_id.as_str(), json!({ "firstName": "Augusta" })).await.unwrap();
        crm.update("nobody", json!({ "lastName": "Byron" })).await.unwrap_err();
        let deleted = crm.delete(&made.id).await;
        let (id, given) = (made.id.as_str(), "firstName,lastName,emailAddresses,phoneNumbers");
        let deleted = deleted.map_or_else(|failure| failure.kind.code(), |()| "ok");
        let lines = lines(&crm).await;
        assert_eq!(
            lines,
            [
                format!("contact.create {id} [{given}] ok"),
                format!("contact.create - [{given}] contact_exists"),
                format!("contact.update {id} [firstName] ok"),
                "contact.update - [lastName] contact_not_found".to_owned(),
                format!("contact.delete {id} [] {deleted}"),
            ]
        );
        for value in ["Ada", "Augusta", "Byron", "example.com", "4165550277"] {
            assert!(!lines.concat().contains(value), "{value}");
        }
    }
}
