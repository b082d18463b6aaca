//! SIGTERM under load.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::load::{Load, check, customers, works};
use crate::program::{Program, countersign};

#[test]
fn a_stop_under_load_ends_well_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut known = customers(6);
    for _ in 0..3 {
        let mut program = Program::start(countersign(&data));
        let load = Load::start(program.address, known.clone());
        thread::sleep(Duration::from_millis(150));
        program.terminate();
        assert_eq!(program.wait().code(), Some(0));
        assert!(TcpStream::connect(program.address).is_err(), "nobody listens any more");
        let after = load.join();
        assert!(after.iter().all(|customer| customer.tokens() > 0));

        let program = Program::start(countersign(&data));
        check(program.address, &after, &known);
        works(program.address);
        known = after;
    }
}
