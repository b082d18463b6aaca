//! Taking a backup over HTTP: one at a time, and at the pace of whoever reads it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::support::{Place, Service, agent, bearer, customer, mint_large, run};

/// More than the system keeps for a connection that nobody reads: 15 MiB of a backup.
const BATCHES: usize = 30;
/// Times to ask whether the first backup is given up, and the pause between two: a minute in all.
const ASKED_MAX: usize = 600;
const PAUSE: Duration = Duration::from_millis(100);

#[test]
fn a_second_backup_is_refused_while_one_is_taken_and_nothing_else_is() {
    let place = Place::new();
    let first = place.at("first");
    let service = Service::start(&first, &[]);
    let (bearer, _) = bearer(&service, &customer(1));
    mint_large(&service, &customer(1), &bearer, BATCHES);

    // It reads that it is served, and then no more.
    let mut slow = TcpStream::connect(service.program.address).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    slow.write_all(b"GET /admin/backup HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut status = [0; 12];
    slow.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");

    for _ in 0..3 {
        let (status, answer) = service.get("/admin/backup");
        assert_eq!(
            (status, &answer["code"]),
            (409, &json!("backup_in_progress")),
            "{answer}"
        );
    }
    let port = service.port();
    let backup = |name: &str| run(&first, &[("AUTH_PORT", &port)], &["backup", &place.text(name)]);
    let refused = backup("second");
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && told.contains("backup_in_progress"),
        "{told}"
    );
    assert!(!place.at("second").exists() && !place.at("second.unfinished").exists());
    // The customer that is being read is served as ever.
    agent(&service, &customer(1), &bearer);

    drop(slow);
    let taken = (0..ASKED_MAX).any(|_| {
        let taken = backup("second").status.success();
        if !taken {
            thread::sleep(PAUSE);
        }
        taken
    });
    assert!(taken, "a client that went away holds no backup up");
    let restored = run(&place.at("restored"), &[], &["restore", &place.text("second")]);
    assert!(restored.status.success());
    service.stop();
}
