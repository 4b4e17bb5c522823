//! Debian's Chromium without a window, driven over its debugging pipe.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

/// How long a page may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a page is shown.
pub(crate) struct Look {
    pub(crate) name: &'static str,
    scheme: &'static str,
    width: u32,
    height: u32,
}

impl Look {
    pub(crate) const LIGHT: Self = Self { name: "light", scheme: "light", width: 1280, height: 900 };
    const DARK: Self = Self { name: "dark", scheme: "dark", width: 1280, height: 900 };
    pub(crate) const PHONE: Self = Self { name: "phone", scheme: "light", width: 390, height: 844 };
    /// A window of 1280 pixels at 400 %.
    pub(crate) const ZOOMED: Self = Self { name: "zoomed", scheme: "light", width: 320, height: 225 };
    /// Pictures for the documents.
    pub(crate) const PRINTED: [Self; 2] = [
        Self { name: "light", scheme: "light", width: 1120, height: 1180 },
        Self { name: "dark", scheme: "dark", width: 1120, height: 1180 },
    ];
    const DARK_PHONE: Self = Self { name: "phone-dark", scheme: "dark", width: 390, height: 844 };
    pub(crate) const ALL: &'static [Self] = &[Self::LIGHT, Self::DARK, Self::PHONE, Self::DARK_PHONE];
}

/// One browser with one tab, ended with the test.
pub(crate) struct Chromium {
    process: Child,
    to: ChildStdin,
    from: ChildStdout,
    unread: Vec<u8>,
    last_id: u64,
    session: String,
    /// What the page did since it was opened.
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Chromium {
    pub(crate) fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The browser reads commands from descriptor 3 and answers on descriptor 4.
        let run = "exec chromium --headless=new --no-sandbox --disable-gpu --remote-debugging-pipe --no-first-run \
                   --disable-background-networking --disable-component-update --hide-scrollbars --user-data-dir=\"$0\" \
                   about:blank 3<&0 4>&1 </dev/null >/dev/null";
        let mut process = Command::new("sh")
            .args(["-c", run])
            .arg(profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (to, from) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let (unread, events) = (Vec::new(), Vec::new());
        let mut chromium =
            Self { process, to, from, unread, last_id: 0, session: String::new(), events, _profile: profile };
        let tab = chromium.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let session =
            chromium.call("Target.attachToTarget", &json!({ "targetId": tab["targetId"], "flatten": true }));
        session["sessionId"].as_str().unwrap().clone_into(&mut chromium.session);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            chromium.call(&format!("{domain}.enable"), &json!({}));
        }
        chromium
    }

    /// Opens a page in a new document, also if it differs from the last one by its fragment only.
    pub(crate) fn open(&mut self, url: &str, look: &Look) {
        let Look { scheme, width, height, .. } = *look;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", &json!({ "features": features }));
        self.call("Page.navigate", &json!({ "url": "about:blank" }));
        self.wait("location.href === 'about:blank'");
        self.events.clear();
        self.call("Page.navigate", &json!({ "url": url }));
    }

    pub(crate) fn reload(&mut self) {
        self.evaluate("document.body.remove()");
        self.call("Page.reload", &json!({}));
    }

    /// Waits until the expression is true.
    pub(crate) fn wait(&mut self, expression: &str) {
        let began = Instant::now();
        let expression = format!("(() => {{ try {{ return {expression} }} catch {{ return false }} }})()");
        while self.evaluate(&expression) != true {
            assert!(
                began.elapsed() < PATIENCE,
                "not within {PATIENCE:?}: {expression}\n{:#?}",
                self.faults()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let found =
            self.call("Runtime.evaluate", &json!({ "expression": expression, "returnByValue": true }));
        assert!(found["exceptionDetails"].is_null(), "{expression}: {found}");
        found["result"]["value"].clone()
    }

    pub(crate) fn picture(&mut self, path: &Path) {
        let picture = self.call("Page.captureScreenshot", &json!({ "format": "png" }));
        let png =
            base64::engine::general_purpose::STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::write(path, png).unwrap();
    }

    /// Fails if the page wrote to the console, broke its policy, or asked anybody but `base`.
    pub(crate) fn is_clean(&mut self, base: &str) {
        assert_eq!(self.faults(), [""; 0]);
        let asked: Vec<&str> =
            self.events.iter().filter_map(|event| event["params"]["request"]["url"].as_str()).collect();
        assert!(!asked.is_empty());
        // Icons are inline.
        let others: Vec<_> =
            asked.iter().filter(|url| !url.starts_with(base) && !url.starts_with("data:")).collect();
        assert!(others.is_empty(), "{others:?}");
    }

    fn faults(&self) -> Vec<String> {
        let kinds = [
            "Log.entryAdded",
            "Runtime.consoleAPICalled",
            "Runtime.exceptionThrown",
            "Network.loadingFailed",
        ];
        let is_fault = |event: &&Value| kinds.iter().any(|kind| event["method"] == *kind);
        self.events.iter().filter(is_fault).map(ToString::to_string).collect()
    }

    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let mut found = self.message();
            if found["id"] == self.last_id {
                assert!(found["error"].is_null(), "{method}: {found}");
                return found["result"].take();
            }
            self.events.push(found);
        }
    }

    /// The next message; each ends with a zero byte.
    fn message(&mut self) -> Value {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == 0) {
                let message: Vec<u8> = self.unread.drain(..=end).collect();
                return serde_json::from_slice(&message[..end]).unwrap();
            }
            let mut part = vec![0; 1 << 16];
            let length = self.from.read(&mut part).unwrap();
            assert!(length > 0, "chromium ended; is it installed?");
            self.unread.extend_from_slice(&part[..length]);
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
