//! The program itself under more than it can take: floods, ten thousand connections, clients that never end what they began.
//!
//! Nothing here asserts a time. `COUNTERSIGN_OVERLOAD_ROUNDS=2000 cargo test --test overload -- --nocapture` goes on for longer.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../common/client.rs"]
mod client;
mod connections;
mod floods;
#[path = "../common/program.rs"]
mod program;
mod timeouts;

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::program::{Program, countersign};

const ADMIN: &str = "an-admin-credential-of-some-forty-characters";
const JSON: &str = "Content-Type: application/json";

/// How often the long parts of the tests are repeated.
fn rounds() -> usize {
    let given = std::env::var("COUNTERSIGN_OVERLOAD_ROUNDS").ok();
    given.map_or(20, |given| given.parse().unwrap())
}

/// A program with these settings, and a directory that outlives it.
fn start(data_dir: &Path, settings: &[(&str, &str)]) -> Program {
    let mut command = countersign(data_dir);
    command.env("AUTH_ADMIN_TOKEN", ADMIN).envs(settings.iter().copied());
    Program::start(command)
}

fn post(client: &mut Client, credential: &str, path: &str, body: &Value) -> Answer {
    let authorization = format!("Authorization: Bearer {credential}");
    client
        .exchange(&format!("POST {path}"), &[JSON, &authorization], body.to_string())
        .unwrap()
}

fn get(client: &mut Client, credential: &str, path: &str) -> Answer {
    let authorization = format!("Authorization: Bearer {credential}");
    client.exchange(&format!("GET {path}"), &[&authorization], "").unwrap()
}

/// A customer with a key, an app token and a bearer token.
struct Customer {
    id: String,
    app: String,
    bearer: Value,
}

impl Customer {
    fn new(address: SocketAddr) -> Self {
        let id = uuid::Uuid::new_v4().to_string();
        let mut client = Client::open(address).unwrap();
        let mut done = |path: &str, body: Value| {
            let answer = post(&mut client, ADMIN, path, &body);
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.json()
        };
        done("/keys/signing", json!({"customer_id": id}));
        let app = done("/tokens/app", json!({"customer_id": id, "name": "pipeline"}));
        let hash = &app["token_hash"];
        let bearer = done("/tokens/bearer", json!({"customer_id": id, "app_token_hash": hash}));
        Self {
            app: app["token"].as_str().unwrap().to_owned(),
            bearer: bearer["jti"].clone(),
            id,
        }
    }

    fn mint_agent(&self, client: &mut Client) -> Answer {
        let body = json!({"customer_id": self.id, "bearer_jti": self.bearer, "agent_id": "agent"});
        post(client, ADMIN, "/tokens/agent", &body)
    }

    /// Live agent tokens, as the service counts them.
    fn agents(&self, client: &mut Client) -> u64 {
        let found = get(client, ADMIN, &format!("/customers/{}", self.id)).json();
        found["live_tokens"]["agent"].as_u64().unwrap()
    }
}
