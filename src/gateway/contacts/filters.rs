//! Which filters a CRM answers itself, and whether a row really matches.

use crate::adapters::{AdapterSpec, FilterSupport, Pushed};
use crate::domain::{
    Contact, ContactQuery, Failure, FailureKind, Faults, Field, FieldFault, Filter, FilterName, FilterValue,
    Result, Timestamp, email_identity,
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

/// Passes where every row matches what the CRM was asked for: a CRM that ignores a filter must not pass its rows off
/// as matches. Fails with `upstream_invalid_response`.
pub(super) fn check(pushed: &Pushed, rows: &[Option<Contact>]) -> Result<()> {
    let broken = pushed.filters.iter().find(|filter| !rows.iter().flatten().all(|row| matches(filter, row)));
    broken.map_or(Ok(()), |filter| {
        let detail = format!(
            "The CRM answered rows that do not match `{}`; it seems to ignore the filter.",
            filter.name.parameter()
        );
        Err(Failure::new(FailureKind::UpstreamInvalidResponse, detail))
    })
}

fn matches(filter: &Filter, row: &Contact) -> bool {
    let within = |time: Option<Timestamp>, fits: &dyn Fn(Timestamp) -> bool| time.is_none_or(fits);
    match (filter.name, &filter.value) {
        (FilterName::EmailAddress, FilterValue::Text(wanted)) => {
            let wanted = email_identity(wanted);
            !row.shows(Field::EmailAddresses)
                || row.email_addresses.iter().any(|email| email_identity(&email.address) == wanted)
        }
        // Bounds are sent in milliseconds, so that is how far a row can agree.
        (FilterName::RemoteCreatedAtMin, FilterValue::Time(bound)) => {
            within(row.remote_created_at, &|time| time.as_millisecond() >= bound.as_millisecond())
        }
        (FilterName::RemoteCreatedAtMax, FilterValue::Time(bound)) => {
            within(row.remote_created_at, &|time| time <= *bound)
        }
        // Lists may show times without fractions: a moment within the bound's own second still matches.
        (FilterName::RemoteUpdatedAtMin, FilterValue::Time(bound)) => {
            within(row.remote_updated_at, &|time| time.as_second() >= bound.as_second())
        }
        (FilterName::RemoteUpdatedAtMax, FilterValue::Time(bound)) => {
            within(row.remote_updated_at, &|time| time <= *bound)
        }
        _ => true,
    }
}
