//! The sources over each other, the table against its own rules, and secrets that stay unseen.

use secrecy::ExposeSecret;

use super::{Config, ConfigError, Flags, LogFormat, SETTINGS, markdown};

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
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.log, tracing::level_filters::LevelFilter::WARN);
    assert_eq!(config.log_format, LogFormat::Json);
    assert_eq!(config.database_url.expose_secret(), "sqlite://data/gateway.db");
    assert_eq!((config.origin("listen"), config.origin("log")), ("--listen".into(), "GATEWAY_LOG".into()));
    assert!(config.master_key.is_none() && config.admin_token.is_none() && config.warnings.is_empty());
}

#[test]
fn a_secret_may_come_from_a_file_of_its_own() {
    for (file, variable) in [
        (None, ("GATEWAY_ADMIN_TOKEN_FILE", "FOLDER/token")),
        (Some("admin_token_file = \"FOLDER/token\""), ("GATEWAY_LOG", "info")),
        (Some("admin_token = \"another-token-entirely\""), ("GATEWAY_ADMIN_TOKEN", "canary-0123456789")),
    ] {
        let config = read(file, &[], &[variable]).unwrap();
        assert_eq!(config.admin_token.as_ref().unwrap().expose_secret(), "canary-0123456789");
        assert!(!format!("{config:?}").contains("canary"));
    }
}

#[test]
fn what_cannot_be_used_is_named_all_at_once() {
    let said = faults(read(
        Some(
            "databse_url = \"x\"\nlisten = 5\nadmin_token = \"canary\"\nadmin_token_file = \"FOLDER/token\"\n[limits]\n",
        ),
        &[("log", "")],
        &[("GATEWAY_LOG_FORMAT", "xml"), ("GATEWAY_MASTER_KEY_FILE", "FOLDER/empty")],
    ));
    for part in [
        "`database_url` is the nearest",
        "`listen` must be a string",
        "both give the same secret",
        "limits are not built",
        "--log is empty",
        "GATEWAY_LOG_FORMAT must be one of",
        "which is empty",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = faults(read(None, &[], &[("GATEWAY_ADMIN_TOKEN_FILE", "FOLDER/two-lines")]));
    assert!(said.contains("more than one line"));
    let said = faults(read(Some("master_key = \"canary"), &[], &[]));
    assert!(said.contains("line 1"));
    faults(read(None, &[], &[("GATEWAY_ADMIN_TOKEN", "canary with spaces in")]));
    faults(read(None, &[], &[("GATEWAY_ADMIN_TOKEN", "cg_canary-0123456789")]));
}

#[test]
fn an_unknown_variable_is_a_warning_that_names_the_nearest() {
    let config =
        read(None, &[], &[("GATEWAY_LISTN", "x"), ("GATEWAY_PORT_80_TCP", "tcp://canary"), ("PATH", "/")])
            .unwrap();
    assert_eq!(config.warnings.len(), 2);
    assert!(config.warnings[0].contains("GATEWAY_LISTEN is the nearest"));
    assert!(!config.warnings.concat().contains("canary"));
}

#[test]
fn a_list_of_hosts_may_be_a_list() {
    let config = read(Some("upstream_allow = [\"crm.internal\", \"10.0.0.0/8\"]"), &[], &[]).unwrap();
    assert_eq!(config.upstream_allow, "crm.internal,10.0.0.0/8");
}

#[test]
fn the_table_is_regular_and_the_readme_shows_all_of_it() {
    let table = markdown();
    for setting in SETTINGS {
        assert_eq!(setting.variable, format!("GATEWAY_{}", setting.key.to_uppercase()));
        assert_eq!(table.contains(setting.variable), setting.unbuilt.is_none());
    }
}
