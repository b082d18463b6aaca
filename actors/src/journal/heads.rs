//! The last sequence of every tenant, told again beside the store: what tells of a tenant whose end is lost while others go on behind it.
//!
//! Of what was written since it was opened, sled drops what it cannot read and the rest of that segment, and reads on. If a tenant
//! wrote last in there, nothing in the store knows.
//!
//! A line is added for each tenant of a group when the group is durable, without a sync: as with the mark, what stands here survives the
//! death of the process, and after a power cut is at worst too low. Too high it must never be: a tenant that was erased begins again, so
//! it is struck out durably before its erasure is. The lines are read when the store was not closed properly; until it is closed
//! again, each of them is held against the store when its tenant is read.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::files::{io_error, open_or_make, sync_path};
use super::shared::lock;
use super::sled_store::OpenError;
use super::store::StoreError;
use crate::id::CustomerId;
use crate::limits::HEADS_BYTES;

/// The file's name.
pub(super) const HEADS: &str = "heads";
const TENANT_BYTES: usize = 16;
const CONTENT_BYTES: usize = TENANT_BYTES + 8;
const LINE_BYTES: usize = CONTENT_BYTES + 4;

/// The open file, and what stood in it.
#[derive(Debug)]
pub(super) struct Heads {
    directory: PathBuf,
    path: PathBuf,
    lines: Mutex<Lines>,
    /// What the store has to hold; empty if it was closed properly.
    due: Mutex<HashMap<CustomerId, u64>>,
}

#[derive(Debug)]
struct Lines {
    file: File,
    /// Where the next line goes.
    end: u64,
    /// The length at which superseded lines are dropped.
    full: u64,
    buffer: Vec<u8>,
}

impl Heads {
    /// Opens the file of a store, or makes it; reads it only if the store `was_closed` otherwise than properly.
    pub(super) fn open(directory: &Path, was_closed: bool) -> Result<Self, OpenError> {
        let path = directory.join(HEADS);
        let file = open_or_make(&path).map_err(io_error(&path))?;
        let due = if was_closed {
            HashMap::new()
        } else {
            read(&path).map_err(io_error(&path))?
        };
        let length = file.metadata().map_err(io_error(&path))?.len();
        let lines = Lines {
            file,
            end: length.next_multiple_of(LINE_BYTES as u64),
            full: HEADS_BYTES,
            buffer: Vec::new(),
        };
        Ok(Self {
            directory: directory.to_owned(),
            path,
            lines: Mutex::new(lines),
            due: Mutex::new(due),
        })
    }

    /// Adds lines. If that fails, what stands here stays too low, and is still right.
    pub(super) fn note(&self, heads: &mut dyn Iterator<Item = (CustomerId, u64)>) {
        let mut lines = lock(&self.lines);
        let noted = lines.add(heads);
        if noted.is_ok() && lines.end >= lines.full {
            let _ = self.shorten(&mut lines);
        }
    }

    /// Durably forgets a tenant.
    pub(super) fn strike(&self, tenant: CustomerId) -> Result<(), StoreError> {
        let mut lines = lock(&self.lines);
        let synced = lines
            .add(&mut std::iter::once((tenant, 0)))
            .and_then(|()| lines.file.sync_data());
        // The file may have been replaced, and a power cut must not bring the one before back.
        let synced = synced
            .map_err(io_error(&self.path))
            .and_then(|()| sync_path(&self.directory));
        synced.map_err(|error| StoreError(error.to_string()))?;
        lock(&self.due).remove(&tenant);
        Ok(())
    }

    /// The sequence that the store has to hold of a tenant, if that is known.
    pub(super) fn due(&self, tenant: CustomerId) -> Option<u64> {
        lock(&self.due).get(&tenant).copied()
    }

    /// All that the store has to hold.
    pub(super) fn all_due(&self) -> Vec<(CustomerId, u64)> {
        lock(&self.due).iter().map(|(tenant, last)| (*tenant, *last)).collect()
    }

    /// Replaces the file by one without superseded lines.
    fn shorten(&self, lines: &mut Lines) -> io::Result<()> {
        let heads = read(&self.path)?;
        let path = self.path.with_extension("new");
        let _ = fs::remove_file(&path);
        let mut shorter = Lines {
            file: open_or_make(&path)?,
            end: 0,
            full: 0,
            buffer: std::mem::take(&mut lines.buffer),
        };
        shorter.add(&mut heads.into_iter())?;
        shorter.full = HEADS_BYTES.max(shorter.end.saturating_mul(4));
        fs::rename(&path, &self.path)?;
        *lines = shorter;
        Ok(())
    }
}

impl Lines {
    fn add(&mut self, heads: &mut dyn Iterator<Item = (CustomerId, u64)>) -> io::Result<()> {
        self.buffer.clear();
        for (tenant, last) in heads {
            let start = self.buffer.len();
            self.buffer.extend_from_slice(tenant.as_bytes());
            self.buffer.extend_from_slice(&last.to_be_bytes());
            let sum = crc32fast::hash(self.buffer.get(start..).unwrap_or_default());
            self.buffer.extend_from_slice(&sum.to_be_bytes());
        }
        if let Err(error) = self.file.write_all_at(&self.buffer, self.end) {
            // Whole lines of it can be there: one must not outlive a later line that strikes it out.
            let _ = self.file.set_len(self.end);
            return Err(error);
        }
        self.end += self.buffer.len() as u64;
        self.buffer.shrink_to(LINE_BYTES * crate::limits::GROUP_EVENTS_MAX);
        Ok(())
    }
}

/// The last line of each tenant, without those that were struck out. A line that does not stand its checksum was torn.
fn read(path: &Path) -> io::Result<HashMap<CustomerId, u64>> {
    let mut heads = HashMap::new();
    for line in fs::read(path)?.chunks_exact(LINE_BYTES) {
        let Some((content, sum)) = line.split_first_chunk::<CONTENT_BYTES>() else {
            continue;
        };
        if crc32fast::hash(content).to_be_bytes() != *sum {
            continue;
        }
        let Some((tenant, last)) = content.split_first_chunk::<TENANT_BYTES>() else {
            continue;
        };
        let tenant = CustomerId::from_bytes(*tenant);
        match last.try_into().map(u64::from_be_bytes) {
            Ok(0) => heads.remove(&tenant),
            Ok(last) => heads.insert(tenant, last),
            Err(_) => None,
        };
    }
    Ok(heads)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(number: u8) -> CustomerId {
        CustomerId::from_bytes([number; 16])
    }

    fn note(heads: &Heads, tenant: CustomerId, last: u64) {
        heads.note(&mut std::iter::once((tenant, last)));
    }

    fn due(directory: &Path) -> Vec<(CustomerId, u64)> {
        let mut due = Heads::open(directory, false).expect("a file").all_due();
        due.sort_unstable();
        due
    }

    #[test]
    fn the_last_line_of_each_tenant_counts_unless_it_was_struck_out() {
        let directory = tempfile::tempdir().expect("a directory");
        let heads = Heads::open(directory.path(), true).expect("a file");
        for (number, last) in [(1, 1), (2, 7), (1, 2), (3, 4)] {
            note(&heads, tenant(number), last);
        }
        heads.strike(tenant(3)).expect("a disk");
        assert_eq!(heads.all_due(), []);
        assert_eq!(due(directory.path()), [(tenant(1), 2), (tenant(2), 7)]);
        let again = Heads::open(directory.path(), false).expect("a file");
        assert_eq!(again.due(tenant(2)), Some(7));
        again.strike(tenant(2)).expect("a disk");
        assert_eq!(again.due(tenant(2)), None);
        assert_eq!(due(directory.path()), [(tenant(1), 2)]);
        assert_eq!(Heads::open(directory.path(), true).expect("a file").all_due(), []);
    }

    #[test]
    fn a_torn_line_is_none_and_the_next_one_stands_behind_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let heads = Heads::open(directory.path(), true).expect("a file");
        note(&heads, tenant(1), 1);
        note(&heads, tenant(2), 2);
        let path = directory.path().join(HEADS);
        let whole = fs::read(&path).expect("lines");
        for length in LINE_BYTES..whole.len() {
            fs::write(&path, whole.get(..length).expect("a part")).expect("a disk");
            let heads = Heads::open(directory.path(), false).expect("a file");
            assert_eq!(heads.all_due(), [(tenant(1), 1)]);
            note(&heads, tenant(3), 3);
            assert_eq!(due(directory.path()), [(tenant(1), 1), (tenant(3), 3)], "{length}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            *damaged.get_mut(at).expect("a byte") ^= 1;
            fs::write(&path, damaged).expect("a disk");
            assert_eq!(due(directory.path()).len(), 1, "{at}");
        }
    }

    #[test]
    fn the_file_stays_small_however_much_is_noted() {
        let directory = tempfile::tempdir().expect("a directory");
        let heads = Heads::open(directory.path(), true).expect("a file");
        let rounds = 2 * HEADS_BYTES / LINE_BYTES as u64;
        for round in 1..=rounds {
            heads.note(&mut (1..=3).map(|number| (tenant(number), round)));
            let length = fs::metadata(directory.path().join(HEADS)).expect("a file").len();
            assert!(length < HEADS_BYTES + 3 * LINE_BYTES as u64);
        }
        let last = |number| (tenant(number), rounds);
        assert_eq!(due(directory.path()), [last(1), last(2), last(3)]);
    }
}
