//! What is served, and what is not.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustls::version::{TLS12, TLS13};

use crate::client::Client;
use crate::program::{Program, countersign};
use crate::support::{ADMIN, Place};

#[test]
fn both_versions_of_tls_are_served_with_http_1_1_and_told_to_browsers() {
    let place = Place::new();
    let mut service = place.start();
    for (versions, expected) in [
        (&TLS12, rustls::ProtocolVersion::TLSv1_2),
        (&TLS13, rustls::ProtocolVersion::TLSv1_3),
    ] {
        let mut client = service.try_connect(None, &[versions]).unwrap();
        assert_eq!(client.stream.conn.protocol_version(), Some(expected));
        assert_eq!(client.stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        for (line, status) in [("GET /health", 200), ("GET /customers", 401), ("GET /nowhere", 404)] {
            let answer = client.call(line, None, "");
            assert_eq!(answer.status, status);
            assert_eq!(
                answer.header("strict-transport-security"),
                Some("max-age=31536000"),
                "{line}"
            );
        }
        assert_eq!(client.call("GET /customers", Some(ADMIN), "").status, 200);
    }
    assert_eq!(service.presented(), place.served.der());
    service.program.terminate();
    assert!(service.program.wait().success());
}

#[test]
fn plain_http_to_the_same_port_gets_no_answer() {
    let place = Place::new();
    let service = place.start();
    let mut client = Client::open(service.program.address).unwrap();
    client
        .stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut said = Vec::new();
    // Closed or reset: either way nothing of HTTP comes back.
    let _ = client.stream.read_to_end(&mut said);
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
}

#[test]
fn whoever_does_not_finish_a_handshake_is_let_go_and_others_are_served_meanwhile() {
    let place = Place::new();
    let mut command = place.command();
    command.env("AUTH_TLS_HANDSHAKE_TIMEOUT_SECONDS", "1");
    let service = place.serve(command);
    let mut silent = TcpStream::connect(service.program.address).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    service.connect();
    let read = silent.read(&mut [0; 16]).map_err(|error| error.kind());
    let closed = matches!(read, Ok(0) | Err(ErrorKind::ConnectionReset));
    assert!(closed, "although the client said nothing: {read:?}");
}

#[test]
fn plain_http_and_the_unix_socket_stay_as_they_are() {
    let place = Place::new();
    let program = Program::start(countersign(&place.path().join("data")));
    let plain = Client::open(program.address)
        .unwrap()
        .exchange("GET /health", &[], "")
        .unwrap();
    assert_eq!((plain.status, plain.header("strict-transport-security")), (200, None));
    drop(program);

    let socket = place.path().join("s");
    let mut command = place.command();
    command
        .env("AUTH_ADMIN_TOKEN", ADMIN)
        .env("AUTH_SERVER_UNIX_SOCKET", &socket);
    let service = place.serve(command);
    service.connect();
    let mut client = Client::over(UnixStream::connect(&socket).unwrap());
    let answer = client.exchange("GET /customers", &[], "").unwrap();
    assert_eq!((answer.status, answer.header("strict-transport-security")), (401, None));
}

#[test]
fn open_mode_keeps_browsers_and_proxies_out_over_tls_too() {
    let place = Place::new();
    let service = place.serve(place.command());
    let mut client = service.connect();
    assert_eq!(
        client.call("GET /customers", None, "").status,
        200,
        "a local program is the operator"
    );
    for header in [
        "Origin: https://evil.example",
        "X-Forwarded-For: 192.0.2.1",
        "Forwarded: for=192.0.2.1",
    ] {
        let answer = client.exchange("GET /customers", &[header], "").unwrap();
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (403, Some("open_mode_refused")),
            "{header}"
        );
    }
    let mut client = service.connect();
    client
        .stream
        .write_all(b"GET /customers HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        .unwrap();
    assert_eq!(client.read_head().unwrap().status, 403);
}
