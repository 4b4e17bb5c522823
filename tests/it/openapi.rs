//! The committed document is the one that the handlers make.

use contacts_gateway::api::openapi::document;

#[test]
fn the_committed_document_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/contacts-gateway.json");
    let made = document();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == made, "openapi/contacts-gateway.json is stale: UPDATE_OPENAPI=1 cargo test openapi");
}
