//! Deleting what nobody needs any more, a bounded number of keys at a time between the groups: records that a fold made superfluous,
//! and everything of an erased tenant.

use std::collections::{HashMap, VecDeque};

use super::ReadError;
use super::keys::{self, ERASED, ERASING, META, RECORDS, Space};
use super::lease::Completion;
use super::record;
use super::recovery::RecoverJob;
use super::store::{Direction, Store, StoreError, Visit, WriteBatch};
use crate::id::CustomerId;

/// The chores, at most one for each tenant, served in turn.
#[derive(Default)]
pub(super) struct Chores {
    turn: VecDeque<CustomerId>,
    chores: HashMap<CustomerId, Chore>,
}

enum Chore {
    /// Delete the records that end at or below this sequence.
    Trim(u64),
    Erase(Erasure),
}

/// An erasure on its way. Its order is what makes it finishable after a crash: first the marker, then the keys, and with the last of
/// them the meta row, the marker's end and the fact.
#[derive(Default)]
struct Erasure {
    marked: bool,
    fact: Vec<u8>,
    done: Vec<Completion>,
    waiting: Vec<RecoverJob>,
}

/// What a step will have done when its batch is durable.
pub(super) enum Step {
    Nothing,
    Marked(CustomerId),
    Trimmed(CustomerId),
    Erased(CustomerId),
}

/// Who waits for an erasure.
pub(super) struct Finished {
    pub(super) tenant: CustomerId,
    pub(super) done: Vec<Completion>,
    pub(super) waiting: Vec<RecoverJob>,
}

impl Chores {
    /// Finds the erasures that a crash has left unfinished.
    pub(super) fn load(store: &dyn Store) -> Result<Self, ReadError> {
        let mut chores = Self::default();
        let mut damaged = None;
        store.scan(&[ERASING], &[ERASING + 1], Direction::Up, &mut |key, stored| match (
            keys::tenant_of(key),
            record::open_sealed(key, stored),
        ) {
            (Some(tenant), Ok(fact)) => {
                chores.insert(
                    tenant,
                    Chore::Erase(Erasure {
                        marked: true,
                        fact: fact.to_vec(),
                        ..Erasure::default()
                    }),
                );
                Visit::Next
            }
            (_, outcome) => {
                damaged = Some(
                    outcome
                        .err()
                        .map_or_else(|| "the key is malformed".to_owned(), |damage| damage.to_string()),
                );
                Visit::Stop
            }
        })?;
        match damaged {
            None => Ok(chores),
            Some(what) => Err(ReadError::Corrupt(format!("marker of an unfinished erasure: {what}"))),
        }
    }

    fn insert(&mut self, tenant: CustomerId, chore: Chore) {
        if self.chores.insert(tenant, chore).is_none() {
            self.turn.push_back(tenant);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turn.is_empty()
    }

    /// The tenants that are being erased.
    pub(super) fn erasing(&self) -> impl Iterator<Item = CustomerId> {
        self.chores.iter().filter_map(|(tenant, chore)| match chore {
            Chore::Erase(_) => Some(*tenant),
            Chore::Trim(_) => None,
        })
    }

    /// Records up to this sequence are superfluous, and durably so.
    pub(super) fn trim(&mut self, tenant: CustomerId, up_to: u64) {
        match self.chores.get_mut(&tenant) {
            Some(Chore::Trim(sequence)) => *sequence = up_to.max(*sequence),
            Some(Chore::Erase(_)) => {}
            None => self.insert(tenant, Chore::Trim(up_to)),
        }
    }

    /// Begins an erasure, or joins the one that is going on.
    pub(super) fn erase(&mut self, tenant: CustomerId, fact: Vec<u8>, done: Completion) {
        if let Some(Chore::Erase(erasure)) = self.chores.get_mut(&tenant) {
            erasure.fact = fact;
            erasure.done.push(done);
        } else {
            let erasure = Erasure {
                fact,
                done: vec![done],
                ..Erasure::default()
            };
            self.insert(tenant, Chore::Erase(erasure));
        }
    }

    /// Keeps a recovery until the tenant's erasure is finished; gives it back if there is none.
    pub(super) fn park(&mut self, job: RecoverJob) -> Option<RecoverJob> {
        match self.chores.get_mut(&job.tenant) {
            Some(Chore::Erase(erasure)) => {
                erasure.waiting.push(job);
                None
            }
            Some(Chore::Trim(_)) | None => Some(job),
        }
    }

    /// Adds one step of the next chore to a batch: at most `budget` deletions, and a few keys more at the end of an erasure.
    pub(super) fn step(
        &mut self,
        store: &dyn Store,
        batch: &mut WriteBatch,
        budget: usize,
    ) -> Result<Step, StoreError> {
        let Some(tenant) = self.turn.pop_front() else {
            return Ok(Step::Nothing);
        };
        self.turn.push_back(tenant);
        match self.chores.get(&tenant) {
            None => Ok(Step::Nothing),
            Some(Chore::Trim(up_to)) => {
                let (from, to) = (
                    keys::prefix(RECORDS, tenant),
                    keys::record(tenant, up_to.saturating_add(1)),
                );
                let deleted = delete_range(store, batch, &from, &to, budget)?;
                Ok(if deleted < budget {
                    Step::Trimmed(tenant)
                } else {
                    Step::Nothing
                })
            }
            Some(Chore::Erase(erasure)) if !erasure.marked => {
                record::put_sealed(batch, &keys::prefix(ERASING, tenant), &erasure.fact);
                Ok(Step::Marked(tenant))
            }
            Some(Chore::Erase(erasure)) => sweep(store, batch, tenant, &erasure.fact, budget),
        }
    }

    /// The step is durable.
    pub(super) fn stepped(&mut self, step: &Step) -> Option<Finished> {
        match *step {
            Step::Nothing => None,
            Step::Marked(tenant) => {
                if let Some(Chore::Erase(erasure)) = self.chores.get_mut(&tenant) {
                    erasure.marked = true;
                }
                None
            }
            Step::Trimmed(tenant) => {
                self.remove(tenant);
                None
            }
            Step::Erased(tenant) => match self.remove(tenant) {
                Some(Chore::Erase(erasure)) => Some(Finished {
                    tenant,
                    done: erasure.done,
                    waiting: erasure.waiting,
                }),
                Some(Chore::Trim(_)) | None => None,
            },
        }
    }

    fn remove(&mut self, tenant: CustomerId) -> Option<Chore> {
        // The step before has put it at the end.
        if self.turn.back() == Some(&tenant) {
            self.turn.pop_back();
        } else {
            self.turn.retain(|other| *other != tenant);
        }
        self.chores.remove(&tenant)
    }

    /// The journal has failed: forgets everything, and everyone who waits learns it by the drop.
    pub(super) fn abandon(&mut self) {
        self.turn.clear();
        self.chores.clear();
    }
}

/// Deletes what is left of a tenant, its secrets first.
fn sweep(
    store: &dyn Store,
    batch: &mut WriteBatch,
    tenant: CustomerId,
    fact: &[u8],
    budget: usize,
) -> Result<Step, StoreError> {
    let mut left = budget;
    for space in [Space::Vault.byte(), Space::Row.byte(), Space::Audit.byte(), RECORDS] {
        left -= delete_range(
            store,
            batch,
            &keys::prefix(space, tenant),
            &keys::prefix_end(space, tenant),
            left,
        )?;
        if left == 0 {
            return Ok(Step::Nothing);
        }
    }
    batch.delete(&keys::prefix(META, tenant));
    batch.delete(&keys::prefix(ERASING, tenant));
    record::put_sealed(batch, &keys::prefix(ERASED, tenant), fact);
    Ok(Step::Erased(tenant))
}

/// Adds the deletion of at most `budget` keys and tells of how many.
fn delete_range(
    store: &dyn Store,
    batch: &mut WriteBatch,
    from: &[u8],
    to: &[u8],
    budget: usize,
) -> Result<usize, StoreError> {
    let mut deleted = 0;
    store.scan(from, to, Direction::Up, &mut |key, _| {
        if deleted == budget {
            return Visit::Stop;
        }
        batch.delete(key);
        deleted += 1;
        Visit::Next
    })?;
    Ok(deleted)
}
