//! A running service, its restart, and short forms of what tests ask of it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::config::Config;
use countersign::server::Server;
use countersign::service::{application, start_engine};
use countersign_actors::clock::{Clock, ManualClock, UnixMillis};
use countersign_actors::commands::Command;
use countersign_actors::engine::Engine;
use countersign_actors::id::CustomerId;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tempfile::TempDir;

pub(crate) use crate::client::{Answer, Client};

/// 2026-03-01T00:00:00Z: where every test's clock starts.
pub(crate) const START: UnixMillis = UnixMillis::new(1_772_323_200_000);
pub(crate) const MINUTE: i64 = 60;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// What every service with a credential has.
pub(crate) const ADMIN: &str = "an-admin-credential-of-some-forty-characters";

/// A service on a free port and a directory of its own. It stops with the test.
pub(crate) struct Service {
    config: Config,
    clock: Arc<ManualClock>,
    _data: TempDir,
    running: Option<Running>,
}

struct Running {
    address: SocketAddr,
    handle: ServerHandle,
    engine: Engine,
    thread: JoinHandle<()>,
}

impl Service {
    /// In open mode, with the defaults.
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// With [`ADMIN`] as its admin credential.
    pub(crate) fn credentialed() -> Self {
        Self::with(|config| config.secrets.admin_token = Some(countersign::config::Secret::new(ADMIN.into())))
    }

    /// With changed settings.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.port = 0;
        config.server.workers = 2;
        config.engine.shards = 2;
        config.storage.data_dir = data.path().join("data");
        config.storage.disk_free_min_mib = 0;
        change(&mut config);
        let clock = Arc::new(ManualClock::at(START));
        let running = Some(Running::start(&config, &clock));
        Self {
            config,
            clock,
            _data: data,
            running,
        }
    }

    /// Stops the service as a signal does, and starts another on the same directory at the same time of day.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.running = Some(Running::start(&self.config, &self.clock));
    }

    /// Changes settings for the next start.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
    }

    pub(crate) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            drop(running.handle.stop(true));
            drop(running.engine);
            if running.thread.join().is_err() && !thread::panicking() {
                panic!("the service ended in a panic");
            }
        }
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.advance_seconds(seconds);
    }

    /// Sets the wall clock forward, while no time passes.
    pub(crate) fn jump(&self, seconds: i64) {
        self.clock.jump_seconds(seconds);
    }

    /// The clock's time in seconds.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().seconds().get()
    }

    /// Events made durable since the last start: it stands still when nothing happens.
    pub(crate) fn events(&self) -> u64 {
        self.running().engine.journal_status().events
    }

    pub(crate) fn connect(&self) -> Client {
        Client::open(self.running().address).unwrap()
    }

    /// One request on a connection of its own, whose answer is one that is described.
    pub(crate) fn request(&self, line: &str, headers: &[&str], body: &str) -> Answer {
        let answer = self.connect().exchange(line, headers, body).unwrap();
        crate::documented::assert_described(line, answer.status, &answer.body);
        answer
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request(&format!("GET {path}"), &[], "")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.request(&format!("POST {path}"), &[JSON], &body.to_string())
    }

    /// With a credential.
    pub(crate) fn post_as(&self, credential: &str, path: &str, body: &Value) -> Answer {
        let authorization = format!("Authorization: Bearer {credential}");
        self.request(&format!("POST {path}"), &[JSON, &authorization], &body.to_string())
    }

    pub(crate) fn get_as(&self, credential: &str, path: &str) -> Answer {
        self.request(
            &format!("GET {path}"),
            &[&format!("Authorization: Bearer {credential}")],
            "",
        )
    }

    /// Without a body if it is `null`.
    pub(crate) fn delete(&self, path: &str, body: &Value) -> Answer {
        match body {
            Value::Null => self.request(&format!("DELETE {path}"), &[], ""),
            body => self.request(&format!("DELETE {path}"), &[JSON], &body.to_string()),
        }
    }

    /// With an idempotency key.
    pub(crate) fn post_keyed(&self, key: &str, path: &str, body: &Value) -> Answer {
        let key = format!("Idempotency-Key: {key}");
        self.request(&format!("POST {path}"), &[JSON, &key], &body.to_string())
    }

    /// Whether introspection finds a token active.
    #[track_caller]
    pub(crate) fn is_active(&self, token: &str) -> bool {
        let answer = self.posted("/tokens/introspect", &serde_json::json!({"token": token}));
        if answer["active"] == false {
            assert_eq!(answer, serde_json::json!({"active": false}));
        }
        answer["active"].as_bool().unwrap()
    }

    /// The journal's batches since the last start.
    pub(crate) fn groups(&self) -> u64 {
        self.running().engine.journal_status().groups
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.config.storage.data_dir
    }

    /// The answer of the engine itself.
    pub(crate) fn ask<C: Command>(&self, customer: &str, command: C) -> C::Reply
    where
        C::Reply: std::fmt::Debug,
    {
        let customer = CustomerId::parse(customer).unwrap();
        let asked = self.running().engine.manage(customer, command);
        actix_web::rt::System::new().block_on(asked).unwrap()
    }

    /// The answer to a request that has to succeed, with [`ADMIN`] where there is one.
    pub(crate) fn post_as_operator(&self, path: &str, body: &Value) -> Value {
        if self.config.secrets.admin_token.is_some() {
            self.post_as(ADMIN, path, body).success()
        } else {
            self.posted(path, body)
        }
    }

    /// The answer to the operator, with [`ADMIN`] where there is one.
    pub(crate) fn get_as_operator(&self, path: &str) -> Answer {
        match self.config.secrets.admin_token {
            Some(_) => self.get_as(ADMIN, path),
            None => self.get(path),
        }
    }

    /// Looks for idle customers, as happens every second.
    pub(crate) fn sweep(&self) {
        let sweeping = self.running().engine.sweep();
        actix_web::rt::System::new().block_on(sweeping);
    }

    /// The answer to a request that has to succeed in open mode.
    pub(crate) fn posted(&self, path: &str, body: &Value) -> Value {
        self.post(path, body).success()
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Running {
    fn start(config: &Config, clock: &Arc<ManualClock>) -> Self {
        let (config, clock) = (config.clone(), Arc::clone(clock));
        let (started, serving) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let fail = |reason: String| panic!("the journal failed: {reason}");
                let engine = start_engine(&config, clock, fail).unwrap();
                let server = Server::bind(&config, application(&config, engine.clone())).unwrap();
                let handle = server.handle();
                let announced = engine.clone();
                let announce = move |addresses: &[SocketAddr]| {
                    started.send((addresses[0], handle, announced)).unwrap();
                    Ok(())
                };
                server.run_until_stopped(announce).await.unwrap();
                assert!(engine.shutdown(Duration::from_secs(30)).await, "all is answered");
            });
        });
        let (address, handle, engine) = serving.recv().unwrap();
        Self {
            address,
            handle,
            engine,
            thread,
        }
    }
}

pub(crate) const JSON: &str = "Content-Type: application/json";

impl Answer {
    /// The body of a success.
    #[track_caller]
    pub(crate) fn success(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/json"));
        self.json()
    }

    /// Asserts a refusal in the problem form (RFC 9457): its status, its code, and the fields it names in this order.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str, fields: &[&str]) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let challenged = matches!(status, 401 | 403) && code != "open_mode_refused";
        assert_eq!(self.header("www-authenticate").is_some(), challenged);
        assert_eq!(self.header("retry-after").is_some(), matches!(status, 429 | 503));
        let body = self.json();
        assert_eq!(body["status"], status);
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["type"], format!("urn:countersign:problem:{code}"));
        assert!(body["title"].as_str().is_some_and(|title| !title.is_empty()), "{body}");
        assert!(
            body["detail"].as_str().is_some_and(|detail| !detail.is_empty()),
            "{body}"
        );
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        let named: Vec<&str> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
        assert_eq!(named, fields, "{body}");
        assert!(errors.iter().all(|error| error["message"].is_string()));
        body
    }

    pub(crate) fn text(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.body))
    }

    /// The names of the body's members in the order they stand there.
    pub(crate) fn member_names(&self) -> Vec<String> {
        member_names(&self.body)
    }
}

/// The names of an object's members in the order they stand there.
pub(crate) fn member_names(json: &[u8]) -> Vec<String> {
    members(json).into_iter().map(|(name, _)| name).collect()
}

/// An object's members in the order they stand there, each as it was written.
pub(crate) fn members(json: &[u8]) -> Vec<(String, Box<RawValue>)> {
    struct InOrder;
    impl<'de> serde::de::Visitor<'de> for InOrder {
        type Value = Vec<(String, Box<RawValue>)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    serde::Deserializer::deserialize_map(&mut reader, InOrder).unwrap()
}

/// Header and claims of a token, read without looking at the signature.
pub(crate) fn decode(token: &str) -> (Value, String) {
    // Every header begins with `{"`, and no prefix holds that.
    let compact = &token[token.find("eyJ").unwrap()..];
    let parts: Vec<&str> = compact.split('.').collect();
    assert_eq!(parts.len(), 3);
    let part = |at: usize| String::from_utf8(URL_SAFE_NO_PAD.decode(parts[at]).unwrap()).unwrap();
    assert_eq!(URL_SAFE_NO_PAD.decode(parts[2]).unwrap().len(), 64);
    (serde_json::from_str(&part(0)).unwrap(), part(1))
}

/// `2026-03-02T00:00:00Z` for a count of seconds.
pub(crate) fn rfc3339(seconds: i64) -> String {
    countersign_actors::clock::UnixSeconds::new(seconds).to_rfc3339()
}

/// The object without a member.
pub(crate) fn without(object: &Value, name: &str) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().remove(name);
    object
}

/// The object with a member, given by its path such as `rbac.allowed_actions`.
pub(crate) fn with(object: &Value, path: &str, value: impl Into<Value>) -> Value {
    let mut object = object.clone();
    let mut place = &mut object;
    for name in path.split('.') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = place.as_object_mut().unwrap().entry(name).or_insert(Value::Null);
    }
    *place = value.into();
    object
}

pub(crate) fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}
