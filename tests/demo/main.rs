//! What the documents tell people to send to the demo, sent to the demo: it must answer as they say.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test fails by panicking")]

mod examples;
mod readme;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The demo on a free port, ended with the test.
pub(crate) struct Demo {
    pub(crate) process: Child,
    pub(crate) address: String,
    /// What it tells a newcomer.
    pub(crate) printed: String,
    pub(crate) folder: tempfile::TempDir,
}

impl Demo {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_contacts-gateway"))
            .args(["demo", "--listen", "127.0.0.1:0"])
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut printed = String::new();
        for line in lines {
            printed.push_str(&line);
            printed.push('\n');
            if line.starts_with("Ctrl-C") {
                break;
            }
        }
        let address = printed.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        Self { process, address, printed, folder }
    }

    /// Runs a `curl` line through a shell, as a reader would.
    pub(crate) fn run(&self, line: &str) -> String {
        let line = line.replace("127.0.0.1:8080", &self.address);
        let output = Command::new("sh").args(["-c", &line]).output().unwrap();
        assert!(output.status.success(), "{line}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
