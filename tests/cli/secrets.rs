//! A database password that is not percent-encoded is misread as another part of the URL. No command shows any of it.

use std::process::{Command, Output};

use super::{Desk, text};

/// No text of the program or of this machine holds four characters of it.
const SECRET: &str = "Zq7Xv9Kw3Jp8";

/// Passwords with the characters that mean something in a URL.
const SPELLINGS: &[&str] = &[
    "Zq7Xv9Kw3Jp8",
    "/Zq7Xv9Kw3Jp8",
    "1?Zq7Xv9Kw3Jp8",
    "1/Zq7Xv9Kw3Jp8",
    "1#Zq7Xv9Kw3Jp8",
    "Zq7Xv9/Kw3Jp8",
    "Zq7Xv9?Kw3Jp8",
    "Zq7Xv9#Kw3Jp8",
    "Zq7Xv9@Kw3Jp8",
    "Zq7Xv9@Kw3J/p8",
    "Zq7X@Kw3J?v9=p8",
    "Zq7Xv9:Kw3Jp8",
    "Zq7Xv9[Kw3Jp8",
    "[Zq7Xv9]Kw3Jp8",
    "Zq7Xv9%zzKw3Jp8",
    "%Zq7Xv9Kw3Jp8",
    "%ffZq7Xv9Kw3Jp8",
    "Zq7Xv9 Kw3Jp8",
    " Zq7Xv9Kw3Jp8",
    "Zq7Xv9\\Kw3Jp8",
    "Zq7Xv9\"Kw3Jp8",
    "Zq7Xv9\tKw3Jp8",
    "Zq7Xv9\nKw3Jp8",
    "Zq7Xv9\r\nKw3Jp8\n",
    "1?Zq7Xv9Kw3Jp8=Zq7Xv9Kw3Jp8&x",
    "1?password=Zq7Xv9Kw3Jp8",
    "1?options[Zq7Xv9Kw3Jp8",
    "1?sslmode=Zq7Xv9Kw3Jp8",
    "1/x?host=Zq7Xv9Kw3Jp8",
];

/// URLs as people write and mistype them. Nothing listens on port 1.
const URLS: &[&str] = &[
    "postgres://gw:{}@127.0.0.1:1/gate",
    "postgres://gw:{}@127.0.0.1:1/gate?sslmode=disable",
    "postgresql://gw:{}@127.0.0.1:1/gate",
    "postgres:gw:{}@127.0.0.1:1/gate",
    "POSTGRES://gw:{}@127.0.0.1:1/gate",
    "postgres://{}@127.0.0.1:1/gate",
    "postgres://gw:{}@127.0.0.1:1",
    "postgres://gw:{}",
    "postgres://gw:{}%40127.0.0.1/gate",
    "postgres://gw:x@127.0.0.1:1/gate?password={}",
    "postgres://gw:x@127.0.0.1:1/gate?sslmode={}",
    "postgres://gw:x@127.0.0.1:1/gate?sslmod={}",
    "mysql://gw:{}@127.0.0.1:1/gate",
    "sqlite://gw:{}@127.0.0.1:1/gate",
    "gw:{}@127.0.0.1:1/gate",
    "gw:{}",
    "{}",
];

const COMMANDS: &[&[&str]] = &[
    &["serve"],
    &["check-config"],
    &["check-config", "--live"],
    &["migrate"],
    &["healthcheck"],
    &["tenant", "create", "x"],
    &["tenant", "list", "--json"],
    &["tenant", "delete", "x"],
    &["key", "list", "--tenant", "x", "--json"],
    &["credential", "list", "--tenant", "x"],
    &["credential", "check", "--tenant", "x", "y", "--json"],
    &["master-key", "rotate"],
];

/// Runs the command and answers what it printed, after a look for any four characters of the secret.
fn silent(command: &mut Command, what: &str) -> String {
    let Output { stdout, stderr, .. } = command.output().unwrap();
    let said = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    let pieces = SECRET.as_bytes().windows(4).map(|piece| std::str::from_utf8(piece).unwrap());
    for piece in pieces {
        assert!(!said.contains(piece), "{what}: {said}");
    }
    said
}

fn command(desk: &Desk, args: &[&str]) -> Command {
    let mut command = desk.command(args);
    command.env("GATEWAY_LISTEN", "127.0.0.1:1").env("GATEWAY_LOG", "trace");
    command
}

#[test]
fn no_command_shows_a_piece_of_a_password_in_whatever_spelling() {
    let desk = Desk::new();
    for spelling in SPELLINGS {
        let url = URLS[0].replace("{}", spelling);
        for args in COMMANDS {
            silent(command(&desk, args).env("GATEWAY_DATABASE_URL", &url), &format!("{args:?} {url:?}"));
        }
    }
}

#[test]
fn no_url_shows_a_piece_of_a_password_however_it_is_mistyped() {
    let desk = Desk::new();
    for (spelling, shape) in SPELLINGS.iter().flat_map(|one| URLS.iter().map(move |shape| (one, shape))) {
        if *shape == "postgres://gw:{}" && spelling.contains('@') {
            continue; // By every rule what stands behind the `@` is a host.
        }
        let url = shape.replace("{}", spelling);
        for args in [&["check-config"], &["migrate"]] {
            silent(command(&desk, args).env("GATEWAY_DATABASE_URL", &url), &format!("{args:?} {url:?}"));
        }
    }
}

#[test]
fn no_source_of_the_setting_shows_a_piece_of_a_password() {
    let desk = Desk::new();
    let file = |name: &str, content: &str| std::fs::write(desk.folder.path().join(name), content).unwrap();
    for spelling in SPELLINGS {
        let url = URLS[0].replace("{}", spelling);
        let quoted = serde_json::json!(url);
        file("url", &url);
        file("quoted.toml", &format!("database_url = {quoted}\n"));
        file("bare.toml", &format!("database_url = {url}\n"));
        file("broken.toml", &format!("database_url = \"{url}\"\n"));
        file("misplaced.toml", &format!("{quoted} = 1\nlog = \"{url}\"\n"));
        file("path.toml", &format!("database_url_file = {quoted}\n"));
        for args in [&["check-config"][..], &["tenant", "list"]] {
            let what = format!("{args:?} {url:?}");
            silent(command(&desk, args).env("GATEWAY_DATABASE_URL_FILE", "url"), &what);
            silent(command(&desk, args).env("GATEWAY_DATABASE_URL_FILE", &url), &what);
            for toml in ["quoted.toml", "bare.toml", "broken.toml", "misplaced.toml", "path.toml", "url"] {
                silent(command(&desk, args).args(["--config", toml]), &format!("{toml} {what}"));
            }
            silent(command(&desk, args).args(["--database-url", &url]), &what);
            // Without quotes the shell cuts at blanks.
            silent(command(&desk, args).arg("--database-url").args(url.split_whitespace()), &what);
            silent(command(&desk, args).arg(format!("--databse-url={url}")), &what);
            silent(command(&desk, args).arg(&url), &what);
        }
    }
}

#[test]
fn a_password_that_breaks_its_url_is_told_to_be_percent_encoded() {
    let desk = Desk::new();
    for password in ["/Zq7Xv9Kw3Jp8", "1?Zq7Xv9Kw3Jp8", "1#Zq7Xv9Kw3Jp8", "Zq7Xv9/Kw3Jp8", "Zq7X@Kw3J/v9"] {
        let url = URLS[0].replace("{}", password);
        for args in [&["check-config"], &["migrate"]] {
            let said = silent(command(&desk, args).env("GATEWAY_DATABASE_URL", &url), &url);
            assert!(said.contains("percent-encode the password"), "{url}: {said}");
        }
    }
}

#[test]
fn no_other_setting_shows_a_secret_that_stands_where_it_does_not_belong() {
    let desk = Desk::new();
    let url = format!("https://gw:{SECRET}@crm.example.com/");
    let pgpass = desk.folder.path().join("pgpass");
    std::fs::write(&pgpass, format!("{SECRET}\n")).unwrap();
    std::fs::set_permissions(&pgpass, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    for (name, value) in [
        ("GATEWAY_MASTER_KEY", SECRET),
        ("GATEWAY_PREVIOUS_MASTER_KEYS_FILE", SECRET),
        ("GATEWAY_ADMIN_TOKEN", "Zq7Xv9 Kw3Jp8 and more"),
        ("GATEWAY_ADMIN_TOKEN_FILE", SECRET),
        ("GATEWAY_UPSTREAM_ALLOW", &url),
        ("GATEWAY_UPSTREAM_ALLOW", &format!("gw:{SECRET}@crm.example.com")),
        ("GATEWAY_LISTEN", &url),
        ("GATEWAY_LOG", &url),
        ("GATEWAY_KEY_RATE", &url),
        ("GATEWAY_CONFIG", &url),
        ("GATEWAY_PUBLIC_URL", &url),
        ("GATEWAY_PUBLIC_URL", SECRET),
        ("GATEWAY_CORS_ORIGINS", &url),
        ("GATEWAY_CORS_ORIGINS", SECRET),
        ("GATEWAY_TLS_CERTIFICATE", SECRET),
        ("GATEWAY_TLS_KEY", SECRET),
        ("PGPASSFILE", "pgpass"),
    ] {
        for args in COMMANDS {
            let mut command = command(&desk, args);
            command.env("GATEWAY_DATABASE_URL", "postgres://gw@127.0.0.1:1/gate").env(name, value);
            silent(&mut command, &format!("{name} {args:?}"));
        }
    }
    let issuer = format!(
        "[[auth.jwt]]\nissuer = \"i\"\naudience = \"a\"\nalgorithms = [\"RS256\"]\njwks_url = {}\n\
         tenant_claim = \"t\"\nscope_claim = \"s\"\n",
        serde_json::json!(url)
    );
    std::fs::write(desk.folder.path().join("issuer.toml"), &issuer).unwrap();
    let by_secret = issuer.replace("RS256", "HS256").replace("jwks_url", "secret_file");
    std::fs::write(desk.folder.path().join("secret.toml"), by_secret).unwrap();
    for file in ["issuer.toml", "secret.toml"] {
        silent(&mut command(&desk, &["check-config", "--config", file]), file);
    }
    for args in [&["simulate", &url][..], &["simulate", "aptly", "--listen", &url], &["demo", "--log", &url]]
    {
        silent(&mut command(&desk, args), &format!("{args:?}"));
    }
}

#[test]
fn a_base_url_with_a_password_is_refused_without_it() {
    let desk = Desk::with_database();
    let tenant = desk.ok(&["tenant", "create", "t"]);
    std::fs::write(desk.folder.path().join("token"), r#"{"token":"t"}"#).unwrap();
    for spelling in SPELLINGS {
        let url = format!("https://gw:{spelling}@crm.example.com");
        let settings = serde_json::json!({ "baseUrl": url }).to_string();
        for settings in
            [settings.clone(), settings.replace('}', ",}"), settings.replace("baseUrl", "baseURL")]
        {
            let mut command = desk.command(&["credential", "add", "--tenant", &tenant, "--name", "n"]);
            command.args(["--provider", "pipeline", "--secret-file", "token", "--json"]);
            silent(command.args(["--settings", &settings]), &settings);
        }
    }
    assert_eq!(text(&desk.run(&["credential", "list", "--tenant", &tenant]).stdout).lines().count(), 1);
}
