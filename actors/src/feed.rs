//! Who waits for a customer's next revocation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::id::CustomerId;
use crate::limits::FEED_WAITERS_MAX;

/// Everybody who waits. A customer has an entry only while somebody waits for it.
#[derive(Debug, Default)]
pub(crate) struct FeedWaiters {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    by_customer: HashMap<CustomerId, (Arc<Notify>, usize)>,
    count: usize,
    /// Nobody may wait any more.
    closed: bool,
}

/// A place among the waiting; given back when dropped.
#[derive(Debug)]
pub(crate) struct Waiter {
    feed: Arc<FeedWaiters>,
    customer: CustomerId,
    pub(crate) notify: Arc<Notify>,
}

impl FeedWaiters {
    /// A place among the waiting; `None` if there are as many as there may be, or nobody may wait any more.
    pub(crate) fn join(self: &Arc<Self>, customer: CustomerId) -> Option<Waiter> {
        let mut waiting = self.lock();
        if waiting.closed || waiting.count >= FEED_WAITERS_MAX {
            return None;
        }
        waiting.count += 1;
        let (notify, places) = waiting.by_customer.entry(customer).or_default();
        *places += 1;
        Some(Waiter {
            feed: Arc::clone(self),
            customer,
            notify: Arc::clone(notify),
        })
    }

    /// Tells those who wait for this customer that there is something new.
    pub(crate) fn wake(&self, customer: CustomerId) {
        if let Some((notify, _)) = self.lock().by_customer.get(&customer) {
            notify.notify_waiters();
        }
    }

    /// Tells all who wait that they have waited long enough, and lets nobody wait again.
    pub(crate) fn close(&self) {
        let mut waiting = self.lock();
        waiting.closed = true;
        for (notify, _) in waiting.by_customer.values() {
            notify.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut waiting = self.feed.lock();
        waiting.count = waiting.count.saturating_sub(1);
        if let Some((_, places)) = waiting.by_customer.get_mut(&self.customer) {
            *places -= 1;
            if *places == 0 {
                waiting.by_customer.remove(&self.customer);
            }
        }
    }
}
