//! Short forms of what tests ask of a running service.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::config::Config;
use countersign_actors::clock::Clock;
use countersign_actors::commands::Command;
use countersign_actors::crypto::keys::SigningKey;
use countersign_actors::id::CustomerId;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub(crate) use crate::client::{Answer, Client};
pub(crate) use crate::service::Service;

pub(crate) const MINUTE: i64 = 60;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// What every service with a credential has.
pub(crate) const ADMIN: &str = "an-admin-credential-of-some-forty-characters";

impl Service {
    /// With [`ADMIN`] as its admin credential.
    pub(crate) fn credentialed() -> Self {
        Self::with(|config| config.secrets.admin_token = Some(countersign::config::Secret::new(ADMIN.into())))
    }

    /// Changes settings for the next start.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
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

/// The token with another header, claims or signature.
pub(crate) fn forged(token: &str, change: impl FnOnce(&mut Value, &mut Value), sign: Option<&SigningKey>) -> String {
    let at = token.find("eyJ").unwrap();
    let (prefix, compact) = token.split_at(at);
    let parts: Vec<&str> = compact.split('.').collect();
    let read = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let (mut header, mut claims) = (read(parts[0]), read(parts[1]));
    change(&mut header, &mut claims);
    let write = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", write(&header), write(&claims));
    let signature = match sign {
        Some(key) => URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()).unwrap()),
        None => parts[2].to_owned(),
    };
    format!("{prefix}{input}.{signature}")
}

/// `2026-03-02T00:00:00Z` for a count of seconds.
pub(crate) fn rfc3339(seconds: i64) -> String {
    countersign_actors::clock::UnixSeconds::new(seconds).to_rfc3339()
}

/// A member of an answer that has to be text.
#[track_caller]
pub(crate) fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap()
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
