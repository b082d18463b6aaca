//! The journal's thread: takes what waits, checks it, writes it as one group, makes it durable, answers.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::admission::Head;
use super::chores::{Chores, Step};
use super::group::{After, Group};
use super::lease::{Append, AppendError, Completion, Lease};
use super::mark;
use super::recovery::{Cursor, RecoverJob, Task};
use super::shared::Shared;
use super::store::Store;
use crate::id::CustomerId;
use crate::limits::{CHORE_KEYS_IN_GROUP_MAX, CHORE_KEYS_MAX};

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

/// What to do when the journal has failed, with the reason.
pub(super) type OnFailure = Box<dyn FnOnce(String) + Send>;

/// The state of the journal's thread.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) store: Arc<dyn Store>,
    entries: Receiver<Entry>,
    pub(super) heads: HashMap<CustomerId, Head>,
    pub(super) group: Group,
    pub(super) chores: Chores,
    /// The number of the last group that the store holds.
    written: u64,
    /// Came when the group was full, so it opens the next one.
    held: Option<Entry>,
    on_failure: Option<OnFailure>,
    storage: StorageCheck,
    pub(super) stopping: bool,
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
        (chores, written): (Chores, u64),
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
            written,
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

    /// Writes the group and a step of the chores, makes them durable and answers.
    fn commit(&mut self) -> Result<(), String> {
        let store = Arc::clone(&self.store);
        let store = store.as_ref();
        self.group.write(store).map_err(|error| error.0)?;
        for (tenant, meta) in self.group.metas() {
            if let Some(head) = self.heads.get_mut(&tenant) {
                head.meta = meta;
            }
        }
        let budget = if self.group.is_empty() {
            CHORE_KEYS_MAX
        } else {
            CHORE_KEYS_IN_GROUP_MAX
        };
        let step = self
            .chores
            .step(store, &mut self.group.batch, budget)
            .map_err(|error| error.0)?;
        if let Step::Marked(tenant) | Step::Erased(tenant) = &step {
            // It may begin again, below what was noted of it.
            store.strike_end(*tenant).map_err(|error| error.0)?;
        }
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
        self.written += 1;
        mark::put(&mut self.group.batch, self.written);
        store.apply(&self.group.batch).map_err(|error| error.0)?;
        let applied = Instant::now();
        store.sync().map_err(|error| error.0)?;
        let (commit, sync) = (micros(begun.elapsed()), micros(applied.elapsed()));
        store.note(self.written, &mut self.group.ends());
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
        counters.group_events.record(self.group.events);
        counters.commit_micros.record(commit);
        counters.sync_micros.record(sync);
        Ok(())
    }

    fn follow_up(&mut self, after: After) {
        match after {
            // A task that cannot be sent is dropped, and tells its owner.
            After::Stream(job, mut fenced) => {
                // As the group has left it.
                fenced.meta = self.heads.get(&job.tenant).map_or(fenced.meta, |head| head.meta);
                drop(self.shared.tasks.send(Task::Stream(job, fenced, Cursor::default())));
            }
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
        if let Some(stored) = self.store.stored_bytes() {
            self.shared.stored_bytes.store(stored, Ordering::Relaxed);
        }
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
