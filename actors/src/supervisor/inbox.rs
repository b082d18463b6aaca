//! How commands reach a shard: many at one wake-up.
//!
//! Waking a thread that sleeps costs more than a turn. Callers on one thread post one after the other, as when a group has become
//! durable and all of its callers go on. So whoever posts lets the others that are ready on its thread post too before it rings, and
//! rings only if nobody has. It never waits for another thread: what is slow there must not hold up what is posted here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::{Addr, Message};

use super::{Route, TenantSupervisor};
use crate::limits::POSTED_UNTIL_RUNG;

/// Commands on their way to one shard. Permits bound how many there are.
pub(crate) struct Inbox {
    supervisor: Addr<TenantSupervisor>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    posted: Vec<Route>,
    /// Whether the supervisor was told, and has not collected since.
    rung: bool,
}

/// Tells a supervisor that something was posted. If it never gets there, what was posted is dropped, and tells its callers so.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Ring(Option<Arc<Inbox>>);

impl Inbox {
    pub(crate) fn new(supervisor: Addr<TenantSupervisor>) -> Arc<Self> {
        Arc::new(Self {
            supervisor,
            waiting: Mutex::default(),
        })
    }

    /// Where this leads.
    pub(crate) const fn supervisor(&self) -> &Addr<TenantSupervisor> {
        &self.supervisor
    }

    /// Posts a command. A poster that is dropped before it has rung rings all the same.
    pub(crate) async fn post(self: &Arc<Self>, route: Route) {
        let is_many = {
            let mut waiting = self.waiting();
            waiting.posted.push(route);
            if waiting.rung {
                return;
            }
            waiting.posted.len() >= POSTED_UNTIL_RUNG
        };
        let bell = Bell(self);
        if !is_many {
            tokio::task::yield_now().await;
        }
        drop(bell);
    }

    fn ring(self: &Arc<Self>) {
        {
            let mut waiting = self.waiting();
            if waiting.rung || waiting.posted.is_empty() {
                return;
            }
            waiting.rung = true;
        }
        self.supervisor.do_send(Ring(Some(Arc::clone(self))));
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that is done under the lock leaves it half done.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rings when dropped.
struct Bell<'a>(&'a Arc<Inbox>);

impl Drop for Bell<'_> {
    fn drop(&mut self) {
        self.0.ring();
    }
}

impl Ring {
    /// What was posted until now.
    pub(super) fn collect(mut self) -> Vec<Route> {
        self.take()
    }

    fn take(&mut self) -> Vec<Route> {
        let inbox = self.0.take();
        inbox.map_or_else(Vec::new, |inbox| std::mem::take(&mut *inbox.waiting()).posted)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        drop(self.take());
    }
}
