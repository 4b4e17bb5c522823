//! The demo as a process of its own, ended with the test.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The demo on a free port.
pub(crate) struct Demo {
    pub(crate) process: Child,
    pub(crate) address: String,
    /// What it tells a newcomer.
    pub(crate) printed: String,
    pub(crate) folder: tempfile::TempDir,
    log: tempfile::NamedTempFile,
}

impl Demo {
    pub(crate) fn start() -> Self {
        let (folder, log) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
        let mut process = Command::new(env!("CARGO_BIN_EXE_contacts-gateway"))
            .args(["demo", "--listen", "127.0.0.1:0"])
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut printed = String::new();
        for line in lines {
            printed.push_str(&line);
            printed.push('\n');
            if line.contains("Ctrl-C stops") {
                break;
            }
        }
        let address = printed.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        Self { process, address, printed, folder, log }
    }

    /// The demo's published key.
    pub(crate) fn key(&self) -> &str {
        self.printed.lines().find_map(|line| line.strip_prefix("export KEY=")).unwrap()
    }

    /// What it has printed about calls, once these are so many lines.
    pub(crate) fn log(&self, lines: usize) -> String {
        let mut log = String::new();
        for _ in 0..1000 {
            log = std::fs::read_to_string(self.log.path()).unwrap();
            if log.lines().count() >= lines {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        log
    }

    /// The address of a simulated CRM.
    pub(crate) fn simulator(&self, provider: &str) -> &str {
        let line = self.printed.lines().find(|line| line.starts_with(provider)).unwrap();
        line.split_whitespace().nth(1).unwrap()
    }

    /// Runs `curl` lines through a shell, as a reader would who has set `KEY`.
    pub(crate) fn run(&self, lines: &str) -> String {
        self.interpret(&["sh", "-c"], lines)
    }

    /// Runs a text by an interpreter that takes it as its last argument.
    pub(crate) fn interpret(&self, interpreter: &[&str], text: &str) -> String {
        // The addresses of the documents, at ports that are free here.
        let free = |text: String, address| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            text.replace(address, &listener.local_addr().unwrap().to_string())
        };
        let text = ["127.0.0.1:8081", "127.0.0.1:8090"]
            .into_iter()
            .fold(text.replace("127.0.0.1:8080", &self.address), free);
        let mut path =
            Path::new(env!("CARGO_BIN_EXE_contacts-gateway")).parent().unwrap().to_owned().into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let output = Command::new(interpreter[0])
            .args(&interpreter[1..])
            .arg(&text)
            .env("KEY", self.key())
            .env("PATH", path)
            .envs([("APTLY", self.simulator("aptly")), ("PIPELINE", self.simulator("pipeline"))])
            .output()
            .unwrap();
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
