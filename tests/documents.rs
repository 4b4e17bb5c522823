//! Documents that are printed from the code must say what the code says; `UPDATE_DOCS=1` prints them anew.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use contacts_gateway::adapters::ADAPTERS;

#[path = "support/documentation.rs"]
mod documentation;

/// Compares, or with `UPDATE_DOCS` writes.
fn check(path: &str, expected: &str) {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{path} is not what the code says; run: UPDATE_DOCS=1 cargo test --test documents"
    );
}

/// The file with what stands between the two marks of `name` replaced.
fn with_part(path: &str, name: &str, part: &str) -> String {
    let text = std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{path} has no mark {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{path} has no mark {end}"));
    format!("{before}{begin}{part}{end}{after}")
}

#[test]
fn each_crm_s_page_is_printed_from_its_declaration() {
    for spec in ADAPTERS {
        check(&format!("src/adapters/{}/docs.md", spec.provider), &documentation::page(spec));
    }
}

#[test]
fn the_tables_of_the_guide_are_printed_from_the_code() {
    for (page, name, part) in [
        ("fields", "operations", documentation::capabilities()),
        ("fields", "mapping", documentation::mapping()),
        ("filters", "filters", documentation::filters()),
        ("configuration", "configuration", documentation::settings()),
    ] {
        let path = format!("src/api/docs/guide/{page}.md");
        check(&path, &with_part(&path, name, &part));
    }
}
