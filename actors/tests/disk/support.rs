//! Numbers that can be had again, and directories.

use std::fs;
use std::path::Path;

use countersign_actors::clock::{UnixMillis, fresh_uuid};
use tempfile::TempDir;

/// Vigna's splitmix64.
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of one image of one seed.
    pub(crate) fn of(seed: u64, image: u64) -> Self {
        Self(seed ^ image.wrapping_mul(0xd134_2543_de82_ef95))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

pub(crate) fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// The seed that a variable gives, or another one each time.
pub(crate) fn fresh_seed(name: &str) -> u64 {
    setting(name).unwrap_or_else(|| fresh_uuid(UnixMillis::new(0)).as_u64_pair().1)
}

/// Memory, if there is any that looks like a disk: a power cut is simulated anyway.
pub(crate) fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
