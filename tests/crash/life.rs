//! SIGKILL while tokens are revoked, events decided, sessions counted, and users' permissions overridden. What was acknowledged is kept beside the service by clients
//! that share nothing with it, and is asked for after every restart.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::killed::{next, setting, start};
use crate::load::{JSON, post};

const ROUNDS: u64 = 20;
const CUSTOMERS: usize = 4;

struct Token {
    jti: String,
    text: String,
}

/// An agent with what is derived from it.
struct Tree {
    root: Token,
    below: Vec<Token>,
    /// `Some(true)` with everything below it.
    revoked: Option<bool>,
}

struct Decided {
    event: String,
    override_jti: String,
    decision: &'static str,
    cosignature: String,
}

struct Session {
    jti: String,
    /// What the service said it has counted.
    acknowledged: u64,
    /// What it may have counted at most.
    sent: u64,
}

/// A permission override, for a user of its own.
struct Rule {
    user: String,
    /// `None` once it is removed.
    id: Option<String>,
}

/// A call whose answer never came: it happened, or it did not.
enum Open {
    RuleMade {
        user: String,
    },
    RuleRemoved {
        rule: usize,
    },
    Revocation {
        tree: usize,
        cascade: bool,
    },
    Decision {
        event: String,
        override_jti: String,
        decision: &'static str,
    },
}

/// What the service acknowledged about one customer, in order.
#[derive(Default)]
struct Known {
    customer: String,
    api_key: String,
    bearer: Option<String>,
    trees: Vec<Tree>,
    revoked: Vec<String>,
    decided: Vec<Decided>,
    sessions: Vec<Session>,
    rules: Vec<Rule>,
    open: Option<Open>,
    /// Trees, decisions, sessions and overrides of permissions that were looked at already.
    checked: [usize; 4],
}

fn text(answer: &Value, name: &str) -> String {
    answer[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name}: {answer}"))
        .to_owned()
}

/// The body of a success; `None` when the connection broke, or when the service had no room.
fn done(answer: Option<Answer>) -> Option<Value> {
    let answer = answer?;
    match answer.status {
        200 => Some(answer.json()),
        429 | 503 => None,
        _ => panic!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)),
    }
}

fn delete(client: &mut Client, path: &str, body: &Value) -> Option<Answer> {
    client
        .exchange(&format!("DELETE {path}"), &[JSON], &body.to_string())
        .ok()
}

fn get(client: &mut Client, path: &str) -> Value {
    let answer = client.exchange(&format!("GET {path}"), &[], "").unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

impl Known {
    fn new() -> Self {
        Self {
            customer: uuid::Uuid::new_v4().to_string(),
            ..Self::default()
        }
    }

    fn mint(&self, client: &mut Client, kind: &str, mut body: Value) -> Option<Token> {
        body["customer_id"] = json!(self.customer);
        let minted = done(post(client, &format!("/tokens/{kind}"), &body))?;
        Some(Token {
            jti: text(&minted, "jti"),
            text: text(&minted, "token"),
        })
    }

    fn prepare(&mut self, client: &mut Client) -> Option<()> {
        if self.bearer.is_none() {
            let own = json!({"customer_id": self.customer});
            // 409: made before the kill, and the answer was lost.
            post(client, "/keys/signing", &own).filter(|answer| matches!(answer.status, 200 | 409))?;
            let app = done(post(
                client,
                "/tokens/app",
                &json!({"customer_id": self.customer, "name": "load"}),
            ))?;
            self.api_key = format!("x-api-key: {}", text(&app, "token"));
            let bearer = self.mint(client, "bearer", json!({"app_token_hash": app["token_hash"]}))?;
            self.bearer = Some(bearer.jti);
        }
        Some(())
    }

    /// One round of a client; `None` when the connection broke.
    fn step(&mut self, client: &mut Client) -> Option<()> {
        self.prepare(client)?;
        let root = self.mint(client, "agent", json!({"bearer_jti": self.bearer, "agent_id": "a"}))?;
        let jti = root.jti.clone();
        let at = self.trees.len();
        self.trees.push(Tree {
            root,
            below: Vec::new(),
            revoked: None,
        });
        let child = self.mint(client, "subagent", json!({"parent_agent_jti": jti, "agent_id": "b"}))?;
        let parent = child.jti.clone();
        self.trees[at].below.push(child);
        let session = json!({"parent_jti": parent, "parent_type": "subagent", "session_id": "s"});
        let session = self.mint(client, "session", session)?;
        self.sessions.push(Session {
            jti: session.jti.clone(),
            acknowledged: 0,
            sent: 0,
        });
        self.trees[at].below.push(session);
        for count in 1..4 {
            self.count(client, count)?;
        }
        self.decide(client)?;
        match at % 4 {
            0 => self.revoke(client, at, true),
            1 => self.revoke(client, at, false),
            // One that lived for a while.
            2 => self.revoke(client, at / 2, true),
            _ => self.override_permission(client),
        }
    }

    /// Denies a user something, and takes back a denial that stood for a while.
    fn override_permission(&mut self, client: &mut Client) -> Option<()> {
        let user = format!("user-{}", self.rules.len());
        self.open = Some(Open::RuleMade { user: user.clone() });
        let body = json!({"adminId": user, "path": "billing", "action": "delete", "effect": "DENY", "reason": "while it is killed"});
        let made = done(self.api(client, "POST", "/overrides", &body))?;
        self.open = None;
        let id = Some(text(&made["data"], "id"));
        self.rules.push(Rule { user, id });
        let rule = self.rules.len() / 2;
        if let Some(id) = self.rules[rule].id.clone() {
            self.open = Some(Open::RuleRemoved { rule });
            done(self.api(client, "DELETE", &format!("/overrides/remove/{id}"), &Value::Null))?;
            self.open = None;
            self.rules[rule].id = None;
        }
        Some(())
    }

    /// A call of the permission family, whose successes are all told as 200.
    fn api(&self, client: &mut Client, method: &str, path: &str, body: &Value) -> Option<Answer> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let line = format!("{method} /api/v1/permissions{path}");
        let mut answer = client.exchange(&line, &[JSON, &self.api_key], &body).ok()?;
        if (200..300).contains(&answer.status) {
            answer.status = 200;
        }
        Some(answer)
    }

    /// The ids of a user's overrides.
    fn rules_of(&self, client: &mut Client, user: &str) -> Vec<String> {
        let answer = self.api(client, "GET", &format!("/overrides/{user}"), &Value::Null);
        let listed = answer.unwrap().json();
        let listed = listed["data"]["overrides"].as_array().unwrap();
        listed.iter().map(|rule| text(rule, "id")).collect()
    }

    fn check_rule(&self, client: &mut Client, rule: &Rule) {
        let question = json!({"adminId": rule.user, "path": "billing", "action": "delete"});
        let answer = self.api(client, "POST", "/check", &question).unwrap().json();
        let source = if rule.id.is_some() { "override_deny" } else { "none" };
        assert_eq!(
            answer["data"]["source"],
            json!(source),
            "{} {}",
            self.customer,
            rule.user
        );
    }

    fn count(&mut self, client: &mut Client, count: u64) -> Option<()> {
        let session = self.sessions.last_mut()?;
        session.sent += count;
        let body = json!({"customer_id": self.customer, "count": count});
        let counted = done(post(client, &format!("/sessions/{}/events", session.jti), &body))?;
        session.acknowledged = counted["events_used"].as_u64().unwrap();
        assert_eq!(session.acknowledged, session.sent, "one client, one connection");
        Some(())
    }

    fn decide(&mut self, client: &mut Client) -> Option<()> {
        let event = uuid::Uuid::new_v4().to_string();
        let override_jti = self.mint(client, "override", json!({"event_id": event}))?.jti;
        let decision = if self.decided.len().is_multiple_of(2) {
            "approve"
        } else {
            "reject"
        };
        let body = json!({"customer_id": self.customer, "override_jti": override_jti, "decision": decision});
        self.open = Some(Open::Decision {
            event: event.clone(),
            override_jti: override_jti.clone(),
            decision,
        });
        let decided = done(post(client, &format!("/overrides/{event}/decide"), &body))?;
        self.open = None;
        let cosignature = text(&decided, "cosignature");
        self.decided.push(Decided {
            event,
            override_jti,
            decision,
            cosignature,
        });
        Some(())
    }

    fn revoke(&mut self, client: &mut Client, tree: usize, cascade: bool) -> Option<()> {
        // A cascade over what was revoked alone is a second entry of the feed.
        if self.trees[tree].revoked.is_some_and(|revoked| revoked || !cascade) {
            return Some(());
        }
        let jti = &self.trees[tree].root.jti;
        let own = json!({"customer_id": self.customer});
        self.open = Some(Open::Revocation { tree, cascade });
        if cascade {
            let answer = done(post(client, &format!("/revocation/cascade/{jti}"), &own))?;
            let count = answer["revoked_count"].as_u64().unwrap() as usize;
            // The one more whose minting was not acknowledged before a kill, if there is one.
            let known = 1 + self.trees[tree].below.len();
            assert!((known..=3).contains(&count) && count <= known + 1, "{count} of {known}");
        } else {
            done(delete(client, &format!("/tokens/{jti}"), &own))?;
        }
        self.open = None;
        self.revoked.push(jti.clone());
        self.trees[tree].revoked = Some(cascade);
        Some(())
    }

    /// Looks what became of the call whose answer never came.
    fn settle(&mut self, client: &mut Client, feed: &[String]) {
        match self.open.take() {
            Some(Open::Revocation { tree, cascade }) if feed.len() > self.revoked.len() => {
                self.revoked.push(self.trees[tree].root.jti.clone());
                self.trees[tree].revoked = Some(cascade);
            }
            None | Some(Open::Revocation { .. }) => {}
            Some(Open::RuleMade { user }) => {
                let id = self.rules_of(client, &user).pop();
                // Made and lost look alike from now on, for a user that has none.
                self.rules.push(Rule { user, id });
            }
            Some(Open::RuleRemoved { rule }) => {
                let user = self.rules[rule].user.clone();
                self.rules[rule].id = self.rules_of(client, &user).pop();
            }
            Some(Open::Decision {
                event,
                override_jti,
                decision,
            }) => {
                let file = get(client, &format!("/overrides/{event}?customer_id={}", self.customer));
                if file["decision"].is_null() {
                    assert!(file["cosignature"].is_null());
                    return;
                }
                self.decided.push(Decided {
                    event,
                    override_jti,
                    decision,
                    cosignature: text(&file, "cosignature"),
                });
            }
        }
    }

    fn check(&mut self, client: &mut Client, round: u64) {
        let customer = self.customer.clone();
        if self.bearer.is_none() {
            return;
        }
        let feed = feed(client, &customer);
        self.settle(client, &feed);
        assert_eq!(
            feed, self.revoked,
            "the feed tells every acknowledged revocation, in order, and no other"
        );
        // What was looked at before is looked at again now and then.
        let due = |at: usize, checked: usize| at >= checked || at as u64 % 16 == round % 16;
        for (_, tree) in self
            .trees
            .iter()
            .enumerate()
            .filter(|(at, _)| due(*at, self.checked[0]))
        {
            assert_eq!(
                is_active(client, &tree.root),
                tree.revoked.is_none(),
                "{customer} {}",
                tree.root.jti
            );
            for token in &tree.below {
                assert_eq!(
                    is_active(client, token),
                    tree.revoked != Some(true),
                    "{customer} {}",
                    token.jti
                );
            }
        }
        for (_, decided) in self
            .decided
            .iter()
            .enumerate()
            .filter(|(at, _)| due(*at, self.checked[1]))
        {
            decided.stands(client, &customer);
        }
        for (_, session) in self
            .sessions
            .iter_mut()
            .enumerate()
            .filter(|(at, _)| due(*at, self.checked[2]))
        {
            let shown = get(client, &format!("/tokens/{}?customer_id={customer}", session.jti));
            let used = shown["events_used"].as_u64().unwrap();
            assert!(
                (session.acknowledged..=session.sent).contains(&used),
                "{used} of {}",
                session.sent
            );
            (session.acknowledged, session.sent) = (used, used);
        }
        for (_, rule) in self
            .rules
            .iter()
            .enumerate()
            .filter(|(at, _)| due(*at, self.checked[3]))
        {
            self.check_rule(client, rule);
        }
        // What lives for a while is revoked when there are twice as many.
        let halves = [self.trees.len() / 2, self.rules.len() / 2];
        self.checked = [halves[0], self.decided.len(), self.sessions.len(), halves[1]];
    }
}

impl Decided {
    fn stands(&self, client: &mut Client, customer: &str) {
        let decided = self;
        let file = get(client, &format!("/overrides/{}?customer_id={customer}", decided.event));
        assert_eq!(
            (text(&file, "decision").as_str(), text(&file, "override_jti")),
            (decided.decision, decided.override_jti.clone())
        );
        assert_eq!(text(&file, "cosignature"), decided.cosignature);
        let mut body =
            json!({"customer_id": customer, "override_jti": decided.override_jti, "decision": decided.decision});
        let path = format!("/overrides/{}", decided.event);
        let again = post(client, &format!("{path}/decide"), &body).unwrap();
        assert_eq!((again.status, &again.json()["code"]), (409, &json!("event_decided")));
        body["cosignature"] = json!(decided.cosignature);
        assert_eq!(
            post(client, &format!("{path}/verify"), &body).unwrap().json(),
            json!({"valid": true})
        );
    }
}

fn is_active(client: &mut Client, token: &Token) -> bool {
    let answer = post(client, "/tokens/introspect", &json!({"token": token.text})).unwrap();
    assert_eq!(answer.status, 200);
    answer.json()["active"].as_bool().unwrap()
}

/// The tokens that the feed tells of, from its beginning.
fn feed(client: &mut Client, customer: &str) -> Vec<String> {
    let (mut told, mut after) = (Vec::new(), 0);
    loop {
        let page = get(client, &format!("/revocations?customer_id={customer}&after={after}"));
        let entries = page["revocations"].as_array().unwrap();
        if entries.is_empty() {
            return told;
        }
        told.extend(entries.iter().map(|entry| text(entry, "jti")));
        after = page["cursor"].as_u64().unwrap();
    }
}

/// Clients of one customer each that go on until the connection breaks, or they are told to stop.
fn load(address: SocketAddr, known: Vec<Known>, stop: &Arc<AtomicBool>) -> Vec<thread::JoinHandle<Known>> {
    let start = |mut known: Known| {
        let stop = Arc::clone(stop);
        thread::spawn(move || {
            if let Ok(mut client) = Client::open(address) {
                while !stop.load(Ordering::Relaxed) && known.step(&mut client).is_some() {}
            }
            known
        })
    };
    known.into_iter().map(start).collect()
}

#[test]
fn what_was_revoked_decided_and_counted_stays_so_after_a_kill_at_any_moment() {
    let rounds = setting("COUNTERSIGN_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = setting("COUNTERSIGN_CRASH_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 | 1);
    println!("COUNTERSIGN_CRASH_SEED={seed} COUNTERSIGN_CRASH_ROUNDS={rounds}");
    let directory = tempfile::tempdir().unwrap();
    let (data, log) = (directory.path().join("data"), directory.path().join("log"));
    let mut random = seed;
    let mut known: Vec<Known> = (0..CUSTOMERS).map(|_| Known::new()).collect();
    for round in 1..=rounds {
        let mut program = start(&data, &log);
        let stop = Arc::new(AtomicBool::new(false));
        let clients = load(program.address, known, &stop);
        thread::sleep(Duration::from_micros(20_000 + next(&mut random) % 300_000));
        program.child.kill().unwrap();
        assert!(!program.wait().success());
        stop.store(true, Ordering::Relaxed);
        known = clients.into_iter().map(|client| client.join().unwrap()).collect();

        let mut program = start(&data, &log);
        let mut client = Client::open(program.address).unwrap();
        for known in &mut known {
            known.check(&mut client, round);
        }
        program.child.kill().unwrap();
        program.wait();
    }
    let count = |of: fn(&Known) -> usize| known.iter().map(of).sum::<usize>();
    let (revoked, decided, sessions) = (
        count(|known| known.revoked.len()),
        count(|known| known.decided.len()),
        count(|known| known.sessions.len()),
    );
    let rules = count(|known| known.rules.len());
    println!("{revoked} revocations, {decided} decisions, {sessions} sessions, {rules} overrides of permissions");
    assert!(revoked > 20 && decided > 20 && sessions > 20 && rules > 10);
    let logged = std::fs::read_to_string(&log).unwrap();
    let alarming: Vec<&str> = logged
        .lines()
        .filter(|line| line.contains("ERROR") || line.contains("panicked"))
        .collect();
    assert!(alarming.is_empty(), "{alarming:#?}");
}
