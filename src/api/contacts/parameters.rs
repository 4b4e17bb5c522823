//! The parameters of the operations on contacts.

use utoipa::openapi::path::Parameter;

use crate::adapters::{ADAPTERS, IdentityKind, documentation};
use crate::api::extract::{Parameters, QueryReader, Read};
use crate::api::openapi::parameters as documented;
use crate::domain::rules::is_email_address;
use crate::domain::{ContactQuery, CredentialId, Filter, FilterKind, FilterName, FilterValue};
use crate::gateway::contacts::{
    ExportRequest, ListRequest, PageStart, SEARCHED_MOST, SearchBy, SearchRequest, WriteOptions,
};

/// The largest page number. It is beyond the end of any list, and cannot cause an overflow.
const PAGE_NUMBER_MOST: u64 = 1_000_000;

/// The parameters of a list.
pub(in crate::api) struct ListParameters {
    pub(super) credential: CredentialId,
    pub(super) request: ListRequest,
}

impl Parameters for ListParameters {
    fn read(query: &mut QueryReader) -> Read<Self> {
        let (credential, filters) = (query.credential(), filters(query));
        let (page_size, start) = (query.page_size(), start(query));
        let request = ListRequest { query: filters?, start: start?, page_size: page_size? };
        Ok(Self { credential: credential?, request })
    }

    fn documented() -> Vec<Parameter> {
        // No default in the document: Swagger UI would send it together with a cursor, which is refused.
        let number = documented::number(PAGE_NUMBER_MOST);
        let paging = [
            documented::exampled(
                documented::query(
                    "pageNumber",
                    "The page number, from 1: a page of the list as it is now. Pages shift when contacts change, so leave it out to read all contacts. Cannot be combined with `cursor`.",
                    number,
                ),
                1,
            ),
            documented::page_size(),
            documented::cursor(),
        ];
        [documented::credential()].into_iter().chain(paging).chain(filter_parameters()).collect()
    }
}

/// The parameters of an export.
pub(in crate::api) struct ExportParameters {
    pub(super) credential: CredentialId,
    pub(super) request: ExportRequest,
}

impl Parameters for ExportParameters {
    fn read(query: &mut QueryReader) -> Read<Self> {
        let (credential, filters) = (query.credential(), filters(query));
        let request = ExportRequest { cursor: query.text("cursor")?, query: filters? };
        Ok(Self { credential: credential?, request })
    }

    fn documented() -> Vec<Parameter> {
        let cursor = documented::query(
            "cursor",
            "A `checkpoint` of an earlier export with the same filters, to go on after it.",
            documented::text(),
        );
        [documented::credential(), cursor].into_iter().chain(filter_parameters()).collect()
    }
}

/// The parameters of a count.
pub(in crate::api) struct CountParameters {
    pub(super) credential: CredentialId,
    pub(super) query: ContactQuery,
}

impl Parameters for CountParameters {
    fn read(query: &mut QueryReader) -> Read<Self> {
        let (credential, filters) = (query.credential(), filters(query));
        Ok(Self { credential: credential?, query: filters? })
    }

    fn documented() -> Vec<Parameter> {
        [documented::credential()].into_iter().chain(filter_parameters()).collect()
    }
}

/// The parameters of a search over several credentials.
pub(in crate::api) struct SearchParameters(pub(super) SearchRequest);

impl Parameters for SearchParameters {
    fn read(query: &mut QueryReader) -> Read<Self> {
        let (credentials, by) = (query.credentials(SEARCHED_MOST), search_by(query));
        Ok(Self(SearchRequest { by: by?, credentials: credentials? }))
    }

    fn documented() -> Vec<Parameter> {
        let one = "Send exactly one of `emailAddress`, `phoneNumber` and `name`.";
        let by = |name, meaning: &str, schema, example| {
            documented::exampled(documented::query(name, &format!("{meaning} {one}"), schema), example)
        };

        let credentials = format!(
            "The ids of the credentials to ask; repeat the parameter to name several, at most {SEARCHED_MOST}. By default, all that the key may use."
        );
        vec![
            by(
                "emailAddress",
                FilterName::EmailAddress.description(),
                documented::email_address(),
                example(FilterName::EmailAddress),
            ),
            by(
                "phoneNumber",
                FilterName::PhoneNumber.description(),
                documented::phone_number(),
                example(FilterName::PhoneNumber),
            ),
            by(
                "name",
                "The first name, the last name or the full name equals, ignoring case.",
                documented::text(),
                example(FilterName::LastName),
            ),
            documented::credentials(&credentials),
        ]
    }
}

fn search_by(query: &mut QueryReader) -> Read<SearchBy> {
    let email = email_address(query, FilterName::EmailAddress);
    let phone = phone_number(query, FilterName::PhoneNumber);
    let name = query.text("name");
    let text = |value| match value {
        Some(FilterValue::Text(text)) => Some(text),
        Some(FilterValue::Time(_)) | None => None,
    };
    let given = [
        text(email?).map(SearchBy::EmailAddress),
        text(phone?).map(SearchBy::PhoneNumber),
        name?.map(SearchBy::Name),
    ];
    let mut given = given.into_iter().flatten();
    let detail = "Send exactly one of `emailAddress`, `phoneNumber` and `name`.";
    match (given.next(), given.next()) {
        (Some(by), None) => Ok(by),
        (None, _) => Err(query.fault("emailAddress", detail)),
        (Some(_), Some(other)) => Err(query.fault(other.word(), detail)),
    }
}

/// The parameters of a create or update.
pub(in crate::api) struct WriteParameters {
    pub(super) credential: CredentialId,
    pub(super) options: WriteOptions,
    pub(super) is_dry_run: bool,
}

impl Parameters for WriteParameters {
    fn read(query: &mut QueryReader) -> Read<Self> {
        let (credential, strict) = (query.credential(), query.flag("strict", false));
        let is_dry_run = query.flag("dryRun", false);
        let options = WriteOptions { strict: strict? };
        Ok(Self { credential: credential?, options, is_dry_run: is_dry_run? })
    }

    fn documented() -> Vec<Parameter> {
        let strict = "If `true`, the request fails with 422 if the CRM cannot store all of it. Otherwise the response has warnings.";
        vec![documented::credential(), documented::flag("strict", false, strict), documented::dry_run()]
    }
}

/// The parameters of an upsert.
pub(in crate::api) struct UpsertParameters {
    pub(super) write: WriteParameters,
    pub(super) match_on: Option<Vec<IdentityKind>>,
}

impl Parameters for UpsertParameters {
    fn read(query: &mut QueryReader) -> Read<Self> {
        let (write, match_on) = (WriteParameters::read(query), match_on(query));
        Ok(Self { write: write?, match_on: match_on? })
    }

    fn documented() -> Vec<Parameter> {
        let identifying =
            ADAPTERS.iter().map(|spec| format!("{} by `{}`", spec.title, spec.create_identity().word()));
        let description = format!(
            "The fields that identify the contact, separated by commas; a match of any field counts. By default, contacts are identified as in the CRM: {}.",
            identifying.collect::<Vec<_>>().join(", ")
        );
        let words = documented::text().enum_values(Some(selections(&match_kinds())));
        let match_on =
            documented::exampled(documented::query("matchOn", &description, words), "emailAddress");
        WriteParameters::documented().into_iter().chain([match_on]).collect()
    }
}

/// All kinds by which any CRM can find contacts. An upsert refuses a kind that its CRM does not support.
fn match_kinds() -> Vec<IdentityKind> {
    let mut kinds = Vec::new();
    for kind in ADAPTERS.iter().flat_map(|spec| spec.identities) {
        if !kinds.contains(kind) {
            kinds.push(*kind);
        }
    }
    kinds
}

/// Every selection of these kinds in every order, shorter ones first.
fn selections(kinds: &[IdentityKind]) -> Vec<String> {
    let (mut all, mut longest) = (Vec::new(), vec![Vec::new()]);
    for _ in kinds {
        let longer = |chosen: &Vec<IdentityKind>| {
            let more = kinds.iter().filter(|kind| !chosen.contains(kind));
            more.map(|kind| [chosen.as_slice(), &[*kind]].concat()).collect::<Vec<_>>()
        };
        longest = longest.iter().flat_map(longer).collect();
        all.extend(
            longest.iter().map(|chosen| chosen.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(",")),
        );
    }
    all
}

fn match_on(query: &mut QueryReader) -> Read<Option<Vec<IdentityKind>>> {
    let Some(text) = query.text("matchOn")? else { return Ok(None) };
    let kinds = match_kinds();
    let named = text.split(',').map(|word| kinds.iter().copied().find(|kind| kind.word() == word.trim()));
    let mut all = Vec::new();
    for kind in named {
        match kind {
            Some(kind) if !all.contains(&kind) => all.push(kind),
            Some(_) => {}
            None => {
                let words: Vec<String> = kinds.iter().map(|kind| format!("`{}`", kind.word())).collect();
                let detail =
                    format!("Must be {}, or several of these separated by commas.", words.join(", "));
                return Err(query.fault("matchOn", detail));
            }
        }
    }
    Ok(Some(all))
}

/// The parameters of a delete.
pub(in crate::api) struct DeleteParameters(pub(super) WriteParameters);

impl Parameters for DeleteParameters {
    fn read(query: &mut QueryReader) -> Read<Self> {
        let (credential, is_dry_run) = (query.credential(), query.flag("dryRun", false));
        let options = WriteOptions::default();
        Ok(Self(WriteParameters { credential: credential?, options, is_dry_run: is_dry_run? }))
    }

    fn documented() -> Vec<Parameter> {
        vec![documented::credential(), documented::dry_run()]
    }
}

fn start(query: &mut QueryReader) -> Read<PageStart> {
    let (number, cursor) = (query.number("pageNumber", 1..=PAGE_NUMBER_MOST), query.text("cursor"));
    match (number?, cursor?) {
        (Some(_), Some(_)) => {
            Err(query.fault("cursor", "Cannot be combined with `pageNumber`. Remove one of them."))
        }
        (None, Some(cursor)) => Ok(PageStart::Cursor(cursor)),
        (Some(number), None) => Ok(PageStart::PageNumber(number)),
        (None, None) => Ok(PageStart::First),
    }
}

fn filters(query: &mut QueryReader) -> Read<ContactQuery> {
    // All are read before the first fault is returned, so that all faults are reported.
    let read: Vec<_> = FilterName::ALL.iter().map(|&name| filter(query, name)).collect();
    let filters: Read<Vec<_>> = read.into_iter().collect();
    Ok(ContactQuery { filters: filters?.into_iter().flatten().collect() })
}

fn filter(query: &mut QueryReader, name: FilterName) -> Read<Option<Filter>> {
    let value = match name.kind() {
        FilterKind::Text if name == FilterName::EmailAddress => email_address(query, name)?,
        FilterKind::Text if name == FilterName::PhoneNumber => phone_number(query, name)?,
        FilterKind::Text => query.text(name.parameter())?.map(FilterValue::Text),
        FilterKind::Time => query.time(name.parameter())?.map(FilterValue::Time),
    };
    Ok(value.map(|value| Filter { name, value }))
}

/// An invalid address is refused: it would match nothing, which looks as if no contact had it.
fn email_address(query: &mut QueryReader, name: FilterName) -> Read<Option<FilterValue>> {
    // Leading spaces are kept: one may have been a `+`, and without it the search would be for another address.
    let Some(text) = query.value(name.parameter())? else { return Ok(None) };
    if is_email_address(&text) {
        return Ok(Some(FilterValue::Text(text.into())));
    }
    let detail = if text.contains(' ') {
        "Not a valid e-mail address: it contains a space. Encode `+` as %2B."
    } else {
        "Not a valid e-mail address."
    };
    Err(query.fault(name.parameter(), detail))
}

/// A leading space was probably a `+` before a country code. A text without a digit is refused, because it would match nothing.
fn phone_number(query: &mut QueryReader, name: FilterName) -> Read<Option<FilterValue>> {
    let Some(text) = query.value(name.parameter())? else { return Ok(None) };
    if text.starts_with(char::is_whitespace) {
        let detail = "Must not begin with a space. Encode the `+` of a country code as %2B.";
        return Err(query.fault(name.parameter(), detail));
    }
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(query.fault(name.parameter(), "Not a phone number: it has no digit."));
    }
    Ok(Some(FilterValue::Text(text.trim().into())))
}

fn filter_parameters() -> impl Iterator<Item = Parameter> {
    FilterName::ALL.iter().map(|&name| {
        let schema = match name.kind() {
            FilterKind::Text if name == FilterName::EmailAddress => documented::email_address(),
            FilterKind::Text if name == FilterName::PhoneNumber => documented::phone_number(),
            FilterKind::Text => documented::text(),
            FilterKind::Time => documented::time(),
        };
        documented::exampled(documented::query(name.parameter(), &description(name), schema), example(name))
    })
}

/// A value with which the filter finds somebody in the demo.
const fn example(name: FilterName) -> &'static str {
    match name {
        FilterName::FirstName | FilterName::FirstNameContains | FilterName::FirstNameNotEquals => "José",
        FilterName::LastName | FilterName::LastNameContains | FilterName::LastNameNotEquals => "Jónsdóttir",
        FilterName::Account | FilterName::AccountContains | FilterName::AccountNotEquals => "Okafor Ltd",
        FilterName::EmailAddress => "jose.jonsdottir195@example.com",
        FilterName::PhoneNumber => "+12125550195",
        FilterName::RemoteCreatedAtMax
        | FilterName::RemoteUpdatedAtMax
        | FilterName::CreatedAtMax
        | FilterName::UpdatedAtMax => "2100-01-01T00:00:00Z",
        FilterName::LastActivityAt
        | FilterName::RemoteCreatedAtMin
        | FilterName::RemoteUpdatedAtMin
        | FilterName::CreatedAtMin
        | FilterName::UpdatedAtMin => "2025-01-01T00:00:00Z",
    }
}

/// What the filter means, and how it is answered at each CRM, as the adapters declare.
fn description(name: FilterName) -> String {
    let each = ADAPTERS
        .iter()
        .map(|spec| format!("{}: {}", spec.provider.as_str(), documentation::support(spec, name).1));
    format!("{} {}.", name.description(), each.collect::<Vec<_>>().join("; "))
}
