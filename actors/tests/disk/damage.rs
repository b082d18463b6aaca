//! The store's files are damaged while nobody works on them, or while somebody does: bits flip, parts become zero, ends are cut off, old
//! files come back.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::journal::{IN_FLIGHT, Syncing, TENANTS, Wrong, holds, work};
use crate::support::{Random, copy, directory, fresh_seed, setting};

const ROUNDS: u64 = 400;
const EVENTS: u64 = 120;
const SEED: &str = "COUNTERSIGN_DAMAGE_SEED";
const ROUNDS_SETTING: &str = "COUNTERSIGN_DAMAGE_ROUNDS";
const CHILD: &str = "COUNTERSIGN_DAMAGE_CHILD";
const CHILD_BASE: &str = "COUNTERSIGN_DAMAGE_CHILD_BASE";
const CHILD_FROM: &str = "COUNTERSIGN_DAMAGE_CHILD_FROM";
const CHILD_ACKNOWLEDGED: &str = "COUNTERSIGN_DAMAGE_CHILD_ACKNOWLEDGED";
const CHILD_WORKS: &str = "COUNTERSIGN_DAMAGE_CHILD_WORKS";
/// Opening, working and closing takes longer than opening.
const ROUNDS_OPEN: u64 = 60;
const EVENTS_OPEN: u64 = 40;
/// How long nothing is heard of a store that runs in a circle. It would end its process itself, but later.
const CIRCLE: Duration = Duration::from_secs(20);

/// Files of a store with something in them, but for those of ours beside it.
fn files(store: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = paths
        .filter(|path| path.is_file() && fs::metadata(path).unwrap().len() > 0)
        .filter(|path| !["heads", "mark", "seal"].iter().any(|ours| path.ends_with(ours)))
        .collect();
    found.sort();
    found
}

/// Damages one of the files, mostly the one that holds the data, and says how.
fn damage(directory: &Path, random: &mut Random) -> String {
    let store = directory.join("store");
    let mut file = store.join("db");
    if random.one_in(4) {
        let files = files(&store);
        file = files[random.next() as usize % files.len()].clone();
    }
    let open = fs::OpenOptions::new().read(true).write(true).open(&file).unwrap();
    let length = open.metadata().unwrap().len();
    let at = random.next() % length;
    let what = match random.below(4) {
        0 => {
            open.set_len(at).unwrap();
            "cut off".to_owned()
        }
        1 => {
            let end = length.min(at + 1 + random.below(4_096));
            open.write_all_at(&vec![0; usize::try_from(end - at).unwrap()], at)
                .unwrap();
            format!("zero up to {end}")
        }
        _ => {
            let bit = random.below(8);
            let mut byte = [0];
            open.read_exact_at(&mut byte, at).unwrap();
            open.write_all_at(&[byte[0] ^ (1 << bit)], at).unwrap();
            format!("bit {bit} flipped")
        }
    };
    format!("{} at {at} of {length}: {what}", file.display())
}

/// What damaged copies of a store came to.
#[derive(Debug, Default)]
#[expect(dead_code, reason = "what is in it is shown by `Debug`")]
struct Verdicts {
    seed: u64,
    /// They held everything.
    right: u64,
    /// They said that they do not.
    told: u64,
    /// They sent the store into a circle, or ended the process.
    ended: u64,
    untold: Vec<String>,
}

/// Not a test of its own: opens damaged copies, and says what each comes to. Without its variables there is nothing to do.
#[test]
fn child_opens() {
    let Some(base) = std::env::var_os(CHILD_BASE) else {
        return;
    };
    let number = |name| setting(name).unwrap();
    let (seed, works) = (number(SEED), number(CHILD_WORKS));
    let acknowledged = number(CHILD_ACKNOWLEDGED) + works;
    for round in number(CHILD_FROM)..number(ROUNDS_SETTING) {
        let target = directory();
        copy(base.as_ref(), target.path());
        let working = (works > 0).then(|| work(target.path(), Syncing::AsItShould, works, IN_FLIGHT, |_, _| {}));
        let what = damage(target.path(), &mut Random::of(seed, round));
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if let Some(threads) = working {
                threads.shutdown();
            }
            holds(target.path(), &[acknowledged; TENANTS as usize])
        }));
        match outcome {
            Ok(Ok(_)) => println!("\nverdict right"),
            Ok(Err(Wrong::Told(_))) => println!("\nverdict told"),
            Ok(Err(wrong)) => println!("\nverdict untold {what}: {wrong:?}"),
            Err(_) => println!("\nverdict untold {what}: it panicked"),
        }
    }
}

/// Opens damaged copies of a store, in a process that may hang or die of it. With `works` they are damaged when so many events were
/// appended to every tenant, and then closed.
fn damaged(base: &Path, acknowledged: u64, works: u64, rounds: u64) -> Verdicts {
    let (seed, rounds) = (fresh_seed(SEED), setting(ROUNDS_SETTING).unwrap_or(rounds));
    let mut verdicts = Verdicts {
        seed,
        ..Verdicts::default()
    };
    let mut round = 0;
    while round < rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["damage::child_opens", "--exact", "--nocapture"])
            .env(CHILD_BASE, base)
            .env(CHILD_ACKNOWLEDGED, acknowledged.to_string())
            .env(CHILD_WORKS, works.to_string())
            .env(CHILD_FROM, round.to_string())
            .env(SEED, seed.to_string())
            .env(ROUNDS_SETTING, rounds.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (said, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        let reader = std::thread::spawn(move || {
            output.lines().try_for_each(|line| said.send(line.unwrap())).unwrap();
        });
        while let Ok(line) = lines.recv_timeout(CIRCLE) {
            let Some(verdict) = line.strip_prefix("verdict ") else {
                continue;
            };
            round += 1;
            match verdict {
                "right" => verdicts.right += 1,
                "told" => verdicts.told += 1,
                untold => verdicts.untold.push(untold.to_owned()),
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap();
        if round < rounds {
            verdicts.ended += 1;
            round += 1;
        }
    }
    verdicts
}

#[test]
fn a_store_that_was_closed_and_is_damaged_is_right_or_says_so() {
    let base = directory();
    for _ in 0..3 {
        work(base.path(), Syncing::AsItShould, EVENTS, IN_FLIGHT, |_, _| {}).shutdown();
    }
    let verdicts = damaged(base.path(), 3 * EVENTS, 0, ROUNDS);
    println!("{verdicts:#?}");
    assert!(verdicts.untold.is_empty());
    assert!(verdicts.right > 0 && verdicts.told > 0);
}

/// Not a test of its own: the child that is killed. Without its variable there is nothing to do.
#[test]
fn child_is_killed() {
    if let Some(directory) = std::env::var_os(CHILD) {
        let _threads = work(directory.as_ref(), Syncing::AsItShould, EVENTS, IN_FLIGHT, |_, _| {});
        println!("killed here");
        // As a kill: nothing is dropped.
        std::process::abort();
    }
}

fn work_and_die(directory: &Path) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["damage::child_is_killed", "--exact", "--nocapture"])
        .env(CHILD, directory)
        .stderr(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("killed here"), "{told}");
}

#[test]
fn a_store_that_was_killed_and_is_damaged_is_right_or_says_so() {
    let base = directory();
    work_and_die(base.path());
    let verdicts = damaged(base.path(), EVENTS, 0, ROUNDS);
    println!("{verdicts:#?}");
    assert!(verdicts.untold.is_empty());
    assert!(verdicts.right > 0 && verdicts.told > 0);
}

#[test]
fn a_store_that_is_damaged_while_it_is_open_and_then_closed_is_right_or_says_so() {
    let base = directory();
    work(base.path(), Syncing::AsItShould, EVENTS_OPEN, IN_FLIGHT, |_, _| {}).shutdown();
    let verdicts = damaged(base.path(), EVENTS_OPEN, EVENTS_OPEN, ROUNDS_OPEN);
    println!("{verdicts:#?}");
    assert!(verdicts.untold.is_empty());
    assert!(verdicts.right > 0 && verdicts.told > 0);
}

#[test]
fn an_older_state_of_the_store_is_refused() {
    let base = directory();
    work(base.path(), Syncing::AsItShould, 5, IN_FLIGHT, |_, _| {}).shutdown();
    let older = directory();
    copy(base.path(), older.path());
    work_and_die(base.path());
    for path in files(&base.path().join("store")) {
        fs::remove_file(path).unwrap();
    }
    for path in files(&older.path().join("store")) {
        fs::copy(&path, base.path().join("store").join(path.file_name().unwrap())).unwrap();
    }
    match holds(base.path(), &[5; TENANTS as usize]) {
        Err(Wrong::Told(what)) => assert!(what.contains("its end is lost"), "{what}"),
        other => panic!("{other:?}"),
    }
}
