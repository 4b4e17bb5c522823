//! `/credentials`, as far as the edge decides.

use crate::test_gateway::TestGateway;

#[tokio::test]
async fn bodies_name_every_fault_and_never_a_secret() {
    let edge = TestGateway::open().await;
    for (method, path, body, places) in [
        ("POST", "/credentials", "{}", vec!["/provider", "/name", "/secret"]),
        (
            "POST",
            "/credentials",
            r#"{"provider":1,"name":[],"settings":"s","secret":"hush-hush","more":0}"#,
            vec!["/more", "/provider", "/name", "/settings", "/secret"],
        ),
        ("PATCH", "/credentials/c", r#"{"provider":"aptly","name":null}"#, vec!["/provider", "/name"]),
        (
            "PATCH",
            "/credentials/c",
            r#"{"settings":null,"secret":["hush-hush"]}"#,
            vec!["/settings", "/secret"],
        ),
    ] {
        let answer = edge.tell(method, path, body).await;
        answer.is(422, "validation_failed");
        assert_eq!(answer.places(), places, "{body}");
        assert!(!answer.text.contains("hush"), "{}", answer.text);
    }
    let body = r#"{"provider":"aptly","name":"a","secret":{"apiKey":"hush"}}"#;
    let made = edge.tell("POST", "/credentials?verify=false", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert!(!made.text.contains("hush"), "{}", made.text);
    edge.tell("PATCH", "/credentials/c", "{}").await.passed();
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let edge = TestGateway::open().await;
    for (path, names) in [
        ("/credentials?pageSize=0", vec!["pageSize"]),
        ("/credentials?pageSize=101&cursor=", vec!["cursor", "pageSize"]),
        ("/credentials?pageNumber=1", vec!["pageNumber"]),
    ] {
        let answer = edge.ask("GET", path).await;
        answer.is(400, "invalid_parameter");
        assert_eq!(answer.places(), names, "{path}");
    }
    let answer = edge.tell("POST", "/credentials?verify=yes", "{}").await;
    assert_eq!(answer.is(400, "invalid_parameter").places(), ["verify"]);
}
