//! How a value is stored: cut in chunks, each with a version and a checksum over its own key and over the chunks before it.
//!
//! ```text
//! chunk 0:  version u8 | crc32 u32 | length of the whole value u32 | bytes
//! chunk n:  version u8 | crc32 u32 | bytes
//! record:   first sequence u64 | count u32 | (length u32 | event)*
//! ```
//!
//! The checksum begins where the checksum of the chunk before ended, so that chunks of two writes never pass for one value.
//! The store's own checksums do not replace it: sled drops a torn tail silently, and a value under the wrong key passes its checks.

use super::store::WriteBatch;
use crate::limits::CHUNK_BYTES_MAX;

/// The version that this code writes and the only one that it reads.
pub(super) const VERSION: u8 = 1;

const CHECKSUM_BYTES: usize = 4;
const LENGTH_BYTES: usize = 4;
/// Bytes of an event, most of the time: room for them saves growing.
const EVENT_BYTES_USUAL: usize = 508;
/// Payload of a continuation chunk.
const CONTINUATION_MAX: usize = CHUNK_BYTES_MAX - 1 - CHECKSUM_BYTES;
/// Payload of the first chunk, which also holds the length.
const FIRST_MAX: usize = CONTINUATION_MAX - LENGTH_BYTES;

/// What is wrong with a stored value; the caller adds whose it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    #[error("the value is too short")]
    TooShort,
    #[error("the value has version {0}, this program reads version {VERSION}")]
    Version(u8),
    #[error("the checksum is wrong")]
    Checksum,
    #[error("chunk {0} is missing or out of place")]
    Chunk(u16),
    #[error("the value is longer than it says")]
    TooLong,
    #[error("the events do not fill their record")]
    Events,
    #[error("the key is malformed")]
    Key,
}

fn checksum(seed: u32, key: &[u8], payload: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(&[VERSION]);
    hasher.update(key);
    for part in payload {
        hasher.update(part);
    }
    hasher.finalize()
}

/// Puts a value that fits one chunk under exactly this key.
pub(super) fn put_sealed(batch: &mut WriteBatch, key: &[u8], payload: &[u8]) {
    let sum = checksum(0, key, &[payload]).to_be_bytes();
    batch.put(key, &[&[VERSION], &sum, payload]);
}

/// Checks a value written by [`put_sealed`].
pub(super) fn open_sealed<'v>(key: &[u8], value: &'v [u8]) -> Result<&'v [u8], Damage> {
    open_chunk(0, key, value).map(|(payload, _)| payload)
}

/// The payload of one chunk and the checksum from which the next one goes on.
fn open_chunk<'v>(seed: u32, key: &[u8], value: &'v [u8]) -> Result<(&'v [u8], u32), Damage> {
    let (&version, rest) = value.split_first().ok_or(Damage::TooShort)?;
    if version != VERSION {
        return Err(Damage::Version(version));
    }
    let (stored, payload) = rest.split_first_chunk::<CHECKSUM_BYTES>().ok_or(Damage::TooShort)?;
    let sum = checksum(seed, key, &[payload]);
    if sum != u32::from_be_bytes(*stored) {
        return Err(Damage::Checksum);
    }
    Ok((payload, sum))
}

/// How many chunks a value of this length takes.
pub(super) fn chunks_of(length: usize) -> usize {
    1 + length.saturating_sub(FIRST_MAX).div_ceil(CONTINUATION_MAX)
}

/// Puts a value under `row_key`, in as many chunks as it takes. `key` is scratch space.
///
/// The append limits keep every value far below the 65,536 chunks that the key can number. Gives the checksum of the last one.
pub(super) fn put_chunks(batch: &mut WriteBatch, key: &mut Vec<u8>, row_key: &[u8], value: &[u8]) -> u32 {
    let (first, mut rest) = value.split_at(value.len().min(FIRST_MAX));
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes();
    chunk_key(key, row_key, 0);
    let mut sum = checksum(0, key, &[&length, first]);
    batch.put(key, &[&[VERSION], &sum.to_be_bytes(), &length, first]);
    let mut chunk = 0_u16;
    while !rest.is_empty() {
        let (payload, after) = rest.split_at(rest.len().min(CONTINUATION_MAX));
        rest = after;
        chunk = chunk.saturating_add(1);
        chunk_key(key, row_key, chunk);
        sum = checksum(sum, key, &[payload]);
        batch.put(key, &[&[VERSION], &sum.to_be_bytes(), payload]);
    }
    sum
}

/// The checksum in a stored chunk, which is not checked here. That of a row's last chunk tells it from all that the row was before.
pub(super) fn stored_checksum(stored: &[u8]) -> u32 {
    let checksum = stored.get(1..).and_then(<[u8]>::first_chunk::<CHECKSUM_BYTES>);
    checksum.copied().map_or(0, u32::from_be_bytes)
}

/// Writes the key of one chunk into `key`.
pub(super) fn chunk_key(key: &mut Vec<u8>, row_key: &[u8], chunk: u16) {
    key.clear();
    key.extend_from_slice(row_key);
    key.extend_from_slice(&chunk.to_be_bytes());
}

/// A row that was put together from its chunks.
#[derive(Clone, Copy)]
pub(super) struct WholeRow<'a> {
    /// Without a chunk number.
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    /// Of the last chunk.
    pub(super) checksum: u32,
}

/// Puts chunks together again, in the order of their keys.
#[derive(Default)]
pub(super) struct Assembler {
    row_key: Vec<u8>,
    value: Vec<u8>,
    /// Bytes that the value says it has; `None` between two values.
    length: Option<usize>,
    next_chunk: u16,
    sum: u32,
}

impl Assembler {
    /// Takes the next stored chunk; gives the row's key and value when they are whole.
    pub(super) fn push(&mut self, key: &[u8], stored: &[u8]) -> Result<Option<WholeRow<'_>>, Damage> {
        let (row_key, chunk) = super::keys::split_chunk(key).ok_or(Damage::Key)?;
        let length = match self.length {
            None => {
                if chunk != 0 {
                    return Err(Damage::Chunk(0));
                }
                let (payload, sum) = open_chunk(0, key, stored)?;
                let (length, payload) = payload.split_first_chunk::<LENGTH_BYTES>().ok_or(Damage::TooShort)?;
                self.row_key.clear();
                self.row_key.extend_from_slice(row_key);
                self.value.clear();
                self.value.extend_from_slice(payload);
                self.sum = sum;
                usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX)
            }
            Some(length) => {
                if row_key != self.row_key || chunk != self.next_chunk {
                    return Err(Damage::Chunk(self.next_chunk));
                }
                let (payload, sum) = open_chunk(self.sum, key, stored)?;
                if payload.is_empty() {
                    return Err(Damage::TooShort);
                }
                self.value.extend_from_slice(payload);
                self.sum = sum;
                length
            }
        };
        self.next_chunk = chunk.wrapping_add(1);
        match self.value.len().cmp(&length) {
            std::cmp::Ordering::Less => {
                self.length = Some(length);
                Ok(None)
            }
            std::cmp::Ordering::Equal => {
                self.length = None;
                Ok(Some(WholeRow {
                    key: &self.row_key,
                    value: &self.value,
                    checksum: self.sum,
                }))
            }
            std::cmp::Ordering::Greater => Err(Damage::TooLong),
        }
    }

    /// Demands that no value was left half read.
    pub(super) fn finish(&self) -> Result<(), Damage> {
        match self.length {
            None => Ok(()),
            Some(_) => Err(Damage::Chunk(self.next_chunk)),
        }
    }

    /// The key of the row at which the last push stood.
    pub(super) fn row_key(&self) -> &[u8] {
        &self.row_key
    }
}

/// The events of one append, in order, each behind its length: as they will be stored, so that the journal only copies bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    bytes: Vec<u8>,
    count: u32,
}

impl Events {
    /// No events: an append of these is a fence.
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            count: 0,
        }
    }

    /// One event.
    pub fn one(event: &[u8]) -> Self {
        let mut events = Self {
            bytes: Vec::with_capacity(LENGTH_BYTES + event.len()),
            count: 0,
        };
        events.push(event);
        events
    }

    /// Adds an event.
    pub fn push(&mut self, event: &[u8]) {
        self.push_with(|bytes| bytes.extend_from_slice(event));
    }

    /// Adds the event that `write` appends to the bytes it is given, for encoders that write to a vector. What stands in the
    /// vector before is not theirs: an encoder that removes bytes makes the record unreadable.
    pub fn push_with<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let start = self.bytes.len();
        self.bytes.reserve(LENGTH_BYTES + EVENT_BYTES_USUAL);
        self.bytes.extend_from_slice(&[0; LENGTH_BYTES]);
        let result = write(&mut self.bytes);
        let length = self.bytes.len().saturating_sub(start + LENGTH_BYTES);
        if let Some(place) = self.bytes.get_mut(start..start + LENGTH_BYTES) {
            place.copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
        self.count += 1;
        result
    }

    /// How many events there are.
    pub const fn len(&self) -> u32 {
        self.count
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bytes before the events of a record.
pub(super) const RECORD_HEADER_BYTES: usize = 12;

/// The head of a record, to be followed by the bytes of its events.
pub(super) fn record_header(first_sequence: u64, count: u32) -> [u8; RECORD_HEADER_BYTES] {
    let mut header = [0; RECORD_HEADER_BYTES];
    let fields = first_sequence.to_be_bytes().into_iter().chain(count.to_be_bytes());
    for (to, from) in header.iter_mut().zip(fields) {
        *to = from;
    }
    header
}

/// One record, read back.
#[derive(Debug)]
pub(super) struct Record<'v> {
    pub(super) first_sequence: u64,
    pub(super) last_sequence: u64,
    events: &'v [u8],
}

impl<'v> Record<'v> {
    /// Reads a whole value; that it holds exactly `count` events is checked here, before one of them is given out.
    pub(super) fn parse(value: &'v [u8]) -> Result<Self, Damage> {
        let (first, rest) = value.split_first_chunk::<8>().ok_or(Damage::TooShort)?;
        let (count, events) = rest.split_first_chunk::<4>().ok_or(Damage::TooShort)?;
        let (first_sequence, count) = (u64::from_be_bytes(*first), u32::from_be_bytes(*count));
        let mut rest = events;
        for _ in 0..count {
            rest = split_event(rest).ok_or(Damage::Events)?.1;
        }
        if !rest.is_empty() || count == 0 {
            return Err(Damage::Events);
        }
        let last_sequence = first_sequence.checked_add(u64::from(count) - 1).ok_or(Damage::Events)?;
        Ok(Self {
            first_sequence,
            last_sequence,
            events,
        })
    }

    /// Whether it is the record behind the event `last`. Only the first one behind the fold may reach below: it straddles it.
    pub(super) fn check_follows(&self, last: u64, folded: u64) -> Result<(), String> {
        let straddles = last == folded && self.first_sequence <= last && self.first_sequence > 0;
        if self.first_sequence == last.saturating_add(1) || straddles {
            return Ok(());
        }
        let (begins, next) = (self.first_sequence, last.saturating_add(1));
        Err(format!("it begins at {begins}, but {next} is next"))
    }

    /// The events with their sequence numbers.
    pub(super) fn events(&self) -> impl Iterator<Item = (u64, &'v [u8])> {
        let mut rest = self.events;
        let events = std::iter::from_fn(move || {
            let (event, after) = split_event(rest)?;
            rest = after;
            Some(event)
        });
        (self.first_sequence..=self.last_sequence).zip(events)
    }
}

/// Visits the events of a whole record above the folded sequence, the last event before it being `last`. Returns its last sequence.
///
/// # Errors
/// What is wrong with the record, or what the visitor returned.
pub fn read_record(
    value: &[u8],
    last: u64,
    folded: u64,
    mut visit: impl FnMut(u64, &[u8]) -> Result<(), String>,
) -> Result<u64, String> {
    let record = Record::parse(value).map_err(|damage| damage.to_string())?;
    record.check_follows(last, folded)?;
    for (sequence, event) in record.events().filter(|(sequence, _)| *sequence > folded) {
        visit(sequence, event)?;
    }
    Ok(record.last_sequence)
}

fn split_event(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests;
