//! The organisation's pipelines, and how a write selects a contact's stage.

use serde_json::{Map, Value, json};

/// The pipelines of the organisation. One of them is the default.
pub(super) struct SalesPipelines(pub Vec<SalesPipeline>);

pub(super) struct SalesPipeline {
    pub id: String,
    pub name: String,
    pub is_default: bool,
    pub stages: Vec<PipelineStage>,
}

pub(super) struct PipelineStage {
    pub id: String,
    pub name: String,
    pub color: String,
}

fn stage(id: &str, name: &str, color: &str) -> PipelineStage {
    PipelineStage { id: id.to_owned(), name: name.to_owned(), color: color.to_owned() }
}

impl SalesPipelines {
    pub(super) fn initial() -> Self {
        let leads = SalesPipeline {
            id: "64f0a1b2c3d4e5f6a7b8c9d1".to_owned(),
            name: "Leads".to_owned(),
            is_default: true,
            stages: vec![
                stage("64f0a1b2c3d4e5f6a7b8c9d2", "New Lead", "#4f46e5"),
                stage("64f0a1b2c3d4e5f6a7b8ca02", "Contacted", "#0ea5e9"),
                stage("64f0a1b2c3d4e5f6a7b8ca03", "Qualified", "#16a34a"),
                stage("64f0a1b2c3d4e5f6a7b8ca04", "Lost", "#6b7280"),
            ],
        };
        let renewals = SalesPipeline {
            id: "64f0a1b2c3d4e5f6a7b8cb01".to_owned(),
            name: "Renewals".to_owned(),
            is_default: false,
            stages: vec![
                stage("64f0a1b2c3d4e5f6a7b8cb02", "Due", "#f59e0b"),
                stage("64f0a1b2c3d4e5f6a7b8cb03", "Renewed", "#16a34a"),
            ],
        };
        Self(vec![leads, renewals])
    }

    /// The pipeline with this id; the organisation's default one without an id.
    pub(super) fn pipeline(&self, id: Option<&str>) -> Option<&SalesPipeline> {
        self.0.iter().find(|pipeline| id.map_or(pipeline.is_default, |id| pipeline.id == id))
    }

    /// Adds a stage to a pipeline: `{pipeline, stage: {_id, name}}`.
    pub(super) fn define(&mut self, definition: &Value) -> bool {
        let id = definition["pipeline"].as_str();
        let new = (definition["stage"]["_id"].as_str(), definition["stage"]["name"].as_str());
        let pipeline = self.0.iter_mut().find(|pipeline| id == Some(&pipeline.id));
        let (Some(pipeline), (Some(id), Some(name))) = (pipeline, new) else { return false };
        pipeline.stages.push(stage(id, name, "#000000"));
        true
    }
}

/// The response to `GET /api/pipelines`: one pipeline without an envelope.
pub(super) fn shown(pipeline: &SalesPipeline) -> Value {
    let stages = pipeline.stages.iter();
    json!({
        "_id": pipeline.id, "name": pipeline.name, "type": "Contact", "isDefault": pipeline.is_default,
        "isActive": true,
        "stages": stages.clone().map(|stage| json!({ "name": stage.name, "color": stage.color })).collect::<Vec<_>>(),
        "pipelineStageIds": stages.clone().map(|stage| &stage.id).collect::<Vec<_>>(),
        "pipelineStages": stages.enumerate().map(|(position, stage)| json!({
            "_id": stage.id, "name": stage.name, "color": stage.color, "position": position,
        })).collect::<Vec<_>>(),
    })
}

/// Sets the stage that a body names. An id of a stage takes precedence over its name; `null` removes the stage.
pub(super) fn settle(
    pipelines: &SalesPipelines,
    body: &Map<String, Value>,
    record: &mut Map<String, Value>,
    new: bool,
) -> Result<(), String> {
    let word = |key: &str| body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let named = word("pipelineId");
    let current = record.get("pipelineId").and_then(Value::as_str);
    let target = pipelines.pipeline(named.or(current)).ok_or("Pipeline not found")?;
    let found = match (word("pipelineStage"), word("status")) {
        (Some(id), _) => {
            // Without a pipeline in the body, a stage of another pipeline moves the contact to that pipeline.
            let among = pipelines.0.iter().filter(|pipeline| named.is_none_or(|named| pipeline.id == named));
            let mut all =
                among.flat_map(|pipeline| pipeline.stages.iter().map(move |stage| (pipeline, stage)));
            Some(all.find(|(_, stage)| stage.id == id).ok_or("Pipeline stage not found")?)
        }
        (None, Some(name)) => {
            let stage = target.stages.iter().find(|stage| stage.name.eq_ignore_ascii_case(name));
            Some((target, stage.ok_or_else(|| format!("Invalid status: {name}"))?))
        }
        (None, None) if new || named.is_some_and(|named| current != Some(named)) => {
            target.stages.first().map(|stage| (target, stage))
        }
        (None, None) => None,
    };
    if let Some((pipeline, stage)) = found {
        record.insert("pipelineId".to_owned(), json!(pipeline.id));
        record.insert("pipelineStage".to_owned(), json!(stage.id));
        record.insert("status".to_owned(), json!(stage.name));
    } else if body.get("pipelineStage").is_some_and(Value::is_null) {
        record.insert("pipelineStage".to_owned(), Value::Null);
        record.insert("status".to_owned(), Value::Null);
    }
    Ok(())
}

/// The response to `GET /api/organizations/sections/{id}`: the custom fields of contacts. Their values are fields of the
/// contact itself.
pub(super) fn sections() -> Value {
    let property =
        |name: &str, kind: &str, hidden: bool| json!({ "name": name, "dataType": kind, "isHidden": hidden });
    json!({ "sections": [
        { "name": "Basics", "properties": { "firstName": property("First name", "text", false) } },
        { "name": "Tour", "properties": { "moveInDate": property("Move-in date", "date", false),
            "petCount": property("Pets", "number", false), "tourNotes": property("Notes", "text", true) } },
    ] })
}
