//! The commands over TLS.

use std::process::{Command, Output};

use crate::program::countersign;
use crate::support::{ADMIN, Authority, CUSTOMER, OPERATOR, Place, Service};

fn client(place: &Place, service: &Service<'_>, arguments: &[&str]) -> Command {
    let mut command = countersign(&place.path().join("data"));
    command.env("AUTH_CLIENT_SERVICE_URL", service.url()).args(arguments);
    command
}

#[track_caller]
fn ended(output: &Output, code: i32, told: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(told), "{said}");
}

#[test]
fn commands_trust_the_named_root_and_no_other() {
    let place = Place::new();
    let service = place.start();
    let root = place.authority.file(place.path(), "root.pem");
    let foreign = Authority::new("Another root").file(place.path(), "foreign.pem");
    let run = |ca_file: Option<&std::path::Path>, arguments: &[&str]| {
        let mut command = client(&place, &service, arguments);
        command.env("AUTH_ADMIN_TOKEN", ADMIN);
        command.args(ca_file.iter().flat_map(|path| ["--ca-file".as_ref(), path.as_os_str()]));
        command.output().unwrap()
    };
    ended(&run(Some(&root), &["keys", "create", "--customer", CUSTOMER]), 0, "");
    ended(&run(Some(&root), &["customers", "list"]), 0, "");
    ended(
        &run(Some(&foreign), &["customers", "list"]),
        3,
        "no service answers at https://localhost",
    );
    let bad = run(Some(&place.path().join("missing")), &["customers", "list"]);
    ended(&bad, 1, "missing` cannot be read");
    // Another name than the certificate's.
    let url = format!("https://127.0.0.2:{}", service.program.address.port());
    ended(
        &run(Some(&root), &["customers", "list", "--service", &url]),
        3,
        "no service answers",
    );
    // Plain HTTP does not fall back.
    let url = service.url().replace("https", "http");
    ended(
        &run(Some(&root), &["customers", "list", "--service", &url]),
        3,
        "no service answers",
    );
}

#[test]
fn a_command_may_present_a_certificate_instead_of_a_token() {
    let place = Place::new();
    let service = place.serve(place.command_asking("optional"));
    let root = place.authority.file(place.path(), "root.pem");
    let operator = place.authority.issue(place.path(), "operator", &[OPERATOR]);
    let guest = place.authority.issue(place.path(), "guest", &["guest.example.org"]);
    let run = |certificate: &std::path::Path, key: Option<&std::path::Path>| {
        let mut command = client(&place, &service, &["customers", "list"]);
        command
            .env("AUTH_CLIENT_CA_FILE", &root)
            .env("AUTH_CLIENT_CERTIFICATE_FILE", certificate);
        command.envs(key.map(|key| ("AUTH_CLIENT_PRIVATE_KEY_FILE", key)));
        command.output().unwrap()
    };
    ended(&run(&operator.certificate, Some(&operator.key)), 0, "");
    ended(&run(&guest.certificate, Some(&guest.key)), 4, "401");
    ended(
        &run(&operator.certificate, Some(&guest.key)),
        1,
        "does not belong to the certificate",
    );
    ended(&run(&operator.certificate, None), 1, "are given together");
}

#[test]
fn bootstrap_finds_a_service_that_serves_tls() {
    let place = Place::new();
    let service = place.start();
    let mut command = place.command();
    command
        .env("AUTH_PORT", service.program.address.port().to_string())
        .env("AUTH_ADMIN_TOKEN", ADMIN)
        .env("AUTH_CLIENT_CA_FILE", place.authority.file(place.path(), "root.pem"))
        .args(["bootstrap", "--customer", CUSTOMER, "--json"]);
    let output = command.output().unwrap();
    ended(&output, 0, "");
    let made: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(made["token"].as_str().unwrap().starts_with("qt_app_"));
}
