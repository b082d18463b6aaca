//! Backups of a running engine whose customers are written to and folded all the time, read back and compared with what was acknowledged.

use std::io::{self, Cursor, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use countersign_actors::backup::restore::restore;
use countersign_actors::clock::{Clock, ManualClock};
use countersign_actors::commands::{ListTokens, Status};
use countersign_actors::crypto::seal::MasterKey;
use countersign_actors::engine::Engine;
use countersign_actors::id::{CustomerId, Jti};
use countersign_actors::journal::FaultyStore;
use countersign_actors::token::TokenKind;
use countersign_actors::verification::{Looked, Verification};
use tokio::runtime::Handle;

use crate::support::{Fixture, agent, call, customer_with_bearer, start};

const CUSTOMERS: usize = 4;

/// What a customer has acknowledged, in order.
type Acknowledged = Arc<Mutex<Vec<Jti>>>;

fn known(acknowledged: &Acknowledged) -> Vec<Jti> {
    acknowledged.lock().expect("a list").clone()
}

/// Mints one agent after the other.
async fn keep_minting(engine: Engine, customer: CustomerId, bearer: Jti, done: Acknowledged, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let minted = agent(&engine, customer, bearer).await.expect("an agent");
        done.lock().expect("a list").push(minted.grant.jti());
    }
}

/// The agents of a restored customer, all dead, in the order of their minting: their identifiers are in the order of time.
async fn agents(engine: &Engine, customer: CustomerId) -> Vec<Jti> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let list = ListTokens {
            kind: Some(TokenKind::Agent),
            after,
            limit: 200,
            ..ListTokens::default()
        };
        let page = engine.execute(customer, call(list)).await.expect("a page");
        assert!(page.found.iter().all(|token| token.status == Status::Revoked));
        found.extend(page.found.iter().map(|token| token.jti));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

fn key() -> Option<MasterKey> {
    Some(MasterKey::from_bytes(&[7; 32]).expect("a key"))
}

fn verified(dir: &Path) -> Looked {
    let verification = Verification::open(dir, key()).expect("a store");
    let mut looked = Looked::default();
    for customer in verification.customers().expect("customers") {
        verification.customer(customer, &mut looked, &mut |finding| panic!("{finding:?}"));
    }
    verification.rest(&mut |finding| panic!("{finding:?}"));
    looked
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_restored_is_a_prefix_of_what_was_acknowledged_and_holds_what_was_before() {
    let fixture = Fixture::with(|options| options.fold_events = 5);
    let (engine, stop) = (fixture.engine.clone(), Arc::new(AtomicBool::new(false)));
    let mut minting = tokio::task::JoinSet::new();
    let mut customers = Vec::new();
    for _ in 0..CUSTOMERS {
        let (customer, bearer) = customer_with_bearer(&engine).await;
        let done = Acknowledged::default();
        customers.push((customer, Arc::clone(&done)));
        minting.spawn(keep_minting(engine.clone(), customer, bearer, done, Arc::clone(&stop)));
    }
    let (erased, _) = customer_with_bearer(&engine).await;
    let mut backups = Vec::new();
    for round in 0..6 {
        // Otherwise all six are of the same moment.
        while customers.iter().any(|(_, done)| known(done).len() < 40 * (round + 1)) {
            tokio::task::yield_now().await;
        }
        if round == 2 {
            engine.erase(erased, call(())).await.expect("erased");
        }
        let before: Vec<usize> = customers.iter().map(|(_, done)| known(done).len()).collect();
        let taking = engine.clone();
        let taken = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            taking.backup(&mut bytes).map(|counts| (bytes, counts))
        });
        let (bytes, counts) = taken.await.expect("a thread").expect("a backup");
        assert_eq!(counts.customers, if round < 2 { 5 } else { 4 });
        backups.push((before, bytes));
    }
    stop.store(true, Ordering::Relaxed);
    minting.join_all().await;
    for (before, bytes) in backups {
        compare(&fixture.clock, &customers, &before, bytes).await;
    }
}

async fn compare(clock: &Arc<ManualClock>, customers: &[(CustomerId, Acknowledged)], before: &[usize], bytes: Vec<u8>) {
    let place = tempfile::tempdir().expect("a directory");
    let dir = place.path().join("data");
    let report = restore(&dir, key(), &mut Cursor::new(bytes), clock.as_ref()).expect("restored");
    assert_eq!(report.total.cosignature_secrets_lost, 0);
    assert_eq!(verified(&dir).customers, report.counts.customers);
    let engine = start(&dir, clock, |_| {});
    for ((customer, done), before) in customers.iter().zip(before) {
        let (found, mut known) = (agents(&engine, *customer).await, known(done));
        assert!(found.len() >= *before, "{} of {before}", found.len());
        known.truncate(found.len());
        let mut sorted = known.clone();
        sorted.sort();
        let mut as_found = found;
        as_found.sort();
        assert_eq!(as_found, sorted, "a prefix, and nothing else");
    }
    // The restored customers go on: with a new key, in later seconds than all before.
    let (customer, _) = customers[0];
    engine.create_signing_key(customer, call(())).await.expect("a key");
    let app = crate::support::app(&engine, customer).await.expect("an app token");
    let a_year = 365 * 24 * 3_600;
    assert!(app.grant.expires_at() > clock.now().seconds().plus(a_year));
    assert!(engine.shutdown(std::time::Duration::from_secs(30)).await);
}

/// Takes what is written; when it meets a customer for the first time, that customer is kept busy before anything else is read of it.
struct Interfering<F> {
    bytes: Vec<u8>,
    customer: CustomerId,
    interfere: Option<F>,
}

fn times(bytes: &[u8], customer: CustomerId) -> usize {
    let id = customer.as_bytes().as_slice();
    bytes.windows(id.len()).filter(|window| *window == id).count()
}

impl<F: FnOnce()> Write for Interfering<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        if times(&self.bytes, self.customer) > 0
            && let Some(interfere) = self.interfere.take()
        {
            interfere();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_puts_its_next_fold_off_while_it_is_read_and_loses_none() {
    let store = FaultyStore::new();
    let fixture = Fixture::with(|options| {
        options.fold_events = 5;
        options.store = Some(Arc::clone(&store) as _);
    });
    let (customer, bearer) = customer_with_bearer(&fixture.engine).await;
    let (engine, minting, runtime) = (fixture.engine.clone(), fixture.engine.clone(), Handle::current());
    let rows = |store: &FaultyStore| {
        let contents = store.contents();
        contents.iter().filter(|(key, _)| key.first() == Some(&b's')).count()
    };
    let watched = Arc::clone(&store);
    let interfere = move || {
        for _ in 0..50 {
            runtime.block_on(agent(&minting, customer, bearer)).expect("an agent");
        }
        assert_eq!(rows(&watched), 0, "nothing is folded meanwhile");
    };
    let out = Interfering {
        bytes: Vec::new(),
        customer,
        interfere: Some(interfere),
    };
    let taken = tokio::task::spawn_blocking(move || {
        let mut out = out;
        engine.backup(&mut out).map(|_| out.bytes)
    });
    let bytes = taken.await.expect("a thread").expect("a backup");
    assert_eq!(times(&bytes, customer), 1, "it was read once, and not begun anew");
    agent(&fixture.engine, customer, bearer).await.expect("an agent");
    fixture.engine.purge().await.expect("the disk is waited for");
    assert!(rows(&store) > 0, "it was made up for");
}
