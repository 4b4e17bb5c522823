//! Which filters a CRM answers itself, and whether a row really matches.

use crate::adapters::{AdapterSpec, FilterSupport, Pushed};
use crate::domain::{
    Contact, ContactQuery, Failure, FailureKind, Faults, Field, FieldFault, Filter, FilterName, FilterValue,
    PhoneIdentity, Region, Result, Text, Timestamp, email_identity,
};

/// A query, split by who answers it.
pub(super) struct Split {
    /// What the CRM answers, by canonical names, bounds joined.
    pub(super) pushed: Pushed,
    /// The parameters behind it.
    pub(super) pushed_down: Vec<FilterName>,
}

/// Splits `query` by what the CRM declares. Fails with `filter_unsupported`, naming each filter that it cannot answer
/// exactly: a filter is never ignored.
pub(super) fn split(spec: &'static AdapterSpec, query: &ContactQuery) -> Result<Split> {
    let exact =
        |filter: &&Filter| spec.filter(filter.name).is_some_and(|spec| spec.support == FilterSupport::Exact);
    let unsupported: Vec<&Filter> = query.filters.iter().filter(|filter| !exact(filter)).collect();
    if !unsupported.is_empty() {
        return Err(refused(spec, &unsupported));
    }
    let mut pushed = Pushed::default();
    for filter in &query.filters {
        join(&mut pushed.filters, Filter { name: filter.name.canonical(), value: filter.value.clone() });
    }
    Ok(Split { pushed, pushed_down: query.filters.iter().map(|filter| filter.name).collect() })
}

fn refused(spec: &AdapterSpec, unsupported: &[&Filter]) -> Failure {
    let known: Vec<&str> = spec.filters.iter().map(|filter| filter.name.parameter()).collect();
    let detail = format!("{} cannot be filtered by this yet; it can by: {}.", spec.title, known.join(", "));
    let fault = |filter: &&Filter| {
        FieldFault::parameter(filter.name.parameter(), "filter_unsupported", detail.as_str())
    };
    let faults: Faults = unsupported.iter().map(fault).collect();
    Failure::new(FailureKind::FilterUnsupported, detail.as_str()).with_faults(faults)
}

/// Adds a filter; of two bounds of one kind (`createdAtMin` beside `remoteCreatedAtMin`) the narrower one counts.
fn join(filters: &mut Vec<Filter>, new: Filter) {
    let Some(known) = filters.iter_mut().find(|known| known.name == new.name) else {
        filters.push(new);
        return;
    };
    if let (FilterValue::Time(one), FilterValue::Time(other)) = (&known.value, &new.value) {
        let lower = matches!(new.name, FilterName::RemoteCreatedAtMin | FilterName::RemoteUpdatedAtMin);
        known.value = FilterValue::Time(if lower { *one.max(other) } else { *one.min(other) });
    }
}

/// Passes if every row matches what the CRM was asked for: a CRM that ignores a filter must not pass its rows off as
/// matches. Fails with `upstream_invalid_response`.
pub(super) fn check(pushed: &Pushed, rows: &[Option<Contact>], region: Region) -> Result<()> {
    let is_met = |filter: &&Filter| rows.iter().flatten().all(|row| matches(filter, row, region));
    let broken = pushed.filters.iter().find(|filter| !is_met(filter));
    broken.map_or(Ok(()), |filter| {
        let detail = format!(
            "The CRM answered rows that do not match `{}`; it seems to ignore the filter.",
            filter.name.parameter()
        );
        Err(Failure::new(FailureKind::UpstreamInvalidResponse, detail))
    })
}

/// Whether a row matches a filter; true if the row does not show the field. A value of the wrong kind matches nothing.
fn matches(filter: &Filter, row: &Contact, region: Region) -> bool {
    match &filter.value {
        FilterValue::Text(wanted) => matches_text(filter.name, wanted, row, region),
        FilterValue::Time(bound) => matches_time(filter.name, *bound, row),
    }
}

fn matches_text(name: FilterName, wanted: &str, row: &Contact, region: Region) -> bool {
    use FilterName as F;
    let plain = |text: &str| text.trim().to_lowercase();
    let has = |field: Field, now: &Option<Text>, test: &dyn Fn(Option<&str>, &str) -> bool| {
        !row.shows(field) || test(now.as_deref().map(plain).as_deref(), &plain(wanted))
    };
    let equals = |now: Option<&str>, wanted: &str| now == Some(wanted);
    let contains = |now: Option<&str>, wanted: &str| now.is_some_and(|now| now.contains(wanted));
    let differs = |now: Option<&str>, wanted: &str| now != Some(wanted);
    match name {
        F::FirstName => has(Field::FirstName, &row.first_name, &equals),
        F::FirstNameContains => has(Field::FirstName, &row.first_name, &contains),
        F::FirstNameNotEquals => has(Field::FirstName, &row.first_name, &differs),
        F::LastName => has(Field::LastName, &row.last_name, &equals),
        F::LastNameContains => has(Field::LastName, &row.last_name, &contains),
        F::LastNameNotEquals => has(Field::LastName, &row.last_name, &differs),
        F::Account => has(Field::Account, &row.account, &equals),
        F::AccountContains => has(Field::Account, &row.account, &contains),
        F::AccountNotEquals => has(Field::Account, &row.account, &differs),
        F::EmailAddress => {
            let wanted = email_identity(wanted);
            !row.shows(Field::EmailAddresses)
                || row.email_addresses.iter().any(|email| email_identity(&email.address) == wanted)
        }
        F::PhoneNumber => {
            let wanted = PhoneIdentity::of(region, wanted);
            !row.shows(Field::PhoneNumbers)
                || row.phone_numbers.iter().any(|phone| PhoneIdentity::of(region, &phone.number) == wanted)
        }
        F::LastActivityAt
        | F::RemoteCreatedAtMin
        | F::RemoteCreatedAtMax
        | F::RemoteUpdatedAtMin
        | F::RemoteUpdatedAtMax
        | F::CreatedAtMin
        | F::CreatedAtMax
        | F::UpdatedAtMin
        | F::UpdatedAtMax => false,
    }
}

fn matches_time(name: FilterName, bound: Timestamp, row: &Contact) -> bool {
    use FilterName as F;
    let within = |time: Option<Timestamp>, fits: &dyn Fn(Timestamp) -> bool| time.is_none_or(fits);
    match name {
        F::LastActivityAt => {
            let is_same = |time: Timestamp| time.as_second() == bound.as_second();
            !row.shows(Field::LastActivityAt) || row.last_activity_at.is_some_and(is_same)
        }
        // Bounds are sent in milliseconds, so that is how far a row can agree.
        F::RemoteCreatedAtMin | F::CreatedAtMin => {
            within(row.remote_created_at, &|time| time.as_millisecond() >= bound.as_millisecond())
        }
        F::RemoteCreatedAtMax | F::CreatedAtMax => within(row.remote_created_at, &|time| time <= bound),
        // Lists may show times without fractions: a time within the bound's own second still matches.
        F::RemoteUpdatedAtMin | F::UpdatedAtMin => {
            within(row.remote_updated_at, &|time| time.as_second() >= bound.as_second())
        }
        F::RemoteUpdatedAtMax | F::UpdatedAtMax => within(row.remote_updated_at, &|time| time <= bound),
        F::FirstName
        | F::FirstNameContains
        | F::FirstNameNotEquals
        | F::LastName
        | F::LastNameContains
        | F::LastNameNotEquals
        | F::Account
        | F::AccountContains
        | F::AccountNotEquals
        | F::EmailAddress
        | F::PhoneNumber => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EmailAddress, FilterKind, PhoneNumber, RemoteId};

    /// Values that a row matches and does not match, for each filter: a CRM may declare any of them.
    #[test]
    fn every_filter_is_checked() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let row = Contact {
            first_name: Some("Ada".into()),
            last_name: Some("Byron".into()),
            account: Some("Engines Ltd".into()),
            email_addresses: vec![EmailAddress { address: "Ada@example.com".into(), kind: None }],
            phone_numbers: vec![PhoneNumber { number: "+1 415 555 0101".into(), kind: None }],
            last_activity_at: Some(time("2024-01-15T10:00:00Z")),
            remote_created_at: Some(time("2024-01-15T10:00:00Z")),
            remote_updated_at: Some(time("2024-01-15T10:00:00Z")),
            ..Contact::bare(RemoteId::from("abc123"))
        };
        let (early, late) = ("2023-01-01T00:00:00Z", "2025-01-01T00:00:00Z");
        for name in FilterName::ALL {
            let (good, bad) = match name.parameter() {
                "firstName" => ("ADA", "Ad"),
                "firstNameContains" => ("d", "e"),
                "firstNameNotEquals" => ("Ad", "ADA"),
                "lastName" => ("byron", "Ada"),
                "lastNameContains" => ("yro", "lovelace"),
                "lastNameNotEquals" => ("Lovelace", "byron"),
                "account" => ("engines ltd", "engines"),
                "accountContains" => ("engines", "inc"),
                "accountNotEquals" => ("engines", "engines ltd"),
                "emailAddress" => ("ada@example.com", "eva@example.com"),
                "phoneNumber" => ("+14155550101", "+14155550102"),
                "lastActivityAt" => ("2024-01-15T10:00:00Z", early),
                bound if bound.ends_with("Min") => (early, late),
                _ => (late, early),
            };
            let met = |value: &str| {
                let value = match name.kind() {
                    FilterKind::Text => FilterValue::Text(value.into()),
                    FilterKind::Time => FilterValue::Time(time(value)),
                };
                let pushed = Pushed { filters: vec![Filter { name: *name, value }] };
                check(&pushed, &[Some(row.clone())], Region::default()).is_ok()
            };
            assert!(met(good) && !met(bad), "{}", name.parameter());
        }
    }
}
