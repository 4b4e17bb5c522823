//! Who is who: phone numbers and addresses are the same person, or are not, however they are written.

use contacts_gateway::adapters::IdentityKind::{EmailAddress, PhoneNumber};
use contacts_gateway::domain::{FailureKind, WarningCode};
use contacts_gateway::gateway::contacts::{UpsertOutcome, WriteOptions};
use serde_json::{Value, json};

use crate::support::account::{ToldApartBy, places, warned};
use crate::support::crm::{Crm, all, all_under};
use crate::support::person::{ada, with};
use crate::test_gateway::soon;

const STRICT: WriteOptions = WriteOptions { strict: true };

fn person(first: &str, last: &str, email: &str, phone: &str) -> Value {
    json!({ "firstName": first, "lastName": last, "emailAddresses": [{ "emailAddress": email }],
        "phoneNumbers": [{ "phoneNumber": phone }] })
}

/// Every CRM, with credentials that write national numbers of `region`.
async fn all_in(region: &str) -> Vec<Crm> {
    all_under(&if region.is_empty() { json!({}) } else { json!({ "defaultRegion": region }) }).await
}

/// The first number of the only write sent.
fn sent_number(crm: &Crm) -> String {
    let body = crm.only_body();
    crm.world.sent_number(&body).as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
}

#[tokio::test]
async fn a_number_is_sent_with_the_digits_written_and_a_country_code_without_the_trunk_prefix() {
    for (region, written, sent) in [
        ("NL", "tel:+390212345678", "+390212345678"),
        ("IT", "+81 (0)9012345678", "+819012345678"),
        ("US", "\u{664}\u{661}\u{666}\u{665}\u{665}\u{665}\u{660}\u{661}\u{668}\u{662}", "+14165550182"),
        ("GB", "00 1 416 555 0182", "+14165550182"),
        ("GB", "(020) 7946 0958", "+442079460958"),
        ("IT", "0332 1234567", "+3903321234567"),
        ("HU", "06 20 123 4567", "+36201234567"),
    ] {
        for crm in all_in(region).await {
            let made =
                crm.create(with(ada(), &json!({ "phoneNumbers": [{ "phoneNumber": written }] }))).await;
            let made = made.unwrap_or_else(|failure| panic!("{written}: {:?}", places(&failure)));
            assert_eq!(sent_number(&crm), sent, "{written}");
            assert_eq!(warned(&made), [], "{written}");
        }
    }
}

#[tokio::test]
async fn a_number_that_cannot_be_read_with_its_own_digits_is_passed_on_as_written_with_a_warning_or_refused()
{
    for (region, written) in [
        ("US", "+1 416 555 0182 (home)"),
        ("US", "call +1 416 555 0182"),
        ("US", "00 44 20 7946 0958"),
        ("US", "555-0129"),
        ("US", "1234567890123456"),
        ("US", "1-800-FLOWERS"),
        ("AR", "011 15 2345 6789"),
        ("MX", "+52 1 55 1234 5678"),
        ("BR", "015 11 96123 4567"),
    ] {
        for crm in all_in(region).await {
            let contact = with(ada(), &json!({ "phoneNumbers": [{ "phoneNumber": written }] }));
            let refused = crm.create_strictly(contact.clone()).await.unwrap_err();
            assert_eq!(places(&refused), ["/phoneNumbers/0/phoneNumber"], "{written}");
            crm.assert_nothing_sent();
            match crm.create(contact).await {
                Ok(made) => {
                    assert_eq!(sent_number(&crm), written);
                    let told = (WarningCode::PhoneNotParsed, "/phoneNumbers/0/phoneNumber");
                    assert!(warned(&made).contains(&told), "{written} {:?}", made.warnings);
                }
                Err(failure) => {
                    assert!(!crm.world.behaviour().keeps_numbers_as_typed, "{written}");
                    if failure.kind == FailureKind::ValidationFailed {
                        crm.assert_nothing_sent();
                    } else {
                        assert_eq!(
                            (sent_number(&crm).as_str(), failure.kind),
                            (written, FailureKind::UpstreamRejected)
                        );
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn two_people_whose_numbers_differ_by_a_leading_zero_are_never_taken_for_one() {
    for crm in all().await {
        let anna = crm.put("Anna", "Rossi", "anna@example.com", "+3903321234567");
        let before = crm.at.contact(&anna).unwrap();
        let bruno = person("Bruno", "Bianchi", "bruno@example.com", "+39 332 1234567");
        let upserted = crm.upsert(bruno, Some(vec![PhoneNumber])).await.unwrap();
        assert_eq!(upserted.outcome, Some(UpsertOutcome::Created), "{}", crm.spec.title);
        assert_ne!(upserted.contact.remote_id.as_str(), anna);
        assert_eq!(crm.at.contact(&anna).unwrap(), before, "nobody is overwritten");

        let other = person("Carla", "Verdi", "carla@example.com", "+39 0332 7654321");
        crm.create(other).await.unwrap();
        let near = person("Dario", "Neri", "dario@example.com", "+39 332 7654321");
        crm.create(near).await.unwrap_or_else(|failure| panic!("{}: {:?}", crm.spec.title, failure.kind));
        // The list of one person may hold both.
        let both = json!({ "phoneNumbers": [{ "phoneNumber": "+39 0332 1234567" }, { "phoneNumber": "+39 0332 123456" }] });
        let changed = crm.update(&anna, both).await.unwrap();
        assert_eq!(changed.contact.phone_numbers.len(), 2);
        crm.assert_no_alarm();
    }
}

#[tokio::test]
async fn upserts_of_one_number_in_many_spellings_at_once_make_one_contact() {
    for crm in all_in("US").await {
        let spellings = [
            "+14165550277",
            "(416) 555-0277",
            "416.555.0277",
            "1-416-555-0277",
            "+1 416 555 0277 ext. 12",
            "011 1 416 555 0277",
            "tel:+1-416-555-0277",
            "\u{664}\u{661}\u{666}\u{665}\u{665}\u{665}\u{660}\u{662}\u{667}\u{667}",
        ];
        let upserts = spellings.map(|number| {
            let ada = person("Ada", "Byron", "ada@example.com", number);
            crm.upsert(ada, Some(vec![PhoneNumber]))
        });
        let all = futures_util::future::join_all(upserts).await;
        let created = all
            .iter()
            .filter(|one| one.as_ref().is_ok_and(|shown| shown.outcome == Some(UpsertOutcome::Created)));
        assert_eq!(created.count(), 1, "{:?}", all.iter().map(|one| one.as_ref().err()).collect::<Vec<_>>());
        assert_eq!(crm.at.contacts().len(), 1, "{}", crm.spec.title);
    }
}

#[tokio::test]
async fn a_change_of_letter_case_in_an_address_is_sent_and_what_the_crm_makes_of_it_is_told() {
    for crm in all().await {
        let id = crm.put("Ada", "McDonald", "mcdonald@example.com", "+14165550277");
        let keeps_case = crm.world.behaviour().keeps_case_of_emails;
        let told = (WarningCode::ChangedByUpstream, "/emailAddresses/0/emailAddress");
        let told: Vec<_> = (!keeps_case).then_some(told).into_iter().collect();
        let change = json!({ "emailAddresses": [{ "emailAddress": "McDonald@example.com" }] });
        let changed = crm.update_within(&soon(), &id, change, STRICT).await.unwrap();
        let body = crm.only_body();
        let sent = body.get("Email").or_else(|| body.get("email")).unwrap();
        assert!(sent.to_string().contains("McDonald@example.com"), "{body}");
        assert_eq!(warned(&changed), told, "{}", crm.spec.title);
        let held = if keeps_case { "McDonald@example.com" } else { "mcdonald@example.com" };
        assert_eq!(changed.contact.email_addresses[0].address, held);
        // As it is shown, it is no change.
        let shown = json!({ "emailAddresses": [{ "emailAddress": held }] });
        let same = crm.update(&id, shown).await.unwrap();
        assert_eq!((warned(&same), crm.sent().len()), (Vec::new(), 1));
        // An upsert of somebody who is held is an update.
        let again = person("Ada", "McDonald", "MCDONALD@example.com", "+14165550277");
        let again = crm.upsert(again, None).await.unwrap();
        assert_eq!((again.outcome, crm.sent().len()), (Some(UpsertOutcome::Updated), 2));
        assert_eq!(warned(&again), told, "{}", crm.spec.title);
    }
}

#[tokio::test]
async fn a_raw_number_that_is_held_becomes_the_form_that_is_asked_for() {
    for crm in all_in("US").await {
        let id = crm.put("Ada", "Byron", "ada@example.com", "4165550277");
        let kind = crm.world.behaviour().kind_of_only_number;
        let phones =
            |number: &str| json!({ "phoneNumbers": [{ "phoneNumber": number, "phoneNumberType": kind }] });
        let same = crm.update(&id, phones("4165550277")).await.unwrap();
        assert_eq!(warned(&same), [], "as it is shown, it is no change");
        crm.assert_nothing_sent();
        let changed = crm.update_within(&soon(), &id, phones("+14165550277"), STRICT).await.unwrap();
        assert_eq!(sent_number(&crm), "+14165550277");
        assert_eq!(changed.contact.phone_numbers[0].number, "+14165550277");
        assert_eq!(warned(&changed), []);
    }
}

#[tokio::test]
async fn an_upsert_that_creates_somebody_like_another_contact_names_the_possible_duplicate() {
    for crm in all().await {
        let first = crm.create(ada()).await.unwrap();
        // What the CRM tells people apart by is gone or another; name and the rest are the same.
        let (again, pointer) = match crm.told_apart_by() {
            ToldApartBy::Email => {
                crm.update(first.id.as_str(), json!({ "emailAddresses": null })).await.unwrap();
                (ada(), "/phoneNumbers")
            }
            ToldApartBy::Phone => {
                let other = json!({ "phoneNumbers": [{ "phoneNumber": "+14165550299" }] });
                (with(ada(), &other), "/emailAddresses")
            }
        };
        let second = crm.upsert(again, None).await.unwrap();
        assert_eq!(second.outcome, Some(UpsertOutcome::Created), "{}", crm.spec.title);
        let told: Vec<_> =
            second.warnings.iter().filter(|warning| warning.code == WarningCode::PossibleDuplicate).collect();
        let [warning] = told.as_slice() else { panic!("{:?}", second.warnings) };
        assert_eq!(warning.pointer, pointer);
        for id in [first.id.as_str(), first.contact.remote_id.as_str()] {
            assert!(warning.message.contains(id), "{}", warning.message.as_str());
        }
        crm.assert_no_alarm();
    }
}

#[tokio::test]
async fn a_relative_of_another_name_is_no_possible_duplicate() {
    for crm in all().await {
        crm.put("Will", "King", "will@example.com", "+14165550277");
        let ada = match crm.told_apart_by() {
            ToldApartBy::Email => person("Ada", "King", "ada@example.com", "+14165550277"),
            ToldApartBy::Phone => person("Ada", "King", "will@example.com", "+14165550288"),
        };
        let made = crm.upsert(ada, None).await.unwrap();
        assert_eq!((made.outcome, warned(&made)), (Some(UpsertOutcome::Created), Vec::new()));
    }
}

#[tokio::test]
async fn somebody_who_matches_by_national_digits_alone_is_left_to_the_caller() {
    for crm in all().await {
        let raw = crm.put("Ada", "Byron", "ada@example.com", "4165550277");
        let ada = || person("Ada", "Byron", "byron@example.com", "+1 416 555 0277");
        for kinds in [vec![PhoneNumber], vec![EmailAddress, PhoneNumber]] {
            let failure = crm.upsert(ada(), Some(kinds)).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::AmbiguousMatch, "{}", crm.spec.title);
            let named: Vec<_> = failure.candidates.iter().map(|one| one.remote_id.as_str()).collect();
            assert_eq!(named, [raw.as_str()]);
            assert_eq!(failure.candidates[0].matched_on, ["phoneNumber"]);
            crm.assert_nothing_sent();
        }
        // Without an explicit `matchOn` a contact is created, and the near one is named.
        let made = crm.upsert(ada(), None).await.unwrap();
        assert_eq!(made.outcome, Some(UpsertOutcome::Created));
        assert_eq!(warned(&made), [(WarningCode::PossibleDuplicate, "/phoneNumbers")], "{}", crm.spec.title);
        // Who has just the number is meant; the near one is named again.
        let exact = crm.upsert(ada(), Some(vec![PhoneNumber])).await.unwrap();
        assert_eq!((exact.outcome, exact.id.as_str()), (Some(UpsertOutcome::Updated), made.id.as_str()));
        assert_eq!(warned(&exact), [(WarningCode::PossibleDuplicate, "/phoneNumbers")]);
    }
}

#[tokio::test]
async fn a_number_written_with_another_prefix_than_the_crm_holds_is_found_and_left_to_the_caller() {
    for region in ["", "US"] {
        for (held, written) in [
            ("+442079460958", "020 7946 0958"),
            ("+442079460958", "0044 20 7946 0958"),
            ("+442079460958", "00 44 (0)20 7946 0958"),
            ("79460958", "020 7946 0958"),
            ("4165550277", "001 416 555 0277"),
            ("+14165550277", "0 416 555 0277"),
        ] {
            for crm in all_in(region).await {
                let there = crm.put("Ada", "Byron", "ada@example.com", held);
                let ada = person("Ada", "Byron", "byron@example.com", written);
                let failure = crm.upsert(ada, Some(vec![PhoneNumber])).await.unwrap_err();
                let place = format!("{} {region} {held} {written}", crm.spec.title);
                assert_eq!(failure.kind, FailureKind::AmbiguousMatch, "{place}");
                assert_eq!(failure.candidates[0].remote_id.as_str(), there, "{place}");
                crm.assert_nothing_sent();
            }
        }
    }
}

#[tokio::test]
async fn a_default_region_makes_the_raw_number_the_same_person() {
    for crm in all_in("US").await {
        let raw = crm.put("Ada", "Byron", "ada@example.com", "4165550277");
        let ada = person("Ada", "Byron", "ada@example.com", "+1 416 555 0277");
        let shown = crm.upsert(ada, Some(vec![PhoneNumber])).await.unwrap();
        assert_eq!(
            (shown.outcome, shown.contact.remote_id.as_str()),
            (Some(UpsertOutcome::Updated), raw.as_str())
        );
    }
}
