//! The list of `tests/fixtures/jwt_cases.json`: what is refused and why, and what is taken.

use serde_json::Value;

use super::house::{TestIssuer, issuers};
use super::token::token;
use crate::auth::jwt::looks_like_a_token;
use crate::domain::{FailureKind, Principal, Scope, Scopes, TenantId, Text};

const CASES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/jwt_cases.json"));

fn cases(list: &str) -> Vec<Value> {
    let cases: Value = serde_json::from_str(CASES).unwrap();
    cases[list].as_array().unwrap().clone()
}

/// Why a token is refused, wherever that is decided.
async fn why(house: &TestIssuer, token: &str) -> Option<&'static str> {
    if token.len() > 8 * 1024 {
        Some("long")
    } else if token.starts_with("cg_") || !looks_like_a_token(token) {
        Some("shape")
    } else {
        house.why(token).await
    }
}

#[tokio::test]
async fn every_forged_or_malformed_token_is_refused_for_its_own_reason() {
    let house = TestIssuer::new(&issuers()).await;
    let cases = cases("refused");
    assert!(cases.len() >= 60);
    let mut wrong = Vec::new();
    for case in &cases {
        let (name, token) = (case["name"].as_str().unwrap(), token(case));
        let because = case["because"].as_str();
        // Twice: what was refused is not taken from a memory either.
        for _ in 0..2 {
            let why = why(&house, &token).await;
            match house.ask(&token).await {
                Ok(_) => wrong.push(format!("{name}: taken")),
                Err(failure) if failure.kind != FailureKind::Unauthenticated => {
                    wrong.push(format!("{name}: {:?}", failure.kind));
                }
                Err(_) if why != because => wrong.push(format!("{name}: {why:?}, not {because:?}")),
                Err(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn one_wording_answers_whatever_is_wrong_with_a_token() {
    let house = TestIssuer::new(&issuers()).await;
    let mut wordings = std::collections::BTreeSet::new();
    for case in cases("refused") {
        let token = token(&case);
        if token.len() < 8 * 1024 && looks_like_a_token(&token) && !token.starts_with("cg_") {
            wordings.insert(house.ask(&token).await.unwrap_err().detail.as_str().to_owned());
        }
    }
    assert_eq!(wordings.len(), 1, "{wordings:?}");
}

#[tokio::test]
async fn good_tokens_are_taken_with_their_tenant_scopes_and_subject() {
    let house = TestIssuer::new(&issuers()).await;
    for case in cases("taken") {
        let name = case["name"].as_str().unwrap();
        let issuer = format!("https://{}.example.com", case["issuer"].as_str().unwrap_or("login"));
        let words = case["scopes"].as_array().map(|words| words.iter().filter_map(Value::as_str).collect());
        let scopes: Vec<&str> = words.unwrap_or_else(|| vec!["contacts:read"]);
        let scopes: Vec<Scope> = scopes.into_iter().filter_map(Scope::parse).collect();
        let subject = case.get("subject").is_none().then(|| Text::from("user-1"));
        let token = token(&case);
        // Twice: checked, then remembered.
        for _ in 0..2 {
            let Ok(caller) = house.ask(&token).await else {
                panic!("{name}: {:?}", house.why(&token).await);
            };
            assert_eq!(caller.tenant, TenantId::from("ten_acme"), "{name}");
            assert_eq!(caller.scopes, Scopes::new(&scopes), "{name}");
            let principal = Principal::Token { issuer: issuer.as_str().into(), subject: subject.clone() };
            assert_eq!(caller.principal, principal, "{name}");
            assert!(caller.credentials.is_none());
        }
    }
}

#[tokio::test]
async fn a_remembered_token_is_refused_when_its_tenant_is_gone() {
    let house = TestIssuer::new(&issuers()).await;
    let good = token(&serde_json::json!({}));
    house.ask(&good).await.unwrap();
    house.store.tenants.delete(&"ten_acme".into()).await.unwrap();
    house.authenticator.forget_all();
    assert_eq!(house.why(&good).await, Some("tenant"));
}

#[tokio::test]
async fn a_remembered_token_is_refused_when_it_ends() {
    let house = TestIssuer::new(&issuers()).await;
    let ending = token(&serde_json::json!({"claims": {"iat": "@time -600", "exp": "@time -59"}}));
    house.ask(&ending).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
    assert_eq!(house.why(&ending).await, Some("expired"));
}

#[tokio::test]
async fn a_token_that_changes_by_one_character_is_refused_at_each_place() {
    let house = TestIssuer::new(&issuers()).await;
    let good = token(&serde_json::json!({"sign": "ES256"}));
    house.ask(&good).await.unwrap();
    for place in 0..good.len() {
        for other in ['A', 'z', '-', '.'] {
            let changed = format!("{}{other}{}", &good[..place], &good[place + 1..]);
            assert!(changed == good || house.ask(&changed).await.is_err(), "{place} {other}");
        }
    }
}

#[tokio::test]
async fn a_token_does_not_open_the_admin_plane_and_without_issuers_none_is_taken() {
    let house = TestIssuer::new(&issuers()).await;
    let good = format!("Bearer {}", token(&serde_json::json!({})));
    let forged = format!("Bearer {}", token(&serde_json::json!({"sign": "other RS256"})));
    let operator = async |header: &str| house.authenticator.is_operator(Some(header)).await.unwrap_err().kind;
    assert_eq!(operator(&good).await, FailureKind::InsufficientScope);
    assert_eq!(operator(&forged).await, FailureKind::Unauthenticated);
    let without = TestIssuer::new(&[]).await;
    assert_eq!(
        without.authenticator.authenticate(Some(&good)).await.unwrap_err().kind,
        FailureKind::Unauthenticated
    );
}
