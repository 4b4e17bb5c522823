//! What the gateway promises about credentials, keys and tenants, shown on a CRM that is not there.

mod fake;
mod house;
mod keys;

use secrecy::ExposeSecret;

use self::house::{TestCredentials, caller, context, draft, json, operator, page, places, secret};
use super::{CredentialPatch, Credentials};
use crate::domain::{Caller, CredentialId, Failure, FailureKind, Scope, Scopes};
use crate::sealing::MasterKey;
use crate::store::tests::also_on_postgres;

/// What every way of naming a credential answers.
async fn failures(credentials: &Credentials, caller: &Caller, id: &CredentialId) -> Vec<Failure> {
    let patch = CredentialPatch { name: Some("x".into()), ..CredentialPatch::default() };
    vec![
        credentials.open(&context(), caller, id).await.err().unwrap(),
        credentials.get(caller, id).await.err().unwrap(),
        credentials.update(&context(), caller, id, patch, true).await.err().unwrap(),
        credentials.check(&context(), caller, id).await.err().unwrap(),
        credentials.delete(&context(), caller, id).await.err().unwrap(),
    ]
}

#[tokio::test]
async fn unknown_foreign_and_outside_the_list_are_one_answer() {
    let house = TestCredentials::new().await;
    let (mine, theirs) = (house.tenant("mine").await, house.tenant("theirs").await);
    let (own, foreign) = (house.add(&mine, "own").await, house.add(&theirs, "foreign").await);
    let limited = Caller { credentials: Some(vec![own.id.clone()]), ..mine.clone() };
    let other = house.add(&mine, "other").await;

    let unknown = failures(&house.credentials, &mine, &"cred_unknown".into()).await;
    assert!(unknown.iter().all(|failure| *failure == unknown[0]));
    assert_eq!(unknown[0].kind, FailureKind::CredentialNotFound);
    assert_eq!(failures(&house.credentials, &mine, &foreign.id).await, unknown);
    assert_eq!(failures(&house.credentials, &limited, &other.id).await, unknown);
    // The owner opens it meanwhile: what is remembered for one is not there for another.
    assert!(house.credentials.open(&context(), &theirs, &foreign.id).await.is_ok());
    assert_eq!(house.credentials.open(&context(), &mine, &foreign.id).await.err().unwrap(), unknown[0]);
    assert!(house.credentials.open(&context(), &limited, &own.id).await.is_ok());
    let seen = house.credentials.list(&limited, &page(50)).await.unwrap();
    assert_eq!(seen.items.len(), 1);
    let refused = house.credentials.create(&context(), &limited, draft("n", "good"), true).await;
    assert_eq!(refused.unwrap_err().kind, FailureKind::InsufficientScope);
}

#[tokio::test]
async fn each_operation_needs_its_scope() {
    let house = TestCredentials::new().await;
    let all = house.tenant("t").await;
    let id = house.add(&all, "c").await.id;
    let with = |scope| Caller { scopes: Scopes::new(&[scope]), ..all.clone() };
    let (read, write) = (with(Scope::CredentialsRead), with(Scope::CredentialsWrite));
    let credentials = &house.credentials;
    for failure in [
        credentials.get(&write, &id).await.unwrap_err(),
        credentials.list(&write, &page(5)).await.unwrap_err(),
        credentials.check(&context(), &write, &id).await.unwrap_err(),
        credentials.create(&context(), &read, draft("n", "good"), true).await.unwrap_err(),
        credentials.update(&context(), &read, &id, CredentialPatch::default(), true).await.unwrap_err(),
        credentials.delete(&context(), &read, &id).await.unwrap_err(),
        credentials.get(&with(Scope::ContactsRead), &id).await.unwrap_err(),
    ] {
        assert_eq!(failure.kind, FailureKind::InsufficientScope);
    }
}

#[tokio::test]
async fn a_refused_secret_is_answered_and_nothing_is_stored() {
    let house = TestCredentials::new().await;
    let mine = house.tenant("t").await;
    let refused = house.credentials.create(&context(), &mine, draft("c", "bad"), true).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::UpstreamCredentialRejected);
    assert!(house.credentials.list(&mine, &page(5)).await.unwrap().items.is_empty());

    let unprobed = house.credentials.create(&context(), &mine, draft("c", "bad"), false).await.unwrap();
    assert!(unprobed.last_check.is_none());
    let checked = house.credentials.check(&context(), &mine, &unprobed.id).await.unwrap();
    assert_eq!(checked.outcome.unwrap_err().kind, FailureKind::UpstreamCredentialRejected);
    let last = house.credentials.get(&mine, &unprobed.id).await.unwrap().last_check.unwrap();
    assert_eq!((last.ok, last.code.as_deref()), (false, Some("upstream_credential_rejected")));

    let patch = |key| CredentialPatch { secret: Some(secret(key)), ..CredentialPatch::default() };
    let refused = house.credentials.update(&context(), &mine, &unprobed.id, patch("worse"), true).await;
    assert_eq!(refused.unwrap_err().kind, FailureKind::UpstreamCredentialRejected);
    let mended =
        house.credentials.update(&context(), &mine, &unprobed.id, patch("good2"), true).await.unwrap();
    assert!(mended.last_check.unwrap().ok);
    let opened = house.credentials.open(&context(), &mine, &unprobed.id).await.unwrap();
    assert_eq!(opened.adapter.probe(&context()).await.unwrap().name.unwrap(), "good2");
}

#[tokio::test]
async fn every_fault_of_a_draft_is_named_at_once() {
    let house = TestCredentials::new().await;
    let mine = house.tenant("t").await;
    let mut wrong = draft(" ", "good");
    wrong.settings = json(r#"{"defaultRegion":"us","allowDelete":1,"nonsense":true}"#);
    wrong.secret = "{\"token\":\"canary\"}".into();
    let failure = house.credentials.create(&context(), &mine, wrong, true).await.unwrap_err();
    assert_eq!(
        places(&failure),
        ["/name", "/settings/defaultRegion", "/settings/allowDelete", "/settings/nonsense", "/secret"]
    );
    assert!(!format!("{failure:?} {}", failure.detail.as_str()).contains("canary"));
    let mut strange = draft("c", "good");
    strange.provider = "nobody".into();
    assert_eq!(
        places(&house.credentials.create(&context(), &mine, strange, true).await.unwrap_err()),
        ["/provider"]
    );
    house.add(&mine, "taken").await;
    let again = house.credentials.create(&context(), &mine, draft(" taken ", "good"), true).await;
    assert_eq!(again.unwrap_err().kind, FailureKind::NameTaken);
}

#[tokio::test]
async fn another_base_url_needs_the_secret_again() {
    let house = TestCredentials::new().await;
    let mine = house.tenant("t").await;
    let id = house.add(&mine, "c").await.id;
    let moved = |key: Option<&str>, url: &str| CredentialPatch {
        settings: Some(json(&format!(r#"{{"baseUrl":"{url}"}}"#))),
        secret: key.map(secret),
        name: None,
    };
    let context = context();
    let update = |patch| house.credentials.update(&context, &mine, &id, patch, true);
    let failure = update(moved(None, "https://other.internal")).await.unwrap_err();
    assert_eq!((failure.kind, places(&failure)), (FailureKind::ValidationFailed, vec!["/secret"]));
    let refused = update(moved(Some("good"), "https://10.0.0.1")).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::BaseUrlRefused);
    // The default spelled out is no other URL.
    update(moved(None, "https://fake.example.com/")).await.unwrap();
    update(moved(Some("good3"), "https://other.internal/")).await.unwrap();
    let opened = house.credentials.open(&context, &mine, &id).await.unwrap();
    assert_eq!(opened.adapter.probe(&context).await.unwrap().id.unwrap(), "https://other.internal");
    // Back to the default is another URL too.
    let reset = CredentialPatch { settings: Some(json(r#"{"baseUrl":null}"#)), ..CredentialPatch::default() };
    assert_eq!(places(&update(reset).await.unwrap_err()), ["/secret"]);
}

#[tokio::test]
async fn settings_merge_by_member_and_a_new_name_leaves_the_crm_alone() {
    let house = TestCredentials::new().await;
    let mine = house.tenant("t").await;
    let mut first = draft("c", "good");
    first.settings = json(r#"{"defaultRegion":"US","allowDelete":null}"#);
    let made = house.credentials.create(&context(), &mine, first, true).await.unwrap();
    assert_eq!(made.settings.as_str(), r#"{"defaultRegion":"US"}"#);
    let patch = CredentialPatch {
        settings: Some(json(r#"{"allowDelete":true,"defaultRegion":null}"#)),
        name: Some(" new ".into()),
        secret: None,
    };
    let changed = house.credentials.update(&context(), &mine, &made.id, patch, true).await.unwrap();
    assert_eq!((changed.settings.as_str(), changed.name.as_str()), (r#"{"allowDelete":true}"#, "new"));
    assert!(changed.last_check.is_some() && changed.created_at == made.created_at);
    // Its CRM refuses the key by now; a name is changed all the same, and so is a setting.
    let refused = house.credentials.create(&context(), &mine, draft("r", "bad"), false).await.unwrap();
    for patch in [
        CredentialPatch { name: Some("renamed".into()), ..CredentialPatch::default() },
        CredentialPatch { settings: Some(json(r#"{"allowDelete":true}"#)), ..CredentialPatch::default() },
    ] {
        house.credentials.update(&context(), &mine, &refused.id, patch, true).await.unwrap();
    }
}

#[tokio::test]
async fn opened_credentials_are_remembered_until_they_change() {
    let house = TestCredentials::new().await;
    let mine = house.tenant("t").await;
    let id = house.add(&mine, "c").await.id;
    let opened = house.credentials.open(&context(), &mine, &id).await.unwrap();
    let again = house.credentials.open(&context(), &mine, &id).await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&opened.adapter, &again.adapter));
    let patch = CredentialPatch { secret: Some(secret("good9")), ..CredentialPatch::default() };
    house.credentials.update(&context(), &mine, &id, patch, false).await.unwrap();
    let renewed = house.credentials.open(&context(), &mine, &id).await.unwrap();
    assert!(!std::sync::Arc::ptr_eq(&opened.adapter, &renewed.adapter));
    house.credentials.delete(&context(), &mine, &id).await.unwrap();
    assert!(house.credentials.open(&context(), &mine, &id).await.is_err());
    let id = house.add(&mine, "d").await.id;
    house.credentials.open(&context(), &mine, &id).await.unwrap();
    house.tenants.delete(&operator(), &mine.tenant).await.unwrap();
    assert!(house.credentials.open(&context(), &mine, &id).await.is_err());
}

#[tokio::test]
async fn what_was_moved_in_the_database_does_not_open() {
    let house = TestCredentials::new().await;
    let (mine, theirs) = (house.tenant("mine").await, house.tenant("theirs").await);
    let (one, two) = (house.add(&mine, "one").await, house.add(&mine, "two").await);
    let foreign = house.add(&theirs, "foreign").await;
    let store = &house.store.credentials;
    let held = store.get(&mine.tenant, &one.id).await.unwrap().unwrap();
    let stolen = store.get(&theirs.tenant, &foreign.id).await.unwrap().unwrap();
    let sibling = store.get(&mine.tenant, &two.id).await.unwrap().unwrap();
    let plain = secret("good").expose_secret().as_bytes().to_vec();
    for (revision, (secret, base_url)) in (1..).zip([
        (stolen.secret, held.base_url.clone()),
        (sibling.secret, held.base_url.clone()),
        (held.secret.clone(), "https://other.internal".into()),
        (plain, held.base_url.clone()),
        (Vec::new(), held.base_url.clone()),
    ]) {
        let edited = crate::store::CredentialRecord { base_url, secret, revision, ..held.clone() };
        assert!(store.update(&edited).await.unwrap());
        let failure = house.credentials.open(&context(), &mine, &one.id).await.err().unwrap();
        assert_eq!(failure.kind, FailureKind::SecretUnreadable);
        let checked = house.credentials.check(&context(), &mine, &one.id).await.unwrap();
        assert_eq!(checked.outcome.unwrap_err().kind, FailureKind::SecretUnreadable);
    }
    // Given again, it works again.
    let patch = CredentialPatch { secret: Some(secret("good")), ..CredentialPatch::default() };
    house.credentials.update(&context(), &mine, &one.id, patch, true).await.unwrap();
    assert!(house.credentials.open(&context(), &mine, &one.id).await.is_ok());
}

#[tokio::test]
async fn under_another_master_key_or_a_shorter_allow_list_nothing_opens() {
    let place = std::sync::Arc::new(crate::store::tests::TestPlace::new().await);
    let key = MasterKey::generate().unwrap();
    let house = TestCredentials::over(place.clone(), &key, "other.internal").await;
    let mine = house.tenant("t").await;
    let mut elsewhere = draft("c", "good");
    elsewhere.settings = json(r#"{"baseUrl":"https://other.internal"}"#);
    let id = house.credentials.create(&context(), &mine, elsewhere, true).await.unwrap().id;
    let mine = caller(mine.tenant);
    let kind = |house: TestCredentials, mine: Caller, id: CredentialId| async move {
        house.credentials.open(&context(), &mine, &id).await.err().map(|failure| failure.kind)
    };
    let strange =
        TestCredentials::over(place.clone(), &MasterKey::generate().unwrap(), "other.internal").await;
    assert_eq!(kind(strange, mine.clone(), id.clone()).await, Some(FailureKind::SecretUnreadable));
    let shorter = TestCredentials::over(place.clone(), &key, "").await;
    assert_eq!(kind(shorter, mine.clone(), id.clone()).await, Some(FailureKind::BaseUrlRefused));
    let same = TestCredentials::over(place, &key, "other.internal").await;
    assert_eq!(kind(same, mine, id).await, None);
}

also_on_postgres! {
    unknown_foreign_and_outside_the_list_are_one_answer,
    each_operation_needs_its_scope,
    a_refused_secret_is_answered_and_nothing_is_stored,
    every_fault_of_a_draft_is_named_at_once,
    another_base_url_needs_the_secret_again,
    settings_merge_by_member_and_a_new_name_leaves_the_crm_alone,
    opened_credentials_are_remembered_until_they_change,
    what_was_moved_in_the_database_does_not_open,
    under_another_master_key_or_a_shorter_allow_list_nothing_opens,
}
