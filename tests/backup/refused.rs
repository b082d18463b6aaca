//! What is refused, and leaves everything as it was.

use std::fs;

use serde_json::json;

use crate::support::{Place, Service, agent, bearer, call, customer, done, failed, run};

fn backed_up(place: &Place) -> Vec<u8> {
    let first = place.at("first");
    let service = Service::start(&first, &[]);
    let (bearer, _) = bearer(&service, &customer(1));
    agent(&service, &customer(1), &bearer);
    service.stop();
    done(&first, &[], &["backup", &place.text("backup"), "--json"]);
    fs::read(place.at("backup")).unwrap()
}

#[test]
fn a_backup_that_is_cut_off_or_changed_is_refused_before_anything_is_written() {
    let place = Place::new();
    let whole = backed_up(&place);
    let mut wrong = Vec::new();
    for end in [0, 8, 12, whole.len() / 2, whole.len() - 1] {
        wrong.push(whole[..end].to_vec());
    }
    for at in [3, 11, 20, whole.len() / 2, whole.len() - 40, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        wrong.push(flipped);
    }
    wrong.push([&whole[..], b"x"].concat());
    wrong.push([&whole[..], &whole[..]].concat());
    for bytes in wrong {
        fs::write(place.at("wrong"), &bytes).unwrap();
        let told = failed(&place.at("second"), &[], &["restore", &place.text("wrong")]);
        assert!(told.contains("backup"), "{told}");
        assert!(!place.at("second").exists());
    }
}

#[test]
fn only_an_empty_directory_is_restored_into() {
    let place = Place::new();
    backed_up(&place);
    for name in ["first", "with-a-file"] {
        fs::create_dir_all(place.at(name)).unwrap();
        fs::write(place.at(name).join("a-file"), "x").unwrap();
        let before = fs::read_dir(place.at(name)).unwrap().count();
        let told = failed(&place.at(name), &[], &["restore", &place.text("backup")]);
        assert!(told.contains("not empty"), "{told}");
        assert_eq!(fs::read_dir(place.at(name)).unwrap().count(), before);
    }
    fs::create_dir(place.at("empty")).unwrap();
    done(&place.at("empty"), &[], &["restore", &place.text("backup"), "--json"]);
    let told = failed(&place.at("empty"), &[], &["restore", &place.text("backup")]);
    assert!(told.contains("not empty"), "{told}");
}

#[test]
fn a_restoration_that_was_cut_off_is_opened_by_nothing() {
    let place = Place::new();
    backed_up(&place);
    let second = place.at("second");
    done(&second, &[], &["restore", &place.text("backup"), "--json"]);
    fs::write(second.join("restoring"), "x").unwrap();
    for command in ["serve", "inspect", "verify-store", "rekey"] {
        let told = failed(&second, &[], &[command]);
        assert!(told.contains("restoration that was cut off"), "{command}: {told}");
    }
}

#[test]
fn what_needs_a_stopped_store_refuses_a_running_one() {
    let place = Place::new();
    let first = place.at("first");
    let service = Service::start(&first, &[]);
    for command in ["inspect", "verify-store", "rekey"] {
        let told = failed(&first, &[], &[command]);
        assert!(told.contains("stop the service first"), "{command}: {told}");
    }
    service.stop();
}

#[test]
fn a_backup_replaces_no_file_and_leaves_none_behind_when_it_fails() {
    let place = Place::new();
    let whole = backed_up(&place);
    let told = failed(&place.at("first"), &[], &["backup", &place.text("backup")]);
    assert!(told.contains("is there already"), "{told}");
    assert_eq!(fs::read(place.at("backup")).unwrap(), whole);
    failed(&place.at("nothing"), &[], &["backup", &place.text("other")]);
    assert!(!place.at("other").exists() && !place.at("other.unfinished").exists());
}

#[test]
fn only_the_operator_takes_a_backup_over_http() {
    const ADMIN: &str = "an-admin-token-of-over-thirty-two-characters";
    let place = Place::new();
    let first = place.at("first");
    let service = Service::start(&first, &[("AUTH_ADMIN_TOKEN", ADMIN)]);
    let (status, answer) = call(&service.base, "GET", "/admin/backup", None, None);
    assert_eq!(status, 401, "{answer}");
    let port = service.port();
    let output = run(&first, &[("AUTH_PORT", &port)], &["backup", &place.text("backup")]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "not permitted: {told}");
    assert!(told.contains("401"), "{told}");
    let variables = [("AUTH_PORT", port.as_str()), ("AUTH_ADMIN_TOKEN", ADMIN)];
    let taken = done(&first, &variables, &["backup", &place.text("backup"), "--json"]);
    assert_eq!(taken["customers"], json!(0));
    service.stop();
}
