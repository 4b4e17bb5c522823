//! A lost create, its replays and the recovery of two processes, in every order, with a clock that the test controls.
//!
//! Only [`World::pass`] moves Tokio's time, and the database's clock is a table. Both processes share one
//! runtime, one database and one CRM.

use std::time::Duration;

use tokio::time::advance;

use super::Components;
use crate::auth::Issuers;
use crate::clock;
use crate::config::Limits;
use crate::domain::{
    Actor, CallContext, Caller, ContactDraft, CredentialId, EmailAddress, FailureKind, Principal, RawJson,
    Result, Scope, Scopes,
};
use crate::gateway::contacts::{Watched, WriteOptions, WriteRequest};
use crate::gateway::credentials::CredentialDraft;
use crate::gateway::writes::{RequestIdentity, StoredResponse};
use crate::sealing::{MasterKey, Sealer};
use crate::simulators::{Fault, FaultKind, Running, aptly};
use crate::store::HeldLease;
use crate::store::tests::{TestPlace, also_on_postgres};
use crate::upstream::{AllowList, BaseUrlGuard, Transport};

const SETTLE: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(6);

also_on_postgres! {
    in_no_order_of_steps_a_lost_create_is_sent_again_without_proof,
    nor_where_clocks_jump_forwards,
    nor_where_clocks_jump_backwards,
    a_create_under_way_is_not_sent_again_whatever_the_clocks_say,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InterleavedStep {
    /// The caller sends the same request to this process.
    Replay(usize),
    /// A round of this process's recovery.
    Background(usize),
    /// Almost a settle time passes.
    Little,
    /// A settle time passes.
    Settle,
}

const STEPS: [InterleavedStep; 6] = [
    InterleavedStep::Replay(0),
    InterleavedStep::Replay(1),
    InterleavedStep::Background(0),
    InterleavedStep::Background(1),
    InterleavedStep::Little,
    InterleavedStep::Settle,
];

struct World {
    place: TestPlace,
    processes: [Components; 2],
    watched: [Watched; 2],
    caller: Caller,
    credential: CredentialId,
    crm: Running,
    /// While this blocking task runs, paused time does not advance.
    _time_stands: std::sync::mpsc::Sender<()>,
}

impl World {
    async fn new() -> Self {
        let (stand, standing) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || standing.recv());
        let place = TestPlace::new().await;
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let process = async || {
            let guard = BaseUrlGuard::new(AllowList::parse("127.0.0.1").unwrap());
            let limits = Limits { settle: SETTLE, lease: LEASE, ..Limits::default() };
            let transport = Transport::new(&guard).unwrap().with_limits(limits).unpaced();
            let sealer = Sealer::new(&MasterKey::parse(key).unwrap()).unwrap();
            let store = place.open().await;
            Components::join(store, sealer, guard, transport, None, Issuers::default(), limits)
        };
        let processes = [process().await, process().await];
        tokio::time::pause();
        let setup = "CREATE TABLE test_clock (now BIGINT NOT NULL); INSERT INTO test_clock VALUES (1800000000000); \
             DROP VIEW clock; CREATE VIEW clock AS SELECT now FROM test_clock";
        place.statement(setup).await.unwrap();
        let tenant = processes[0].gateway.tenants.create(&Actor::command_line(), "one").await.unwrap().id;
        let principal = Principal::Key("key".into());
        let caller = Caller { tenant, principal, scopes: Scopes::new(&Scope::ALL), credentials: None };
        let crm = aptly::AptlySimulator::start(aptly::AptlyOptions::empty()).await.unwrap();
        let settings = serde_json::json!({ "baseUrl": crm.base_url() });
        let draft = CredentialDraft {
            provider: "aptly".into(),
            name: "aptly".into(),
            settings: RawJson::from_validated(settings.to_string().into()),
            secret: serde_json::json!({ "apiKey": crm.token() }).to_string().into(),
        };
        let context = CallContext::within(Duration::from_secs(10), "test".into());
        let made = processes[0].gateway.credentials.create(&context, &caller, draft, false).await.unwrap();
        let credential = made.id;
        let watched = [Watched::default(), Watched::default()];
        Self { place, processes, watched, caller, credential, crm, _time_stands: stand }
    }

    /// Time passes for all processes.
    async fn pass(&self, time: Duration) {
        let sql = match time.as_millis() {
            900 => "UPDATE test_clock SET now = now + 900",
            1000 => "UPDATE test_clock SET now = now + 1000",
            other => panic!("no statement for {other} ms"),
        };
        self.place.statement(sql).await.unwrap();
        advance(time).await;
    }

    /// The clocks of the database and of the wall are set; no time passes.
    async fn jump(&self, hours: i64) {
        let sql = match hours {
            1 => "UPDATE test_clock SET now = now + 3600000",
            -1 => "UPDATE test_clock SET now = now - 3600000",
            _ => return,
        };
        self.place.statement(sql).await.unwrap();
        clock::tests::set_shift(jiff::SignedDuration::from_hours(hours));
    }

    async fn create(&self, process: usize, number: usize, within: Duration) -> Result<StoredResponse> {
        let request = WriteRequest {
            context: CallContext::within(within, "test".into()),
            caller: self.caller.clone(),
            credential: self.credential.clone(),
            options: WriteOptions::default(),
            condition: None,
            identity: Some(RequestIdentity {
                key: format!("key {number}").into(),
                fingerprint_input: number.to_string().into_bytes(),
            }),
            render: std::sync::Arc::new(|_| {
                Ok(StoredResponse { status: 201, headers: Vec::new(), body: Vec::new(), replayed: false })
            }),
            dry_run: None,
        };
        let address = format!("person-{number}@example.com").into();
        let draft = ContactDraft {
            email_addresses: vec![EmailAddress { address, kind: None }],
            ..ContactDraft::of_name(format!("Number{number}").into())
        };
        self.processes[process].gateway.contacts.create(request, draft).await
    }

    /// Waits until background tasks are idle. For example, locks are released after the response.
    async fn rest(&self) {
        let store = &self.processes[0].store;
        while !store.locks.held(1).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    /// All leases of rows and of locks in the database.
    async fn leases(&self) -> Vec<HeldLease> {
        let store = &self.processes[1].store;
        let (rows, locks) = tokio::join!(store.idempotency.held(9), store.locks.held(9));
        [rows.unwrap(), locks.unwrap()].concat()
    }

    async fn background(&mut self, process: usize) {
        let contacts = &self.processes[process].gateway.contacts;
        contacts.background_round(&mut self.watched[process]).await.unwrap();
    }

    /// The number of lookups and writes at the CRM so far.
    fn calls(&self) -> (usize, usize) {
        let calls = self.crm.calls();
        let reads = calls.iter().filter(|call| call.method == "GET").count();
        (reads, calls.len() - reads)
    }

    /// A create to which the CRM responds with 500, then these steps, with a jump of the clocks before one of them.
    /// Returns how often the create was sent again.
    async fn run(&mut self, number: usize, steps: &[InterleavedStep], jump: Option<(usize, i64)>) -> usize {
        const CLEAN: &str =
            "DELETE FROM idempotency; DELETE FROM write_locks; UPDATE test_clock SET now = 1800000000000";
        self.place.statement(CLEAN).await.unwrap();
        clock::tests::set_shift(jiff::SignedDuration::ZERO);
        self.crm.fault(Fault::once(status_500()).on_writes());
        let before = self.calls().1;
        let lost = self.create(0, number, SETTLE).await;
        assert_eq!(lost.unwrap_err().kind, FailureKind::OutcomeUnknown);
        self.rest().await;
        assert_eq!(self.calls().1, before + 1);
        // The lookups of the request itself after the send.
        let mut lookups = vec![clock::monotonic()];
        let mut again = 0;
        for (at, step) in steps.iter().enumerate() {
            if let Some((before, hours)) = jump
                && before == at
            {
                self.jump(hours).await;
            }
            let before = self.calls();
            match *step {
                // Too short for two lookups in one request.
                InterleavedStep::Replay(process) => {
                    let _ = self.create(process, number, SETTLE).await;
                    self.rest().await;
                }
                InterleavedStep::Background(process) => self.background(process).await,
                InterleavedStep::Little => self.pass(SETTLE * 9 / 10).await,
                InterleavedStep::Settle => self.pass(SETTLE).await,
            }
            let (now, after) = (clock::monotonic(), self.calls());
            if after.0 > before.0 {
                lookups.push(now);
            }
            if after.1 > before.1 {
                again += after.1 - before.1;
                let proven = lookups.iter().any(|first| now.duration_since(*first) >= SETTLE);
                assert!(proven && again == 1, "{steps:?} with a jump {jump:?}: sent again at step {at}");
            }
        }
        again
    }

    /// All sequences of two steps and a replay. On PostgreSQL only every fifth, because each takes longer.
    async fn run_all(&mut self, hours: i64) {
        let (mut again, every) = (0, if self.place.is_sqlite() { 1 } else { 5 });
        for number in (0..2 * STEPS.len().pow(2)).step_by(every) {
            let of = |digits: usize| STEPS[number / digits % STEPS.len()];
            let steps = [of(2 * STEPS.len()), of(2), InterleavedStep::Replay(number % 2)];
            // One jump per sequence, before a different step in each.
            let jump = (hours != 0).then_some((number % 3, hours));
            again += self.run(number, &steps, jump).await;
        }
        assert!(again > 0, "a create that was proven absent is sent again");
    }
}

fn status_500() -> FaultKind {
    FaultKind::Status {
        code: 500,
        body: "{}".to_owned(),
        content_type: "application/json".to_owned(),
        headers: Vec::new(),
    }
}

#[tokio::test]
async fn in_no_order_of_steps_a_lost_create_is_sent_again_without_proof() {
    World::new().await.run_all(0).await;
}

#[tokio::test]
async fn nor_where_clocks_jump_forwards() {
    World::new().await.run_all(1).await;
}

#[tokio::test]
async fn nor_where_clocks_jump_backwards() {
    World::new().await.run_all(-1).await;
}

/// Fails the test if it waits for a time that is never reached.
#[expect(clippy::disallowed_methods, reason = "tokio's time does not advance")]
async fn stuck() {
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_mins(1) {
        tokio::task::yield_now().await;
    }
}

/// The CRM takes 12 seconds for a create, two leases; its process renews meanwhile. Another process gets replays and works
/// in the background each second, and clocks jump by an hour before one of these rounds.
#[tokio::test]
async fn a_create_under_way_is_not_sent_again_whatever_the_clocks_say() {
    let world = World::new().await;
    for (number, (round, hours)) in
        [0, 1, 5, 9].into_iter().flat_map(|round| [(round, 1), (round, -1)]).enumerate()
    {
        clock::tests::set_shift(jiff::SignedDuration::ZERO);
        world.crm.fault(Fault::once(FaultKind::LateAnswer { ms: 12_000 }).on_writes());
        let before = world.calls().1;
        let mut first = std::pin::pin!(world.create(0, number, Duration::from_secs(30)));
        // The create has reached the CRM before any time passes.
        while world.calls().1 == before {
            tokio::select! {
                biased;
                ended = &mut first => panic!("{ended:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
        let mut watched = Watched::default();
        let mut leases = world.leases().await;
        let other = &world.processes[1].gateway.contacts;
        for now in 0..11 {
            if now == round {
                world.jump(hours).await;
            }
            world.pass(Duration::from_secs(1)).await;
            let replay = async {
                // A third of the lease is over, and a renewal takes real time, in which the test's time must stand.
                while now % 3 == 2 && world.leases().await.iter().any(|lease| leases.contains(lease)) {}
                if now % 3 == 2 {
                    leases = world.leases().await;
                }
                other.background_round(&mut watched).await.unwrap();
                world.create(1, number, SETTLE).await
            };
            tokio::select! {
                biased;
                replay = replay => assert_eq!(
                    replay.unwrap_err().kind,
                    FailureKind::IdempotencyInProgress,
                    "{round} {hours} {now}"
                ),
                ended = &mut first => panic!("{round} {hours} {now}: {ended:?}"),
                () = stuck() => panic!("{round} {hours} {now}: the replay waits, so it took the row over"),
            }
        }
        // Timers are exact to the millisecond, and a little late.
        world.pass(Duration::from_secs(1)).await;
        world.pass(Duration::from_secs(1)).await;
        assert_eq!(first.await.unwrap().status, 201, "{round} {hours}");
        assert_eq!(world.calls().1, before + 1, "{round} {hours}: sent once");
        assert!(world.create(1, number, SETTLE).await.unwrap().replayed);
    }
}
