//! What a draft or patch changes, in the pipeline CRM's terms.

use std::collections::BTreeMap;

use super::decode::StageDefinition;
use super::lists::{self, PhoneChange};
use super::rules::RULES;
use super::stages::{KnownPipelines, SEND_ONE, StageWish, conflict};
use crate::adapters::change;
use crate::adapters::remote::{self, BodyOrigin, RemoteWrite};
use crate::domain::{
    Contact, ContactDraft, ContactPatch, EmailAddress, Failure, Faults, Field, FieldFault, Patch, RawJson,
    Region, RemoteFields, RemoteId, Result, Text, Warning, WarningCode,
};
use crate::json::{self, Kind};

/// What to write, in the CRM's terms.
#[derive(Clone, Default)]
pub(in super::super) struct PipelineChange {
    pub(super) first_name: Patch<Text>,
    pub(super) last_name: Patch<Text>,
    pub(super) emails: Option<Vec<EmailAddress>>,
    pub(super) phones: Option<PhoneChange>,
    pub(super) remote: BTreeMap<&'static str, RawJson>,
    stage_wish: Option<StageWish>,
    /// The value that `status` should read back as, although it is not sent.
    pub(super) expected_status: Option<RawJson>,
    pub(super) losses: Vec<Warning>,
    /// Held entries, for the CRM's other fields on them.
    pub(super) held_phones: Option<RawJson>,
    pub(super) held_emails: Option<RawJson>,
    pub(super) region: Region,
}

impl PipelineChange {
    /// A draft is a patch of an empty record.
    pub(in super::super) fn of_draft(draft: &ContactDraft, region: Region) -> Result<Self> {
        Self::of_patch(&Contact::bare(RemoteId::from("")), &change::of_draft(draft), region)
    }

    /// The changes that `patch` makes to `held`. Equal values are not sent.
    pub(in super::super) fn of_patch(held: &Contact, patch: &ContactPatch, region: Region) -> Result<Self> {
        let ContactPatch {
            first_name,
            last_name,
            account: _,   // Not stored; the gateway warns.
            addresses: _, // Not stored; the gateway warns.
            email_addresses,
            phone_numbers,
            remote_fields,
            read_only, // Ignored; the gateway warns where they differ.
        } = patch;
        let mut changed = Self {
            first_name: change::text(first_name, held, Field::FirstName),
            last_name: change::text(last_name, held, Field::LastName),
            held_phones: held.remote_fields.get("phoneNumber").cloned(),
            held_emails: held.remote_fields.get("email").cloned(),
            region,
            ..Self::default()
        };
        if let Some(sent) = email_addresses.list() {
            changed.emails = lists::emails(sent, held, &mut changed.losses);
        }
        if let Some(sent) = phone_numbers.list() {
            changed.phones = lists::phones(sent, held, region, &mut changed.losses)?;
        }
        changed.remote_fields(remote_fields, held, remote::origin(read_only, held))?;
        Ok(changed)
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        !self.first_name.touches()
            && !self.last_name.touches()
            && self.emails.is_none()
            && self.phones.is_none()
            && self.remote.is_empty()
    }

    fn remote_fields(&mut self, sent: &RemoteFields, held: &Contact, origin: BodyOrigin) -> Result<()> {
        let mut faults = Faults::new();
        let (update, read_back) = (!held.remote_id.as_str().is_empty(), origin != BodyOrigin::Caller);
        let mut selected = RULES.select(sent, Some(&held.remote_fields), read_back)?;
        let mut pointers: BTreeMap<&str, String> = BTreeMap::new();
        let clears_stage =
            |write: &RemoteWrite<'_>| write.spec.name == "pipelineStage" && write.value.is_null();
        let clears_stage = selected.writes.iter().any(clears_stage);
        for write in selected.writes {
            let name = write.spec.name;
            let fits = match (name, json::kind(write.value.as_str())) {
                (name, _) if update && read_back && write.spec.on_create_only => {
                    selected.ignored.push(name);
                    continue;
                }
                // A stage that is cleared has no name. If the contact was changed since, or its stage is not
                // shown, `null` is an old value.
                ("status", Kind::Null)
                    if clears_stage && read_back
                        || origin == BodyOrigin::Outdated
                        || read_back && held.remote_fields.get("status").is_none() =>
                {
                    continue;
                }
                (name, _) if update && write.spec.on_create_only => {
                    Err(format!("`{name}` can only be written on create."))
                }
                (_, Kind::String) | ("pipelineStage", Kind::Null) => Ok(()),
                ("status", Kind::Null) => {
                    Err("`status` must be a string. To clear the stage, send `pipelineStage: null`."
                        .to_owned())
                }
                (name, _) => Err(format!("`{name}` must be a string.")),
            };
            match fits {
                Ok(()) => {
                    self.remote.insert(name, write.value.clone());
                    pointers.insert(name, write.pointer);
                }
                Err(detail) => faults.push(FieldFault::member(write.pointer, "malformed", detail)),
            }
        }
        self.losses.extend(RULES.warning(&selected.ignored));
        let (status, stage) = (pointers.remove("status"), pointers.remove("pipelineStage"));
        // The other field is sent too and equals the held one: the same body was sent before, or the CRM has moved the
        // contact.
        let is_repeated = match (&status, &stage) {
            (Some(_), None) => sent.get("pipelineStage").is_some(),
            (None, Some(_)) => sent.get("status").is_some(),
            _ => false,
        };
        if is_repeated && origin == BodyOrigin::Outdated {
            self.ignore_stage();
        } else {
            let changed = |name: &str| {
                let raw = self.remote.get(name);
                raw.and_then(|raw| json::string(raw.as_str())).map(|text| Text::from(text.as_ref()))
            };
            match StageWish::of([status, stage], changed, held, origin) {
                Ok(wish) => self.stage_wish = wish,
                Err(conflict) => faults.extend(conflict),
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(Failure::validation(faults)) }
    }

    /// Keeps the stage that the contact was moved to since the read.
    fn ignore_stage(&mut self) {
        for name in ["status", "pipelineStage", "pipelineId"] {
            self.remote.remove(name);
        }
        let message = "The contact was changed after this body was read, so its stage was ignored. To move the contact, send `status` or `pipelineStage` alone.";
        self.losses.push(Warning::new(WarningCode::ReadOnly, "/remoteFields/pipelineStage", message));
    }

    /// The stage that the write names, if it names one.
    pub(in super::super) const fn stage_wish(&self) -> Option<&StageWish> {
        self.stage_wish.as_ref()
    }

    /// Sends only one of the two fields that set a stage: it is unknown what the CRM does if they disagree. In a body made
    /// from a read they may be the pair of that time. Fails with `validation_failed` if there is no such stage, or if both
    /// name different ones. Without known pipelines the CRM and the read-back decide.
    pub(in super::super) fn with_known_stage(mut self, known: &KnownPipelines) -> Result<Self> {
        let Some(wish) = self.stage_wish.take() else { return Ok(self) };
        let (Some(status), Some(stage)) = (&wish.status, &wish.stage) else {
            wish.check_status(known)?;
            wish.check_stage(known)?;
            return Ok(self);
        };
        let (is_chosen, is_outdated) =
            (wish.origin == BodyOrigin::Caller, wish.origin == BodyOrigin::Outdated);
        let named = known.stage(&stage.value);
        // The read shows the stage's name and not its id: the caller has edited only `status`.
        let is_held = |named: &StageDefinition| wish.held.as_ref().is_some_and(|held| named.is_called(held));
        if !is_chosen && named.is_some_and(is_held) {
            self.remote.remove("pipelineStage");
            if is_outdated {
                self.ignore_stage();
            } else {
                wish.check_status(known)?;
            }
            return Ok(self);
        }
        let pointers = || [status.at.clone(), stage.at.clone()];
        match named {
            Some(named) if !named.is_called(&status.value) => {
                let name = named.name.as_str();
                let detail =
                    format!("`pipelineStage` is the stage `{name}`, and `status` is another one. {SEND_ONE}");
                return Err(Failure::validation(conflict(pointers(), &detail).to_vec()));
            }
            None if is_chosen && wish.refusing(known).is_none() => {
                return Err(Failure::validation(conflict(pointers(), SEND_ONE).to_vec()));
            }
            None if !is_outdated => wish.check_stage(known)?,
            _ => {}
        }
        let sent = self.remote.remove("status");
        if is_outdated {
            self.ignore_stage();
        } else if named.is_none() {
            self.expected_status = sent;
        }
        Ok(self)
    }
}
