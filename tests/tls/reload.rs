//! Certificates are replaced without a restart.

use crate::support::{ADMIN, Authority, OPERATOR, Place, Service, eventually};

fn place_with_log() -> (Place, std::process::Command) {
    let place = Place::new();
    let mut command = place.command();
    command
        .env("AUTH_ADMIN_TOKEN", ADMIN)
        .env("AUTH_LOG", "info")
        .env("AUTH_TLS_RELOAD_SECONDS", "86400");
    (place, command)
}

fn told(service: &Service<'_>, what: &str) -> usize {
    service.log().matches(what).count()
}

#[test]
fn a_signal_swaps_the_certificate_for_new_connections_and_old_ones_go_on() {
    let (place, command) = place_with_log();
    let service = place.serve(command);
    let before = place.served.der();
    let mut old = service.connect();
    place
        .served
        .become_like(&place.authority.issue(place.path(), "next", &["localhost"]));
    assert_eq!(service.presented(), before, "nobody has asked yet");
    service.signal("-HUP");
    eventually("the new certificate is served", || {
        service.presented() == place.served.der()
    });
    assert_ne!(before, place.served.der());
    assert_eq!(old.call("GET /health", None, "").status, 200);
    assert_eq!(told(&service, "the certificate was read again"), 1);
}

#[test]
fn a_bad_certificate_keeps_the_old_one_and_is_told_loudly() {
    let (place, command) = place_with_log();
    let service = place.serve(command);
    let before = place.served.der();
    let next = place.authority.issue(place.path(), "next", &["localhost"]);
    std::fs::copy(&next.certificate, &place.served.certificate).unwrap();
    service.signal("-HUP");
    eventually("the refusal is logged", || told(&service, "ERROR") == 1);
    assert!(
        service.log().contains("does not belong to the certificate"),
        "{}",
        service.log()
    );
    assert_eq!(service.presented(), before);
    std::fs::write(&place.served.certificate, "nonsense").unwrap();
    service.signal("-HUP");
    eventually("the second refusal is logged", || told(&service, "ERROR") == 2);
    assert_eq!(service.presented(), before);
    place.served.become_like(&next);
    service.signal("-HUP");
    eventually("the new certificate is served", || service.presented() == next.der());
}

#[test]
fn changed_files_are_noticed_without_a_signal() {
    let place = Place::new();
    let mut command = place.command();
    command.env("AUTH_TLS_RELOAD_SECONDS", "1");
    let service = place.serve(command);
    let next = place.authority.issue(place.path(), "next", &["localhost"]);
    place.served.become_like(&next);
    eventually("the new certificate is served", || service.presented() == next.der());
}

#[test]
fn whom_to_trust_is_replaced_as_well() {
    let place = Place::new();
    let service = place.serve(place.command_asking("optional"));
    let operator = place.authority.issue(place.path(), "operator", &[OPERATOR]);
    let successor = Authority::new("A successor");
    let next = successor.issue(place.path(), "next-operator", &[OPERATOR]);
    service.connect_as(&operator).unwrap();
    assert!(service.connect_as(&next).is_err());
    successor.file(place.path(), "clients.pem");
    service.signal("-HUP");
    eventually("the successor is trusted", || service.connect_as(&next).is_ok());
    assert!(service.connect_as(&operator).is_err());
    let mut client = service.connect_as(&next).unwrap();
    assert_eq!(client.call("GET /customers", None, "").status, 200);
}
