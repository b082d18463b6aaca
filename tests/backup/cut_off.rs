//! A restoration that is killed: what it leaves behind is opened by nothing, and the backup is as good as before.
//!
//! `COUNTERSIGN_RESTORE_ROUNDS=200 cargo test --test backup` goes on for longer.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::countersign;
use crate::support::{Place, Service, bearer, customer, done, failed, mint_large};

const ROUNDS: u32 = 8;
const CUSTOMERS: u8 = 3;
const CUT_OFF: &str = "holds a restoration that was cut off: empty it and restore again";

/// A restoration in a process of its own.
struct Restoring(Child);

impl Restoring {
    fn begin(data: &Path, backup: &str) -> Self {
        let mut command = countersign(data);
        command.args(["restore", backup, "--json"]);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Waits until it writes; a restoration that ends before anybody sees it write is at fault.
    fn until_it_writes(&mut self, data: &Path) {
        while !data.join("restoring").exists() {
            assert_eq!(self.0.try_wait().unwrap(), None, "it was never marked");
            thread::sleep(Duration::from_micros(200));
        }
    }

    fn kill(mut self) {
        // It may have ended just now.
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

fn names(directory: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name()).collect()
}

fn refused_by_all(data: &Path, backup: &str) {
    let before = names(data);
    let told = failed(data, &[], &["serve"]);
    assert!(told.contains(CUT_OFF), "{told}");
    // Those that need a store say so if there is none yet.
    let missing = (!data.join("store").exists()).then_some("holds no data");
    for command in ["inspect", "verify-store", "rekey"] {
        let told = failed(data, &[], &[command]);
        assert!(told.contains(missing.unwrap_or(CUT_OFF)), "{command}: {told}");
    }
    let told = failed(data, &[], &["restore", backup]);
    assert!(told.contains("not empty"), "{told}");
    assert_eq!(names(data), before, "and nothing is changed");
}

/// Restored to its end: what a service finds there is what the report of an undisturbed restoration says.
fn is_whole(data: &Path, expected: &Value) {
    assert_eq!(done(data, &[], &["verify-store", "--json"])["ok"], true);
    let service = Service::start(data, &[]);
    for line in expected["customers"].as_array().unwrap() {
        let path = format!("/customers/{}", line["customer_id"].as_str().unwrap());
        let (status, found) = service.get(&path);
        assert_eq!(status, 200, "{found}");
        assert_eq!(found["live_tokens"]["agent"], 0, "{found}");
    }
    service.stop();
}

/// Restores where nothing is, and compares what it came to.
fn restores(data: &Path, backup: &str, expected: &Value) {
    let report = done(data, &[], &["restore", backup, "--json"]);
    for part in ["restored", "customers", "total", "taken_at"] {
        assert_eq!(report[part], expected[part]);
    }
    is_whole(data, expected);
}

#[test]
fn a_restoration_that_is_killed_leaves_nothing_that_opens_and_can_be_done_again() {
    let rounds = std::env::var("COUNTERSIGN_RESTORE_ROUNDS").ok();
    let rounds = rounds.map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let place = Place::new();
    let service = Service::start(&place.at("first"), &[]);
    for number in 1..=CUSTOMERS {
        let (bearer, _) = bearer(&service, &customer(number));
        mint_large(&service, &customer(number), &bearer, 2);
    }
    service.stop();
    let backup = place.text("backup");
    done(&place.at("first"), &[], &["backup", &backup, "--json"]);

    // How long it writes when nobody disturbs it, so that the moments are spread over all of that.
    let undisturbed = place.at("undisturbed");
    let mut restoring = Restoring::begin(&undisturbed, &backup);
    restoring.until_it_writes(&undisturbed);
    let began = Instant::now();
    assert!(restoring.0.wait().unwrap().success());
    let writes_for = began.elapsed();
    let expected = done(&place.at("second"), &[], &["restore", &backup, "--json"]);
    assert_eq!(
        expected["customers"].as_array().map(Vec::len),
        Some(CUSTOMERS.into()),
        "{expected}"
    );

    let mut cut_off = 0;
    for round in 0..rounds {
        let data = place.at("cut-off");
        let mut restoring = Restoring::begin(&data, &backup);
        restoring.until_it_writes(&data);
        // The first at its first moment, the others whenever it is.
        let moment = match round {
            0 => Duration::ZERO,
            _ => writes_for.mul_f64(f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)),
        };
        thread::sleep(moment);
        restoring.kill();
        println!("round {round}: killed after {moment:?} of {writes_for:?}");
        if data.join("restoring").exists() {
            cut_off += 1;
            refused_by_all(&data, &backup);
        } else {
            is_whole(&data, &expected);
        }
        if round + 1 < rounds {
            fs::remove_dir_all(&data).unwrap();
        }
    }
    assert!(cut_off > 0, "none was killed in time");
    // Both ways out: the directory emptied, as the refusal says, and another one.
    let data = place.at("cut-off");
    for name in names(&data) {
        let path = data.join(name);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    restores(&data, &backup, &expected);
    restores(&place.at("fresh"), &backup, &expected);
}
