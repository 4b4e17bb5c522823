//! Filters: which ones a CRM applies, which the gateway applies, and whether a row matches.

use crate::adapters::{AdapterSpec, FilterSupport, IdentityKind, Pushed};
use crate::domain::{
    Contact, ContactQuery, Failure, FailureKind, Field, FieldFault, Filter, FilterKind, FilterName,
    FilterValue, Region, Result, Text, Timestamp, Warning, WarningCode, case_identity, name_identity,
};

/// By how much bounds of times are widened for the CRM, in milliseconds: they may be exclusive, and rows may show whole seconds.
pub(super) const BOUND_MARGIN: i64 = 1_000;

/// A query, split by who applies its filters.
#[derive(Default)]
pub(super) struct Split {
    /// The filters for the CRM, by canonical names, with bounds joined.
    pub(super) pushed: Pushed,
    /// Those of them that the CRM applies exactly.
    exact: Pushed,
    /// The filters that the gateway applies to each row.
    checked: Vec<Filter>,
    /// The name of a search by name, which the gateway compares with each row.
    name: Option<Text>,
    /// Whether no contact can match, because the CRM has no such field.
    pub(super) matches_nobody: bool,
    /// The parameters of `pushed`.
    pub(super) pushed_down: Vec<FilterName>,
    /// The other parameters.
    pub(super) applied_here: Vec<FilterName>,
}

/// Whether a row matches a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowMatch {
    Matches,
    Differs,
    /// Unknown, because the row does not show this field.
    Unseen(Field),
}

/// Rows that may match, but do not show a field that decides.
#[derive(Default)]
pub(super) struct UnseenRows {
    /// The number of rows that were judged.
    judged: u64,
    by_field: Vec<(Field, u64)>,
}

impl UnseenRows {
    pub(super) fn count(&mut self, verdict: RowMatch) {
        self.judged += 1;
        let RowMatch::Unseen(field) = verdict else { return };
        match self.by_field.iter_mut().find(|(known, _)| *known == field) {
            Some((_, rows)) => *rows += 1,
            None => self.by_field.push((field, 1)),
        }
    }

    /// The field that no row shows.
    pub(super) fn shown_nowhere(&self) -> Option<Field> {
        let all = self.by_field.iter().find(|(_, rows)| *rows == self.judged);
        all.map(|(field, _)| *field)
    }

    pub(super) fn warnings(&self) -> impl Iterator<Item = Warning> {
        self.by_field.iter().map(|(field, rows)| {
            let name = field.name();
            let message = format!(
                "Rows that do not show `{name}` are left out, because nobody can tell whether they match: {rows} of those that were read."
            );
            Warning::new(WarningCode::Incomplete, "/contacts", message)
        })
    }
}

/// Splits `query` by the CRM's declaration.
pub(super) fn split(spec: &AdapterSpec, query: &ContactQuery, region: Region) -> Split {
    let mut split = Split::default();
    for filter in &query.filters {
        let name = filter.name.canonical();
        let canonical = Filter { name, value: filter.value.clone() };
        let is_lacking = spec.field(name.field()).is_some_and(|field| field.read.is_none());
        match spec.filter(name).map(|declared| declared.support) {
            Some(FilterSupport::Exact) => {
                split.pushed.join(canonical.clone());
                split.exact.join(canonical);
                split.pushed_down.push(filter.name);
            }
            Some(FilterSupport::Narrows) if can_narrow(&canonical, region) => {
                split.pushed.join(widened(&canonical));
                split.checked.push(canonical);
                split.pushed_down.push(filter.name);
            }
            // An empty field equals and contains nothing, and differs from every value.
            _ if is_lacking => {
                split.matches_nobody |= !name.is_negative();
                split.applied_here.push(filter.name);
            }
            _ => {
                split.checked.push(canonical);
                split.applied_here.push(filter.name);
            }
        }
    }
    split
}

/// The filter with its bound widened.
fn widened(filter: &Filter) -> Filter {
    let FilterValue::Time(bound) = filter.value else { return filter.clone() };
    let change = match filter.name {
        FilterName::RemoteCreatedAtMin | FilterName::RemoteUpdatedAtMin => -BOUND_MARGIN,
        FilterName::RemoteCreatedAtMax | FilterName::RemoteUpdatedAtMax => BOUND_MARGIN,
        _ => return filter.clone(),
    };
    let wider = Timestamp::from_millisecond(bound.as_millisecond().saturating_add(change)).unwrap_or(bound);
    Filter { name: filter.name, value: FilterValue::Time(wider) }
}

/// A search for contacts whose first name, last name or full name is `name`. The CRM searches for its words if it has one
/// parameter for both names: each name that matches has all of these words.
pub(super) fn by_name(spec: &AdapterSpec, name: &Text, region: Region) -> Split {
    let parameter = |name: FilterName| spec.filter(name).map(|declared| declared.upstream);
    let word = Filter { name: FilterName::FirstName, value: FilterValue::Text(name.clone()) };
    let in_both =
        parameter(FilterName::FirstName).filter(|one| parameter(FilterName::LastName) == Some(*one));
    let filters = if in_both.is_some() && can_narrow(&word, region) { vec![word] } else { Vec::new() };
    Split { pushed: Pushed { filters }, name: Some(name.clone()), ..Split::default() }
}

/// Whether the CRM's search finds all matches by a part of the value.
fn can_narrow(filter: &Filter, region: Region) -> bool {
    match filter.name {
        FilterName::PhoneNumber => filter.phone_digits(region).is_some(),
        _ => filter.name.kind() == FilterKind::Time || !filter.search_words().is_empty(),
    }
}

impl Split {
    /// Whether the CRM answers the whole query exactly.
    pub(super) fn is_exact(&self) -> bool {
        self.checked.is_empty() && self.name.is_none() && !self.matches_nobody
    }

    /// The parameters of the query.
    pub(super) fn asked(&self) -> Vec<FilterName> {
        self.pushed_down.iter().chain(&self.applied_here).copied().collect()
    }

    /// Passes if every row matches what the CRM answers exactly: a CRM that ignores a filter must not pass its rows off
    /// as matches. Fails with `upstream_invalid_response`.
    pub(super) fn check<'a>(
        &self,
        rows: &(impl Iterator<Item = &'a Contact> + Clone),
        region: Region,
    ) -> Result<()> {
        let is_met = |filter: &&Filter| rows.clone().all(|row| matches(filter, row, region).unwrap_or(true));
        let broken = self.exact.filters.iter().find(|filter| !is_met(filter));
        broken.map_or(Ok(()), |filter| {
            let detail = format!(
                "The CRM returned rows that do not match `{}`. It seems to ignore the filter.",
                filter.name.parameter()
            );
            Err(Failure::new(FailureKind::UpstreamInvalidResponse, detail))
        })
    }

    /// The same for each row; `None` for a row without an id.
    pub(super) fn judge_all<'a>(
        &self,
        spec: &AdapterSpec,
        rows: impl Iterator<Item = Option<&'a Contact>>,
        region: Region,
    ) -> Result<Vec<Option<RowMatch>>> {
        rows.map(|row| row.map(|row| self.judge(spec, row, region)).transpose()).collect()
    }

    /// Whether a row matches all that is checked here. Fails with `filter_unsupported` where it does not show a field that
    /// the CRM's lists are declared not to show: what is unseen equals nothing and differs from nothing.
    pub(super) fn judge(&self, spec: &AdapterSpec, row: &Contact, region: Region) -> Result<RowMatch> {
        let mut verdict = self.name.as_ref().map_or(RowMatch::Matches, |name| judge_name(name, row));
        for filter in &self.checked {
            match matches(filter, row, region) {
                Some(true) => {}
                Some(false) => verdict = RowMatch::Differs,
                None => {
                    let field = filter.name.field();
                    if spec.field(field).is_some_and(|field| !field.in_lists) {
                        return Err(self.not_shown(spec, field));
                    }
                    if verdict == RowMatch::Matches {
                        verdict = RowMatch::Unseen(field);
                    }
                }
            }
        }
        Ok(verdict)
    }

    /// The filters by `field` cannot be answered, because rows do not show it.
    pub(super) fn not_shown(&self, spec: &AdapterSpec, field: Field) -> Failure {
        let detail = format!(
            "The rows of {}'s list do not show `{}`, so the filter cannot be applied. Filter by another field, or read the contacts by id.",
            spec.name,
            field.name()
        );
        let asked = self.pushed_down.iter().chain(&self.applied_here);
        let of_field = asked.filter(|name| name.field() == field);
        let fault = |name: &FilterName| {
            FieldFault::parameter(name.parameter(), "filter_unsupported", detail.as_str())
        };
        let faults: Vec<FieldFault> = of_field.map(fault).collect();
        Failure::new(FailureKind::FilterUnsupported, detail.as_str()).with_faults(faults)
    }
}

fn time_of(name: FilterName, row: &Contact) -> Option<Timestamp> {
    match name.field() {
        Field::LastActivityAt => row.last_activity_at,
        Field::RemoteCreatedAt => row.remote_created_at,
        Field::RemoteUpdatedAt => row.remote_updated_at,
        _ => None,
    }
}

/// Whether a row matches a filter; `None` if it does not show enough of the field. An empty field equals and contains
/// nothing. A value of the wrong kind matches nothing.
fn matches(filter: &Filter, row: &Contact, region: Region) -> Option<bool> {
    use FilterName as F;
    let is_shown = row.shows(filter.name.field());
    match &filter.value {
        FilterValue::Text(wanted) => match filter.name {
            F::EmailAddress => holds(IdentityKind::EmailAddress, wanted, row, region),
            F::PhoneNumber => holds(IdentityKind::PhoneNumber, wanted, row, region),
            name => is_shown.then(|| {
                let now = text_of(name, row).map_or_else(String::new, case_identity);
                let wanted = case_identity(wanted);
                match name {
                    F::FirstName | F::LastName | F::Account => !now.is_empty() && now == wanted,
                    F::FirstNameContains | F::LastNameContains | F::AccountContains => {
                        !now.is_empty() && now.contains(&wanted)
                    }
                    F::FirstNameNotEquals | F::LastNameNotEquals | F::AccountNotEquals => now != wanted,
                    _ => false,
                }
            }),
        },
        FilterValue::Time(bound) => is_shown.then(|| {
            time_of(filter.name, row).is_some_and(|now| match filter.name {
                F::LastActivityAt => now.as_second() == bound.as_second(),
                // Bounds are sent in milliseconds, so that is how far a row can agree.
                F::RemoteCreatedAtMin | F::CreatedAtMin | F::RemoteUpdatedAtMin | F::UpdatedAtMin => {
                    now.as_millisecond() >= bound.as_millisecond()
                }
                F::RemoteCreatedAtMax | F::CreatedAtMax | F::RemoteUpdatedAtMax | F::UpdatedAtMax => {
                    now <= *bound
                }
                _ => false,
            })
        }),
    }
}

fn text_of(name: FilterName, row: &Contact) -> Option<&str> {
    let text: &Option<Text> = match name.field() {
        Field::FirstName => &row.first_name,
        Field::LastName => &row.last_name,
        Field::Account => &row.account,
        _ => &None,
    };
    text.as_deref()
}

/// Whether the first name, the last name or both together are `name`.
fn judge_name(name: &Text, row: &Contact) -> RowMatch {
    let wanted = name_identity([name]);
    let parts = [row.first_name.as_ref(), row.last_name.as_ref()];
    let is_met = [&parts[..1], &parts[1..], &parts[..]]
        .iter()
        .any(|parts| name_identity(parts.iter().copied().flatten()) == wanted);
    match [Field::FirstName, Field::LastName].into_iter().find(|field| !row.shows(*field)) {
        _ if is_met => RowMatch::Matches,
        Some(unseen) => RowMatch::Unseen(unseen),
        None => RowMatch::Differs,
    }
}

/// Whether a row has the address or number. Of a list that is shown in part, only what it shows is known.
fn holds(kind: IdentityKind, wanted: &str, row: &Contact, region: Region) -> Option<bool> {
    let wanted = kind.key(region, wanted);
    let is_held = kind.values(row).iter().any(|held| kind.key(region, held) == wanted);
    (is_held || row.shows(kind.field())).then_some(is_held)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::{FilterSpec, spec};
    use crate::domain::{EmailAddress, PhoneNumber, RemoteId};

    #[test]
    fn a_name_is_compared_with_the_first_the_last_and_the_full_name() {
        let person = |first: &str, last: &str| Contact {
            first_name: Some(first.into()),
            last_name: Some(last.into()),
            ..Contact::bare(RemoteId::from("abc123"))
        };
        for (name, matched) in [
            ("ada", true),
            ("byron", true),
            (" ADA  Byron ", true),
            ("Byron Ada", false),
            ("Ad", false),
            ("Ada B", false),
        ] {
            let row = person("Ada", "Byron");
            let wanted = if matched { RowMatch::Matches } else { RowMatch::Differs };
            assert_eq!(judge_name(&name.into(), &row), wanted, "{name}");
        }
        assert_eq!(judge_name(&"van dyk".into(), &person("Anne", "van  Dyk")), RowMatch::Matches);
        let mut row = Contact { last_name: None, ..person("Ada", "") };
        row.unseen.insert(Field::LastName);
        assert_eq!(judge_name(&"Ada".into(), &row), RowMatch::Matches);
        assert_eq!(judge_name(&"Byron".into(), &row), RowMatch::Unseen(Field::LastName));
    }

    /// A CRM that searches for first and last names in two ways finds by neither all that match a name.
    #[test]
    fn a_name_is_left_to_a_crm_only_if_it_searches_both_names_at_once() {
        const fn narrows(name: FilterName, upstream: &'static str) -> FilterSpec {
            FilterSpec { name, support: FilterSupport::Narrows, upstream }
        }
        let pushed = |filters: &'static [FilterSpec]| {
            let spec = AdapterSpec { filters, ..*spec("aptly").unwrap() };
            by_name(&spec, &"Ada Byron".into(), Region::default()).pushed.filters.len()
        };
        let (first, last) = (FilterName::FirstName, FilterName::LastName);
        for (filters, wanted) in [
            (vec![narrows(first, "q"), narrows(last, "q")], 1),
            (vec![narrows(first, "f"), narrows(last, "l")], 0),
            (vec![narrows(last, "q")], 0),
            (vec![], 0),
        ] {
            assert_eq!(pushed(filters.leak()), wanted);
        }
        let unsafe_word = by_name(spec("aptly").unwrap(), &"Ёлка".into(), Region::default());
        assert!(unsafe_word.pushed.filters.is_empty() && !unsafe_word.is_exact());
    }

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
                matches(&Filter { name: *name, value }, &row, Region::default()) == Some(true)
            };
            assert!(met(good) && !met(bad), "{}", name.parameter());
        }
    }
}
