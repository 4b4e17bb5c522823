//! The export over HTTP: its lines, its limits, how it goes on, and how it ends.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use contacts_gateway::simulators::aptly::{AptlyOptions, AptlySimulator};
use contacts_gateway::simulators::pipeline::{PipelineOptions, PipelineSimulator};
use contacts_gateway::simulators::{Fault, FaultKind, Running};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::test_gateway::{Link, TestGateway};

/// One gateway with both CRMs, each with so many people; the paths of their exports.
async fn exports(people: usize) -> (Arc<TestGateway>, Vec<(Running, String)>) {
    let gateway = TestGateway::open().await;
    let aptly = AptlySimulator::start(AptlyOptions { people, ..AptlyOptions::empty() }).await.unwrap();
    let pipeline =
        PipelineSimulator::start(PipelineOptions { people, ..PipelineOptions::empty() }).await.unwrap();
    let mut all = Vec::new();
    for (provider, at) in [("aptly", aptly), ("pipeline", pipeline)] {
        let link = Link { base_url: at.base_url(), secret: at.token(), settings: json!({}), verify: false };
        let credential = gateway.link(&gateway.caller, provider, link).await.unwrap();
        all.push((at, format!("/crm/contacts/export?credentialId={credential}")));
    }
    (gateway, all)
}

fn status(code: u16) -> FaultKind {
    FaultKind::Status {
        code,
        body: String::new(),
        content_type: "application/json".to_owned(),
        headers: Vec::new(),
    }
}

fn lines(text: &str) -> Vec<Value> {
    assert!(text.ends_with('\n'), "{text:.200}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(lines: &[Value]) -> Vec<String> {
    let contacts = lines.iter().filter_map(|line| line.get("contact"));
    contacts.map(|contact| contact["remoteId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_contact_is_a_line_once_with_checkpoints_and_an_end() {
    let (gateway, all) = exports(2_300).await;
    for (at, path) in all {
        let reply = gateway.ask("GET", &path).await;
        assert_eq!(
            (reply.status, &reply.headers["content-type"]),
            (200, &"application/x-ndjson".parse().unwrap())
        );
        let lines = lines(&reply.text);
        let end = &lines.last().unwrap()["end"];
        assert_eq!((&end["complete"], &end["count"]), (&json!(true), &json!(2_300)));
        let warned: Vec<&Value> =
            end["warnings"].as_array().unwrap().iter().map(|warning| &warning["pointer"]).collect();
        let shown = &lines[0]["contact"];
        for (pointer, field) in [("/contacts/*/account", "account"), ("/contacts/*/addresses", "addresses")] {
            assert_eq!(warned.contains(&&json!(pointer)), shown.get(field).is_none(), "{path}: {end}");
        }
        let ids = ids(&lines);
        assert_eq!((ids.len(), ids.iter().collect::<HashSet<_>>().len()), (2_300, 2_300));
        let stored: HashSet<String> =
            at.contacts().iter().map(|record| record["_id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.into_iter().collect::<HashSet<_>>(), stored);
        let checkpoints: Vec<usize> =
            (0..lines.len()).filter(|index| lines[*index].get("checkpoint").is_some()).collect();
        assert_eq!(checkpoints, [1_000, 2_001]);
        assert_eq!(lines.len(), 2_300 + 2 + 1);
        let contact = &lines[0]["contact"];
        assert!(contact["id"].as_str().unwrap().starts_with("con_") && contact["lastName"].is_string());
    }
}

#[tokio::test]
async fn a_checkpoint_goes_on_and_nobody_is_lost() {
    let (gateway, all) = exports(1_500).await;
    let mut earlier = None;
    for (_, path) in all {
        let whole = lines(&gateway.ask("GET", &path).await.text);
        let checkpoint = whole[1_000]["checkpoint"].as_str().unwrap();
        let rest = lines(&gateway.ask("GET", &format!("{path}&cursor={checkpoint}")).await.text);
        assert_eq!(ids(&rest), ids(&whole[1_001..]));
        assert_eq!(rest.last().unwrap()["end"]["complete"], true);
        // A checkpoint of another credential does not go on here.
        if let Some(earlier) = earlier.replace(checkpoint.to_owned()) {
            assert_eq!(gateway.ask("GET", &format!("{path}&cursor={earlier}")).await.status, 400);
        }
        // A cursor of a list is none of an export, nor the other way round, nor one of other filters.
        let other = gateway.ask("GET", &format!("{path}&cursor={checkpoint}&lastName=x")).await;
        assert_eq!((other.status, other.code().as_str()), (400, "invalid_parameter"));
        let list = path.replace("/export", "");
        let listed = gateway.ask("GET", &format!("{list}&cursor={checkpoint}")).await;
        assert_eq!((listed.status, listed.code().as_str()), (400, "invalid_parameter"));
        let next =
            gateway.ask("GET", &list).await.json()["pageInfo"]["nextCursor"].as_str().unwrap().to_owned();
        assert_eq!(gateway.ask("GET", &format!("{path}&cursor={next}")).await.status, 400);
    }
}

#[tokio::test]
async fn filters_apply_to_an_export_and_a_failure_before_the_first_line_is_a_problem() {
    let (gateway, all) = exports(450).await;
    for (at, path) in all {
        let name = at.contacts().iter().find_map(|record| {
            let name = record.get("lastname").or_else(|| record.get("lastName"))?.as_str()?;
            name.is_ascii().then(|| name.to_owned()).filter(|name| !name.is_empty())
        });
        let name = name.unwrap().replace(' ', "+");
        let found = lines(&gateway.ask("GET", &format!("{path}&lastName={name}")).await.text);
        assert!((2..200).contains(&found.len()), "{}", found.len());
        let nobody = lines(&gateway.ask("GET", &format!("{path}&lastName=Nobodyhasthis")).await.text);
        assert_eq!(nobody, [json!({ "end": { "complete": true, "count": 0, "warnings": [] } })]);
        for (query, status) in [("&lastName=", 400), ("&pageSize=5", 400), ("&cursor=x", 400)] {
            assert_eq!(gateway.ask("GET", &format!("{path}{query}")).await.status, status, "{query}");
        }
        at.fault(Fault::always(status(401)));
        let refused = gateway.ask("GET", &path).await;
        assert_eq!((refused.status, refused.code().as_str()), (424, "upstream_credential_rejected"));
        assert_eq!(refused.headers["content-type"], "application/problem+json");
    }
}

/// The next part of a streamed body.
async fn part(body: &mut Body) -> Option<Vec<Value>> {
    let frame = body.frame().await?.unwrap().into_data().unwrap();
    Some(lines(std::str::from_utf8(&frame).unwrap()))
}

async fn rest(mut body: Body) -> Vec<Value> {
    let mut all = Vec::new();
    while let Some(lines) = part(&mut body).await {
        all.extend(lines);
    }
    all
}

#[tokio::test]
async fn a_failure_and_a_stop_end_an_export_with_a_checkpoint() {
    let (gateway, all) = exports(1_200).await;
    for (at, path) in all {
        let mut body = gateway.stream("GET", &path).await.into_body();
        let mut seen = ids(&part(&mut body).await.unwrap());
        at.fault(Fault::always(status(500)));
        let cut = rest(body).await;
        seen.extend(ids(&cut));
        let end = &cut.last().unwrap()["end"];
        assert_eq!((&end["complete"], &end["count"]), (&json!(false), &json!(seen.len())));
        assert_eq!(
            (&end["problem"]["code"], &end["problem"]["status"]),
            (&json!("upstream_error"), &json!(502))
        );
        assert_eq!(end["problem"]["instance"], "/crm/contacts/export");
        at.faults().clear();
        let checkpoint = end["checkpoint"].as_str().unwrap();
        let more = lines(&gateway.ask("GET", &format!("{path}&cursor={checkpoint}")).await.text);
        seen.extend(ids(&more));
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 1_200);
    }
    let (gateway, all) = exports(1_200).await;
    let mut bodies = Vec::new();
    for (_, path) in &all {
        let mut body = gateway.stream("GET", path).await.into_body();
        part(&mut body).await.unwrap();
        bodies.push(body);
    }
    gateway.admission.close();
    for body in bodies {
        let end = rest(body).await.pop().unwrap()["end"].take();
        assert_eq!((&end["complete"], &end["problem"]["code"]), (&json!(false), &json!("draining")));
        assert!(end["checkpoint"].is_string());
    }
    tokio::time::timeout(Duration::from_secs(5), gateway.admission.until_empty()).await.unwrap();
}

#[tokio::test]
async fn a_stop_interrupts_an_export_that_waits_for_its_crm() {
    let (gateway, all) = exports(1_200).await;
    let (at, path) = &all[0];
    let mut body = gateway.stream("GET", path).await.into_body();
    part(&mut body).await.unwrap();
    at.fault(Fault::always(FaultKind::NeverAnswer));
    let closing = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        gateway.admission.close();
    };
    let (rest, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(8), rest(body)), closing);
    assert_eq!(rest.unwrap().pop().unwrap()["end"]["problem"]["code"], "draining");
}

#[tokio::test]
async fn two_exports_run_on_a_credential_and_a_caller_who_leaves_ends_one() {
    let (gateway, all) = exports(1_200).await;
    let (at, path) = &all[0];
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut body = gateway.stream("GET", path).await.into_body();
        part(&mut body).await.unwrap();
        held.push(body);
    }
    let refused = gateway.ask("GET", path).await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "too_many_concurrent_requests"));
    assert_eq!(refused.headers["retry-after"], "30");
    // Lists of the same credential are not held up.
    assert_eq!(gateway.ask("GET", &path.replace("/export", "")).await.status, 200);
    assert_eq!(gateway.ask("GET", &all[1].1).await.status, 200, "another credential");
    held.pop();
    let calls = at.calls().len();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(at.calls().len(), calls, "an export that nobody reads calls nobody");
    assert_eq!(gateway.ask("GET", path).await.status, 200);
}
