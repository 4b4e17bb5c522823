//! The sources over each other, the table against its own rules, and secrets that stay unseen.

use secrecy::ExposeSecret;

use super::{CallRates, Config, ConfigError, Flags, JwtKeys, LogFormat, ValueKind, settings};

fn read(
    file: Option<&str>,
    flags: &[(&'static str, &str)],
    environment: &[(&str, &str)],
) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    if let Some(text) = file {
        std::fs::write(&path, text.replace("FOLDER", &folder.path().display().to_string())).unwrap();
    }
    let secret = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    secret("token", "canary-0123456789\r\n");
    secret("two-lines", "canary-0123456789\nmore\n");
    secret("empty", "\n");
    secret("long", "canary-0123456789-0123456789-0123456789\n");
    secret("jwks.json", "{}");
    let values = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    let flags = Flags { file: file.map(|_| path), values };
    let place = folder.path().display().to_string();
    Config::read(
        &flags,
        environment.iter().map(|(name, value)| ((*name).to_owned(), value.replace("FOLDER", &place))),
    )
}

fn faults(result: Result<Config, ConfigError>) -> String {
    let faults = result.unwrap_err().to_string();
    assert!(!faults.contains("canary"), "{faults}");
    faults
}

#[test]
fn flags_stand_over_the_environment_over_the_file_over_defaults() {
    let file = "log = \"error\"\nlog_format = \"json\"\nlisten = \"127.0.0.1:1\"";
    let config = read(
        Some(file),
        &[("listen", "127.0.0.1:3")],
        &[("GATEWAY_LISTEN", "127.0.0.1:2"), ("GATEWAY_LOG", "warn")],
    )
    .unwrap();
    assert_eq!(config.server.listen.port(), 3);
    assert_eq!(config.log.log, tracing::level_filters::LevelFilter::WARN);
    assert_eq!(config.log.log_format, LogFormat::Json);
    assert_eq!(config.storage.database_url.expose_secret(), "sqlite://data/gateway.db");
    assert_eq!(
        (config.origin("listen").place(), config.origin("log").place()),
        ("--listen".into(), "GATEWAY_LOG".into())
    );
    assert!(
        config.storage.master_key.is_none()
            && config.storage.admin_token.is_none()
            && config.warnings.is_empty()
    );
}

#[test]
fn a_secret_may_come_from_a_file_of_its_own() {
    for (file, variable) in [
        (None, ("GATEWAY_ADMIN_TOKEN_FILE", "FOLDER/token")),
        (Some("admin_token_file = \"FOLDER/token\""), ("GATEWAY_LOG", "info")),
        (Some("admin_token = \"another-token-entirely\""), ("GATEWAY_ADMIN_TOKEN", "canary-0123456789")),
    ] {
        let config = read(file, &[], &[variable]).unwrap();
        assert_eq!(config.storage.admin_token.as_ref().unwrap().0.expose_secret(), "canary-0123456789");
        assert!(!format!("{config:?}").contains("canary"));
    }
}

#[test]
fn what_cannot_be_used_is_named_all_at_once() {
    let said = faults(read(
        Some(
            "databse_url = \"x\"\nlisten = 5\nadmin_token = \"canary\"\nadmin_token_file = \"FOLDER/token\"\nkey_rate = \"-1\"\nlease_ms = \"5\"\n",
        ),
        &[("log", "")],
        &[("GATEWAY_LOG_FORMAT", "xml"), ("GATEWAY_MASTER_KEY_FILE", "FOLDER/empty")],
    ));
    for part in [
        "did you mean `database_url`?",
        "listen: must be a string",
        "given here and as admin_token_file",
        "must be a whole number from 0 (unlimited)",
        "must be a whole number of milliseconds from 1000",
        "--log: is empty",
        "GATEWAY_LOG_FORMAT: must be one of",
        "which is empty",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = faults(read(None, &[], &[("GATEWAY_ADMIN_TOKEN_FILE", "FOLDER/two-lines")]));
    assert!(said.contains("more than one line"));
    let said = faults(read(Some("master_key = \"canary"), &[], &[]));
    assert!(said.contains("gateway.toml:1: not valid TOML"));
    faults(read(None, &[], &[("GATEWAY_ADMIN_TOKEN", "canary with spaces in")]));
    faults(read(None, &[], &[("GATEWAY_ADMIN_TOKEN", "cg_canary-0123456789")]));
}

#[test]
fn an_unknown_variable_is_a_warning_that_names_the_nearest() {
    let config =
        read(None, &[], &[("GATEWAY_LISTN", "x"), ("GATEWAY_PORT_80_TCP", "tcp://canary"), ("PATH", "/")])
            .unwrap();
    assert_eq!(config.warnings.len(), 2);
    assert!(config.warnings[0].contains("did you mean GATEWAY_LISTEN?"));
    assert!(!config.warnings.concat().contains("canary"));
}

#[test]
fn a_list_of_hosts_may_be_a_list() {
    let config = read(Some("upstream_allow = [\"crm.internal\", \"10.0.0.0/8\"]"), &[], &[]).unwrap();
    assert_eq!(config.storage.upstream_allow, "crm.internal,10.0.0.0/8");
}

/// A whole table, with `change` laid over it; an empty value takes a member away.
fn table(change: &str) -> String {
    let mut members = vec![
        ("issuer", "\"https://login.example.com\""),
        ("audience", "\"contacts-gateway\""),
        ("algorithms", "[\"RS256\"]"),
        ("jwks_url", "\"https://login.example.com/jwks.json\""),
        ("tenant_claim", "\"tenant\""),
        ("scope_claim", "\"scope\""),
    ];
    for (name, value) in change.split("; ").filter_map(|part| part.split_once(" = ")) {
        members.retain(|(known, _)| *known != name);
        members.push((name, value));
    }
    let lines = members.iter().filter(|(_, value)| !value.is_empty());
    let lines: Vec<String> = lines.map(|(name, value)| format!("{name} = {value}")).collect();
    format!("[[auth.jwt]]\n{}\n", lines.join("\n"))
}

#[test]
fn an_issuer_is_read_with_its_defaults_and_shown_without_its_secret() {
    let by_secret = "issuer = \"other\"; algorithms = [\"HS256\"]; jwks_url = ; secret_file = \"FOLDER/long\"; max_lifetime_seconds = 300";
    let config = read(Some(&(table("") + &table(by_secret))), &[], &[]).unwrap();
    let [first, second] = &config.issuers[..] else { panic!("{:?}", config.issuers) };
    assert_eq!((first.max_lifetime.as_secs(), second.max_lifetime.as_secs()), (86_400, 300));
    assert_eq!(
        first.shown(),
        "https://login.example.com for contacts-gateway (RS256, by https://login.example.com/jwks.json)"
    );
    assert_eq!(second.shown(), "other for contacts-gateway (HS256, by a secret)");
    let JwtKeys::Secret(secret) = &second.keys else { panic!() };
    assert_eq!(secret.expose_secret(), "canary-0123456789-0123456789-0123456789");
    assert!(!format!("{config:?}").contains("canary"));
}

#[test]
fn each_fault_of_an_issuer_is_one_sentence() {
    for (change, says) in [
        ("issuer = ", "`issuer` is missing"),
        ("audience = ", "`audience` is missing"),
        ("audience = \"\"", "`audience` is empty"),
        ("audience = [\"a\"]", "`audience` must be a string"),
        ("algorithms = ", "`algorithms` is missing"),
        ("algorithms = []", "`algorithms` must be a list"),
        ("algorithms = \"RS256\"", "`algorithms` must be a list"),
        ("algorithms = [\"none\"]", "may name HS256, RS256, ES256 and EdDSA"),
        ("algorithms = [\"RS512\"]", "may name HS256, RS256, ES256 and EdDSA"),
        ("algorithms = [\"RS256\", \"RS256\"]", "names RS256 twice"),
        ("algorithms = [\"RS256\", \"HS256\"]", "HS256 cannot be combined"),
        ("algorithms = [\"HS256\"]", "HS256 needs `secret_file`"),
        ("jwks_url = ; secret_file = \"FOLDER/long\"", "`secret_file` is for HS256"),
        ("jwks_url = ", "no keys are given"),
        ("jwks_file = \"FOLDER/jwks.json\"", "keep one of"),
        ("jwks_url = ; jwks_file = \"FOLDER/none.json\"", "which cannot be read"),
        ("algorithms = [\"HS256\"]; jwks_url = ; secret_file = \"FOLDER/none\"", "which cannot be read"),
        ("algorithms = [\"HS256\"]; jwks_url = ; secret_file = \"FOLDER/token\"", "shorter than 32"),
        ("tenant_claim = ", "`tenant_claim` is missing"),
        ("scope_claim = ", "`scope_claim` is missing"),
        ("max_lifetime_seconds = 59", "from 60 to"),
        ("max_lifetime_seconds = \"1d\"", "from 60 to"),
        ("jwks_uri = \"x\"", "`jwks_uri` is not a setting; did you mean `jwks_url`?"),
        ("colour = \"x\"", "`colour` is not a setting; the settings are issuer,"),
    ] {
        let said = faults(read(Some(&table(change)), &[], &[]));
        assert!(said.contains(says), "{change}: {said}");
        assert!(said.contains("[[auth.jwt]] number 1: ") && said.lines().count() == 1, "{said}");
    }
    for (file, says) in [
        (table("").repeat(2), "another table has the same `issuer`"),
        ("auth = 1".to_owned(), "`auth` must be a table"),
        ("[auth.jwt]\nissuer = \"x\"".to_owned(), "in two brackets"),
        ("[auth]\njtw = 1".to_owned(), "`jtw` is not a setting in `auth`"),
        ("[auht]".to_owned(), "did you mean `auth`?"),
    ] {
        let said = faults(read(Some(&file), &[], &[]));
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn each_setting_has_the_bounds_and_words_that_its_fault_names() {
    let read_one = |setting: &super::Setting, text: &str| read(None, &[], &[(&setting.variable(), text)]);
    let mut numbers = 0;
    for setting in settings::all() {
        match setting.kind {
            ValueKind::Whole { least, most, .. } => {
                numbers += 1;
                for inside in [least, most] {
                    assert!(read_one(setting, &inside.to_string()).is_ok(), "{} {inside}", setting.key);
                }
                for outside in [i128::from(least) - 1, i128::from(most) + 1] {
                    let said = faults(read_one(setting, &outside.to_string()));
                    assert!(
                        said.contains(&format!("{least}")) && said.ends_with(&most.to_string()),
                        "{said}"
                    );
                }
            }
            ValueKind::Word(words) => {
                assert!(words.iter().all(|word| read_one(setting, word).is_ok()), "{}", setting.key);
                assert!(faults(read_one(setting, "canary")).contains(&words.join(", ")));
            }
            _ => {}
        }
    }
    assert!(numbers > 15);
    let config = read(None, &[], &[]).unwrap();
    assert_eq!((config.limits, config.quotas), (super::Limits::default(), super::Quotas::default()));
    assert_eq!(config.limits.settle.as_secs(), 5);
}

#[test]
fn rate_limits_of_a_crm_are_read_with_what_is_not_given_left_to_the_crm() {
    let file = "[limits.upstream.\"aptly\"]\nper_minute = 600\n[limits.upstream.pipeline]\nper_second = 0\n";
    let limits = read(Some(file), &[], &[]).unwrap().upstream_limits;
    assert_eq!(limits.of("aptly"), CallRates { per_minute: Some(600), per_second: None });
    assert_eq!(limits.of("pipeline"), CallRates { per_minute: None, per_second: Some(0) });
    assert_eq!(limits.of("other"), CallRates::default());
    let shown: Vec<String> = limits.0.iter().map(super::ProviderLimits::shown).collect();
    assert_eq!(
        shown,
        ["600 per minute, the CRM's own per second", "the CRM's own per minute, unlimited per second"]
    );
}

#[test]
fn each_fault_of_a_rate_limit_is_one_sentence() {
    for (file, says) in [
        ("limits = 1", "`limits` must be a table"),
        ("[limits]\nupstream = 1", "`limits.upstream` must be a table"),
        ("[limits]\nupstraem = 1", "`upstraem` is not a setting in `limits`"),
        ("[limits.upstream]\naptly = 1", "is not a table"),
        (
            "[limits.upstream.aptly]\nper_minuet = 1",
            "`per_minuet` is not a setting; did you mean `per_minute`?",
        ),
        (
            "[limits.upstream.aptly]\ncolour = 1",
            "`colour` is not a setting; the settings are per_minute, per_second",
        ),
        ("[limits.upstream.aptly]\nper_minute = -1", "from 0 (unlimited) to 1000000"),
        ("[limits.upstream.aptly]\nper_minute = 1000001", "from 0 (unlimited) to 1000000"),
        ("[limits.upstream.aptly]\nper_second = \"5\"", "`per_second` must be a whole number"),
        ("[limit.upstream.aptly]", "did you mean `limits`?"),
    ] {
        let said = faults(read(Some(file), &[], &[]));
        assert!(said.contains(says) && said.lines().count() == 1, "{said}");
    }
}
