//! Keys and tenants: from the operator's call to the caller who is known, or no longer.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::house::{TestCredentials, context, operator, page, places};
use crate::auth::ApiKey;
use crate::domain::{FailureKind, Principal, Scope, Scopes, TenantId};
use crate::gateway::ListingRequest;
use crate::gateway::keys::KeyDraft;
use crate::sealing::MasterKey;
use crate::store::now;
use crate::store::tests::{TestPlace, also_on_postgres};

fn draft(scopes: &[Scope]) -> KeyDraft {
    KeyDraft { name: "app".into(), scopes: Scopes::new(scopes), credential_ids: None, expires_at: None }
}

async fn kind(house: &TestCredentials, header: Option<&str>) -> (FailureKind, String) {
    let failure = house.authenticator.authenticate(header).await.unwrap_err();
    (failure.kind, failure.detail.as_str().to_owned())
}

#[tokio::test]
async fn a_key_tells_its_tenant_and_scopes_until_it_is_revoked() {
    let house = TestCredentials::new().await;
    let tenant = house.tenant("t").await.tenant;
    let (key, text) = house.keys.create(&operator(), &tenant, draft(&[Scope::ContactsRead])).await.unwrap();
    for scheme in ["Bearer ", "bearer  ", "BEARER "] {
        let header = format!("{scheme}{}", text.expose_secret());
        let caller = house.authenticator.authenticate(Some(&header)).await.unwrap();
        assert_eq!((&caller.tenant, &caller.principal), (&tenant, &Principal::Key(key.id.clone())));
        assert_eq!(caller.scopes, Scopes::new(&[Scope::ContactsRead]));
    }
    let header = format!("Bearer {}", text.expose_secret());
    house.keys.revoke(&operator(), &tenant, &key.id).await.unwrap();
    let revoked = kind(&house, Some(&header)).await;
    let unknown = ApiKey::generate().unwrap();
    let unknown = kind(&house, Some(&format!("Bearer {}", unknown.text().expose_secret()))).await;
    assert_eq!((revoked.0, &revoked), (FailureKind::Unauthenticated, &unknown));
    assert_eq!(
        house.keys.revoke(&operator(), &tenant, &key.id).await.unwrap_err().kind,
        FailureKind::KeyNotFound
    );
}

#[tokio::test]
async fn when_a_key_was_last_used_is_told_to_the_minute_once_it_is_written() {
    let house = TestCredentials::new().await;
    let tenant = house.tenant("t").await.tenant;
    let (key, text) = house.keys.create(&operator(), &tenant, draft(&[Scope::ContactsRead])).await.unwrap();
    let last = || async { house.keys.list(&tenant, &page(10)).await.unwrap().items[0].last_used_at };
    house.authenticator.write_uses().await.unwrap();
    assert!(key.last_used_at.is_none() && last().await.is_none(), "it was not used yet");
    let header = format!("Bearer {}", text.expose_secret());
    house.authenticator.authenticate(Some(&header)).await.unwrap();
    assert!(last().await.is_none(), "no call waits for it");
    house.authenticator.write_uses().await.unwrap();
    let used = last().await.unwrap();
    assert!(used.as_second() % 60 == 0 && now().as_second() - used.as_second() < 121);
}

#[tokio::test]
async fn a_wrong_secret_under_a_known_id_and_an_ended_key_answer_as_an_unknown_one() {
    let house = TestCredentials::new().await;
    let tenant = house.tenant("t").await.tenant;
    let unknown = ApiKey::generate().unwrap();
    let unknown = kind(&house, Some(&format!("Bearer {}", unknown.text().expose_secret()))).await;
    let (key, _) = house.keys.create(&operator(), &tenant, draft(&[Scope::ContactsRead])).await.unwrap();
    let id = key.id.as_str().strip_prefix("key_").unwrap();
    let forged = ApiKey::from_parts(id, &"0".repeat(43)).ok().unwrap();
    assert_eq!(kind(&house, Some(&format!("Bearer {}", forged.text().expose_secret()))).await, unknown);

    let ends = now() + Duration::from_secs(3);
    let (_, text) = house
        .keys
        .create(&operator(), &tenant, KeyDraft { expires_at: Some(ends), ..draft(&[Scope::ContactsRead]) })
        .await
        .unwrap();
    let header = format!("Bearer {}", text.expose_secret());
    assert!(house.authenticator.authenticate(Some(&header)).await.is_ok());
    tokio::time::sleep(Duration::from_millis(3050)).await;
    assert_eq!(kind(&house, Some(&header)).await, unknown);
}

#[tokio::test]
async fn a_revocation_by_another_process_is_seen_within_five_seconds() {
    let house = TestCredentials::new().await;
    let tenant = house.tenant("t").await.tenant;
    let (key, text) = house.keys.create(&operator(), &tenant, draft(&[Scope::ContactsRead])).await.unwrap();
    let header = format!("Bearer {}", text.expose_secret());
    house.authenticator.authenticate(Some(&header)).await.unwrap();
    house.store.keys.delete(&tenant, &key.id).await.unwrap();
    let started = crate::clock::monotonic();
    assert!(house.authenticator.authenticate(Some(&header)).await.is_ok(), "a warm read asks no database");
    while house.authenticator.authenticate(Some(&header)).await.is_ok() {
        assert!(started.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn headers_without_a_key_say_what_to_send() {
    let house = TestCredentials::new().await;
    let (_, mistyped) = kind(&house, Some("Bearer cg_nonsense")).await;
    assert!(mistyped.contains("mistyped"));
    for header in [None, Some(""), Some("Bearer"), Some("Bearer "), Some("Basic abc"), Some("cg_x")] {
        let (kind, detail) = kind(&house, header).await;
        assert_eq!(kind, FailureKind::Unauthenticated);
        assert!(detail.contains("Bearer cg_"), "{header:?}: {detail}");
    }
}

#[tokio::test]
async fn the_operators_token_and_a_tenants_key_open_their_own_plane_alone() {
    let house = TestCredentials::new().await;
    let tenant = house.tenant("t").await.tenant;
    let (_, text) = house.keys.create(&operator(), &tenant, draft(&Scope::ALL)).await.unwrap();
    let (key, admin) = (format!("Bearer {}", text.expose_secret()), "bearer the-operators-token");
    assert!(house.authenticator.admin_enabled());
    house.authenticator.is_operator(Some(admin)).await.unwrap();
    let house = &house;
    let operator = |header| async move { house.authenticator.is_operator(header).await.unwrap_err().kind };
    assert_eq!(operator(Some(&key)).await, FailureKind::InsufficientScope);
    assert_eq!(kind(house, Some(admin)).await.0, FailureKind::InsufficientScope);
    for wrong in [None, Some("Bearer the-operators-toke"), Some("Bearer cg_x"), Some("Basic x")] {
        assert_eq!(operator(wrong).await, FailureKind::Unauthenticated);
    }
    let without = crate::auth::Authenticator::new(house.store.keys.clone(), None);
    assert!(!without.admin_enabled() && without.is_operator(Some("Bearer ")).await.is_err());
}

#[tokio::test]
async fn every_fault_of_a_key_is_named() {
    let house = TestCredentials::new().await;
    let mine = house.tenant("mine").await;
    let theirs = house.tenant("theirs").await;
    let (own, foreign) = (house.add(&mine, "c").await.id, house.add(&theirs, "c").await.id);
    let wrong = KeyDraft {
        name: String::new().into(),
        scopes: Scopes::default(),
        credential_ids: Some(vec![own.clone(), foreign, "cred_x".into()]),
        expires_at: Some(now()),
    };
    let failure = house.keys.create(&operator(), &mine.tenant, wrong).await.unwrap_err();
    assert_eq!(places(&failure), ["/name", "/scopes", "/expiresAt", "/credentialIds/1", "/credentialIds/2"]);
    let empty = KeyDraft { credential_ids: Some(Vec::new()), ..draft(&[Scope::ContactsRead]) };
    assert_eq!(
        places(&house.keys.create(&operator(), &mine.tenant, empty).await.unwrap_err()),
        ["/credentialIds"]
    );
    let listed = KeyDraft { credential_ids: Some(vec![own.clone()]), ..draft(&[Scope::ContactsRead]) };
    let (key, text) = house.keys.create(&operator(), &mine.tenant, listed).await.unwrap();
    assert_eq!(key.credentials, Some(vec![own.clone()]));
    let header = format!("Bearer {}", text.expose_secret());
    assert_eq!(house.authenticator.authenticate(Some(&header)).await.unwrap().credentials, Some(vec![own]));
    let nobody = TenantId::from("ten_nobody");
    assert_eq!(
        house.keys.create(&operator(), &nobody, draft(&Scope::ALL)).await.unwrap_err().kind,
        FailureKind::TenantNotFound
    );
    assert_eq!(house.keys.list(&nobody, &page(5)).await.unwrap_err().kind, FailureKind::TenantNotFound);
}

#[tokio::test]
async fn listings_walk_to_the_end_and_cursors_stay_at_home() {
    let house = TestCredentials::new().await;
    let (mine, theirs) = (house.tenant("mine").await.tenant, house.tenant("theirs").await.tenant);
    for tenant in [&mine, &theirs] {
        for _ in 0..5 {
            house.keys.create(&operator(), tenant, draft(&Scope::ALL)).await.unwrap();
        }
    }
    let mut request = page(2);
    let (mut seen, mut cursors) = (Vec::new(), Vec::new());
    loop {
        let listed = house.keys.list(&mine, &request).await.unwrap();
        seen.extend(listed.items.into_iter().map(|key| key.id));
        let Some(next) = listed.next_cursor else { break };
        cursors.push(next.clone());
        request.cursor = Some(next);
    }
    let whole = house.keys.list(&mine, &page(100)).await.unwrap();
    assert_eq!(seen, whole.items.into_iter().map(|key| key.id).collect::<Vec<_>>());
    assert_eq!((seen.len(), cursors.len()), (5, 2));
    let elsewhere = ListingRequest { cursor: Some(cursors[0].clone()), page_size: 2 };
    for failure in [
        house.keys.list(&theirs, &elsewhere).await.unwrap_err(),
        house.tenants.list(&elsewhere).await.unwrap_err(),
        house.keys.list(&mine, &ListingRequest { cursor: Some("x".into()), page_size: 2 }).await.unwrap_err(),
    ] {
        assert_eq!((failure.kind, places(&failure)), (FailureKind::InvalidParameter, vec!["cursor"]));
    }
    assert_eq!(house.tenants.list(&page(1)).await.unwrap().items.len(), 1);
    assert_eq!(house.tenants.find("mine").await.unwrap().id, mine);
    assert_eq!(house.tenants.create(&operator(), " mine").await.unwrap_err().kind, FailureKind::NameTaken);
}

#[tokio::test]
async fn two_gateways_on_one_database_share_tenants_keys_and_revocations() {
    let place = Arc::new(TestPlace::new().await);
    let master = MasterKey::generate().unwrap();
    let one = TestCredentials::over(place.clone(), &master, "other.example.com").await;
    let two = TestCredentials::over(place, &master, "other.example.com").await;
    let caller = one.tenant("t").await;
    let (key, text) =
        two.keys.create(&operator(), &caller.tenant, draft(&[Scope::ContactsRead])).await.unwrap();
    let credential = one.add(&caller, "c").await;
    assert!(two.credentials.open(&context(), &caller, &credential.id).await.is_ok());
    let header = format!("Bearer {}", text.expose_secret());
    for house in [&one, &two] {
        house.authenticator.authenticate(Some(&header)).await.unwrap();
    }
    one.keys.revoke(&operator(), &caller.tenant, &key.id).await.unwrap();
    let started = crate::clock::monotonic();
    assert!(one.authenticator.authenticate(Some(&header)).await.is_err());
    while two.authenticator.authenticate(Some(&header)).await.is_ok() {
        assert!(started.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

also_on_postgres! {
    a_key_tells_its_tenant_and_scopes_until_it_is_revoked,
    a_wrong_secret_under_a_known_id_and_an_ended_key_answer_as_an_unknown_one,
    when_a_key_was_last_used_is_told_to_the_minute_once_it_is_written,
    a_revocation_by_another_process_is_seen_within_five_seconds,
    headers_without_a_key_say_what_to_send,
    the_operators_token_and_a_tenants_key_open_their_own_plane_alone,
    every_fault_of_a_key_is_named,
    listings_walk_to_the_end_and_cursors_stay_at_home,
    two_gateways_on_one_database_share_tenants_keys_and_revocations,
}
