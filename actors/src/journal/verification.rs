//! All of a stopped store, looked at key by key. What is damaged is told, and what stands behind it is looked at all the same.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::keys::{self, ERASED, ERASING, FORMAT, GROUP, META, RECORDS, Space};
use super::meta::Meta;
use super::reading::{self, end_of};
use super::record::{self, Assembler, Damage, Record, WholeRow};
use super::store::{Direction, End, Reads, StoreError, Visit};
use super::{ReadError, StoppedJournal};
use crate::id::CustomerId;

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The event of this sequence.
    Event(u64),
    /// The record whose last event has this sequence.
    Record(u64),
    /// A row, by the key that its caller gave it, or by the stored one if that cannot be told.
    Row(Space, Vec<u8>),
    /// The tenant's rows, taken together.
    Rows,
    /// The tenant's meta row.
    Meta,
    /// The marker of an erasure, finished or not.
    Erasure,
    /// A key of no known kind.
    Key(Vec<u8>),
}

/// Something that is damaged, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Whose it is, if that can be told.
    pub tenant: Option<CustomerId>,
    /// Where it stands.
    pub place: Place,
    /// What is wrong with it.
    pub what: String,
}

/// Something that is whole as far as the journal can tell.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// A row.
    Row(Space, &'a [u8], &'a [u8]),
    /// An event above the folded sequence.
    Event(u64, &'a [u8]),
}

/// A row's key without its chunk number, and the row or what is wrong with it.
type Visited<'a> = &'a mut dyn FnMut(&[u8], Result<WholeRow<'_>, Damage>);

/// What is told while a tenant is looked at.
type Told<'a> = &'a mut dyn FnMut(Result<Item<'_>, Damaged>);

impl StoppedJournal {
    /// Every tenant of whom anything at all is stored, in the order of their ids; those of unfinished erasures among them.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn all_tenants(&self) -> Result<BTreeSet<CustomerId>, ReadError> {
        let mut tenants: BTreeSet<CustomerId> = self.store.due_tenants(None, usize::MAX).into_iter().collect();
        let spaces = [
            META,
            RECORDS,
            Space::Row.byte(),
            Space::Vault.byte(),
            Space::Audit.byte(),
        ];
        for space in spaces {
            let (mut from, to) = (vec![space], [space + 1]);
            while let Some(key) = end_of(self.store.as_ref(), &from, &to, Direction::Up)? {
                let Some(tenant) = keys::tenant_of(&key) else { break };
                tenants.insert(tenant);
                from = keys::prefix_end(space, tenant);
            }
        }
        Ok(tenants)
    }

    /// Looks at everything of a tenant: rows, sealed secrets, events in order, audit entries. Returns its last sequence, or `None` for
    /// one whose erasure is not finished, of whom nothing is looked at.
    ///
    /// # Errors
    /// [`ReadError::Store`] if the store itself fails.
    pub fn look_at(&self, tenant: CustomerId, told: Told<'_>) -> Result<Option<u64>, ReadError> {
        guarded(|| {
            let store = self.store.as_ref();
            if store.get(&keys::prefix(ERASING, tenant))?.is_some() {
                return Ok(None);
            }
            let damaged = |place, what| Damaged {
                tenant: Some(tenant),
                place,
                what,
            };
            let meta = match Meta::read(store, tenant) {
                Ok(meta) => meta.ok_or_else(|| "it is missing".to_owned()),
                Err(ReadError::Corrupt(what)) => Err(what),
                Err(error) => return Err(error),
            };
            let known = meta.clone().ok();
            if let Err(what) = meta {
                told(Err(damaged(Place::Meta, what)));
            }
            // Where single rows are damaged, it is told which.
            let (mut rows, mut is_whole) = (Meta::default(), true);
            let mut note = |item: Result<Item<'_>, Damaged>| {
                is_whole &= item.is_ok();
                told(item);
            };
            look_at_rows(store, tenant, Space::Row, &mut rows, &mut note)?;
            look_at_rows(store, tenant, Space::Vault, &mut rows, &mut note)?;
            let folded = known.map_or(0, |meta| meta.folded);
            let last = look_at_records(store, tenant, folded, told)?;
            let version = known.map_or(u64::MAX, |meta| meta.version);
            if let Err(ReadError::Corrupt(what)) = reading::check_end(store, tenant, End { last, version }) {
                told(Err(damaged(Place::Event(last + 1), what)));
            }
            let mut note = |item: Result<Item<'_>, Damaged>| {
                is_whole &= item.is_ok();
                told(item);
            };
            look_at_rows(store, tenant, Space::Audit, &mut rows, &mut note)?;
            if let (true, Some(Err(ReadError::Corrupt(what)))) = (is_whole, known.map(|meta| meta.check(tenant, &rows)))
            {
                told(Err(damaged(Place::Rows, what)));
            }
            Ok(Some(last))
        })
    }

    /// Looks at what belongs to no tenant that is there: markers of erasures, and keys of no known kind.
    ///
    /// # Errors
    /// [`ReadError::Store`] if the store itself fails.
    pub fn look_at_the_rest(&self, told: &mut dyn FnMut(Damaged)) -> Result<(), ReadError> {
        guarded(|| {
            let known = [
                META,
                RECORDS,
                Space::Row.byte(),
                Space::Vault.byte(),
                Space::Audit.byte(),
            ];
            let mut from = 0_u8;
            for space in known.into_iter().collect::<BTreeSet<_>>() {
                look_at_strays(self.store.as_ref(), &[from], &[space], told)?;
                from = space.saturating_add(1);
            }
            look_at_strays(self.store.as_ref(), &[from], &[u8::MAX; 64], told)?;
            Ok(())
        })
    }
}

/// sled panics on some damage.
fn guarded<T>(look: impl FnOnce() -> Result<T, ReadError>) -> Result<T, ReadError> {
    catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|_| Err(ReadError::Store("it panicked".to_owned())))
}

fn look_at_strays(store: &dyn Reads, from: &[u8], to: &[u8], told: &mut dyn FnMut(Damaged)) -> Result<(), StoreError> {
    store.scan(from, to, Direction::Up, &mut |key, stored| {
        let tenant = keys::tenant_of(key).filter(|_| key.len() == keys::PREFIX_BYTES);
        let (place, checked) = match (key.first(), tenant) {
            (Some(&ERASED | &ERASING), Some(_)) => (Place::Erasure, record::open_sealed(key, stored).map(drop)),
            // They were looked at when the store was opened.
            _ if [FORMAT, GROUP].contains(&key) => return Visit::Next,
            _ => (Place::Key(key.to_vec()), Err(Damage::Key)),
        };
        if let Err(damage) = checked {
            let what = damage.to_string();
            told(Damaged { tenant, place, what });
        }
        Visit::Next
    })
}

fn look_at_rows(
    store: &dyn Reads,
    tenant: CustomerId,
    space: Space,
    rows: &mut Meta,
    told: Told<'_>,
) -> Result<(), ReadError> {
    let (from, to) = (
        keys::prefix(space.byte(), tenant),
        keys::prefix_end(space.byte(), tenant),
    );
    each_row_or_damage(store, &from, &to, &mut |row_key, row| {
        let key = keys::side_caller_key(row_key);
        let damage = match (&key, row) {
            (Some(key), Ok(row)) => {
                rows.sum_mut(space).add(row.checksum);
                return told(Ok(Item::Row(space, key, row.value)));
            }
            (None, _) => Damage::Key,
            (_, Err(damage)) => damage,
        };
        let place = Place::Row(space, key.unwrap_or_else(|| row_key.to_vec()));
        told(Err(Damaged {
            tenant: Some(tenant),
            place,
            what: damage.to_string(),
        }));
    })
}

fn look_at_records(store: &dyn Reads, tenant: CustomerId, folded: u64, told: Told<'_>) -> Result<u64, ReadError> {
    let from = keys::prefix(RECORDS, tenant);
    let to = keys::prefix_end(RECORDS, tenant);
    let mut last = folded;
    each_row_or_damage(store, &from, &to, &mut |row_key, row| {
        let damaged = |what: String| Damaged {
            tenant: Some(tenant),
            place: keys::record_last(row_key).map_or_else(|| Place::Key(row_key.to_vec()), Place::Record),
            what,
        };
        let parsed = row
            .and_then(|row| Record::parse(row.value))
            .map_err(|damage| damage.to_string());
        let record = parsed.and_then(|record| match keys::record_last(row_key) {
            Some(end) if end == record.last_sequence => Ok(record),
            _ => Err(format!("its events end at {}", record.last_sequence)),
        });
        let record = match record {
            Ok(record) => record,
            Err(what) => {
                // What follows it cannot be told from what is missing, unless the key says where it ends.
                last = keys::record_last(row_key).unwrap_or(last).max(last);
                return told(Err(damaged(what)));
            }
        };
        if record.last_sequence <= folded {
            // A fold has made it superfluous, and it was not deleted yet.
            return;
        }
        if let Err(what) = record.check_follows(last, folded) {
            told(Err(damaged(what)));
        }
        for (sequence, event) in record.events().filter(|(sequence, _)| *sequence > last) {
            told(Ok(Item::Event(sequence, event)));
        }
        last = record.last_sequence.max(last);
    })?;
    Ok(last)
}

/// As [`each_row`](reading::each_row), but goes on behind what is damaged.
fn each_row_or_damage(store: &dyn Reads, from: &[u8], to: &[u8], visit: Visited<'_>) -> Result<(), ReadError> {
    let mut assembler = Assembler::default();
    let mut damaged: Option<Vec<u8>> = None;
    store.scan(from, to, Direction::Up, &mut |key, stored| {
        let row_key = keys::split_chunk(key).map_or(key, |(row_key, _)| row_key);
        if damaged.as_deref() == Some(row_key) {
            return Visit::Next;
        }
        if assembler.row_key() != row_key
            && let Err(damage) = assembler.finish()
        {
            visit(assembler.row_key(), Err(damage));
            assembler = Assembler::default();
        }
        match assembler.push(key, stored) {
            Ok(None) => {}
            Ok(Some(row)) => visit(row_key, Ok(row)),
            Err(damage) => {
                visit(row_key, Err(damage));
                damaged = Some(row_key.to_vec());
                assembler = Assembler::default();
            }
        }
        Visit::Next
    })?;
    if let Err(damage) = assembler.finish() {
        visit(assembler.row_key(), Err(damage));
    }
    Ok(())
}
