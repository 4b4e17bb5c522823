//! SIGHUP: what can be reloaded is, the rest is named, and an invalid file changes nothing.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use contacts_gateway::config::SECTIONS;

use crate::gateway_process::{GatewayProcess, master_key};
use crate::testbed::hang_up_until;

struct Reloaded {
    folder: tempfile::TempDir,
    gateway: GatewayProcess,
}

impl Reloaded {
    async fn start(file: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        std::fs::write(&path, file).unwrap();
        let key = master_key();
        let mut command = Command::new(env!("CARGO_BIN_EXE_contacts-gateway"));
        let log = folder.path().join("log");
        let process = command
            .args(["serve", "--config", path.to_str().unwrap(), "--listen", "127.0.0.1:0"])
            .env_clear()
            .envs([
                ("GATEWAY_MASTER_KEY", key.as_str()),
                ("GATEWAY_ADMIN_TOKEN", crate::gateway_process::ADMIN_TOKEN),
            ])
            .current_dir(folder.path())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let gateway = GatewayProcess::watching(process, log).await;
        Self { folder, gateway }
    }

    /// Writes the file, sends SIGHUP, and returns the log from then until `says`.
    async fn reload(&self, file: &str, says: &str) -> String {
        std::fs::write(PathBuf::from(self.folder.path()).join("gateway.toml"), file).unwrap();
        hang_up_until(&self.gateway, says).await
    }

    /// How many of 30 requests at once are refused because of the rate limit.
    async fn limited(&self, key: &str) -> usize {
        let calls = (0..30).map(|_| self.gateway.call("GET", "/credentials", key, None));
        let replies = futures_util::future::join_all(calls).await;
        replies.iter().filter(|reply| reply.status == 429).count()
    }
}

const RELOADED: &str = "the configuration was reloaded";

#[tokio::test]
async fn what_can_be_reloaded_is_and_what_cannot_is_named() {
    let settings = SECTIONS.iter().flat_map(|section| section.settings);
    let declared: Vec<&str> =
        settings.filter(|setting| setting.is_reloaded).map(|setting| setting.key).collect();
    // Each is changed below.
    assert_eq!(declared, ["trusted_proxies", "log", "log_success", "key_rate", "key_burst"]);
    let mut it = Reloaded::start("key_rate = 1\nkey_burst = 5\n").await;
    let (_, key) = it.gateway.tenant("t").await;
    assert!(it.limited(&key).await >= 20);
    let said = it.reload("key_rate = 0\nlease_ms = 1000\n", "need a restart").await;
    assert!(
        said.contains("\"settings\":\"key_rate, key_burst\"") && said.contains("\"settings\":\"lease_ms\""),
        "{said}"
    );
    assert_eq!(it.limited(&key).await, 0);

    // The address of the client, as a proxy tells it.
    let client = async |address: &str| {
        it.gateway.call_with("GET", "/nowhere", "", None, &[("x-forwarded-for", address)]).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        it.gateway.logged().contains(&format!("\"client\":\"{address}\""))
    };
    assert!(!client("192.0.2.1").await);
    it.reload("key_rate = 0\ntrusted_proxies = [\"127.0.0.1\"]\n", RELOADED).await;
    assert!(client("192.0.2.2").await);

    let said = it.reload("key_rate = 0\ntrusted_proxies = [\"127.0.0.1\"]\nlog = \"warn\"\n", RELOADED).await;
    assert!(!client("192.0.2.3").await, "successes and refusals are `info`: {said}");
    it.reload(
        "key_rate = 0\ntrusted_proxies = [\"127.0.0.1\"]\nlog = \"debug\"\nlog_success = \"off\"\n",
        RELOADED,
    )
    .await;
    assert!(client("192.0.2.4").await);
    // Successes are left out now.
    it.gateway.call_with("GET", "/credentials", &key, None, &[("x-forwarded-for", "192.0.2.5")]).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!it.gateway.logged().contains("192.0.2.5"));
    assert!(it.gateway.runs());
}

#[tokio::test]
async fn an_invalid_file_changes_nothing_and_says_why() {
    let mut it = Reloaded::start("key_rate = 0\n").await;
    let (_, key) = it.gateway.tenant("t").await;
    let said = it.reload("key_rate = 1\nkey_burst = 1\nlog = \"inof\"\nlisten = 1\n", "gateway.toml:4").await;
    assert!(said.contains("not reloaded") && said.contains("gateway.toml:3: log: must be one of"), "{said}");
    assert_eq!(it.limited(&key).await, 0);
    let said = it.reload("key_rate = 0\n", RELOADED).await;
    assert!(said.contains("no reloadable setting changed"), "{said}");
    assert!(it.gateway.runs());
}
