//! A service that cannot serve as it is configured does not start.

use std::process::Command;

use crate::support::{OPERATOR, Place};

/// That it ends with 1, says this, and has touched no data; `check-config` says the same.
fn refused(place: &Place, command: impl Fn() -> Command, expected: &str) {
    for arguments in [&[][..], &["check-config"]] {
        let output = command().args(arguments).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?} {told}");
        assert!(told.contains(expected), "{expected}: {told}");
        assert!(!told.contains("PRIVATE KEY"), "{told}");
        assert!(output.stdout.is_empty());
    }
    assert!(!place.path().join("data").exists());
}

#[test]
fn files_that_are_missing_broken_or_do_not_belong_together_are_named() {
    let place = Place::new();
    let other = place.authority.issue(place.path(), "other", &["localhost"]);
    let nonsense = place.path().join("nonsense");
    std::fs::write(&nonsense, "nonsense").unwrap();
    let missing = place.path().join("missing");
    for (variable, path, expected) in [
        (
            "AUTH_TLS_PRIVATE_KEY_FILE",
            &other.key,
            "does not belong to the certificate in",
        ),
        (
            "AUTH_TLS_PRIVATE_KEY_FILE",
            &missing,
            "missing` cannot be read: No such file",
        ),
        ("AUTH_TLS_PRIVATE_KEY_FILE", &nonsense, "nonsense` holds no private key"),
        (
            "AUTH_TLS_CERTIFICATE_FILE",
            &missing,
            "missing` cannot be read: No such file",
        ),
        ("AUTH_TLS_CERTIFICATE_FILE", &nonsense, "nonsense` holds no certificate"),
        (
            "AUTH_TLS_CERTIFICATE_FILE",
            &other.key,
            "other.key` holds no certificate",
        ),
    ] {
        let command = || {
            let mut command = place.command();
            command.env(variable, path);
            command
        };
        refused(&place, command, expected);
    }
    let command = || {
        let mut command = place.command_asking("optional");
        command.env("AUTH_TLS_CLIENT_CA_FILE", &nonsense);
        command
    };
    refused(&place, command, "nonsense` holds no certificate");
}

#[test]
fn settings_that_would_only_look_safe_are_named() {
    let place = Place::new();
    for (variable, value, expected) in [
        ("AUTH_TLS_PRIVATE_KEY_FILE", "", "tls.private_key_file: is needed"),
        (
            "AUTH_TLS_CLIENT_CERTIFICATES",
            "none",
            "tls.admin_certificates: has no effect",
        ),
        ("AUTH_TLS_CLIENT_CA_FILE", "", "tls.client_ca_file: is needed"),
        (
            "AUTH_TLS_ADMIN_CERTIFICATES",
            OPERATOR,
            "tls.admin_certificates: `ops.example.org` must be",
        ),
        (
            "AUTH_TLS_CLIENT_CERTIFICATES",
            "sometimes",
            "must be one of none, optional, required",
        ),
    ] {
        let command = || {
            let mut command = place.command_asking("optional");
            command.env(variable, value);
            command
        };
        refused(&place, command, expected);
    }
}

#[test]
fn tls_alone_is_no_credential_for_a_network() {
    let place = Place::new();
    let command = || {
        let mut command = place.command();
        command.env("AUTH_HOST", "0.0.0.0");
        command
    };
    refused(
        &place,
        command,
        "0.0.0.0 would be served to a network without an admin credential",
    );
}
