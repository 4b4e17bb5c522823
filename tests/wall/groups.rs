//! Rate limit groups: a key limited to one credential must not pause other credentials through a shared group.

use contacts_gateway::domain::Scope;
use contacts_gateway::simulators::{Fault, FaultKind};
use serde_json::json;

use crate::reply::Reply;
use crate::testbed::Testbed;

async fn patch(testbed: &Testbed, key: &str, credential: &str, settings: serde_json::Value) -> Reply {
    let body = json!({ "settings": settings }).to_string();
    testbed.send("PATCH", &format!("/credentials/{credential}"), key, Some(&body)).await
}

async fn list(testbed: &Testbed, key: &str, credential: &str) -> Reply {
    testbed.send("GET", &format!("/crm/contacts?credentialId={credential}"), key, None).await
}

/// Seconds of `Retry-After`.
fn retry_after(answer: &Reply) -> u64 {
    answer.headers["retry-after"].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_key_with_a_list_of_credentials_cannot_join_leave_or_change_a_rate_limit_group() {
    let testbed = Testbed::open().await;
    let tenant = testbed.tenant("one").await;
    let credential = tenant.credentials[0].as_str();
    let whole = testbed.key(&tenant, &Scope::ALL, None).await;
    let listed = testbed.key(&tenant, &Scope::ALL, Some(&[credential])).await;
    for settings in
        [json!({ "rateLimitGroup": "company" }), json!({ "rateLimitGroup": "a", "defaultRegion": "US" })]
    {
        let answer = patch(&testbed, &listed, credential, settings).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "insufficient_scope"), "{}", answer.text);
        assert!(answer.text.contains("rateLimitGroup"), "{}", answer.text);
    }
    assert_eq!(patch(&testbed, &whole, credential, json!({ "rateLimitGroup": "company" })).await.status, 200);
    for group in [json!("other"), json!(null)] {
        let answer = patch(&testbed, &listed, credential, json!({ "rateLimitGroup": group })).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "insufficient_scope"), "{}", answer.text);
    }
    // Changes that keep the group are allowed.
    for settings in [json!({ "rateLimitGroup": "company" }), json!({ "defaultRegion": "CA" })] {
        assert_eq!(patch(&testbed, &listed, credential, settings).await.status, 200);
    }
    assert_eq!(patch(&testbed, &whole, credential, json!({ "rateLimitGroup": null })).await.status, 200);
}

#[tokio::test]
async fn a_key_with_a_list_of_credentials_cannot_lower_the_limit_of_a_group() {
    let testbed = Testbed::open().await;
    let tenant = testbed.tenant("one").await;
    let credential = tenant.credentials[0].as_str();
    let whole = testbed.key(&tenant, &Scope::ALL, None).await;
    let listed = testbed.key(&tenant, &Scope::ALL, Some(&[credential])).await;
    let limits = [json!({ "rateLimit": { "perMinute": 1 } }), json!({ "rateLimitShare": 0.01 })];
    // A credential outside of groups delays no other.
    for limit in &limits {
        assert_eq!(patch(&testbed, &listed, credential, limit.clone()).await.status, 200);
    }
    assert_eq!(patch(&testbed, &whole, credential, json!({ "rateLimitGroup": "company" })).await.status, 200);
    for limit in [json!({ "rateLimit": { "perMinute": 2 } }), json!({ "rateLimitShare": null })] {
        let answer = patch(&testbed, &listed, credential, limit).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "insufficient_scope"), "{}", answer.text);
    }
    for limit in limits {
        assert_eq!(patch(&testbed, &listed, credential, limit).await.status, 200, "unchanged");
    }
}

#[tokio::test]
async fn a_retry_after_holds_its_credential_whole_and_its_group_for_five_minutes_at_most() {
    let testbed = Testbed::open().await;
    let tenant = testbed.tenant("one").await;
    let (met, mate) = (tenant.credentials[0].clone(), testbed.more(&tenant, "aptly").await);
    let key = testbed.key(&tenant, &Scope::ALL, None).await;
    for credential in [&met, &mate] {
        assert_eq!(
            patch(&testbed, &key, credential, json!({ "rateLimitGroup": "company" })).await.status,
            200
        );
    }
    testbed.aptly.fault(Fault::once(FaultKind::TooManyRequests { retry_after: Some("3600".into()) }));
    assert_eq!(list(&testbed, &key, &met).await.status, 429);
    let (own, others) = (list(&testbed, &key, &met).await, list(&testbed, &key, &mate).await);
    assert_eq!((own.status, others.status), (429, 429));
    assert!((3500..=3600).contains(&retry_after(&own)), "{}", retry_after(&own));
    assert!((200..=300).contains(&retry_after(&others)), "{}", retry_after(&others));
    // The pause stays with its credential, whichever group that is in.
    assert_eq!(patch(&testbed, &key, &met, json!({ "rateLimitGroup": null })).await.status, 200);
    let left = list(&testbed, &key, &met).await;
    assert!(left.status == 429 && retry_after(&left) > 3500, "{}", left.text);
}
