//! What holds for every request: the envelope, ids, methods, aliases, headers.

use axum::body::Body;
use http::Request;

use crate::test_gateway::{TestGateway, signed, tenant};

#[tokio::test]
async fn a_problem_has_every_member_and_says_what_and_whose() {
    let answer = TestGateway::open().await.ask("GET", "/nowhere?secret=1").await;
    answer.is(404, "route_not_found");
    let problem = answer.json();
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(problem["type"], "/docs/errors/route_not_found");
    assert_eq!(problem["status"], 404);
    assert_eq!(problem["instance"], "/nowhere");
    assert_eq!(problem["message"], problem["detail"]);
    assert_eq!(problem["requestId"], answer.header("x-request-id"));
    assert_eq!((problem["origin"].as_str(), problem["retryable"].as_str()), (Some("caller"), Some("no")));
    assert!(problem["title"].is_string());
}

#[tokio::test]
async fn a_panic_is_a_problem_and_shows_nothing() {
    let edge = TestGateway::open().await;
    edge.broken.store(true, std::sync::atomic::Ordering::SeqCst);
    let answer = edge.ask("GET", "/readyz").await;
    answer.is(500, "internal");
    assert!(!answer.text.contains("secret"), "{}", answer.text);
    assert_eq!(answer.json()["origin"], "gateway");
    answer.header("x-request-id");
}

#[tokio::test]
async fn a_well_formed_request_id_is_kept_and_another_replaced() {
    let edge = TestGateway::open().await;
    let longest = "a".repeat(128);
    for id in ["A-z.0_9", longest.as_str()] {
        let request = Request::get("/livez").header("x-request-id", id).body(Body::empty());
        assert_eq!(edge.send(request.unwrap()).await.header("x-request-id"), id);
    }
    let longer = "a".repeat(129);
    for id in ["", "a b", "a/b", "ü", longer.as_str()] {
        let request = Request::get("/livez").header("x-request-id", id).body(Body::empty());
        let given = edge.send(request.unwrap()).await.header("x-request-id").to_owned();
        assert_eq!(given.len(), 36, "{id:?} became {given}");
    }
    let twice = Request::get("/livez").header("x-request-id", "a").header("x-request-id", "b");
    assert_eq!(edge.send(twice.body(Body::empty()).unwrap()).await.header("x-request-id").len(), 36);
}

#[tokio::test]
async fn a_known_path_names_its_methods() {
    let edge = TestGateway::open().await;
    for (method, path, allowed) in [
        ("DELETE", "/crm/contacts", vec!["GET", "HEAD", "POST"]),
        ("POST", "/crm/contacts/x", vec!["DELETE", "GET", "HEAD", "PATCH", "PUT"]),
        ("PATCH", "/crm/contacts/count", vec!["GET", "HEAD"]),
        ("DELETE", "/crm/contacts/fields", vec!["GET", "HEAD"]),
        ("DELETE", "/crm/contacts/export", vec!["GET", "HEAD"]),
        ("GET", "/crm/contacts/upsert", vec!["POST"]),
        ("PUT", "/credentials/x", vec!["DELETE", "GET", "HEAD", "PATCH"]),
        ("GET", "/credentials/x/check", vec!["POST"]),
        ("PUT", "/admin/tenants", vec!["GET", "HEAD", "POST"]),
        ("OPTIONS", "/livez", vec!["GET", "HEAD"]),
    ] {
        let answer = edge.ask(method, path).await;
        answer.is(405, "method_not_allowed");
        let mut allow: Vec<&str> = answer.header("allow").split(',').collect();
        allow.sort_unstable();
        assert_eq!(allow, allowed, "{method} {path}");
    }
}

#[tokio::test]
async fn an_unknown_path_parameter_or_method_says_what_was_probably_meant() {
    let edge = TestGateway::open().await;
    for (method, path, says) in [
        ("GET", "/crm/contact", "Did you mean `/crm/contacts`?"),
        ("GET", "/contacts", "Did you mean `/crm/contacts`?"),
        ("POST", "/credential/cred_1/check", "Did you mean `/credentials/cred_1/check`?"),
        ("GET", "/nowhere/at/all", "Unknown path. See /docs for the API."),
        ("GET", "/admin/tenant", "Unknown path. See /docs for the API."),
        ("DELETE", "/crm/contacts", "does not support DELETE. It supports GET, HEAD, POST."),
        ("PATCH", "/crm/contacts/count", "does not support PATCH. It supports GET, HEAD."),
        ("POST", "/crm/contacts/x", "It supports GET, HEAD, PUT, PATCH, DELETE."),
        ("POST", "/docs/", "The header `Allow` lists"),
    ] {
        let answer = edge.ask(method, path).await;
        assert!(answer.json()["detail"].as_str().unwrap().contains(says), "{method} {path}: {}", answer.text);
    }
    let answer = edge.send(signed("GET", "/crm/contacts/search?email=x").body(Body::empty()).unwrap()).await;
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("email: Unknown parameter. Did you mean `emailAddress`?"), "{detail}");
}

#[tokio::test]
async fn a_trailing_slash_is_another_path() {
    let edge = TestGateway::open().await;
    for path in
        ["/crm/contacts/", "/credentials/", "/admin/tenants/", "/livez/", "/CRM/contacts", "//crm/contacts"]
    {
        edge.ask("GET", path).await.is(404, "route_not_found");
    }
}

#[tokio::test]
async fn aliases_are_the_same_routes_and_problems_show_the_plain_path() {
    let edge = TestGateway::open().await;
    for prefix in ["/one", "/2024-03/one", "/2031-12/one"] {
        let answer = edge.ask("GET", &format!("{prefix}/crm/contacts?credentialId=c&pageSize=0")).await;
        answer.is(400, "invalid_parameter");
        assert_eq!(answer.json()["instance"], "/crm/contacts");
        edge.ask("GET", &format!("{prefix}/crm/contacts/x?credentialId=c")).await.passed();
        edge.ask("GET", &format!("{prefix}/livez")).await.is(404, "route_not_found");
        edge.ask("GET", &format!("{prefix}/admin/tenants")).await.is(404, "route_not_found");
    }
    for path in ["/2024-13/one/crm/contacts", "/2024-03/crm/contacts", "/two/crm/contacts"] {
        edge.ask("GET", path).await.is(404, "route_not_found");
    }
}

#[tokio::test]
async fn every_operation_refuses_parameters_that_it_does_not_know_and_deadlines_out_of_range() {
    let edge = TestGateway::open().await;
    for (method, path) in [
        ("GET", "/crm/contacts?credentialId=c"),
        ("POST", "/crm/contacts?credentialId=c"),
        ("GET", "/crm/contacts/count?credentialId=c"),
        ("GET", "/crm/contacts/x?credentialId=c"),
        ("PATCH", "/crm/contacts/x?credentialId=c"),
        ("PUT", "/crm/contacts/x?credentialId=c"),
        ("DELETE", "/crm/contacts/x?credentialId=c"),
        ("GET", "/credentials?pageSize=1"),
        ("POST", "/credentials?verify=true"),
        ("GET", "/credentials/x?"),
        ("PATCH", "/credentials/x?verify=true"),
        ("DELETE", "/credentials/x?"),
        ("POST", "/credentials/x/check?"),
        ("GET", "/admin/tenants?pageSize=1"),
        ("POST", "/admin/tenants?"),
        ("GET", "/admin/tenants/x?"),
        ("DELETE", "/admin/tenants/x?"),
        ("POST", "/admin/tenants/x/keys?"),
        ("GET", "/admin/tenants/x/keys?pageSize=1"),
        ("DELETE", "/admin/tenants/x/keys/y?"),
        ("GET", "/livez?"),
        ("GET", "/readyz?"),
        ("GET", "/openapi.json?"),
    ] {
        let answer = edge.ask(method, &format!("{path}&nonsense=1&nonsense=2&other")).await;
        answer.is(400, "invalid_parameter");
        assert_eq!(answer.places(), ["nonsense", "other"], "{method} {path}");
        for millis in ["", "99", "30001", "1s", "-1", "+500", "99999999999999999999"] {
            let request = signed(method, path).header("x-request-timeout-ms", millis);
            let answer = edge.send(request.body(Body::empty()).unwrap()).await;
            answer.is(400, "invalid_parameter");
            assert_eq!(answer.places(), ["X-Request-Timeout-Ms"], "{method} {path} {millis}");
        }
    }
}

/// Links from mails and messengers come with parameters of their own.
#[tokio::test]
async fn pages_ignore_parameters() {
    let edge = TestGateway::open().await;
    for page in ["/docs/", "/docs/errors", "/docs/errors/internal", "/docs/guide/", "/docs/guide/filters"] {
        assert_eq!(edge.ask("GET", &format!("{page}?utm_source=mail")).await.status, 200, "{page}");
    }
}

#[tokio::test]
async fn a_deadline_in_range_is_taken_and_two_are_not() {
    let edge = TestGateway::open().await;
    for millis in ["100", "30000"] {
        let request = signed("GET", "/crm/contacts?credentialId=c").header("x-request-timeout-ms", millis);
        edge.send(request.body(Body::empty()).unwrap()).await.passed();
    }
    let twice =
        signed("GET", "/livez").header("x-request-timeout-ms", "100").header("x-request-timeout-ms", "100");
    edge.send(twice.body(Body::empty()).unwrap()).await.is(400, "invalid_parameter");
}

#[tokio::test]
async fn nobody_learns_anything_before_authentication() {
    let edge = TestGateway::open().await;
    for (method, path) in [
        ("GET", "/crm/contacts?nonsense"),
        ("POST", "/crm/contacts"),
        ("PATCH", "/crm/contacts/x"),
        ("DELETE", "/crm/contacts/count%20"),
        ("GET", "/crm/contacts/fields"),
        ("GET", "/crm/contacts/search"),
        ("POST", "/credentials"),
        ("GET", "/credentials/x"),
        ("POST", "/admin/tenants"),
        ("GET", "/admin/audit"),
    ] {
        for authorization in [None, Some("Basic eDp5"), Some("Bearer nobody"), Some("Bearer \u{fc}")] {
            let mut request = Request::builder().method(method).uri(path);
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            let answer = edge.send(request.body(Body::from("no JSON")).unwrap()).await;
            answer.is(401, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
    for (header, says) in [
        ("Bearer", "no key after `Bearer`"),
        ("bearer ", "Is the variable with the key set?"),
        ("Basic eDp5", "other schemes are not supported"),
    ] {
        let request = Request::get("/credentials").header("authorization", header).body(Body::empty());
        let answer = edge.send(request.unwrap()).await;
        assert!(answer.json()["detail"].as_str().unwrap().contains(says), "{header}: {}", answer.text);
    }
    let twice = signed("GET", "/credentials").header("authorization", tenant());
    edge.send(twice.body(Body::empty()).unwrap()).await.is(401, "unauthenticated");
}

#[tokio::test]
async fn a_bad_idempotency_key_is_refused_at_every_write() {
    let edge = TestGateway::open().await;
    for (method, path) in [
        ("POST", "/crm/contacts?credentialId=c"),
        ("PUT", "/crm/contacts/x?credentialId=c"),
        ("PATCH", "/crm/contacts/x?credentialId=c"),
        ("DELETE", "/crm/contacts/x?credentialId=c"),
        ("POST", "/credentials"),
    ] {
        for key in ["", "a b", "\"\"", &"k".repeat(256)] {
            let request = signed(method, path).header("idempotency-key", key).body(Body::empty());
            edge.send(request.unwrap()).await.is(400, "idempotency_key_invalid");
        }
        let twice = signed(method, path).header("idempotency-key", "k").header("idempotency-key", "k");
        edge.send(twice.body(Body::empty()).unwrap()).await.is(400, "idempotency_key_invalid");
    }
}

#[tokio::test]
async fn answers_are_neither_guessed_nor_stored_nor_framed() {
    let edge = TestGateway::open().await;
    for path in ["/livez", "/crm/contacts", "/nowhere", "/openapi.json"] {
        let answer = edge.ask("GET", path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{path}");
    }
}

#[tokio::test]
async fn a_process_that_stops_lives_and_is_not_ready() {
    let edge = TestGateway::open().await;
    assert_eq!(edge.ask("GET", "/readyz").await.text, r#"{"status":"ready","store":"ok"}"#);
    edge.admission.close();
    let answer = edge.ask("GET", "/readyz").await;
    answer.is(503, "draining");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(edge.ask("GET", "/livez").await.text, r#"{"status":"live"}"#);
}

#[tokio::test]
async fn objects_of_other_unified_apis_are_named_as_unsupported() {
    let edge = TestGateway::open().await;
    for object in ["accounts", "leads", "opportunities", "notes", "tasks", "users"] {
        for path in
            [format!("/crm/{object}"), format!("/crm/{object}/1/x"), format!("/2024-03/one/crm/{object}")]
        {
            let answer = edge.ask("POST", &path).await;
            answer.is(501, "operation_unsupported");
            assert!(answer.text.contains("This gateway serves contacts."), "{}", answer.text);
        }
    }
    for path in ["/crm/companies", "/crm/accountsx", "/crm", "/accounts"] {
        edge.ask("GET", path).await.is(404, "route_not_found");
    }
}

#[tokio::test]
async fn an_unknown_field_of_a_body_is_refused_with_what_was_probably_meant() {
    let edge = TestGateway::open().await;
    let contact = |field: &str| format!(r#"{{"lastName":"x","{field}":"y"}}"#);
    let credential = |settings: &str, secret: &str| {
        format!(
            r#"{{"provider":"aptly","name":"x","settings":{settings},"secret":{{"apiKey":"k"}}{secret}}}"#
        )
    };
    let contacts = "/crm/contacts?credentialId=c";
    for (method, uri, body, meant) in [
        ("POST", contacts, contact("firstname"), "Did you mean `firstName`?"),
        ("POST", contacts, contact("first_name"), "Did you mean `firstName`?"),
        ("POST", contacts, contact("email"), "Did you mean `emailAddresses`?"),
        ("POST", contacts, contact("favouriteColour"), "Valid fields: lastName, firstName, "),
        ("POST", contacts, contact(&"x".repeat(500_000)), "Valid fields: lastName, "),
        ("PATCH", "/crm/contacts/x?credentialId=c", contact("acount"), "Did you mean `account`?"),
        ("POST", "/crm/contacts/upsert?credentialId=c", contact("phone"), "Did you mean `phoneNumbers`?"),
        (
            "POST",
            contacts,
            r#"{"lastName":"x","emailAddresses":[{"email":"a@example.com"}]}"#.to_owned(),
            "Did you mean `emailAddress`?",
        ),
        ("POST", "/credentials", credential("{}", r#","secrets":{}"#), "Did you mean `secret`?"),
        (
            "POST",
            "/credentials",
            credential(r#"{"defaultregion":"US"}"#, ""),
            "Did you mean `defaultRegion`?",
        ),
        ("PATCH", "/credentials/c", r#"{"setting":{}}"#.to_owned(), "Did you mean `settings`?"),
        ("POST", "/admin/tenants", r#"{"nam":"x"}"#.to_owned(), "Did you mean `name`?"),
        ("POST", "/admin/tenants/t/keys", r#"{"name":"x","scope":[]}"#.to_owned(), "Did you mean `scopes`?"),
    ] {
        let answer = edge.tell(method, uri, body).await;
        answer.is(422, "validation_failed");
        assert!(
            answer.text.contains(meant),
            "{method} {uri}: {meant}: {}",
            &answer.text[..1000.min(answer.text.len())]
        );
    }
}
