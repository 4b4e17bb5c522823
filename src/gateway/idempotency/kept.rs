//! The form in which an open write is kept until it is answered: everything written member by member, texts as they are.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Destination, Past, RecoveryContext};
use crate::domain::{
    Address, Candidate, Candidates, ContactDraft, EmailAddress, Failure, Field, FilterName, PhoneNumber,
    RawJson, ReadOnlyMember, RemoteFields, RemoteId, Result, Text, Timestamp, Warning, WarningCode,
};
use crate::store::Stage;

/// The longest deadline that a write may have.
const LONGEST_WRITE: Duration = Duration::from_secs(30);

/// What is sealed while a write is open.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct OpenWrite {
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<KeptEvidence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<KeptFound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates: Option<Vec<KeptCandidate>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates_omitted: Option<usize>,
    /// Missing in rows of earlier versions, which skip it where they find it.
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<KeptDestination>,
}

#[derive(Serialize, Deserialize)]
struct KeptDestination {
    base_url: String,
    secret: String,
    account_id: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct KeptEvidence {
    draft: KeptDraft,
    sent_at: String,
    /// Read by versions that compared clocks, and written for them.
    settled_from: String,
    /// Rows of those versions have none.
    open_for_ms: Option<u64>,
    seen: Vec<String>,
    looked_at: Option<String>,
    absent_lookup: Option<String>,
}

/// JSON of `remote_fields` and `read_only` is kept as a text, so that it comes back to the byte.
#[derive(Serialize, Deserialize)]
struct KeptDraft {
    first_name: Option<String>,
    last_name: String,
    account: Option<String>,
    addresses: Vec<KeptAddress>,
    email_addresses: Vec<(String, Option<String>)>,
    phone_numbers: Vec<(String, Option<String>)>,
    remote_fields: Vec<(String, String)>,
    read_only: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct KeptAddress {
    address_type: Option<String>,
    street1: Option<String>,
    street2: Option<String>,
    city: Option<String>,
    state: Option<String>,
    country_subdivision: Option<String>,
    country: Option<String>,
    postal_code: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct KeptFound {
    remote_id: String,
    warnings: Vec<KeptWarning>,
}

#[derive(Serialize, Deserialize)]
struct KeptWarning {
    code: String,
    pointer: String,
    message: String,
}

#[derive(Serialize, Deserialize)]
struct KeptCandidate {
    id: Option<String>,
    remote_id: String,
    matched_on: Vec<String>,
}

impl OpenWrite {
    /// What a row of `past` keeps; `None` where nothing needs to be.
    pub(super) fn of(
        past: &Past,
        evidence: Option<&RecoveryContext>,
        destination: Option<&Destination>,
    ) -> Option<Self> {
        let mut kept = Self { destination: destination.map(KeptDestination::of), ..Self::default() };
        match past {
            Past::Nothing => return None,
            Past::Sent | Past::Absent => {
                kept.destination.as_ref()?;
            }
            Past::Unknown => kept.evidence = Some(KeptEvidence::of(evidence?)),
            Past::Found { remote_id, warnings } => {
                let (remote_id, warnings) = (remote_id.as_str().to_owned(), warnings.iter());
                kept.found = Some(KeptFound { remote_id, warnings: warnings.map(KeptWarning::of).collect() });
            }
            Past::Ambiguous { candidates } => {
                kept.candidates = Some(candidates.iter().map(KeptCandidate::of).collect());
                kept.candidates_omitted = Some(candidates.omitted()).filter(|omitted| *omitted > 0);
            }
        }
        Some(kept)
    }

    /// The bytes to be sealed. Fails with `internal`.
    pub(super) fn written(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|_| Failure::internal("an open write could not be written down"))
    }

    /// Fails with `internal`.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|_| damaged())
    }

    /// Where the write was sent; `None` if nothing was, or if an earlier version sent it.
    pub(super) fn destination(&self) -> Option<Destination> {
        self.destination.as_ref().map(KeptDestination::back)
    }

    /// What an earlier attempt left in a row of `stage`. Fails with `internal`.
    pub(super) fn past(self, stage: Stage) -> Result<(Past, Option<RecoveryContext>)> {
        let Self { evidence, found, candidates, candidates_omitted, destination: _ } = self;
        let evidence = evidence.map(KeptEvidence::back).transpose()?;
        let past = match stage {
            Stage::Reserved | Stage::Done => Past::Nothing,
            Stage::Sending | Stage::Unknown if evidence.is_some() => Past::Unknown,
            Stage::Sending | Stage::Unknown => Past::Sent,
            Stage::Absent => Past::Absent,
            Stage::Found => found.ok_or_else(damaged)?.back(),
            Stage::Ambiguous => {
                let candidates = candidates.ok_or_else(damaged)?.into_iter().map(KeptCandidate::back);
                let candidates: Candidates = candidates.collect();
                Past::Ambiguous { candidates: candidates.omitting(candidates_omitted.unwrap_or(0)) }
            }
        };
        Ok((past, evidence))
    }
}

impl KeptDestination {
    fn of(destination: &Destination) -> Self {
        let Destination { base_url, secret, account_id } = destination;
        Self { base_url: owned(base_url), secret: owned(secret), account_id: some(account_id.as_ref()) }
    }

    fn back(&self) -> Destination {
        let Self { base_url, secret, account_id } = self;
        Destination {
            base_url: base_url.as_str().into(),
            secret: secret.as_str().into(),
            account_id: account_id.as_deref().map(Text::from),
        }
    }
}

impl KeptEvidence {
    fn of(evidence: &RecoveryContext) -> Self {
        let RecoveryContext { draft, sent_at, open_for, seen, looked_at, absent_lookup } = evidence;
        let settled_from = crate::clock::now().checked_add(*open_for).unwrap_or(Timestamp::MAX);
        Self {
            draft: KeptDraft::of(draft),
            sent_at: sent_at.to_string(),
            settled_from: settled_from.to_string(),
            open_for_ms: u64::try_from(open_for.as_millis()).ok(),
            seen: seen.iter().map(|id| id.as_str().to_owned()).collect(),
            looked_at: looked_at.map(|moment| moment.to_string()),
            absent_lookup: some(absent_lookup.as_ref()),
        }
    }

    fn back(self) -> Result<RecoveryContext> {
        let Self { draft, sent_at, settled_from: _, open_for_ms, seen, looked_at, absent_lookup } = self;
        Ok(RecoveryContext {
            draft: draft.back(),
            sent_at: moment(&sent_at)?,
            open_for: open_for_ms.map_or(LONGEST_WRITE, Duration::from_millis),
            seen: seen.into_iter().map(RemoteId::from).collect(),
            looked_at: looked_at.as_deref().map(moment).transpose()?,
            absent_lookup: absent_lookup.map(Text::from),
        })
    }
}

impl KeptDraft {
    fn of(draft: &ContactDraft) -> Self {
        let ContactDraft {
            first_name,
            last_name,
            account,
            addresses,
            email_addresses,
            phone_numbers,
            remote_fields: RemoteFields(remote_fields),
            read_only,
        } = draft;
        let email = |EmailAddress { address, kind }: &EmailAddress| (owned(address), some(kind.as_ref()));
        let phone = |PhoneNumber { number, kind }: &PhoneNumber| (owned(number), some(kind.as_ref()));
        Self {
            first_name: some(first_name.as_ref()),
            last_name: owned(last_name),
            account: some(account.as_ref()),
            addresses: addresses.iter().map(KeptAddress::of).collect(),
            email_addresses: email_addresses.iter().map(email).collect(),
            phone_numbers: phone_numbers.iter().map(phone).collect(),
            remote_fields: remote_fields
                .iter()
                .map(|(name, value)| (owned(name), value.as_str().to_owned()))
                .collect(),
            read_only: read_only
                .iter()
                .map(|ReadOnlyMember { name, value }| ((*name).to_owned(), value.as_str().to_owned()))
                .collect(),
        }
    }

    fn back(self) -> ContactDraft {
        let Self {
            first_name,
            last_name,
            account,
            addresses,
            email_addresses,
            phone_numbers,
            remote_fields,
            read_only,
        } = self;
        let json = |text: String| RawJson::from_validated(text.into());
        ContactDraft {
            first_name: first_name.map(Text::from),
            last_name: last_name.into(),
            account: account.map(Text::from),
            addresses: addresses.into_iter().map(KeptAddress::back).collect(),
            email_addresses: email_addresses
                .into_iter()
                .map(|(address, kind)| EmailAddress { address: address.into(), kind: kind.map(Text::from) })
                .collect(),
            phone_numbers: phone_numbers
                .into_iter()
                .map(|(number, kind)| PhoneNumber { number: number.into(), kind: kind.map(Text::from) })
                .collect(),
            remote_fields: RemoteFields(
                remote_fields.into_iter().map(|(name, value)| (name.into(), json(value))).collect(),
            ),
            read_only: read_only
                .into_iter()
                .filter_map(|(name, value)| Some(ReadOnlyMember { name: known(&name)?, value: json(value) }))
                .collect(),
        }
    }
}

impl KeptAddress {
    fn of(address: &Address) -> Self {
        let Address {
            address_type,
            street1,
            street2,
            city,
            state,
            country_subdivision,
            country,
            postal_code,
        } = address;
        Self {
            address_type: some(address_type.as_ref()),
            street1: some(street1.as_ref()),
            street2: some(street2.as_ref()),
            city: some(city.as_ref()),
            state: some(state.as_ref()),
            country_subdivision: some(country_subdivision.as_ref()),
            country: some(country.as_ref()),
            postal_code: some(postal_code.as_ref()),
        }
    }

    fn back(self) -> Address {
        let Self { address_type, street1, street2, city, state, country_subdivision, country, postal_code } =
            self;
        Address {
            address_type: address_type.map(Text::from),
            street1: street1.map(Text::from),
            street2: street2.map(Text::from),
            city: city.map(Text::from),
            state: state.map(Text::from),
            country_subdivision: country_subdivision.map(Text::from),
            country: country.map(Text::from),
            postal_code: postal_code.map(Text::from),
        }
    }
}

impl KeptFound {
    fn back(self) -> Past {
        let Self { remote_id, warnings } = self;
        let warnings = warnings.into_iter().filter_map(KeptWarning::back).collect();
        Past::Found { remote_id: remote_id.into(), warnings }
    }
}

impl KeptWarning {
    fn of(warning: &Warning) -> Self {
        let Warning { code, pointer, message } = warning;
        Self { code: code.as_str().to_owned(), pointer: pointer.clone(), message: owned(message) }
    }

    /// A warning of a newer version is left out: this one has no word for it.
    fn back(self) -> Option<Warning> {
        let Self { code, pointer, message } = self;
        Some(Warning { code: WarningCode::parse(&code)?, pointer, message: message.into() })
    }
}

impl KeptCandidate {
    fn of(candidate: &Candidate) -> Self {
        let Candidate { id, remote_id, matched_on } = candidate;
        Self {
            id: some(id.as_ref()),
            remote_id: remote_id.as_str().to_owned(),
            matched_on: matched_on.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn back(self) -> Candidate {
        let Self { id, remote_id, matched_on } = self;
        Candidate {
            id: id.map(Text::from),
            remote_id: remote_id.into(),
            matched_on: matched_on.iter().filter_map(|name| known(name)).collect(),
        }
    }
}

/// A name of the unified API in the one place where it lives as long as the program.
fn known(name: &str) -> Option<&'static str> {
    let fields = Field::ALL.into_iter().map(Field::name);
    let filters = FilterName::ALL.iter().map(|filter| filter.parameter());
    let others = ["id", "remoteId", "createdAt", "updatedAt"];
    fields.chain(filters).chain(others).find(|known| *known == name)
}

fn owned(text: &Text) -> String {
    text.as_str().to_owned()
}

fn some(text: Option<&Text>) -> Option<String> {
    text.map(owned)
}

fn moment(text: &str) -> Result<Timestamp> {
    text.parse().map_err(|_| damaged())
}

fn damaged() -> Failure {
    Failure::internal("an open write is not as it was written down")
}
