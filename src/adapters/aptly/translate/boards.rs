//! Contact types, as the configurations of boards show them: Aptly has no list of types.

use std::collections::HashSet;

use super::encode::AptlyChange;
use crate::adapters::definitions::{FieldChoice, RemoteFieldDefinition, kept_text};
use crate::adapters::lenient_reader::{LenientReader, unreadable};
use crate::domain::{Failure, FieldFault, Result, Text, enumerated};
use crate::json::{self, CheckedJson, Kind, Members, Raw};

/// The ids of contact types that boards name.
#[derive(Default)]
pub(in super::super) struct ContactTypes {
    ids: Vec<Text>,
    /// A configuration that could not be read.
    pub(in super::super) unread: Option<Failure>,
    /// Whether the configurations of all boards were read.
    is_complete: bool,
}

impl ContactTypes {
    /// The types in the configurations of boards; `all` says whether there are no further boards.
    pub(in super::super) fn of(configurations: Vec<Result<Vec<Text>>>, all: bool) -> Self {
        let (mut types, mut known) = (Self::default(), HashSet::new());
        for configuration in configurations {
            match configuration {
                Ok(ids) => types.ids.extend(ids.into_iter().filter(|id| known.insert(id.clone()))),
                Err(failure) => types.unread = types.unread.take().or(Some(failure)),
            }
        }
        types.is_complete = all && types.unread.is_none();
        types
    }

    /// Fails if the change sets a type that no board names. If some boards could not be read, none can be refused.
    pub(in super::super) fn check(&self, id: &str) -> Result<()> {
        if !self.is_complete || self.ids.is_empty() || self.ids.iter().any(|known| *known == *id) {
            return Ok(());
        }
        let ids = enumerated(&self.ids);
        let detail = format!(
            "No board names a contact type with this id, and no contact has it. Types that boards name: {ids}. To use another type, send its name as `contactType`."
        );
        Err(Failure::validation(vec![FieldFault::member("/remoteFields/typeId", "unknown_choice", detail)]))
    }

    pub(in super::super) fn definition(&self) -> RemoteFieldDefinition {
        let choices = self.ids.iter().cloned().map(FieldChoice::of).collect();
        RemoteFieldDefinition::with_choices("typeId", choices)
    }
}

impl AptlyChange {
    /// The id of the type that the change sets, if it sets one by id.
    pub(in super::super) fn type_id(&self) -> Option<Text> {
        let id = self.remote.get("typeId").and_then(|raw| json::string(raw.as_str()))?;
        Some(Text::from(id.as_ref())).filter(|id| !id.trim().is_empty())
    }
}

/// The ids of the company's boards.
pub(in super::super) fn decode_boards(text: &CheckedJson) -> Result<Vec<Text>> {
    let read = LenientReader(text);
    let whole = read.whole()?;
    let boards = whole.get("data").ok_or_else(|| unreadable("data", "a list"))?;
    let id = |board: Raw<'_>| {
        let board = json::members(board.get())?;
        own_text(board.get("uuid").or_else(|| board.get("_id"))?)
    };
    Ok(read.rows("data", boards)?.into_iter().filter_map(id).collect())
}

/// The ids of contact types in a board's configuration: the types to which its fields are limited.
pub(in super::super) fn decode_type_ids(text: &CheckedJson) -> Result<Vec<Text>> {
    let read = LenientReader(text);
    let whole = read.whole()?;
    let data = whole.get("data").filter(|raw| json::kind(raw.get()) == Kind::Object);
    let data = data.map(|raw| read.object("data", raw)).transpose()?.unwrap_or_default();
    let fields = data.get("fields").or_else(|| whole.get("fields"));
    let fields = read.rows("fields", fields.ok_or_else(|| unreadable("fields", "a list"))?)?;
    let ids = |field: Raw<'_>| {
        let filter = json::members(field.get())?.get("filter")?;
        let ids = json::members(filter.get()).and_then(|filter: Members<'_>| filter.get("contactTypeIds"))?;
        Some(json::elements(ids.get())?.into_iter().filter_map(own_text).collect::<Vec<_>>())
    };
    Ok(fields.into_iter().filter_map(ids).flatten().collect())
}

/// A text of its own memory: definitions are kept longer than the reply.
fn own_text(raw: Raw<'_>) -> Option<Text> {
    json::string(raw.get()).and_then(|text| kept_text(&text))
}
