//! What is in flight, per tenant and in all. Actor mailboxes do not bound, so a command enters only with a permit, and a flood in
//! one tenant is refused before it reaches a shard.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Overload;
use crate::id::CustomerId;
use crate::limits::{PLACES_PER_STRANGER, RECOVERIES_MAX};

/// Tables that the counts are spread over, so that tenants seldom meet in one lock.
const TABLES: usize = 64;

/// The counts. A tenant has one only while it has something in flight.
#[derive(Debug)]
pub(crate) struct Permits {
    tables: Vec<Mutex<HashMap<CustomerId, usize>>>,
    in_flight: AtomicUsize,
    refused_of_tenant: AtomicUsize,
    refused_of_process: AtomicUsize,
    per_tenant_max: usize,
    in_all_max: usize,
}

/// The right to be in flight; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    permits: Arc<Permits>,
    customer: CustomerId,
}

impl Permits {
    pub(crate) fn new(per_tenant_max: usize, in_all_max: usize) -> Self {
        let tables = (0..TABLES).map(|_| Mutex::default()).collect();
        Self {
            tables,
            in_flight: AtomicUsize::new(0),
            refused_of_tenant: AtomicUsize::new(0),
            refused_of_process: AtomicUsize::new(0),
            per_tenant_max,
            in_all_max,
        }
    }

    /// The permits of callers of whom nothing is known. All together they take at most half of the places for recoveries, so a flood
    /// of identifiers of no customer leaves the other half to customers that have to be brought into memory.
    pub(crate) fn for_strangers(per_tenant_max: usize, in_all_max: usize) -> Self {
        let in_all_max = (in_all_max / PLACES_PER_STRANGER).min(RECOVERIES_MAX / 2);
        Self::new((per_tenant_max / PLACES_PER_STRANGER).max(1), in_all_max.max(1))
    }

    /// # Errors
    /// [`Overload::Tenant`] or [`Overload::Process`] when that many are in flight.
    pub(crate) fn acquire(self: &Arc<Self>, customer: CustomerId) -> Result<Permit, Overload> {
        if self.in_flight.fetch_add(1, Ordering::AcqRel) >= self.in_all_max {
            self.in_flight.fetch_sub(1, Ordering::AcqRel);
            self.refused_of_process.fetch_add(1, Ordering::Relaxed);
            return Err(Overload::Process);
        }
        let admitted = self.with_count(customer, |count| {
            let admitted = *count < self.per_tenant_max;
            *count += usize::from(admitted);
            admitted
        });
        if !admitted {
            self.in_flight.fetch_sub(1, Ordering::AcqRel);
            self.refused_of_tenant.fetch_add(1, Ordering::Relaxed);
            return Err(Overload::Tenant);
        }
        Ok(Permit {
            permits: Arc::clone(self),
            customer,
        })
    }

    /// Commands in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Commands refused since the start because their tenant had no room.
    pub(crate) fn refused_of_tenant(&self) -> usize {
        self.refused_of_tenant.load(Ordering::Relaxed)
    }

    /// Commands refused since the start because the process had no room.
    pub(crate) fn refused_of_process(&self) -> usize {
        self.refused_of_process.load(Ordering::Relaxed)
    }

    fn with_count(&self, customer: CustomerId, change: impl FnOnce(&mut usize) -> bool) -> bool {
        // The last byte of an identifier is random in every version of UUID in use.
        let table = usize::from(customer.as_bytes()[15]) % TABLES;
        let Some(table) = self.tables.get(table) else {
            return false;
        };
        let mut counts = table.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(customer).or_default();
        let changed = change(count);
        if *count == 0 {
            counts.remove(&customer);
        }
        changed
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.permits.with_count(self.customer, |count| {
            *count = count.saturating_sub(1);
            true
        });
        self.permits.in_flight.fetch_sub(1, Ordering::AcqRel);
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
    fn a_tenant_is_refused_at_its_own_limit_and_its_neighbour_is_not() {
        let permits = Arc::new(Permits::new(2, 100));
        let held = [permits.acquire(customer(1)), permits.acquire(customer(1))];
        assert_eq!(permits.acquire(customer(1)).err(), Some(Overload::Tenant));
        assert!(permits.acquire(customer(2)).is_ok());
        drop(held);
        assert!(permits.acquire(customer(1)).is_ok());
        assert_eq!(permits.in_flight(), 0);
        assert_eq!((permits.refused_of_tenant(), permits.refused_of_process()), (1, 0));
    }

    #[test]
    fn the_process_is_refused_at_its_limit_whoever_asks() {
        let permits = Arc::new(Permits::new(10, 3));
        let held: Vec<_> = (0..3).map(|n| permits.acquire(customer(n))).collect();
        assert_eq!(permits.acquire(customer(9)).err(), Some(Overload::Process));
        assert_eq!((permits.refused_of_tenant(), permits.refused_of_process()), (0, 1));
        drop(held);
        assert!(permits.acquire(customer(9)).is_ok());
    }

    #[test]
    fn strangers_leave_half_of_the_recoveries_to_customers_and_always_get_a_place() {
        for in_all_max in [1, 8_192, usize::MAX] {
            let strangers = Arc::new(Permits::for_strangers(1, in_all_max));
            let held: Vec<_> = (0..10_000).map_while(|n| strangers.acquire(customer(n)).ok()).collect();
            assert!((1..=RECOVERIES_MAX / 2).contains(&held.len()), "{}", held.len());
        }
    }

    #[test]
    fn a_tenant_with_nothing_in_flight_takes_no_memory() {
        let permits = Arc::new(Permits::new(1, 1_000));
        for n in 0..500 {
            drop(permits.acquire(customer(n)));
        }
        assert!(
            permits
                .tables
                .iter()
                .all(|table| table.lock().expect("a lock").is_empty())
        );
    }
}
