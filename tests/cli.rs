//! The commands as an operator types them, on the real binary and a database of their own.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail where they stand")]

#[path = "cli/config.rs"]
mod config;
#[path = "support/postgres.rs"]
#[expect(dead_code, reason = "no test here stops the server")]
mod postgres;
#[path = "cli/secrets.rs"]
mod secrets;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use self::config::invalid;
use contacts_gateway::store::{AuditQuery, Location, Store};

struct Desk {
    folder: tempfile::TempDir,
    key: String,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = bare(&folder).args(["master-key", "generate"]).output().unwrap();
        let key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        assert_eq!(key.len(), 44);
        Self { folder, key }
    }

    /// With a database, as `serve` would have made it.
    fn with_database() -> Self {
        let desk = Self::new();
        desk.ok(&["migrate"]);
        desk
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = bare(&self.folder);
        command.env("GATEWAY_MASTER_KEY", &self.key).args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Standard output of a command that succeeds.
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout).trim().to_owned()
    }

    /// Standard error of a command that fails with 1.
    fn fails(&self, args: &[&str]) -> String {
        failed(&self.run(args))
    }
}

/// The binary without any setting, in its own folder.
fn bare(folder: &tempfile::TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_contacts-gateway"));
    command.env_clear().current_dir(folder.path()).stdin(Stdio::null());
    command
}

fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    text(&output.stderr)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_tenant_and_its_keys_are_made_listed_and_removed() {
    let desk = Desk::with_database();
    let tenant = desk.ok(&["tenant", "create", "Acme Homes"]);
    assert!(tenant.starts_with("ten_"));
    assert!(desk.fails(&["tenant", "create", " Acme Homes "]).contains("already in use"));
    let secret = desk.ok(&[
        "key",
        "create",
        "--tenant",
        "Acme Homes",
        "--name",
        "app",
        "--scope",
        "contacts:read,contacts:write",
    ]);
    assert!(secret.starts_with("cg_") && secret.len() == 68 && !secret.contains('\n'));
    let keys = desk.ok(&["key", "list", "--tenant", &tenant, "--json"]);
    assert!(!keys.contains(&secret));
    let keys = json(&keys);
    assert_eq!(keys["items"][0]["scopes"], serde_json::json!(["contacts:read", "contacts:write"]));
    let id = keys["items"][0]["id"].as_str().unwrap();
    desk.ok(&["key", "revoke", "--tenant", &tenant, id, "--yes"]);
    assert!(desk.fails(&["key", "revoke", "--tenant", &tenant, id, "--yes"]).contains("no key"));
    let tenants = json(&desk.ok(&["tenant", "list", "--json"]));
    assert_eq!(
        (&tenants["items"][0]["id"], &tenants["nextCursor"]),
        (&tenant.clone().into(), &serde_json::Value::Null)
    );
    assert!(desk.ok(&["tenant", "list"]).contains("Acme Homes"));
    desk.ok(&["tenant", "delete", &tenant, "--yes"]);
    assert!(desk.fails(&["key", "list", "--tenant", &tenant]).contains("no tenant"));
}

#[test]
fn what_is_done_at_the_command_line_is_recorded_too() {
    let desk = Desk::with_database();
    let tenant = desk.ok(&["tenant", "create", "canary"]);
    desk.ok(&["key", "create", "--tenant", &tenant, "--name", "canary", "--scope", "contacts:read"]);
    desk.fails(&["credential", "delete", "--tenant", &tenant, "cred_x", "--yes"]);
    desk.ok(&["master-key", "rotate"]);
    desk.ok(&["tenant", "delete", &tenant, "--yes"]);
    let url = format!("sqlite://{}/data/gateway.db", desk.folder.path().display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let records = runtime.block_on(async {
        let store = Store::open(&Location::parse(&url).unwrap()).await.unwrap();
        store.audit.list(&AuditQuery { limit: 50, ..AuditQuery::default() }).await.unwrap()
    });
    assert!(!format!("{records:?}").contains("canary"));
    let lines: Vec<String> = records
        .iter()
        .rev()
        .map(|record| {
            assert_eq!(record.request_id, None);
            format!("{} {} {}", record.actor_kind.as_str(), record.action.as_str(), record.outcome.as_str())
        })
        .collect();
    assert_eq!(
        lines,
        [
            "cli tenant.create ok",
            "cli key.create ok",
            "cli credential.delete credential_not_found",
            "cli master_key.rotate ok",
            "cli tenant.delete ok",
        ]
    );
}

#[test]
fn wrong_usage_ends_with_two_and_a_failure_with_one_sentence() {
    let desk = Desk::with_database();
    for args in [&["nonsense"][..], &["key", "create", "--tenant", "x"], &["tenant", "create"]] {
        assert_eq!(desk.run(args).status.code(), Some(2), "{args:?}");
    }
    let scope = desk.run(&["key", "create", "--tenant", "x", "--name", "n", "--scope", "contacts:all"]);
    assert_eq!(scope.status.code(), Some(2));
    assert!(text(&scope.stderr).contains("contacts:read"));
    let nobody = desk.fails(&["tenant", "delete", "nobody"]);
    assert_eq!(nobody.lines().count(), 1, "{nobody}");
}

#[test]
fn what_is_missing_or_wrong_in_the_configuration_says_how_to_mend_it() {
    let desk = Desk::with_database();
    let none = invalid(&bare(&desk.folder).args(["tenant", "list"]).output().unwrap());
    assert!(none.contains("master-key generate"), "{none}");
    let wrong = |name: &str, value: &str| {
        invalid(&desk.command(&["check-config"]).env(name, value).output().unwrap())
    };
    for (name, value, says) in [
        ("GATEWAY_MASTER_KEY", "c2hvcnQ=", "32 bytes"),
        ("GATEWAY_MASTER_KEY", "secret canary", "not base64"),
        ("GATEWAY_MASTER_KEY", "", "empty"),
        ("GATEWAY_MASTER_KEY_FILE", "nowhere", "keep one"),
        ("GATEWAY_ADMIN_TOKEN", "canary", "16 characters"),
        ("GATEWAY_ADMIN_TOKEN_FILE", "nowhere", "cannot be read"),
        ("GATEWAY_DATABASE_URL", "postgres://u:canary@h", "host and a database"),
        ("GATEWAY_LISTEN", "8080", "127.0.0.1:8080"),
        ("GATEWAY_UPSTREAM_ALLOW", "http://x/y", "host:port"),
        ("GATEWAY_PREVIOUS_MASTER_KEYS", "canary", "number 1 is not a valid master key"),
        ("GATEWAY_AUDIT_RETENTION_DAYS", "-1", "whole number from 0 (forever)"),
        ("GATEWAY_CONFIG", "nowhere.toml", "cannot be read"),
    ] {
        let said = wrong(name, value);
        assert!(said.contains(says) && said.contains(name) | said.contains(value), "{name}: {said}");
        assert!(!said.contains("canary"), "{said}");
    }
}

const CONFIGURED: &str = r#"
log = "debug"
admin_token_file = "token"
[[auth.jwt]]
issuer = "https://login.example.com"
audience = "contacts-gateway"
algorithms = ["HS256"]
secret_file = "secret"
tenant_claim = "tenant"
scope_claim = "scope"
"#;

#[test]
fn check_config_tells_every_value_and_its_source_and_no_secret() {
    let desk = Desk::new();
    let token = "canary-of-an-admin-token";
    std::fs::write(desk.folder.path().join("token"), format!("{token}\n")).unwrap();
    std::fs::write(desk.folder.path().join("gateway.toml"), CONFIGURED).unwrap();
    std::fs::write(desk.folder.path().join("secret"), format!("{token}-and-of-an-issuer\n")).unwrap();
    let output = desk
        .command(&["check-config", "--config", "gateway.toml", "--log-format", "json"])
        .env("GATEWAY_LISTN", "x")
        .env("GATEWAY_LOG", "warn")
        .output()
        .unwrap();
    let (said, remarks) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{remarks}");
    for row in [
        "warn",
        "GATEWAY_LOG",
        "--log-format",
        "gateway.toml:3",
        "127.0.0.1:8080",
        "default",
        "https://login.example.com for contacts-gateway (HS256, by a secret)",
        "gateway.toml:4",
    ] {
        assert!(said.contains(row), "{row}: {said}");
    }
    assert!(remarks.contains("GATEWAY_LISTN") && remarks.contains("did you mean GATEWAY_LISTEN?"));
    assert!(!said.contains(token) && !said.contains(&desk.key));
}

#[test]
fn a_secret_is_read_from_standard_input_and_never_repeated() {
    let desk = Desk::with_database();
    let tenant = desk.ok(&["tenant", "create", "t"]);
    let mut child = desk
        .command(&["credential", "add", "--tenant", &tenant, "--provider", "nobody", "--name", "n"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"{\"apiKey\":\"canary\"}").unwrap();
    let said = failed(&child.wait_with_output().unwrap());
    assert!(said.contains("/provider") && !said.contains("canary"), "{said}");
    let empty =
        desk.fails(&["credential", "add", "--tenant", &tenant, "--provider", "nobody", "--name", "n"]);
    assert!(empty.contains("empty"), "{empty}");
    assert_eq!(
        json(&desk.ok(&["credential", "list", "--tenant", &tenant, "--json"]))["items"],
        serde_json::json!([])
    );
    for arguments in [&["check"][..], &["update"], &["delete", "--yes"], &["remove", "--yes"]] {
        let arguments = [&["credential"], arguments, &["--tenant", &tenant, "cred_x"]].concat();
        assert!(desk.fails(&arguments).contains("no credential"), "{arguments:?}");
    }
}

#[test]
fn a_reader_who_leaves_is_no_failure() {
    let desk = Desk::with_database();
    for name in ["a", "b", "c"] {
        desk.ok(&["tenant", "create", name]);
    }
    let mut child =
        desk.command(&["tenant", "list"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn migrate_makes_the_database_and_needs_no_key() {
    let desk = Desk::new();
    let output = bare(&desk.folder).arg("migrate").output().unwrap();
    assert!(output.status.success() && text(&output.stdout).contains("schema 5"));
    assert!(desk.folder.path().join("data/gateway.db").exists());
}

/// A key made in another folder would be in a new database, and 401 at the server.
#[test]
fn no_other_command_makes_a_database() {
    let desk = Desk::new();
    let path = desk.folder.path().join("data/gateway.db");
    for arguments in [
        &["tenant", "create", "t"][..],
        &["tenant", "list"],
        &["key", "list", "--tenant", "t"],
        &["credential", "list", "--tenant", "t"],
        &["master-key", "rotate"],
    ] {
        let said = desk.fails(arguments);
        assert!(said.contains(path.to_str().unwrap()) && said.contains("migrate"), "{arguments:?}: {said}");
        assert!(!path.exists(), "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_undone_is_not_done_without_an_answer() {
    let desk = Desk::with_database();
    let tenant = desk.ok(&["tenant", "create", "Acme"]);
    let key = ["key", "create", "--tenant", &tenant, "--name", "n", "--scope", "contacts:read", "--json"];
    let key = json(&desk.ok(&key))["key"]["id"].as_str().unwrap().to_owned();
    std::fs::write(desk.folder.path().join("secret"), "canary").unwrap();
    let add = [
        "credential",
        "add",
        "--tenant",
        &tenant,
        "--provider",
        "aptly",
        "--name",
        "n",
        "--secret-file",
        "secret",
    ];
    let credential = desk.ok(&[&add[..], &["--no-verify"]].concat());
    let list = || json(&desk.ok(&["credential", "list", "--tenant", &tenant, "--json"]))["items"].clone();
    for arguments in [
        &["tenant", "delete", &tenant][..],
        &["key", "revoke", "--tenant", &tenant, &key],
        &["credential", "delete", "--tenant", &tenant, &credential],
    ] {
        let said = desk.fails(arguments);
        assert!(said.contains("--yes") && said.contains("Nothing was changed"), "{said}");
    }
    assert!(desk.fails(&["tenant", "delete", &tenant]).contains("Remove Acme with 1 credentials and 1 keys"));
    let before = list();
    assert_eq!(before.as_array().unwrap().len(), 1);
    desk.ok(&[
        "credential",
        "update",
        "--tenant",
        &tenant,
        &credential,
        "--name",
        "new",
        "--settings",
        r#"{"defaultRegion":"CA"}"#,
    ]);
    assert_eq!((&list()[0]["name"], &list()[0]["settings"]["defaultRegion"]), (&"new".into(), &"CA".into()));
    let update = ["credential", "update", "--tenant", &tenant, &credential, "--settings", "{"];
    assert!(desk.fails(&update).contains("not valid JSON"));
    desk.ok(&["credential", "delete", "--tenant", &tenant, &credential, "--yes"]);
    assert_eq!(list(), serde_json::json!([]));
}

/// The binary in a shell that sets limits first; without the power of root to write where it is forbidden.
fn limited(desk: &Desk, limits: &str, args: &[&str]) -> Output {
    use std::os::unix::fs::MetadataExt;
    let root = desk.folder.path().metadata().unwrap().uid() == 0;
    let mut command = Command::new(if root { "setpriv" } else { "env" });
    if root {
        command.arg("--bounding-set=-all");
    }
    command
        .args(["sh", "-c", &format!("{limits} exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_contacts-gateway")])
        .args(args)
        .env_clear()
        .envs([("GATEWAY_MASTER_KEY", desk.key.as_str()), ("PATH", "/usr/bin:/bin")])
        .current_dir(desk.folder.path())
        .stdin(Stdio::null());
    command.output().unwrap()
}

#[test]
fn a_folder_or_file_that_cannot_be_written_is_a_sentence() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    let refused = |file: Option<u32>| {
        let desk = Desk::new();
        let data = desk.folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        if let Some(mode) = file {
            desk.ok(&["migrate"]);
            set_permissions(data.join("gateway.db"), Permissions::from_mode(mode)).unwrap();
        }
        set_permissions(&data, Permissions::from_mode(0o500)).unwrap();
        let command = if file.is_some() { &["tenant", "list"][..] } else { &["migrate"] };
        let said = failed(&limited(&desk, "", command));
        set_permissions(&data, Permissions::from_mode(0o700)).unwrap();
        said
    };
    for file in [None, Some(0o400), Some(0o600)] {
        let said = refused(file);
        let (errors, causes): (Vec<&str>, Vec<&str>) =
            said.lines().partition(|line| line.starts_with("error: "));
        assert!(errors.len() == 1 && causes.iter().all(|cause| cause.starts_with("  caused by: ")), "{said}");
        assert!(
            said.contains("data/gateway.db") && said.contains("the file and its folder"),
            "{file:?}: {said}"
        );
    }
}

#[test]
fn a_file_that_cannot_grow_is_a_sentence_and_no_damage() {
    let full = "trap '' XFSZ; ulimit -f 0;";
    let desk = Desk::new();
    let said = failed(&limited(&desk, full, &["migrate"]));
    assert!(said.contains("data/gateway.db") && said.contains("free disk space"), "{said}");
    desk.ok(&["migrate"]);
    desk.ok(&["tenant", "create", "before"]);
    let said = failed(&limited(&desk, full, &["tenant", "create", "t"]));
    assert!(said.contains("data/gateway.db") && said.contains("free disk space"), "{said}");
    assert!(desk.ok(&["tenant", "list"]).contains("before"));
}

#[test]
fn processes_share_one_postgres_and_none_shows_its_password() {
    let Some(server) = postgres::Server::shared() else { return };
    let desk = Desk::new();
    let command = |args: &[&str]| {
        let mut command = desk.command(args);
        command.env("GATEWAY_DATABASE_URL", server.url("postgres"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let started: Vec<_> = (0..6).map(|_| command(&["migrate"]).spawn().unwrap()).collect();
    for child in started {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    assert!(command(&["tenant", "create", "shared"]).output().unwrap().status.success());
    assert!(text(&command(&["tenant", "list"]).output().unwrap().stdout).contains("shared"));
    let shown = command(&["check-config"]).output().unwrap();
    assert!(text(&shown.stdout).contains("127.0.0.1"));
    let live = command(&["check-config", "--live"]).output().unwrap();
    assert!(text(&live.stderr).contains("has schema 5, and this version has 5"), "{}", text(&live.stderr));
    let gone = command(&["tenant", "list"]).env("GATEWAY_DATABASE_URL", server.url("gone")).output().unwrap();
    assert!(text(&gone.stderr).contains("CREATE DATABASE"));
    for output in [shown, gone] {
        assert!(!(text(&output.stdout) + &text(&output.stderr)).contains(postgres::PASSWORD));
    }
}

#[test]
fn healthcheck_follows_what_the_server_answers() {
    let desk = Desk::new();
    for (status, code) in [("200 OK", 0), ("503 Service Unavailable", 1)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 512];
            let read = stream.read(&mut asked).unwrap();
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
            String::from_utf8_lossy(&asked[..read]).into_owned()
        });
        assert_eq!(desk.run(&["healthcheck", "--listen", &address]).status.code(), Some(code));
        assert!(server.join().unwrap().starts_with("GET /readyz HTTP/1.1\r\n"));
    }
    assert!(desk.fails(&["healthcheck", "--listen", "127.0.0.1:1"]).contains("no server responds"));
}

#[test]
fn help_shows_the_settings_that_a_command_takes_and_a_refusal_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| bare(&folder).args(args).output().unwrap();
    for (command, listens) in [("demo", true), ("simulate", true), ("export", false), ("import", false)] {
        for flag in ["--help", "-h"] {
            let help = text(&run(&[command, flag]).stdout);
            for hidden in ["--config", "--database-url", "--upstream-allow", "GATEWAY_L", "of the API."] {
                assert!(!help.contains(hidden), "{command} {hidden}: {help}");
            }
            assert_eq!(help.contains("--listen"), listens, "{command}: {help}");
            assert!(help.contains("--log-format"), "{command}: {help}");
        }
    }
    let help = text(&run(&["simulate", "--help"]).stdout);
    assert!(help.contains("127.0.0.1:8081 for aptly, 127.0.0.1:8082 for pipeline"), "{help}");
    assert!(text(&run(&["serve", "--help"]).stdout).contains("--database-url"));
    for args in [&["demo", "--upstream-allow", "x"][..], &["--upstream-allow", "x", "demo"]] {
        let refusal = failed(&run(args));
        assert!(
            refusal.contains("--upstream-allow; of the settings it takes --listen, --log and"),
            "{refusal}"
        );
    }
    let refusal = failed(&run(&["export", "--credential", "x", "--listen", "127.0.0.1:1"]));
    assert!(refusal.contains("does not take --listen; of the settings it takes --log and"), "{refusal}");
}

#[test]
fn what_is_not_found_is_quoted() {
    let desk = Desk::with_database();
    desk.ok(&["tenant", "create", "acme"]);
    let refusal = desk.fails(&["credential", "check", "--tenant", "acme", "cred_x"]);
    assert!(refusal.contains("This tenant has no credential `cred_x`."), "{refusal}");
    let refusal = desk.fails(&["key", "list", "--tenant", "acmee"]);
    assert!(refusal.contains("There is no tenant with the id or name `acmee`."), "{refusal}");
}

#[test]
fn the_simulator_takes_faults_and_says_what_a_mistyped_one_should_be() {
    let folder = tempfile::tempdir().unwrap();
    for (faults, meant) in [
        (&["--fault", "statsu:code=503"][..], "there is no fault `statsu`; did you mean `status`?"),
        (
            &["--fault", "stall", "--fault", "status:code=503,tmes=1"],
            "has no field `tmes`; did you mean `times`?",
        ),
    ] {
        let output = bare(&folder).args(["simulate", "aptly"]).args(faults).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(meant), "{}", text(&output.stderr));
    }
    let help = text(&bare(&folder).args(["simulate", "--help"]).output().unwrap().stdout);
    for doc in contacts_gateway::simulators::FaultKind::DOCS {
        assert!(help.contains(&format!("  {}", doc.name)), "{}: {help}", doc.name);
    }
}
