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
        ("test-failures", "faults", documentation::faults()),
    ] {
        let path = format!("src/api/docs/guide/{page}.md");
        check(&path, &with_part(&path, name, &part));
    }
    check("README.md", &with_part("README.md", "configuration", &documentation::most_used_settings()));
}

#[test]
fn every_variable_that_a_document_names_exists() {
    // Of the commands that call a gateway; the name of the file; of the compose file alone.
    let others = ["GATEWAY_API_KEY", "GATEWAY_CONFIG", "GATEWAY_PORT"].map(str::to_owned);
    let known: Vec<String> = documentation::variables().into_iter().chain(others).collect();
    let guide = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/docs/guide")).unwrap();
    let guide = guide.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let root = ["README.md", "Dockerfile", "docker-compose.yml"];
    let root = root.map(|name| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
    let mut named = 0;
    for path in guide.chain(root) {
        let text = std::fs::read_to_string(&path).unwrap();
        for word in text.split(|c: char| !(c.is_ascii_uppercase() || c == '_')) {
            if word.starts_with("GATEWAY_") && word.len() > "GATEWAY_".len() {
                named += 1;
                assert!(known.iter().any(|name| name == word), "{}: {word}", path.display());
            }
        }
    }
    assert!(named > 50);
    // The container has its own address, and no other files than its volume.
    let compose = include_str!("../docker-compose.yml");
    let passed = documentation::variables()
        .into_iter()
        .filter(|name| !name.ends_with("_FILE") && name != "GATEWAY_LISTEN");
    for name in passed {
        assert!(compose.contains(&format!("    {name}:")), "the compose file does not pass on {name}");
    }
}

#[test]
fn each_picture_differs_in_light_and_dark_only_in_its_colours() {
    let assets = format!("{}/src/api/docs/assets", env!("CARGO_MANIFEST_DIR"));
    for name in ["flow", "flow-phone"] {
        let without_colours = |scheme: &str| {
            let text = std::fs::read_to_string(format!("{assets}/{name}-{scheme}.svg")).unwrap();
            let parts =
                text.split("\"#").map(|part| part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
            parts.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(without_colours("light"), without_colours("dark"), "{name}");
    }
}
