//! The walk by cursor while people are created, edited, moved and deleted between any two calls: everybody who is there
//! throughout is returned, and it ends.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use contacts_gateway::domain::{Timestamp, WarningCode};
use contacts_gateway::gateway::contacts::{ContactPage, ExportPart, ExportRequest, PageStart};
use contacts_gateway::simulators::aptly::{AptlyOptions, AptlySimulator, Dialect, RowShape, UpdateBounds};
use contacts_gateway::simulators::pipeline::{
    DateBounds, Envelope, ListOrder, PipelineOptions, PipelineSimulator,
};
use contacts_gateway::simulators::{Clock, Running};
use serde_json::{Map, Value, json};

use crate::rng::{Rng, number};
use crate::support::account::{Account, query};
use crate::support::crm::linked;
use crate::support::worlds::{Stored, WORLDS, World, world};
use crate::test_gateway::{TestGateway, soon};

/// People at the start.
const PEOPLE: u64 = 60;
/// Pages after which a walk is taken to be endless.
const ENDLESS: usize = 3_000;

/// Whether changes end at some time.
#[derive(Clone, Copy, PartialEq)]
enum Changes {
    None,
    /// So many.
    Some(u64),
    /// Before every call, for ever.
    Endless,
}

/// A CRM whose people change before every call.
struct Busy {
    _at: Arc<Running>,
    /// The ids of the start that were not deleted.
    stayed: Arc<Mutex<HashSet<String>>>,
    /// Changes that are still to come.
    changes: Arc<Mutex<Changes>>,
}

fn id_of(record: &Value) -> String {
    record.get("_id").or(record.get("id")).unwrap().as_str().unwrap().to_owned()
}

/// People of a few moments: some share a second or a millisecond, some more than fit on a page.
fn people(world: &dyn World, rng: &mut Rng) -> Vec<Value> {
    let begin = "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap().as_millisecond();
    let (spread, crowd) = (1 + rng.below(600_000), rng.below(3) == 0);
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        let (first, last) = (format!("First{number}"), format!("Last{number}"));
        let (email, phone) = (format!("p{number}@example.com"), format!("+1415555{number:04}"));
        let stored = Stored { first: &first, last: &last, emails: &[&email], phones: &[&phone] };
        let mut record = world.record(&stored);
        let mut time = || {
            let after = if crowd && number < 30 { 5_000 } else { rng.below(spread) };
            let time = Timestamp::from_millisecond(begin + i64::try_from(after).unwrap()).unwrap();
            json!(format!("{time:.3}"))
        };
        record[world.id_key()] = json!(format!("id{number:04}"));
        record["createdAt"] = time();
        record["updatedAt"] = time();
        people.push(record);
    }
    people
}

/// A CRM in one of the forms that its documents leave open.
async fn simulator(world: &dyn World, clock: &Clock, rng: &mut Rng) -> Running {
    let (contacts, clock) = (people(world, rng), clock.clone());
    let page_size = [4, 10, 25, 200][usize::try_from(rng.below(4)).unwrap()];
    if world.provider() == "aptly" {
        let dialect = if rng.below(2) == 0 { Dialect::V2 } else { Dialect::V3 };
        let bounds = [UpdateBounds::Shown, UpdateBounds::Stored, UpdateBounds::Exclusive];
        let update_bounds = bounds[usize::try_from(rng.below(3)).unwrap()];
        let options =
            AptlyOptions { contacts, clock, page_size, dialect, update_bounds, ..AptlyOptions::empty() };
        return AptlySimulator::start(options).await.unwrap();
    }
    let orders = [ListOrder::NewestFirst, ListOrder::OldestFirst, ListOrder::ChangedFirst, ListOrder::ById];
    let order = orders[usize::try_from(rng.below(4)).unwrap()];
    let date_bounds = if rng.below(2) == 0 { DateBounds::Inclusive } else { DateBounds::Exclusive };
    let envelope = if rng.below(2) == 0 { Envelope::V1 } else { Envelope::V2 };
    let largest_page = page_size.min(100);
    let options = PipelineOptions {
        contacts,
        clock,
        largest_page,
        order,
        date_bounds,
        envelope,
        ..PipelineOptions::empty()
    };
    PipelineSimulator::start(options).await.unwrap()
}

impl Busy {
    fn new(world: &'static dyn World, at: Running, changes: Changes, mut rng: Rng) -> Self {
        let at = Arc::new(at);
        let stayed: HashSet<String> = at.contacts().iter().map(id_of).collect();
        let stayed = Arc::new(Mutex::new(stayed));
        let (crm, left) = (Arc::downgrade(&at), Arc::clone(&stayed));
        let changes = Arc::new(Mutex::new(changes));
        let (coming, state) = (Arc::clone(&changes), Mutex::new((Rng::seeded(rng.below(u64::MAX)), 0)));
        at.journal().watch(move |_| {
            let Some(crm) = crm.upgrade() else { return };
            let (mut coming, mut state) = (coming.lock().unwrap(), state.lock().unwrap());
            let (rng, number) = &mut *state;
            for _ in 0..rng.below(4) {
                match &mut *coming {
                    Changes::None | Changes::Some(0) => return,
                    Changes::Some(more) => *more -= 1,
                    Changes::Endless => {}
                }
                *number += 1;
                change(world, &crm, &left, *number, rng);
            }
        });
        Self { _at: at, stayed, changes }
    }
}

/// Somebody is created, edited, moved or deleted.
fn change(world: &dyn World, crm: &Running, stayed: &Mutex<HashSet<String>>, number: u64, rng: &mut Rng) {
    crm.clock().advance(jiff::SignedDuration::from_millis(i64::try_from(rng.below(900)).unwrap()));
    let all = crm.contacts();
    let chosen = id_of(&all[usize::try_from(rng.below(all.len() as u64)).unwrap()]);
    match rng.below(10) {
        0 | 1 => {
            let (email, phone) = (format!("new{number}@example.com"), format!("+1416555{number:04}"));
            let new = Stored { first: "New", last: "Person", emails: &[&email], phones: &[&phone] };
            crm.put(world.record(&new)).unwrap();
        }
        2 if all.len() > 20 => {
            assert!(crm.take_out(&chosen));
            stayed.lock().unwrap().remove(&chosen);
        }
        _ => {
            let first = world.stored_name(contacts_gateway::domain::Field::FirstName);
            let fields = Map::from_iter([(first.to_owned(), json!(format!("Edited{number}")))]);
            assert!(crm.change(&chosen, &fields));
        }
    }
}

/// What a walk returned.
#[derive(Default)]
struct Walked {
    /// How often each id was returned.
    seen: HashMap<String, u32>,
    pages: usize,
    incomplete: Option<String>,
}

impl Walked {
    fn add(&mut self, page: &ContactPage) {
        self.pages += 1;
        let warning = page.warnings.iter().find(|one| one.code == WarningCode::WalkIncomplete);
        self.incomplete = warning.map(|one| one.message.as_str().to_owned()).or(self.incomplete.take());
        for (_, contact) in &page.contacts {
            *self.seen.entry(contact.remote_id.as_str().to_owned()).or_default() += 1;
        }
    }

    fn missed(&self, busy: &Busy) -> Vec<String> {
        busy.stayed.lock().unwrap().iter().filter(|id| !self.seen.contains_key(*id)).cloned().collect()
    }

    fn repeats(&self) -> u32 {
        self.seen.values().map(|times| times - 1).sum()
    }
}

async fn by_cursor(account: &Account, filters: &[(&str, &str)], size: u32) -> Walked {
    let (mut walked, mut start) = (Walked::default(), PageStart::First);
    loop {
        let page = account.list(filters, start, size).await.unwrap();
        walked.add(&page);
        assert!(walked.pages < ENDLESS, "it walks on and on");
        match page.next_cursor {
            Some(cursor) => start = PageStart::Cursor(cursor),
            None => return walked,
        }
    }
}

/// An export that is cut off at each checkpoint would go on there; here none is, so that each is returned once.
async fn by_export(account: &Account, filters: &[(&str, &str)]) -> Walked {
    let (contacts, caller) = (account.contacts(), &account.gateway.caller);
    let request = ExportRequest { query: query(filters), cursor: None };
    let mut export = contacts.export(&soon(), caller, &account.credential, request).await.unwrap();
    let mut walked = Walked::default();
    while let Some(part) = export.next().await {
        match part {
            ExportPart::Contacts(contacts) => {
                for (_, contact) in contacts {
                    *walked.seen.entry(contact.remote_id.as_str().to_owned()).or_default() += 1;
                }
            }
            ExportPart::Checkpoint(_) => {}
            ExportPart::End(end) => {
                assert_eq!(end.count, walked.seen.len() as u64);
                assert_eq!(end.failure, None);
                let warning = end.warnings.iter().find(|one| one.code == WarningCode::WalkIncomplete);
                walked.incomplete = warning.map(|one| one.message.as_str().to_owned());
                assert_eq!(end.is_complete, walked.incomplete.is_none());
            }
        }
    }
    assert_eq!(walked.repeats(), 0, "an export returns each once");
    walked
}

async fn by_number(account: &Account, size: u32) -> Walked {
    let mut walked = Walked::default();
    for number in 1.. {
        // Where the same rows come again and again, the CRM is taken to repeat its pages.
        let Ok(page) = account.page(number, size).await else { break };
        walked.add(&page);
        if page.next_cursor.is_none() {
            break;
        }
        assert!(walked.pages < ENDLESS, "it walks on and on");
    }
    walked
}

/// Filters that everybody matches: none, one that the CRM applies, and one that is applied here.
fn filters(account: &Account, rng: &mut Rng) -> Vec<(&'static str, &'static str)> {
    let exact = account.spec.filters.iter().map(|filter| filter.name.parameter());
    let exact = exact.into_iter().find(|name| name.ends_with("AtMin")).unwrap();
    match rng.below(4) {
        0 => vec![(exact, "2020-01-01T00:00:00Z")],
        1 => vec![("lastNameNotEquals", "Nobody")],
        2 => vec![(exact, "2020-01-01T00:00:00Z"), ("createdAtMax", "2999-01-01T00:00:00Z")],
        _ => Vec::new(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Cursor,
    Export,
    PageNumbers,
}

/// Reads the list in each way, under the same changes, and returns how many people pages by number missed.
async fn run(gateway: &Arc<TestGateway>, world: &'static dyn World, seed: u64) -> usize {
    let mut plain_missed = 0;
    for way in [Way::Cursor, Way::Export, Way::PageNumbers] {
        let mut rng = Rng::seeded(seed);
        let clock = Clock::standing_at("2026-01-02T00:00:00Z".parse().unwrap());
        let at = simulator(world, &clock, &mut rng).await;
        let account = linked(gateway, world.provider(), &at, json!({})).await;
        let (filters, size) = (filters(&account, &mut rng), 2 + u32::try_from(rng.below(12)).unwrap());
        let changes =
            if seed.is_multiple_of(10) { Changes::None } else { Changes::Some(20 + rng.below(100)) };
        let busy = Busy::new(world, at, changes, rng);
        let walked = match way {
            Way::Cursor => by_cursor(&account, &filters, size).await,
            Way::Export => by_export(&account, &filters).await,
            Way::PageNumbers => {
                plain_missed = by_number(&account, size).await.missed(&busy).len();
                continue;
            }
        };
        let said = format!("{} seed {seed} {way:?} {filters:?} of {size}", world.provider());
        let is_over = matches!(*busy.changes.lock().unwrap(), Changes::None | Changes::Some(0));
        match &walked.incomplete {
            // Of a list that changes before every call to the end, the walk must not be complete.
            // Nor of a crowd of one millisecond that changed during each of its passes.
            Some(why) => {
                let is_crowd = changes != Changes::None && why.contains("at the same time");
                assert!(is_crowd || !is_over && why.contains("faster"), "{said}: {why}");
            }
            None => assert_eq!(walked.missed(&busy), [""; 0], "{said}"),
        }
        assert!(changes != Changes::None || walked.repeats() == 0, "{said}: {} repeats", walked.repeats());
    }
    plain_missed
}

async fn runs(seeds: std::ops::Range<u64>) {
    let gateway = TestGateway::open().await;
    for world in WORLDS {
        let mut plain_missed = 0;
        for seed in seeds.clone() {
            plain_missed += run(&gateway, *world, seed).await;
        }
        assert!(plain_missed > 0, "{}: pages by number are seen to miss people", world.provider());
    }
}

#[tokio::test]
async fn a_walk_returns_everybody_who_stays_and_pages_by_number_do_not() {
    runs(0..6).await;
}

/// `WALK_SEEDS=1000 cargo test --test conformance walk_of_many_seeds -- --ignored`; `WALK_SEED` is the first one.
#[tokio::test]
#[ignore = "it takes minutes"]
async fn walk_of_many_seeds_returns_everybody_who_stays() {
    let first = number("WALK_SEED").unwrap_or(100);
    runs(first..first + number("WALK_SEEDS").unwrap_or(300)).await;
}

/// Most contacts were created within an hour, and the others years later: no window fits both.
#[tokio::test]
async fn a_gap_of_years_takes_few_calls_in_every_order_of_the_list() {
    const DENSE: u64 = 1_500;
    let (gateway, world) = (TestGateway::open().await, world("pipeline"));
    let time = |text: &str, seconds: u64| {
        let begin = text.parse::<Timestamp>().unwrap().as_millisecond();
        Timestamp::from_millisecond(begin + i64::try_from(seconds * 1_000).unwrap()).unwrap()
    };
    let contacts: Vec<Value> = (0..DENSE + 5)
        .map(|number| {
            let phone = format!("+1415555{number:04}");
            let stored = Stored { first: "A", last: "B", emails: &[], phones: &[&phone] };
            let mut record = world.record(&stored);
            let created = if number < DENSE {
                time("2023-11-01T00:00:00Z", number)
            } else {
                time("2026-01-01T00:00:00Z", (number - DENSE) * 86_400)
            };
            record[world.id_key()] = json!(format!("id{:04}", number * 11 % (DENSE + 5)));
            record["createdAt"] = json!(format!("{created:.3}"));
            record["updatedAt"] = record["createdAt"].clone();
            record
        })
        .collect();
    for order in [ListOrder::NewestFirst, ListOrder::OldestFirst, ListOrder::ChangedFirst, ListOrder::ById] {
        let clock = Clock::standing_at("2026-02-02T00:00:00Z".parse().unwrap());
        let options =
            PipelineOptions { contacts: contacts.clone(), clock, order, ..PipelineOptions::empty() };
        let at = PipelineSimulator::start(options).await.unwrap();
        let account = linked(&gateway, world.provider(), &at, json!({})).await;
        let before = at.journal().calls().len();
        let walked = by_export(&account, &[]).await;
        let calls = at.journal().calls().len() - before;
        assert_eq!((walked.incomplete, walked.seen.len()), (None, contacts.len()), "{order:?}");
        assert!(calls < 75, "{order:?}: {calls} calls");
    }
}

/// Whether the bounds of a CRM are inclusive, and whether it compares what rows show, is not known.
#[tokio::test]
async fn bounds_of_times_hold_for_what_rows_show_however_the_crm_compares() {
    let gateway = TestGateway::open().await;
    let people_of = |provider| people(world(provider), &mut Rng::seeded(7));
    let mut crms = Vec::new();
    for update_bounds in
        [UpdateBounds::Shown, UpdateBounds::Stored, UpdateBounds::Exclusive, UpdateBounds::Ignored]
    {
        let options = AptlyOptions { contacts: people_of("aptly"), update_bounds, ..AptlyOptions::empty() };
        crms.push(("aptly", "updatedAt", AptlySimulator::start(options).await.unwrap()));
    }
    for date_bounds in [DateBounds::Inclusive, DateBounds::Exclusive, DateBounds::Ignored] {
        let options =
            PipelineOptions { contacts: people_of("pipeline"), date_bounds, ..PipelineOptions::empty() };
        crms.push(("pipeline", "createdAt", PipelineSimulator::start(options).await.unwrap()));
    }
    for (provider, field, at) in &crms {
        let account = linked(&gateway, provider, at, json!({})).await;
        let all = account.list(&[], PageStart::First, 100).await.unwrap().contacts;
        let shown: Vec<Timestamp> = all
            .iter()
            .map(|(_, row)| if *field == "updatedAt" { row.remote_updated_at } else { row.remote_created_at })
            .map(Option::unwrap)
            .collect();
        for bound in shown.iter().copied().step_by(25) {
            let (text, least, most) = (format!("{bound:.3}"), format!("{field}Min"), format!("{field}Max"));
            let (least, most) = ((least.as_str(), text.as_str()), (most.as_str(), text.as_str()));
            let count = |is: &dyn Fn(Timestamp) -> bool| shown.iter().filter(|time| is(**time)).count();
            for (filters, wanted) in [
                (vec![least], count(&|time| time >= bound)),
                (vec![most], count(&|time| time <= bound)),
                (vec![least, most], count(&|time| time == bound)),
            ] {
                let page = account.list(&filters, PageStart::First, 100).await.unwrap();
                assert_eq!(page.contacts.len(), wanted, "{provider} {filters:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_walk_ends_with_a_warning_where_people_are_edited_without_end() {
    let gateway = TestGateway::open().await;
    let world = world("aptly");
    let mut rng = Rng::seeded(1);
    let clock = Clock::standing_at("2026-01-02T00:00:00Z".parse().unwrap());
    let contacts = people(world, &mut rng);
    let options = AptlyOptions { contacts, clock, page_size: 4, ..AptlyOptions::empty() };
    let at = AptlySimulator::start(options).await.unwrap();
    let account = linked(&gateway, world.provider(), &at, json!({})).await;
    let _busy = Busy::new(world, at, Changes::Endless, rng);
    assert!(by_cursor(&account, &[], 3).await.incomplete.unwrap().contains("faster"));
}

/// Where a list cannot be walked by time, it is walked by pages, and that is said.
#[tokio::test]
async fn a_list_that_cannot_be_walked_by_time_is_walked_by_pages_with_a_warning() {
    let gateway = TestGateway::open().await;
    let people_of = |provider| people(world(provider), &mut Rng::seeded(5));
    let aptly = |rows, update_bounds| AptlyOptions {
        contacts: people_of("aptly"),
        page_size: 10,
        rows,
        update_bounds,
        ..AptlyOptions::empty()
    };
    let pipeline = PipelineOptions {
        contacts: people_of("pipeline"),
        largest_page: 10,
        date_bounds: DateBounds::Ignored,
        ..PipelineOptions::empty()
    };
    let simulators = [
        ("aptly", AptlySimulator::start(aptly(RowShape::Timeless, UpdateBounds::Shown)).await.unwrap()),
        ("aptly", AptlySimulator::start(aptly(RowShape::Alone, UpdateBounds::Shown)).await.unwrap()),
        ("aptly", AptlySimulator::start(aptly(RowShape::Listed, UpdateBounds::Ignored)).await.unwrap()),
        ("pipeline", PipelineSimulator::start(pipeline).await.unwrap()),
    ];
    for (provider, at) in simulators {
        let account = linked(&gateway, provider, &at, json!({})).await;
        for size in [7, 25, 100] {
            let walked = by_cursor(&account, &[], size).await;
            assert!(walked.incomplete.is_some(), "{provider} of {size}");
            assert_eq!(walked.seen.len(), 60, "{provider} of {size}");
        }
    }
}
