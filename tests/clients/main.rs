//! Clients that generators make from the OpenAPI document: generated, compiled strictly, and run against the demo. And what
//! linters and schemathesis find in the document and the server.
//!
//! It installs the generators and linters with `npm` and `pip`, so it needs a network, Node.js 20 and Python 3.11.
//!
//! ```text
//! cargo test --test clients -- --ignored --nocapture
//! ```

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/demo.rs"]
#[expect(dead_code, reason = "the clients send the calls, no shell")]
mod demo;

use std::path::Path;
use std::process::Command;

use contacts_gateway::api::openapi::document;
use demo::Demo;

/// Spectral takes examples of our own `"type": "array"` for schemas without `items`.
const SPECTRAL: &str = "extends: [spectral:oas]\nrules:\n  array-items: off\n";
/// All checks except those that would report intended behaviour. The example credentials belong to no CRM, so calls fail with 501
/// to 504. A schema cannot express that parameters exclude each other, so valid data may be refused. HTTP ignores unknown headers.
const SCHEMATHESIS: &str = r#"
[generation]
allow-extra-parameters = false
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 501, 502, 503, 504]
[checks.positive_data_acceptance]
enabled = false
"#;
const TYPESCRIPT: &str = r#"{
  "compilerOptions": {
    "strict": true, "module": "nodenext", "target": "es2022", "types": ["node"], "skipLibCheck": true, "outDir": "out"
  },
  "files": ["client.ts"]
}"#;

/// A folder with the document.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("api.json"), document()).unwrap();
    folder
}

fn run(folder: &Path, environment: &[(&str, String)], lines: &str) {
    let status = Command::new("sh")
        .args(["-euc", lines])
        .envs(environment.iter().cloned())
        .current_dir(folder)
        .status();
    assert!(status.unwrap().success(), "{lines}");
}

/// What a client needs to know of a fresh demo.
fn environment(demo: &Demo) -> [(&'static str, String); 3] {
    let gateway = format!("http://{}", demo.address);
    [("GATEWAY", gateway), ("KEY", demo.key().to_owned()), ("APTLY", demo.simulator("aptly").to_owned())]
}

#[test]
#[ignore = "installs packages; see the head of this file"]
fn the_linters_find_nothing() {
    let folder = folder();
    std::fs::write(folder.path().join(".spectral.yaml"), SPECTRAL).unwrap();
    run(
        folder.path(),
        &[],
        "npm install --silent --no-audit --no-fund @redocly/cli@2 @stoplight/spectral-cli@6
         npx redocly lint --extends recommended-strict api.json
         npx spectral lint --fail-severity hint api.json",
    );
}

#[test]
#[ignore = "installs packages; see the head of this file"]
fn schemathesis_finds_nothing() {
    let (folder, demo) = (folder(), Demo::start());
    std::fs::write(folder.path().join("schemathesis.toml"), SCHEMATHESIS).unwrap();
    let operator = demo.printed.split("sign in with ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let [gateway, key, _] = environment(&demo);
    run(
        folder.path(),
        &[gateway, key, ("OPERATOR", operator)],
        // Slower than the rate limit of the key.
        "python3 -m venv environment
         environment/bin/pip install --quiet 'schemathesis==4.*'
         check() { environment/bin/schemathesis run \"$GATEWAY/openapi.json\" --seed 1 --no-color \"$@\"; }
         check --exclude-path-regex '^/admin' --header \"Authorization: Bearer $KEY\" --rate-limit 45/s
         check --include-path-regex '^/admin' --header \"Authorization: Bearer $OPERATOR\"",
    );
}

#[test]
#[ignore = "installs packages; see the head of this file"]
fn a_typescript_client_compiles_strictly_and_works() {
    let (folder, demo) = (folder(), Demo::start());
    for (name, text) in [
        ("client.ts", include_str!("client.ts")),
        ("tsconfig.json", TYPESCRIPT),
        ("package.json", r#"{ "type": "module" }"#),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    run(
        folder.path(),
        &environment(&demo),
        "npm install --silent --no-audit --no-fund openapi-typescript@7 openapi-fetch@0.17 typescript@5 @types/node@20
         npx openapi-typescript api.json --output api.ts
         npx tsc --project .
         node out/client.js",
    );
}

#[test]
#[ignore = "installs packages; see the head of this file"]
fn a_python_client_works() {
    let (folder, demo) = (folder(), Demo::start());
    std::fs::write(folder.path().join("client.py"), include_str!("client.py")).unwrap();
    run(
        folder.path(),
        &environment(&demo),
        "python3 -m venv environment
         PATH=\"$PWD/environment/bin:$PATH\"
         pip install --quiet openapi-python-client ruff
         openapi-python-client generate --path api.json --output-path client
         pip install --quiet ./client
         python client.py",
    );
}
