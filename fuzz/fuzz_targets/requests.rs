//! Requests to every endpoint that takes a body, through a real server.
//!
//! `cargo +nightly fuzz run requests -- -detect_leaks=0`: each worker's router keeps the names in its paths for good, once.
#![no_main]

#[path = "../../tests/common/client.rs"]
mod client;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread;

use client::Client;
use countersign::config::{Config, Secret};
use countersign::server::Server;
use countersign::service::{application, start_engine};
use countersign::testing::{Answer, Request, Requests, Service};
use countersign_actors::clock::{ManualClock, UnixMillis};
use countersign_actors::engine::Engine;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

const ADMIN: &str = "an-admin-credential-of-some-forty-characters";

struct Connected {
    engine: Engine,
    address: SocketAddr,
    client: Client,
    _data: TempDir,
}

impl Connected {
    fn start() -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let mut config = Config::default();
        config.server.port = 0;
        config.server.workers = 1;
        config.engine.shards = 1;
        config.storage.data_dir = data.path().join("data");
        config.secrets.admin_token = Some(Secret::new(ADMIN.into()));
        config.permissions.management_per_hour = 1_000_000_000;
        config.permissions.checks_per_hour = 1_000_000_000;
        let (started, serving) = mpsc::channel();
        thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let clock = Arc::new(ManualClock::at(UnixMillis::new(1_772_323_200_000)));
                let engine = start_engine(&config, clock, |reason| panic!("{reason}")).expect("an engine");
                let server = Server::bind(&config, application(&config, engine.clone())).expect("a server");
                let announce = move |addresses: &[SocketAddr]| {
                    started.send((engine, addresses[0])).expect("somebody waits");
                    Ok(())
                };
                server.run_until_stopped(announce).await.expect("it serves");
            });
        });
        let (engine, address) = serving.recv().expect("it starts");
        let client = Client::open(address).expect("a connection");
        Self { engine, address, client, _data: data }
    }
}

impl Service for Connected {
    fn send(&mut self, request: &Request) -> Answer {
        let headers: Vec<&str> = request.headers.iter().map(String::as_str).collect();
        let answer = self.client.exchange(&request.line, &headers, &request.body).expect("an answer");
        if answer.header("connection") == Some("close") {
            self.client = Client::open(self.address).expect("a connection");
        }
        Answer { status: answer.status, body: answer.json() }
    }

    fn events(&self) -> u64 {
        self.engine.journal_status().events
    }
}

thread_local!(static REQUESTS: RefCell<Requests<Connected>> = RefCell::new(Requests::new(Connected::start(), ADMIN)));

fuzz_target!(|input: &[u8]| {
    REQUESTS.with_borrow_mut(|requests| requests.check(input));
});
