//! A container engine and Compose, by their command lines. What is started here is removed when it is dropped.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

pub(crate) fn master_key() -> &'static str {
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn words(variable: &str, usual: &str) -> Vec<String> {
    let text = std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
    text.split_whitespace().map(str::to_owned).collect()
}

fn output(command: &[String], arguments: &[&str]) -> Output {
    let ran = Command::new(&command[0]).args(&command[1..]).args(arguments).stdin(Stdio::null()).output();
    ran.unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"))
}

fn done(command: &[String], arguments: &[&str]) -> String {
    let out = output(command, arguments);
    let (text, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{command:?} {arguments:?}: {text}{errors}");
    text.trim().to_owned()
}

pub(crate) struct Engine {
    command: Vec<String>,
    run: Vec<String>,
}

/// A container, removed with this value.
pub(crate) struct Started {
    command: Vec<String>,
    name: String,
}

/// A network and a volume of the same name.
pub(crate) struct Network {
    command: Vec<String>,
    pub(crate) name: String,
}

impl Engine {
    pub(crate) fn from_environment() -> Self {
        Self { command: words("CONTAINER_ENGINE", "docker"), run: words("CONTAINER_RUN", "") }
    }

    /// The image under test, built if none is given.
    pub(crate) fn image(&self) -> String {
        if let Ok(image) = std::env::var("CONTAINER_IMAGE") {
            return image;
        }
        let image = "contacts-gateway:under-test";
        done(&self.command, &["build", "--tag", image, env!("CARGO_MANIFEST_DIR")]);
        image.to_owned()
    }

    pub(crate) fn tag(&self, image: &str, name: &str) {
        done(&self.command, &["tag", image, name]);
    }

    pub(crate) fn size(&self, image: &str) -> u64 {
        done(&self.command, &["image", "inspect", "--format", "{{.Size}}", image]).parse().unwrap()
    }

    pub(crate) fn network(&self, name: &str) -> Network {
        let network = Network { command: self.command.clone(), name: name.to_owned() };
        network.remove();
        done(&self.command, &["network", "create", name]);
        done(&self.command, &["volume", "create", name]);
        network
    }

    pub(crate) fn run(&self, image: &str, name: &str, arguments: &[&str], command: &[&str]) -> Started {
        let started = Started { command: self.command.clone(), name: name.to_owned() };
        started.remove();
        let more = self.run.iter().map(String::as_str);
        let all: Vec<&str> = ["run", "--detach", "--name", name]
            .into_iter()
            .chain(more)
            .chain(arguments.iter().copied())
            .chain([image])
            .chain(command.iter().copied())
            .collect();
        done(&self.command, &all);
        started
    }

    /// The word behind `mark` in what a container printed, once it did.
    pub(crate) fn printed(&self, started: &Started, mark: &str) -> String {
        let began = Instant::now();
        loop {
            let out = output(&self.command, &["logs", &started.name]);
            let text =
                format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
            if let Some((_, rest)) = text.split_once(mark)
                && let Some((word, _)) = rest.split_once('\n')
            {
                return word.trim().to_owned();
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{}: {text}", started.name);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Stops a container by TERM, and returns its exit code.
    pub(crate) fn stop(&self, started: &Started) -> i32 {
        done(&self.command, &["stop", "--time", "40", &started.name]);
        done(&self.command, &["inspect", "--format", "{{.State.ExitCode}}", &started.name]).parse().unwrap()
    }

    pub(crate) fn exec(&self, started: &Started, command: &[&str]) -> Result<String, String> {
        let out = output(&self.command, &[&["exec", &started.name], command].concat());
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        if out.status.success() { Ok(text) } else { Err(text) }
    }

    /// What the kernel says about the container's first process.
    pub(crate) fn status_of(&self, started: &Started) -> String {
        let pid = done(&self.command, &["inspect", "--format", "{{.State.Pid}}", &started.name]);
        std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap()
    }
}

impl Started {
    fn remove(&self) {
        drop(output(&self.command, &["rm", "--force", "--time", "1", &self.name]));
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let out = output(&self.command, &["logs", &self.name]);
            eprint_all(&self.name, &out);
        }
        self.remove();
    }
}

#[expect(clippy::print_stderr, reason = "a failed test shows what the containers said")]
fn eprint_all(name: &str, out: &Output) {
    eprintln!("== {name}\n{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
}

impl Network {
    fn remove(&self) {
        drop(output(&self.command, &["network", "rm", &self.name]));
        drop(output(&self.command, &["volume", "rm", &self.name]));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A project of the compose file, with a `.env` of its own. It is taken down, with its volumes, when it is dropped.
pub(crate) struct Compose {
    command: Vec<String>,
    _folder: tempfile::TempDir,
    project: String,
    pub(crate) url: String,
}

impl Compose {
    pub(crate) fn new(_: &Engine, project: &str, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (file, port) = (folder.path().join(".env"), free_port());
        let mut env = std::fs::File::create(&file).unwrap();
        writeln!(env, "GATEWAY_MASTER_KEY={}\nGATEWAY_PORT={port}", master_key()).unwrap();
        for (name, value) in settings {
            writeln!(env, "{name}={value}").unwrap();
        }
        let mut command = words("CONTAINER_COMPOSE", "docker compose");
        let compose = format!("{}/docker-compose.yml", env!("CARGO_MANIFEST_DIR"));
        let arguments = ["--project-name", project, "--env-file", file.to_str().unwrap(), "--file", &compose];
        command.extend(arguments.map(str::to_owned));
        for file in words("CONTAINER_OVERRIDE", "") {
            command.extend(["--file".to_owned(), file]);
        }
        let compose = Self {
            command,
            _folder: folder,
            project: project.to_owned(),
            url: format!("http://127.0.0.1:{port}"),
        };
        compose.down();
        compose
    }

    /// Starts services; profiles come before them.
    pub(crate) fn up(&self, what: &[&str]) {
        let (profiles, services) = what.split_at(what.len() - 1);
        self.run(&[profiles, &["up", "--detach", "--no-build"], services].concat());
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        done(&self.command, arguments)
    }

    pub(crate) fn exec(&self, service: &str, command: &[&str]) -> String {
        self.run(&[&["exec", "--no-TTY", service], command].concat())
    }

    pub(crate) fn network(&self) -> String {
        format!("{}_default", self.project)
    }

    fn down(&self) {
        let down = ["--profile", "postgres", "down", "--volumes", "--timeout", "1"];
        drop(output(&self.command, &down));
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprint_all("compose", &output(&self.command, &["--profile", "postgres", "logs", "--tail", "30"]));
        }
        self.down();
    }
}
