//! A PostgreSQL server for tests: made when it is asked for, and ended with the process that asked, whatever ends that.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// The server's whole life. It lives in a folder of its own, obeys the lines it reads, and when nothing more can be read,
/// because the tests ended or were killed, it ends what it started and removes the folder. Nothing is written through to
/// the disk: what these tests prove about lost power they prove elsewhere.
const LIFE: &str = r#"
set -eu
cd /
folder=$(mktemp -d)
server() { timeout 60 pg_ctl -D "$folder/db" -w -t 50 -l "$folder/log" "$@" >/dev/null 2>&1 </dev/null; }
trap 'kill $(cat "$folder"/pooler.*.pid 2>/dev/null) 2>/dev/null || true; server stop -m immediate || true; rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
# Whoever asked may be gone before the answer: a failed write ends this in order, the signal would not.
trap '' PIPE
printf '%s' "$PASSWORD" >"$folder/password"
timeout 120 initdb -D "$folder/db" -U gateway --pwfile="$folder/password" -A scram-sha-256 -E UTF8 --locale=C --no-sync \
  >"$folder/log" 2>&1 </dev/null || { cat "$folder/log" >&2; exit 1; }
cat >>"$folder/db/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
port = $PORT
unix_socket_directories = '$folder'
fsync = off
full_page_writes = off
max_connections = 400
shared_buffers = 16MB
END
# Two connections to a database for all its clients, so that they meet each other's.
pooler() {
  cat >"$folder/pooler.$1.ini" <<END
[databases]
* = host=127.0.0.1 port=$PORT
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $1
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $folder/users
pool_mode = transaction
default_pool_size = 2
max_client_conn = 2000
ignore_startup_parameters = $2
logfile = $folder/pooler.$1.log
pidfile = $folder/pooler.$1.pid
END
  pgbouncer -q -d "$folder/pooler.$1.ini" >/dev/null 2>&1 </dev/null
}
server start || { cat "$folder/log" >&2; exit 1; }
echo ready
while read -r order; do
  case $order in
    start) server start ;;
    stop) server stop -m immediate ;;
    poolers)
      printf '"gateway" "%s"\n' "$PASSWORD" >"$folder/users"
      pooler "$POOLER_PORT" search_path
      pooler "$LENIENT_POOLER_PORT" extra_float_digits,options ;;
  esac
  echo "did $order"
done
"#;

/// A running server.
pub struct Server {
    /// Orders go in, answers come out; one at a time.
    line: Mutex<(Option<ChildStdin>, BufReader<ChildStdout>)>,
    child: Mutex<Child>,
    port: u16,
    /// One that refuses settings in the greeting, and one that drops them.
    poolers: [u16; 2],
    pooling: OnceLock<bool>,
    made: AtomicU32,
}

/// Known to nobody else, and to be seen in no log.
pub const PASSWORD: &str = "canary-of-a-database-password";

impl Server {
    /// The server that all tests of this process share. `None` where PostgreSQL is not installed, which is said aloud;
    /// where the environment says CI, that is a failure.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// A server of its own, for tests that stop it.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(std::env::var_os("CI").is_none(), "PostgreSQL is not installed, and CI skips no test");
            // Past the test harness, which would keep it to itself while tests pass.
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: PostgreSQL is not installed (initdb and pg_ctl); its tests show nothing"
            );
            return None;
        };
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (port, poolers) = (free(), [free(), free()]);
        let mut child = as_somebody()
            .args(["sh", "-c", LIFE])
            .env("PATH", format!("{}:/usr/bin:/bin:/usr/sbin", programs.display()))
            .envs(
                [("PORT", port), ("POOLER_PORT", poolers[0]), ("LENIENT_POOLER_PORT", poolers[1])]
                    .map(|(name, port)| (name, port.to_string())),
            )
            .envs([("PASSWORD", PASSWORD.to_owned()), ("LC_ALL", "C".to_owned())])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let line = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let (line, child, made) = (line.into(), child.into(), AtomicU32::new(0));
        let server = Self { line, child, port, poolers, pooling: OnceLock::new(), made };
        assert_eq!(server.heard(), "ready");
        Some(server)
    }

    /// Stops it as a crash does.
    pub fn stop(&self) {
        self.order("stop");
    }

    /// Starts it again, with what was committed.
    pub fn start_again(&self) {
        self.order("start");
    }

    /// The URL of `database`.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://gateway:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// The URLs of `database` through PgBouncer in transaction mode, which is started when it is first asked for: one that
    /// refuses settings in the greeting, and one that drops them. `None` where it is not installed, with the same
    /// consequence as for PostgreSQL.
    pub fn pooled_urls(&self, database: &str) -> Option<[String; 2]> {
        let running = self.pooling.get_or_init(|| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let mut folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
            if !folders.any(|folder| folder.join("pgbouncer").exists()) {
                assert!(std::env::var_os("CI").is_none(), "PgBouncer is not installed, and CI skips no test");
                let _ = writeln!(
                    std::io::stderr(),
                    "SKIPPED: PgBouncer is not installed (pgbouncer); its tests show nothing"
                );
                return false;
            }
            self.order("poolers");
            let listens = |port: &u16| TcpStream::connect(("127.0.0.1", *port)).is_ok();
            let mut tries = 0;
            while !self.poolers.iter().all(listens) {
                tries += 1;
                assert!(tries < 3000, "PgBouncer does not listen");
                std::thread::sleep(Duration::from_millis(10));
            }
            true
        });
        let url = |port| format!("postgres://gateway:{PASSWORD}@127.0.0.1:{port}/{database}");
        running.then(|| self.poolers.map(url))
    }

    /// A name for a new database, which no other test has.
    pub fn new_name(&self) -> String {
        format!("test_{}", self.made.fetch_add(1, Ordering::Relaxed))
    }

    fn order(&self, order: &str) {
        writeln!(self.line.lock().unwrap().0.as_ref().unwrap(), "{order}").unwrap();
        assert_eq!(self.heard(), format!("did {order}"));
    }

    /// The next line. The other side bounds everything it does, and its end is an empty line here.
    fn heard(&self) -> String {
        let mut heard = String::new();
        self.line.lock().unwrap().1.read_line(&mut heard).unwrap();
        heard.trim_end().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its orders is the order to end. It is waited for, so that nothing is left behind.
        if let (Ok((orders, _)), Ok(child)) = (self.line.get_mut(), self.child.get_mut()) {
            drop(orders.take());
            let _ = child.wait();
        }
    }
}

/// The folder of PostgreSQL's programs; Debian keeps them out of the way.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.filter_map(|version| Some(version.ok()?.path().join("bin"))));
    }
    let whole = |folder: &Path| ["initdb", "pg_ctl"].iter().all(|program| folder.join(program).exists());
    folders.into_iter().find(|folder| whole(folder))
}

/// PostgreSQL refuses to run as root: root lends it the user that its package made.
fn as_somebody() -> Command {
    let root =
        std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let mut command = Command::new(if root { "setpriv" } else { "env" });
    if root {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "env"]);
    }
    command
}
