//! The right to write for one tenant, and what comes back for a write.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::keys::Space;
use super::record::Events;
use crate::id::CustomerId;

/// Epochs never repeat in a process, so that a lease of an earlier journal is stale in every later one.
static NEXT_EPOCH: AtomicU64 = AtomicU64::new(1);

/// The right to append for one tenant. Every recovery makes a new one, and from then on older ones are refused.
#[derive(Clone)]
pub struct Lease {
    tenant: CustomerId,
    epoch: u64,
    state: Arc<LeaseState>,
}

/// What the journal thread tells the lease's owner without a message.
#[derive(Debug)]
pub(super) struct LeaseState {
    durable: AtomicU64,
    fenced: AtomicBool,
}

impl LeaseState {
    /// Comes before the completions, so that whoever sees one of them sees this too.
    pub(super) fn set_durable(&self, sequence: u64) {
        self.durable.store(sequence, Ordering::Release);
    }

    pub(super) fn fence(&self) {
        self.fenced.store(true, Ordering::Release);
    }
}

impl Lease {
    pub(super) fn new(tenant: CustomerId, last_sequence: u64) -> Self {
        let state = LeaseState {
            durable: AtomicU64::new(last_sequence),
            fenced: AtomicBool::new(false),
        };
        // Only the number has to be unique, so no ordering is needed.
        Self {
            tenant,
            epoch: NEXT_EPOCH.fetch_add(1, Ordering::Relaxed),
            state: Arc::new(state),
        }
    }

    /// Whose lease it is.
    pub const fn tenant(&self) -> CustomerId {
        self.tenant
    }

    /// The last sequence number that is durable; 0 before the first event. In a new lease that is the last of the recovered events.
    pub fn durable(&self) -> u64 {
        self.state.durable.load(Ordering::Acquire)
    }

    /// Whether appends of this lease are refused from now on: a later recovery or an erasure took its place, or one of its appends
    /// was refused.
    pub fn is_fenced(&self) -> bool {
        self.state.fenced.load(Ordering::Acquire)
    }

    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn state(&self) -> &Arc<LeaseState> {
        &self.state
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("tenant", &self.tenant)
            .field("epoch", &self.epoch)
            .field("durable", &self.durable())
            .finish_non_exhaustive()
    }
}

/// One change of a row beside the events, in the same batch as they.
#[derive(Clone, PartialEq, Eq)]
pub struct SideChange {
    /// Where the row is.
    pub space: Space,
    /// The row's key within the tenant and the space. Its zero bytes count twice against
    /// [`SIDE_KEY_BYTES_MAX`](crate::limits::SIDE_KEY_BYTES_MAX).
    pub key: Vec<u8>,
    /// The new value; `None` deletes.
    pub value: Option<Vec<u8>>,
}

impl fmt::Debug for SideChange {
    /// Without the value, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SideChange")
            .field("space", &self.space)
            .field("key", &self.key)
            .field("value_bytes", &self.value.as_ref().map(Vec::len))
            .finish()
    }
}

/// One entry for the journal: all of it becomes durable together, or none of it.
#[derive(Debug)]
pub struct Append {
    /// The right to write, from a recovery.
    pub lease: Lease,
    /// The sequence number of the first event: the tenant's last one plus one. An append without events names the next one.
    pub first_sequence: u64,
    /// The events. An append without events and without side changes is a fence: it is answered when everything before it is durable.
    pub events: Events,
    /// Rows to put or delete. Of two changes of one key the later counts.
    pub side: Vec<SideChange>,
    /// All events up to this one (of earlier appends or of this one) now stand in the side rows: recovery begins behind it, and their
    /// records are deleted in the background.
    pub fold_up_to: Option<u64>,
    /// Told exactly once what became of it.
    pub done: Completion,
}

/// Why nothing of an append was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A later recovery or an erasure took the tenant over, or an earlier append of this lease was refused.
    #[error("the lease is stale")]
    StaleLease,
    /// The first sequence is not the one after the tenant's last.
    #[error("sequence {given} does not follow: {expected} is next")]
    WrongSequence {
        /// The sequence that would have been right.
        expected: u64,
        /// The sequence of the append.
        given: u64,
    },
    /// The fold reaches beyond the tenant's last event, or behind an earlier fold.
    #[error("cannot fold up to sequence {up_to}: events {folded} to {last} are open")]
    WrongFold {
        /// The sequence up to which it asked to fold.
        up_to: u64,
        /// The sequence up to which everything is folded already.
        folded: u64,
        /// The tenant's last sequence.
        last: u64,
    },
    /// A limit is exceeded: bytes or changes of an append, or bytes of a side key.
    #[error("the append exceeds a limit of the journal")]
    TooLarge,
    /// The journal was shut down before.
    #[error("the journal is closed")]
    Closed,
}

/// What else than success an append can come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Nothing was written, and nothing that follows under this lease will be.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// The journal failed or stopped: it may have been written.
    #[error("the journal failed, the append may have been written")]
    Failed,
}

type Callback = Box<dyn FnOnce(Result<(), AppendError>) + Send>;

/// A callback that is called exactly once: with what became of an entry, or with [`AppendError::Failed`] when it is dropped before.
pub struct Completion(Option<Callback>);

impl Completion {
    /// Wraps a callback. It runs on the journal's thread, which all tenants wait for: it should only pass the news on.
    pub fn new(callback: impl FnOnce(Result<(), AppendError>) + Send + 'static) -> Self {
        Self(Some(Box::new(callback)))
    }

    /// Nobody is waiting.
    pub const fn ignore() -> Self {
        Self(None)
    }

    pub(super) fn complete(mut self, result: Result<(), AppendError>) {
        self.call(result);
    }

    fn call(&mut self, result: Result<(), AppendError>) {
        let Some(callback) = self.0.take() else { return };
        // One waiter's panic must not take the journal away from the others.
        if catch_unwind(AssertUnwindSafe(|| callback(result))).is_err() {
            tracing::error!("a journal completion panicked");
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        self.call(Err(AppendError::Failed));
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Completion(waiting)"
        } else {
            "Completion(none)"
        })
    }
}
