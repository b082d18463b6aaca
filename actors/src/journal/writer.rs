//! The journal's thread: takes what waits, checks it, writes it as one group, makes it durable, answers.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::chores::Chores;
use super::group::{After, Group};
use super::lease::{Append, AppendError, Completion, Lease, LeaseState, Refusal};
use super::reading::{self, StoredHead};
use super::recovery::{Fenced, RecoverJob, Task};
use super::shared::Shared;
use super::store::Store;
use crate::id::CustomerId;
use crate::limits::{APPEND_BYTES_MAX, CHORE_KEYS_IN_GROUP_MAX, CHORE_KEYS_MAX, SIDE_CHANGES_MAX, SIDE_KEY_BYTES_MAX};

/// What stands in the journal's queue.
pub(super) enum Entry {
    Append(Append),
    Recover(RecoverJob),
    Release(Lease),
    Erase {
        tenant: CustomerId,
        fact: Vec<u8>,
        done: Completion,
    },
    Stop,
}

/// What the writer remembers of a tenant that is active.
struct Head {
    /// INVARIANT (one writer): only appends of this epoch are written, and none when it is revoked.
    epoch: u64,
    revoked: bool,
    state: Arc<LeaseState>,
    last: u64,
    folded: u64,
    /// Nothing of the tenant was ever written: its first write brings the meta row.
    fresh: bool,
    /// The group in which it has a share, and where.
    place: Option<(u64, usize)>,
}

/// What to do when the journal has failed, with the reason.
pub(super) type OnFailure = Box<dyn FnOnce(String) + Send>;

/// The state of the journal's thread.
pub(super) struct Writer {
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
    entries: Receiver<Entry>,
    heads: HashMap<CustomerId, Head>,
    group: Group,
    chores: Chores,
    /// Came when the group was full, so it opens the next one.
    held: Option<Entry>,
    on_failure: Option<OnFailure>,
    storage: StorageCheck,
    stopping: bool,
}

/// How often to ask for free space, and below what it is low.
pub(super) struct StorageCheck {
    pub(super) free_min_bytes: u64,
    pub(super) every: Duration,
    pub(super) checked: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        store: Arc<dyn Store>,
        entries: Receiver<Entry>,
        chores: Chores,
        storage: StorageCheck,
        on_failure: OnFailure,
    ) -> Self {
        Self {
            shared,
            store,
            entries,
            heads: HashMap::new(),
            group: Group::new(),
            chores,
            held: None,
            on_failure: Some(on_failure),
            storage,
            stopping: false,
        }
    }

    /// Runs until it is told to stop. A failure is final: whatever comes later is answered with it.
    pub(super) fn run(mut self) {
        // sled panics on some errors of the disk; to those who wait it is all the same.
        let served = catch_unwind(AssertUnwindSafe(|| self.serve()));
        let failure = match served {
            Ok(Ok(())) => None,
            Ok(Err(reason)) => Some(reason),
            Err(panic) => Some(format!("the journal panicked: {}", panic_text(panic.as_ref()))),
        };
        if let Some(reason) = failure {
            self.fail(reason);
            self.answer_failed();
        }
        self.shared.closed.store(true, Ordering::Release);
        self.shared.stopped();
    }

    fn serve(&mut self) -> Result<(), String> {
        loop {
            self.check_storage();
            if let Some(entry) = self.first_entry() {
                self.admit(entry);
                self.gather();
            }
            self.commit()?;
            if self.stopping && self.held.is_none() {
                return Ok(());
            }
        }
    }

    /// The next entry, waited for if there is nothing else to do.
    fn first_entry(&mut self) -> Option<Entry> {
        if let Some(entry) = self.held.take() {
            return Some(entry);
        }
        // Recoveries that an erasure has let go already stand in the group.
        if !self.chores.is_empty() || !self.group.is_empty() {
            return self.waiting_entry();
        }
        // Wakes up without an entry now and then: while writes are refused for lack of space, none comes to notice that there is
        // space again.
        match self
            .entries
            .recv_timeout(self.storage.every.max(Duration::from_millis(10)))
        {
            Ok(entry) => {
                self.shared.queued.fetch_sub(1, Ordering::Relaxed);
                Some(entry)
            }
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Entry::Stop),
        }
    }

    fn waiting_entry(&mut self) -> Option<Entry> {
        let entry = self.entries.try_recv().ok()?;
        self.shared.queued.fetch_sub(1, Ordering::Relaxed);
        Some(entry)
    }

    /// Takes all that already waits and still fits.
    fn gather(&mut self) {
        while let Some(entry) = self.waiting_entry() {
            if let Entry::Append(append) = &entry
                && self.group.is_full_for(append.events.len(), append.bytes())
            {
                self.held = Some(entry);
                return;
            }
            self.admit(entry);
        }
    }

    fn admit(&mut self, entry: Entry) {
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
        let place = self.group.place(&lease, known);
        head.place = Some((number, place));
        if !events.is_empty() {
            self.group.add_events(place, &events, last);
            head.last = last;
        }
        self.group.add_side(tenant, side);
        if let Some(up_to) = fold_up_to {
            head.folded = up_to;
            self.group.add_after(After::Trim(tenant, up_to));
        }
        if head.fresh || fold_up_to.is_some() {
            self.group.add_meta(place, head.folded);
        }
        if std::mem::take(&mut head.fresh) {
            self.group.add_after(After::Created(tenant));
        }
    }

    /// The fence of a recovery: older leases end here, and the tenant's head is known from here on.
    fn admit_recovery(&mut self, job: RecoverJob) {
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
            folded: head.folded,
            last: head.last,
        };
        self.group.add_after(After::Stream(job, fenced));
    }

    fn remember(&mut self, tenant: CustomerId, stored: Option<StoredHead>) {
        let fresh = stored.is_none();
        let stored = stored.unwrap_or(StoredHead {
            last: 0,
            folded: 0,
            untrimmed: false,
        });
        if stored.untrimmed {
            self.chores.trim(tenant, stored.folded);
        }
        let lease = Lease::new(tenant, stored.last);
        let (epoch, state) = (lease.epoch(), Arc::clone(lease.state()));
        let (last, folded) = (stored.last, stored.folded);
        self.heads.insert(
            tenant,
            Head {
                epoch,
                revoked: true,
                state,
                last,
                folded,
                fresh,
                place: None,
            },
        );
    }

    /// Writes the group and a step of the chores, makes them durable and answers.
    fn commit(&mut self) -> Result<(), String> {
        let store = Arc::clone(&self.store);
        let store = store.as_ref();
        self.group.write(store).map_err(|error| error.0)?;
        let budget = if self.group.is_empty() {
            CHORE_KEYS_MAX
        } else {
            CHORE_KEYS_IN_GROUP_MAX
        };
        let step = self
            .chores
            .step(store, &mut self.group.batch, budget)
            .map_err(|error| error.0)?;
        if !self.group.batch.is_empty() {
            self.make_durable(store)?;
        }
        for after in self.group.settle() {
            self.follow_up(after);
        }
        if let Some(finished) = self.chores.stepped(&step) {
            self.shared.end_erasing(finished.tenant);
            for done in finished.done {
                done.complete(Ok(()));
            }
            for job in finished.waiting {
                self.admit_recovery(job);
            }
        }
        Ok(())
    }

    /// INVARIANT (durable first): nobody is answered before this has returned.
    fn make_durable(&mut self, store: &dyn Store) -> Result<(), String> {
        let begun = Instant::now();
        self.shared.applying(self.group.number);
        store.apply(&self.group.batch).map_err(|error| error.0)?;
        let applied = Instant::now();
        store.sync().map_err(|error| error.0)?;
        let (commit, sync) = (micros(begun.elapsed()), micros(applied.elapsed()));
        self.shared.durable(self.group.number);
        let counters = &self.shared.counters;
        counters.groups.fetch_add(1, Ordering::Relaxed);
        counters.events.fetch_add(self.group.events, Ordering::Relaxed);
        counters
            .keys
            .fetch_add(self.group.batch.len() as u64, Ordering::Relaxed);
        counters
            .bytes
            .fetch_add(self.group.batch.bytes() as u64, Ordering::Relaxed);
        counters.commit_micros_last.store(commit, Ordering::Relaxed);
        counters.commit_micros_total.fetch_add(commit, Ordering::Relaxed);
        counters.sync_micros_last.store(sync, Ordering::Relaxed);
        counters.sync_micros_total.fetch_add(sync, Ordering::Relaxed);
        Ok(())
    }

    fn follow_up(&mut self, after: After) {
        match after {
            // A task that cannot be sent is dropped, and tells its owner.
            After::Stream(job, fenced) => drop(self.shared.tasks.send(Task::Stream(job, fenced))),
            After::Answer(job, outcome) => drop(self.shared.tasks.send(Task::Answer(job, outcome))),
            After::Trim(tenant, up_to) => self.chores.trim(tenant, up_to),
            After::Created(tenant) => self.shared.end_creating(tenant),
            After::Forget(lease) => {
                let tenant = lease.tenant();
                // A recovery behind the release in the same group has given the head a new epoch.
                if self.heads.get(&tenant).is_some_and(|head| head.epoch == lease.epoch()) {
                    if self.heads.remove(&tenant).is_some_and(|head| head.fresh) {
                        self.shared.end_creating(tenant);
                    }
                    self.heads.shrink_to(2 * self.heads.len() + 64);
                }
            }
        }
    }

    fn check_storage(&mut self) {
        let now = Instant::now();
        if self
            .storage
            .checked
            .is_some_and(|checked| now.duration_since(checked) < self.storage.every)
        {
            return;
        }
        self.storage.checked = Some(now);
        if let Some(free) = self.store.free_bytes() {
            self.shared.free_bytes.store(free, Ordering::Relaxed);
            self.shared
                .storage_low
                .store(free < self.storage.free_min_bytes, Ordering::Relaxed);
        }
    }

    /// INVARIANT (failure is final): after this nothing is written any more.
    fn fail(&mut self, reason: String) {
        tracing::error!(reason, "the journal has failed");
        let _ = self.shared.failed.set(reason.clone());
        self.shared.stopped();
        drop(self.group.fail());
        self.chores.abandon();
        self.held = None;
        self.heads = HashMap::new();
        if let Some(on_failure) = self.on_failure.take()
            && catch_unwind(AssertUnwindSafe(|| on_failure(reason))).is_err()
        {
            tracing::error!("the handler of the journal's failure panicked");
        }
    }

    /// Answers what comes after a failure, until it is told to stop.
    fn answer_failed(&mut self) {
        while !self.stopping {
            let Ok(entry) = self.entries.recv() else { return };
            self.shared.queued.fetch_sub(1, Ordering::Relaxed);
            match entry {
                Entry::Append(append) => append.done.complete(Err(AppendError::Failed)),
                Entry::Erase { done, .. } => done.complete(Err(AppendError::Failed)),
                // Its drop tells the reason.
                Entry::Recover(job) => drop(job),
                Entry::Release(_) => {}
                Entry::Stop => self.stopping = true,
            }
        }
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
            Some(up_to) if up_to < self.folded || up_to > last => Err(Refusal::WrongFold {
                up_to,
                folded: self.folded,
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
    fn bytes(&self) -> usize {
        let side = self
            .side
            .iter()
            .map(|change| change.key.len() + change.value.as_ref().map_or(0, Vec::len));
        self.events.bytes().len() + side.sum::<usize>()
    }
}

fn check_limits(bytes: usize, side: &[super::SideChange]) -> Result<(), Refusal> {
    let key_fits = |key: &[u8]| key.len() + key.iter().filter(|byte| **byte == 0).count() <= SIDE_KEY_BYTES_MAX;
    if bytes > APPEND_BYTES_MAX || side.len() > SIDE_CHANGES_MAX || !side.iter().all(|change| key_fits(&change.key)) {
        return Err(Refusal::TooLarge);
    }
    Ok(())
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}
