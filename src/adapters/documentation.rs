//! What is declared about each CRM, as text for people: its `docs.md`, and the mapping table of the README.

use std::fmt::Write as _;

use super::ADAPTERS;
use super::adapter::{AdapterSpec, FieldSpec, FilterSupport, Verify, Write};
use super::paging::Paging;
use crate::domain::{Field, FilterName};

/// The page of one CRM.
#[must_use]
pub fn page(spec: &AdapterSpec) -> String {
    let mut text = format!(
        "# `{}`: {}\n\nPrinted from the declaration in `mod.rs`; a test fails where the two differ.\n",
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
        "## remoteFields that can be written\n\nEvery other key of the CRM is shown on reads. On writes it is refused, unless it equals what the CRM holds; in a body with the `id`, `remoteId` or `remoteUpdatedAt` of a contact that was read it is ignored, with the warning `read_only`.\n\n| key | also spelled | what |",
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
        "## Settings of a credential\n\n| setting | what |",
        spec.settings.iter().map(|setting| {
            let required = if setting.required { " (required)" } else { "" };
            format!("| `{}`{required} | {} |", setting.name, setting.note)
        }),
    );
    rows(
        &mut text,
        "## Secret of a credential\n\n| members | what |",
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
        line(text, &format!("The CRM's API cannot {}: `operation_unsupported`.", unable.join(", ")));
    }
    line(
        text,
        &format!(
            "A create is refused with `contact_exists` where a contact has the same `{}`.",
            spec.create_identity().word()
        ),
    );
    let words: Vec<String> = spec.identities.iter().map(|kind| format!("`{}`", kind.word())).collect();
    line(text, &format!("People are found by {}.", words.join(", ")));
    line(text, &format!("\n{}", paging(spec)));
    line(text, &format!("\n{}", limits(spec)));
}

/// How the list is read, as a sentence.
fn paging(spec: &AdapterSpec) -> String {
    match spec.paging {
        Paging::Fixed(rows) => format!("The CRM's list has numbered pages of {rows} rows."),
        Paging::Chosen(most) => format!("The CRM's list has numbered pages of up to {most} rows."),
        Paging::Cursor => {
            "The CRM's list can only be read from its beginning: a `pageNumber` above 1 is refused with `page_number_unsupported`."
                .to_owned()
        }
    }
}

/// The published limits, as a sentence.
fn limits(spec: &AdapterSpec) -> String {
    if spec.limits.is_empty() {
        return "The CRM publishes no rate limit; the pause that a 429 asks for is kept.".to_owned();
    }
    let each = spec.limits.iter().map(|limit| format!("{} in {} s", limit.calls, limit.per.as_secs()));
    let each: Vec<String> = each.collect();
    format!("At most so many calls of one credential, or of those that share a budget: {}.", each.join(", "))
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
        Verify::Normalised => "equal but for case, spacing and punctuation",
        Verify::Values { .. } => "value by value",
        Verify::Never => "no",
    };
    format!("| `{}` | {} | {} | {verify} |", spec.field.name(), read(spec), written(spec))
}

fn read(spec: &FieldSpec) -> &'static str {
    spec.read.unwrap_or("never there")
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
