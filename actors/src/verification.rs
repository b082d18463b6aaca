//! Checking all of a stopped store: that everything is whole, that events follow each other and add up, that secrets open.

use std::path::Path;

use serde::Serialize;

use crate::clock::UnixMillis;
use crate::crypto::CryptoError;
use crate::crypto::digest::hex;
use crate::crypto::seal::{MasterKey, Sealer};
use crate::data_dir::{DataDir, DataDirError};
use crate::id::CustomerId;
use crate::journal::{Damaged, Item, OpenError, Place, ReadError, Recovery, Space, StoppedJournal};
use crate::tenant::audit::{AuditEntry, audit_sequence};
use crate::tenant::event::Recorded;
use crate::tenant::recovery::{Recovered, Recovering};
use crate::tenant::vault::VaultChange;

/// Why a store cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum VerifyStoreError {
    /// The data directory cannot be used, or the master key is missing or wrong.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The customers cannot be listed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whose it is, if that can be told.
    pub customer_id: Option<CustomerId>,
    /// Where it stands, such as `event 7` or `vault entry 01ab`.
    pub place: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Finding {
    /// That the store as a whole cannot be looked at.
    pub fn of_store(error: &dyn std::error::Error) -> Self {
        Self {
            customer_id: None,
            place: "store".to_owned(),
            problem: error.to_string(),
        }
    }
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// Customers.
    pub customers: u64,
    /// Customers whose erasure was cut off, and is finished at the next start; nothing of theirs was looked at.
    pub being_erased: u64,
    /// Events that are whole.
    pub events: u64,
    /// Rows that are whole, audit entries among them.
    pub rows: u64,
    /// Secrets that open.
    pub secrets: u64,
}

/// A stopped store, locked until this is dropped.
pub struct Verification {
    journal: StoppedJournal,
    sealer: Sealer,
}

impl Verification {
    /// Opens the store in a data directory without changing what it holds.
    ///
    /// # Errors
    /// [`VerifyStoreError`]; `Locked` while a service holds the directory.
    pub fn open(data_dir: &Path, master_key: Option<MasterKey>) -> Result<Self, VerifyStoreError> {
        let data_dir = DataDir::lock_existing(data_dir)?;
        let sealer = data_dir.unseal(master_key)?.sealer;
        let journal = StoppedJournal::open(data_dir)?;
        Ok(Self { journal, sealer })
    }

    /// Whether a change of the master key was cut off. The store is usable all the same.
    pub const fn is_rekeying_unfinished(&self) -> bool {
        self.sealer.has_previous()
    }

    /// Every customer of whom anything is stored.
    ///
    /// # Errors
    /// [`VerifyStoreError::Read`]
    pub fn customers(&self) -> Result<Vec<CustomerId>, VerifyStoreError> {
        Ok(self.journal.all_tenants()?.into_iter().collect())
    }

    /// Checks all of a customer. What is wrong is told, and what stands behind it is looked at as well.
    pub fn customer(&self, customer: CustomerId, looked: &mut Looked, found: &mut dyn FnMut(Finding)) {
        let mut checking = Checking::new(customer, &self.sealer);
        let outcome = self.journal.look_at(customer, &mut |told| match told {
            Ok(item) => checking.item(item, looked, found),
            Err(damaged) => {
                // Which rows are missing may still be told.
                checking.is_broken |= damaged.place != Place::Rows;
                found(finding(damaged));
            }
        });
        match outcome {
            Ok(None) => looked.being_erased += 1,
            Ok(Some(last)) => {
                looked.customers += 1;
                checking.end(last, found);
            }
            Err(error) => {
                looked.customers += 1;
                found(Finding {
                    customer_id: Some(customer),
                    ..Finding::of_store(&error)
                });
            }
        }
    }

    /// Checks what belongs to no customer.
    pub fn rest(&self, found: &mut dyn FnMut(Finding)) {
        if let Err(error) = self.journal.look_at_the_rest(&mut |damaged| found(finding(damaged))) {
            found(Finding::of_store(&error));
        }
    }
}

fn finding(damaged: Damaged) -> Finding {
    Finding {
        customer_id: damaged.tenant,
        place: describe(&damaged.place),
        problem: damaged.what,
    }
}

fn describe(place: &Place) -> String {
    match place {
        Place::Event(sequence) => format!("event {sequence}"),
        Place::Record(last) => format!("record that ends at event {last}"),
        Place::Row(space, key) => format!("{} {}", space.name(), hex(key)),
        Place::Rows => "rows".to_owned(),
        Place::Meta => "meta row".to_owned(),
        Place::Erasure => "marker of an erasure".to_owned(),
        Place::Key(key) => format!("key {}", hex(key)),
    }
}

/// A customer that is being checked.
struct Checking<'s> {
    customer: CustomerId,
    sealer: &'s Sealer,
    replay: Recovering<fn(Recovered)>,
    /// Something is missing, so that what follows need not add up any more.
    is_broken: bool,
    audited_up_to: u64,
}

impl<'s> Checking<'s> {
    fn new(customer: CustomerId, sealer: &'s Sealer) -> Self {
        Self {
            customer,
            sealer,
            replay: Recovering::new(customer, UnixMillis::default(), false, usize::MAX, drop::<Recovered>),
            is_broken: false,
            audited_up_to: 0,
        }
    }

    fn item(&mut self, item: Item<'_>, looked: &mut Looked, found: &mut dyn FnMut(Finding)) {
        let (place, checked) = match item {
            Item::Event(sequence, event) => (Place::Event(sequence), self.event(sequence, event)),
            Item::Row(space, key, value) => (Place::Row(space, key.to_vec()), self.row(space, key, value)),
        };
        let counter = match item {
            Item::Event(..) => &mut looked.events,
            Item::Row(Space::Vault, ..) => &mut looked.secrets,
            Item::Row(Space::Row | Space::Audit, ..) => &mut looked.rows,
        };
        match checked {
            Ok(()) => *counter += 1,
            Err(problem) => {
                self.is_broken |= !matches!(item, Item::Row(Space::Audit, ..));
                found(Finding {
                    customer_id: Some(self.customer),
                    place: describe(&place),
                    problem,
                });
            }
        }
    }

    fn event(&mut self, sequence: u64, event: &[u8]) -> Result<(), String> {
        // The error is not quoted: it may hold a piece of what it could not read.
        let decoded = serde_json::from_slice::<Recorded>(event);
        decoded.map_err(|_| "it is no event".to_owned())?;
        if self.is_broken {
            return Ok(());
        }
        self.replay.event(sequence, event)
    }

    fn row(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<(), String> {
        match space {
            Space::Row => self.replay.row(key, value),
            Space::Vault => {
                let broken = |error: CryptoError| error.to_string();
                match VaultChange::from_row(self.customer, key, value)? {
                    VaultChange::PutSigningKey(sealed) => sealed.open(self.sealer).map(drop).map_err(broken)?,
                    VaultChange::PutOverrideSecret(sealed) => sealed.open(self.sealer).map(drop).map_err(broken)?,
                    VaultChange::EraseSigningKey(_) => {}
                }
                self.replay.secret(key, value)
            }
            Space::Audit => {
                let sequence = audit_sequence(key).ok_or("its key is malformed")?;
                self.audited_up_to = self.audited_up_to.max(sequence);
                let entry = serde_json::from_slice::<AuditEntry>(value);
                entry.map(drop).map_err(|_| "it is no audit entry".to_owned())
            }
        }
    }

    /// What can only be said when all was seen.
    fn end(self, last: u64, found: &mut dyn FnMut(Finding)) {
        let Self {
            customer,
            replay,
            is_broken,
            audited_up_to,
            ..
        } = self;
        let mut tell = |place: String, problem: String| {
            found(Finding {
                customer_id: Some(customer),
                place,
                problem,
            });
        };
        // An entry may have been noted before the event that comes next.
        if audited_up_to > last.saturating_add(1) {
            let problem = format!("the audit tells of event {audited_up_to}, but the journal ends at {last}");
            tell(format!("event {}", last.saturating_add(1)), problem);
        }
        if is_broken {
            return;
        }
        let state = match replay.into_state() {
            Ok(state) => state,
            Err(problem) => return tell("folded rows".to_owned(), problem),
        };
        let known = state.sequence();
        if known != last {
            tell(
                "folded rows".to_owned(),
                format!("they end at event {known} instead of {last}"),
            );
        }
        // A key that no longer signs may be erased before its record is.
        let now = state.now(UnixMillis::default());
        for key in state.keys.active(now).into_iter().chain(state.keys.upcoming(now)) {
            if state.vault.signing_key(key.kid).is_none() {
                tell(
                    format!("signing key {}", key.kid),
                    "its private part is missing".to_owned(),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::crypto::sealed::{SealedKey, SealedSecret};
    use crate::id::KeyId;
    use crate::journal::{Events, FaultyStore, Store};
    use crate::tenant::event::{Event, KeyMade};

    fn sealer(fill: u8) -> Sealer {
        Sealer::new(&MasterKey::from_bytes(&[fill; 32]).unwrap())
    }

    fn customer(number: u8) -> CustomerId {
        CustomerId::from_bytes([number; 16])
    }

    /// A store in memory with a customer of two events, two secrets and an audit entry.
    struct Setup {
        store: Arc<FaultyStore>,
        verification: Verification,
    }

    fn event(event: Event) -> Vec<u8> {
        let recorded = Recorded {
            at: UnixMillis::new(1_000),
            event,
            idempotency: None,
        };
        serde_json::to_vec(&recorded).unwrap()
    }

    impl Setup {
        fn new() -> Self {
            let store = FaultyStore::new();
            let journal = StoppedJournal::with_store(Arc::clone(&store) as Arc<dyn Store>).unwrap();
            let setup = Self {
                store,
                verification: Verification {
                    journal,
                    sealer: sealer(1),
                },
            };
            let key = SealedKey::generate(&sealer(1), customer(1), KeyId::from_bytes([5; 16])).unwrap();
            let made = KeyMade {
                kid: key.kid(),
                public: *key.public(),
                signs_from: UnixMillis::new(1_000),
            };
            setup.events(1, &[event(Event::SigningKeyCreated(made))]);
            setup.events(2, &[event(Event::CustomerSuspended { reason: None })]);
            setup.events(3, &[event(Event::CustomerResumed { reason: None })]);
            let secret = SealedSecret::generate(&sealer(1), customer(1)).unwrap();
            for change in [
                VaultChange::PutSigningKey(key.into()),
                VaultChange::PutOverrideSecret(secret.into()),
            ] {
                let row = change.row();
                setup.row(row.space, &row.key, &row.value.unwrap());
            }
            setup.audit(3);
            let mut writer = setup.verification.journal.writer();
            writer.meta(customer(1), 0).unwrap();
            writer.commit().unwrap();
            setup
        }

        fn events(&self, first: u64, list: &[Vec<u8>]) {
            let mut events = Events::new();
            list.iter().for_each(|event| events.push(event));
            let mut writer = self.verification.journal.writer();
            writer.events(customer(1), first, &events).unwrap();
            writer.commit().unwrap();
        }

        fn row(&self, space: Space, key: &[u8], value: &[u8]) {
            let mut writer = self.verification.journal.writer();
            writer.row(customer(1), space, key, value).unwrap();
            writer.commit().unwrap();
        }

        fn audit(&self, sequence: u64) {
            let entry = br#"{"id":"aud_1","at":1,"actor":"management","action":"a.b","target":"t"}"#;
            let key = [&[0; 8][..], &sequence.to_be_bytes(), b"aud_1"].concat();
            self.row(Space::Audit, &key, entry);
        }

        /// The stored keys of a space, and the values.
        fn stored(&self, space: u8) -> Vec<(Vec<u8>, Vec<u8>)> {
            let contents = self.store.contents();
            contents
                .into_iter()
                .filter(|(key, _)| key.first() == Some(&space))
                .collect()
        }

        fn verify(&self) -> (Looked, Vec<String>) {
            let before = self.store.contents();
            let (mut looked, mut found) = (Looked::default(), Vec::new());
            let mut tell = |finding: Finding| {
                let customer = finding.customer_id.map(|id| id.to_string()).unwrap_or_default();
                found.push(format!("{customer} {}: {}", finding.place, finding.problem));
            };
            for customer in self.verification.customers().unwrap() {
                self.verification.customer(customer, &mut looked, &mut tell);
            }
            self.verification.rest(&mut tell);
            assert_eq!(self.store.contents(), before, "nothing is changed");
            (looked, found)
        }

        /// The one thing that is found, of the customer.
        #[track_caller]
        fn finds(&self, place: &str, problem: &str) {
            let (_, found) = self.verify();
            assert_eq!(found.len(), 1, "{found:?}");
            let expected = format!("{} {place}: ", customer(1));
            assert!(
                found[0].starts_with(&expected) && found[0].contains(problem),
                "{found:?}"
            );
        }
    }

    #[test]
    fn what_is_whole_is_counted() {
        let (looked, found) = Setup::new().verify();
        assert_eq!(found, Vec::<String>::new());
        let expected = Looked {
            customers: 1,
            being_erased: 0,
            events: 3,
            rows: 1,
            secrets: 2,
        };
        assert_eq!(looked, expected);
    }

    #[test]
    fn every_flipped_bit_is_found_and_named() {
        for (space, place) in [
            (b'j', "record"),
            (b'k', "vault entry"),
            (b'a', "audit entry"),
            (b'm', "meta row"),
        ] {
            for number in 0..Setup::new().stored(space).len() {
                let setup = Setup::new();
                let (key, value) = &setup.stored(space)[number];
                for at in [0, 3, value.len() - 1] {
                    let mut flipped = value.clone();
                    flipped[at] ^= 4;
                    setup.store.damage(key, Some(flipped));
                    let (looked, found) = setup.verify();
                    let named = format!("{} {place}", customer(1));
                    assert!(found.iter().all(|told| told.starts_with(&named)), "{found:?}");
                    assert_eq!(found.len(), 1, "{found:?}");
                    assert!(
                        looked.events >= 2 && looked.secrets >= 1,
                        "the rest is looked at: {looked:?}"
                    );
                }
                setup.store.damage(key, Some(value.clone()));
                assert!(setup.verify().1.is_empty());
            }
        }
    }

    #[test]
    fn a_missing_record_is_found_even_the_last() {
        let setup = Setup::new();
        setup.store.damage(&setup.stored(b'j')[1].0, None);
        setup.finds("record that ends at event 3", "2 is next");
        let setup = Setup::new();
        setup.audit(5);
        setup.finds("event 4", "the audit tells of event 5");
        let setup = Setup::new();
        setup.store.damage(&setup.stored(b'm')[0].0, None);
        setup.finds("meta row", "missing");
    }

    #[test]
    fn an_event_that_does_not_decode_or_does_not_fit_is_found() {
        let setup = Setup::new();
        setup.events(
            4,
            &[b"nonsense".to_vec(), event(Event::CustomerResumed { reason: None })],
        );
        setup.finds("event 4", "it is no event");
        let setup = Setup::new();
        let kid = KeyId::from_bytes([9; 16]);
        setup.events(4, &[event(Event::SigningKeyRevoked { kid, reason: None })]);
        setup.finds("event 4", "no such key");
    }

    #[test]
    fn rows_and_audit_entries_that_make_no_sense_are_found() {
        let setup = Setup::new();
        setup.row(Space::Row, b"?", b"x");
        setup.finds("row 3f", "no known kind");
        let setup = Setup::new();
        setup.row(Space::Audit, b"short", b"{}");
        setup.finds("audit entry 73686f7274", "malformed");
        let setup = Setup::new();
        setup.store.damage(b"z-stray", Some(vec![1]));
        let (_, found) = setup.verify();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("key 7a2d7374726179"), "{found:?}");
    }

    #[test]
    fn secrets_that_do_not_open_or_are_missing_are_found() {
        let mut setup = Setup::new();
        setup.verification.sealer = sealer(2);
        let (looked, found) = setup.verify();
        assert_eq!((looked.secrets, found.len()), (0, 2), "{found:?}");
        assert!(
            found
                .iter()
                .all(|told| told.contains("vault entry") && told.contains("does not open"))
        );
        let setup = Setup::new();
        setup.store.damage(&setup.stored(b'k')[0].0, None);
        let (_, found) = setup.verify();
        let key = format!("{} signing key {}", customer(1), KeyId::from_bytes([5; 16]));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains(" rows: ") && found[0].contains("rows are missing"));
        assert!(found[1].starts_with(&key) && found[1].contains("missing"), "{found:?}");
    }

    #[test]
    fn a_row_that_is_missing_or_older_is_found() {
        let key = |setup: &Setup| setup.stored(b'a')[0].0.clone();
        let setup = Setup::new();
        setup.store.damage(&key(&setup), None);
        setup.finds("rows", "audit entries are missing");
        let setup = Setup::new();
        let older = setup.stored(b'a')[0].1.clone();
        let row_key = [&[0; 8][..], &3_u64.to_be_bytes(), b"aud_1"].concat();
        let newer = br#"{"id":"aud_1","at":2,"actor":"management","action":"a.b","target":"t"}"#;
        setup.row(Space::Audit, &row_key, newer);
        assert!(setup.verify().1.is_empty());
        setup.store.damage(&key(&setup), Some(older));
        setup.finds("rows", "audit entries are missing, or are older");
    }
}
