//! The journal under test: what a child process appends to it, and how to tell that it is all there.

use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use countersign_actors::data_dir::DataDir;
use countersign_actors::id::CustomerId;
use countersign_actors::journal::{
    Append, Completion, Direction, Events, Journal, JournalOptions, JournalThreads, Lease, RecoverError, Recovery,
    SideChange, Space,
};

pub(crate) const TENANTS: u8 = 5;
/// How many appends are on their way at most, if nobody says otherwise.
pub(crate) const IN_FLIGHT: usize = 12;
/// Every so many events everything but the last few is folded, a secret is replaced, and an audit entry is written.
const FOLD_EVERY: u64 = 40;
const SECRET_EVERY: u64 = 7;
const AUDIT_EVERY: u64 = 5;
/// Which events of the first tenant fill more than a segment of the store.
pub(crate) const LARGE_EVERY: u64 = 20;
pub(crate) const LARGE_AT: u64 = 10;

fn customer(tenant: u8) -> CustomerId {
    CustomerId::from_bytes([tenant + 1; 16])
}

/// Different for every event; mostly small, sometimes of many chunks.
fn event(tenant: u8, sequence: u64) -> Vec<u8> {
    let text = format!("{tenant}:{sequence};");
    if tenant == 0 && sequence % LARGE_EVERY == LARGE_AT {
        // More than the store keeps together.
        return text.repeat(300_000).into_bytes();
    }
    let times = match sequence % 50 {
        0 => 8_000,
        25 => 2_000,
        rest => 1 + usize::try_from(rest).unwrap() * 4,
    };
    text.repeat(times).into_bytes()
}

fn number(bytes: &[u8]) -> Result<u64, String> {
    bytes
        .try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| "no number".to_owned())
}

/// Checks a tenant while it is read back.
struct Check {
    tenant: u8,
    last: u64,
    secret: u64,
    done: Sender<(u64, u64, Result<Option<Lease>, RecoverError>)>,
}

impl Recovery for Check {
    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        assert_eq!(key, b"folded");
        self.last = number(value)?;
        Ok(())
    }

    fn secret(&mut self, _: &[u8], value: &[u8]) -> Result<(), String> {
        self.secret = number(value)?;
        Ok(())
    }

    fn event(&mut self, sequence: u64, bytes: &[u8]) -> Result<(), String> {
        if sequence != self.last + 1 || bytes != event(self.tenant, sequence) {
            return Err(format!("event {sequence} is wrong after {}", self.last));
        }
        self.last = sequence;
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<Option<Lease>, RecoverError>) {
        self.done.send((self.last, self.secret, outcome)).unwrap();
    }
}

/// What can be wrong with a journal.
#[derive(Debug)]
#[expect(dead_code, reason = "what is in it is shown by `Debug`")]
pub(crate) enum Wrong {
    /// It says that it is.
    Told(String),
    /// It does not say so: events are missing or wrong.
    Events(String),
    /// It does not say so: rows beside the events are.
    Rows(String),
}

fn told(error: impl ToString) -> Wrong {
    Wrong::Told(error.to_string())
}

/// Reads a tenant back, checks all that belongs to it, and gives its last sequence.
fn recover(journal: &Journal, tenant: u8) -> Result<(u64, Lease), Wrong> {
    let (done, outcome) = channel();
    let check = Check {
        tenant,
        last: 0,
        secret: 0,
        done,
    };
    journal.recover(customer(tenant), true, Box::new(check));
    let (last, secret, outcome) = outcome.recv().unwrap();
    let lease = match outcome {
        // What the journal gave out, and should not have.
        Err(RecoverError::Rejected { reason, .. }) => return Err(Wrong::Events(reason)),
        outcome => outcome.map_err(told)?.unwrap(),
    };
    if secret != last - last % SECRET_EVERY {
        return Err(Wrong::Rows(format!(
            "tenant {tenant}: the secret is of {secret}, the last event is {last}"
        )));
    }
    let mut audited = Vec::new();
    let mut from = Vec::new();
    loop {
        let page = journal
            .scan(customer(tenant), Space::Audit, from..vec![0xff], 1_000, Direction::Up)
            .map_err(told)?;
        let Some((key, _)) = page.last() else { break };
        from = [key.as_slice(), &[0]].concat();
        for (key, _) in &page {
            audited.push(number(key).map_err(Wrong::Rows)?);
        }
    }
    if !audited
        .iter()
        .copied()
        .eq((1..=last / AUDIT_EVERY).map(|entry| entry * AUDIT_EVERY))
    {
        let what = format!("tenant {tenant}: of {last} events the audit has {audited:?}");
        return Err(Wrong::Rows(what));
    }
    Ok((last, lease))
}

fn append(journal: &Journal, tenant: u8, sequence: u64, lease: &Lease, done: Completion) {
    let mut side = Vec::new();
    let mut put = |space, key: &[u8], value: u64| {
        side.push(SideChange {
            space,
            key: key.to_vec(),
            value: Some(value.to_be_bytes().to_vec()),
        });
    };
    let fold_up_to = sequence.is_multiple_of(FOLD_EVERY).then(|| sequence - 10);
    if let Some(folded) = fold_up_to {
        put(Space::Row, b"folded", folded);
    }
    if sequence.is_multiple_of(SECRET_EVERY) {
        put(Space::Vault, b"secret", sequence);
    }
    if sequence.is_multiple_of(AUDIT_EVERY) {
        put(Space::Audit, &sequence.to_be_bytes(), sequence);
    }
    journal.append(Append {
        lease: lease.clone(),
        first_sequence: sequence,
        events: Events::one(&event(tenant, sequence)),
        side,
        fold_up_to,
        done,
    });
}

/// Whether the journal makes durable what it acknowledges.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syncing {
    AsItShould,
    Not,
}

/// Opens the journal, appends `events` to every tenant, at most so many at a time, calling `tell` for what was acknowledged, and gives
/// what closes it.
pub(crate) fn work(
    directory: &Path,
    syncing: Syncing,
    events: u64,
    in_flight_max: usize,
    tell: fn(u8, u64),
) -> JournalThreads {
    let data_dir = DataDir::lock(directory).unwrap();
    let (journal, threads): (Journal, JournalThreads) = match syncing {
        Syncing::AsItShould => Journal::open(data_dir, JournalOptions::default()).unwrap(),
        Syncing::Not => Journal::open_without_sync(data_dir, JournalOptions::default()).unwrap(),
    };
    let heads: Vec<(u64, Lease)> = (0..TENANTS).map(|tenant| recover(&journal, tenant).unwrap()).collect();
    let (finished, finishes): (Sender<()>, Receiver<()>) = channel();
    let mut in_flight = 0;
    for event in 1..=events {
        for (tenant, (last, lease)) in (0..TENANTS).zip(&heads) {
            if in_flight == in_flight_max {
                finishes.recv().unwrap();
                in_flight -= 1;
            }
            let (sequence, finished) = (last + event, finished.clone());
            let done = Completion::new(move |result| {
                result.unwrap();
                tell(tenant, sequence);
                finished.send(()).unwrap();
            });
            append(&journal, tenant, sequence, lease, done);
            in_flight += 1;
        }
    }
    for _ in 0..in_flight {
        finishes.recv().unwrap();
    }
    threads
}

/// Tells on standard output of an acknowledgement, by one write call.
pub(crate) fn print(tenant: u8, sequence: u64) {
    let line = format!("durable {tenant} {sequence}\n");
    io::stdout().write_all(line.as_bytes()).unwrap();
}

/// What was acknowledged, by tenant.
pub(crate) type Acknowledged = [u64; TENANTS as usize];

/// Notes the acknowledgements in what a child has written.
pub(crate) fn note(output: &str, acknowledged: &mut Acknowledged) {
    for line in output.lines() {
        let mut words = line.split(' ').skip_while(|word| !word.ends_with("durable")).skip(1);
        if let (Some(tenant), Some(sequence)) = (words.next(), words.next()) {
            let place = &mut acknowledged[tenant.parse::<usize>().unwrap()];
            *place = (*place).max(sequence.parse().unwrap());
        }
    }
}

/// Whether the journal of a directory opens, holds at least this without a gap, and goes on. Gives what it holds.
pub(crate) fn holds(directory: &Path, acknowledged: &Acknowledged) -> Result<Acknowledged, Wrong> {
    let data_dir = DataDir::lock(directory).map_err(told)?;
    let (journal, threads) = Journal::open(data_dir, JournalOptions::default()).map_err(told)?;
    let mut found = [0; TENANTS as usize];
    for (tenant, (found, acknowledged)) in (0..TENANTS).zip(found.iter_mut().zip(acknowledged)) {
        let (last, lease) = recover(&journal, tenant)?;
        if last < *acknowledged {
            let what = format!("tenant {tenant} ends at {last}, {acknowledged} was acknowledged");
            return Err(Wrong::Events(what));
        }
        let (done, outcome) = channel();
        let done = Completion::new(move |result| done.send(result).unwrap());
        append(&journal, tenant, last + 1, &lease, done);
        outcome.recv().unwrap().map_err(told)?;
        *found = last;
    }
    threads.shutdown();
    Ok(found)
}
