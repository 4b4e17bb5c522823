//! `/crm/contacts`, as far as the edge decides: parameters and bodies.

use axum::body::Body;
use bytes::Bytes;
use http_body_util::StreamBody;

use crate::test_gateway::{TestGateway, signed};

const CREATE: &str = "/crm/contacts?credentialId=c";

#[tokio::test]
async fn bad_parameters_are_named_all_of_them() {
    let edge = TestGateway::open().await;
    let long = format!("lastName={}", "x".repeat(1001));
    for (query, names) in [
        ("", vec!["credentialId"]),
        ("credentialId=", vec!["credentialId"]),
        ("credentialId=%20", vec!["credentialId"]),
        ("credentialId", vec!["credentialId"]),
        ("credentialId=c&credentialId=c", vec!["credentialId"]),
        ("credentialId=c&connectionId=d", vec!["connectionId"]),
        ("connectionId=c&connectionId=c", vec!["connectionId"]),
        ("credentialid=c", vec!["credentialid", "credentialId"]),
        ("credentialId=c&pageSize=0", vec!["pageSize"]),
        ("credentialId=c&pageSize=101", vec!["pageSize"]),
        ("credentialId=c&pageSize=abc", vec!["pageSize"]),
        ("credentialId=c&pageSize=-1", vec!["pageSize"]),
        ("credentialId=c&pageSize=1.5", vec!["pageSize"]),
        ("credentialId=c&pageSize=", vec!["pageSize"]),
        ("credentialId=c&pageSize=99999999999999999999999", vec!["pageSize"]),
        ("credentialId=c&pageNumber=0", vec!["pageNumber"]),
        ("credentialId=c&pageNumber=1000001", vec!["pageNumber"]),
        ("credentialId=c&pageNumber=18446744073709551616", vec!["pageNumber"]),
        ("credentialId=c&pageNumber=1&cursor=x", vec!["cursor"]),
        ("credentialId=c&cursor=", vec!["cursor"]),
        ("credentialId=c&lastName=", vec!["lastName"]),
        ("credentialId=c&lastName=+", vec!["lastName"]),
        ("credentialId=c&lastName=a%00b", vec!["lastName"]),
        ("credentialId=c&lastName=%ff", vec!["lastName"]),
        ("credentialId=c&lastName=%zz", vec!["lastName"]),
        ("credentialId=c&lastName=a&lastName=a", vec!["lastName"]),
        ("credentialId=c&remoteUpdatedAtMin=2024-01-31", vec!["remoteUpdatedAtMin"]),
        ("credentialId=c&remoteUpdatedAtMin=2024-01-31T00:00:00%2B99:00", vec!["remoteUpdatedAtMin"]),
        ("credentialId=c&remoteUpdatedAtMin=2024-01-31T00:00:00+02:00", vec!["remoteUpdatedAtMin"]),
        (
            "credentialId=c&createdAtMax=now&pageSize=x&foo=1&account=",
            vec!["foo", "account", "createdAtMax", "pageSize"],
        ),
        ("credentialId=c&strict=true", vec!["strict"]),
    ] {
        let answer = edge.ask("GET", &format!("/crm/contacts?{query}")).await;
        answer.is(400, "invalid_parameter");
        assert_eq!(answer.places(), names, "{query}");
    }
    edge.ask("GET", &format!("/crm/contacts?credentialId=c&{long}")).await.is(400, "invalid_parameter");
    for query in ["credentialId=c&pageSize=1", "credentialId=c&cursor=x", "credentialId=c&lastName=x"] {
        let on = |path: &str| format!("{path}?{query}");
        let names = edge.ask("GET", &on("/crm/contacts/count")).await;
        let known = query.contains("lastName");
        assert_eq!(names.code() == "invalid_parameter", !known, "{query}");
        edge.ask("GET", &on("/crm/contacts/x")).await.is(400, "invalid_parameter");
    }
}

#[tokio::test]
async fn a_plus_that_was_not_encoded_is_explained_wherever_it_matters() {
    let edge = TestGateway::open().await;
    let list = "/crm/contacts?credentialId=c&";
    for (path, name) in [
        (format!("{list}emailAddress=ada+crm@example.com"), "emailAddress"),
        (format!("{list}emailAddress=ada%20crm@example.com"), "emailAddress"),
        (format!("{list}emailAddress=+ada@example.com"), "emailAddress"),
        (format!("{list}emailAddress=ada@example.com+"), "emailAddress"),
        ("/crm/contacts/count?credentialId=c&emailAddress=ada+crm@example.com".to_owned(), "emailAddress"),
        (format!("{list}phoneNumber=+14165550123"), "phoneNumber"),
        (format!("{list}phoneNumber=%2014165550123"), "phoneNumber"),
        ("/crm/contacts/count?credentialId=c&phoneNumber=+1+416+5550123".to_owned(), "phoneNumber"),
        (format!("{list}remoteCreatedAtMin=2024-01-31T00:00:00+02:00"), "remoteCreatedAtMin"),
        (format!("{list}remoteCreatedAtMin=2024-01-31T00:00:00.125+0200"), "remoteCreatedAtMin"),
        (format!("{list}lastActivityAt=2024-01-31T00:00+02:00"), "lastActivityAt"),
        ("/admin/audit?from=2024-01-31T00:00:00+02:00".to_owned(), "from"),
    ] {
        let answer = edge.ask("GET", &path).await;
        answer.is(400, "invalid_parameter");
        assert_eq!(answer.places(), [name], "{path}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("%2B"), "{path}: {}", answer.text);
    }
    // No `+` is missing here: the text says what is wrong, and not what is right.
    for value in ["ada", "@example.com", "ada@", "a@b@c", "Ada <ada@example.com>", "ada@example.com,x@y.org"]
    {
        let value = value.replace(' ', "%20").replace('<', "%3C").replace('>', "%3E");
        let answer = edge.ask("GET", &format!("{list}emailAddress={value}")).await;
        answer.is(400, "invalid_parameter");
        assert_eq!(answer.places(), ["emailAddress"], "{value}");
    }
    for good in [
        "emailAddress=ada%2Bcrm@example.com",
        "phoneNumber=%2B14165550123",
        "phoneNumber=%2B1+416+555+0123",
        "phoneNumber=416+555+0123",
        "lastName=van+Dyk",
        "lastNameContains=%20van",
        "remoteCreatedAtMin=2024-01-31T00:00:00%2B02:00",
    ] {
        edge.ask("GET", &format!("{list}{good}")).await.passed();
    }
}

#[tokio::test]
async fn a_credential_id_has_no_form_and_an_unknown_one_is_not_found_however_it_looks() {
    let edge = TestGateway::open().await;
    let long = "x".repeat(1001);
    for id in [long.as_str(), "%00", "a%0Ab", "%C2%85x", "ä+b"] {
        for path in ["/crm/contacts", "/crm/contacts/x", "/crm/contacts/count"] {
            let uri = format!("{path}?credentialId={id}").replace('ä', "%C3%A4");
            edge.ask("GET", &uri).await.is(404, "credential_not_found");
        }
        let id = id.replace('+', "%20").replace('ä', "%C3%A4");
        edge.ask("GET", &format!("/credentials/{id}")).await.is(404, "credential_not_found");
    }
}

#[tokio::test]
async fn good_parameters_pass() {
    let edge = TestGateway::open().await;
    for query in [
        "credentialId=c",
        "connectionId=c",
        "credentialId=c&connectionId=c",
        "credentialId=%F0%9F%98%80%2F%26",
        "credentialId=c&pageSize=100&pageNumber=1000000",
        "credentialId=c&pageSize=1&cursor=x",
        "credentialId=c&lastName=O%27Neil&firstNameNotEquals=x&phoneNumber=%2B1+415",
        "credentialId=c&remoteUpdatedAtMin=2024-01-31T00:00:00Z&createdAtMax=2024-01-31T00:00:00%2B02:00",
    ] {
        edge.ask("GET", &format!("/crm/contacts?{query}")).await.passed();
    }
    for path in ["/crm/contacts/x?credentialId=c", "/crm/contacts/count?credentialId=c&account=x"] {
        edge.ask("GET", path).await.passed();
    }
    edge.ask("DELETE", "/crm/contacts/x?credentialId=c").await.passed();
}

#[tokio::test]
async fn a_reserved_word_is_no_id_however_it_is_spelled() {
    let edge = TestGateway::open().await;
    for id in ["%63ount", "%66ields", "expor%74", "%73earch", "upser%74", "%ff"] {
        edge.ask("GET", &format!("/crm/contacts/{id}?credentialId=c")).await.is(404, "contact_not_found");
    }
}

#[tokio::test]
async fn what_is_no_strict_json_is_malformed() {
    let edge = TestGateway::open().await;
    let deep = format!(r#"{{"lastName":"x","remoteFields":{{"a":{}0{}}}}}"#, "[".repeat(31), "]".repeat(31));
    let deeper = format!(r#"{{"a":{}0{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    for body in [
        &b""[..],
        b"{",
        b"null x",
        b"{'lastName':'x'}",
        br#"{"lastName":"x",}"#,
        br#"{"lastName":"x","lastName":"y"}"#,
        br#"{"lastName":"x","remoteFields":{"a":1,"a":2}}"#,
        br#"{"lastName":"x","\u006castName":"y"}"#,
        br#"{"lastName":"\ud800"}"#,
        br#"{"lastName":"\udc00\ud800"}"#,
        b"{\"lastName\":\"a\nb\"}",
        b"{\"lastName\":\"\xff\"}",
        b"\xef\xbb\xbf{\"lastName\":\"x\"}",
        b"{\"lastName\":\"x\",\"remoteFields\":{\"n\":NaN}}",
        deep.as_bytes(),
        deeper.as_bytes(),
    ] {
        for (method, path) in
            [("POST", CREATE), ("PATCH", "/crm/contacts/x?credentialId=c"), ("POST", "/credentials")]
        {
            let answer = edge.tell(method, path, body.to_vec()).await;
            assert_eq!(
                answer.code(),
                "malformed_request",
                "{:?}",
                String::from_utf8_lossy(&body[..body.len().min(60)])
            );
            assert_eq!(answer.status, 400);
        }
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_or_not_it_says_so() {
    let edge = TestGateway::open().await;
    let filled = |size: usize| {
        let frame = r#"{"lastName":"x","remoteFields":{"a":""}}"#;
        // Blanks between members: strings have a limit of their own.
        frame.replace(r#""""#, &format!("{}\"\"", " ".repeat(size - frame.len())))
    };
    edge.tell("POST", CREATE, filled(1024 * 1024)).await.passed();
    edge.tell("POST", CREATE, filled(1024 * 1024 + 1)).await.is(413, "body_too_large");
    let chunks =
        (0..2000).map(|_| Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from_static(&[b' '; 1024]))));
    let stream = StreamBody::new(futures_util::stream::iter(chunks));
    edge.tell("POST", CREATE, Body::new(stream)).await.is(413, "body_too_large");
    let lying =
        signed("POST", CREATE).header("content-type", "application/json").header("content-length", "2");
    edge.send(lying.body(Body::from(filled(2 * 1024 * 1024))).unwrap()).await.is(413, "body_too_large");
    // Who declares too much is not asked for the body: it never comes here.
    let declared =
        signed("POST", CREATE).header("content-type", "application/json").header("content-length", "2000000");
    let never = Body::new(StreamBody::new(futures_util::stream::pending::<
        std::io::Result<http_body::Frame<Bytes>>,
    >()));
    edge.send(declared.body(never).unwrap()).await.is(413, "body_too_large");
}

#[tokio::test]
async fn a_body_that_drips_is_cut_off() {
    let edge = TestGateway::open().await;
    // The database takes real time, dripping none: from here on the key is known without it.
    edge.ask("GET", "/credentials").await;
    tokio::time::pause();
    let drip = futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        Some((Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from_static(b" "))), ()))
    });
    let began = tokio::time::Instant::now();
    edge.tell("POST", CREATE, Body::new(StreamBody::new(drip))).await.is(400, "malformed_request");
    assert!(began.elapsed().as_secs() <= 10);
}

#[tokio::test]
async fn only_plain_json_is_read() {
    let edge = TestGateway::open().await;
    for (name, value) in [
        ("content-type", "text/plain"),
        ("content-type", "application/jsonp"),
        ("content-type", "application/xml"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-type", "multipart/form-data; boundary=x"),
        ("content-type", "application/json; charset=latin1"),
        ("x-nothing", ""),
    ] {
        let request = signed("POST", CREATE).header(name, value).body(Body::from(r#"{"lastName":"x"}"#));
        edge.send(request.unwrap()).await.is(415, "unsupported_media_type");
    }
    let zipped =
        signed("POST", CREATE).header("content-type", "application/json").header("content-encoding", "gzip");
    edge.send(zipped.body(Body::from("x")).unwrap()).await.is(415, "unsupported_media_type");
    for value in [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/vnd.api+json",
        "application/json;charset=\"utf-8\"",
    ] {
        let request =
            signed("POST", CREATE).header("content-type", value).body(Body::from(r#"{"lastName":"x"}"#));
        edge.send(request.unwrap()).await.passed();
    }
}

#[tokio::test]
async fn a_draft_names_every_fault() {
    let edge = TestGateway::open().await;
    for (body, places) in [
        ("[]", vec![""]),
        ("null", vec![""]),
        ("{}", vec!["/lastName"]),
        (r#"{"lastName":null}"#, vec!["/lastName"]),
        (r#"{"lastName":"  "}"#, vec!["/lastName"]),
        (r#"{"lastName":7,"firstName":true,"account":{}}"#, vec!["/lastName", "/firstName", "/account"]),
        (r#"{"lastName":"x","a":1,"b/c":2,"d~e":3,"":4}"#, vec!["/a", "/b~1c", "/d~0e", "/"]),
        (r#"{"lastName":"x","id":"con_1","remoteId":"2"}"#, vec!["/id", "/remoteId"]),
        (r#"{"lastName":"a\u0000b","firstName":"a\nb"}"#, vec!["/lastName", "/firstName"]),
        (
            r#"{"lastName":"x","emailAddresses":{},"phoneNumbers":"+1","addresses":[[]],"remoteFields":[]}"#,
            vec!["/emailAddresses", "/phoneNumbers", "/addresses/0", "/remoteFields"],
        ),
        (
            r#"{"lastName":"x","emailAddresses":[{"emailAddress":"a@example.com"},{"emailAddress":"nobody"},{},{"emailAddress":null},null,{"emailAddress":"A <a@example.com>"},{"emailAddress":"b@example.com","x":1}]}"#,
            vec![
                "/emailAddresses/1/emailAddress",
                "/emailAddresses/2/emailAddress",
                "/emailAddresses/3/emailAddress",
                "/emailAddresses/4",
                "/emailAddresses/5/emailAddress",
                "/emailAddresses/6/x",
            ],
        ),
        (
            r#"{"lastName":"x","phoneNumbers":[{"phoneNumber":5551234},{"phoneNumberType":"home"},{"phoneNumber":"1","phoneNumberType":1}]}"#,
            vec![
                "/phoneNumbers/0/phoneNumber",
                "/phoneNumbers/1/phoneNumber",
                "/phoneNumbers/2/phoneNumberType",
            ],
        ),
        (
            r#"{"lastName":"x","addresses":[{"street1":"1 Pier\nUnit 2","city":"a\nb"},{},{"zip":"1"}]}"#,
            vec!["/addresses/0/city", "/addresses/1", "/addresses/2/zip", "/addresses/2"],
        ),
        (
            r#"{"lastName":"x","remoteFields":{" ":1,"a\u0001":2}}"#,
            vec!["/remoteFields/ ", "/remoteFields/a\u{1}"],
        ),
    ] {
        let answer = edge.tell("POST", CREATE, body).await;
        answer.is(422, "validation_failed");
        assert_eq!(answer.places(), places, "{body}");
    }
}

#[tokio::test]
async fn limits_are_told() {
    let edge = TestGateway::open().await;
    let list = |name: &str, item: &str, count: usize| {
        format!(r#"{{"lastName":"x","{name}":[{}]}}"#, vec![item; count].join(","))
    };
    for (name, item, most) in [
        ("emailAddresses", r#"{"emailAddress":"a@example.com"}"#, 50),
        ("phoneNumbers", r#"{"phoneNumber":"1"}"#, 50),
        ("addresses", r#"{"city":"x"}"#, 20),
    ] {
        edge.tell("POST", CREATE, list(name, item, most)).await.passed();
        let answer = edge.tell("POST", CREATE, list(name, item, most + 1)).await;
        assert_eq!(answer.is(422, "validation_failed").places(), [format!("/{name}")]);
    }
    let name = |length: usize| format!(r#"{{"lastName":"{}"}}"#, "\u{1f600}".repeat(length));
    edge.tell("POST", CREATE, name(1000)).await.passed();
    assert_eq!(
        edge.tell("POST", CREATE, name(1001)).await.is(422, "validation_failed").places(),
        ["/lastName"]
    );
    let remote = |count: usize| {
        let members: Vec<String> = (0..count).map(|n| format!("\"m{n}\":{n}")).collect();
        format!(r#"{{"lastName":"x","remoteFields":{{{}}}}}"#, members.join(","))
    };
    edge.tell("POST", CREATE, remote(200)).await.passed();
    assert_eq!(edge.tell("POST", CREATE, remote(201)).await.places(), ["/remoteFields"]);
    let members: Vec<String> = (0..50_000).map(|n| format!("\"u{n}\":0")).collect();
    let answer = edge.tell("POST", CREATE, format!("{{{}}}", members.join(","))).await;
    assert_eq!(answer.is(422, "validation_failed").places().len(), 100);
    assert_eq!(answer.json()["errorsOmitted"], 49_901);
    assert!(
        answer.json()["detail"].as_str().unwrap().ends_with("(and 50000 more: `errors` lists the first 100)"),
        "{}",
        answer.json()["detail"]
    );
}

#[tokio::test]
async fn a_change_may_say_nothing_clear_and_bring_read_only_members_along() {
    let edge = TestGateway::open().await;
    for body in [
        "{}",
        r#"{"lastName":null,"account":"","emailAddresses":[],"phoneNumbers":null,"addresses":[]}"#,
        r#"{"id":"con_1","remoteId":"2","createdAt":null,"updatedAt":7,"remoteCreatedAt":"x","remoteUpdatedAt":null,"remoteDeleted":false,"lastActivityAt":null}"#,
        r#"{"remoteFields":{"a":null,"n":123456789012345678901234567890.5}}"#,
    ] {
        for method in ["PATCH", "PUT"] {
            edge.tell(method, "/crm/contacts/x?credentialId=c&strict=true", body).await.passed();
        }
    }
    let answer = edge.tell("PATCH", "/crm/contacts/x?credentialId=c", r#"{"remoteFields":[],"a":1}"#).await;
    assert_eq!(answer.is(422, "validation_failed").places(), ["/remoteFields", "/a"]);
}

#[tokio::test]
async fn a_body_for_what_is_held_already_has_bounds_of_its_own() {
    let edge = TestGateway::open().await;
    let list = |name: &str, item: &str, count: usize| {
        format!(r#"{{"lastName":"x","{name}":[{}]}}"#, vec![item; count].join(","))
    };
    let remote = |count: usize| {
        let members: Vec<String> = (0..count).map(|n| format!("\"m{n}\":{n}")).collect();
        format!(r#"{{"lastName":"x","remoteFields":{{{}}}}}"#, members.join(","))
    };
    let odd = r#"{"lastName":"a\tb","emailAddresses":[{"emailAddress":"ada@example.com"},{"emailAddress":"n/a"}],"phoneNumbers":[{"phoneNumber":"+14165550277"}],"remoteFields":{"a\u0001":"\u0001"}}"#;
    for (method, path) in [
        ("PATCH", "/crm/contacts/x?credentialId=c"),
        ("PUT", "/crm/contacts/x?credentialId=c"),
        ("POST", "/crm/contacts/upsert?credentialId=c"),
    ] {
        edge.tell(method, path, odd).await.passed();
        for (name, item) in [
            ("emailAddresses", r#"{"emailAddress":"a@example.com"}"#),
            ("phoneNumbers", r#"{"phoneNumber":"1"}"#),
            ("addresses", r#"{"city":"x"}"#),
        ] {
            edge.tell(method, path, list(name, item, 1000)).await.passed();
            let answer = edge.tell(method, path, list(name, item, 1001)).await;
            assert_eq!(answer.is(422, "validation_failed").places(), [format!("/{name}")], "{method}");
        }
        edge.tell(method, path, remote(2000)).await.passed();
        assert_eq!(edge.tell(method, path, remote(2001)).await.places(), ["/remoteFields"], "{method}");
        edge.tell(method, path, r#"{"lastName":"x","remoteFields":null}"#).await.passed();
    }
    let deep = format!(r#"{{"remoteFields":{{"a":{}{}}}}}"#, "[".repeat(31), "]".repeat(31));
    let large = format!(r#"{{"lastName":"{}"}}"#, "x".repeat(1024 * 1024));
    for (body, code) in [(deep, "malformed_request"), (large, "body_too_large")] {
        let answer = edge.tell("PATCH", "/crm/contacts/x?credentialId=c", body).await;
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert_eq!(
            (answer.code().as_str(), detail.contains("send only the fields that change")),
            (code, true),
            "{detail}"
        );
    }
}
