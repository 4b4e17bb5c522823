//! Documentation generated from the declarations: the `docs.md` of each CRM, and the mapping table of the
//! README.

use std::fmt::Write as _;

use super::ADAPTERS;
use super::adapter::{AdapterSpec, FieldSpec, FilterSupport, Verify, Write};
use super::paging::Paging;
use crate::domain::{Field, FilterName};

#[must_use]
pub fn page(spec: &AdapterSpec) -> String {
    let mut text = format!(
        "# `{}`: {}\n\nGenerated from the declaration in `mod.rs`. A test fails if the two differ.\n",
        spec.provider, spec.title
    );
    operations(&mut text, spec);
    rows(
        &mut text,
        "## Fields\n\n| unified | read from | written to | verified |",
        spec.fields.iter().map(field),
    );
    rows(
        &mut text,
        "## remoteFields that can be written\n\nReads show every other key of the CRM. Writes refuse other keys, unless the value equals the one that the CRM holds. In a body with the `id`, `remoteId` or `remoteUpdatedAt` of a contact that was read, they are ignored with the warning `read_only`.\n\n| key | aliases | description |",
        spec.remote_fields.iter().map(|field| {
            let aliases: Vec<String> = field.aliases.iter().map(|alias| format!("`{alias}`")).collect();
            format!("| `{}` | {} | {} |", field.name, aliases.join(", "), field.note)
        }),
    );
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

/// How the filter is answered at this CRM, as words for a table and as a sentence.
#[must_use]
pub fn support(spec: &AdapterSpec, name: FilterName) -> (&'static str, &'static str) {
    let field = spec.field(name.field());
    match (spec.filter(name).map(|filter| filter.support), field) {
        (Some(FilterSupport::Exact), _) => ("exact", "the CRM answers it"),
        (Some(FilterSupport::Narrows), _) => ("narrows", "the CRM narrows it, the gateway checks each row"),
        (None, Some(field)) if field.read.is_none() => {
            if name.is_negative() {
                (
                    "the CRM has no such field: matches everybody",
                    "matches everybody, the CRM has no such field",
                )
            } else {
                ("the CRM has no such field: matches nobody", "matches nobody, the CRM has no such field")
            }
        }
        (None, Some(field)) if !field.in_lists => (
            "here, if every row shows the field; else 422 `filter_unsupported`",
            "422 `filter_unsupported` unless every row shows the field",
        ),
        (None, _) => ("here", "the gateway checks each row"),
    }
}

/// The mapping of unified fields, one column a CRM.
#[must_use]
pub fn mapping() -> String {
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

fn operations(text: &mut String, spec: &AdapterSpec) {
    let operations = [
        ("create", spec.operations.create),
        ("update", spec.operations.update),
        ("delete", spec.operations.delete),
    ];
    let able: Vec<&str> = ["list", "count", "get"]
        .into_iter()
        .chain(operations.iter().filter(|(_, able)| *able).map(|(name, _)| *name))
        .collect();
    let unable: Vec<&str> = operations.iter().filter(|(_, able)| !able).map(|(name, _)| *name).collect();
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
        Paging::Fixed(rows) => format!("The CRM's list has numbered pages of {rows} rows."),
        Paging::Chosen(most) => format!("The CRM's list has numbered pages of up to {most} rows."),
        Paging::Cursor => {
            "The CRM's list can only be read from the start. A `pageNumber` above 1 is refused with `page_number_unsupported`."
                .to_owned()
        }
    }
}

fn limits(spec: &AdapterSpec) -> String {
    if spec.limits.is_empty() {
        return "The CRM publishes no rate limit. The gateway waits as long as a 429 asks for.".to_owned();
    }
    let each = spec.limits.iter().map(|limit| format!("{} calls in {} s", limit.calls, limit.per.as_secs()));
    let each: Vec<String> = each.collect();
    format!("Rate limit of one credential, or of the credentials that share a limit: {}.", each.join(", "))
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
    let verify = match spec.verify {
        Verify::Exact => "equal",
        Verify::Normalised => "equal except case, spacing and punctuation",
        Verify::Values { .. } => "value by value",
        Verify::Never => "no",
    };
    format!("| `{}` | {} | {} | {verify} |", spec.field.name(), read(spec), written(spec))
}

fn read(spec: &FieldSpec) -> &'static str {
    spec.read.unwrap_or("not available")
}

fn written(spec: &FieldSpec) -> String {
    let required = if spec.required { " (required on create)" } else { "" };
    match spec.write {
        Write::Stored(place) => format!("{place}{required}"),
        Write::Partly(what) => format!("in part: {what}{required}"),
        Write::Never(reason) => format!("not stored: {reason}"),
        Write::ReadOnly => "set by the CRM".to_owned(),
    }
}
