//! Which shard a customer lives on: a stable hash of its identifier.

use crate::id::CustomerId;

/// The shard of a customer, of `shards` in all (at least one).
pub(crate) fn shard_of(customer: CustomerId, shards: usize) -> usize {
    // FNV-1a: stable across builds, and even on identifiers that differ only in a few bytes.
    let hash = customer
        .as_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    // The remainder is less than `shards`, which is a `usize`.
    usize::try_from((hash >> 32) % (shards.max(1) as u64)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn customers_spread_over_the_shards() {
        let mut counts = [0_usize; 4];
        for n in 0..4_000_u128 {
            counts[shard_of(CustomerId::new(Uuid::from_u128(n)), 4)] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    }
}
