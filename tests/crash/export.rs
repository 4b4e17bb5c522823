//! `contacts-gateway export`: every contact once, in both formats, also if the gateway stops meanwhile.

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};

use super::cluster::Cluster;

/// The pipeline CRM, whose rate limit a test does not reach.
const PIPELINE: usize = 1;
const PEOPLE: usize = 230;

async fn cluster() -> Cluster {
    let cluster = Cluster::set(None, 1, 1, &[]).await;
    for n in 0..PEOPLE {
        let made = cluster.crms[PIPELINE].put(serde_json::json!({
            "firstName": "Person", "lastName": format!("Number{n}"), "email": format!("person-{n}@example.com"),
        }));
        made.unwrap();
    }
    cluster
}

async fn export(cluster: &Cluster, folder: &std::path::Path, flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_contacts-gateway"));
    command.env_clear().current_dir(folder).stdin(Stdio::null()).env("GATEWAY_API_KEY", &cluster.key);
    let url = cluster.url(0).await.unwrap();
    command.args(["export", "--url", &url, "--credential", cluster.credential(PIPELINE, 0)]).args(flags);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_contact_is_exported_once_and_can_be_imported() {
    let (cluster, folder) = (cluster().await, tempfile::tempdir().unwrap());
    let output = export(&cluster, folder.path(), &[]).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let names: Vec<String> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["lastName"].to_string())
        .collect();
    assert_eq!((names.len(), names.iter().collect::<BTreeSet<_>>().len()), (PEOPLE, PEOPLE));
    assert!(text(&output.stderr).contains(&format!("{PEOPLE} contacts")), "{}", text(&output.stderr));

    let flags = ["--format", "csv", "--output", "people.csv", "--filter", "lastName=number7"];
    let output = export(&cluster, folder.path(), &flags).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let written = std::fs::read_to_string(folder.path().join("people.csv")).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines.len(), 2, "{written}");
    assert!(lines[0].starts_with("firstName,lastName,account,emailAddress,emailAddressType,emailAddress.2,"));
    assert!(lines[1].starts_with("Person,Number7,,person-7@example.com,main,"), "{written}");
    let output = export(&cluster, folder.path(), &flags).await;
    assert!(!output.status.success() && text(&output.stderr).contains("people.csv exists already"));

    let output = export(&cluster, folder.path(), &["--filter", "lastName"]).await;
    assert!(text(&output.stderr).contains("must be NAME=VALUE"));
    let flags = ["--format", "csv", "--output", "refused.csv", "--filter", "family=x"];
    let output = export(&cluster, folder.path(), &flags).await;
    assert!(
        text(&output.stderr).contains("invalid_parameter: family: Unknown parameter"),
        "{}",
        text(&output.stderr)
    );
    assert!(!folder.path().join("refused.csv").exists(), "the corrected command would find it");
}

/// A list that cannot be walked completely ends without a checkpoint: there is nothing to go on with.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_may_have_missed_contacts_ends_and_says_so() {
    use contacts_gateway::simulators::pipeline::{DateBounds, PipelineOptions, PipelineSimulator};

    let (cluster, folder) = (cluster().await, tempfile::tempdir().unwrap());
    let contacts = cluster.crms[PIPELINE].contacts();
    let options = PipelineOptions { contacts, date_bounds: DateBounds::Ignored, ..PipelineOptions::empty() };
    let crm = PipelineSimulator::start(options).await.unwrap();
    let credential = cluster.link(PIPELINE, &crm).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_contacts-gateway"));
    command.env_clear().current_dir(folder.path()).stdin(Stdio::null()).env("GATEWAY_API_KEY", &cluster.key);
    let url = cluster.url(0).await.unwrap();
    command.args(["export", "--url", &url, "--credential", &credential]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.contains("could not be walked completely"), "{said}");
    assert!(said.contains("warning: ") && !said.contains("--cursor"), "{said}");
    assert_eq!(text(&output.stdout).lines().count(), PEOPLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_goes_on_after_the_gateway_was_killed() {
    let (cluster, folder) = (cluster().await, tempfile::tempdir().unwrap());
    let crm = &cluster.crms[PIPELINE];
    crm.fault(contacts_gateway::simulators::Fault::always(
        contacts_gateway::simulators::FaultKind::Latency { ms: 300 },
    ));
    let path = folder.path().to_owned();
    let address = cluster.url(0).await.unwrap().replace("http://", "");
    let (output, ()) = tokio::join!(export(&cluster, &path, &[]), async {
        while cluster.crms[PIPELINE].calls().iter().filter(|call| call.path == "/api/contacts").count() < 4 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        cluster.kill(0).await;
        crm.faults().clear();
        cluster.start(0, &[("GATEWAY_LISTEN", &address)]).await;
    });
    assert!(output.status.success(), "{}", text(&output.stderr));
    let ids: Vec<String> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].to_string())
        .collect();
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (PEOPLE, PEOPLE));
}
