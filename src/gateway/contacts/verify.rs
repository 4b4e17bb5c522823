//! Reads a record back after a write, and turns the differences into the outcome of the write.

use super::compare::{Finding, Readings, Verdict, judge, shows_all};
use super::errors::view;
use super::{ContactView, incomplete};
use crate::adapters::{Applied, Prepared, merge};
use crate::blocking;
use crate::domain::{
    CallContext, Contact, ContactPatch, Effect, Failure, FailureKind, Faults, Patch, RemoteId, Result, Text,
    Warning, WarningCode, enumerated,
};
use crate::gateway::credentials::ConnectedCredential;

/// The contact after a write, and its differences from what was asked for.
pub(super) struct Verified {
    pub(super) contact: Contact,
    pub(super) findings: Vec<Finding>,
}

/// A write that may have been sent, and how its contact is read.
#[derive(Clone, Copy)]
pub(super) struct SentWrite<'a> {
    pub(super) context: &'a CallContext,
    pub(super) opened: &'a ConnectedCredential,
    pub(super) prepared: &'a Prepared,
}

impl SentWrite<'_> {
    /// Reads the contact `id` as a read-back, which also works for CRMs that cannot read single contacts.
    pub(super) async fn read(self, id: RemoteId) -> Result<Contact> {
        let applied = Applied { remote_id: Some(id), contact: None };
        self.opened.adapter.read_back(self.context, self.prepared, &applied).await
    }

    /// Compares the write with `after`, the first read after it. If that read is incomplete, a read in the CRM's
    /// other way completes it. `before` is the contact before the write, `None` for a new record.
    pub(super) async fn verified(self, before: Option<&Contact>, after: Contact) -> Verified {
        let Self { context, opened, prepared } = self;
        let asked = &prepared.expected;
        let (mut contact, mut both_ways) = (after, false);
        if !shows_all(opened.spec, asked, &contact) {
            match opened.adapter.read_other_way(context, &known(before, asked, &contact)).await {
                Ok(Some(other)) => {
                    contact = merge(contact, other);
                    both_ways = true;
                }
                Ok(None) => {}
                Err(failure) => tracing::info!(
                    code = failure.kind.code(),
                    request_id = context.request_id.as_str(),
                    "a contact could not be read in the other way"
                ),
            }
        }
        let size = contact.size() + before.map_or(0, Contact::size);
        let (spec, region) = (opened.spec, opened.adapter.region());
        let findings = blocking::however_late(context, size, || {
            judge(spec, region, Readings { before, after: &contact, both_ways }, asked)
        });
        let findings = findings.await;
        Verified { contact, findings }
    }
}

/// All that is known of a record to find its row by: first what was written, then what it has and had.
pub(super) fn known(before: Option<&Contact>, asked: &ContactPatch, after: &Contact) -> Contact {
    fn all<T: Clone>(asked: &Patch<Vec<T>>, lists: [&[T]; 2]) -> Vec<T> {
        asked.value().into_iter().flatten().chain(lists.into_iter().flatten()).cloned().collect()
    }
    fn first(asked: &Patch<Text>, texts: [Option<&Text>; 2]) -> Option<Text> {
        asked.value().or(texts[0]).or(texts[1]).cloned()
    }
    let before = before.unwrap_or(after);
    Contact {
        first_name: first(&asked.first_name, [after.first_name.as_ref(), before.first_name.as_ref()]),
        last_name: first(&asked.last_name, [after.last_name.as_ref(), before.last_name.as_ref()]),
        email_addresses: all(&asked.email_addresses, [&after.email_addresses, &before.email_addresses]),
        phone_numbers: all(&asked.phone_numbers, [&after.phone_numbers, &before.phone_numbers]),
        ..Contact::bare(after.remote_id.clone())
    }
}

impl Verified {
    /// The result of a confirmed write. Fails with `upstream_did_not_apply` if the CRM still has an old value.
    /// All other differences are warnings.
    pub(super) fn concluded(
        self,
        opened: &ConnectedCredential,
        mut warnings: Vec<Warning>,
    ) -> Result<(Contact, Vec<Warning>)> {
        let kept: Vec<&Finding> =
            self.findings.iter().filter(|found| found.verdict == Verdict::NotApplied).collect();
        if !kept.is_empty() {
            return Err(did_not_apply(opened, &kept));
        }
        self.warn(&mut warnings);
        warnings.extend(incomplete(&self.contact));
        Ok((self.contact, warnings))
    }

    /// Adds warnings for the findings, without duplicates.
    pub(super) fn warn(&self, warnings: &mut Vec<Warning>) {
        for Finding { pointer, verdict } in &self.findings {
            let (code, message) = told(*verdict);
            if !warnings.iter().any(|known| known.code == code && known.pointer == *pointer) {
                warnings.push(Warning::new(code, pointer.clone(), message));
            }
        }
    }
}

const fn told(verdict: Verdict) -> (WarningCode, &'static str) {
    match verdict {
        Verdict::NotApplied | Verdict::NotStored => {
            (WarningCode::NotStored, "The CRM did not store this value.")
        }
        Verdict::Changed => {
            (WarningCode::ChangedByUpstream, "The CRM stored another value than the one sent.")
        }
        Verdict::Normalised => (WarningCode::ChangedByUpstream, "The CRM stored the value in another form."),
        Verdict::Reordered => (WarningCode::OrderChanged, "The CRM stored these entries in another order."),
        Verdict::Unrequested => (
            WarningCode::ChangedByUpstream,
            "The value changed although the write did not change this field.",
        ),
        Verdict::Unseen => {
            (WarningCode::NotVerified, "The CRM does not show this field, so it could not be verified.")
        }
    }
}

fn did_not_apply(opened: &ConnectedCredential, kept: &[&Finding]) -> Failure {
    let names = enumerated(kept.iter().map(|found| found.pointer.as_str()));
    let detail = format!("{} accepted the change but did not store it: {names}.", opened.spec.name);
    opened
        .failure(FailureKind::UpstreamDidNotApply, detail)
        .with_faults(kept.iter().map(|found| found.fault()).collect::<Faults>())
        .with_effect(Effect::Final)
}

/// A confirmed write that could not be read back. Shows only what the CRM's response showed, not what was sent.
/// `done` is what was done.
pub(super) fn unverified(
    opened: &ConnectedCredential,
    id: &RemoteId,
    applied: Applied,
    done: &str,
    failure: &Failure,
    mut warnings: Vec<Warning>,
) -> ContactView {
    let response = applied.contact.filter(|contact| contact.remote_id == *id);
    let contact = response.unwrap_or_else(|| {
        let mut nothing_seen = Contact::bare(id.clone());
        let read = opened.spec.fields.iter().filter(|field| field.read.is_some());
        read.for_each(|field| nothing_seen.unseen.insert(field.field));
        nothing_seen
    });
    let message = format!(
        "The CRM confirmed that the contact was {done}, but reading it back failed ({}).",
        failure.kind.code()
    );
    warnings.push(Warning::new(WarningCode::NotVerified, "", message));
    warnings.extend(incomplete(&contact));
    view(opened, contact, warnings)
}
