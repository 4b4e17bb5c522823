//! How a client handles each problem in code, in Python and TypeScript.

use crate::domain::{FailureKind, Retryable};

/// The snippets for a kind: Python, then TypeScript.
pub(super) const fn handling(kind: FailureKind) -> (&'static str, &'static str) {
    use FailureKind as K;
    match kind {
        K::ContactExists => UPDATE_INSTEAD,
        K::AmbiguousMatch | K::OutcomeAmbiguous => ASK_A_PERSON,
        K::ContactChanged => READ_AGAIN,
        K::ValidationFailed | K::InvalidParameter | K::UpstreamRejected => SHOW_FAULTS,
        K::ScanLimitReached => GO_ON,
        K::OutcomeUnknown | K::IdempotencyInProgress => SAME_KEY,
        K::ContactNotFound => LOOK_UP_AGAIN,
        K::Unauthenticated | K::InsufficientScope => FIX_THE_KEY,
        K::UpstreamCredentialRejected | K::UpstreamPermissionDenied | K::SecretUnreadable => TELL_THE_OWNER,
        _ => match kind.retryable() {
            Retryable::Yes | Retryable::SameKeyOnly => LATER,
            Retryable::No => GIVE_UP,
        },
    }
}

const UPDATE_INSTEAD: (&str, &str) = (
    r#"if problem["code"] == "contact_exists":
    existing = problem["candidates"][0]["id"]
    # The contact is there already: update it, or show it to the user.
    url = f"{gateway}/crm/contacts/{existing}"
    requests.patch(url, params=params, headers=headers, json=changes)"#,
    r#"if (problem.code === "contact_exists") {
  const existing = problem.candidates[0].id;
  // The contact is there already: update it, or show it to the user.
  const url = `${gateway}/crm/contacts/${existing}?${params}`;
  await fetch(url, { method: "PATCH", headers, body: JSON.stringify(changes) });
}"#,
);

const ASK_A_PERSON: (&str, &str) = (
    r#"if problem["code"] in ("ambiguous_match", "outcome_ambiguous"):
    # No program can decide this. Show the candidates to a person.
    ask_user([candidate["id"] for candidate in problem.get("candidates", [])])"#,
    r#"if (["ambiguous_match", "outcome_ambiguous"].includes(problem.code)) {
  // No program can decide this. Show the candidates to a person.
  askUser((problem.candidates ?? []).map((candidate) => candidate.id));
}"#,
);

const READ_AGAIN: (&str, &str) = (
    r#"if problem["code"] == "contact_changed":
    # Read the contact again, apply the change to it, and send it with the new tag.
    current = requests.get(url, params=params, headers=headers)
    headers["If-Match"] = current.headers["ETag"]
    changed = apply(current.json()["contact"])
    requests.patch(url, params=params, headers=headers, json=changed)"#,
    r#"if (problem.code === "contact_changed") {
  // Read the contact again, apply the change to it, and send it with the new tag.
  const current = await fetch(url, { headers });
  headers["If-Match"] = current.headers.get("ETag");
  const { contact } = await current.json();
  await fetch(url, { method: "PATCH", headers, body: JSON.stringify(apply(contact)) });
}"#,
);

const SHOW_FAULTS: (&str, &str) = (
    r#"for fault in problem.get("errors", []):
    # `pointer` names a field of the body, `parameter` a parameter or header.
    show_beside(fault.get("pointer") or fault.get("parameter"), fault["detail"])"#,
    r"for (const fault of problem.errors ?? []) {
  // `pointer` names a field of the body, `parameter` a parameter or header.
  showBeside(fault.pointer ?? fault.parameter, fault.detail);
}",
);

const GO_ON: (&str, &str) = (
    r#"if problem["code"] == "scan_limit_reached" and "nextCursor" in problem:
    # Go on after the last row that was read.
    params["cursor"] = problem["nextCursor"]
    response = requests.get(url, params=params, headers=headers)"#,
    r#"if (problem.code === "scan_limit_reached" && problem.nextCursor) {
  // Go on after the last row that was read.
  params.set("cursor", problem.nextCursor);
  response = await fetch(`${url}?${params}`, { headers });
}"#,
);

const SAME_KEY: (&str, &str) = (
    r#"if problem["retryable"] == "same-key-only":
    time.sleep(int(response.headers.get("Retry-After", 5)))
    # The same request with the same key. It never writes twice.
    headers["Idempotency-Key"] = key
    response = requests.post(url, params=params, headers=headers, json=body)"#,
    r#"if (problem.retryable === "same-key-only") {
  await sleep(Number(response.headers.get("Retry-After") ?? 5) * 1000);
  // The same request with the same key. It never writes twice.
  headers["Idempotency-Key"] = key;
  response = await fetch(url, { method: "POST", headers, body });
}"#,
);

const LOOK_UP_AGAIN: (&str, &str) = (
    r#"if problem["code"] == "contact_not_found":
    # Somebody deleted the contact, or merged it into another one: look it up again, or forget its id.
    params = {"emailAddress": known_email}
    found = requests.get(f"{gateway}/crm/contacts/search", params=params, headers=headers)"#,
    r#"if (problem.code === "contact_not_found") {
  // Somebody deleted the contact, or merged it into another one: look it up again, or forget its id.
  const query = new URLSearchParams({ emailAddress: knownEmail });
  const found = await fetch(`${gateway}/crm/contacts/search?${query}`, { headers });
}"#,
);

const FIX_THE_KEY: (&str, &str) = (
    r#"if problem["code"] in ("unauthenticated", "insufficient_scope"):
    # A retry does not help. The operator of the app must renew the token, or get a key with the scope.
    raise SystemExit(f"{problem['detail']} (request {problem['requestId']})")"#,
    r#"if (["unauthenticated", "insufficient_scope"].includes(problem.code)) {
  // A retry does not help. The operator of the app must renew the token, or get a key with the scope.
  throw new Error(`${problem.detail} (request ${problem.requestId})`);
}"#,
);

const TELL_THE_OWNER: (&str, &str) = (
    r#"if response.status_code in (424, 500):
    # The key of the app is fine. Whoever connected the CRM account has to act.
    notify_owner(params["credentialId"], problem["detail"], problem["requestId"])"#,
    r"if ([424, 500].includes(response.status)) {
  // The key of the app is fine. Whoever connected the CRM account has to act.
  notifyOwner(params.credentialId, problem.detail, problem.requestId);
}",
);

const LATER: (&str, &str) = (
    r#"if problem["retryable"] == "yes":
    # Writes need an Idempotency-Key to be retried safely; keep it.
    time.sleep(int(response.headers.get("Retry-After", 1)) + random.random())
    response = send_again()"#,
    r#"if (problem.retryable === "yes") {
  // Writes need an Idempotency-Key to be retried safely; keep it.
  const seconds = Number(response.headers.get("Retry-After") ?? 1);
  await sleep((seconds + Math.random()) * 1000);
  response = await sendAgain();
}"#,
);

const GIVE_UP: (&str, &str) = (
    r#"if problem["retryable"] == "no":
    # Sending it again does not help. `detail` says what to fix.
    raise RuntimeError(f"{problem['detail']} (request {problem['requestId']})")"#,
    r#"if (problem.retryable === "no") {
  // Sending it again does not help. `detail` says what to fix.
  throw new Error(`${problem.detail} (request ${problem.requestId})`);
}"#,
);
