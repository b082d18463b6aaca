//! Clients that mint as fast as they can, and what they were told.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use crate::client::{Answer, Client};

pub(crate) const JSON: &str = "Content-Type: application/json";

/// What a service acknowledged about one customer.
#[derive(Clone, Default)]
pub(crate) struct Acknowledged {
    pub(crate) customer: String,
    pub(crate) keys: Vec<String>,
    pub(crate) apps: Vec<String>,
    pub(crate) bearers: Vec<String>,
    pub(crate) agents: Vec<String>,
}

impl Acknowledged {
    pub(crate) fn tokens(&self) -> usize {
        self.apps.len() + self.bearers.len() + self.agents.len()
    }
}

/// One request whose answer may never come.
pub(crate) fn post(client: &mut Client, path: &str, body: &Value) -> Option<Answer> {
    client.exchange(&format!("POST {path}"), &[JSON], body.to_string()).ok()
}

fn field(answer: &Answer, name: &str) -> String {
    answer.json()[name].as_str().unwrap().to_owned()
}

/// Customers of whom nothing is known yet.
pub(crate) fn customers(count: usize) -> Vec<Acknowledged> {
    let new = |_| Acknowledged {
        customer: uuid::Uuid::new_v4().to_string(),
        ..Acknowledged::default()
    };
    (0..count).map(new).collect()
}

/// Clients of one customer each, on connections that stay open.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Acknowledged>>,
}

impl Load {
    /// Starts them; each goes on from what its customer has already.
    pub(crate) fn start(address: SocketAddr, customers: Vec<Acknowledged>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |known: Acknowledged| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                let mut known = known;
                if let Ok(mut client) = Client::open(address) {
                    while !stop.load(Ordering::Relaxed) && step(&mut client, &mut known).is_some() {}
                }
                known
            })
        };
        let threads = customers.into_iter().map(start).collect();
        Self { stop, threads }
    }

    /// Waits until the last client has gone away, and returns what they know.
    pub(crate) fn join(self) -> Vec<Acknowledged> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    }
}

/// One round of a client: a bearer, some agents under it, now and then an app token or another key. Only what was
/// acknowledged is kept; `None` when the connection broke.
fn step(client: &mut Client, known: &mut Acknowledged) -> Option<()> {
    let customer = known.customer.clone();
    if known.keys.is_empty() {
        let answer = post(client, "/keys/signing", &json!({"customer_id": customer}))?;
        match answer.status {
            // 409: the call before a kill took effect and its answer was lost.
            200 | 409 => known.keys.push(field(&answer, "key_id")),
            _ => return kept(&answer),
        }
    }
    if known.apps.is_empty() || known.bearers.len().is_multiple_of(10) {
        let body = json!({"customer_id": customer, "name": "load", "scopes": ["tokens:mint"]});
        let answer = post(client, "/tokens/app", &body)?;
        kept(&answer)?;
        if answer.status == 200 {
            known.apps.push(field(&answer, "token_hash"));
        }
    }
    let body = json!({"customer_id": customer, "app_token_hash": known.apps.last()?});
    let answer = post(client, "/tokens/bearer", &body)?;
    kept(&answer)?;
    if answer.status == 200 {
        known.bearers.push(field(&answer, "jti"));
    }
    for at in 0..5 {
        let body =
            json!({"customer_id": customer, "bearer_jti": known.bearers.last()?, "agent_id": format!("agent-{at}")});
        let answer = post(client, "/tokens/agent", &body)?;
        kept(&answer)?;
        if answer.status == 200 {
            known.agents.push(field(&answer, "jti"));
        }
    }
    // Every key has signed something acknowledged before it is replaced, so all of them stay published.
    if known.bearers.len().is_multiple_of(8) {
        let path = format!("/keys/{}/rotate", known.keys.last()?);
        let answer = post(client, &path, &json!({"customer_id": customer, "immediate": true}))?;
        match answer.status {
            200 => known.keys.push(field(&answer, "key_id")),
            // A rotation took effect whose answer was lost: the active key is the one to go on with.
            409 => known.keys.push(published(client, &customer)?.first()?.clone()),
            _ => return kept(&answer),
        }
    }
    Some(())
}

/// Nothing but success and "not now" may ever be answered to a good request.
fn kept(answer: &Answer) -> Option<()> {
    assert!(
        matches!(answer.status, 200 | 429 | 503),
        "{} {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    Some(())
}

/// A new customer is served, and the service is ready.
pub(crate) fn works(address: SocketAddr) {
    let mut client = Client::open(address).unwrap();
    let mut known = customers(1).remove(0);
    step(&mut client, &mut known).unwrap();
    assert!(known.tokens() > 5);
    let ready = client.exchange("GET /ready", &[], "").unwrap();
    assert_eq!((ready.status, &ready.json()["status"]), (200, &json!("ready")));
}

/// The ids of a customer's published keys.
pub(crate) fn published(client: &mut Client, customer: &str) -> Option<Vec<String>> {
    let answer = client
        .exchange(&format!("GET /keys/public/{customer}/jwks.json"), &[], "")
        .ok()?;
    let set = (answer.status == 200).then(|| answer.json())?;
    let keys = set["keys"].as_array()?;
    keys.iter().map(|key| key["kid"].as_str().map(str::to_owned)).collect()
}

/// Asserts that everything acknowledged is there: keys are published, and tokens are parents. Tokens that were looked at
/// before, in `from`, are left out but for the last of each kind.
pub(crate) fn check(address: SocketAddr, customers: &[Acknowledged], from: &[Acknowledged]) {
    let mut client = Client::open(address).unwrap();
    for (known, before) in customers.iter().zip(from) {
        let customer = &known.customer;
        let mint = |client: &mut Client, path: &str, body: Value| {
            let answer = post(client, path, &body).unwrap();
            assert_eq!(
                answer.status,
                200,
                "{path} {body}: {}",
                String::from_utf8_lossy(&answer.body)
            );
            answer.json()["jti"].as_str().unwrap().to_owned()
        };
        if !known.keys.is_empty() {
            let published: BTreeSet<String> = published(&mut client, customer).unwrap().into_iter().collect();
            let lost: Vec<&String> = known.keys.iter().filter(|key| !published.contains(*key)).collect();
            assert!(lost.is_empty(), "{customer} has lost the keys {lost:?}");
        }
        let mut fresh = BTreeSet::new();
        for hash in &known.apps[before.apps.len().saturating_sub(1)..] {
            let body = json!({"customer_id": customer, "app_token_hash": hash});
            fresh.insert(mint(&mut client, "/tokens/bearer", body));
        }
        for jti in &known.bearers[before.bearers.len().saturating_sub(1)..] {
            let body = json!({"customer_id": customer, "bearer_jti": jti, "agent_id": "check"});
            fresh.insert(mint(&mut client, "/tokens/agent", body));
        }
        for jti in &known.agents[before.agents.len().saturating_sub(1)..] {
            let body =
                json!({"customer_id": customer, "parent_jti": jti, "parent_type": "agent", "session_id": "check"});
            fresh.insert(mint(&mut client, "/tokens/session", body));
        }
        let old = known.apps.iter().chain(&known.bearers).chain(&known.agents);
        assert!(old.into_iter().all(|jti| !fresh.contains(jti)), "a jti was given twice");
    }
}
