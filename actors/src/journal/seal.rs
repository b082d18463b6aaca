//! The files beside the store's own: the mark, which tells how far the store has come, and the seal, which tells how it was closed.
//!
//! The mark is overwritten after every group, in place and without a sync: it survives the death of the process, and after a power cut
//! it is at worst too low. The seal is there only while the store is closed. It is broken, durably, before the store is opened.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::files::{io_error, list, open_or_make, sync_path};
use super::heads::HEADS;
use super::sled_store::OpenError;
use super::store::StoreError;

const MARK: &str = "mark";
const SEAL: &str = "seal";
const NUMBER_BYTES: usize = 8;
const MARK_BYTES: usize = NUMBER_BYTES + 4;

/// The open mark.
#[derive(Debug)]
pub(super) struct Mark(File);

impl Mark {
    /// Opens the mark of a store, or makes it.
    pub(super) fn open(directory: &Path) -> Result<Self, OpenError> {
        let path = directory.join(MARK);
        open_or_make(&path).map(Self).map_err(io_error(&path))
    }

    /// What it says; `None` before its first write, and after a power cut that has lost that one.
    pub(super) fn read(&self) -> Result<Option<u64>, StoreError> {
        let mut bytes = [0; MARK_BYTES];
        let failed = |error: io::Error| StoreError(format!("cannot read the mark: {error}"));
        if self.0.metadata().map_err(failed)?.len() == 0 {
            return Ok(None);
        }
        self.0.read_exact_at(&mut bytes, 0).map_err(failed)?;
        if bytes == [0; MARK_BYTES] {
            return Ok(None);
        }
        let damaged =
            || StoreError("the mark is damaged: it cannot be told whether the store's end is lost".to_owned());
        let (number, sum) = bytes.split_first_chunk::<NUMBER_BYTES>().ok_or_else(damaged)?;
        if crc32fast::hash(number).to_be_bytes() == *sum {
            Ok(Some(u64::from_be_bytes(*number)))
        } else {
            Err(damaged())
        }
    }

    /// Overwrites it, within one sector. If that fails it stays too low, and is still right.
    pub(super) fn write(&self, group: u64) {
        let number = group.to_be_bytes();
        let mut bytes = [0; MARK_BYTES];
        let sum = crc32fast::hash(&number).to_be_bytes();
        for (to, from) in bytes.iter_mut().zip(number.into_iter().chain(sum)) {
            *to = from;
        }
        let _ = self.0.write_all_at(&bytes, 0);
    }
}

/// Seals a store that is closed: notes the length of its files and, but for the data file, their checksums. The data file is covered by
/// the checksums that the store keeps in it and looks at whenever it reads.
pub(super) fn write(directory: &Path) -> Result<(), OpenError> {
    let mut text = String::new();
    for path in list(directory)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_file() && ![MARK, HEADS, SEAL].contains(&&*name) {
            let state = state(&path, &name).map_err(io_error(&path))?;
            text.push_str(&format!("{name} {state}\n"));
        }
    }
    let sum = crc32fast::hash(text.as_bytes());
    text.push_str(&format!("end {sum:08x}\n"));
    let (path, unfinished) = (directory.join(SEAL), directory.join("seal.new"));
    File::create(&unfinished)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&unfinished, &path))
        .map_err(io_error(&unfinished))?;
    sync_path(directory)
}

fn state(path: &Path, name: &str) -> io::Result<String> {
    if name == "db" {
        return Ok(fs::metadata(path)?.len().to_string());
    }
    let content = fs::read(path)?;
    Ok(format!("{} {:08x}", content.len(), crc32fast::hash(&content)))
}

/// Checks that a sealed store is as it was closed, and breaks the seal. Without a seal the store was not closed, and there is nothing to
/// check. Tells whether there was one.
pub(super) fn break_open(directory: &Path) -> Result<bool, OpenError> {
    let path = directory.join(SEAL);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(io_error(&path)(error)),
    };
    let broken = |what: &str| OpenError::Corrupt(format!("{what} (sealed in `{}`)", path.display()));
    let (files, sum) = text
        .rsplit_once("end ")
        .ok_or_else(|| broken("the seal itself is damaged"))?;
    if sum.trim_end() != format!("{:08x}", crc32fast::hash(files.as_bytes())) {
        return Err(broken("the seal itself is damaged"));
    }
    for (name, sealed) in files.lines().filter_map(|line| line.split_once(' ')) {
        let found = match state(&directory.join(name), name) {
            Ok(found) => found,
            Err(error) => return Err(broken(&format!("`{name}` cannot be read: {error}"))),
        };
        if found != sealed {
            return Err(broken(&format!("`{name}` is not as it was when the store was closed")));
        }
    }
    fs::remove_file(&path).map_err(io_error(&path))?;
    sync_path(directory)?;
    Ok(true)
}
