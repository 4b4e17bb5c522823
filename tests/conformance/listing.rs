//! Lists and counts: pages cut right, cursors bound, filters never ignored.

use std::collections::HashSet;

use contacts_gateway::adapters::{FilterSupport, Paging};
use contacts_gateway::domain::{FailureKind, Field, FilterName, Text, Warning, WarningCode};
use contacts_gateway::gateway::contacts::{ListRequest, PageStart};
use contacts_gateway::simulators::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::support::account::{Account, places, query};
use crate::support::crm::{Crm, all, all_with_people};
use crate::support::person::with;
use crate::support::worlds::WORLDS;
use crate::test_gateway::{Link, soon};

async fn everybody(crm: &Crm) -> Vec<String> {
    let (mut all, mut from) = (Vec::new(), PageStart::PageNumber(1));
    loop {
        let page = crm.list(&[], from, 100).await.unwrap();
        all.extend(page.contacts.iter().map(|(_, contact)| contact.remote_id.as_str().to_owned()));
        match page.next_cursor {
            Some(cursor) => from = PageStart::Cursor(cursor),
            None => return all,
        }
    }
}

#[tokio::test]
async fn pages_of_every_size_cut_the_same_list() {
    for crm in all_with_people(430).await {
        let all = everybody(&crm).await;
        assert_eq!((all.len(), all.iter().collect::<HashSet<_>>().len()), (430, 430));
        if matches!(crm.spec.paging, Paging::Cursor) {
            continue;
        }
        for size in [1_u32, 3, 7, 33, 49, 50, 70, 99, 100] {
            let pages = 430_u64.div_ceil(u64::from(size));
            // The first, those around the CRM's own page borders, the last, and one beyond.
            for number in [
                1,
                2,
                100 / u64::from(size) + 1,
                200 / u64::from(size),
                200 / u64::from(size) + 1,
                pages,
                pages + 1,
            ] {
                let number = number.max(1);
                let page = crm.page(number, size).await.unwrap();
                let ids: Vec<_> =
                    page.contacts.iter().map(|(_, contact)| contact.remote_id.as_str()).collect();
                let from = usize::try_from((number - 1) * u64::from(size)).unwrap().min(430);
                let to = (from + size as usize).min(430);
                assert_eq!(ids, all[from..to], "{} page {number} of {size}", crm.spec.title);
                assert_eq!(page.next_cursor.is_some(), to < 430, "page {number} of {size}");
                assert_eq!((page.total, page.page_number, page.page_size), (Some(430), Some(number), size));
            }
        }
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn a_cursor_walk_shows_everybody_once_even_where_the_page_sizes_do_not_fit() {
    let mut crms = Vec::new();
    for world in WORLDS {
        for at in world.odd_lists(130).await {
            crms.push(Crm::at(at, *world, json!({})).await);
        }
    }
    for crm in crms {
        for size in [7, 40, 100] {
            let (mut start, mut seen) = (PageStart::First, Vec::new());
            loop {
                let page = crm.list(&[], start, size).await.unwrap();
                assert!(page.contacts.len() == size as usize || page.next_cursor.is_none(), "a short page");
                seen.extend(page.contacts.into_iter().map(|(_, contact)| contact.remote_id));
                match page.next_cursor {
                    Some(cursor) => start = PageStart::Cursor(cursor),
                    None => break,
                }
            }
            assert_eq!((seen.len(), seen.iter().collect::<HashSet<_>>().len()), (130, 130), "{size}");
        }
    }
}

#[tokio::test]
async fn rows_that_the_crm_repeats_are_shown_once() {
    for crm in all().await {
        let rows = ["a", "b", "a", "c"].map(|id| crm.world.row(id));
        crm.at.fault(page_of(&crm, &rows, 4));
        let page = crm.page(1, 50).await.unwrap();
        let ids: Vec<_> = page.contacts.iter().map(|(_, contact)| contact.remote_id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        assert!(page.next_cursor.is_none());
    }
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_list_alone() {
    for crm in all_with_people(30).await {
        let filter: &[(&str, &str)] = &[(oldest(&crm), "2000-01-01T00:00:00Z")];
        let first = crm.list(&[], PageStart::First, 10).await.unwrap();
        let cursor = first.next_cursor.unwrap();
        let refused = async |filters: &[(&str, &str)], cursor: &Text, size: u32| {
            let calls = crm.at.calls().len();
            let failure = crm.list(filters, PageStart::Cursor(cursor.clone()), size).await.unwrap_err();
            assert_eq!((failure.kind, places(&failure)), (FailureKind::InvalidParameter, vec!["cursor"]));
            assert_eq!(crm.at.calls().len(), calls, "a refused cursor asks nothing");
        };
        refused(filter, &cursor, 10).await;
        refused(&[], &cursor, 11).await;
        for at in 0..cursor.len() {
            let other = if &cursor[at..=at] == "A" { "B" } else { "A" };
            refused(&[], &format!("{}{other}{}", &cursor[..at], &cursor[at + 1..]).into(), 10).await;
        }
        refused(&[], &"".into(), 10).await;
        crm.list(&[], PageStart::Cursor(cursor.clone()), 10).await.unwrap();

        let link = || Link {
            base_url: crm.at.base_url(),
            secret: crm.at.token(),
            settings: json!({}),
            verify: false,
        };
        let sibling = Account::link(&crm.gateway, crm.spec.provider.as_str(), link()).await;
        let start = PageStart::Cursor(cursor.clone());
        assert!(sibling.list(&[], start.clone(), 10).await.is_err(), "another credential");
        let other = crm.gateway.tenant("second").await;
        let theirs = crm.gateway.link(&other, crm.spec.provider.as_str(), link()).await.unwrap();
        let request = ListRequest { query: query(&[]), start, page_size: 10 };
        let contacts = &crm.gateway.contacts;
        assert!(contacts.list(&soon(), &other, &theirs, &request).await.is_err(), "another tenant");
        let foreign = contacts.list(&soon(), &other, &crm.credential, &request).await.unwrap_err();
        assert_eq!(foreign.kind, FailureKind::CredentialNotFound);
    }
}

#[tokio::test]
async fn exact_filters_are_exact_pushed_down_and_inclusive() {
    for crm in all_with_people(250).await {
        let all = crm.page(1, 100).await.unwrap();
        let (_, somebody) = &all.contacts[40];
        for filter in crm.spec.filters.iter().filter(|filter| filter.support == FilterSupport::Exact) {
            let name = filter.name.parameter();
            let value = match filter.name {
                FilterName::EmailAddress => all
                    .contacts
                    .iter()
                    .find_map(|(_, c)| c.email_addresses.first())
                    .unwrap()
                    .address
                    .to_uppercase(),
                FilterName::RemoteCreatedAtMin | FilterName::RemoteCreatedAtMax => {
                    somebody.remote_created_at.unwrap().to_string()
                }
                FilterName::RemoteUpdatedAtMin | FilterName::RemoteUpdatedAtMax => {
                    somebody.remote_updated_at.unwrap().to_string()
                }
                other => panic!("no case for the declared filter {other:?}"),
            };
            let page = crm.list(&[(name, &value)], PageStart::PageNumber(1), 100).await.unwrap();
            assert_eq!((page.pushed_down.as_slice(), page.applied_here.len()), ([filter.name].as_slice(), 0));
            assert!(!page.contacts.is_empty() && page.total.unwrap() < 250, "{name}");
            if filter.name != FilterName::EmailAddress {
                let mut rest = vec![crm.list(&[(name, &value)], PageStart::First, 100).await.unwrap()];
                while let Some(cursor) = rest.last().unwrap().next_cursor.clone() {
                    rest.push(crm.list(&[(name, &value)], PageStart::Cursor(cursor), 100).await.unwrap());
                }
                let found = rest
                    .iter()
                    .flat_map(|page| &page.contacts)
                    .any(|(_, c)| c.remote_id == somebody.remote_id);
                assert!(found, "{name} is inclusive");
            }
            assert_eq!(
                crm.count(&[(name, &value)]).await.unwrap(),
                crm.list(&[(name, &value)], PageStart::PageNumber(1), 1).await.unwrap().total.unwrap()
            );
        }
        assert_eq!(crm.count(&[]).await.unwrap(), 250);
    }
}

#[tokio::test]
async fn a_crm_that_ignores_a_filter_is_caught() {
    for crm in all_with_people(20).await {
        let all = crm.at.contacts();
        crm.at.fault(Fault::always(FaultKind::Body { text: crm.world.list(&all, &json!({ "total": 20 })) }));
        for filter in crm.spec.filters.iter().filter(|filter| filter.support == FilterSupport::Exact) {
            let value = match filter.name {
                FilterName::EmailAddress => "nobody@example.com",
                FilterName::RemoteCreatedAtMax | FilterName::RemoteUpdatedAtMax => "1999-01-01T00:00:00Z",
                _ => "2999-01-01T00:00:00Z",
            };
            let ask = [(filter.name.parameter(), value)];
            let failure = crm.list(&ask, PageStart::PageNumber(1), 50).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::UpstreamInvalidResponse, "{:?}", filter.name);
            assert_eq!(crm.count(&ask).await.unwrap_err().kind, FailureKind::UpstreamInvalidResponse);
        }
    }
}

#[tokio::test]
async fn our_own_times_are_filtered_as_the_crms() {
    for crm in all_with_people(30).await {
        let theirs = oldest(&crm);
        let ours = &theirs.replace("remoteUpdated", "updated").replace("remoteCreated", "created");
        let (early, late) = ("2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z");
        let both = crm.list(&[(theirs, early), (ours, late)], PageStart::PageNumber(1), 50).await.unwrap();
        assert_eq!((both.contacts.len(), both.pushed_down.len()), (0, 2), "the narrower bound counts");
        assert_eq!(crm.count(&[(ours, early)]).await.unwrap(), 30);
    }
}

#[tokio::test]
async fn a_count_without_the_crms_total_is_scanned() {
    for crm in all().await {
        let rows: Vec<_> = (0..5).map(|n| json!({ (crm.world.id_key()): format!("id{n}") })).collect();
        crm.at.fault(Fault::always(FaultKind::Body { text: crm.world.bare_list(&rows) }));
        assert_eq!(crm.count(&[]).await.unwrap(), 5);
    }
}

#[tokio::test]
async fn absurd_echoes_of_page_and_size_are_answered_and_never_a_panic() {
    for crm in all_with_people(5).await {
        for (page, size, total) in [
            (json!(7), json!(200), json!(5)),
            (json!(u64::MAX), json!(u64::MAX), json!(u64::MAX)),
            (json!(2), json!(u64::MAX), json!(5)),
            (json!(0), json!(1), json!(u64::MAX)),
            (json!(-1), json!(0), json!(5)),
            (json!("x"), json!(null), json!({})),
            (json!(null), json!(null), json!(null)),
        ] {
            let rows = [json!({ (crm.world.id_key()): "a" }), json!({ (crm.world.id_key()): "b" })];
            let text = crm.world.list(&rows, &json!({ "total": total, "page": page, "size": size }));
            crm.at.fault(Fault::always(FaultKind::Body { text: text.clone() }));
            for number in [1, 2, 5, u64::MAX] {
                if let Err(failure) = crm.page(number, 100).await {
                    assert_eq!(failure.kind, FailureKind::UpstreamInvalidResponse, "{text}");
                }
            }
            let _ = crm.count(&[]).await;
            crm.at.faults().clear();
        }
    }
}

/// A filter by the earliest time that the CRM answers.
fn oldest(crm: &Crm) -> &'static str {
    let times = [FilterName::RemoteUpdatedAtMin, FilterName::RemoteCreatedAtMin];
    times.into_iter().find(|name| crm.spec.filter(*name).is_some()).unwrap().parameter()
}

/// One row of the CRM, with these fields over it.
fn row(crm: &Crm, number: usize, over: &Value) -> Value {
    with(crm.world.row(&format!("row{number}")), over)
}

fn page_of(crm: &Crm, rows: &[Value], total: usize) -> Fault {
    let text = crm.world.list(rows, &json!({ "total": total }));
    Fault::always(FaultKind::Body { text }).on("GET", crm.world.list_path())
}

fn told(warnings: &[Warning]) -> Vec<(WarningCode, &str)> {
    warnings.iter().map(|warning| (warning.code, warning.pointer.as_str())).collect()
}

#[tokio::test]
async fn a_field_that_cannot_be_read_is_left_out_named_and_stays_as_the_crm_shows_it() {
    for crm in all().await {
        let mut rows: Vec<_> = (0..60).map(|number| row(&crm, number, &json!({}))).collect();
        rows[7] = row(&crm, 7, &json!({ "createdAt": "2024-01-15" }));
        let name = crm.world.stored_name(Field::FirstName);
        rows[8] = row(&crm, 8, &json!({ name: { "odd": true } }));
        let phones = crm.world.stored_name(Field::PhoneNumbers);
        rows[9] = row(&crm, 9, &json!({ phones: ["+14155550101", ["odd"]], "email": [[1]] }));
        crm.at.fault(page_of(&crm, &rows, 60));
        let page = crm.page(1, 60).await.unwrap();
        assert_eq!((page.contacts.len(), page.total), (60, Some(60)));
        let pointers = [
            "/contacts/7/remoteCreatedAt",
            "/contacts/8/firstName",
            "/contacts/9/emailAddresses",
            "/contacts/9/phoneNumbers",
        ];
        assert_eq!(told(&page.warnings), pointers.map(|pointer| (WarningCode::Incomplete, pointer)));
        assert!(page.warnings[0].message.contains("row7"), "{:?}", page.warnings[0]);
        let contact = |index: usize| &page.contacts[index].1;
        assert_eq!(contact(7).remote_fields.get("createdAt").unwrap().as_str(), "\"2024-01-15\"");
        assert_eq!(contact(8).remote_fields.get(name).unwrap().as_str(), "{\"odd\":true}");
        assert!(
            contact(8).unseen.contains(Field::FirstName) && contact(9).unseen.contains(Field::EmailAddresses)
        );
        assert_eq!(contact(9).phone_numbers[0].number, "+14155550101");
        assert!(contact(9).partial.contains(Field::PhoneNumbers));
        assert_eq!(crm.count(&[]).await.unwrap(), 60);
    }
}

#[tokio::test]
async fn a_row_without_an_id_is_reported_alone_and_counted() {
    for crm in all().await {
        let rows =
            [row(&crm, 1, &json!({})), json!({ "firstname": "Nobody" }), json!(5), row(&crm, 2, &json!({}))];
        crm.at.fault(page_of(&crm, &rows, 4));
        let page = crm.page(1, 50).await.unwrap();
        assert_eq!((page.contacts.len(), page.total), (2, Some(4)));
        assert_eq!(told(&page.warnings), [(WarningCode::RowUnreadable, "/contacts")]);
        assert!(page.warnings[0].message.starts_with("2 rows"), "{:?}", page.warnings[0]);
        assert_eq!(crm.count(&[]).await.unwrap(), 4);
    }
}

#[tokio::test]
async fn many_odd_rows_are_told_in_twenty_warnings_and_one_that_counts_the_others() {
    for crm in all().await {
        let odd = json!({ "updatedAt": "soon" });
        let rows: Vec<_> = (0..60).map(|number| row(&crm, number, &odd)).collect();
        crm.at.fault(page_of(&crm, &rows, 60));
        let warnings = crm.page(1, 100).await.unwrap().warnings;
        assert_eq!(warnings.len(), 21);
        assert_eq!(told(&warnings)[20], (WarningCode::Incomplete, "/contacts"));
        assert!(warnings[20].message.starts_with("40 more"), "{:?}", warnings[20]);
    }
}

#[tokio::test]
async fn what_a_list_does_not_show_is_left_out_and_told_once() {
    for crm in all().await {
        let mut rows: Vec<_> = (0..5).map(|number| row(&crm, number, &json!({}))).collect();
        for (number, row) in rows.iter_mut().enumerate() {
            let fields = row.as_object_mut().unwrap();
            fields.remove("email");
            if number < 2 {
                fields.remove("updatedAt");
            }
        }
        crm.at.fault(page_of(&crm, &rows, 5));
        let page = crm.page(1, 50).await.unwrap();
        let pointers = ["/contacts/*/emailAddresses", "/contacts/*/remoteUpdatedAt"];
        assert_eq!(told(&page.warnings), pointers.map(|pointer| (WarningCode::Incomplete, pointer)));
        assert!(page.warnings[1].message.starts_with("2 of 5 rows"), "{:?}", page.warnings[1]);
    }
}

#[tokio::test]
async fn a_crm_that_shows_the_same_page_for_ever_ends_a_walk_with_an_error() {
    for crm in all().await {
        let rows: Vec<_> = (0..200).map(|number| row(&crm, number, &json!({}))).collect();
        crm.at.fault(page_of(&crm, &rows[..crm.world.behaviour().page_size], 100_000));
        for first in [PageStart::First, PageStart::PageNumber(1)] {
            let mut start = first;
            for pages in 0.. {
                assert!(pages < 20, "it walks on and on");
                match crm.list(&[], start, 50).await {
                    Ok(page) => start = PageStart::Cursor(page.next_cursor.unwrap()),
                    Err(failure) => {
                        assert_eq!(failure.kind, FailureKind::UpstreamInvalidResponse);
                        break;
                    }
                }
            }
        }
    }
}
