//! What the guide gives to operators beside the image is read by the programs that it is for: nginx, systemd, and the schemas of
//! Kubernetes. They are Debian's `nginx-light`, `systemd` and `ssl-cert`, and the Python package
//! `kubernetes-validate`.

use std::path::Path;
use std::process::Command;

const DEPLOY: &str = include_str!("../../src/api/docs/guide/deploy.md");
const MANIFESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/docs/guide/kubernetes");

/// The first block of the guide in this language.
fn block(language: &str) -> &'static str {
    let (_, rest) = DEPLOY.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("\n```").unwrap().0
}

fn accepted(command: &mut Command) {
    let out = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{command:?}: {text}");
    assert!(!text.to_lowercase().contains("warn"), "{command:?}: {text}");
}

#[test]
#[ignore = "needs nginx, systemd and kubernetes-validate; a named command"]
fn nginx_accepts_the_snippet() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nginx.conf");
    let pid = folder.path().join("pid");
    let text = format!("pid {};\nevents {{}}\nhttp {{\n{}\n}}\n", pid.display(), block("nginx"));
    std::fs::write(&file, text).unwrap();
    accepted(Command::new("nginx").args(["-t", "-e", "stderr", "-c"]).arg(&file));
}

#[test]
#[ignore = "needs nginx, systemd and kubernetes-validate; a named command"]
fn systemd_accepts_the_unit_and_finds_it_closed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contacts-gateway.service");
    // The program need not be installed here.
    let unit =
        block("ini").replace("/usr/local/bin/contacts-gateway", env!("CARGO_BIN_EXE_contacts-gateway"));
    std::fs::write(&file, unit).unwrap();
    accepted(Command::new("systemd-analyze").arg("verify").arg(&file));
    // In tenths: 0 is closed, 100 is open, and a service without any of this has 96.
    accepted(
        Command::new("systemd-analyze").args(["security", "--offline=yes", "--threshold=20"]).arg(&file),
    );
}

#[test]
#[ignore = "needs nginx, systemd and kubernetes-validate; a named command"]
fn the_manifests_follow_the_schemas_of_kubernetes() {
    let kustomization = std::fs::read_to_string(Path::new(MANIFESTS).join("kustomization.yaml")).unwrap();
    let names: Vec<&str> = kustomization
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- "))
        .filter(|name| name.split_once('.').is_some_and(|(_, rest)| rest == "yaml"))
        .collect();
    let mut listed: Vec<String> = std::fs::read_dir(MANIFESTS)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "kustomization.yaml")
        .collect();
    listed.sort();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, listed, "each file is a resource, and each resource a file");
    for name in names {
        accepted(
            Command::new("kubernetes-validate")
                .args(["--strict", "--kubernetes-version", "1.30"])
                .arg(Path::new(MANIFESTS).join(name)),
        );
    }
}
