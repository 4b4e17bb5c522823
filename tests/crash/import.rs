//! `contacts-gateway import`: every row is written once, whatever is killed, and every rejected row is kept with its reason.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use contacts_gateway::simulators::{Fault, FaultKind};

use super::cluster::Cluster;

/// The pipeline CRM, whose rate limit a test does not reach.
const PIPELINE: usize = 1;

/// A gateway, and the folder with the file to import.
struct Desk {
    cluster: Cluster,
    folder: tempfile::TempDir,
}

impl Desk {
    async fn with(content: &str) -> Self {
        let desk =
            Self { cluster: Cluster::set(None, 1, 1, &[]).await, folder: tempfile::tempdir().unwrap() };
        desk.write("people.csv", content);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    async fn command(&self, file: &str, flags: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_contacts-gateway"));
        command.env_clear().current_dir(self.folder.path()).stdin(Stdio::null());
        let url = self.cluster.url(0).await.unwrap();
        let credential = self.cluster.credential(PIPELINE, 0);
        command.args(["import", file, "--url", &url, "--credential", credential]).args(flags);
        command.env("GATEWAY_API_KEY", &self.cluster.key);
        command
    }

    async fn import(&self, file: &str, flags: &[&str]) -> Output {
        let mut command = self.command(file, flags).await;
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// Standard output of an import that succeeds.
    async fn ok(&self, file: &str, flags: &[&str]) -> String {
        let output = self.import(file, flags).await;
        assert!(output.status.success(), "{flags:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Everything that an import that fails prints.
    async fn fails(&self, file: &str, flags: &[&str]) -> String {
        let output = self.import(file, flags).await;
        let printed = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{flags:?}: {printed}");
        printed
    }

    /// How many contacts the CRM has with each last name, and how often each was written.
    fn held(&self) -> BTreeMap<String, usize> {
        let mut names = BTreeMap::new();
        for contact in self.cluster.crms[PIPELINE].contacts() {
            *names.entry(contact["lastName"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        names
    }

    fn writes(&self) -> usize {
        self.cluster.crms[PIPELINE].writes().len()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// So many people, each with a name and an e-mail address of their own.
fn people(count: usize) -> String {
    (0..count).fold("First name,Surname,E-mail,Phone\n".to_owned(), |mut text, n| {
        writeln!(text, "Person,Number{n},person-{n}@example.com,+1 415 555 {}", 2000 + n).unwrap();
        text
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_imported_once_and_refused_ones_are_kept_with_their_reason() {
    let content = "\u{feff}Surname;E-mail;Fax;Mobile phone\r\n\
        Okafor;ada@example.com;1;+1 416 555 0123\r\n\
        ;nobody@example.com;2;+1 416 555 0125\r\n\
        \"Moreau; Grace\";not an address;3;+1 416 555 0126\r\n\
        Chen;\"li@example.com\";4;+1 416 555 0124\r\n";
    let desk = Desk::with(content).await;
    let printed = desk.fails("people.csv", &[]).await;
    assert!(printed.contains("the column `Fax` matches no field"), "{printed}");
    assert_eq!(desk.writes(), 0);
    let printed = desk.fails("people.csv", &["--map", "Fax=-"]).await;
    assert!(printed.contains("2 imported, 2 rejected of 4 rows"), "{printed}");
    assert!(printed.contains("Mobile phone  phoneNumber"), "{printed}");
    assert_eq!(desk.held(), BTreeMap::from([("Okafor".into(), 1), ("Chen".into(), 1)]));
    let rejected = desk.read("people.rejected.csv");
    let lines: Vec<&str> = rejected.lines().collect();
    assert_eq!(lines[0], "Surname,E-mail,Fax,Mobile phone,reason");
    let mut rows = lines[1..].to_vec();
    rows.sort_unstable_by_key(|row| row.starts_with(','));
    assert!(rows[0].starts_with("Moreau; Grace,not an address,3,+1 416 555 0126,"), "{rejected}");
    assert!(rows[0].contains("/emailAddresses/0/emailAddress"), "{rejected}");
    assert!(
        rows[1].starts_with(",nobody@example.com,2,+1 416 555 0125,") && rows[1].contains("/lastName"),
        "{rejected}"
    );

    // A second run has nothing to do, and another file is not the same import.
    let writes = desk.writes();
    let printed = desk.fails("people.csv", &["--map", "Fax=-"]).await;
    assert!(printed.contains("4 of 4 rows are done"), "{printed}");
    assert!(printed.contains("Nothing was written now. In all: 2 imported"), "{printed}");
    assert_eq!(desk.writes(), writes);
    assert!(
        desk.fails("people.csv", &["--map", "Fax=account"])
            .await
            .contains("with another mapping or other flags")
    );
    desk.write("people.csv", format!("{content}Rossi;;5;\r\n"));
    assert!(desk.fails("people.csv", &["--map", "Fax=-"]).await.contains("another content of the file"));
    assert_eq!(desk.writes(), writes);

    // The rejected rows can be corrected and imported.
    let corrected =
        rejected.replace("not an address", "grace@example.com").replace("\n,nobody", "\nNobody,nobody");
    desk.write("people.rejected.csv", corrected);
    let printed = desk.ok("people.rejected.csv", &["--map", "Fax=-"]).await;
    assert!(printed.contains("2 imported, 0 rejected"), "{printed}");
    assert_eq!(desk.held().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_anywhere_goes_on_and_writes_each_row_once() {
    for point in ["import_noted:1", "import_noted:3", "import_sent:1", "import_sent:5", "import_rejected:1"] {
        let mut content = people(6);
        content.push_str("Person,Nobody,not an address,+1 415 555 3000\n");
        let desk = Desk::with(&content).await;
        let mut command = desk.command("people.csv", &[]).await;
        command.env("GATEWAY_CRASH_AT", point);
        let killed = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert_eq!(killed.status.code(), None, "{point}: {}", text(&killed.stderr));
        let printed = desk.fails("people.csv", &[]).await;
        assert!(printed.contains("6 imported, 1 rejected of 7 rows"), "{point}: {printed}");
        let expected: BTreeMap<String, usize> = (0..6).map(|n| (format!("Number{n}"), 1)).collect();
        assert_eq!((desk.held(), desk.writes()), (expected, 6), "{point}");
        assert_eq!(desk.read("people.rejected.csv").lines().count(), 2, "{point}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_or_a_crm_that_fails_meanwhile_costs_no_row_and_doubles_none() {
    let desk = Desk::with(&people(12)).await;
    let crm = &desk.cluster.crms[PIPELINE];
    crm.fault(Fault::once(FaultKind::ResetAfterApplying).on_writes());
    crm.fault(Fault::once(FaultKind::TooManyRequests { retry_after: Some("1".into()) }).on_writes());
    let mut command = desk.command("people.csv", &[]).await;
    let import = tokio::task::spawn_blocking(move || command.output().unwrap());
    while desk.writes() < 3 && !import.is_finished() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let address = desk.cluster.url(0).await.unwrap().replace("http://", "");
    desk.cluster.kill(0).await;
    desk.cluster.start(0, &[("GATEWAY_LISTEN", &address)]).await;
    let output = import.await.unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("12 imported, 0 rejected"));
    assert_eq!(desk.held(), (0..12).map(|n| (format!("Number{n}"), 1)).collect());
    assert_eq!(desk.writes(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_names_the_rows_that_would_be_refused_and_writes_nothing() {
    let desk = Desk::with(&people(3)).await;
    let printed = desk.ok("people.csv", &["--dry-run"]).await;
    assert!(printed.contains("3 rows can be imported; nothing was written."), "{printed}");
    desk.write("bad.csv", people(2) + "Person,Nobody,not an address,+1 415 555 3000\n");
    let printed = desk.fails("bad.csv", &["--dry-run"]).await;
    assert!(printed.contains("line 4: validation_failed: /emailAddresses/0/emailAddress"), "{printed}");
    assert!(printed.contains("1 of 3 rows would be rejected"), "{printed}");
    assert_eq!(desk.writes(), 0);
    assert!(!desk.path("people.csv.progress").exists() && !desk.path("bad.rejected.csv").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_crm_cannot_store_is_said_once_for_all_rows() {
    let desk = Desk::with("First name,Last name,Company,Phone\nA,One,Acme,+1 415 555 3001\n").await;
    desk.write(
        "people.csv",
        "First name,Last name,Company,Phone\nA,One,Acme,+1 415 555 3001\n,,,\nB,Two,Acme,+1 415 555 3002\nC,Three,,+1 415 555 3003\n",
    );
    for (flags, printed) in
        [(&["--dry-run"][..], "3 rows can be imported"), (&[], "3 imported, 0 rejected of 3 rows")]
    {
        let output = desk.import("people.csv", flags).await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains(printed), "{}", text(&output.stdout));
        let said = text(&output.stderr);
        assert!(said.contains("warning about 2 rows: not_stored: Not stored: contacts of the"), "{said}");
        assert_eq!(said.matches("have no company").count(), 1, "{said}");
    }
    assert_eq!(desk.writes(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_gateway_or_with_a_wrong_credential_it_fails_at_once() {
    let desk = Desk::with(&people(1)).await;
    let began = std::time::Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_contacts-gateway"));
    command.env_clear().current_dir(desk.folder.path()).stdin(Stdio::null()).env("GATEWAY_API_KEY", "x");
    command.args(["import", "people.csv", "--credential", "c", "--url"]);
    // A port that is bound and does not listen is nobody's.
    let bound = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://127.0.0.1:{}", bound.local_addr().unwrap().port());
    let output = tokio::task::spawn_blocking(move || command.arg(nobody).output().unwrap()).await.unwrap();
    let said = text(&output.stderr);
    assert!(said.contains("the gateway cannot be reached: Connection refused"), "{said}");
    let mut command = desk.command("people.csv", &[]).await;
    command.env("GATEWAY_API_KEY", "cg_wrong");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(text(&output.stderr).contains("error: unauthenticated:"), "{}", text(&output.stderr));
    assert!(began.elapsed().as_secs() < 30);
    assert!(!desk.path("people.csv.progress").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_yesterday_without_an_outcome_is_not_sent_again() {
    let desk = Desk::with(&people(2)).await;
    let mut command = desk.command("people.csv", &[]).await;
    command.env("GATEWAY_CRASH_AT", "import_noted:1");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let progress = desk.read("people.csv.progress");
    let (before, rest) = progress.split_once("\"at\":\"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    desk.write("people.csv.progress", format!("{before}\"at\":\"2026-01-01T00:00:00Z\"{after}"));
    let printed = desk.fails("people.csv", &[]).await;
    assert!(printed.contains("1 imported, 1 rejected of 2 rows"), "{printed}");
    assert_eq!(desk.held(), BTreeMap::from([("Number1".into(), 1)]));
    assert!(desk.read("people.rejected.csv").contains("outcome_unknown"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_or_flag_is_refused_before_the_first_write() {
    let desk = Desk::with("").await;
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    let cases: &[(&str, &[u8], &[&str], &str)] = &[
        ("empty.csv", b"", &[], "the file is empty"),
        (
            "cells.csv",
            b"Surname,E-mail\nA,a@example.com\nB\n",
            &[],
            "line 3: it has 1 cells, but the header has 2",
        ),
        ("latin.csv", b"Surname\nM\xfcller\n", &[], "UTF-8"),
        ("twice.csv", b"Surname,Surname\nA,B\n", &[], "two columns have the header `Surname`"),
        ("blank.csv", b"Surname,\nA,B\n", &[], "column 2 has no header"),
        ("nameless.csv", b"E-mail\na@example.com\n", &[], "no column fills `lastName`"),
        ("map.csv", b"Surname\nA\n", &["--map", "Surname"], "must be HEADER=FIELD"),
        ("field.csv", b"Surname\nA\n", &["--map", "Surname=family"], "there is no such field"),
        ("people.dat", b"Surname\nA\n", &[], "add --format csv"),
        ("list.ndjson", b"{\"lastName\":\"A\"}\n[1]\n", &[], "line 2: must be a JSON object"),
        ("double.ndjson", b"{\"lastName\":\"A\",\"lastName\":\"B\"}\n", &[], "line 1: "),
        ("missing.csv", b"", &["--format", "csv"], "cannot be read"),
    ];
    for (name, content, flags, expected) in cases {
        if *name != "missing.csv" {
            desk.write(name, content);
        }
        let printed = desk.fails(name, flags).await;
        assert!(printed.contains(expected), "{name}: {printed}");
    }
    desk.write("deep.ndjson", format!("{{\"lastName\":{deep}}}\n"));
    assert!(desk.fails("deep.ndjson", &[]).await.contains("line 1: nested deeper"));
    desk.write("people.csv", people(1));
    assert!(
        desk.fails("people.csv", &["--key-file", "none"])
            .await
            .contains("the API key cannot be read from none")
    );
    desk.write("key", "wrong\n");
    assert!(desk.fails("people.csv", &["--key-file", "key"]).await.contains("unauthenticated"));
    assert_eq!(desk.writes(), 0);
    assert!(
        desk.ok("people.csv", &[]).await.contains("1 imported"),
        "the same row goes on with the right key"
    );
    desk.write("headers.csv", "Surname,E-mail\n");
    assert!(desk.ok("headers.csv", &[]).await.contains("0 imported, 0 rejected of 0 rows"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_file_is_imported_and_an_upsert_updates_who_is_there() {
    let desk = Desk::with("").await;
    let lines = "{\"contact\":{\"id\":\"con_x\",\"remoteId\":\"x\",\"lastName\":\"Okafor\",\"emailAddresses\":[{\"emailAddress\":\"ada@example.com\"}],\"phoneNumbers\":[{\"phoneNumber\":\"+14155552000\"}],\"old\":1}}\n\
        {\"checkpoint\":\"abc\"}\n\n{\"lastName\":\"Chen\",\"Given\":\"Li\",\"phoneNumbers\":[{\"phoneNumber\":\"+14155552001\"}]}\n{\"end\":{\"complete\":true,\"count\":2}}\n";
    desk.write("people.ndjson", lines);
    let map = ["--map", "old=-", "--map", "Given=firstName"];
    assert!(desk.ok("people.ndjson", &map).await.contains("2 imported, 0 rejected of 2 rows"));
    assert_eq!(desk.held(), BTreeMap::from([("Okafor".into(), 1), ("Chen".into(), 1)]));
    desk.write(
        "more.csv",
        "Surname,First name,E-mail,Phone\nOkafor,Ada,ada@example.com,+1 415 555 2000\nRossi,Ugo,ugo@example.com,+1 415 555 2002\n",
    );
    let printed = desk.ok("more.csv", &["--upsert", "--match-on", "emailAddress"]).await;
    assert!(printed.contains("2 imported, 0 rejected of 2 rows"), "{printed}");
    let names: Vec<String> =
        desk.cluster.crms[PIPELINE].contacts().iter().map(|c| c["firstName"].to_string()).collect();
    assert_eq!(desk.held().len(), 3, "{names:?}");
    assert!(names.contains(&"\"Ada\"".to_owned()), "{names:?}");
}
