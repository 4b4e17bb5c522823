//! The code samples of the OpenAPI document, run as they are against the demo.

use contacts_gateway::api::openapi::document;
use serde_json::Value;

use super::{Demo, Interpreter, NODE, PYTHON, SHELL};

/// The samples in one language of what the demo's key may do. A new credential would be checked at the real CRM, and Aptly has
/// no delete.
fn samples(label: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(&document()).unwrap();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let reads = method == "get" && !path.starts_with("/admin");
            if reads || (path.starts_with("/crm") && method != "delete") {
                let samples = operation["x-codeSamples"].as_array().unwrap();
                let sample = samples.iter().find(|sample| sample["label"] == label).unwrap();
                all.push(sample["source"].as_str().unwrap().to_owned());
            }
        }
    }
    assert!(all.len() > 12, "{label}: {}", all.len());
    all
}

/// Runs each sample. The status is the first word that it prints.
fn run(label: &str, interpreter: &Interpreter, suffix: &str) {
    if !interpreter.is_there() {
        return;
    }
    let demo = Demo::start();
    for sample in samples(label) {
        let printed = demo.interpret(interpreter.command, &format!("{sample}{suffix}"));
        assert_eq!(printed.split_whitespace().next(), Some("200"), "{sample}\n{printed}");
    }
}

#[test]
fn the_samples_for_curl_succeed() {
    run("curl", &SHELL, " -s -o /dev/null -w '%{http_code}'");
}

#[test]
fn the_samples_for_python_succeed() {
    run("Python", &PYTHON, "");
}

#[test]
fn the_samples_for_typescript_succeed() {
    run("TypeScript", &NODE, "");
}
