//! The configuration as an operator meets it: all faults at once, the example file, its schema, the help.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{Desk, bare, text};

/// Standard error of a command that ends because of its configuration.
pub(crate) fn invalid(output: &std::process::Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stderr)
}

const FAULTY: &str = "\
log = \"inof\"
lissten = \"127.0.0.1:8080\"

key_rate = -1
admin_token = \"canary\"
database_url = \"mysql://gw:canary@h/d\"
previous_master_keys = [\"canary\"]

[limits.upstream.aptyl]
per_minute = \"600\"

[[auth.jwt]]
issuer = \"https://login.example.com\"
audience = 5
algorithms = [\"RS256\"]
jwks_url = \"http://login.example.com/jwks.json\"
tenant_claim = \"tenant\"
scope_claims = \"scope\"
";

#[test]
fn all_faults_are_told_at_once_each_with_its_place() {
    let desk = Desk::new();
    std::fs::write(desk.folder.path().join("gateway.toml"), FAULTY).unwrap();
    let mut command = desk.command(&["check-config", "--config", "gateway.toml", "--listen", "8080"]);
    let output = command.env("GATEWAY_SETTLE_MS", "0").output().unwrap();
    let said = invalid(&output);
    let lines: Vec<&str> = said.lines().collect();
    let begins = [
        "error: --listen: must be an address and a port",
        "error: GATEWAY_SETTLE_MS: must be a whole number of milliseconds from 1 to 60000",
        "error: gateway.toml:1: log: must be one of: off, error, warn, info, debug, trace; did you mean `info`?",
        "error: gateway.toml:2: `lissten` is not a setting; did you mean `listen`?",
        "error: gateway.toml:4: key_rate: must be a whole number from 0 (unlimited) to 1000000",
        "error: gateway.toml:5: admin_token: must have at least 16 characters",
        "error: gateway.toml:6: database_url: the database URL must begin with sqlite:// or postgres://",
        "error: gateway.toml:7: previous_master_keys: number 1 is not a valid master key",
        "error: gateway.toml:9: [limits.upstream.\"aptyl\"]: no such provider; did you mean `aptly`?",
        "error: gateway.toml:10: [limits.upstream.\"aptyl\"]: `per_minute` must be a whole number",
        "error: gateway.toml:12: [[auth.jwt]] number 1: `scope_claim` is missing",
        "error: gateway.toml:14: [[auth.jwt]] number 1: `audience` must be a string in quotes",
        "error: gateway.toml:18: [[auth.jwt]] number 1: `scope_claims` is not a setting; did you mean `scope_claim`?",
    ];
    for (line, begin) in lines.iter().zip(begins) {
        assert!(line.starts_with(begin), "{begin}\n{said}");
    }
    assert_eq!(lines.len(), begins.len(), "{said}");
    assert!(!said.contains("canary") && output.stdout.is_empty());
    // The server says the same before it starts, and a missing key is told beside the others.
    let mut serve = bare(&desk.folder);
    serve.args(["serve", "--config", "gateway.toml", "--listen", "8080"]).env("GATEWAY_SETTLE_MS", "0");
    let serve = invalid(&serve.output().unwrap());
    assert_eq!(serve.lines().filter(|line| lines.contains(line)).count(), lines.len(), "{serve}");
    assert!(
        serve.lines().count() == lines.len() + 1 && serve.contains("GATEWAY_MASTER_KEY: missing"),
        "{serve}"
    );
    let mut unreadable = bare(&desk.folder);
    let said =
        invalid(&unreadable.arg("check-config").env("GATEWAY_MASTER_KEY_FILE", "nowhere").output().unwrap());
    assert!(said.lines().count() == 1 && said.contains("cannot be read"), "{said}");
}

#[test]
fn invalid_toml_is_told_with_what_else_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = "log = inof\nkey_rate = \"x\"\nmaster_key = \"canary\nlistn = \"x\"\n[limits.upstream.aptly\nper_minute = -1\n";
    std::fs::write(folder.path().join("gateway.toml"), file).unwrap();
    let said = invalid(&bare(&folder).args(["check-config", "--config", "gateway.toml"]).output().unwrap());
    for part in [
        "gateway.toml:1: not valid TOML",
        "gateway.toml:2: key_rate",
        "gateway.toml:3: not valid TOML",
        "gateway.toml:4: `listn`",
        "gateway.toml:5: not valid TOML",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("canary") && !said.contains("GATEWAY_MASTER_KEY"), "{said}");
}

/// The example with every setting set. Files are in `folder`.
fn uncommented(folder: &std::path::Path) -> String {
    let example = text(&bare_in(folder, &["config", "example"]));
    let set = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => rest.to_owned(),
        _ => line.to_owned(),
    };
    let lines: Vec<String> = example.lines().map(set).collect();
    lines.join("\n").replace("/etc/contacts-gateway", folder.to_str().unwrap())
}

fn bare_in(folder: &std::path::Path, args: &[&str]) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_contacts-gateway"));
    let output = command.env_clear().current_dir(folder).args(args).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    output.stdout
}

#[test]
fn the_example_file_is_valid_as_it_is_and_with_every_setting_set() {
    let desk = Desk::new();
    let folder = desk.folder.path();
    let file = |name: &str, content: &str| std::fs::write(folder.join(name), content).unwrap();
    file("as-it-is.toml", &text(&bare_in(folder, &["config", "example"])));
    desk.ok(&["check-config", "--config", "as-it-is.toml"]);
    file("master.key", &desk.key);
    file("previous.keys", &desk.key);
    file("admin.token", "a-token-of-more-than-16-characters");
    file("otlp.headers", "authorization=Bearer x");
    for (fixture, name) in [("valid.pem", "tls.crt"), ("server.key", "tls.key")] {
        let fixture = format!("{}/tests/fixtures/tls/{fixture}", env!("CARGO_MANIFEST_DIR"));
        std::fs::copy(fixture, folder.join(name)).unwrap();
    }
    let whole = uncommented(folder);
    file("whole.toml", &whole);
    let shown = text(&bare_in(folder, &["check-config", "--config", "whole.toml"]));
    let table: toml::Table = toml::from_str(&whole).unwrap();
    for row in shown.lines().skip(1).filter(|row| !row.starts_with("auth.jwt") && !row.starts_with("limits."))
    {
        let key = row.split_whitespace().next().unwrap();
        assert!(table.contains_key(key) || table.contains_key(&format!("{key}_file")), "not in it: {key}");
        assert!(row.contains("whole.toml:"), "{row}");
    }
}

/// The faults that Python's `jsonschema` finds in each of `files`.
fn validated(schema: &str, files: &[Value]) -> Option<Vec<bool>> {
    const SCRIPT: &str = "import json, sys\nfrom jsonschema import Draft202012Validator as V\n\
        given = json.load(sys.stdin)\nV.check_schema(given['schema'])\n\
        print(json.dumps([V(given['schema']).is_valid(file) for file in given['files']]))";
    let has = Command::new("python3").args(["-c", "import jsonschema"]).stderr(Stdio::null()).status();
    if !has.is_ok_and(|status| status.success()) {
        assert!(
            std::env::var_os("CI").is_none(),
            "python3-jsonschema is not installed, and CI skips no test"
        );
        let _ = writeln!(std::io::stderr(), "SKIPPED: needs python3 and python3-jsonschema");
        return None;
    }
    let mut python = Command::new("python3")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let schema: Value = serde_json::from_str(schema).unwrap();
    let given = json!({ "schema": schema, "files": files }).to_string();
    python.stdin.take().unwrap().write_all(given.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn the_schema_accepts_the_example_and_refuses_what_the_gateway_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let schema = text(&bare_in(folder.path(), &["config", "schema"]));
    let example: Value = toml::from_str(&uncommented(folder.path())).unwrap();
    let wrong = |change: &dyn Fn(&mut Value)| {
        let mut file = example.clone();
        change(&mut file);
        assert_ne!(file, example);
        file
    };
    let files = [
        example.clone(),
        json!({}),
        json!({ "upstream_allow": "a,b", "previous_master_keys": ["a", "b"] }),
        wrong(&|file| file["lissten"] = "127.0.0.1:1".into()),
        wrong(&|file| file["listen"] = 8080.into()),
        wrong(&|file| file["log"] = "inof".into()),
        wrong(&|file| file["key_rate"] = 1_000_001.into()),
        wrong(&|file| file["lease_ms"] = 999.into()),
        wrong(&|file| file["master_key"] = "also".into()),
        wrong(&|file| file["public_url"] = "api.example.com".into()),
        wrong(&|file| file["auth"]["jwt"][0]["algorithms"] = json!([])),
        wrong(&|file| file["auth"]["jwt"][0]["audience"] = Value::Null),
        wrong(&|file| file["auth"]["jwt"][0]["jwks_file"] = "both".into()),
        wrong(&|file| file["limits"]["upstream"]["aptly"]["per_minuet"] = 1.into()),
    ];
    let Some(valid) = validated(&schema, &files) else { return };
    let expected: Vec<bool> = (0..files.len()).map(|at| at < 3).collect();
    assert_eq!(valid, expected);
}

#[test]
fn the_help_names_flags_variables_and_exit_codes() {
    let desk = Desk::new();
    let help = desk.ok(&["--help"]);
    for part in ["--database-url <URL>", "[environment: GATEWAY_UPSTREAM_ALLOW]", "Exit codes: 0 success"] {
        assert!(help.contains(part), "{part}: {help}");
    }
    let serve = desk.ok(&["serve", "--help"]);
    for part in ["GATEWAY_MASTER_KEY or …_FILE", "GATEWAY_LEASE_MS", "[default: 30000]"] {
        assert!(serve.contains(part), "{part}: {serve}");
    }
}

#[test]
fn a_live_check_reads_the_database_and_changes_nothing() {
    let desk = Desk::new();
    let data = desk.folder.path().join("data");
    let live = ["check-config", "--live"];
    assert!(desk.fails(&live).contains("there is no database at"));
    assert!(!data.exists());
    desk.ok(&["migrate"]);
    let checked = |desk: &Desk| text(&desk.run(&live).stderr);
    assert!(
        checked(&desk).contains(
            "has schema 5, and this version has 5. 0 stored secrets are sealed under the master key"
        )
    );

    let tenant = desk.ok(&["tenant", "create", "t"]);
    std::fs::write(desk.folder.path().join("secret"), "canary").unwrap();
    let add = ["credential", "add", "--tenant", &tenant, "--provider", "aptly", "--name", "n"];
    desk.ok(&[&add[..], &["--secret-file", "secret", "--no-verify"]].concat());
    assert!(
        checked(&desk).contains(" 1 stored secrets are sealed under the master key"),
        "{}",
        checked(&desk)
    );
    let other = Desk::new();
    let stranger = Desk { folder: desk.folder, key: other.key.clone() };
    let said = stranger.fails(&live);
    assert!(said.contains("none of the database's 1 stored secrets can be opened"), "{said}");
    let mut previous = stranger.command(&live);
    let said = text(&previous.env("GATEWAY_PREVIOUS_MASTER_KEYS", &desk.key).output().unwrap().stderr);
    assert!(said.contains("1 under previous ones"), "{said}");
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1, "no files are left behind");

    std::fs::write(data.join("gateway.db"), "not a database, but long enough to be read as one").unwrap();
    let said = stranger.fails(&live);
    assert!(said.contains("is not a SQLite database") && said.contains("  caused by: "), "{said}");
}

#[test]
fn two_listeners_at_one_address_are_a_fault_before_the_start() {
    let desk = Desk::new();
    let mut command = desk.command(&["check-config", "--listen", "127.0.0.1:8080"]);
    let output = command.env("GATEWAY_OPS_LISTEN", "0.0.0.0:8080").output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let fault = "GATEWAY_OPS_LISTEN: 0.0.0.0:8080 overlaps `listen` (127.0.0.1:8080)";
    assert!(said.contains(fault), "{said}");
}

#[test]
fn a_warning_is_printed_once() {
    let desk = Desk::new();
    desk.ok(&["migrate"]);
    for args in [&["check-config", "--live"][..], &["check-config"], &["tenant", "list"]] {
        let output = desk.command(args).env("GATEWAY_LISTN", "127.0.0.1:1").output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(said.matches("GATEWAY_LISTN").count(), 1, "{args:?}: {said}");
    }
}

#[test]
fn completions_are_printed_for_each_shell() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = desk.ok(&["completions", shell]);
        for word in ["check-config", "live", "database-url", "completions"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let bash = desk.ok(&["completions", "bash"]);
    let mut shell = Command::new("bash").args(["-n"]).stdin(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(bash.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success());
}
