//! The house rules that no compiler checks: ranks, one home for each technology, a first line for each file.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use contacts_gateway::adapters::{ADAPTERS, AdapterSpec};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A file names only modules of lower rank, or its own. `simulators` stand apart.
const RANKS: &[(&str, i8)] = &[
    ("clock", -1),
    ("domain", 0),
    ("permits", 0),
    ("json", 1),
    ("blocking", 1),
    ("config", 1),
    ("telemetry", 1),
    ("sealing", 1),
    ("upstream", 2),
    ("store", 2),
    ("adapters", 3),
    ("auth", 3),
    ("gateway", 4),
    ("api", 5),
    ("app", 6),
    ("cli", 7),
    ("main", 8),
    ("lib", 9),
];

/// What is used, and the only places that may use it.
const HOMES: &[(&str, &[&str])] = &[
    ("axum", &["api/", "app/", "simulators/"]),
    ("tower_http::", &["api/", "app/", "simulators/"]),
    ("hyper", &["app/server/", "upstream/body.rs"]),
    ("hyper_util", &["app/server/"]),
    (
        "rustls",
        &[
            "upstream/client.rs",
            "upstream/transport.rs",
            "app/server/tls.rs",
            "app/server/certificate_expiry.rs",
        ],
    ),
    ("tokio_rustls", &["app/server/tls.rs"]),
    ("flate2", &["upstream/body.rs", "simulators/gzip.rs", "api/docs/assets.rs"]),
    ("utoipa", &["api/"]),
    ("pulldown_cmark", &["api/docs/markdown.rs"]),
    ("reqwest", &["upstream/client.rs", "cli/gateway_client.rs"]),
    ("csv", &["cli/"]),
    ("indicatif", &["cli/progress_bar.rs"]),
    ("sqlx", &["store/"]),
    ("aws_lc_rs", &["sealing/", "upstream/client.rs", "app/server/tls.rs"]),
    ("jsonwebtoken", &["auth/"]),
    ("env::var", &["config/"]),
    ("rlibphonenumber", &["domain/phone.rs", "simulators/"]),
    ("unicode_normalization", &["domain/text.rs", "simulators/"]),
    ("clap", &["cli/"]),
    ("clap_complete", &["cli/"]),
    ("moka", &["store/", "upstream/lookups.rs", "auth/", "gateway/credentials/", "gateway/writes/"]),
    ("memchr", &["upstream/secrets.rs", "adapters/error_mapping.rs"]),
    ("opentelemetry", &["telemetry/otel.rs"]),
    ("opentelemetry_http", &["telemetry/otel.rs"]),
    ("opentelemetry_otlp", &["telemetry/otel.rs"]),
    ("opentelemetry_sdk", &["telemetry/otel.rs"]),
    ("metrics", &["telemetry/series.rs"]),
    ("metrics_exporter_prometheus", &["telemetry/series.rs"]),
];

/// The files of a CRM's folder; `translate/` may hold the parts of `translate.rs`.
const ADAPTER_FILES: &[&str] = &[
    "docs.md",
    "endpoints.rs",
    "examples.json",
    "failure.rs",
    "mod.rs",
    "translate",
    "translate.rs",
    "wire.rs",
];

/// Words that say nothing about what a thing is.
const EMPTY_WORDS: &[&str] =
    &["manager", "helper", "util", "utils", "common", "handler", "processor", "service", "data", "info"];

fn files(folder: &str) -> Vec<(String, String)> {
    let (mut found, mut open) = (Vec::new(), vec![Path::new(ROOT).join(folder)]);
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((relative(&path, folder), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no files");
    found.sort();
    found
}

fn relative(path: &Path, folder: &str) -> String {
    path.strip_prefix(PathBuf::from(ROOT).join(folder)).unwrap().to_string_lossy().into_owned()
}

/// The code of a file: no comments, and no tests, which may look around the house.
fn code(text: &str) -> String {
    let inline = text.match_indices("#[cfg(test)]\nmod ").find(|(at, _)| {
        text[at + "#[cfg(test)]\nmod ".len()..].lines().next().is_some_and(|line| line.ends_with('{'))
    });
    let tests = inline.map_or(text.len(), |(at, _)| at);
    let lines = text[..tests].lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn module(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

/// The modules of ours that `code` names, as `crate::x` or in `use crate::{x, …}`.
fn named(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for part in code.split("crate::").skip(1) {
        let words = if part.starts_with('{') { outermost(part) } else { vec![part] };
        let word = |text: &str| {
            text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
        };
        names.extend(words.into_iter().map(word));
    }
    names
}

/// The elements of a list in braces, not those of lists inside it.
fn outermost(list: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut elements) = (0, 1, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if (c == ',' && depth == 1) || depth == 0 {
            elements.push(&list[begin..at]);
            begin = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    elements
}

#[test]
fn the_rules_see_into_lists_and_behind_lines_of_tests() {
    assert_eq!(
        named("use crate::{domain::{A, B}, gateway::C}; crate::json::x()"),
        ["domain", "gateway", "json"]
    );
    let text = "#[cfg(test)]\nmod tests;\nuse crate::api;\n#[cfg(test)]\nmod inline {\nuse crate::cli;\n}";
    assert_eq!(named(&code(text)), ["api"]);
}

#[test]
fn a_file_names_only_modules_of_lower_rank() {
    let rank = |module: &str| RANKS.iter().find(|(name, _)| *name == module).map(|(_, rank)| *rank);
    for (file, text) in files("src") {
        let own = module(&file);
        for name in named(&code(&text)) {
            match (rank(own), rank(&name)) {
                _ if name == own || name.is_empty() => {}
                (None, _) if own == "simulators" => {
                    panic!("{file}: a simulator names `{name}`; it may name no module of ours")
                }
                (Some(own), None) if name == "simulators" => {
                    assert!(own >= 6, "{file}: only app and cli may name the simulators");
                }
                (Some(mine), Some(theirs)) => {
                    assert!(theirs < mine, "{file} names `{name}`, which stands no lower");
                }
                _ => panic!("{file} names `{name}`, which has no rank; give it one in tests/tidy.rs"),
            }
        }
    }
}

#[test]
fn every_module_has_a_rank() {
    for (file, _) in files("src") {
        let own = module(&file);
        assert!(own == "simulators" || RANKS.iter().any(|(name, _)| *name == own), "{own} has no rank");
    }
}

#[test]
fn each_technology_has_one_home() {
    for (file, text) in files("src") {
        let code = code(&text);
        for (technology, homes) in HOMES {
            let path = format!("{}::", technology.trim_end_matches("::"));
            let used = code
                .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
                .any(|word| word.starts_with(&path) || word.contains(&format!("::{technology}")));
            let home = homes.iter().any(|home| file.starts_with(home));
            assert!(!used || home, "{file} uses {technology}, whose home is {}", homes.join(", "));
        }
    }
}

#[test]
fn no_crm_s_folder_names_another() {
    let folders = crm_folders();
    for (file, text) in files("src/adapters") {
        let own = module(&file);
        if !folders.iter().any(|folder| folder == own) {
            continue;
        }
        for other in folders.iter().filter(|folder| *folder != own) {
            assert!(!code(&text).contains(&format!("{other}::")), "adapters/{file} names {other}");
        }
    }
}

/// What is one CRM's own is declared in its `SPEC`: its name, its settings, its remote fields.
#[test]
fn no_shared_code_names_what_one_crm_alone_has() {
    let has = |spec: &AdapterSpec, name: &str| spec.settings.iter().any(|setting| setting.name == name);
    let mut own: Vec<&str> = ADAPTERS.iter().map(|spec| spec.provider.as_str()).collect();
    for spec in ADAPTERS {
        let settings = spec.settings.iter().map(|setting| setting.name);
        own.extend(settings.filter(|name| ADAPTERS.iter().filter(|spec| has(spec, name)).count() == 1));
        own.extend(
            spec.remote_fields.iter().flat_map(|field| std::iter::once(&field.name).chain(field.aliases)),
        );
    }
    // A single word such as `status` may mean something else.
    let spoken = |name: &&str| {
        name.contains(char::is_uppercase) || ADAPTERS.iter().any(|spec| spec.provider.as_str() == *name)
    };
    own.retain(spoken);
    let folders = crm_folders();
    for (file, text) in files("src") {
        let shared = match file.split_once('/') {
            Some(("adapters", inside)) => !folders.iter().any(|folder| folder == module(inside)),
            Some(("domain" | "gateway" | "store" | "upstream", inside)) => !inside.contains("tests/"),
            _ => false,
        };
        let code = if shared { code(&text).to_lowercase() } else { String::new() };
        for name in &own {
            let name = name.to_lowercase();
            for quoted in [format!("\"{name}\""), format!("`{name}`"), format!("/{name}")] {
                assert!(!code.contains(&quoted), "src/{file} names {quoted}, which one CRM alone has");
            }
        }
    }
}

#[test]
fn every_crm_s_folder_has_the_same_files() {
    for folder in crm_folders() {
        let mut found: Vec<String> = fs::read_dir(format!("{ROOT}/src/adapters/{folder}"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        found.sort();
        found.retain(|file| file != "translate");
        let expected: Vec<&str> = ADAPTER_FILES.iter().copied().filter(|file| *file != "translate").collect();
        assert_eq!(found, expected, "src/adapters/{folder}");
    }
}

fn crm_folders() -> Vec<String> {
    let folders: Vec<String> = fs::read_dir(format!("{ROOT}/src/adapters"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(folders.len() >= 2);
    folders
}

#[test]
fn every_file_says_in_its_first_line_what_it_is() {
    for folder in ["src", "tests"] {
        for (file, text) in files(folder) {
            let first = text.lines().next().unwrap_or_default();
            let sentence = first.strip_prefix("//! ").unwrap_or_default();
            assert!(
                sentence.len() > 10,
                "{folder}/{file} begins with `{first}`, not with a sentence after //!"
            );
        }
    }
}

#[test]
fn names_say_what_a_thing_is() {
    for (file, text) in files("src") {
        // Schemas are named as the public JSON names them (`pageInfo`).
        if file.starts_with("api/schema/") {
            continue;
        }
        let stems = file.trim_end_matches(".rs").split(['/', '_']).map(str::to_owned);
        let kinds = ["fn ", "struct ", "enum ", "trait ", "mod "];
        let code = code(&text);
        let declared = kinds.iter().flat_map(|kind| code.split(kind).skip(1)).flat_map(|part| {
            let name: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            // The name of a trait's method that axum chose.
            if name == "connect_info" { Vec::new() } else { words(&name) }
        });
        for word in stems.chain(declared) {
            assert!(
                !EMPTY_WORDS.contains(&word.to_lowercase().as_str()),
                "src/{file}: `{word}` says nothing in a name"
            );
        }
    }
}

/// A test that is forgotten in the list would run on SQLite alone.
#[test]
fn where_tests_also_run_on_postgres_all_do() {
    let mut lists = 0;
    for (file, text) in files("src") {
        let Some((_, list)) = text.split_once("\nalso_on_postgres! {") else { continue };
        lists += 1;
        for test in text.split("#[tokio::test]\nasync fn ").skip(1) {
            let name = test.split('(').next().unwrap();
            assert!(list.contains(&format!(" {name},")), "src/{file}: {name} does not run on PostgreSQL");
        }
    }
    assert!(lists > 0);
}

/// The words of a name in snake or camel case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in name.chars() {
        if c == '_' || c.is_uppercase() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c != '_', words.last_mut()) {
            word.push(c);
        }
    }
    words
}

/// The name of the type that `line` defines. Types that belong to a trait are no types of their own.
fn defined(line: &str) -> Option<&str> {
    let item = line.trim_start();
    let item = item.strip_prefix("pub").map_or(item, |rest| {
        rest.strip_prefix('(')
            .and_then(|rest| rest.split_once(')'))
            .map_or(rest, |(_, rest)| rest)
            .trim_start()
    });
    let name = ["struct ", "enum ", "trait ", "union "].iter().find_map(|word| item.strip_prefix(word));
    let alias = item.strip_prefix("type ").filter(|_| !line.starts_with(' '));
    name.or(alias)?.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().filter(|name| !name.is_empty())
}

#[test]
fn a_type_name_is_defined_once() {
    assert_eq!(defined("    pub(in crate::api) struct A<T> {"), Some("A"));
    assert_eq!(defined("type B = u8;"), Some("B"));
    assert_eq!(defined("    type Rejection = Failure;"), None);
    let mut homes = std::collections::BTreeMap::<String, String>::new();
    for (file, text) in files("src") {
        for name in text.lines().filter_map(defined) {
            if let Some(other) = homes.insert(name.to_owned(), file.clone()) {
                panic!("`{name}` is defined in {other} and in {file}; two things that differ have two names");
            }
        }
    }
}
