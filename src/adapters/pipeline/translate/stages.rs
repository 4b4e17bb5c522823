//! Pipelines and their stages: what the CRM shows of them, and which stage a write may name.

use std::sync::Arc;

use super::decode::{ListedUsers, PipelineDefinition, StageDefinition};
use super::rules::RULES;
use crate::adapters::definitions::{FieldChoice, RemoteFieldDefinition};
use crate::adapters::remote::BodyOrigin;
use crate::domain::{Contact, Failure, FieldFault, RawJson, Result, Text, enumerated, field_key};
use crate::json;

/// The stage that a write names: by its name, by its id or by both. All of them differ from the held ones.
#[derive(Clone)]
pub(in super::super) struct StageWish {
    pub(super) status: Option<NamedStage>,
    pub(super) stage: Option<NamedStage>,
    /// The name of the held stage, if the read shows it.
    pub(super) held: Option<Text>,
    pub(super) origin: BodyOrigin,
    pipeline: StagePipeline,
}

#[derive(Clone)]
pub(super) struct NamedStage {
    pub(super) value: Text,
    /// The caller's pointer.
    pub(super) at: String,
}

/// The pipeline in which the CRM searches for the stage.
#[derive(Clone)]
enum StagePipeline {
    /// The one that the write names.
    Named(Text),
    /// The one of the contact. A stage by its id may also be of another pipeline.
    Held(Text),
    /// The default one of the organisation, for a new contact.
    Default,
    /// The read does not show the contact's pipeline.
    Unknown,
}

/// The pipelines that were read.
#[derive(Default)]
pub(in super::super) struct KnownPipelines {
    /// The one in which the CRM searches; `None` if it could not be read.
    pub(in super::super) first: Option<Arc<PipelineDefinition>>,
    /// The default one, if a stage may also be in it.
    pub(in super::super) default: Option<Arc<PipelineDefinition>>,
}

impl StageWish {
    /// The wish of a body whose changed remote fields are `changed`; `at` are the caller's pointers to name and id. Fails if
    /// name and id are not both texts.
    pub(super) fn of(
        at: [Option<String>; 2],
        changed: impl Fn(&str) -> Option<Text>,
        held: &Contact,
        origin: BodyOrigin,
    ) -> std::result::Result<Option<Self>, [FieldFault; 2]> {
        let held_text = |name: &str| text(held.remote_fields.get(name));
        let [status_at, stage_at] = at;
        let named = |at: Option<String>, name: &str| {
            at.and_then(|at| changed(name).map(|value| NamedStage { value, at }))
        };
        let pointers = status_at.clone().zip(stage_at.clone());
        let (status, stage) = (named(status_at, "status"), named(stage_at, "pipelineStage"));
        match (pointers, &status, &stage) {
            // `null` clears the stage, and the other field names one.
            (Some((status, stage)), None, _) | (Some((status, stage)), _, None) => {
                return Err(conflict([status, stage], SEND_ONE));
            }
            (_, None, None) => return Ok(None),
            _ => {}
        }
        let pipeline = match (changed("pipelineId"), held_text("pipelineId")) {
            (Some(named), _) => StagePipeline::Named(named),
            (None, Some(held)) => StagePipeline::Held(held),
            (None, None) if held.remote_id.as_str().is_empty() => StagePipeline::Default,
            (None, None) => StagePipeline::Unknown,
        };
        Ok(Some(Self { status, stage, held: held_text("status"), origin, pipeline }))
    }

    /// The id of the pipeline in which the CRM searches; `None` is the default one.
    pub(in super::super) fn pipeline(&self) -> Option<&str> {
        match &self.pipeline {
            StagePipeline::Named(id) | StagePipeline::Held(id) => Some(id),
            StagePipeline::Default | StagePipeline::Unknown => None,
        }
    }

    /// Whether the write can only be sent after a definition was read.
    pub(in super::super) const fn is_pair(&self) -> bool {
        self.status.is_some() && self.stage.is_some()
    }

    /// Whether any pipeline can refuse the write, or tell which of two fields to send.
    pub(in super::super) const fn needs_pipeline(&self) -> bool {
        self.is_pair() || !matches!(self.pipeline, StagePipeline::Unknown)
    }

    /// Whether the stage is not in `first` and may be in the default pipeline.
    pub(in super::super) fn may_be_default(&self, first: &PipelineDefinition) -> bool {
        matches!(self.pipeline, StagePipeline::Held(_))
            && self.stage.as_ref().is_some_and(|stage| first.stage(&stage.value).is_none())
    }

    /// Fails if no stage has the name.
    pub(super) fn check_status(&self, known: &KnownPipelines) -> Result<()> {
        let (Some(status), Some(pipeline)) = (&self.status, self.refusing(known)) else { return Ok(()) };
        if status.is_blank() || pipeline.stages.iter().any(|stage| stage.is_called(&status.value)) {
            return Ok(());
        }
        let names = enumerated(pipeline.stages.iter().map(|stage| &stage.name));
        let detail = self.no_stage(pipeline, "name", &names);
        Err(Failure::validation(vec![FieldFault::member(&status.at, "unknown_choice", detail)]))
    }

    /// Fails if no stage has the id.
    pub(super) fn check_stage(&self, known: &KnownPipelines) -> Result<()> {
        let (Some(stage), Some(pipeline)) = (&self.stage, self.refusing(known)) else { return Ok(()) };
        let has_default = known.default.is_some() || !self.may_be_default(pipeline);
        if stage.is_blank() || known.stage(&stage.value).is_some() || !has_default {
            return Ok(());
        }
        let stages =
            pipeline.stages.iter().map(|stage| format!("{} ({})", stage.id.as_str(), stage.name.as_str()));
        let detail = self.no_stage(pipeline, "id", &enumerated(stages.collect::<Vec<_>>()));
        Err(Failure::validation(vec![FieldFault::member(&stage.at, "unknown_choice", detail)]))
    }

    /// The detail of the refusal: `pipeline` has no stage with this name or id, only `stages`.
    fn no_stage(&self, pipeline: &PipelineDefinition, what: &str, stages: &str) -> String {
        let other = match self.pipeline {
            StagePipeline::Named(_) => "",
            _ => " For a stage of another pipeline, send its `pipelineId` too.",
        };
        format!("No stage of {} has this {what}. Its stages: {stages}.{other}", pipeline.called())
    }

    /// The pipeline that can refuse the write: one whose stages are all known, and in which the CRM searches.
    pub(super) fn refusing<'a>(&self, known: &'a KnownPipelines) -> Option<&'a PipelineDefinition> {
        let first = known.first.as_deref().filter(|first| first.is_complete && !first.stages.is_empty());
        first.filter(|_| !matches!(self.pipeline, StagePipeline::Unknown))
    }
}

impl NamedStage {
    /// A blank text names no stage. The CRM decides what it means.
    fn is_blank(&self) -> bool {
        self.value.trim().is_empty()
    }
}

impl KnownPipelines {
    pub(super) fn stage(&self, id: &str) -> Option<&StageDefinition> {
        self.first.iter().chain(&self.default).find_map(|pipeline| pipeline.stage(id))
    }
}

impl PipelineDefinition {
    fn stage(&self, id: &str) -> Option<&StageDefinition> {
        self.stages.iter().find(|stage| stage.id == *id)
    }

    fn called(&self) -> String {
        let name = self.name.as_ref().or(self.id.as_ref());
        name.map_or_else(|| "the pipeline".to_owned(), |name| format!("the pipeline `{}`", name.as_str()))
    }
}

impl StageDefinition {
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name.trim().to_lowercase() == name.trim().to_lowercase()
    }
}

pub(super) const SEND_ONE: &str = "`status` and `pipelineStage` both set the stage, and both differ from the values in the CRM. Send only one of them.";

pub(super) fn conflict(pointers: [String; 2], detail: &str) -> [FieldFault; 2] {
    pointers.map(|pointer| FieldFault::member(pointer, "conflict", detail))
}

fn text(raw: Option<&RawJson>) -> Option<Text> {
    raw.and_then(|raw| json::string(raw.as_str())).map(|text| Text::from(text.as_ref()))
}

/// The definitions of fields in what the CRM shows of pipelines, users and custom fields.
pub(in super::super) fn definitions(
    pipelines: &[Arc<PipelineDefinition>],
    users: Option<&ListedUsers>,
    custom: &[RemoteFieldDefinition],
) -> Vec<RemoteFieldDefinition> {
    let choice = |value: &Text, label: Option<&Text>, pipeline: Option<&PipelineDefinition>| FieldChoice {
        value: value.clone(),
        label: label.cloned(),
        within: pipeline.and_then(|pipeline| pipeline.id.clone()),
    };
    let stages =
        || pipelines.iter().flat_map(|pipeline| pipeline.stages.iter().map(move |stage| (pipeline, stage)));
    let owners = pipelines
        .iter()
        .filter_map(|pipeline| Some(choice(pipeline.id.as_ref()?, pipeline.name.as_ref(), None)));
    let titles = stages().map(|(pipeline, stage)| choice(&stage.name, None, Some(pipeline)));
    let ids = stages().map(|(pipeline, stage)| choice(&stage.id, Some(&stage.name), Some(pipeline)));
    let mut fields = vec![
        RemoteFieldDefinition::with_choices("status", titles.collect()),
        RemoteFieldDefinition::with_choices("pipelineStage", ids.collect()),
        RemoteFieldDefinition::with_choices("pipelineId", owners.collect()),
    ];
    for name in users.map_or(&[][..], |_| &["userId", "assignees"]) {
        let users = users.map_or_else(Vec::new, |users| users.users.clone());
        fields.push(RemoteFieldDefinition::with_choices(name, users));
    }
    fields.retain(|field| !field.choices.is_empty());
    let is_unified = |field: &&RemoteFieldDefinition| {
        let key = field_key(&field.name);
        RULES.reserved_by_unified.iter().any(|(reserved, _)| *reserved == key)
    };
    let is_known = |known: &[RemoteFieldDefinition], new: &RemoteFieldDefinition| {
        known.iter().any(|known| known.name == new.name)
    };
    for field in custom.iter().filter(|field| !is_unified(field)) {
        if !is_known(&fields, field) {
            fields.push(field.clone());
        }
    }
    fields
}
