//! The processes that are measured: the gateway as shipped, and nginx as the reference that copies bytes.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::mock::Mock;

/// The core of gateway and nginx; the callers and the mock have the other one.
const MEASURED_CORE: &str = "0";
const LOAD_CORE: &str = "1";
/// The operator's.
pub(crate) const ADMIN_TOKEN: &str = "operator-of-the-benchmark-k7wq2zx9";
/// How long a start may take; valgrind is slow.
const LONGEST_START: Duration = Duration::from_mins(5);

/// A process that ends with this value.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Nanoseconds of CPU of all threads of the process and of its children.
    pub(crate) fn cpu(&self) -> u64 {
        tree(self.id()).into_iter().map(cpu_of).sum()
    }

    /// Resident MiB of the process and of its children.
    pub(crate) fn resident_mib(&self) -> f64 {
        tree(self.id()).into_iter().map(resident_kib).sum::<f64>() / 1024.0
    }

    /// Asks it to stop, and waits.
    pub(crate) fn stop(&mut self) {
        signal(self.id(), Signal::TERM);
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // nginx's worker would outlive its master.
        for id in tree(self.id()) {
            signal(id, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

fn signal(id: u32, signal: Signal) {
    if let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // It may have ended.
        let _ = kill_process(id, signal);
    }
}

fn tree(id: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    std::iter::once(id).chain(children.split_whitespace().filter_map(|id| id.parse().ok())).collect()
}

fn cpu_of(id: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let of_task = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    tasks.filter_map(of_task).sum()
}

/// Nanoseconds that the measured core was busy with programs, whosever.
pub(crate) fn core_busy() -> u64 {
    const TICK: u64 = 10_000_000;
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("cpu0 "));
    let ticks =
        line.into_iter().flat_map(str::split_whitespace).filter_map(|ticks| ticks.parse::<u64>().ok());
    // Programs, those with a low priority, and the kernel on their behalf.
    ticks.take(3).sum::<u64>() * TICK
}

fn resident_kib(id: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Moves this process to the core of the load. Later threads inherit it.
pub(crate) fn pin_load() -> Result<()> {
    let id = std::process::id().to_string();
    let done =
        Command::new("taskset").args(["-a", "-c", "-p", LOAD_CORE, &id]).stdout(Stdio::null()).status();
    ensure!(
        done.is_ok_and(|status| status.success()),
        "this machine has no second core, or no `taskset` (Debian: util-linux)"
    );
    Ok(())
}

/// As many open files as the system allows: idle connections are measured by thousands.
pub(crate) fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// How the gateway's process is started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// On the measured core.
    Pinned,
    /// Under callgrind, with one worker thread.
    Counted,
}

/// A database with a tenant, a key and a credential for each CRM, and the binary that serves it.
pub(crate) struct Gateway {
    binary: PathBuf,
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
    /// Its URL.
    database: String,
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    /// The ids of the credentials.
    pub(crate) pipeline: String,
    pub(crate) aptly: String,
}

impl Gateway {
    /// Sets everything up with the binary's own commands, in an empty `database` or in a new file of SQLite.
    pub(crate) fn prepare(binary: &Path, mock: &Mock, database: Option<String>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = || format!("sqlite://{}/gateway.db", folder.path().display());
        let database = database.unwrap_or_else(file);
        let address = free_address()?;
        let mut gateway = Self {
            binary: binary.to_owned(),
            environment: Vec::new(),
            database,
            address,
            key: String::new(),
            pipeline: String::new(),
            aptly: String::new(),
            folder,
        };
        let key = gateway.run(&["master-key", "generate"], "")?;
        gateway.environment = environment(&gateway.database, address, key.trim(), mock);
        let limits = gateway.folder.path().join("gateway.toml");
        // On, as shipped, and higher than any load.
        let raised = "per_minute = 1000000\nper_second = 1000000\n";
        fs::write(&limits, format!("[limits.upstream.aptly]\n{raised}[limits.upstream.pipeline]\n{raised}"))?;
        gateway.environment.push(("GATEWAY_CONFIG", limits.display().to_string()));
        if gateway.run(&["check-config"], "").is_err() {
            eprintln!("this binary cannot configure rate limits: Aptly is limited to 120 calls a minute");
            gateway.environment.pop();
        }
        gateway.run(&["migrate"], "")?;
        gateway.run(&["tenant", "create", "bench"], "")?;
        let scopes = ["--scope", "contacts:read,contacts:write,credentials:write"];
        let said = gateway
            .run(&[&["key", "create", "--tenant", "bench", "--name", "bench"], &scopes[..]].concat(), "")?;
        gateway.key = word(&said, "cg_")?;
        gateway.pipeline = gateway.credential("pipeline", mock.pipeline, "{\"token\":\"t\"}", "pipeline")?;
        gateway.aptly = gateway.credential("aptly", mock.aptly, "{\"apiKey\":\"k\"}", "aptly")?;
        Ok(gateway)
    }

    /// Adds a credential, and returns its id.
    pub(crate) fn credential(
        &self,
        provider: &str,
        at: SocketAddr,
        secret: &str,
        name: &str,
    ) -> Result<String> {
        let settings = format!("{{\"baseUrl\":\"http://{at}\",\"defaultRegion\":\"US\"}}");
        let add =
            ["credential", "add", "--no-verify", "--tenant", "bench", "--provider", provider, "--name", name];
        word(&self.run(&[&add[..], &["--settings", &settings]].concat(), secret)?, "cred_")
    }

    /// The URL of its database.
    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    fn command(&self, way: Option<Way>) -> Command {
        let mut command = match way {
            None => Command::new(&self.binary),
            Some(Way::Pinned) => {
                let mut command = Command::new("taskset");
                command.args(["-c", MEASURED_CORE]).arg(&self.binary);
                command
            }
            Some(Way::Counted) => {
                let mut command = Command::new("valgrind");
                let out = self.folder.path().join("callgrind.out");
                command
                    .args(["--tool=callgrind", "--instr-atstart=no", "--vgdb-poll=500"])
                    .arg(format!("--callgrind-out-file={}", out.display()));
                command.arg(&self.binary);
                command
            }
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).current_dir(self.folder.path());
        if way == Some(Way::Counted) {
            command.env("TOKIO_WORKER_THREADS", "1");
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command of the binary, and returns what it prints.
    fn run(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut command = self.command(None);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot run {}", self.binary.display()))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that reads nothing may have ended.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output()?;
        let (said, wrong) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "`contacts-gateway {}` failed: {wrong}", arguments.join(" "));
        Ok(said.into_owned())
    }

    /// Starts to serve; the result may not listen yet.
    pub(crate) fn spawn(&self, way: Way) -> Result<Process> {
        let log = fs::File::create(self.folder.path().join("log"))?;
        let child = self
            .command(Some(way))
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        Ok(Process(child.context("cannot start it; is valgrind installed?")?))
    }

    /// Serves, and listens.
    pub(crate) fn start(&self, way: Way) -> Result<Process> {
        let process = self.spawn(way)?;
        listening(self.address)
            .with_context(|| fs::read_to_string(self.folder.path().join("log")).unwrap_or_default())?;
        Ok(process)
    }

    /// Begins to count the instructions of `process`, which starts without: its start would take a minute.
    pub(crate) fn begin_count(&self, process: &Process) -> Result<()> {
        control(process, self.address, &["instrumentation", "on"])
    }

    /// The instructions that were counted since the last call. The profile is left in the file `kept`.
    pub(crate) fn counted(&self, process: &Process, kept: Option<&Path>) -> Result<u64> {
        control(process, self.address, &["dump"])?;
        // Each dump sets the counters back, and writes the next file.
        let mut newest: Option<(std::time::SystemTime, PathBuf)> = None;
        for entry in fs::read_dir(self.folder.path())? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("callgrind.out.") {
                let at = entry.metadata()?.modified()?;
                newest = newest.max(Some((at, entry.path())));
            }
        }
        let (_, path) = newest.context("callgrind wrote no file")?;
        let text = fs::read_to_string(&path)?;
        if let Some(kept) = kept {
            fs::write(kept, &text)?;
        }
        fs::remove_file(&path)?;
        let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
        total.context("callgrind wrote no total")
    }
}

/// Sends a command to callgrind, which looks for one while its program runs. `vgdb` would wake a program that waits by
/// `ptrace`, which containers may forbid; connections wake it as well.
fn control(process: &Process, address: SocketAddr, command: &[&str]) -> Result<()> {
    let mut sent = Command::new("vgdb")
        .args(["--max-invoke-ms=0", &format!("--pid={}", process.id())])
        .args(command)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start `vgdb`; is valgrind installed?")?;
    let began = Instant::now();
    while sent.try_wait()?.is_none() {
        if began.elapsed() > LONGEST_START {
            sent.kill()?;
            break;
        }
        drop(TcpStream::connect(address));
        thread::sleep(Duration::from_millis(20));
    }
    let done = sent.wait_with_output()?;
    ensure!(done.status.success(), "vgdb failed: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

fn environment(database: &str, address: SocketAddr, key: &str, mock: &Mock) -> Vec<(&'static str, String)> {
    let raised = "1000000".to_owned();
    vec![
        ("GATEWAY_LISTEN", address.to_string()),
        ("GATEWAY_DATABASE_URL", database.to_owned()),
        ("GATEWAY_ADMIN_TOKEN", ADMIN_TOKEN.to_owned()),
        ("GATEWAY_MASTER_KEY", key.to_owned()),
        ("GATEWAY_UPSTREAM_ALLOW", format!("{},{}", mock.pipeline, mock.aptly)),
        ("GATEWAY_KEY_RATE", raised.clone()),
        ("GATEWAY_KEY_BURST", raised.clone()),
        ("GATEWAY_TENANT_IN_FLIGHT", raised.clone()),
        ("GATEWAY_CREDENTIAL_IN_FLIGHT", raised.clone()),
        ("GATEWAY_IN_FLIGHT", raised),
        ("GATEWAY_TENANT_CREDENTIALS", "0".to_owned()),
        ("GATEWAY_TENANT_LEDGER_ROWS", "0".to_owned()),
        ("GATEWAY_TENANT_LEDGER_BYTES", "0".to_owned()),
    ]
}

/// The word in `text` that begins with `prefix`.
fn word(text: &str, prefix: &str) -> Result<String> {
    let found = text.split_whitespace().find(|word| word.starts_with(prefix));
    found.map(str::to_owned).with_context(|| format!("no {prefix}… in: {text}"))
}

fn listening(address: SocketAddr) -> Result<()> {
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        if began.elapsed() > LONGEST_START {
            bail!("nothing listens on {address}");
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// nginx in front of the mock: it copies bytes and does nothing else.
pub(crate) struct Nginx {
    pub(crate) process: Process,
    pub(crate) pipeline: SocketAddr,
    pub(crate) aptly: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Nginx {
    pub(crate) fn start(mock: &Mock) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (pipeline, aptly) = (free_address()?, free_address()?);
        let at = folder.path().display();
        let server = |name: &str, upstream: SocketAddr, address: SocketAddr| {
            format!(
                "upstream {name} {{ server {upstream}; keepalive 64; keepalive_requests 1000000; }}\n\
                 server {{ listen {address}; location / {{ proxy_pass http://{name}; proxy_http_version 1.1; \
                 proxy_set_header Connection \"\"; }} }}\n"
            )
        };
        let root = rustix::process::getuid().is_root();
        let configuration = format!(
            "{}daemon off; worker_processes 1; pid {at}/pid; error_log {at}/error.log;\n\
             events {{ worker_connections 4096; }}\nhttp {{ access_log off; keepalive_requests 1000000; \
             tcp_nodelay on; proxy_max_temp_file_size 0; client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; \
             fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n{}{} }}\n",
            if root { "user root;\n" } else { "" },
            server("pipeline", mock.pipeline, pipeline),
            server("aptly", mock.aptly, aptly),
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, configuration)?;
        let path = std::env::var_os("PATH").unwrap_or_default().to_string_lossy().into_owned();
        let child = Command::new("taskset")
            .args(["-c", MEASURED_CORE, "nginx", "-p"])
            .arg(folder.path())
            .arg("-c")
            .arg(&file)
            // Debian keeps it out of the path of ordinary users.
            .env("PATH", format!("{path}:/usr/sbin"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let process = Process(child);
        let listens = listening(pipeline).and_then(|()| listening(aptly));
        listens.context("nginx does not start; it is the reference: apt-get install nginx-light")?;
        Ok(Self { process, pipeline, aptly, _folder: folder })
    }
}
