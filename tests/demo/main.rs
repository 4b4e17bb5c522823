//! What the documents tell people to send to the demo, sent to the demo: it must answer as they say.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test fails by panicking")]

#[path = "../support/demo.rs"]
mod demo;
mod examples;
mod readme;
mod samples;

use std::process::Command;

pub(crate) use demo::Demo;

/// What runs a text of the documents.
pub(crate) struct Interpreter {
    /// The program and its arguments before the text.
    pub(crate) command: &'static [&'static str],
    /// A call that succeeds if the program is there, with what the documents import.
    probe: &'static [&'static str],
}

pub(crate) const SHELL: Interpreter = Interpreter { command: &["bash", "-c"], probe: &["curl", "--version"] };
pub(crate) const PYTHON: Interpreter =
    Interpreter { command: &["python3", "-c"], probe: &["python3", "-c", "import requests"] };
/// What is TypeScript in the documents is JavaScript too. Node.js 18 needs the flag, later versions ignore it.
pub(crate) const NODE: Interpreter = Interpreter {
    command: &["node", "--experimental-global-webcrypto", "--input-type=module", "-e"],
    probe: &["node", "--version"],
};

impl Interpreter {
    /// Whether it is there. CI must not skip what needs it.
    pub(crate) fn is_there(&self) -> bool {
        let found = Command::new(self.probe[0]).args(&self.probe[1..]).output();
        let is_there = found.is_ok_and(|output| output.status.success());
        assert!(
            is_there || std::env::var_os("CI").is_none(),
            "{:?} fails, and CI must not skip this test",
            self.probe
        );
        if !is_there {
            eprintln!("SKIPPED: {:?} fails, so no text for it was run", self.probe);
        }
        is_there
    }
}
