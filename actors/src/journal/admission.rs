//! What is let into a group: the writer's memory of each active tenant, and the checks against it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::SideChange;
use super::group::After;
use super::lease::{Append, Lease, LeaseState, Refusal};
use super::meta::Meta;
use super::reading::{self, StoredHead};
use super::recovery::{Fenced, RecoverJob};
use super::writer::{Entry, Writer};
use crate::id::CustomerId;
use crate::limits::{APPEND_BYTES_MAX, SIDE_CHANGES_MAX, SIDE_KEY_BYTES_MAX};

/// What the writer remembers of a tenant that is active.
pub(super) struct Head {
    /// INVARIANT (one writer): only appends of this epoch are written, and none when it is revoked.
    pub(super) epoch: u64,
    revoked: bool,
    state: Arc<LeaseState>,
    last: u64,
    /// As of the last group that was written.
    pub(super) meta: Meta,
    /// Nothing of the tenant was ever written: its first write brings the meta row.
    pub(super) fresh: bool,
    /// The group in which it has a share, and where.
    place: Option<(u64, usize)>,
}

impl Writer {
    /// Takes one entry into the group, or refuses it.
    pub(super) fn admit(&mut self, entry: Entry) {
        match entry {
            Entry::Append(append) => self.admit_append(append),
            Entry::Recover(job) => self.admit_recovery(job),
            Entry::Release(lease) => {
                if let Some(head) = self
                    .heads
                    .get_mut(&lease.tenant())
                    .filter(|head| head.epoch == lease.epoch())
                {
                    // Its appends may be in this group, so it is forgotten only when they can be read from the store.
                    head.revoke();
                    self.group.add_after(After::Forget(lease));
                }
            }
            Entry::Erase { tenant, fact, done } => {
                if let Some(head) = self.heads.get_mut(&tenant) {
                    head.revoke();
                }
                self.heads.remove(&tenant);
                self.shared.begin_erasing(tenant);
                self.shared.end_creating(tenant);
                self.chores.erase(tenant, fact, done);
            }
            Entry::Stop => self.stopping = true,
        }
    }

    fn admit_append(&mut self, append: Append) {
        let bytes = append.bytes();
        let Append {
            lease,
            first_sequence,
            events,
            side,
            fold_up_to,
            done,
        } = append;
        let tenant = lease.tenant();
        let Some(head) = self
            .heads
            .get_mut(&tenant)
            .filter(|head| head.epoch == lease.epoch() && !head.revoked)
        else {
            self.shared.counters.refused.fetch_add(1, Ordering::Relaxed);
            return self.group.add_waiter(done, Err(Refusal::StaleLease.into()), 0, 0);
        };
        let last = head.last.saturating_add(u64::from(events.len()));
        if let Err(refusal) = head
            .check(first_sequence, last, fold_up_to)
            .and_then(|()| check_limits(bytes, &side))
        {
            // What follows was decided on this, so it must not be written either.
            head.revoke();
            self.shared.counters.refused.fetch_add(1, Ordering::Relaxed);
            return self.group.add_waiter(done, Err(refusal.into()), 0, 0);
        }
        self.group.add_waiter(done, Ok(()), events.len(), bytes);
        if events.is_empty() && side.is_empty() && fold_up_to.is_none() {
            return;
        }
        let number = self.group.number;
        let known = head.place.filter(|(group, _)| *group == number).map(|(_, place)| place);
        let place = known.unwrap_or_else(|| self.group.add_part(&lease, head.last, head.meta));
        head.place = Some((number, place));
        if !events.is_empty() {
            self.group.add_events(place, &events, last);
            head.last = last;
        }
        self.group.add_side(place, side);
        if let Some(up_to) = fold_up_to {
            head.meta.folded = up_to;
            self.group.add_after(After::Trim(tenant, up_to));
        }
        if head.fresh || fold_up_to.is_some() {
            self.group.add_meta(place, head.meta.folded);
        }
        if std::mem::take(&mut head.fresh) {
            self.group.add_after(After::Created(tenant));
        }
    }

    /// The fence of a recovery: older leases end here, and the tenant's head is known from here on.
    pub(super) fn admit_recovery(&mut self, job: RecoverJob) {
        let Some(job) = self.chores.park(job) else { return };
        let tenant = job.tenant;
        if !self.heads.contains_key(&tenant) {
            // No head means that nothing of the tenant is on its way, so the store tells all.
            match reading::head(self.store.as_ref(), tenant) {
                Ok(None) if !job.create => return self.group.add_after(After::Answer(job, Ok(None))),
                Ok(stored) => self.remember(tenant, stored),
                Err(error) => {
                    self.shared.end_creating(tenant);
                    return self.group.add_after(After::Answer(job, Err(error.into())));
                }
            }
        }
        let Some(head) = self.heads.get_mut(&tenant) else {
            return;
        };
        if head.fresh && !job.create {
            // Someone may be about to create it, but nothing was written, nor is on its way.
            return self.group.add_after(After::Answer(job, Ok(None)));
        }
        if head.fresh {
            self.shared.begin_creating(tenant);
        } else {
            self.shared.end_creating(tenant);
        }
        head.revoke();
        let lease = Lease::new(tenant, head.last);
        head.epoch = lease.epoch();
        head.revoked = false;
        head.state = Arc::clone(lease.state());
        let fenced = Fenced {
            lease,
            meta: head.meta,
            last: head.last,
        };
        self.group.add_after(After::Stream(job, fenced));
    }

    fn remember(&mut self, tenant: CustomerId, stored: Option<StoredHead>) {
        let fresh = stored.is_none();
        let stored = stored.unwrap_or(StoredHead {
            last: 0,
            meta: Meta::default(),
            untrimmed: false,
        });
        if stored.untrimmed {
            self.chores.trim(tenant, stored.meta.folded);
        }
        let lease = Lease::new(tenant, stored.last);
        let (epoch, state) = (lease.epoch(), Arc::clone(lease.state()));
        let (last, meta) = (stored.last, stored.meta);
        self.heads.insert(
            tenant,
            Head {
                epoch,
                revoked: true,
                state,
                last,
                meta,
                fresh,
                place: None,
            },
        );
    }
}

impl Head {
    /// INVARIANT (one writer): every append is the next one, and folds only go forward over what is there.
    fn check(&self, first_sequence: u64, last: u64, fold_up_to: Option<u64>) -> Result<(), Refusal> {
        let expected = self.last.saturating_add(1);
        if first_sequence != expected {
            return Err(Refusal::WrongSequence {
                expected,
                given: first_sequence,
            });
        }
        match fold_up_to {
            Some(up_to) if up_to < self.meta.folded || up_to > last => Err(Refusal::WrongFold {
                up_to,
                folded: self.meta.folded,
                last,
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Refuses the present lease from now on.
    fn revoke(&mut self) {
        self.revoked = true;
        self.state.fence();
    }
}

impl Append {
    /// Bytes that it adds to a group.
    pub(super) fn bytes(&self) -> usize {
        let side = self
            .side
            .iter()
            .map(|change| change.key.len() + change.value.as_ref().map_or(0, Vec::len));
        self.events.bytes().len() + side.sum::<usize>()
    }
}

fn check_limits(bytes: usize, side: &[SideChange]) -> Result<(), Refusal> {
    let key_fits = |key: &[u8]| key.len() + key.iter().filter(|byte| **byte == 0).count() <= SIDE_KEY_BYTES_MAX;
    if bytes > APPEND_BYTES_MAX || side.len() > SIDE_CHANGES_MAX || !side.iter().all(|change| key_fits(&change.key)) {
        return Err(Refusal::TooLarge);
    }
    Ok(())
}
