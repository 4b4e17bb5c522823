//! The organisation's pipelines, and how a write selects a contact's stage.

use serde_json::{Map, Value, json};

pub(super) struct SalesPipeline {
    pub id: &'static str,
    pub name: &'static str,
    pub is_default: bool,
    pub stages: &'static [PipelineStage],
}

pub(super) struct PipelineStage {
    pub id: &'static str,
    pub name: &'static str,
    pub color: &'static str,
}

const fn stage(id: &'static str, name: &'static str, color: &'static str) -> PipelineStage {
    PipelineStage { id, name, color }
}

pub(super) const PIPELINES: [SalesPipeline; 2] = [
    SalesPipeline {
        id: "64f0a1b2c3d4e5f6a7b8c9d1",
        name: "Leads",
        is_default: true,
        stages: &[
            stage("64f0a1b2c3d4e5f6a7b8c9d2", "New Lead", "#4f46e5"),
            stage("64f0a1b2c3d4e5f6a7b8ca02", "Contacted", "#0ea5e9"),
            stage("64f0a1b2c3d4e5f6a7b8ca03", "Qualified", "#16a34a"),
            stage("64f0a1b2c3d4e5f6a7b8ca04", "Lost", "#6b7280"),
        ],
    },
    SalesPipeline {
        id: "64f0a1b2c3d4e5f6a7b8cb01",
        name: "Renewals",
        is_default: false,
        stages: &[
            stage("64f0a1b2c3d4e5f6a7b8cb02", "Due", "#f59e0b"),
            stage("64f0a1b2c3d4e5f6a7b8cb03", "Renewed", "#16a34a"),
        ],
    },
];

/// The pipeline with this id; the organisation's default one without an id.
pub(super) fn pipeline(id: Option<&str>) -> Option<&'static SalesPipeline> {
    PIPELINES.iter().find(|pipeline| id.map_or(pipeline.is_default, |id| pipeline.id == id))
}

/// The response to `GET /api/pipelines`: one pipeline without an envelope.
pub(super) fn shown(pipeline: &SalesPipeline) -> Value {
    let stages = pipeline.stages.iter();
    json!({
        "_id": pipeline.id, "name": pipeline.name, "type": "Contact", "isDefault": pipeline.is_default,
        "isActive": true,
        "stages": stages.clone().map(|stage| json!({ "name": stage.name, "color": stage.color })).collect::<Vec<_>>(),
        "pipelineStageIds": stages.clone().map(|stage| stage.id).collect::<Vec<_>>(),
        "pipelineStages": stages.enumerate().map(|(position, stage)| json!({
            "_id": stage.id, "name": stage.name, "color": stage.color, "position": position,
        })).collect::<Vec<_>>(),
    })
}

/// Sets the stage that a body names. An id of a stage takes precedence over its name; `null` removes the stage.
pub(super) fn settle(
    body: &Map<String, Value>,
    record: &mut Map<String, Value>,
    new: bool,
) -> Result<(), String> {
    let word = |key: &str| body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let named = word("pipelineId");
    let current = record.get("pipelineId").and_then(Value::as_str);
    let target = pipeline(named.or(current)).ok_or("Pipeline not found")?;
    let found = match (word("pipelineStage"), word("status")) {
        (Some(id), _) => {
            // Without a pipeline in the body, a stage of another pipeline moves the contact to that pipeline.
            let among = PIPELINES.iter().filter(|pipeline| named.is_none_or(|named| pipeline.id == named));
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
