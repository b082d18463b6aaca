//! A stopped store, looked into: the same events as a recovery gives, and nothing changed.

use super::*;

type Seen = (Vec<(u64, Vec<u8>)>, Result<Option<u64>, ReadError>);

fn stop(mut setup: Setup) -> (Arc<FaultyStore>, StoppedJournal) {
    setup.threads.take();
    let stopped = StoppedJournal::with_store(Arc::clone(&setup.store) as Arc<dyn Store>).unwrap();
    (setup.store, stopped)
}

fn look(stopped: &StoppedJournal, tenant: CustomerId) -> Seen {
    let mut events = Vec::new();
    let outcome = stopped.events(tenant, |sequence, event| {
        events.push((sequence, event.to_vec()));
        Ok(Visit::Next)
    });
    (events, outcome)
}

#[test]
fn it_gives_the_events_of_each_tenant_in_order_and_stops_when_told() {
    let setup = Setup::new();
    for number in [2, 1] {
        let (lease, _) = recover(&setup.journal, customer(number));
        assert_eq!(append(&setup.journal, &lease, 1, &[b"1", b"2"]).recv().unwrap(), Ok(()));
        assert_eq!(append(&setup.journal, &lease, 3, &[b"3"]).recv().unwrap(), Ok(()));
    }
    let (store, stopped) = stop(setup);
    let before = store.contents();
    assert_eq!(stopped.tenants(None, 10).unwrap(), [customer(1), customer(2)]);
    assert_eq!(stopped.tenants(Some(customer(1)), 10).unwrap(), [customer(2)]);
    let (events, outcome) = look(&stopped, customer(1));
    assert_eq!(events, numbered(1..=3, |sequence| sequence.to_string().into_bytes()));
    assert_eq!(outcome, Ok(Some(0)));
    let mut seen = 0;
    let outcome: Result<_, ReadError> = stopped.events(customer(1), |_, _| {
        seen += 1;
        Ok(Visit::Stop)
    });
    assert_eq!((seen, outcome), (1, Ok(Some(0))));
    assert_eq!(look(&stopped, customer(3)), (Vec::new(), Ok(None)));
    assert_eq!(store.contents(), before);
}

#[test]
fn it_begins_behind_what_was_folded_even_within_a_record() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    let whole = append(&setup.journal, &lease, 1, &[b"1", b"2", b"3"]);
    assert_eq!(whole.recv().unwrap(), Ok(()));
    let fold = append_side(&setup.journal, &lease, 4, Vec::new(), Some(2));
    assert_eq!(fold.recv().unwrap(), Ok(()));
    let (_, stopped) = stop(setup);
    assert_eq!(look(&stopped, customer(1)), (vec![(3, b"3".to_vec())], Ok(Some(2))));
}

#[test]
fn a_gap_is_told_after_what_stands_before_it() {
    let setup = Setup::new();
    let (lease, _) = recover(&setup.journal, customer(1));
    for sequence in 1..=3 {
        assert_eq!(
            append(&setup.journal, &lease, sequence, &[b"e"]).recv().unwrap(),
            Ok(())
        );
    }
    let (store, stopped) = stop(setup);
    let mut second = keys::record(customer(1), 2);
    second.extend_from_slice(&[0, 0]);
    store.damage(&second, None);
    let (events, outcome) = look(&stopped, customer(1));
    assert_eq!(events.len(), 1);
    let told = outcome.unwrap_err().to_string();
    assert!(
        told.contains(&customer(1).to_string()) && told.contains("2 is next"),
        "{told}"
    );
}

#[test]
fn a_tenant_that_is_being_erased_is_not_shown_and_its_erasure_waits_for_a_journal() {
    let setup = Setup::new();
    for number in [1, 2] {
        let (lease, _) = recover(&setup.journal, customer(number));
        assert_eq!(append(&setup.journal, &lease, 1, &[b"e"]).recv().unwrap(), Ok(()));
    }
    let (store, stopped) = stop(setup);
    let mut begun = WriteBatch::default();
    record::put_sealed(&mut begun, &keys::prefix(keys::ERASING, customer(1)), b"on request");
    store.apply(&begun).unwrap();
    let before = store.contents();
    assert_eq!(stopped.tenants(None, 10).unwrap(), [customer(2)]);
    assert_eq!(look(&stopped, customer(1)), (Vec::new(), Ok(None)));
    assert_eq!(store.contents(), before);
}
