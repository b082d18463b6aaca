//! Another master key, and a process that is killed while it is being changed.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::program::countersign;
use crate::support::{Place, Service, agent, bearer, customer, done, failed, run};

const OLD: &str = "the-old-master-key-of-over-thirty-two-characters";
const NEW: &str = "the-new-master-key-of-over-thirty-two-characters";

#[test]
fn a_generated_key_is_replaced_by_a_generated_one_and_everything_goes_on() {
    let place = Place::new();
    let data = place.at("data");
    let service = Service::start(&data, &[]);
    let (bearer, _) = bearer(&service, &customer(1));
    service.stop();
    let old = fs::read(data.join("master.key")).unwrap();
    let rekeyed = done(&data, &[], &["rekey", "--json"]);
    assert_eq!(rekeyed["secrets"], 2);
    assert_ne!(fs::read(data.join("master.key")).unwrap(), old);
    assert_eq!(fs::read(data.join("master.key.old")).unwrap(), old);
    let told = failed(
        &data,
        &[("AUTH_MASTER_KEY_FILE", &place.text("data/master.key.old"))],
        &["serve"],
    );
    assert!(told.contains("master key"), "{told}");
    assert_eq!(done(&data, &[], &["verify-store", "--json"])["ok"], true);
    let service = Service::start(&data, &[]);
    assert!(service.is_active(&bearer["token"]));
    assert!(service.is_active(&agent(&service, &customer(1), &bearer)["token"]));
    service.stop();
}

#[test]
fn a_configured_key_is_replaced_by_the_one_in_a_file() {
    let place = Place::new();
    let data = place.at("data");
    let old = [("AUTH_MASTER_KEY", OLD)];
    let service = Service::start(&data, &old);
    let (bearer, _) = bearer(&service, &customer(1));
    service.stop();
    assert!(failed(&data, &old, &["rekey"]).contains("--new-key-file"));
    let path = place.text("new");
    fs::write(&path, "short").unwrap();
    assert!(failed(&data, &old, &["rekey", "--new-key-file", &path]).contains("32"));
    fs::write(&path, format!("{OLD}\n")).unwrap();
    assert!(failed(&data, &old, &["rekey", "--new-key-file", &path]).contains("the one in use"));
    fs::write(&path, format!("{NEW}\n")).unwrap();
    assert_eq!(
        done(&data, &old, &["rekey", "--new-key-file", &path, "--json"])["secrets"],
        2
    );
    assert!(failed(&data, &old, &["verify-store"]).contains("master key"));
    let new = [("AUTH_MASTER_KEY", NEW)];
    assert!(run(&data, &new, &["verify-store"]).status.success());
    let service = Service::start(&data, &new);
    assert!(service.is_active(&bearer["token"]));
    agent(&service, &customer(1), &bearer);
    service.stop();
}

/// Whenever it is killed, one of the two keys opens everything.
#[test]
fn whenever_it_is_killed_one_of_the_two_keys_opens_everything() {
    let place = Place::new();
    let first = place.at("first");
    let service = Service::start(&first, &[("AUTH_MASTER_KEY", OLD)]);
    for number in 0..40 {
        service.ok("/keys/signing", &json!({"customer_id": customer(number)}));
    }
    service.stop();
    let path = place.text("new");
    fs::write(&path, NEW).unwrap();
    let rounds: u64 = std::env::var("COUNTERSIGN_REKEY_ROUNDS").map_or(6, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        let data = place.at(&format!("data-{round}"));
        copy(&first, &data);
        let mut command = countersign(&data);
        command
            .env("AUTH_MASTER_KEY", OLD)
            .args(["rekey", "--new-key-file", &path]);
        let mut rekeying = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(round * 240 / rounds));
        let _ = rekeying.kill();
        rekeying.wait().unwrap();
        let opens = |key| {
            run(&data, &[("AUTH_MASTER_KEY", key)], &["verify-store"])
                .status
                .success()
        };
        assert!(opens(OLD) != opens(NEW), "round {round}: one of them, and only one");
        // Again, to its end.
        run(&data, &[("AUTH_MASTER_KEY", OLD)], &["rekey", "--new-key-file", &path]);
        let shown = done(&data, &[("AUTH_MASTER_KEY", NEW)], &["verify-store", "--json"]);
        assert_eq!(
            (&shown["looked_at"]["secrets"], &shown["rekey_unfinished"]),
            (&json!(80), &json!(false))
        );
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
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
