//! What never ends is ended: heads, bodies, idle connections, however slowly they trickle.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use crate::client::Client;
use crate::program::Program;
use crate::{ADMIN, start};

/// Bytes that a test trickles at most before it gives up on the server, and the pause between two: half a minute in all.
const TRICKLED_MAX: usize = 600;
const PAUSE: Duration = Duration::from_millis(50);

fn impatient(directory: &tempfile::TempDir) -> Program {
    let settings = [
        ("AUTH_SERVER_HEADER_TIMEOUT_SECONDS", "1"),
        ("AUTH_SERVER_BODY_TIMEOUT_SECONDS", "1"),
        ("AUTH_SERVER_IDLE_TIMEOUT_SECONDS", "1"),
    ];
    start(&directory.path().join("data"), &settings)
}

/// Sends a byte now and then until the server has said something, or has closed.
fn trickle(client: &mut Client) {
    client.stream.set_read_timeout(Some(PAUSE)).unwrap();
    for _ in 0..TRICKLED_MAX {
        if client.stream.write_all(b"x").is_err() {
            break;
        }
        // Nothing is read off: the answer is for the client.
        if client.stream.peek(&mut [0]).is_ok() {
            break;
        }
    }
    client.stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
}

/// Whether the server closes; what it said before is skipped.
fn is_closed(client: &mut Client) -> bool {
    client.stream.read_to_end(&mut Vec::new()).is_ok()
}

#[test]
fn a_head_that_trickles_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let program = impatient(&directory);
    let mut client = Client::open(program.address).unwrap();
    client
        .stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Padding: ")
        .unwrap();
    trickle(&mut client);
    assert_eq!(client.read_head().unwrap().status, 408);
    assert!(is_closed(&mut client));
}

#[test]
fn a_body_that_trickles_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let program = impatient(&directory);
    let mut client = Client::open(program.address).unwrap();
    let head = "POST /tokens/introspect HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n";
    let head = format!("{head}Authorization: Bearer {ADMIN}\r\n\r\n{{");
    client.stream.write_all(head.as_bytes()).unwrap();
    trickle(&mut client);
    let mut answer = client.read_head().unwrap();
    client.read_body(&mut answer).unwrap();
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (408, &"request_timeout".into())
    );
}

#[test]
fn a_connection_without_a_request_is_closed_before_the_first_and_after_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let program = impatient(&directory);
    let mut silent = Client::open(program.address).unwrap();
    let mut used = Client::open(program.address).unwrap();
    assert_eq!(used.exchange("GET /health", &[], "").unwrap().status, 200);
    assert!(is_closed(&mut used));
    assert!(is_closed(&mut silent));
    thread::sleep(PAUSE);
    let mut client = Client::open(program.address).unwrap();
    assert_eq!(client.exchange("GET /health", &[], "").unwrap().status, 200);
}

#[test]
fn what_the_http_library_cannot_read_is_refused_and_the_connection_closed() {
    let directory = tempfile::tempdir().unwrap();
    let program = start(&directory.path().join("data"), &[]);
    for broken in [
        "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
        "GET /health\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nHost localhost\r\n\r\n".to_owned(),
        "POST /tokens/app HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx".to_owned(),
        "POST /tokens/app HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nx".to_owned(),
        "GET /health HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n".to_owned(),
        format!("GET /health HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(200_000)),
        format!("GET /health HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(200)),
    ] {
        let mut client = Client::open(program.address).unwrap();
        // The server may have closed before all of it was sent.
        let _ = client.stream.write_all(broken.as_bytes());
        let status = client.read_head().map(|answer| answer.status);
        assert!(
            matches!(status, Ok(400 | 431) | Err(_)),
            "{status:?}: {}",
            &broken[..broken.len().min(80)]
        );
        let mut next = Client::open(program.address).unwrap();
        assert_eq!(next.exchange("GET /health", &[], "").unwrap().status, 200);
    }
}
