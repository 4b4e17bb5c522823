//! The state of one write under an `Idempotency-Key`: in memory while this process runs the write, and sealed in its row for
//! the next process.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::StoredResponse;
use crate::clock;
use crate::domain::{
    Candidate, Candidates, ContactDraft, Failure, RemoteId, Result, Text, Timestamp, Warning,
};
use crate::store::Stage;

/// How often a create is sent under one key: once more if it is proven not applied.
const MOST_SENDS: i64 = 2;
/// The longest deadline of a write.
const LONGEST_WRITE: Duration = Duration::from_secs(30);

/// The progress of a write.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::gateway) enum WriteState {
    /// Nothing has been sent, or the CRM refused what was sent.
    Reserved,
    /// An update, a delete or a new credential may have been applied. Sent again, it has the same effect.
    Sent,
    /// A create may have been applied.
    Unknown(Box<RecoveryContext>),
    /// The create was sent and is proven absent.
    NotApplied,
    Applied {
        /// The contact that it made.
        remote_id: RemoteId,
        /// The warnings of the response.
        warnings: Vec<Warning>,
    },
    /// It cannot be determined whether the create was applied.
    Ambiguous {
        /// The contacts that it may have made.
        candidates: Candidates,
    },
    Done(StoredResponse),
}

/// What a request does with the write that it finds under its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum ReplayStep {
    Send,
    /// Sends the create once more; the contact may appear late.
    SendAgain,
    /// Searches for what the create made, before anything else.
    Recover,
    /// Reads the contact that the create made, and returns it.
    Return,
    /// Refuses: only a person can determine the outcome.
    Refuse,
    /// Returns the recorded response.
    Replay,
}

impl WriteState {
    /// What a request does next with a write in this state, which was sent `sends` times.
    pub(in crate::gateway) const fn next(&self, sends: i64) -> ReplayStep {
        match self {
            Self::Reserved | Self::Sent => ReplayStep::Send,
            Self::Unknown(_) => ReplayStep::Recover,
            Self::NotApplied if sends < MOST_SENDS => ReplayStep::SendAgain,
            Self::NotApplied | Self::Ambiguous { .. } => ReplayStep::Refuse,
            Self::Applied { .. } => ReplayStep::Return,
            Self::Done(_) => ReplayStep::Replay,
        }
    }

    /// Whether the key may be used for another request: nothing was sent under it that could have an effect. The key of a
    /// create that was proven absent is not freed, because it counts how often the create was sent.
    pub(in crate::gateway) const fn frees_key(&self) -> bool {
        matches!(self, Self::Reserved)
    }

    /// Whether the CRM may have applied the write.
    pub(in crate::gateway) const fn may_be_applied(&self) -> bool {
        !matches!(self, Self::Reserved | Self::NotApplied)
    }

    /// What is needed to search for the create; `None` in any other state than `Unknown`.
    pub(in crate::gateway) fn recovery_context(&self) -> Option<&RecoveryContext> {
        match self {
            Self::Unknown(context) => Some(context),
            _ => None,
        }
    }

    /// The name of the state in the database.
    pub(super) const fn stage(&self) -> Stage {
        match self {
            Self::Reserved => Stage::Reserved,
            Self::Sent => Stage::Sending,
            Self::Unknown(_) => Stage::Unknown,
            Self::NotApplied => Stage::Absent,
            Self::Applied { .. } => Stage::Found,
            Self::Ambiguous { .. } => Stage::Ambiguous,
            Self::Done(_) => Stage::Done,
        }
    }

    /// The bytes to be sealed, with the destination of the write; `None` if there is nothing to store. Fails with `internal`.
    pub(super) fn to_bytes(&self, destination: Option<&Destination>) -> Result<Option<Vec<u8>>> {
        let mut form = SealedForm { destination: destination.cloned(), ..SealedForm::default() };
        match self {
            Self::Reserved => return Ok(None),
            Self::Done(response) => return response.to_bytes().map(Some),
            Self::Sent | Self::NotApplied if destination.is_none() => return Ok(None),
            Self::Sent | Self::NotApplied => {}
            Self::Unknown(context) => form.evidence = Some((**context).clone()),
            Self::Applied { remote_id, warnings } => {
                form.found = Some(Found { remote_id: remote_id.clone(), warnings: warnings.clone() });
            }
            Self::Ambiguous { candidates } => {
                form.candidates = Some(candidates.as_slice().to_vec());
                form.candidates_omitted = Some(candidates.omitted()).filter(|omitted| *omitted > 0);
            }
        }
        let bytes = serde_json::to_vec(&form);
        bytes.map(Some).map_err(|_| Failure::internal("the state of a write could not be serialised"))
    }

    /// The state in a row of `stage`, and the destination of the write, as [`Self::to_bytes`] wrote them. Fails with
    /// `internal`.
    pub(super) fn from_bytes(stage: Stage, bytes: Option<&[u8]>) -> Result<(Self, Option<Destination>)> {
        if stage == Stage::Done {
            let response = bytes.ok_or_else(damaged).and_then(StoredResponse::from_bytes)?;
            return Ok((Self::Done(response), None));
        }
        let form = bytes.map_or_else(|| Ok(SealedForm::default()), serde_json::from_slice);
        let SealedForm { evidence, found, candidates, candidates_omitted, destination } =
            form.map_err(|_| damaged())?;
        let read = match stage {
            Stage::Reserved | Stage::Done => Self::Reserved,
            Stage::Sending | Stage::Unknown => {
                evidence.map_or(Self::Sent, |context| Self::Unknown(Box::new(context)))
            }
            Stage::Absent => Self::NotApplied,
            Stage::Found => {
                let Found { remote_id, warnings } = found.ok_or_else(damaged)?;
                Self::Applied { remote_id, warnings }
            }
            Stage::Ambiguous => {
                let candidates: Candidates = candidates.ok_or_else(damaged)?.into_iter().collect();
                Self::Ambiguous { candidates: candidates.omitting(candidates_omitted.unwrap_or(0)) }
            }
        };
        Ok((read, destination))
    }
}

/// What is needed to search for a create whose outcome is unknown: kept sealed, erased with the outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::gateway) struct RecoveryContext {
    /// The contact that was to be created.
    pub(in crate::gateway) draft: ContactDraft,
    /// The time just before the first send. For a second send: the first use of the key, by the database's clock.
    pub(in crate::gateway) sent_at: Timestamp,
    /// Read by releases that compared clocks, and written for them.
    pub(super) settled_from: Timestamp,
    /// How long the create may still be applied, from the send on; no time once the CRM has responded or the attempt has
    /// timed out. Rows of earlier releases do not say it.
    #[serde(rename = "open_for_ms", default = "longest_write", with = "milliseconds")]
    pub(in crate::gateway) open_for: Duration,
    /// Contacts that the lookup before the send had seen.
    pub(in crate::gateway) seen: Vec<RemoteId>,
    /// The CRM's clock at that lookup.
    pub(in crate::gateway) looked_at: Option<Timestamp>,
    /// The id of the first lookup that found nobody. Each process remembers by its own clock when it saw this id.
    pub(in crate::gateway) absent_lookup: Option<Text>,
}

impl RecoveryContext {
    /// Of a create that is sent now, or was first sent at `sent_at`, and may be applied for `open_for`.
    pub(in crate::gateway) fn new(
        draft: ContactDraft,
        sent_at: Timestamp,
        open_for: Duration,
        seen: Vec<RemoteId>,
        looked_at: Option<Timestamp>,
    ) -> Self {
        let settled_from = end_of(open_for);
        Self { draft, sent_at, settled_from, open_for, seen, looked_at, absent_lookup: None }
    }

    /// The same create, which cannot be applied any more.
    pub(in crate::gateway) fn closed(self) -> Self {
        Self { open_for: Duration::ZERO, settled_from: end_of(Duration::ZERO), ..self }
    }
}

fn end_of(open_for: Duration) -> Timestamp {
    clock::now().checked_add(open_for).unwrap_or(Timestamp::MAX)
}

/// The CRM account that a credential led to when a write was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::gateway) struct Destination {
    pub(in crate::gateway) base_url: Text,
    /// Digest of the credential's secret. The credential's revision would not do: a new name and a new master key raise
    /// it too.
    pub(in crate::gateway) secret: Text,
    /// The CRM's id of the account, if it is known.
    pub(in crate::gateway) account_id: Option<Text>,
}

impl Destination {
    /// Whether `now` is the same account; `None` if this is not known.
    pub(in crate::gateway) fn is_same(&self, now: &Self) -> Option<bool> {
        if self.base_url != now.base_url {
            return Some(false);
        }
        match (&self.account_id, &now.account_id) {
            (Some(then), Some(now)) => Some(then == now),
            _ => (self.secret == now.secret).then_some(true),
        }
    }
}

/// The JSON that is sealed. Its names stay, so that two releases can run side by side during an upgrade.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct SealedForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<RecoveryContext>,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<Found>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates: Option<Vec<Candidate>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates_omitted: Option<usize>,
    /// Missing in rows of earlier releases, which skip it if they find it.
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<Destination>,
}

#[derive(Serialize, Deserialize)]
struct Found {
    remote_id: RemoteId,
    #[serde(deserialize_with = "crate::domain::known_warnings")]
    warnings: Vec<Warning>,
}

const fn longest_write() -> Duration {
    LONGEST_WRITE
}

mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::LONGEST_WRITE;

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> std::result::Result<S::Ok, S::Error> {
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Duration, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map_or(LONGEST_WRITE, Duration::from_millis))
    }
}

fn damaged() -> Failure {
    Failure::internal("the state of a write is damaged")
}
