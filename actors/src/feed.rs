//! Who waits for a customer's next revocation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::id::CustomerId;
use crate::limits::{FEED_WAITERS_MAX, FEED_WAITERS_PER_TENANT_MAX};

/// Everybody who waits. A customer has an entry only while somebody waits for it.
#[derive(Debug, Default)]
pub(crate) struct FeedWaiters {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    by_customer: HashMap<CustomerId, (Arc<Notify>, usize)>,
    count: usize,
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
    /// A place among the waiting; `None` if there are as many as there may be, for this customer or in all, or if nobody waits any more.
    pub(crate) fn join(self: &Arc<Self>, customer: CustomerId) -> Option<Waiter> {
        let mut waiting = self.lock();
        let of_customer = waiting.by_customer.get(&customer).map_or(0, |(_, places)| *places);
        if waiting.closed || waiting.count >= FEED_WAITERS_MAX || of_customer >= FEED_WAITERS_PER_TENANT_MAX {
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

    /// Lets everybody go who waits, and nobody wait any more.
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn customer(n: u128) -> CustomerId {
        CustomerId::new(Uuid::from_u128(n))
    }

    #[test]
    fn a_customer_has_its_own_share_of_the_places() {
        let feed = Arc::new(FeedWaiters::default());
        let held: Vec<_> = (0..FEED_WAITERS_PER_TENANT_MAX)
            .map(|_| feed.join(customer(1)))
            .collect();
        assert!(held.iter().all(Option::is_some));
        assert!(feed.join(customer(1)).is_none());
        assert!(feed.join(customer(2)).is_some());
        drop(held);
        assert!(feed.join(customer(1)).is_some());
        assert!(feed.lock().by_customer.is_empty());
    }

    #[test]
    fn nobody_waits_once_it_is_closed() {
        let feed = Arc::new(FeedWaiters::default());
        feed.close();
        assert!(feed.join(customer(1)).is_none());
    }
}
