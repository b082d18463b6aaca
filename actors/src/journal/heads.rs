//! The end of every tenant, told again beside the store: what tells of a tenant whose end is lost while others go on behind it.
//!
//! Of what was written since it was opened, sled drops what it cannot read and the rest of that segment, and reads on. If a tenant
//! wrote last in there, nothing in the store knows.
//!
//! A line is added for each tenant of a group when the group is durable, without a sync: as with the mark, what stands here survives the
//! death of the process, and after a power cut is at worst too low. Too high it must never be: a tenant that was erased begins again, so
//! it is struck out durably before its erasure is. When the store is closed, all of the lines are held against it before it is sealed,
//! and it begins with none when it is opened again. Where it was not sealed the lines are read instead, and each of them is held against
//! the store when its tenant is read.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read as _};
use std::ops::Bound;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::files::{io_error, open_or_make, sync_path};
use super::keys::{self, ERASING};
use super::meta::Meta;
use super::shared::lock;
use super::sled_store::OpenError;
use super::store::{End, Reads, StoreError};
use super::{ReadError, reading};
use crate::id::CustomerId;
use crate::limits::HEADS_BYTES;

/// The file's name.
pub(super) const HEADS: &str = "heads";
const TENANT_BYTES: usize = 16;
const NUMBER_BYTES: usize = 8;
const CONTENT_BYTES: usize = TENANT_BYTES + 2 * NUMBER_BYTES;
const LINE_BYTES: usize = CONTENT_BYTES + 4;

/// What the store has to hold, by tenant.
pub(super) type Ends = BTreeMap<CustomerId, End>;

/// The open file, and what stood in it.
#[derive(Debug)]
pub(super) struct Heads {
    directory: PathBuf,
    path: PathBuf,
    lines: Mutex<Lines>,
    /// What the store has to hold; empty if it was closed properly.
    due: Mutex<Ends>,
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
    /// Opens the file of a store, or makes it. If the store `was_closed` properly, it begins anew; else what stands in it is due.
    pub(super) fn open(directory: &Path, was_closed: bool) -> Result<Self, OpenError> {
        let path = directory.join(HEADS);
        let file = open_or_make(&path).map_err(io_error(&path))?;
        let due = if was_closed {
            file.set_len(0).map_err(io_error(&path))?;
            Ends::new()
        } else {
            read(directory)?
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
    pub(super) fn note(&self, ends: &mut dyn Iterator<Item = (CustomerId, End)>) {
        let mut lines = lock(&self.lines);
        let noted = lines.add(ends);
        if noted.is_ok() && lines.end >= lines.full && self.shorten(&mut lines).is_err() {
            // To be tried again, but not with every line.
            lines.full = lines.full.saturating_mul(2);
        }
    }

    /// Durably forgets a tenant.
    pub(super) fn strike(&self, tenant: CustomerId) -> Result<(), StoreError> {
        let mut lines = lock(&self.lines);
        let synced = lines
            .add(&mut std::iter::once((tenant, End::default())))
            .and_then(|()| lines.file.sync_data());
        // The file may have been replaced, and a power cut must not bring the one before back.
        let synced = synced
            .map_err(io_error(&self.path))
            .and_then(|()| sync_path(&self.directory));
        synced.map_err(|error| StoreError(error.to_string()))?;
        lock(&self.due).remove(&tenant);
        Ok(())
    }

    /// What the store has to hold of a tenant, if that is known.
    pub(super) fn due(&self, tenant: CustomerId) -> Option<End> {
        lock(&self.due).get(&tenant).copied()
    }

    /// The first tenants behind this one of whom it has to hold something.
    pub(super) fn due_tenants(&self, after: Option<CustomerId>, limit: usize) -> Vec<CustomerId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let due = lock(&self.due);
        let behind = due.range((from, Bound::Unbounded));
        behind.map(|(tenant, _)| *tenant).take(limit).collect()
    }

    /// Replaces the file by one without superseded lines.
    fn shorten(&self, lines: &mut Lines) -> io::Result<()> {
        let ends = read_file(&self.path)?;
        let path = self.path.with_extension("new");
        let _ = fs::remove_file(&path);
        let mut shorter = Lines {
            file: open_or_make(&path)?,
            end: 0,
            full: 0,
            buffer: std::mem::take(&mut lines.buffer),
        };
        shorter.add(&mut ends.into_iter())?;
        shorter.full = HEADS_BYTES.max(shorter.end.saturating_mul(4));
        fs::rename(&path, &self.path)?;
        *lines = shorter;
        Ok(())
    }
}

impl Lines {
    fn add(&mut self, ends: &mut dyn Iterator<Item = (CustomerId, End)>) -> io::Result<()> {
        self.buffer.clear();
        for (tenant, end) in ends {
            let start = self.buffer.len();
            self.buffer.extend_from_slice(tenant.as_bytes());
            self.buffer.extend_from_slice(&end.last.to_be_bytes());
            self.buffer.extend_from_slice(&end.version.to_be_bytes());
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

/// The last line of each tenant in the file of a store, without those that were struck out; none if there is no file.
pub(super) fn read(directory: &Path) -> Result<Ends, OpenError> {
    let path = directory.join(HEADS);
    match read_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ends::new()),
        ends => ends.map_err(io_error(&path)),
    }
}

/// Whether all that the lines of a directory tell of was held against its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    AtAll,
    AtPart,
}

/// Refuses a store that holds less than the lines of its directory say, or other audit entries than those that were written; looks at
/// no more when it `is_late`. Rows that a recovery reads are left to that.
pub(super) fn check(store: &dyn Reads, directory: &Path, is_late: impl Fn() -> bool) -> Result<Looked, OpenError> {
    let damaged = |error: ReadError| OpenError::Corrupt(error.to_string());
    for (tenant, due) in read(directory)? {
        let marker = store.get(&keys::prefix(ERASING, tenant));
        if marker.map_err(|error| damaged(error.into()))?.is_some() {
            continue;
        }
        let head = reading::stored_head(store, tenant).map_err(damaged)?;
        let end = head.map_or(End::default(), |head| head.end());
        reading::refuse_loss(tenant, end, due).map_err(damaged)?;
        let meta = head.map_or(Meta::default(), |head| head.meta);
        if is_late() || !meta.check_audit(store, tenant, &is_late).map_err(damaged)? {
            return Ok(Looked::AtPart);
        }
    }
    Ok(Looked::AtAll)
}

fn read_file(path: &Path) -> io::Result<Ends> {
    let mut file = BufReader::new(File::open(path)?);
    let (mut ends, mut line) = (Ends::new(), [0; LINE_BYTES]);
    loop {
        match file.read_exact(&mut line) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(ends),
            Err(error) => return Err(error),
        }
        match parse(&line) {
            Some((tenant, end)) if end == End::default() => _ = ends.remove(&tenant),
            Some((tenant, end)) => _ = ends.insert(tenant, end),
            // It was torn.
            None => {}
        }
    }
}

/// What a line says, if it stands its checksum.
fn parse(line: &[u8; LINE_BYTES]) -> Option<(CustomerId, End)> {
    let (content, sum) = line.split_first_chunk::<CONTENT_BYTES>()?;
    if crc32fast::hash(content).to_be_bytes() != *sum {
        return None;
    }
    let (tenant, numbers) = content.split_first_chunk::<TENANT_BYTES>()?;
    let (last, version) = numbers.split_first_chunk::<NUMBER_BYTES>()?;
    let end = End {
        last: u64::from_be_bytes(*last),
        version: u64::from_be_bytes(version.try_into().ok()?),
    };
    Some((CustomerId::from_bytes(*tenant), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(number: u8) -> CustomerId {
        CustomerId::from_bytes([number; 16])
    }

    fn end(last: u64) -> End {
        let version = last + 1;
        End { last, version }
    }

    fn note(heads: &Heads, tenant: CustomerId, last: u64) {
        heads.note(&mut std::iter::once((tenant, end(last))));
    }

    /// The last sequences.
    fn due(directory: &Path) -> Vec<(CustomerId, u64)> {
        let heads = Heads::open(directory, false).expect("a file");
        let due = heads.due_tenants(None, usize::MAX).into_iter();
        due.map(|tenant| {
            let found = heads.due(tenant).expect("it is due");
            assert_eq!(found, end(found.last));
            (tenant, found.last)
        })
        .collect()
    }

    #[test]
    fn the_last_line_of_each_tenant_counts_unless_it_was_struck_out() {
        let directory = tempfile::tempdir().expect("a directory");
        let heads = Heads::open(directory.path(), true).expect("a file");
        for (number, last) in [(1, 1), (2, 7), (1, 2), (3, 4)] {
            note(&heads, tenant(number), last);
        }
        heads.strike(tenant(3)).expect("a disk");
        assert_eq!(heads.due_tenants(None, 9), []);
        assert_eq!(due(directory.path()), [(tenant(1), 2), (tenant(2), 7)]);
        let again = Heads::open(directory.path(), false).expect("a file");
        assert_eq!(again.due(tenant(2)), Some(end(7)));
        assert_eq!(again.due_tenants(None, 1), [tenant(1)]);
        assert_eq!(again.due_tenants(Some(tenant(1)), 9), [tenant(2)]);
        again.strike(tenant(2)).expect("a disk");
        assert_eq!(again.due(tenant(2)), None);
        assert_eq!(due(directory.path()), [(tenant(1), 2)]);
    }

    #[test]
    fn it_begins_with_nothing_in_a_store_that_was_closed() {
        let directory = tempfile::tempdir().expect("a directory");
        note(&Heads::open(directory.path(), true).expect("a file"), tenant(1), 1);
        let heads = Heads::open(directory.path(), true).expect("a file");
        assert_eq!(heads.due_tenants(None, 9), []);
        note(&heads, tenant(2), 2);
        assert_eq!(due(directory.path()), [(tenant(2), 2)]);
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
            assert_eq!(heads.due_tenants(None, 9), [tenant(1)]);
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
            heads.note(&mut (1..=3).map(|number| (tenant(number), end(round))));
            let length = fs::metadata(directory.path().join(HEADS)).expect("a file").len();
            assert!(length < HEADS_BYTES + 3 * LINE_BYTES as u64);
        }
        let last = |number| (tenant(number), rounds);
        assert_eq!(due(directory.path()), [last(1), last(2), last(3)]);
    }

    #[test]
    fn a_file_that_cannot_be_shortened_is_not_read_with_every_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let heads = Heads::open(directory.path(), true).expect("a file");
        // A directory that is not empty stands where the shorter file would.
        fs::create_dir_all(directory.path().join("heads.new/in")).expect("a directory");
        let rounds = 3 * HEADS_BYTES / LINE_BYTES as u64;
        let mut limits = std::collections::BTreeSet::new();
        for round in 1..=rounds {
            note(&heads, tenant(1), round);
            limits.insert(lock(&heads.lines).full);
        }
        assert_eq!(Vec::from_iter(limits), [HEADS_BYTES, 2 * HEADS_BYTES, 4 * HEADS_BYTES]);
        assert_eq!(due(directory.path()), [(tenant(1), rounds)]);
    }

    #[test]
    fn of_lines_that_could_not_all_be_written_none_is_left() {
        let file = rustix::fs::memfd_create(HEADS, rustix::fs::MemfdFlags::ALLOW_SEALING).expect("a file");
        let file = File::from(file);
        // It takes what fills its first two pages and not a byte more.
        file.set_len(2 * 4096).expect("memory");
        rustix::fs::fcntl_add_seals(&file, rustix::fs::SealFlags::GROW).expect("sealed");
        let mut lines = Lines {
            file,
            end: 0,
            full: 0,
            buffer: Vec::new(),
        };
        let fits = (2 * 4096 / LINE_BYTES) as u64 - 10;
        lines
            .add(&mut (1..=fits).map(|last| (tenant(1), end(last))))
            .expect("it fits");
        let written = lines.end;
        let mut more = (1..=200).map(|last| (tenant(2), end(last)));
        assert!(lines.add(&mut more).is_err());
        assert_eq!(
            (lines.end, lines.file.metadata().expect("a file").len()),
            (written, written)
        );
    }
}
