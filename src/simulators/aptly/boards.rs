//! The company's boards: what their configurations show of contact types.

use serde_json::{Value, json};

use super::fields::TYPES;

/// A board with a field that is limited to some contact types.
pub(super) struct Board {
    uuid: String,
    name: String,
    types: Vec<String>,
}

/// Two boards. They name neither the type of guarantors nor that of applicants.
pub(super) fn initial() -> Vec<Board> {
    let board = |uuid: &str, name: &str, types: &[&str]| {
        let ids = TYPES.iter().filter(|kind| types.contains(&kind.name)).map(|kind| kind.id.to_owned());
        Board { uuid: uuid.to_owned(), name: name.to_owned(), types: ids.collect() }
    };
    vec![
        board("bQ7wErTyLeases3Pm", "Leases", &["Tenant", "Prospect"]),
        board("bZ4xCvBnRepairs8K", "Repairs", &["Vendor", "Owner", "Tenant"]),
    ]
}

/// The response to `GET /api/boards`.
pub(super) fn shown(boards: &[Board]) -> Value {
    let board = |board: &Board| {
        let url = format!("https://core-api.getaptly.com/api/board/{}", board.uuid);
        json!({ "uuid": board.uuid, "name": board.name,
            "endpoints": [{ "method": "GET", "url": url, "description": "List cards" }] })
    };
    json!({ "data": boards.iter().map(board).collect::<Vec<_>>() })
}

/// The response to `GET /api/board/{boardId}/configuration`.
pub(super) fn configuration(boards: &[Board], uuid: &str) -> Option<Value> {
    let board = boards.iter().find(|board| board.uuid == uuid)?;
    let field = |position: usize, name: &str, kind: &str| {
        json!({ "uuid": format!("{uuid}-{position}"), "name": name, "type": kind, "position": position,
            "optional": true, "archived": false })
    };
    let mut people = field(1, "People", "persons");
    people["filter"] = json!({ "contactTypeIds": board.types });
    Some(json!({ "data": {
        "fields": [field(0, "Unit", "text"), people, field(2, "Notes", "rich-text")],
        "automations": [], "options": {}, "tabViews": [], "workflows": [], "groups": [],
        "shares": { "accessType": "public", "acl": [] }, "theme": { "name": board.name }, "filters": [],
    } }))
}

/// Sets the contact types of the board `board`, which is added if there is none: `{board, contactTypeIds}`.
pub(super) fn define(boards: &mut Vec<Board>, definition: &Value) -> bool {
    let (Some(uuid), Some(types)) = (definition["board"].as_str(), definition["contactTypeIds"].as_array())
    else {
        return false;
    };
    let types = types.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    boards.retain(|board| board.uuid != uuid);
    boards.push(Board { uuid: uuid.to_owned(), name: uuid.to_owned(), types });
    true
}
