//! What comes back: whole runs against a model, audit ranges, the list of tenants, the format.

use proptest::prelude::*;

use super::*;

#[test]
fn thousands_of_appends_of_several_tenants_come_back_exactly() {
    let setup = Setup::new();
    let tenants = 7_u8;
    let event = |tenant: u8, sequence: u64| format!("{tenant}:{sequence}").repeat(usize::from(tenant)).into_bytes();
    let mut leases: Vec<_> = (0..tenants)
        .map(|number| recover(&setup.journal, customer(number)).0)
        .collect();
    let mut answers = Vec::new();
    for sequence in 1..=1_000 {
        for number in 0..tenants {
            let event = event(number, sequence);
            answers.push(append(
                &setup.journal,
                &leases[usize::from(number)],
                sequence,
                &[&event],
            ));
            if sequence % 97 == u64::from(number) {
                let released = leases[usize::from(number)].clone();
                setup.journal.release(released);
                let (lease, recovered) = recover(&setup.journal, customer(number));
                assert_eq!(recovered.events.len() as u64, sequence);
                leases[usize::from(number)] = lease;
            }
        }
    }
    answers
        .iter()
        .for_each(|answer| assert_eq!(answer.recv().unwrap(), Ok(())));
    let mut setup = setup;
    setup.crash(|_| false);
    for number in 0..tenants {
        let (_, recovered) = recover(&setup.journal, customer(number));
        assert_eq!(
            recovered.events,
            numbered(1..=1_000, |sequence| event(number, sequence))
        );
    }
}

fn audit(setup: &Setup, range: std::ops::Range<u64>, limit: usize, direction: Direction) -> Vec<u64> {
    let range = range.start.to_be_bytes().to_vec()..range.end.to_be_bytes().to_vec();
    let rows = setup
        .journal
        .scan(customer(1), Space::Audit, range, limit, direction)
        .unwrap();
    rows.into_iter()
        .map(|(key, value)| {
            assert_eq!(value, key.repeat(usize::from(key[7]) * 40));
            u64::from_be_bytes(key.try_into().unwrap())
        })
        .collect()
}

#[test]
fn audit_entries_are_scanned_in_ranges_from_both_ends_and_purged() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    let (other, _) = recover(&setup.journal, customer(2));
    let entry = |time: u64| {
        let key = time.to_be_bytes();
        put(Space::Audit, &key, &key.repeat(usize::from(key[7]) * 40))
    };
    let answers = [
        append_side(&setup.journal, &lease, 1, (1..=40).map(entry).collect(), None),
        append_side(&setup.journal, &other, 1, vec![entry(7)], None),
    ];
    answers
        .iter()
        .for_each(|answer| assert_eq!(answer.recv().unwrap(), Ok(())));
    assert_eq!(
        audit(&setup, 0..u64::MAX, 1_000, Direction::Up),
        (1..=40).collect::<Vec<_>>()
    );
    assert_eq!(
        audit(&setup, 0..u64::MAX, 1_000, Direction::Down),
        (1..=40).rev().collect::<Vec<_>>()
    );
    assert_eq!(audit(&setup, 10..20, 3, Direction::Up), [10, 11, 12]);
    assert_eq!(audit(&setup, 10..20, 3, Direction::Down), [19, 18, 17]);
    let inverted = std::ops::Range { start: 20, end: 10 };
    assert_eq!(audit(&setup, inverted.clone(), 3, Direction::Up), [0_u64; 0]);
    assert_eq!(audit(&setup, inverted, 3, Direction::Down), [0_u64; 0]);
    assert_eq!(audit(&setup, 10..20, 0, Direction::Up), [0_u64; 0]);
    let purge = (1..=35_u64)
        .map(|time| delete(Space::Audit, &time.to_be_bytes()))
        .collect();
    assert_eq!(
        append_side(&setup.journal, &lease, 1, purge, None).recv().unwrap(),
        Ok(())
    );
    assert_eq!(audit(&setup, 0..u64::MAX, 1_000, Direction::Up), [36, 37, 38, 39, 40]);
    let chunks = setup
        .store
        .contents()
        .iter()
        .filter(|(key, _)| key.starts_with(&keys::prefix(b'a', customer(1))))
        .count();
    assert_eq!(
        chunks,
        (36..=40_usize).map(|time| record::chunks_of(time * 320)).sum::<usize>()
    );
    assert_eq!(
        recover(&setup.journal, customer(1)).1,
        Recovered::default(),
        "audit entries are no part of a recovery"
    );
}

#[test]
fn a_damaged_audit_entry_is_an_error_from_both_ends() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    let side = vec![put(Space::Audit, b"1", &[1; 10_000])];
    assert_eq!(
        append_side(&setup.journal, &lease, 1, side, None).recv().unwrap(),
        Ok(())
    );
    let mut key = keys::side(Space::Audit, customer(1), b"1");
    key.extend_from_slice(&[0, 0]);
    setup.store.damage(&key, None);
    for direction in [Direction::Up, Direction::Down] {
        let scanned = setup
            .journal
            .scan(customer(1), Space::Audit, vec![0]..vec![0xff], 10, direction);
        assert!(matches!(scanned, Err(ReadError::Corrupt(_))), "{scanned:?}");
    }
}

#[test]
fn tenants_are_listed_in_pages() {
    let setup = Setup::new();
    for number in [3, 1, 0xff, 2] {
        let (lease, _) = recover(&setup.journal, customer(number));
        assert_eq!(append(&setup.journal, &lease, 1, &[b"e"]).recv().unwrap(), Ok(()));
    }
    assert_eq!(setup.journal.tenants(None, 2).unwrap(), [customer(1), customer(2)]);
    assert_eq!(
        setup.journal.tenants(Some(customer(2)), 2).unwrap(),
        [customer(3), customer(0xff)]
    );
    assert_eq!(setup.journal.tenants(Some(customer(0xff)), 2).unwrap(), []);
    assert_eq!(setup.journal.tenants(None, 0).unwrap(), []);
}

#[test]
fn a_store_of_another_format_or_of_something_else_is_refused() {
    let store = Setup::new().store.crash(|_| false);
    let mut batch = WriteBatch::default();
    record::put_sealed(&mut batch, keys::FORMAT, &3_u32.to_be_bytes());
    store.apply(&batch).unwrap();
    let opened = Journal::with_store(store, JournalOptions::default());
    assert!(matches!(opened, Err(OpenError::Format { found: 3, expected: 2 })));
    let store = FaultyStore::new();
    store.damage(b"something", Some(b"else".to_vec()));
    let opened = Journal::with_store(store, JournalOptions::default());
    assert!(matches!(opened, Err(OpenError::Corrupt(_))));
}

#[derive(Clone, Debug)]
enum Move {
    Append {
        tenant: u8,
        events: u8,
        bytes: usize,
        row: Option<(u8, Option<usize>)>,
        fold: bool,
    },
    Recover(u8),
    Erase(u8),
    Crash,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let row = proptest::option::of((0..4_u8, proptest::option::of(0..9_000_usize)));
    let append =
        (0..3_u8, 0..4_u8, 0..3_000_usize, row, any::<bool>()).prop_map(|(tenant, events, bytes, row, fold)| {
            Move::Append {
                tenant,
                events,
                bytes,
                row,
                fold,
            }
        });
    let one = prop_oneof![
        12 => append,
        3 => (0..3_u8).prop_map(Move::Recover),
        1 => (0..3_u8).prop_map(Move::Erase),
        1 => Just(Move::Crash),
    ];
    proptest::collection::vec(one, 1..60)
}

/// What a tenant should have.
#[derive(Default)]
struct Model {
    lease: Option<Lease>,
    last: u64,
    recovered: Recovered,
    /// What it had before an erasure that nobody has confirmed yet: a crash may give it back.
    erased: Option<(Recovered, u64)>,
}

impl Model {
    fn check(&mut self, setup: &Setup, tenant: u8) {
        let (lease, recovered) = recover(&setup.journal, customer(tenant));
        assert_eq!((&recovered, lease.durable()), (&self.recovered, self.last));
        self.lease = Some(lease);
        self.erased = None;
    }

    /// A crash has decided whether an erasure that nobody confirmed was begun.
    fn settle_erasure(&mut self, setup: &Setup, tenant: u8) {
        let Some((recovered, last)) = self.erased.take() else {
            return;
        };
        let (lease, found) = recover(&setup.journal, customer(tenant));
        if (&found, lease.durable()) == (&recovered, last) {
            (self.recovered, self.last) = (recovered, last);
        }
        self.check(setup, tenant);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_run_of_appends_folds_erasures_and_crashes_agrees_with_a_model(moves in moves()) {
        let mut setup = Setup::new();
        let mut models: [Model; 3] = Default::default();
        for step in moves {
            match step {
                Move::Append { tenant, events, bytes, row, fold } => {
                    let model = &mut models[usize::from(tenant)];
                    if model.lease.is_none() {
                        model.check(&setup, tenant);
                    }
                    let event = vec![tenant; bytes];
                    let list = vec![event.as_slice(); usize::from(events)];
                    let (mut append, answer) = events_of(model.lease.as_ref().unwrap(), model.last + 1, &list);
                    for sequence in model.last + 1..=model.last + u64::from(events) {
                        model.recovered.events.push((sequence, event.clone()));
                    }
                    model.last += u64::from(events);
                    if let Some((key, value)) = row {
                        let value = value.map(|length| vec![key; length]);
                        match &value {
                            Some(value) => model.recovered.rows.insert(vec![key], value.clone()),
                            None => model.recovered.rows.remove(&vec![key]),
                        };
                        append.side = vec![SideChange { space: Space::Row, key: vec![key], value }];
                    }
                    if fold {
                        let up_to = model.last - model.last % 3;
                        let folded = model.recovered.events.first().map_or(model.last, |(first, _)| first - 1);
                        append.fold_up_to = Some(up_to.max(folded));
                        model.recovered.events.retain(|(sequence, _)| *sequence > up_to);
                    }
                    setup.journal.append(append);
                    if bytes % 2 == 0 {
                        prop_assert_eq!(answer.recv().unwrap(), Ok(()));
                    }
                }
                Move::Recover(tenant) => models[usize::from(tenant)].check(&setup, tenant),
                Move::Erase(tenant) => {
                    let (done, erased) = completion();
                    let model = std::mem::take(&mut models[usize::from(tenant)]);
                    let is_awaited = model.last.is_multiple_of(2);
                    if let (false, Some(lease)) = (is_awaited, &model.lease) {
                        // A crash may give back what nobody has seen erased: all that was acknowledged, so all is.
                        let fence = append(&setup.journal, lease, model.last + 1, &[]);
                        prop_assert_eq!(fence.recv().unwrap(), Ok(()), "tenant {}", tenant);
                    }
                    setup.journal.erase(customer(tenant), Vec::new(), done);
                    if is_awaited {
                        prop_assert_eq!(erased.recv().unwrap(), Ok(()));
                    } else {
                        models[usize::from(tenant)].erased = Some((model.recovered, model.last));
                    }
                }
                Move::Crash => {
                    // Behind a fence everything is acknowledged; erasures may be half done.
                    for (tenant, model) in (0..3).zip(&mut models) {
                        if let Some(lease) = model.lease.take() {
                            let fence = append(&setup.journal, &lease, model.last + 1, &[]);
                            prop_assert_eq!(fence.recv().unwrap(), Ok(()), "tenant {}", tenant);
                        }
                    }
                    setup.crash(|_| false);
                    for (tenant, model) in (0..3).zip(&mut models) {
                        model.settle_erasure(&setup, tenant);
                    }
                }
            }
        }
        for (tenant, model) in (0..3).zip(&mut models) {
            model.check(&setup, tenant);
        }
    }
}
