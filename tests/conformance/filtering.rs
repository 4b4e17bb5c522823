//! Every filter at every CRM: the result is that of filtering the whole store, whoever does it, and a scan is bounded.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use contacts_gateway::adapters::{FilterSupport, IdentityKind};
use contacts_gateway::domain::{
    CallContext, FailureKind, Field, FilterName, PhoneIdentity, Region, Result, Text, Timestamp, WarningCode,
    case_identity, email_identity,
};
use contacts_gateway::gateway::contacts::{ContactPage, PageStart};
use contacts_gateway::simulators::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::support::account::places;
use crate::support::crm::{Crm, all, all_with_people};
use crate::support::person::with;

/// People of one name that take more than one page of every CRM.
const MANY: usize = 210;

/// Names that are equal in ways that a CRM's own search does not know, beside others that nearly are.
const NAMES: &[(&str, &str)] = &[
    ("Weiß", "GROSS"),
    ("WEISS", "Groß"),
    ("weiss", "groß"),
    ("Weis", "Gros"),
    ("Jose\u{301}", "Núñez"),
    ("JOSÉ", "NU\u{301}N\u{303}EZ"),
    ("Jose", "Nunez"),
    ("Yıldız", "İnci"),
    ("Yildiz", "Inci"),
    ("Ali\u{307}", "ΣΊΣΥΦΟΣ"),
    ("Ali", "Σίσυφος"),
    ("李", "明"),
    ("ЁЛКА", "Кузнецов"),
    ("Kelvin", "\u{212a}elvin"),
    ("ſmith", "Smith"),
    ("Anne-Marie", "O'Neil"),
    ("anne-marie", "van  Dyk"),
    ("Mary Ann", "van Dyk"),
    ("Mary", "Ann van Dyk"),
    ("", "Nameless"),
    ("Onlyfirst", ""),
];

/// Values of a filter by name or part of a name, beside those of the store.
const TEXTS: &[&str] = &[
    "Nobodyhasthis",
    "NoBödyHasThis",
    "manyfold",
    "überall",
    "weiss",
    "WEIß",
    "gross",
    "s",
    "ss",
    "i",
    "ei",
    "is",
    "smith",
    "mit",
    "kelvin",
    "yildiz",
    "YILDIZ",
    "yıldız",
    "inci",
    "i\u{307}nci",
    "josé",
    "jose",
    "NÚÑEZ",
    "ali",
    "σίσυφος",
    "李",
    "ёлка",
    "anne-marie",
    "o'neil",
    "van dyk",
    "van  dyk",
    "mary ann",
    "ann",
];

/// Every CRM with ordinary people, with many of one name, and with odd names.
async fn crowded() -> Vec<Crm> {
    let crms = all_with_people(60).await;
    for crm in &crms {
        for number in 0..MANY {
            let (first, last) =
                if number % 2 == 0 { ("Manyfold", "Überall") } else { ("MANYFOLD", "überall") };
            crm.put(
                first,
                last,
                &format!("many{number}@example.com"),
                &format!("+1416555{:04}", 2000 + number),
            );
        }
        for (number, (first, last)) in NAMES.iter().enumerate() {
            crm.put(
                first,
                last,
                &format!("Odd{number}@example.com"),
                &format!("+1416555{:04}", 3000 + number),
            );
        }
    }
    crms
}

/// Texts anywhere in a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(all) => all.iter().flat_map(texts).collect(),
        Value::Object(all) => all.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// A time as the list shows it.
fn time(crm: &Crm, record: &Value, key: &str) -> Option<Timestamp> {
    let time: Timestamp = record[key].as_str()?.parse().ok()?;
    let shown =
        if crm.spec.provider.as_str() == "aptly" { time.as_second() * 1000 } else { time.as_millisecond() };
    Some(Timestamp::from_millisecond(shown).unwrap())
}

/// Whether a stored record matches, said without the code that is tested.
fn is_met(crm: &Crm, record: &Value, name: FilterName, wanted: &str) -> bool {
    let text = |field: Field| {
        let stored = |field: Field| record[crm.world.stored_name(field)].as_str().unwrap_or_default();
        // Somebody without a name is shown by the name of the company.
        let nameless = stored(Field::FirstName).is_empty() && stored(Field::LastName).is_empty();
        let others = ["fullname", "company"].map(|key| record[key].as_str().unwrap_or_default());
        let company =
            others.into_iter().find(|text| nameless && !text.is_empty() && field == Field::LastName);
        case_identity(company.unwrap_or(stored(field)))
    };
    // What a row does not show is neither equal nor different; Aptly's rows show every part of a name.
    let is_shown = |field: Field| {
        crm.spec.provider.as_str() == "aptly" || record.get(crm.world.stored_name(field)).is_some()
    };
    let folded = case_identity(wanted);
    let at = |key: &str, test: &dyn Fn(Timestamp, Timestamp) -> bool| {
        time(crm, record, key).is_some_and(|now| test(now, wanted.parse().unwrap()))
    };
    let (min, max) =
        (|now: Timestamp, bound: Timestamp| now >= bound, |now: Timestamp, bound: Timestamp| now <= bound);
    match name.parameter() {
        "firstName" => text(Field::FirstName) == folded,
        "firstNameContains" => text(Field::FirstName).contains(&folded),
        "firstNameNotEquals" => is_shown(Field::FirstName) && text(Field::FirstName) != folded,
        "lastName" => text(Field::LastName) == folded,
        "lastNameContains" => text(Field::LastName).contains(&folded),
        "lastNameNotEquals" => is_shown(Field::LastName) && text(Field::LastName) != folded,
        "account" | "accountContains" => false,
        "accountNotEquals" => true,
        "emailAddress" => {
            let held = texts(&record[crm.world.stored_name(Field::EmailAddresses)]);
            held.iter().any(|held| email_identity(held) == email_identity(wanted))
        }
        "phoneNumber" => {
            let wanted = PhoneIdentity::of(Region::default(), wanted);
            let mut held = texts(&record[crm.world.stored_name(Field::PhoneNumbers)]);
            held.extend(texts(&record["secondaryPhoneNumber"]));
            held.iter().any(|held| PhoneIdentity::of(Region::default(), held) == wanted)
        }
        "lastActivityAt" => at("lastMessageTime", &|now, bound| now.as_second() == bound.as_second()),
        "remoteCreatedAtMin" | "createdAtMin" => at("createdAt", &min),
        "remoteCreatedAtMax" | "createdAtMax" => at("createdAt", &max),
        "remoteUpdatedAtMin" | "updatedAtMin" => at("updatedAt", &min),
        "remoteUpdatedAtMax" | "updatedAtMax" => at("updatedAt", &max),
        other => panic!("no case for the filter {other}"),
    }
}

fn id(record: &Value) -> String {
    record.get("_id").or(record.get("id")).unwrap().as_str().unwrap().to_owned()
}

/// Values that match none, one, many and many across pages.
fn values(crm: &Crm, name: FilterName, store: &[Value]) -> Vec<String> {
    let times = |key: &str| {
        let mut times: Vec<_> = store.iter().filter_map(|record| time(crm, record, key)).collect();
        times.sort_unstable();
        let mut values = vec!["1999-01-01T00:00:00Z".to_owned(), "2999-01-01T00:00:00Z".to_owned()];
        if let (Some(first), Some(last)) = (times.first(), times.last()) {
            let between =
                [1, times.len() / 2, times.len() - 2].map(|index| times[index.min(times.len() - 1)]);
            values.extend([*first, *last].into_iter().chain(between).map(|time| time.to_string()));
        }
        values
    };
    match name.field() {
        Field::EmailAddresses => {
            ["nobody@example.com", "oDD3@example.com", "many7@EXAMPLE.com"].map(str::to_owned).to_vec()
        }
        Field::PhoneNumbers => {
            let held = texts(&store[5][crm.world.stored_name(Field::PhoneNumbers)]);
            let some = held.into_iter().find(|text| text.starts_with('+')).unwrap_or("+14165552007");
            vec![some.to_owned(), "+1 (416) 555-3003".to_owned(), "+14165559999".to_owned(), "12".to_owned()]
        }
        Field::LastActivityAt => times("lastMessageTime"),
        Field::RemoteCreatedAt => times("createdAt"),
        Field::RemoteUpdatedAt => times("updatedAt"),
        _ => TEXTS.iter().map(|text| (*text).to_owned()).collect(),
    }
}

/// All pages of a list by cursor. Each is full but for the last one.
async fn walk(crm: &Crm, filters: &[(&str, &str)], size: u32) -> Result<Vec<ContactPage>> {
    let (mut pages, mut start) = (Vec::new(), PageStart::First);
    loop {
        let page = crm.list(filters, start, size).await?;
        let next = page.next_cursor.clone();
        assert!(page.contacts.len() == size as usize || next.is_none(), "{filters:?}: a short page");
        assert!(!page.contacts.is_empty() || pages.is_empty(), "{filters:?}: an empty page at the end");
        pages.push(page);
        match next {
            Some(cursor) => start = PageStart::Cursor(cursor),
            None => return Ok(pages),
        }
    }
}

fn ids(pages: &[ContactPage]) -> Vec<String> {
    let contacts = pages.iter().flat_map(|page| &page.contacts);
    contacts.map(|(_, contact)| contact.remote_id.as_str().to_owned()).collect()
}

/// The CRMs at the same time, because each takes minutes in a debug build.
#[tokio::test(flavor = "multi_thread")]
async fn every_filter_finds_what_filtering_the_whole_store_finds() {
    let tasks: Vec<_> = crowded().await.into_iter().map(|crm| tokio::spawn(each_filter(crm))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn each_filter(crm: Crm) {
    let store = crm.at.contacts();
    for &name in FilterName::ALL {
        let is_account = name.field() == Field::Account;
        if is_account && crm.spec.field(Field::Account).is_some_and(|field| !field.in_lists) {
            continue;
        }
        let (mut sizes, mut pushed, mut here) = (BTreeSet::new(), 0, 0);
        for value in values(&crm, name, &store) {
            let filter = [(name.parameter(), value.as_str())];
            let wanted: HashSet<String> =
                store.iter().filter(|record| is_met(&crm, record, name, &value)).map(id).collect();
            let size = if wanted.len() > 30 { 100 } else { 7 };
            let pages = walk(&crm, &filter, size).await.unwrap();
            let found = ids(&pages);
            let said = format!("{} {} {value}", crm.spec.title, name.parameter());
            assert_eq!(found.len(), found.iter().collect::<HashSet<_>>().len(), "{said}: repeats");
            assert_eq!(found.into_iter().collect::<HashSet<_>>(), wanted, "{said}");
            assert_eq!(crm.count(&filter).await.unwrap(), wanted.len() as u64, "{said}");
            for page in &pages {
                let applied = [page.pushed_down.as_slice(), &page.applied_here].concat();
                assert_eq!(applied, [name], "{said}");
                let support = crm.spec.filter(name).map(|filter| filter.support);
                // A filter that everybody matches leaves the CRM's total as it is.
                let is_trivial = is_account && name.is_negative();
                let exact = support == Some(FilterSupport::Exact) || is_trivial;
                assert_eq!(page.total, exact.then_some(wanted.len() as u64), "{said}");
                pushed += page.pushed_down.len();
                here += page.applied_here.len();
            }
            sizes.insert(wanted.len().min(MANY));
        }
        let never = crm.spec.field(name.field()).is_some_and(|field| field.read.is_none());
        assert!(never || sizes.len() >= 2, "{name:?}: {sizes:?}");
        let is_text = matches!(name.field(), Field::FirstName | Field::LastName) && !name.is_negative();
        assert!(!is_text || (pushed > 0 && here > 0 && sizes.contains(&MANY)), "{name:?}: both ways");
    }
    crm.assert_nothing_sent();
}

#[tokio::test]
async fn filters_together_and_pages_by_number_find_the_same() {
    for crm in crowded().await {
        let store = crm.at.contacts();
        let filters = [
            ("firstNameContains", "many"),
            ("lastNameNotEquals", "Nobody"),
            ("createdAtMin", "2000-01-01T00:00:00Z"),
            ("remoteUpdatedAtMax", "2999-01-01T00:00:00Z"),
        ];
        let pages = walk(&crm, &filters, 50).await.unwrap();
        let all = ids(&pages);
        let is_met = |record: &&Value| {
            filters.iter().all(|(name, value)| is_met(&crm, record, FilterName::parse(name).unwrap(), value))
        };
        assert_eq!(
            all.iter().cloned().collect::<HashSet<_>>(),
            store.iter().filter(is_met).map(id).collect()
        );
        for (index, page) in pages.iter().enumerate() {
            let number = index as u64 + 1;
            let again = crm.list(&filters, PageStart::PageNumber(number), 50).await.unwrap();
            assert_eq!(ids(std::slice::from_ref(&again)), ids(std::slice::from_ref(page)), "page {number}");
            assert_eq!(again.next_cursor.is_some(), page.next_cursor.is_some());
        }
        let behind = crm.list(&filters, PageStart::PageNumber(9), 50).await.unwrap();
        assert!(behind.contacts.is_empty() && behind.next_cursor.is_none());
    }
}

/// A name that nobody has, and which no CRM is asked for.
const NOBODY: [(&str, &str); 1] = [("lastName", "Ωμέγα")];

/// People of more pages than a scan reads, at every CRM.
async fn vast() -> Vec<Crm> {
    all_with_people(5_300).await
}

/// A deadline that a slow machine does not reach: a scan ends at its limit.
fn calm() -> CallContext {
    CallContext::within(Duration::from_mins(5), "test".into())
}

fn cut(outcome: Result<ContactPage>) -> (u64, Option<Text>) {
    let failure = outcome.unwrap_err();
    assert_eq!(failure.kind, FailureKind::ScanLimitReached, "{failure:?}");
    let scan = failure.scan.unwrap();
    assert!(
        failure.detail.contains("`firstName`"),
        "it says what would narrow it: {}",
        failure.detail.as_str()
    );
    (scan.rows_read, scan.next_cursor)
}

#[tokio::test]
async fn a_scan_without_a_match_stops_at_its_limit_and_goes_on_by_cursor() {
    for crm in vast().await {
        let page_rows = if crm.spec.provider.as_str() == "aptly" { 200 } else { 100 };
        let (rows, _) = cut(crm.list_within(&calm(), &NOBODY, PageStart::PageNumber(1), 10).await);
        assert_eq!((rows, crm.at.calls().len()), (25 * page_rows, 25));
        let (mut rows, mut cursor) = cut(crm.list_within(&calm(), &NOBODY, PageStart::First, 10).await);
        // The walk needs some calls to find its way, and its windows have fewer rows than a page.
        assert!(rows > 10 * page_rows && crm.at.calls().len() <= 25 + 42, "{rows} {}", crm.at.calls().len());
        let last = loop {
            match crm.list_within(&calm(), &NOBODY, PageStart::Cursor(cursor.clone().unwrap()), 10).await {
                Ok(page) => break page,
                failed => {
                    let (read, next) = cut(failed);
                    (rows, cursor) = (rows + read, next);
                }
            }
        };
        assert!(last.contacts.is_empty() && last.next_cursor.is_none() && rows < 5_300);
        let (_, cursor) = cut(crm.list_within(&calm(), &NOBODY, PageStart::PageNumber(2), 10).await);
        assert_eq!(cursor, None, "a page number cannot go on");
        let failure = crm.count(&NOBODY).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ScanLimitReached);
        assert_eq!(failure.scan.unwrap().next_cursor, None);
    }
}

#[tokio::test]
async fn a_scan_with_matches_ends_in_a_short_page_and_loses_nobody() {
    for crm in vast().await {
        let store = crm.at.contacts();
        // They stand far from each other, and none of them at the border of a page.
        let mut wanted = HashSet::new();
        for index in [7, 777, 2_601, 4_999, 5_298] {
            let last = crm.world.stored_name(Field::LastName);
            let change = json!({ last: "ΩΜΈΓΑ" });
            let id = id(&store[index]);
            assert!(crm.at.change(&id, change.as_object().unwrap()));
            wanted.insert(id);
        }
        let (mut found, mut start, mut short) = (Vec::new(), PageStart::First, 0);
        loop {
            let cursor = match crm.list_within(&calm(), &NOBODY, start, 10).await {
                Ok(page) => {
                    let warned = page.warnings.iter().any(|one| one.code == WarningCode::ScanLimitReached);
                    assert_eq!(warned, page.next_cursor.is_some());
                    short += usize::from(warned);
                    found.extend(ids(std::slice::from_ref(&page)));
                    page.next_cursor
                }
                failed => Some(cut(failed).1.unwrap()),
            };
            match cursor {
                Some(cursor) => start = PageStart::Cursor(cursor),
                None => break,
            }
        }
        assert!(short > 0);
        assert_eq!((found.len(), found.into_iter().collect::<HashSet<_>>()), (wanted.len(), wanted));
        // A page by number that would lie behind the limit.
        cut(crm.list_within(&calm(), &NOBODY, PageStart::PageNumber(2), 10).await);
    }
}

#[tokio::test]
async fn a_scan_ends_in_time_for_its_response() {
    for crm in all_with_people(900).await {
        crm.at.fault(Fault::always(FaultKind::Latency { ms: 400 }));
        let soon = CallContext::within(Duration::from_millis(1_500), "test".into());
        let outcome = crm.list_within(&soon, &NOBODY, PageStart::PageNumber(1), 10).await;
        assert!(!soon.remaining().is_zero());
        let (rows, cursor) = cut(outcome);
        assert!(rows > 0 && rows < 900 && cursor.is_some());
    }
}

#[tokio::test]
async fn a_filter_by_what_rows_do_not_show_is_refused_and_nothing_equals_what_is_unseen() {
    for crm in all().await {
        let row = |number: usize, over: Value| with(crm.world.row(&format!("row{number}")), &over);
        let show = |rows: &[Value]| {
            let text = crm.world.list(rows, &json!({ "total": rows.len() }));
            crm.at.faults().clear();
            crm.at.fault(Fault::always(FaultKind::Body { text }).on("GET", crm.world.list_path()));
        };
        let hidden = crm.world.stored_name(Field::FirstName);
        let mut without = row(2, json!({}));
        without.as_object_mut().unwrap().remove(hidden);
        without.as_object_mut().unwrap().remove("fullname");
        show(&[row(1, json!({})), without.clone()]);
        for (name, found) in [("firstName", 1), ("firstNameContains", 1), ("firstNameNotEquals", 0)] {
            let page = crm.list(&[(name, "ada")], PageStart::PageNumber(1), 10).await.unwrap();
            assert_eq!(page.contacts.len(), found, "{name}");
            let told = page.warnings.iter().any(|one| one.message.contains(": 1 of those that were read"));
            assert!(told, "{:?}", page.warnings);
        }
        let other = with(without.clone(), &json!({ (crm.world.id_key()): "row3" }));
        show(&[without, other]);
        for name in ["firstName", "firstNameNotEquals"] {
            let failure = crm.list(&[(name, "ada")], PageStart::PageNumber(1), 10).await.unwrap_err();
            assert_eq!((failure.kind, places(&failure)), (FailureKind::FilterUnsupported, vec![name]));
        }
        if crm.spec.field(Field::Account).is_some_and(|field| !field.in_lists) {
            let company = json!({ "company": "Engines Ltd" });
            let names = [("account", 2), ("accountContains", 2), ("accountNotEquals", 0)];
            show(&[row(1, company.clone()), row(2, company.clone())]);
            for (name, found) in names {
                let page = crm.list(&[(name, "ENGINES LTD")], PageStart::PageNumber(1), 10).await.unwrap();
                assert_eq!(page.contacts.len(), found, "{name}");
            }
            let mut silent = row(2, json!({}));
            silent.as_object_mut().unwrap().remove("company");
            show(&[row(1, company), silent]);
            for (name, _) in names {
                let outcome = crm.list(&[(name, "ENGINES LTD")], PageStart::PageNumber(1), 10).await;
                let failure = outcome.unwrap_err();
                assert_eq!((failure.kind, places(&failure)), (FailureKind::FilterUnsupported, vec![name]));
                assert!(failure.detail.contains("`account`"), "{}", failure.detail.as_str());
                assert_eq!(
                    crm.count(&[(name, "ENGINES LTD")]).await.unwrap_err().kind,
                    FailureKind::FilterUnsupported
                );
            }
        }
    }
}

/// The one equality of numbers: whichever way they are written, and in the country of the credential.
#[tokio::test]
async fn numbers_are_found_in_every_spelling() {
    for crm in crate::support::crm::all_under(&json!({ "defaultRegion": "US" })).await {
        let id = crm.put("Ada", "Byron", "ada@example.com", "+14155550101");
        crm.put("Eva", "Byron", "eva@example.com", "+14165550101");
        for number in
            ["(415) 555-0101", "+1 415-555-0101", "4155550101", "0014155550101x", "tel:+14155550101"]
        {
            let wanted = IdentityKind::PhoneNumber.key(Region::named(Some("US")), number);
            let is_hers = wanted == IdentityKind::PhoneNumber.key(Region::default(), "+14155550101");
            let found = walk(&crm, &[("phoneNumber", number)], 10).await.unwrap();
            assert_eq!(ids(&found), if is_hers { vec![id.clone()] } else { vec![] }, "{number}");
        }
    }
}
