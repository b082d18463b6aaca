//! A child process works on the real journal while its system calls are recorded. From the recording disks are made as a power cut at
//! some point can leave them, and the journal opens each of them: whatever was acknowledged before is there.
//!
//! It needs `strace`, and a build directory on a file system with synchronous files (`chattr +S`). Without, it says that it was not
//! run; where `CI` is set, it fails.

use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use tempfile::TempDir;

use crate::journal::{Acknowledged, LARGE_AT, LARGE_EVERY, Syncing, TENANTS, Wrong, holds, note, print, work};
use crate::recorded::Disk;
use crate::support::{Random, copy, directory, fresh_seed, setting};
use crate::trace::{CALLS, Call, STRING_BYTES_MAX, parse};

const CHILD: &str = "COUNTERSIGN_POWER_CUT_CHILD";
const CHILD_UNSYNCED: &str = "COUNTERSIGN_POWER_CUT_CHILD_UNSYNCED";
const CHILD_BRIEF: &str = "COUNTERSIGN_POWER_CUT_CHILD_BRIEF";
/// Disks made of one recording, and of each recording of a recovery.
const IMAGES: u64 = 900;
const RECOVERY_IMAGES: u64 = 80;
/// Recoveries that are recorded, each on a disk that a power cut has left.
const RECOVERIES: u64 = 4;
/// How many appends are on their way at most, at each opening of the journal: few, so that there are many syncs, and so many that one
/// group is more than a segment of the store.
const IN_FLIGHT: [usize; 3] = [12, 96, 4];
/// How many events every tenant is given then.
const EVENTS: u64 = 120;
/// Recoveries recorded after a large batch, which fills segments of the store that the next one makes needless, and disks made of each
/// as of a moment around its snapshot.
const BRIEF_RECOVERIES: u64 = 24;
const BRIEF_IMAGES: u64 = 20;
/// How many calls around the snapshot that is.
const BRIEF_LINES: u64 = 60;
/// Recordings thrown away at most because calls overlapped whose order the recording does not tell.
const AMBIGUOUS_MAX: usize = 10;
/// The file of a recording.
const TRACE: &str = "trace";

/// Not a test of its own: what the recorded child does. Without its variable there is nothing to do.
#[test]
fn child_appends() {
    let Some(directory) = std::env::var_os(CHILD) else {
        return;
    };
    let syncing = match std::env::var_os(CHILD_UNSYNCED) {
        Some(_) => Syncing::Not,
        None => Syncing::AsItShould,
    };
    if std::env::var_os(CHILD_BRIEF).is_some() {
        return work(directory.as_ref(), syncing, 1, 1, print).shutdown();
    }
    for in_flight in IN_FLIGHT {
        work(directory.as_ref(), syncing, EVENTS, in_flight, print).shutdown();
    }
}

/// What a child does: all of it, all of it without a sync, or one event of each tenant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Child {
    Whole,
    Unsynced,
    Brief,
}

/// What a child did to a disk.
struct Recording {
    base: PathBuf,
    /// What was on the disk before.
    before: TempDir,
    calls: Vec<Call>,
    lines: usize,
    /// Where the recording lies, in a file that can be large.
    scratch: TempDir,
    acknowledged_before: Acknowledged,
}

impl Recording {
    /// Lets a child work on a disk, and records what it does.
    fn of(before: TempDir, acknowledged_before: Acknowledged, child: Child) -> Self {
        for _ in 0..AMBIGUOUS_MAX {
            let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let base = scratch.path().join("data");
            copy(before.path(), &base);
            Self::record(&base, &scratch.path().join(TRACE), child);
            let trace = fs::read_to_string(scratch.path().join(TRACE)).unwrap();
            let (calls, lines) = (parse(&trace), trace.lines().count());
            drop(trace);
            let mut disk = Disk::of(before.path(), &base);
            disk.run(&calls, usize::MAX);
            assert_eq!(disk.has_synchronous_files(), child != Child::Unsynced);
            if disk.is_true_to(&base) {
                return Self {
                    base,
                    before,
                    calls,
                    lines,
                    scratch,
                    acknowledged_before,
                };
            }
        }
        panic!("{AMBIGUOUS_MAX} recordings do not tell what happened to the disk");
    }

    /// Has `strace` tell of a child that works on a disk.
    fn record(base: &Path, trace: &Path, child: Child) {
        let mut command = Command::new("strace");
        command
            .args(["-f", "-xx", "-e", CALLS, "-s", &STRING_BYTES_MAX.to_string(), "-o"])
            .arg(trace)
            .arg(std::env::current_exe().unwrap())
            .args(["power_cut::child_appends", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, base)
            .stdout(Stdio::null());
        match child {
            Child::Whole => &mut command,
            Child::Unsynced => command.env(CHILD_UNSYNCED, "yes"),
            Child::Brief => command.env(CHILD_BRIEF, "yes"),
        };
        let status = command.status().unwrap();
        assert!(status.success(), "the child failed");
    }

    /// Some moment.
    fn anywhere(&self, random: &mut Random) -> usize {
        // Half of the cuts fall near a call that makes something durable, where the most can go wrong.
        let syncs: Vec<&Call> = self.calls.iter().filter(|call| call.name.ends_with("sync")).collect();
        if random.one_in(2) {
            let sync = syncs[random.next() as usize % syncs.len()];
            (sync.begin + random.below(8) as usize).saturating_sub(3)
        } else {
            random.next() as usize % (self.lines + 1)
        }
    }

    /// A moment soon after the first snapshot of the store was given its name.
    fn behind_a_snapshot(&self, random: &mut Random) -> usize {
        let renames = self.lines_of("rename", |name| name.contains("/snap."));
        renames[0] + random.below(BRIEF_LINES) as usize
    }

    /// A moment shortly before or after a large batch was acknowledged.
    fn around_a_large_batch(&self, random: &mut Random) -> usize {
        let is_large = |line: &str| {
            let sequence = line
                .strip_prefix("durable 0 ")
                .map(|number| number.trim().parse::<u64>());
            sequence.is_some_and(|sequence| sequence.unwrap() % LARGE_EVERY == LARGE_AT)
        };
        let writes = self.lines_of("write", is_large);
        (writes[random.next() as usize % writes.len()] + 1 + random.below(60) as usize).saturating_sub(30)
    }

    /// The lines on which such a call says such a thing.
    fn lines_of(&self, name: &str, is_meant: impl Fn(&str) -> bool) -> Vec<usize> {
        let calls = self.calls.iter().filter(|call| call.name == name);
        let texts = calls.filter_map(|call| Some((call.begin, String::from_utf8_lossy(call.bytes(1)?))));
        texts.filter(|(_, text)| is_meant(text)).map(|(line, _)| line).collect()
    }

    /// Writes what a power cut before a line can leave, and says what was acknowledged before it.
    fn image(&self, cut: usize, target: &Path, random: &mut Random) -> Acknowledged {
        let mut acknowledged = self.acknowledged_before;
        for call in self
            .calls
            .iter()
            .filter(|call| call.begin < cut && call.name == "write")
        {
            if call.number(0) == 1 {
                note(&String::from_utf8_lossy(call.bytes(1).unwrap()), &mut acknowledged);
            }
        }
        let mut disk = Disk::of(self.before.path(), &self.base);
        disk.run(&self.calls, cut);
        disk.image(target, random);
        acknowledged
    }
}

/// Where in a recording the power is cut.
type Cut = fn(&Recording, &mut Random) -> usize;

/// Makes an image and lets the journal open it; what is wrong, if anything is.
fn survives(recording: &Recording, cut: Cut, random: &mut Random) -> Result<Acknowledged, String> {
    let image = directory();
    let cut = cut(recording, random);
    let acknowledged = recording.image(cut, image.path(), random);
    if has_snapshot(recording.before.path()) && !has_snapshot(image.path()) {
        return Err(format!("cut before line {cut}: it has lost its snapshot"));
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| holds(image.path(), &acknowledged)));
    let outcome = outcome.unwrap_or_else(|_| Err(Wrong::Events("it panicked".to_owned())));
    outcome.map_err(|what| format!("cut before line {cut} of {}: {what:?}", recording.lines))
}

/// Whether a store has what its log is not always whole without.
fn has_snapshot(disk: &Path) -> bool {
    let names = fs::read_dir(disk.join("store")).into_iter().flatten();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.any(|name| name.contains("snap.") && !name.ends_with(".generating"))
}

/// The same for many, on both cores. Keeps the disks on which something is wrong, as the power cut has left them.
fn survive(recording: &Recording, cut: Cut, seed: u64, images: std::ops::Range<u64>) -> Vec<String> {
    let middle = images.start + (images.end - images.start) / 2;
    let (first, second) = (images.start..middle, middle..images.end);
    let check = |images: std::ops::Range<u64>| -> Vec<String> {
        let check = |image| {
            let what = survives(recording, cut, &mut Random::of(seed, image)).err()?;
            let kept = directory().keep();
            let mut random = Random::of(seed, image);
            recording.image(cut(recording, &mut random), &kept.join("disk"), &mut random);
            fs::copy(recording.scratch.path().join(TRACE), kept.join(TRACE)).unwrap();
            Some(format!("image {image}, {what}, kept in {}", kept.display()))
        };
        images.filter_map(check).collect()
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| check(first));
        let mut wrong = check(second);
        wrong.extend(first.join().unwrap());
        wrong
    })
}

/// What is missing to run these tests, told past the test runner's capture, so that it is seen although they pass.
fn is_left_out() -> bool {
    let strace = Command::new("strace").arg("--version").stdout(Stdio::null()).status();
    let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let chattr = Command::new("chattr")
        .arg("+S")
        .arg(file.path())
        .stderr(Stdio::null())
        .status();
    let works = |status: std::io::Result<ExitStatus>| status.is_ok_and(|status| status.success());
    if works(strace) && works(chattr) {
        return false;
    }
    let needed = "strace (apt-get install strace) and a file system with synchronous files (chattr +S)";
    assert!(std::env::var_os("CI").is_none(), "power cuts need {needed}");
    writeln!(
        std::io::stderr().lock(),
        "disk: NOT RUN: power cuts, which need {needed}"
    )
    .unwrap();
    true
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_at_any_point() {
    if is_left_out() {
        return;
    }
    let (seed, images) = (
        fresh_seed("COUNTERSIGN_POWER_CUT_SEED"),
        setting("COUNTERSIGN_POWER_CUT_IMAGES").unwrap_or(IMAGES),
    );
    let recoveries = RECOVERIES * images.div_ceil(IMAGES);
    println!("COUNTERSIGN_POWER_CUT_SEED={seed} COUNTERSIGN_POWER_CUT_IMAGES={images}");
    let recording = Recording::of(directory(), [0; TENANTS as usize], Child::Whole);
    let mut wrong = survive(&recording, Recording::anywhere, seed, 0..images);
    let mut tried = images;
    // A power cut, and another one in what follows: recovery and all.
    for recovery in 0..recoveries {
        let mut random = Random::of(seed, images + recovery);
        let disk = directory();
        let cut = recording.anywhere(&mut random);
        let acknowledged = recording.image(cut, disk.path(), &mut random);
        let again = Recording::of(disk, acknowledged, Child::Whole);
        wrong.extend(survive(&again, Recording::anywhere, random.next(), 0..RECOVERY_IMAGES));
        tried += RECOVERY_IMAGES;
    }
    println!("{tried} images, {} of them after a second power cut", tried - images);
    assert!(wrong.is_empty(), "seed {seed}, {} images: {wrong:#?}", wrong.len());
}

/// The store deletes its last snapshot, and overwrites what only that one needs, as soon as it has written another one.
#[test]
fn a_power_cut_while_the_store_recovers_from_another_loses_nothing() {
    if is_left_out() {
        return;
    }
    let (seed, recoveries) = (
        fresh_seed("COUNTERSIGN_POWER_CUT_SEED"),
        setting("COUNTERSIGN_POWER_CUT_RECOVERIES").unwrap_or(BRIEF_RECOVERIES),
    );
    println!("COUNTERSIGN_POWER_CUT_SEED={seed} COUNTERSIGN_POWER_CUT_RECOVERIES={recoveries}");
    let recording = Recording::of(directory(), [0; TENANTS as usize], Child::Whole);
    let mut wrong = Vec::new();
    for recovery in 0..recoveries {
        let mut random = Random::of(seed, recovery);
        let disk = directory();
        let cut = recording.around_a_large_batch(&mut random);
        let acknowledged = recording.image(cut, disk.path(), &mut random);
        let again = Recording::of(disk, acknowledged, Child::Brief);
        wrong.extend(survive(
            &again,
            Recording::behind_a_snapshot,
            random.next(),
            0..BRIEF_IMAGES,
        ));
    }
    println!("{} images of {recoveries} recoveries", recoveries * BRIEF_IMAGES);
    assert!(wrong.is_empty(), "seed {seed}, {} images: {wrong:#?}", wrong.len());
}

#[test]
fn without_the_journals_own_sync_something_acknowledged_is_lost() {
    if is_left_out() {
        return;
    }
    let seed = fresh_seed("COUNTERSIGN_POWER_CUT_SEED");
    println!("COUNTERSIGN_POWER_CUT_SEED={seed}");
    let recording = Recording::of(directory(), [0; TENANTS as usize], Child::Unsynced);
    let lost =
        (0..IMAGES).position(|image| survives(&recording, Recording::anywhere, &mut Random::of(seed, image)).is_err());
    println!("the first image that has lost something: {lost:?}");
    assert!(
        lost.is_some(),
        "no image of {IMAGES} has lost anything: the images are too kind"
    );
}
