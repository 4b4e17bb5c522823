//! One search over several CRMs: who is found, who is one person, and what a CRM that fails or is slow costs the others.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use contacts_gateway::config::Limits;
use contacts_gateway::domain::{
    CallContext, Caller, CredentialId, FailureKind, Field, Result, Scope, Scopes, WarningCode, case_identity,
};
use contacts_gateway::gateway::contacts::{FoundPerson, SearchBy, SearchRequest, SearchResult, Shortfall};
use contacts_gateway::simulators::pipeline::{PipelineOptions, PipelineSimulator};
use contacts_gateway::simulators::{Fault, FaultKind, Running};
use serde_json::{Value, json};

use crate::support::crm::{Crm, linked};
use crate::support::worlds::{Start, Stored, WORLDS, world};
use crate::test_gateway::{Link, Setup, TestGateway, soon};

/// One tenant with an account at every CRM.
struct Landscape {
    gateway: Arc<TestGateway>,
    crms: Vec<Crm>,
}

impl Landscape {
    async fn new() -> Self {
        Self::with(TestGateway::open().await, 0).await
    }

    async fn with(gateway: Arc<TestGateway>, people: usize) -> Self {
        let mut crms = Vec::new();
        for world in WORLDS {
            let at = world.start(Start { people, ..Start::default() }).await;
            let account = linked(&gateway, world.provider(), &at, json!({})).await;
            crms.push(Crm::watched(account, at, *world));
        }
        Self { gateway, crms }
    }

    /// Puts somebody into every CRM.
    fn put(&self, first: &str, last: &str, email: &str, phone: &str) -> Vec<String> {
        self.crms.iter().map(|crm| crm.put(first, last, email, phone)).collect()
    }

    async fn search(&self, by: SearchBy) -> Result<SearchResult> {
        self.search_in(by, &[]).await
    }

    async fn search_in(&self, by: SearchBy, credentials: &[&str]) -> Result<SearchResult> {
        self.search_as(&soon(), &self.gateway.caller, by, credentials).await
    }

    async fn search_as(
        &self,
        context: &CallContext,
        caller: &Caller,
        by: SearchBy,
        credentials: &[&str],
    ) -> Result<SearchResult> {
        let credentials = credentials.iter().map(|id| CredentialId::from(*id)).collect();
        self.gateway.contacts.search(context, caller, &SearchRequest { by, credentials }).await
    }
}

fn email(address: &str) -> SearchBy {
    SearchBy::EmailAddress(address.into())
}

fn phone(number: &str) -> SearchBy {
    SearchBy::PhoneNumber(number.into())
}

fn name(name: &str) -> SearchBy {
    SearchBy::Name(name.into())
}

/// The CRMs' own ids of a person's contacts.
fn remote_ids(person: &FoundPerson) -> Vec<&str> {
    person.contacts.iter().map(|found| found.contact.remote_id.as_str()).collect()
}

/// Credential and code of each reason why a result may lack matches.
fn shortfalls(found: &SearchResult) -> Vec<(&str, WarningCode)> {
    found.shortfalls.iter().map(|gap| (gap.credential.as_str(), gap.code)).collect()
}

/// Credential and kind of each failure.
fn failures(found: &SearchResult) -> Vec<(&str, FailureKind)> {
    found.failures.iter().map(|failed| (failed.credential.as_str(), failed.failure.kind)).collect()
}

#[tokio::test]
async fn one_person_in_several_crms_is_found_by_each_value_and_can_be_read_there() {
    let all = Landscape::new().await;
    let ids = all.put("Ada", "Byron", "Ada@example.com", "+14165550277");
    all.put("Eve", "King", "eve@example.com", "+14165550278");
    for (by, words) in [
        (email("ada@EXAMPLE.com"), ["emailAddress", "phoneNumber"].as_slice()),
        (phone("+1 (416) 555-0277"), &["phoneNumber", "emailAddress"]),
        (name("ada"), &["name", "emailAddress", "phoneNumber"]),
        (name("BYRON"), &["name", "emailAddress", "phoneNumber"]),
        (name("Ada  byron"), &["name", "emailAddress", "phoneNumber"]),
    ] {
        let found = all.search(by.clone()).await.unwrap();
        assert!(found.is_complete(), "{by:?}: {found:?}");
        let [person] = found.people.as_slice() else { panic!("{by:?}: {found:?}") };
        assert_eq!(remote_ids(person), ids, "{by:?}");
        assert_eq!(person.matched_on, words, "{by:?}");
        for (contact, crm) in person.contacts.iter().zip(&all.crms) {
            assert_eq!((&contact.credential, contact.provider), (&crm.credential, crm.spec.provider));
            let read = crm.get(&contact.id).await.unwrap();
            assert_eq!(read.contact.remote_id, contact.contact.remote_id);
            // What the list does not show is said, as everywhere.
            let unseen = contact.contact.unseen.iter().map(Field::name).collect::<Vec<_>>();
            let said = contact.warnings.iter().map(|warning| warning.pointer.trim_start_matches('/'));
            assert_eq!(said.collect::<Vec<_>>(), unseen);
        }
    }
    for nobody in [email("nobody@example.com"), phone("+14165550299"), name("Ad"), name("Byron Ada")] {
        let found = all.search(nobody).await.unwrap();
        assert!(found.people.is_empty() && found.is_complete());
    }
    all.crms.iter().for_each(Crm::assert_nothing_sent);
}

#[tokio::test]
async fn relatives_who_share_a_number_are_two_people() {
    let all = Landscape::new().await;
    all.crms[0].put("Ada", "Byron", "ada@example.com", "+14165550277");
    all.crms[1].put("Robert", "Cole", "bob@example.com", "+14165550277");
    let found = all.search(phone("+14165550277")).await.unwrap();
    assert_eq!(found.people.iter().map(remote_ids).map(|ids| ids.len()).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(found.people[0].matched_on, ["phoneNumber"]);
}

/// Whether one of the names of a stored record is `wanted`, said without the code that is tested.
fn is_called(crm: &Crm, record: &Value, wanted: &str) -> bool {
    let text = |field: Field| record[crm.world.stored_name(field)].as_str().unwrap_or_default();
    let (first, last) = (text(Field::FirstName), text(Field::LastName));
    let plain = |text: &str| case_identity(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    [first, last, &format!("{first} {last}")].into_iter().any(|name| plain(name) == plain(wanted))
}

#[tokio::test]
async fn a_name_finds_in_each_crm_whom_comparing_the_whole_store_finds() {
    let all = Landscape::with(TestGateway::open().await, 300).await;
    for (number, (first, last)) in [
        ("Weiß", "GROSS"),
        ("Jose\u{301}", "Núñez"),
        ("Yıldız", "İnci"),
        ("李", "明"),
        ("Anne-Marie", "van  Dyk"),
        ("van", "Dyk"),
        ("", "Anne-Marie van Dyk"),
        ("Mary", "Ann van Dyk"),
    ]
    .into_iter()
    .enumerate()
    {
        all.put(first, last, &format!("odd{number}@example.com"), &format!("+1416555{:04}", 3000 + number));
    }
    let names = all.crms[0].at.contacts();
    let some = names.iter().take(12).flat_map(|record| {
        let text =
            |field| record[all.crms[0].world.stored_name(field)].as_str().unwrap_or_default().to_owned();
        let (first, last) = (text(Field::FirstName), text(Field::LastName));
        [format!("{first} {last}"), first, last]
    });
    let odd =
        ["weiss", "JOSÉ", "josé núñez", "yıldız", "Yildiz", "李 明", "van dyk", "Anne-Marie van Dyk", "s"];
    let wanted: BTreeSet<String> =
        some.chain(odd.map(str::to_owned)).filter(|name| !name.trim().is_empty()).collect();
    for wanted in wanted {
        let found = all.search(name(&wanted)).await.unwrap();
        // Rows that do not show a name may have it.
        let is_told = |gap: &Shortfall| gap.code == WarningCode::Incomplete && gap.message.contains("Name`");
        assert!(found.failures.is_empty() && found.shortfalls.iter().all(is_told), "{wanted}: {found:?}");
        for crm in &all.crms {
            let contacts = found.people.iter().flat_map(|person| &person.contacts);
            let of_crm = contacts.filter(|contact| contact.credential == crm.credential);
            let ids: HashSet<String> =
                of_crm.map(|contact| contact.contact.remote_id.as_str().to_owned()).collect();
            let store = crm.at.contacts();
            let called = store.iter().filter(|record| is_called(crm, record, &wanted));
            let expected: HashSet<String> =
                called.map(|record| record[crm.world.id_key()].as_str().unwrap().to_owned()).collect();
            assert_eq!(ids, expected, "{wanted} in {}", crm.spec.title);
        }
    }
}

#[tokio::test]
async fn a_crm_whose_own_search_misses_somebody_is_compared_row_by_row() {
    let gateway = TestGateway::open().await;
    let options = PipelineOptions { people: 150, search_finds_emails: false, ..PipelineOptions::empty() };
    let at = PipelineSimulator::start(options).await.unwrap();
    let account = linked(&gateway, "pipeline", &at, json!({})).await;
    let crm = Crm::watched(account, at, world("pipeline"));
    let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
    let second = json!({ "secondaryPhoneNumber": ["+14165550288"] });
    assert!(crm.at.change(&id, second.as_object().unwrap()));
    let all = Landscape { gateway, crms: vec![crm] };
    for by in [email("ada@example.com"), phone("+14165550288"), phone("+14165550277")] {
        let found = all.search(by.clone()).await.unwrap();
        assert_eq!(found.people.iter().flat_map(remote_ids).collect::<Vec<_>>(), [id.as_str()], "{by:?}");
        assert!(found.is_complete(), "{by:?}: {:?}", found.shortfalls);
    }
    // If the rows cannot be compared, what the CRM's search found is shown, and that it may not be all.
    let failing = FaultKind::Redirect { status: 302, location: "/x".into() };
    for kind in [failing, FaultKind::NeverAnswer] {
        all.crms[0].at.faults().clear();
        all.crms[0].at.fault(Fault::always(kind).after(1));
        let context = CallContext::within(Duration::from_secs(3), "test".into());
        let found = all.search_as(&context, &all.gateway.caller, phone("+14165550277"), &[]).await.unwrap();
        assert_eq!(found.people.len(), 1, "{found:?}");
        assert_eq!(shortfalls(&found), [(all.crms[0].credential.as_str(), WarningCode::Incomplete)]);
    }
    all.crms[0].assert_nothing_sent();
}

#[tokio::test]
async fn a_crm_that_is_slow_or_fails_hides_no_others_and_is_named() {
    for slow in 0..WORLDS.len() {
        let all = Landscape::new().await;
        let ids = all.put("Ada", "Byron", "ada@example.com", "+14165550277");
        let other = 1 - slow;
        let (by_email, by_phone) = (email("ada@example.com"), phone("+14165550277"));
        for (kind, expected, all_by) in [
            (FaultKind::NeverAnswer, FailureKind::UpstreamTimeout, vec![by_email.clone(), name("Ada")]),
            (FaultKind::Drip { ms: 5_000 }, FailureKind::UpstreamTimeout, vec![by_phone.clone()]),
            (
                FaultKind::Redirect { status: 302, location: "/x".into() },
                FailureKind::UpstreamRedirected,
                vec![by_email, by_phone, name("Ada")],
            ),
        ] {
            all.crms[slow].at.faults().clear();
            all.crms[slow].at.fault(Fault::always(kind));
            for by in all_by {
                let time = Duration::from_secs(3);
                let (context, began) = (CallContext::within(time, "test".into()), Instant::now());
                let found = all.search_as(&context, &all.gateway.caller, by.clone(), &[]).await.unwrap();
                assert!(began.elapsed() < time, "{by:?}: {:?}", began.elapsed());
                let credential = all.crms[slow].credential.as_str();
                // Of failures in a row the breaker makes pauses.
                let kinds = [expected, FailureKind::UpstreamCircuitOpen];
                let [(named, kind)] = failures(&found)[..] else { panic!("{by:?}: {found:?}") };
                assert!(named == credential && kinds.contains(&kind), "{by:?}: {kind:?}");
                assert!(!found.is_complete());
                let people: Vec<_> = found.people.iter().flat_map(remote_ids).collect();
                assert_eq!(people, [ids[other].as_str()], "{by:?}");
            }
        }
    }
}

#[tokio::test]
async fn only_if_no_crm_gave_a_result_the_search_fails_with_the_problem_of_each() {
    let all = Landscape::new().await;
    let ask = async |query: &str| all.gateway.ask("GET", &format!("/crm/contacts/search?{query}")).await;
    let found = ask("emailAddress=nobody@example.com").await;
    assert_eq!(
        (found.status, found.text.as_str()),
        (200, r#"{"people":[],"failures":[],"incomplete":[],"complete":true}"#)
    );
    let refused = || Fault::always(FaultKind::Redirect { status: 302, location: "/x".into() });
    all.crms[0].at.fault(refused());
    let found = ask("emailAddress=nobody@example.com").await.json();
    assert_eq!(found["complete"], false);
    assert_eq!(found["failures"][0]["credentialId"], all.crms[0].credential.as_str());
    assert_eq!(found["failures"][0]["problem"]["code"], "upstream_redirected");
    assert_eq!(found["failures"][0]["problem"]["instance"], "/crm/contacts/search");
    all.crms[1].at.fault(refused());
    let failed = ask("emailAddress=nobody@example.com").await;
    failed.is(502, "upstream_error");
    let failed = failed.json();
    assert_eq!(failed["retryable"], "no", "no redirect is followed the next time");
    let codes: Vec<_> =
        failed["failures"].as_array().unwrap().iter().map(|one| &one["problem"]["code"]).collect();
    assert_eq!(codes, ["upstream_redirected", "upstream_redirected"]);
    let stranger = all.gateway.tenant("without credentials").await;
    let found = all.search_as(&soon(), &stranger, name("Ada"), &[]).await.unwrap();
    assert!(found.people.is_empty() && found.is_complete());
}

#[tokio::test]
async fn more_matches_than_fit_and_scans_that_end_early_are_said() {
    let all = Landscape::new().await;
    for number in 0..51 {
        all.crms[0].put("Many", "Fold", "shared@example.com", &format!("+1416555{:04}", 2000 + number));
    }
    let credential = all.crms[0].credential.as_str();
    for by in [email("shared@example.com"), name("Fold")] {
        let found = all.search(by.clone()).await.unwrap();
        assert_eq!(found.people.iter().flat_map(remote_ids).collect::<HashSet<_>>().len(), 50, "{by:?}");
        assert_eq!(shortfalls(&found), [(credential, WarningCode::TooManyMatches)], "{by:?}");
        assert!(!found.is_complete());
    }
    let whole = all.crms[0].at.contacts()[7][all.crms[0].world.id_key()].as_str().unwrap().to_owned();
    assert!(all.crms[0].at.take_out(&whole));
    for by in [email("shared@example.com"), name("Fold")] {
        let found = all.search(by.clone()).await.unwrap();
        assert!(found.is_complete(), "{by:?}: exactly as many as fit");
    }
    let vast = Landscape::with(TestGateway::open().await, 5_300).await;
    let patient = CallContext::within(Duration::from_mins(1), "test".into());
    let found = vast.search_as(&patient, &vast.gateway.caller, name("Ωμέγα"), &[]).await.unwrap();
    let cut: Vec<_> =
        vast.crms.iter().map(|crm| (crm.credential.as_str(), WarningCode::ScanLimitReached)).collect();
    let mut told = shortfalls(&found);
    // Of some rows the names are not shown.
    told.retain(|(_, code)| *code != WarningCode::Incomplete);
    assert_eq!(told, cut);
}

#[tokio::test]
async fn a_number_without_a_country_code_is_left_out_and_said() {
    let all = Landscape::new().await;
    let stored = Stored { first: "Ada", last: "Byron", emails: &[], phones: &["(416) 555-0277"] };
    all.crms[0].at.put(all.crms[0].world.record(&stored)).unwrap();
    let found = all.search(phone("+14165550277")).await.unwrap();
    assert!(found.people.is_empty());
    assert_eq!(shortfalls(&found), [(all.crms[0].credential.as_str(), WarningCode::Incomplete)]);
    assert!(found.shortfalls[0].message.contains("defaultRegion"), "{found:?}");
}

#[tokio::test]
async fn a_key_searches_the_credentials_that_it_may_use_and_no_others() {
    let all = Landscape::new().await;
    let ids = all.put("Ada", "Byron", "ada@example.com", "+14165550277");
    let [first, second] = [all.crms[0].credential.as_str(), all.crms[1].credential.as_str()];
    let limited =
        Caller { credentials: Some(vec![first.into(), "cred_gone".into()]), ..all.gateway.caller.clone() };
    let ask = async |named: &[&str]| all.search_as(&soon(), &limited, email("ada@example.com"), named).await;
    let found = ask(&[]).await.unwrap();
    assert_eq!(found.people.iter().flat_map(remote_ids).collect::<Vec<_>>(), [ids[0].as_str()]);
    assert!(found.is_complete(), "a credential that is gone is none of the key's: {found:?}");
    // What is named and cannot be used is said, by the same problem whoever's it is.
    let found = ask(&[second, first, "cred_nobody"]).await.unwrap();
    let not_found = FailureKind::CredentialNotFound;
    assert_eq!(failures(&found), [(second, not_found), ("cred_nobody", not_found)]);
    assert_eq!(found.failures[0].failure, found.failures[1].failure);
    assert_eq!(found.people.iter().flat_map(remote_ids).collect::<Vec<_>>(), [ids[0].as_str()]);
    assert_eq!(ask(&[second]).await.unwrap_err().kind, not_found);
    assert!(all.crms[1].at.calls().is_empty(), "a foreign credential was used");
    let writer = Caller { scopes: Scopes::new(&[Scope::ContactsWrite]), ..all.gateway.caller.clone() };
    let refused = all.search_as(&soon(), &writer, name("Ada"), &[]).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::InsufficientScope);
}

#[tokio::test]
async fn a_credential_that_is_added_or_removed_counts_at_once() {
    let all = Landscape::new().await;
    let ids = all.put("Ada", "Byron", "ada@example.com", "+14165550277");
    let found = async || {
        let found = all.search(email("ada@example.com")).await.unwrap();
        assert!(found.is_complete());
        found.people.iter().flat_map(remote_ids).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(found().await, ids);
    let again = linked(&all.gateway, all.crms[0].spec.provider.as_str(), &all.crms[0].at, json!({})).await;
    assert_eq!(found().await, [ids[0].clone(), ids[1].clone(), ids[0].clone()]);
    all.gateway.credentials.delete(&soon(), &all.gateway.caller, &again.credential).await.unwrap();
    all.gateway.credentials.delete(&soon(), &all.gateway.caller, &all.crms[1].credential).await.unwrap();
    assert_eq!(found().await, [ids[0].clone()]);
}

async fn links(gateway: &Arc<TestGateway>, at: &Running, count: usize) {
    for _ in 0..count {
        let link = Link { base_url: at.base_url(), secret: at.token(), settings: json!({}), verify: false };
        gateway.link(&gateway.caller, "aptly", link).await.unwrap();
    }
}

#[tokio::test]
async fn fifty_credentials_are_asked_at_once_and_more_must_be_named() {
    let gateway = TestGateway::open().await;
    let at = world("aptly").start(Start::default()).await;
    links(&gateway, &at, 50).await;
    let all = Landscape { gateway, crms: Vec::new() };
    let stored = Stored { first: "Ada", last: "Byron", emails: &["ada@example.com"], phones: &[] };
    at.put(world("aptly").record(&stored)).unwrap();
    // One after another they would take longer than the time that there is.
    at.fault(Fault::always(FaultKind::Latency { ms: 1_000 }));
    let context = CallContext::within(Duration::from_secs(30), "test".into());
    let found = all.search_as(&context, &all.gateway.caller, email("ada@example.com"), &[]).await.unwrap();
    assert!(found.is_complete(), "{:?}", failures(&found));
    assert_eq!((found.people.len(), found.people[0].contacts.len()), (1, 50));
    links(&all.gateway, &at, 1).await;
    let refused = all.search(email("ada@example.com")).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::InvalidParameter);
    assert_eq!(refused.faults[0].place.as_str(), "credentialId");
    let named: Vec<String> = (0..51).map(|n| format!("credentialId=c{n}")).collect();
    let refused = all.gateway.ask("GET", &format!("/crm/contacts/search?name=x&{}", named.join("&"))).await;
    refused.is(400, "invalid_parameter");
    assert_eq!(refused.places(), ["credentialId"]);
}

#[tokio::test]
async fn each_lookup_takes_one_of_its_credential_s_places() {
    let limits = Limits { credential_in_flight: Some(1), credential_waiting: 0, ..Setup::default().limits };
    let gateway = Arc::new(TestGateway::with(Setup { limits, ..Setup::default() }).await);
    let all = Landscape::with(gateway, 0).await;
    let ids = all.put("Ada", "Byron", "ada@example.com", "+14165550277");
    all.crms[0].at.fault(Fault::once(FaultKind::Latency { ms: 1_500 }));
    let (busy, found) = tokio::join!(all.crms[0].page(1, 1), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        all.search(email("ada@example.com")).await.unwrap()
    });
    assert!(busy.is_ok());
    let credential = all.crms[0].credential.as_str();
    assert_eq!(failures(&found), [(credential, FailureKind::TooManyConcurrentRequests)]);
    assert_eq!(found.people.iter().flat_map(remote_ids).collect::<Vec<_>>(), [ids[1].as_str()]);
    assert!(all.search(email("ada@example.com")).await.unwrap().is_complete(), "the place is given back");
}
