//! Paths in settings: none may reach another path on a server that parses it differently.

use contacts_gateway::domain::Scope;
use serde_json::json;

use crate::testbed::Testbed;

/// Segments that some servers read as `..`, as `.`, or as more than one segment.
const SEGMENTS: [&str; 34] = [
    "..",
    ".",
    "..;",
    ".;",
    "..;x=1",
    "..;/..;",
    ".;.",
    ";..",
    ";",
    ";x=1",
    "..;;",
    "%2e%2e",
    "%2E%2E",
    "%2e.",
    ".%2e",
    "%2e%2e;",
    "..%3b",
    "..%3B",
    "%2e",
    "%252e%252e",
    "%252E%252e",
    "%25252e%25252e",
    "%2e%252e",
    "a%2f..",
    "a%2F..%2Fb",
    "a%252fb",
    "%5c..",
    "a%5C..",
    "a%255cb",
    "..\\",
    "\\..",
    "%c0%ae%c0%ae",
    "%u002e%u002e",
    "．．",
];

#[tokio::test]
async fn no_path_of_the_settings_leads_to_another_one() {
    let testbed = Testbed::open().await;
    let key = testbed.key(&testbed.tenant("one").await, &Scope::ALL, None).await;
    for segment in SEGMENTS {
        for (setting, value) in [
            ("getPath", format!("/api/{segment}/{{id}}")),
            ("getPath", format!("/{segment}/contacts/{{id}}")),
            ("getPath", format!("/api/{{id}}/{segment}")),
            ("deletePath", format!("/api/{segment}/{{id}}")),
            ("deletePath", format!("/api/{{id}}/{segment}")),
            ("baseUrl", format!("{}/{segment}", testbed.pipeline.base_url())),
            ("baseUrl", format!("{}/{segment}/", testbed.pipeline.base_url())),
            ("baseUrl", format!("{}/a/{segment}/b", testbed.pipeline.base_url())),
        ] {
            let mut settings = json!({ "baseUrl": testbed.pipeline.base_url() });
            settings[setting] = json!(value);
            let body = json!({ "provider": "pipeline", "name": format!("{setting} {value}"), "settings": settings,
                "secret": { "token": "any" } });
            let answer =
                testbed.send("POST", "/credentials?verify=false", &key, Some(&body.to_string())).await;
            assert_eq!(answer.status, 422, "{setting} {value}: {}", answer.text);
            assert_eq!(answer.places(), [format!("/settings/{setting}")], "{value}");
        }
    }
    for (setting, value) in [
        ("getPath", "/api/v2.1/contacts/{id}".to_owned()),
        ("getPath", "/api/contacts;v=2/{id}/~a.b..c".to_owned()),
        ("deletePath", "/.well-known/a..b/{id}".to_owned()),
        ("baseUrl", format!("{}/crm/v2.1/", testbed.pipeline.base_url())),
    ] {
        let mut settings = json!({ "baseUrl": testbed.pipeline.base_url() });
        settings[setting] = json!(value);
        let body = json!({ "provider": "pipeline", "name": format!("fine {value}"), "settings": settings,
            "secret": { "token": "any" } });
        let answer = testbed.send("POST", "/credentials?verify=false", &key, Some(&body.to_string())).await;
        assert_eq!(answer.status, 201, "{setting} {value}: {}", answer.text);
    }
}
