//! Documents that are printed from the code: the `docs.md` of each CRM, and tables of the guide.

use std::fmt::Write as _;

use contacts_gateway::adapters::documentation::{lost, support, verified};
use contacts_gateway::adapters::{
    ADAPTERS, AdapterSpec, FieldSpec, PageRows, Paging, RemoteFieldSpec, Write,
};
use contacts_gateway::config::{JWT_KEYS, RATE_KEYS, SECTIONS, Setting};
use contacts_gateway::domain::{Field, FilterName};
use contacts_gateway::simulators::{FaultField, FaultKind};

pub(crate) fn page(spec: &AdapterSpec) -> String {
    let mut text = format!(
        "# {}\n\nThe provider `{}`. Generated from the declaration in `mod.rs`. A test fails if the two differ.\n",
        spec.title, spec.provider
    );
    operations(&mut text, spec);
    rows(
        &mut text,
        "## Fields\n\n| unified | read from | written to | verified |",
        spec.fields.iter().map(field),
    );
    rows(
        &mut text,
        "## remoteFields that can be written\n\nReads show every other key of the CRM. Writes refuse other keys, unless the value equals the one that the CRM holds. In a body with the `id`, `remoteId` or `remoteUpdatedAt` of a contact that was read, they are ignored with the warning `read_only`.\n\n| key | aliases | type | description | verified |",
        spec.remote_fields.iter().map(remote_field),
    );
    live(&mut text, spec);
    rows(
        &mut text,
        "## Filters\n\nExact: the CRM answers it. Narrows: the CRM answers with all rows that match and perhaps others, and the gateway checks each; a text is left to the CRM only for its ASCII words. Here: the gateway reads the CRM's list and checks each row.\n\n| unified | CRM | how |",
        FilterName::ALL.iter().map(|name| filter(spec, *name)),
    );
    rows(
        &mut text,
        "## Settings of a credential\n\n| setting | description |",
        spec.settings.iter().map(|setting| {
            let required = if setting.required { " (required)" } else { "" };
            format!("| `{}`{required} | {} |", setting.name, setting.note)
        }),
    );
    rows(
        &mut text,
        "## Secret of a credential\n\n| fields | description |",
        spec.secrets.iter().map(|form| {
            let members: Vec<String> = form.members.iter().map(|member| format!("`{member}`")).collect();
            format!("| {} | {} |", members.join(" and "), form.note)
        }),
    );
    text
}

fn filter(spec: &AdapterSpec, name: FilterName) -> String {
    let native = spec.filter(name);
    let upstream = native.map_or_else(String::new, |native| format!("`{}`", native.upstream));
    format!("| `{}` | {upstream} | {} |", name.parameter(), support(spec, name).0)
}

/// The mapping of unified fields, one column a CRM.
pub(crate) fn mapping() -> String {
    let titles: Vec<String> =
        ADAPTERS.iter().map(|spec| format!("`{}` read | `{0}` write", spec.provider)).collect();
    let mut text =
        format!("| unified | {} |\n|{}\n", titles.join(" | "), "---|".repeat(1 + 2 * ADAPTERS.len()));
    for name in Field::ALL {
        let cells = ADAPTERS
            .iter()
            .filter_map(|spec| spec.field(name))
            .map(|spec| format!("{} | {}", read(spec), written(spec)));
        line(&mut text, &format!("| `{}` | {} |", name.name(), cells.collect::<Vec<_>>().join(" | ")));
    }
    text
}

/// The operations, one column a CRM.
pub(crate) fn capabilities() -> String {
    let titles: Vec<&str> = ADAPTERS.iter().map(|spec| spec.title).collect();
    let mut text =
        format!("| operation | {} |\n|{}\n", titles.join(" | "), "---|".repeat(1 + ADAPTERS.len()));
    let each: Vec<_> = ADAPTERS.iter().map(|spec| spec.operations_by_name()).collect();
    for (index, (name, _)) in each[0].iter().enumerate() {
        let cells: Vec<&str> = each.iter().map(|of| if of[index].1 { "yes" } else { "no: 501" }).collect();
        line(&mut text, &format!("| {name} | {} |", cells.join(" | ")));
    }
    let identities = ADAPTERS.iter().map(|spec| format!("`{}`", spec.create_identity().word()));
    line(
        &mut text,
        &format!("| a create fails for the same | {} |", identities.collect::<Vec<_>>().join(" | ")),
    );
    text
}

/// How each CRM answers each filter.
pub(crate) fn filters() -> String {
    let titles: Vec<&str> = ADAPTERS.iter().map(|spec| spec.title).collect();
    let mut text = format!("| filter | {} |\n|{}\n", titles.join(" | "), "---|".repeat(1 + ADAPTERS.len()));
    for name in FilterName::ALL {
        let cells: Vec<&str> = ADAPTERS.iter().map(|spec| support(spec, *name).0).collect();
        line(&mut text, &format!("| `{}` | {} |", name.parameter(), cells.join(" | ")));
    }
    text
}

fn operations(text: &mut String, spec: &AdapterSpec) {
    let of = |able: bool| {
        let named = spec.operations_by_name().into_iter().filter(move |(_, has)| *has == able);
        named.map(|(name, _)| name).collect::<Vec<_>>()
    };
    let (able, unable) = (of(true), of(false));
    line(text, &format!("\nOperations: {}.", able.join(", ")));
    if !unable.is_empty() {
        line(
            text,
            &format!("The CRM's API does not support {}: `operation_unsupported`.", unable.join(", ")),
        );
    }
    line(
        text,
        &format!(
            "A create fails with `contact_exists` if another contact has the same `{}`.",
            spec.create_identity().word()
        ),
    );
    let words: Vec<String> = spec.identities.iter().map(|kind| format!("`{}`", kind.word())).collect();
    line(text, &format!("Contacts can be looked up by {}.", words.join(", ")));
    line(text, &format!("\n{}", paging(spec)));
    line(text, &format!("\n{}", limits(spec)));
}

fn paging(spec: &AdapterSpec) -> String {
    match spec.paging {
        Paging::Numbered { rows: PageRows::Fixed(rows), .. } => {
            format!("The CRM's list has numbered pages of {rows} rows.")
        }
        Paging::Numbered { rows: PageRows::UpTo(most), .. } => {
            format!("The CRM's list has numbered pages of up to {most} rows.")
        }
        Paging::Cursor => {
            "The CRM's list can only be read from the start. A `pageNumber` above 1 is refused with `page_number_unsupported`."
                .to_owned()
        }
    }
}

fn limits(spec: &AdapterSpec) -> String {
    const OPERATOR: &str = "The gateway's operator can configure another one.";
    if spec.limits.is_empty() {
        return format!(
            "The CRM publishes no rate limit. The gateway waits as long as a 429 asks for. {OPERATOR}"
        );
    }
    let each = spec.limits.iter().map(|limit| format!("{} calls in {} s", limit.calls, limit.per.as_secs()));
    let each: Vec<String> = each.collect();
    let each = each.join(", ");
    format!("Rate limit of one credential, or of the credentials that share a limit: {each}. {OPERATOR}")
}

fn rows(text: &mut String, head: &str, rows: impl Iterator<Item = String>) {
    let columns = head.lines().last().map_or(0, |line| line.matches('|').count()).saturating_sub(1);
    line(text, &format!("\n{head}\n|{}", "---|".repeat(columns)));
    for row in rows {
        line(text, &row);
    }
}

/// Writing to a string cannot fail.
fn line(text: &mut String, line: &str) {
    let _ = writeln!(text, "{line}");
}

fn field(spec: &FieldSpec) -> String {
    format!("| `{}` | {} | {} | {} |", spec.field.name(), read(spec), written(spec), verified(spec.verify))
}

fn remote_field(spec: &RemoteFieldSpec) -> String {
    let aliases: Vec<String> = spec.aliases.iter().map(|alias| format!("`{alias}`")).collect();
    let on_create = if spec.on_create_only { " (on create only)" } else { "" };
    format!(
        "| `{}` | {} | {}{on_create} | {} | {} |",
        spec.name,
        aliases.join(", "),
        spec.kind.json_type(),
        spec.note,
        verified(spec.verify)
    )
}

fn live(text: &mut String, spec: &AdapterSpec) {
    if spec.live.is_empty() {
        return;
    }
    rows(
        text,
        "## Definitions that are read live\n\n`GET /crm/contacts/fields` reads them and keeps them for 5 minutes. A write is refused only by these, after they were read again. If they cannot be read, the write is sent.\n\n| call | gives | refuses a write |",
        spec.live.iter().map(|source| {
            format!("| `{}` | {} | {} |", source.call, source.gives, source.refuses.unwrap_or("no"))
        }),
    );
}

fn read(spec: &FieldSpec) -> &'static str {
    spec.read.unwrap_or("not available")
}

fn written(spec: &FieldSpec) -> String {
    let required = if spec.required { " (required on create)" } else { "" };
    match spec.write {
        Write::Stored(place) => format!("{place}{required}"),
        Write::Partly(_) | Write::Never(_) => format!("{}{required}", lost(spec.write).unwrap_or_default()),
        Write::ReadOnly => "set by the CRM".to_owned(),
    }
}

/// The settings of the gateway, and the keys of the tables in its file.
pub(crate) fn settings() -> String {
    let mut text = String::new();
    for section in &SECTIONS {
        let head = format!(
            "### {}\n\n| variable | in the file | default | reloaded | what it does |",
            section.title
        );
        rows(
            &mut text,
            &head,
            section.settings.iter().map(|setting| {
                let or_file = if setting.may_have_file() { " (or `…_FILE`)" } else { "" };
                let reloaded = if setting.is_reloaded { "yes" } else { "" };
                let (variable, default, doc) = (setting.variable(), default(setting), setting.doc());
                format!("| `{variable}`{or_file} | `{}` | {default} | {reloaded} | {doc} |", setting.key)
            }),
        );
    }
    for (title, keys) in
        [("`[[auth.jwt]]`", &JWT_KEYS[..]), ("`[limits.upstream.\"<provider>\"]`", &RATE_KEYS)]
    {
        let head = format!("### {title}\n\n| key | default | what it is |");
        rows(
            &mut text,
            &head,
            keys.iter().map(|key| {
                let required = if key.is_required { "required" } else { "" };
                format!("| `{}` | {}{required} | {} |", key.key, default(key), key.doc())
            }),
        );
    }
    text
}

/// The faults of the simulators.
pub(crate) fn faults() -> String {
    let mut text = String::new();
    rows(
        &mut text,
        "| `kind` | fields | the CRM |",
        FaultKind::DOCS.iter().map(|doc| {
            let field = |field: &FaultField| {
                let name = format!("`{}`", field.name);
                if field.is_required { name } else { format!("[{name}]") }
            };
            let fields: Vec<String> = doc.fields.iter().map(field).collect();
            format!("| `{}` | {} | {} |", doc.name, fields.join(", "), doc.about.trim())
        }),
    );
    text.trim_start().to_owned()
}

/// The settings that most operators need.
pub(crate) fn most_used_settings() -> String {
    const KEYS: [&str; 7] = [
        "listen",
        "public_url",
        "tls_certificate",
        "database_url",
        "master_key",
        "admin_token",
        "upstream_allow",
    ];
    let all = || SECTIONS.iter().flat_map(|section| section.settings);
    let used = KEYS.map(|key| all().find(|setting| setting.key == key).unwrap());
    let mut text = String::new();
    rows(
        &mut text,
        "| variable | default | what it does |",
        used.iter().map(|setting| {
            format!("| `{}` | {} | {} |", setting.variable(), default(setting), setting.doc())
        }),
    );
    text.trim_start().to_owned()
}

/// Every environment variable of the gateway.
pub(crate) fn variables() -> Vec<String> {
    let settings = SECTIONS.iter().flat_map(|section| section.settings);
    let file = |setting: &Setting| setting.may_have_file().then(|| format!("{}_FILE", setting.variable()));
    settings.flat_map(|setting| [Some(setting.variable()), file(setting)]).flatten().collect()
}

fn default(setting: &Setting) -> String {
    setting.default.filter(|text| !text.is_empty()).map(|text| format!("`{text}`")).unwrap_or_default()
}
