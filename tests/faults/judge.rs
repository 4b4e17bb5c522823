//! What is wrong with what came: the cell's answer, the promises that hold in every case, and the replay of a key.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::case::{CANARIES, Came, Case, Operation, applies};
use super::cell::Cell;
use super::reply::Reply;
use super::table::Wrong;

/// How far an answer may be beyond its deadline: 250 ms are promised, the rest is for a busy machine.
const LATE: Duration = Duration::from_millis(250 + 1_250);
/// How long a lost create may take until its outcome is settled and answered.
const LONGEST_SETTLING: Duration = Duration::from_secs(20);

/// What is wrong with the first answer.
pub(crate) fn first(case: &Case, wrong: &Wrong, cell: &Cell, outcome: &Came) -> Vec<String> {
    let Came { reply, took, calls } = outcome;
    let (code, status) = (reply.code(), reply.status);
    let mut faults = Vec::new();
    let mut must = |holds: bool, fault: String| {
        if !holds {
            faults.push(fault);
        }
    };
    let right = cell.admits(status, &code, calls.len());
    must(right, format!("came {status} {code} after {} calls: {}", calls.len(), short(&reply.text)));
    let latest = Duration::from_millis(case.deadline) + LATE;
    must(*took <= latest, format!("took {took:?}"));
    must(is_documented(case.operation, status), format!("{status} is not in the API's document"));
    must(!reply.header("x-request-id").is_empty(), "no X-Request-Id".to_owned());
    must(!reply.text.contains("<html"), "HTML in the answer".to_owned());
    must(!reply.text.contains(CANARIES[0]), "the token in the answer".to_owned());
    if status != 200 {
        must(
            reply.header("content-type") == "application/problem+json",
            reply.header("content-type").to_owned(),
        );
        must(reply.json()["requestId"] == reply.header("x-request-id"), "another requestId".to_owned());
        let personal = CANARIES.iter().find(|canary| reply.text.contains(**canary));
        must(personal.is_none(), format!("{personal:?} in the problem"));
    }
    if status == 429 {
        let seconds = reply.header("retry-after").parse::<u64>();
        must(seconds.as_ref().is_ok_and(|seconds| *seconds >= 1), format!("Retry-After {seconds:?}"));
    }
    let retryable = retryable(case.operation, status, &code);
    must(
        retryable.is_none_or(|word| reply.json()["retryable"] == word),
        format!("retryable {}", reply.json()["retryable"]),
    );
    must(case.crm.journal().alarms().is_empty(), format!("harm: {:?}", case.crm.journal().alarms()));
    faults.extend(truth(case, wrong, reply));
    faults
}

/// What is wrong between what was answered and what the CRM holds.
fn truth(case: &Case, wrong: &Wrong, reply: &Reply) -> Option<String> {
    let (made, ok) = (case.applied(), reply.status == 200);
    let remote_id = reply.json()["contact"]["remoteId"].as_str().unwrap_or_default().to_owned();
    match case.operation {
        operation if operation.creates() => {
            let expected = if ok {
                Some(1)
            } else {
                applies(wrong).map(usize::from).filter(|_| reply.code() == "outcome_unknown")
            };
            let expected = expected.or_else(|| (reply.code() != "outcome_unknown").then_some(0));
            if expected.is_some_and(|expected| made != expected) || made > 1 {
                return Some(format!("{made} writes applied"));
            }
            (ok && case.crm.contact(&remote_id).is_none()).then(|| format!("the CRM has no {remote_id}"))
        }
        Operation::Update if ok && !case.is_updated() => {
            Some("200 for a change that the CRM does not hold".to_owned())
        }
        _ => None,
    }
}

/// What a failure must say about sending the request again; nothing where its kind alone decides.
fn retryable(operation: Operation, status: u16, code: &str) -> Option<&'static str> {
    match (operation, code) {
        (Operation::CreateWithKey, "outcome_unknown") => Some("same-key-only"),
        (Operation::Create, "outcome_unknown") => Some("no"),
        (Operation::Update, "upstream_error" | "upstream_unreachable" | "upstream_timeout")
            if status >= 500 =>
        {
            Some("yes")
        }
        _ => None,
    }
}

/// Whether the API's document names the status for the operation.
fn is_documented(operation: Operation, status: u16) -> bool {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/contacts-gateway.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    });
    let (path, method) = match operation {
        Operation::List => ("/crm/contacts", "get"),
        Operation::Get => ("/crm/contacts/{id}", "get"),
        Operation::Create | Operation::CreateWithKey => ("/crm/contacts", "post"),
        Operation::Update => ("/crm/contacts/{id}", "patch"),
    };
    !document["paths"][path][method]["responses"][status.to_string()].is_null()
}

/// What is wrong with the answers to the same request under the same key once the CRM is well again.
pub(crate) async fn replay(case: &Case, wrong: &Wrong, cell: &Cell, first: &Reply) -> Vec<String> {
    case.crm.faults().clear();
    let (sent, began) = (case.crm.calls().len(), Instant::now());
    let again = settled(case).await;
    let told =
        format!("after {} {} the replay came {} {}", first.status, first.code(), again.status, again.code());
    let wait = first.header("retry-after").parse::<u64>().unwrap_or_default();
    let is_final = first.status == 200
        || cell.is_final
        || matches!(first.code().as_str(), "upstream_rejected" | "contact_exists");
    let mut faults = Vec::new();
    if is_final {
        if again.text != first.text || again.status != first.status || !again.is_replay() {
            faults.push(format!(
                "{told}, not the same again (replayed: {})",
                again.header("idempotency-replayed")
            ));
        }
        if case.crm.calls().len() != sent {
            faults.push("a replay called the CRM".to_owned());
        }
    } else if matches!(wrong, Wrong::Tls(_) | Wrong::Nobody) {
        // Calls that all fail open the breaker: the question for the API's version counts too.
        let paused = again.code() == "upstream_circuit_open";
        if (again.status != first.status && !paused) || again.is_replay() {
            faults.push(format!("{told}, although nothing was stored and nothing mended"));
        }
    } else if wait > 10 {
        // The CRM asked for quiet, and its faults being gone is not known here.
        if again.code() != "upstream_rate_limited" || case.crm.calls().len() != sent {
            faults.push(format!("{told}: sent before the Retry-After of {wait} s"));
        }
    } else if again.status != 200 {
        faults.push(format!("{told} after {:?}: {}", began.elapsed(), short(&again.text)));
    } else {
        let third = case.ask().await.reply;
        if third.text != again.text || !third.is_replay() {
            faults.push(format!("{told}, and once more {} {}", third.status, third.code()));
        }
    }
    // What is applied after it was proven absent is beyond anybody's knowledge; here both CRMs still make it one contact.
    let most = if applies(wrong).is_some() { 1 } else { 2 };
    if again.status == 200 && case.crm.contacts().len() != 1 || case.applied() > most {
        faults.push(format!("{} applied, {} there in the end", case.applied(), case.crm.contacts().len()));
    }
    faults
}

/// Asks again until it is no longer told to come again.
async fn settled(case: &Case) -> Reply {
    let began = Instant::now();
    loop {
        let reply = case.ask().await.reply;
        let open = matches!(reply.code().as_str(), "outcome_unknown" | "idempotency_in_progress");
        if !open || began.elapsed() > LONGEST_SETTLING {
            return reply;
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

fn short(text: &str) -> String {
    text.chars().take(300).collect()
}
