//! Where a customer stands among the others: a stable hash of its identifier.

use crate::id::CustomerId;

/// The shard of a customer, of `shards` in all (at least one).
pub fn shard_of(customer: CustomerId, shards: usize) -> usize {
    // The remainder is less than `shards`, which is a `usize`.
    usize::try_from(hash(customer) % (shards.max(1) as u64)).unwrap_or_default()
}

/// Where in a `period` a customer does what all do once in it, so that customers under the same load do not do it together.
pub(crate) fn phase_of(customer: CustomerId, period: usize) -> usize {
    // Other bits than those that choose the shard.
    usize::try_from((hash(customer) >> 32) % (period.max(1) as u64)).unwrap_or_default()
}

/// The finaliser of SplitMix64: stable across builds, and every bit of the identifier moves every bit of the hash.
fn hash(customer: CustomerId) -> u64 {
    let bits = u128::from_be_bytes(*customer.as_bytes());
    let folded = (bits >> 64) as u64 ^ bits as u64;
    let mixed = (folded ^ (folded >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
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

    #[test]
    fn customers_of_one_shard_spread_over_a_period() {
        let mut counts = [0_usize; 8];
        let customers = (0..8_000_u128).map(|n| CustomerId::new(Uuid::from_u128(n)));
        for customer in customers.filter(|customer| shard_of(*customer, 4) == 0) {
            counts[phase_of(customer, 8)] += 1;
        }
        assert!(counts.iter().all(|count| (180..320).contains(count)), "{counts:?}");
    }
}
