//! Where a value lives: one ordered keyspace, cut by a space byte and the customer's sixteen bytes.
//!
//! | key | value |
//! |---|---|
//! | `format` | version of this layout |
//! | `group` | number of the last group |
//! | `m` tenant | meta: the folded-up-to sequence, and what the rows add up to; exists from a tenant's first write |
//! | `x` tenant | an unfinished erasure |
//! | `e` tenant | the fact that a finished erasure left behind |
//! | `j` tenant last-sequence(u64) chunk(u16) | events of one group |
//! | `s` `k` `a` tenant caller's-key chunk(u16) | side rows: state, vault, audit |
//!
//! A caller's key is escaped (`00` becomes `00 ff`) and closed with `00 01`. That keeps the order of the caller's keys, and no
//! closed key is a prefix of another, so the chunks of one row are always neighbours.

use crate::id::CustomerId;

/// Key of the row that names the version of the layout.
pub(super) const FORMAT: &[u8] = b"format";
/// Key of the row that numbers the last group.
pub(super) const GROUP: &[u8] = b"group";
/// Space of meta rows.
pub(super) const META: u8 = b'm';
/// Space of the facts that finished erasures leave behind.
pub(super) const ERASED: u8 = b'e';
/// Space of unfinished erasures: apart from the finished ones, so that opening looks at a handful of keys.
pub(super) const ERASING: u8 = b'x';
/// Space of event records.
pub(super) const RECORDS: u8 = b'j';

/// Bytes of the space byte and the customer's id.
pub(super) const PREFIX_BYTES: usize = 17;
/// Bytes of the chunk number that closes every chunked key.
pub(super) const CHUNK_BYTES: usize = 2;

/// The rows that callers write beside their events, in the same batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// Folded state: given to a [`Recovery`](super::Recovery) before the events.
    Row,
    /// Sealed secrets, apart from the events so that they can be erased.
    Vault,
    /// Audit entries: not part of a recovery, read by [`Journal::scan`](super::Journal::scan).
    Audit,
}

impl Space {
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Row => b's',
            Self::Vault => b'k',
            Self::Audit => b'a',
        }
    }

    /// The letter that stands for it where it is told outside a store.
    pub const fn tag(self) -> u8 {
        self.byte()
    }

    /// The space of this letter.
    pub const fn of_tag(tag: u8) -> Option<Self> {
        match tag {
            b's' => Some(Self::Row),
            b'k' => Some(Self::Vault),
            b'a' => Some(Self::Audit),
            _ => None,
        }
    }

    /// The name used in errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Vault => "vault entry",
            Self::Audit => "audit entry",
        }
    }
}

/// Space byte and customer: the key of a meta row or marker, and the beginning of all others.
pub(super) fn prefix(space: u8, tenant: CustomerId) -> [u8; PREFIX_BYTES] {
    let mut key = [space; PREFIX_BYTES];
    for (to, from) in key.iter_mut().skip(1).zip(tenant.as_bytes()) {
        *to = *from;
    }
    key
}

/// The first key behind everything of this tenant in this space.
pub(super) fn prefix_end(space: u8, tenant: CustomerId) -> Vec<u8> {
    let mut key = prefix(space, tenant).to_vec();
    // Count up like a number; a tenant of all ones carries into the space byte, which is never 255.
    for byte in key.iter_mut().rev() {
        let (next, carried) = byte.overflowing_add(1);
        *byte = next;
        if !carried {
            break;
        }
    }
    key
}

/// The customer in a key that begins with a prefix.
pub(super) fn tenant_of(key: &[u8]) -> Option<CustomerId> {
    let bytes: [u8; 16] = key.get(1..PREFIX_BYTES)?.try_into().ok()?;
    Some(CustomerId::from_bytes(bytes))
}

/// A record's key without its chunk number.
pub(super) fn record(tenant: CustomerId, last_sequence: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(PREFIX_BYTES + 8 + CHUNK_BYTES);
    key.extend_from_slice(&prefix(RECORDS, tenant));
    key.extend_from_slice(&last_sequence.to_be_bytes());
    key
}

/// The last sequence in a record's key that has lost its chunk number.
pub(super) fn record_last(row_key: &[u8]) -> Option<u64> {
    let bytes: [u8; 8] = row_key.get(PREFIX_BYTES..)?.try_into().ok()?;
    Some(u64::from_be_bytes(bytes))
}

/// A side row's key without its chunk number.
pub(super) fn side(space: Space, tenant: CustomerId, caller_key: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(PREFIX_BYTES + caller_key.len() + 2 + CHUNK_BYTES);
    key.extend_from_slice(&prefix(space.byte(), tenant));
    for &byte in caller_key {
        key.push(byte);
        if byte == 0 {
            key.push(0xff);
        }
    }
    key.extend_from_slice(&[0, 1]);
    key
}

/// The caller's key in a side row's key that has lost its chunk number.
pub(super) fn side_caller_key(row_key: &[u8]) -> Option<Vec<u8>> {
    let escaped = row_key.get(PREFIX_BYTES..)?.strip_suffix(&[0, 1])?;
    let mut caller_key = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.iter();
    while let Some(&byte) = bytes.next() {
        if byte == 0 && bytes.next() != Some(&0xff) {
            return None;
        }
        caller_key.push(byte);
    }
    Some(caller_key)
}

/// The first key behind all chunks of a row: chunk numbers are two bytes.
pub(super) fn behind_row(row_key: &[u8]) -> Vec<u8> {
    [row_key, &[0xff; CHUNK_BYTES + 1]].concat()
}

/// Cuts the chunk number off a stored key.
pub(super) fn split_chunk(key: &[u8]) -> Option<(&[u8], u16)> {
    let (row_key, chunk) = key.split_last_chunk::<CHUNK_BYTES>()?;
    Some((row_key, u16::from_be_bytes(*chunk)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tenant() -> CustomerId {
        CustomerId::from_bytes([7; 16])
    }

    #[test]
    fn the_end_of_a_prefix_carries_over_full_bytes() {
        let all_ones = CustomerId::from_bytes([0xff; 16]);
        assert!(prefix_end(b'j', all_ones).as_slice() > prefix(b'j', all_ones).as_slice());
        assert_eq!(prefix_end(b'j', all_ones).first(), Some(&b'k'));
        assert_eq!(tenant_of(&record(tenant(), 9)), Some(tenant()));
    }

    proptest! {
        #[test]
        fn escaping_keeps_keys_their_order_and_their_chunks_together(
            a in proptest::collection::vec(0_u8..3, 0..6),
            b in proptest::collection::vec(0_u8..3, 0..6),
        ) {
            let (stored_a, stored_b) = (side(Space::Audit, tenant(), &a), side(Space::Audit, tenant(), &b));
            prop_assert_eq!(side_caller_key(&stored_a), Some(a.clone()));
            prop_assert_eq!(a.cmp(&b), stored_a.cmp(&stored_b));
            prop_assert!(a == b || !stored_a.starts_with(&stored_b));
        }
    }
}
