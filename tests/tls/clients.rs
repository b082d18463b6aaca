//! Client certificates, and what they are worth.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

use crate::support::{ADMIN, Authority, CUSTOMER, Files, OPERATOR, Place, Service, app_token, eventually, make_key};

#[test]
fn a_listed_certificate_is_the_operator_and_the_audit_names_it() {
    let place = Place::new();
    let service = place.serve(place.command_asking("optional"));
    let operator = place.authority.issue(place.path(), "operator", &[OPERATOR]);
    let mut client = service.connect_as(&operator).unwrap();
    assert_eq!(make_key(&mut client, None).status, 200);
    let audit = client.call(&format!("GET /audit?customer_id={CUSTOMER}"), None, "");
    assert_eq!(
        audit.json()["entries"][0]["actor"],
        format!("management:dns:{OPERATOR}")
    );
}

#[test]
fn nothing_else_is_the_operator_while_app_tokens_go_on() {
    let place = Place::new();
    let service = place.serve(place.command_asking("optional"));
    let operator = place.authority.issue(place.path(), "operator", &[OPERATOR]);
    let app = app_token(&mut service.connect_as(&operator).unwrap(), None);
    let guest = place.authority.issue(place.path(), "guest", &["guest.example.org"]);
    for mut client in [service.connect(), service.connect_as(&guest).unwrap()] {
        assert_eq!(client.call("GET /customers", None, "").status, 401);
        let introspected = client.call(
            "POST /tokens/introspect",
            Some(&app),
            &format!(r#"{{"token":"{app}"}}"#),
        );
        assert_eq!(
            (introspected.status, introspected.json()["active"].as_bool()),
            (200, Some(true))
        );
        let jwks = client.call(&format!("GET /keys/public/{CUSTOMER}/jwks.json"), None, "");
        assert_eq!(jwks.status, 200);
        assert_eq!(make_key(&mut client, None).status, 401);
    }
    // What is presented in the request decides, and a wrong one is not made good by the certificate.
    let mut client = service.connect_as(&operator).unwrap();
    assert_eq!(client.call("GET /customers", Some(&app), "").status, 403);
    assert_eq!(client.call("GET /customers", Some(ADMIN), "").status, 401);
    assert_eq!(
        client.call("GET /api/v1/whoami", None, "").status,
        401,
        "no key of the permission family"
    );
}

#[test]
fn a_certificate_of_another_root_for_another_purpose_or_out_of_time_gets_no_connection() {
    let place = Place::new();
    let service = place.serve(place.command_asking("optional"));
    let foreign = Authority::new("A root").issue(place.path(), "foreign", &[OPERATOR]);
    let purpose = place
        .authority
        .issue_with(place.path(), "purpose", &[OPERATOR], |params| {
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        });
    let expired = place
        .authority
        .issue_with(place.path(), "expired", &[OPERATOR], |params| {
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        });
    for files in [&foreign, &purpose, &expired] {
        assert!(service.connect_as(files).is_err(), "{}", files.certificate.display());
    }
    service.connect();
}

#[test]
fn a_connection_that_outlives_its_certificate_is_the_operators_no_more() {
    let place = Place::new();
    let service = place.serve(place.command_asking("optional"));
    let until = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(3);
    let brief = place
        .authority
        .issue_with(place.path(), "brief", &[OPERATOR], |params| {
            params.not_after = rcgen::date_time_ymd(1970, 1, 1) + until;
        });
    let mut client = service.connect_as(&brief).unwrap();
    eventually("it is over", || client.call("GET /customers", None, "").status == 401);
    assert!(service.connect_as(&brief).is_err());
}

#[test]
fn where_a_certificate_is_required_there_is_no_connection_without() {
    let place = Place::new();
    let mut command = place.command_asking("required");
    command.env("AUTH_ADMIN_TOKEN", ADMIN);
    let service = place.serve(command);
    assert!(service.try_connect(None, rustls::DEFAULT_VERSIONS).is_err());
    let guest = place.authority.issue(place.path(), "guest", &["guest.example.org"]);
    let mut client = service.connect_as(&guest).unwrap();
    assert_eq!(client.call("GET /customers", None, "").status, 401);
    let app = app_token(&mut client, Some(ADMIN));
    assert_eq!(
        client
            .call(&format!("GET /tokens?customer_id={CUSTOMER}"), Some(&app), "")
            .status,
        200
    );
}

#[test]
fn a_session_is_resumed_only_where_nobody_is_asked_for_a_certificate() {
    let place = Place::new();
    let operator = place.authority.issue(place.path(), "operator", &[OPERATOR]);
    let kinds = |service: &Service<'_>, files: Option<&Files>, version| {
        let client = service.client(files, &[version]);
        let kind = || {
            service
                .connect_with(&client)
                .unwrap()
                .stream
                .conn
                .handshake_kind()
                .unwrap()
        };
        (kind(), kind())
    };
    for version in [&TLS12, &TLS13] {
        let asking = place.serve(place.command_asking("optional"));
        for files in [Some(&operator), None] {
            assert_eq!(
                kinds(&asking, files, version),
                (HandshakeKind::Full, HandshakeKind::Full)
            );
        }
        drop(asking);
        let service = place.start();
        assert_eq!(
            kinds(&service, None, version),
            (HandshakeKind::Full, HandshakeKind::Resumed)
        );
    }
}

#[test]
fn where_nobody_is_asked_a_certificate_counts_for_nothing() {
    let place = Place::new();
    let service = place.start();
    let operator = place.authority.issue(place.path(), "operator", &[OPERATOR]);
    let mut client = service.connect_as(&operator).unwrap();
    assert_eq!(client.call("GET /customers", None, "").status, 401);
}
