//! nginx, which serves the gateway under a path prefix and strips it, as operators configure it.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// nginx on a free port, ended with the test.
pub(crate) struct Proxy {
    process: Child,
    pub(crate) address: String,
    _folder: tempfile::TempDir,
}

impl Proxy {
    pub(crate) fn start(gateway: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let configuration = format!(
            "daemon off; pid nginx.pid; error_log error.log;\nevents {{}}\nhttp {{\n  access_log off;\n  client_body_temp_path body;\n  \
             proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n  \
             server {{ listen {address}; location /some/prefix/ {{ proxy_pass http://{gateway}/; }} }}\n}}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), configuration).unwrap();
        let process = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let proxy = Self { process, address, _folder: folder };
        let began = Instant::now();
        while TcpStream::connect(&proxy.address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(10), "nginx does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The master ends its workers.
        drop(Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status());
        drop(self.process.wait());
    }
}
