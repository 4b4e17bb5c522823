//! Filters: which ones a CRM supports, and whether a row really matches.

use crate::adapters::{AdapterSpec, FilterSupport, IdentityKind, Pushed};
use crate::domain::{
    Contact, ContactQuery, Failure, FailureKind, Faults, Field, FieldFault, Filter, FilterName, FilterValue,
    Region, Result, Text, Timestamp,
};

/// A query, with the filters that the CRM applies.
pub(super) struct Split {
    /// The filters for the CRM, by canonical names, with bounds joined.
    pub(super) pushed: Pushed,
    /// The parameters of these filters.
    pub(super) pushed_down: Vec<FilterName>,
}

/// Splits `query` by the CRM's declaration. Fails with `filter_unsupported`, naming every filter that the CRM
/// does not apply exactly. A filter is never ignored.
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
    let detail =
        format!("{} does not support this filter. Supported filters: {}.", spec.title, known.join(", "));
    let fault = |filter: &&Filter| {
        FieldFault::parameter(filter.name.parameter(), "filter_unsupported", detail.as_str())
    };
    let faults: Faults = unsupported.iter().map(fault).collect();
    Failure::new(FailureKind::FilterUnsupported, detail.as_str()).with_faults(faults)
}

/// Adds a filter. Of two bounds of one kind (`createdAtMin` and `remoteCreatedAtMin`) the narrower one counts.
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

/// Checks that every row matches the filters, because a CRM may ignore one. Fails with
/// `upstream_invalid_response`.
pub(super) fn check(pushed: &Pushed, rows: &[Option<Contact>], region: Region) -> Result<()> {
    let is_met = |filter: &&Filter| rows.iter().flatten().all(|row| matches(filter, row, region));
    let broken = pushed.filters.iter().find(|filter| !is_met(filter));
    broken.map_or(Ok(()), |filter| {
        let detail = format!(
            "The CRM returned rows that do not match `{}`. It seems to ignore the filter.",
            filter.name.parameter()
        );
        Err(Failure::new(FailureKind::UpstreamInvalidResponse, detail))
    })
}

/// Whether a row matches a filter. True if the row does not show the field. A value of the wrong kind never
/// matches.
fn matches(filter: &Filter, row: &Contact, region: Region) -> bool {
    use FilterName as F;
    let (wanted, bound) = match &filter.value {
        FilterValue::Text(text) => (Some(text.as_str()), None),
        FilterValue::Time(time) => (None, Some(*time)),
    };
    let plain = |text: &str| text.trim().to_lowercase();
    let text = |field: Field, now: &Option<Text>, test: &dyn Fn(Option<&str>, &str) -> bool| {
        let test = |wanted: &str| test(now.as_deref().map(plain).as_deref(), &plain(wanted));
        wanted.is_some_and(|wanted| !row.shows(field) || test(wanted))
    };
    let equals = |now: Option<&str>, wanted: &str| now == Some(wanted);
    let contains = |now: Option<&str>, wanted: &str| now.is_some_and(|now| now.contains(wanted));
    let differs = |now: Option<&str>, wanted: &str| now != Some(wanted);
    let holds = |kind: IdentityKind| {
        let is_held = |wanted: &str| {
            let wanted = kind.key(region, wanted);
            kind.values(row).iter().any(|held| kind.key(region, held) == wanted)
        };
        wanted.is_some_and(|wanted| !row.shows(kind.field()) || is_held(wanted))
    };
    let time = |now: Option<Timestamp>, test: &dyn Fn(Timestamp, Timestamp) -> bool| {
        bound.is_some_and(|bound| now.is_none_or(|now| test(now, bound)))
    };
    match filter.name {
        F::FirstName => text(Field::FirstName, &row.first_name, &equals),
        F::FirstNameContains => text(Field::FirstName, &row.first_name, &contains),
        F::FirstNameNotEquals => text(Field::FirstName, &row.first_name, &differs),
        F::LastName => text(Field::LastName, &row.last_name, &equals),
        F::LastNameContains => text(Field::LastName, &row.last_name, &contains),
        F::LastNameNotEquals => text(Field::LastName, &row.last_name, &differs),
        F::Account => text(Field::Account, &row.account, &equals),
        F::AccountContains => text(Field::Account, &row.account, &contains),
        F::AccountNotEquals => text(Field::Account, &row.account, &differs),
        F::EmailAddress => holds(IdentityKind::EmailAddress),
        F::PhoneNumber => holds(IdentityKind::PhoneNumber),
        // A contact without activity matches no time.
        F::LastActivityAt if row.shows(Field::LastActivityAt) && row.last_activity_at.is_none() => false,
        F::LastActivityAt => time(row.last_activity_at, &|now, bound| now.as_second() == bound.as_second()),
        // Bounds are sent in milliseconds, so rows are compared in milliseconds.
        F::RemoteCreatedAtMin | F::CreatedAtMin => {
            time(row.remote_created_at, &|now, bound| now.as_millisecond() >= bound.as_millisecond())
        }
        // Lists may show times without fractions: any time in the second of the bound matches.
        F::RemoteUpdatedAtMin | F::UpdatedAtMin => {
            time(row.remote_updated_at, &|now, bound| now.as_second() >= bound.as_second())
        }
        F::RemoteCreatedAtMax | F::CreatedAtMax => time(row.remote_created_at, &|now, bound| now <= bound),
        F::RemoteUpdatedAtMax | F::UpdatedAtMax => time(row.remote_updated_at, &|now, bound| now <= bound),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EmailAddress, FilterKind, PhoneNumber, RemoteId};

    /// Values that a row matches and does not match, for each filter. A CRM may declare any of them.
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
