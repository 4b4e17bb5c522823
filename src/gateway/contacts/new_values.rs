//! Checks new values by the rules of texts and lists. Values that the CRM already has are not checked, so that
//! a contact that breaks a rule can still be changed and sent back whole.

use std::collections::HashSet;

use crate::adapters::{AdapterSpec, pointer_token};
use crate::domain::bounds::{ADDRESSES_MOST, CHANGED_REMOTE_FIELDS_MOST, EMAILS_MOST, PHONES_MOST};
use crate::domain::rules::{self, Lines};
use crate::domain::{
    Address, Contact, ContactPatch, ContactUpsert, EmailAddress, Failure, Faults, FieldFault, Patch,
    PhoneNumber, RemoteFields, RemoteId, Result, Text, is_read_back,
};
use crate::json::{self, Steps};

/// Checks the new values of `patch` compared to `held`. Fails with `validation_failed`, naming every fault.
pub(super) fn check(spec: &AdapterSpec, patch: &ContactPatch, held: &Contact) -> Result<()> {
    let mut new = NewValues::of_change(patch, held);
    new.remote_fields(spec, patch, &held.remote_fields);
    new.outcome()
}

/// Checks an upsert that creates: all of it is new.
pub(super) fn check_new(upsert: &ContactUpsert) -> Result<()> {
    let mut new = NewValues::of_change(&upsert.patch, &Contact::bare(RemoteId::from("")));
    new.all_remote_fields(&upsert.patch.remote_fields);
    new.outcome()
}

struct NewValues {
    faults: Faults,
}

impl NewValues {
    fn of_change(patch: &ContactPatch, held: &Contact) -> Self {
        let mut new = Self { faults: Faults::new() };
        for (at, sent, held) in [
            ("/firstName", &patch.first_name, &held.first_name),
            ("/lastName", &patch.last_name, &held.last_name),
            ("/account", &patch.account, &held.account),
        ] {
            let held = held.iter().map(Text::as_str).collect();
            new.text(sent.value(), &held, Lines::One, || at.to_owned());
        }
        new.addresses(&patch.addresses, &held.addresses);
        new.emails(&patch.email_addresses, &held.email_addresses);
        new.phones(&patch.phone_numbers, &held.phone_numbers);
        new
    }

    fn outcome(self) -> Result<()> {
        if self.faults.is_empty() { Ok(()) } else { Err(Failure::validation(self.faults)) }
    }

    fn add(&mut self, fault: Option<rules::RuleFault>, at: impl FnOnce() -> String) {
        if let Some((code, detail)) = fault {
            self.faults.add(|| FieldFault::member(at(), code, detail));
        }
    }

    /// Checks a text that is not among the held ones.
    fn text(&mut self, sent: Option<&Text>, held: &HashSet<&str>, lines: Lines, at: impl FnOnce() -> String) {
        let new = sent.filter(|sent| !held.contains(sent.as_str()));
        self.add(new.and_then(|new| rules::text(new, lines)), at);
    }

    /// Checks the length of a list with new entries. A list that only removes or reorders entries is no longer
    /// than the held one. Returns whether the entries need a check.
    fn count<T>(&mut self, at: &str, list: &[T], most: usize, is_new: impl Fn(&T) -> bool) -> bool {
        let fault = rules::count("elements", most, list.len()).filter(|_| list.iter().any(is_new));
        let counts = fault.is_none();
        self.add(fault, || at.to_owned());
        counts
    }

    fn addresses(&mut self, sent: &Patch<Vec<Address>>, held: &[Address]) {
        let Some(sent) = sent.value() else { return };
        if !self.count("/addresses", sent, ADDRESSES_MOST, |new| !held.contains(new)) {
            return;
        }
        let texts: HashSet<&str> =
            held.iter().flat_map(Address::parts).filter_map(|(_, part, _)| part.map(Text::as_str)).collect();
        for (index, address) in sent.iter().enumerate() {
            for (name, part, lines) in address.parts() {
                self.text(part, &texts, lines, || format!("/addresses/{index}/{name}"));
            }
        }
    }

    fn emails(&mut self, sent: &Patch<Vec<EmailAddress>>, held: &[EmailAddress]) {
        let Some(sent) = sent.value() else { return };
        // Surrounding blanks make no new address: the CRM may have removed them since the read.
        let known: HashSet<&str> = held.iter().map(|held| held.address.trim()).collect();
        let is_new = |email: &EmailAddress| !known.contains(email.address.trim());
        if !self.count("/emailAddresses", sent, EMAILS_MOST, is_new) {
            return;
        }
        let kinds = held.iter().filter_map(|held| held.kind.as_deref()).collect();
        for (index, email) in sent.iter().enumerate() {
            let at = |name: &str| format!("/emailAddresses/{index}/{name}");
            self.text(email.kind.as_ref(), &kinds, Lines::One, || at("emailAddressType"));
            let new = Some(email).filter(|email| is_new(email));
            self.text(new.map(|email| &email.address), &known, Lines::One, || at("emailAddress"));
            self.add(new.and_then(|email| rules::email_address(&email.address)), || at("emailAddress"));
        }
    }

    fn phones(&mut self, sent: &Patch<Vec<PhoneNumber>>, held: &[PhoneNumber]) {
        let Some(sent) = sent.value() else { return };
        let known: HashSet<&str> = held.iter().map(|held| held.number.as_str()).collect();
        let is_new = |phone: &PhoneNumber| !known.contains(phone.number.as_str());
        if !self.count("/phoneNumbers", sent, PHONES_MOST, is_new) {
            return;
        }
        let kinds = held.iter().filter_map(|held| held.kind.as_deref()).collect();
        for (index, phone) in sent.iter().enumerate() {
            let at = |name: &str| format!("/phoneNumbers/{index}/{name}");
            self.text(phone.kind.as_ref(), &kinds, Lines::One, || at("phoneNumberType"));
            self.text(Some(&phone.number), &known, Lines::One, || at("phoneNumber"));
        }
    }

    /// Checks the fields that differ from the held ones. In a body made from a read, only the writable ones:
    /// the others are ignored. Texts inside them are not checked, as the CRM may already have a part of them.
    fn remote_fields(&mut self, spec: &AdapterSpec, patch: &ContactPatch, held: &RemoteFields) {
        let (held, read_back) = (held.by_name(), is_read_back(&patch.read_only));
        let differs =
            |name: &str, value: &str| held.get(name).is_none_or(|held| !json::equal(held.as_str(), value));
        let counts = |name: &str| !read_back || spec.remote_field(name).is_some();
        let sent = patch.remote_fields.0.iter().map(|(name, value)| (name, value.as_str()));
        let new: Vec<&Text> =
            sent.filter(|(name, value)| counts(name) && differs(name, value)).map(|(name, _)| name).collect();
        let fault = rules::count("fields", CHANGED_REMOTE_FIELDS_MOST, new.len());
        if fault.is_some() {
            return self.add(fault, || "/remoteFields".to_owned());
        }
        for name in new.into_iter().filter(|name| !held.contains_key(name.as_str())) {
            self.add(rules::remote_name(name), || remote_pointer(name));
        }
    }

    fn all_remote_fields(&mut self, sent: &RemoteFields) {
        let fault = rules::count("fields", CHANGED_REMOTE_FIELDS_MOST, sent.0.len());
        if fault.is_some() {
            return self.add(fault, || "/remoteFields".to_owned());
        }
        for (name, value) in &sent.0 {
            self.add(rules::remote_name(name), || remote_pointer(name));
            let at = Steps { before: Some(&Steps { before: None, step: "remoteFields" }), step: name };
            json::each_text(&at, value.as_str(), &mut |at, text| {
                self.add(rules::text(text, Lines::Several), || at.pointer(pointer_token));
            });
        }
    }
}

fn remote_pointer(name: &str) -> String {
    format!("/remoteFields/{}", pointer_token(name))
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;
    use crate::adapters::spec;
    use crate::domain::RawJson;
    use crate::instructions::linear;

    fn emails(n: usize, name: &str) -> Vec<EmailAddress> {
        let address = |n| format!("{name} {n}").into();
        (0..n).map(|n| EmailAddress { address: address(n), kind: Some("ma\tin".into()) }).collect()
    }

    fn fields(n: usize) -> RemoteFields {
        let field = |n| (format!("field{n}").into(), RawJson::from_validated(format!("\"{n}\"").into()));
        RemoteFields((0..n).map(field).collect())
    }

    #[test]
    fn judging_takes_linear_work() {
        let bare = || Contact::bare(RemoteId::from("abc123"));
        linear(
            "gateway::contacts::new_values::tests::judging_takes_linear_work",
            &[
                ("e-mail addresses that are held", 400, |n| {
                    let patch = ContactPatch {
                        email_addresses: Patch::Set(emails(n, "old")),
                        ..ContactPatch::default()
                    };
                    let mut list = emails(n, "old");
                    list.reverse();
                    let held = Contact { email_addresses: list, ..Contact::bare(RemoteId::from("abc123")) };
                    Box::new(move || assert!(check(spec("aptly").unwrap(), &patch, &held).is_ok()))
                }),
                ("remote fields", 1000, |n| {
                    let patch = ContactPatch { remote_fields: fields(n), ..ContactPatch::default() };
                    let held =
                        Contact { remote_fields: fields(n), ..Contact::bare(RemoteId::from("abc123")) };
                    Box::new(move || drop(black_box(check(spec("aptly").unwrap(), &patch, &held))))
                }),
            ],
        );
        let patch = ContactPatch { email_addresses: Patch::Set(emails(1, "new")), ..ContactPatch::default() };
        let failure = check(spec("aptly").unwrap(), &patch, &bare()).unwrap_err();
        assert_eq!(failure.faults.len(), 2, "the type and the address");
    }
}
