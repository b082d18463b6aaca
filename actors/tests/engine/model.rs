//! Random histories against a plain model: whatever happened, the engine and the model agree on every token ever minted, and so does
//! a follower of the revocation feed that knows nothing but the feed and the tokens' claims.

use std::collections::BTreeMap;

use countersign_actors::clock::{Clock, UnixMillis};
use countersign_actors::commands::{
    BearerParent, DecideEvent, ListRevocations, MintAgent, MintBearer, MintCommand, MintOverride, MintSession,
    MintSubagent, RevokeMany, RevokeToken, Selector, SessionParent, SetSuspended,
};
use countersign_actors::engine::{Engine, EngineOptions, Minted, NewApp};
use countersign_actors::error::Failure;
use countersign_actors::id::{AgentId, CustomerId, EventId, Jti, KeyId, Name, SessionId};
use countersign_actors::rbac::PolicyRequest;
use countersign_actors::tenant::Rejection;
use countersign_actors::tenant::revocations::{Revocation, Target};
use countersign_actors::token::jwt;
use countersign_actors::token::{Decision, DecisionSet, Environment, Scope, TokenKind};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::{Fixture, call, customer, histories};

const AGENTS: [&str; 3] = ["a", "b", "c"];
const EVENTS: [&str; 3] = ["e", "f", "g"];

const WORKERS: &[TokenKind] = &[TokenKind::Agent, TokenKind::Subagent];

fn agent_id(agent: usize) -> AgentId {
    AgentId::parse(AGENTS[agent]).expect("an id")
}

/// Everything that happens seldom otherwise happens often.
fn small(options: &mut EngineOptions) {
    options.idle_tenant_seconds = 0;
    options.shards = 1;
    options.fold_events = 5;
}

/// One step of a history. Numbers pick among what is there.
#[derive(Clone, Debug)]
enum Step {
    App {
        days: u32,
    },
    Bearer {
        parent: usize,
        days: u32,
    },
    Agent {
        parent: usize,
        agent: usize,
        hours: u32,
    },
    Subagent {
        parent: usize,
        agent: usize,
        hours: u32,
    },
    Session {
        parent: usize,
        minutes: u32,
    },
    Override {
        parent: Option<usize>,
        event: usize,
        minutes: u32,
    },
    Revoke {
        token: usize,
        cascade: bool,
    },
    RevokeAgent {
        agent: usize,
    },
    RevokeBefore {
        seconds: i64,
    },
    RevokeKey {
        key: usize,
    },
    Rotate {
        immediate: bool,
    },
    CreateKey,
    Decide {
        token: usize,
    },
    Suspend(bool),
    Advance {
        seconds: i64,
    },
    Follow,
    Restart,
    Passivate,
}

fn step() -> impl Strategy<Value = Step> {
    let number = 0_usize..1_000;
    let agent = 0..AGENTS.len();
    prop_oneof![
        2 => (1_u32..3).prop_map(|days| Step::App { days }),
        3 => (number.clone(), 1_u32..3).prop_map(|(parent, days)| Step::Bearer { parent, days }),
        5 => (number.clone(), agent.clone(), 1_u32..30).prop_map(|(parent, agent, hours)| Step::Agent { parent, agent, hours }),
        6 => (number.clone(), agent.clone(), 1_u32..30).prop_map(|(parent, agent, hours)| Step::Subagent { parent, agent, hours }),
        4 => (number.clone(), 1_u32..120).prop_map(|(parent, minutes)| Step::Session { parent, minutes }),
        3 => (prop::option::of(number.clone()), 0..EVENTS.len(), 1_u32..120)
            .prop_map(|(parent, event, minutes)| Step::Override { parent, event, minutes }),
        5 => (number.clone(), any::<bool>()).prop_map(|(token, cascade)| Step::Revoke { token, cascade }),
        2 => agent.prop_map(|agent| Step::RevokeAgent { agent }),
        1 => prop_oneof![Just(0), Just(1), 0_i64..5_000].prop_map(|seconds| Step::RevokeBefore { seconds }),
        1 => number.clone().prop_map(|key| Step::RevokeKey { key }),
        2 => any::<bool>().prop_map(|immediate| Step::Rotate { immediate }),
        2 => Just(Step::CreateKey),
        2 => number.prop_map(|token| Step::Decide { token }),
        1 => any::<bool>().prop_map(Step::Suspend),
        5 => prop_oneof![Just(1), 1_i64..400, 1_i64..8_000, 1_i64..100_000].prop_map(|seconds| Step::Advance { seconds }),
        3 => Just(Step::Follow),
        1 => Just(Step::Restart),
        2 => Just(Step::Passivate),
    ]
}

/// A token as the model knows it.
struct Known {
    jti: Jti,
    kind: TokenKind,
    text: String,
    claims: Value,
    kid: KeyId,
    parent: Option<usize>,
    depth: u8,
    agent: Option<usize>,
    event: Option<usize>,
    issued_at: i64,
    expires_at: i64,
    revoked: bool,
    /// With everything below it: by a cascade or a bulk revocation of its agent.
    cascaded: bool,
    /// Minted in the second, and after the moment, in which its agent's tokens were revoked: claims do not tell the two apart.
    ambiguous: bool,
}

/// What ought to be, in the simplest words.
#[derive(Default)]
struct Model {
    tokens: Vec<Known>,
    issued_before: i64,
    keys: Vec<KeyId>,
    revoked_keys: Vec<KeyId>,
    active: Option<KeyId>,
    waiting: Option<(KeyId, i64)>,
    decided: [bool; EVENTS.len()],
    suspended: bool,
    agents_revoked_at: BTreeMap<usize, i64>,
}

impl Model {
    fn tick(&mut self, now: i64) {
        if self.waiting.is_some_and(|(_, from)| from <= now) {
            self.active = self.waiting.take().map(|(kid, _)| kid);
        }
    }

    fn lineage(&self, at: usize) -> impl Iterator<Item = &Known> {
        std::iter::successors(self.tokens.get(at), |below| self.tokens.get(below.parent?))
    }

    fn is_revoked(&self, at: usize) -> bool {
        let kills_below = |token: &Known| {
            token.cascaded || token.issued_at < self.issued_before || self.revoked_keys.contains(&token.kid)
        };
        self.tokens[at].revoked || self.lineage(at).any(kills_below)
    }

    fn is_expired(&self, at: usize, now: i64) -> bool {
        now >= self.tokens[at].expires_at
    }

    /// Whether it may have children.
    fn is_live(&self, at: usize, now: i64) -> bool {
        !self.is_revoked(at) && !self.is_expired(at, now) && !self.suspended
    }

    fn is_active(&self, at: usize, now: i64) -> bool {
        self.is_live(at, now) && !self.tokens[at].event.is_some_and(|event| self.decided[event])
    }

    /// One of the tokens of these kinds, with its name.
    fn named(&self, choice: usize, kinds: &[TokenKind]) -> Option<(usize, Jti)> {
        self.pick(choice, kinds).map(|at| (at, self.tokens[at].jti))
    }

    /// One of the tokens of these kinds.
    fn pick(&self, choice: usize, kinds: &[TokenKind]) -> Option<usize> {
        let fitting: Vec<usize> = (0..self.tokens.len())
            .filter(|at| kinds.contains(&self.tokens[*at].kind))
            .collect();
        (!fitting.is_empty()).then(|| fitting[choice % fitting.len()])
    }
}

/// Who follows the feed, with nothing else to go by.
#[derive(Default)]
struct Follower {
    cursor: u64,
    seen: Vec<Revocation>,
}

impl Follower {
    async fn follow(&mut self, engine: &Engine, customer: CustomerId) {
        let command = ListRevocations { after: self.cursor };
        let found = engine.revocations(customer, call(command), 0).await.expect("the feed");
        assert!(found.is_sorted_by(|a, b| a.sequence < b.sequence));
        assert!(found.first().is_none_or(|first| first.sequence > self.cursor));
        self.cursor = found.last().map_or(self.cursor, |last| last.sequence);
        self.seen.extend(found);
    }

    /// Whether a token is revoked, going up its claims' `parent_jti`.
    fn is_revoked(&self, model: &Model, at: usize) -> bool {
        let by_jti: BTreeMap<String, &Known> = model
            .tokens
            .iter()
            .map(|token| (token.jti.to_string(), token))
            .collect();
        let mut above = Some(&model.tokens[at]);
        let mut itself = true;
        while let Some(token) = above {
            if self.seen.iter().any(|revocation| covers(revocation, token, itself)) {
                return true;
            }
            itself = false;
            above = token.claims["parent_jti"].as_str().map(|jti| by_jti[jti]);
        }
        false
    }
}

fn covers(revocation: &Revocation, token: &Known, itself: bool) -> bool {
    let issued_at = token.claims["iat"].as_i64().expect("a time");
    match &revocation.target {
        Target::Token { jti, cascade } => *jti == token.jti && (itself || *cascade),
        Target::Agent(agent) => {
            token.claims["agent_id"] == agent.as_str() && issued_at <= revocation.at.seconds().get()
        }
        Target::IssuedBefore(before) | Target::Restoration { issued_before: before } => issued_at < before.get(),
        Target::Key(kid) => *kid == token.kid,
    }
}

/// The engine beside its model.
struct Run {
    fixture: Fixture,
    customer: CustomerId,
    model: Model,
    follower: Follower,
}

impl Run {
    async fn new() -> Self {
        let fixture = Fixture::with(small);
        let customer = customer(&fixture.engine).await;
        let mut run = Self {
            fixture,
            customer,
            model: Model::default(),
            follower: Follower::default(),
        };
        run.model.active = Some(run.published().await);
        run.model.keys.extend(run.model.active);
        run
    }

    fn engine(&self) -> &Engine {
        &self.fixture.engine
    }

    fn now(&self) -> i64 {
        self.fixture.clock.now().seconds().get()
    }

    async fn published(&self) -> KeyId {
        let keys = self
            .engine()
            .manage(self.customer, countersign_actors::commands::PublicKeys)
            .await;
        keys.expect("keys").keys[0].kid
    }

    /// Holds what the engine said of a mint against what it had to say.
    fn minted(
        &mut self,
        result: Result<Minted, Failure>,
        parent: Option<usize>,
        wanted: i64,
        agent: Option<usize>,
        event: Option<usize>,
    ) {
        let now = self.now();
        let model = &mut self.model;
        let parent_is_live = parent.is_none_or(|parent| model.is_live(parent, now));
        let undecided = event.is_none_or(|event| !model.decided[event]);
        let expected = !model.suspended && model.active.is_some() && parent_is_live && undecided;
        let minted = match result {
            Ok(minted) => minted,
            Err(failure) => {
                assert!(!expected, "it had to be minted: {failure:?}");
                let Failure::Rejected(rejection) = failure else {
                    panic!("{failure:?}")
                };
                let fits = match rejection {
                    Rejection::EventDecided(_) => !undecided,
                    Rejection::CustomerSuspended => model.suspended,
                    Rejection::NoActiveKey => model.active.is_none(),
                    Rejection::ParentRevoked => parent.is_some_and(|parent| model.is_revoked(parent)),
                    Rejection::ParentExpired | Rejection::ParentNotFound { .. } => {
                        parent.is_some_and(|parent| model.is_expired(parent, now))
                    }
                    _ => false,
                };
                assert!(fits, "{rejection:?}");
                return;
            }
        };
        assert!(expected, "it was minted under what is dead");
        let text = minted.signed.token().to_owned();
        let kid = jwt::parse(&text).expect("a token").kid();
        assert_eq!(Some(kid), model.active, "the active key signs");
        let claims: Value = serde_json::from_str(minted.signed.claims()).expect("claims");
        let expires_at = parent.map_or(now + wanted, |parent| model.tokens[parent].expires_at.min(now + wanted));
        assert_eq!(
            (claims["iat"].as_i64(), claims["exp"].as_i64()),
            (Some(now), Some(expires_at))
        );
        let kind = minted.grant.kind();
        let depth = match kind {
            TokenKind::Subagent => parent.map_or(0, |parent| model.tokens[parent].depth) + 1,
            _ => 0,
        };
        let inherits = parent.is_some_and(|parent| model.tokens[parent].ambiguous);
        let same_second = agent.is_some_and(|agent| model.agents_revoked_at.get(&agent) == Some(&now));
        model.tokens.push(Known {
            jti: minted.grant.jti(),
            kind,
            text,
            claims,
            kid,
            parent,
            depth,
            agent,
            event,
            issued_at: now,
            expires_at,
            revoked: false,
            cascaded: false,
            ambiguous: inherits || same_second,
        });
    }

    async fn mint<C: MintCommand>(&self, command: C) -> Result<Minted, Failure> {
        self.engine().mint(self.customer, call(command)).await
    }

    async fn take(mut self, step: Step) -> Self {
        match step {
            Step::App { days } => self.app(days).await,
            Step::Bearer { parent, days } => self.bearer(parent, days).await,
            Step::Agent { parent, agent, hours } => self.agent(parent, agent, hours).await,
            Step::Subagent { parent, agent, hours } => self.subagent(parent, agent, hours).await,
            Step::Session { parent, minutes } => self.session(parent, minutes).await,
            Step::Override { parent, event, minutes } => self.override_token(parent, event, minutes).await,
            Step::Revoke { token, cascade } => self.revoke(token, cascade).await,
            Step::Decide { token } => self.decide(token).await,
            Step::RevokeAgent { agent } => {
                self.revoke_many(Selector::Agent(agent_id(agent))).await;
                let now = self.now();
                for token in self.model.tokens.iter_mut().filter(|token| token.agent == Some(agent)) {
                    token.cascaded = true;
                }
                self.model.agents_revoked_at.insert(agent, now);
            }
            Step::RevokeBefore { seconds } => {
                let before = self.now() - seconds;
                let millis = UnixMillis::new(before * 1_000);
                self.revoke_many(Selector::IssuedBefore(millis.seconds())).await;
                self.model.issued_before = self.model.issued_before.max(before);
            }
            Step::RevokeKey { key } => {
                let kid = self.model.keys[key % self.model.keys.len()];
                self.revoke_key(kid).await;
                if self.model.active == Some(kid) {
                    self.model.active = self.model.waiting.take().map(|(kid, _)| kid);
                }
                self.model.waiting.take_if(|(waiting, _)| *waiting == kid);
                self.model.revoked_keys.push(kid);
            }
            Step::Rotate { immediate } => self.rotate(immediate).await,
            Step::CreateKey => self.create_key().await,
            Step::Suspend(suspended) => {
                let command = SetSuspended {
                    suspended,
                    reason: None,
                };
                self.engine().manage(self.customer, command).await.expect("done");
                self.model.suspended = suspended;
            }
            Step::Advance { seconds } => {
                self.fixture.clock.advance_seconds(seconds);
                let now = self.now();
                self.model.tick(now);
            }
            Step::Follow => self.follower.follow(&self.fixture.engine, self.customer).await,
            Step::Restart => {
                self.fixture = self.fixture.restart_with(small).await;
            }
            Step::Passivate => {
                for _ in 0..3 {
                    self.engine().sweep().await;
                }
            }
        }
        self
    }

    async fn app(&mut self, days: u32) {
        let new = NewApp {
            name: Name::parse("app").expect("a name"),
            scopes: [Scope::All].into_iter().collect(),
            ttl_days: Some(days),
        };
        let result = self.engine().mint_app(self.customer, call(new)).await;
        self.minted(result, None, i64::from(days) * 86_400, None, None);
    }

    async fn bearer(&mut self, parent: usize, days: u32) {
        let Some((parent, named)) = self.model.named(parent, &[TokenKind::App]) else {
            return;
        };
        let command = MintBearer {
            jti: self.engine().fresh_jti(),
            parent: BearerParent::Presented(named),
            environment: Environment::Production,
            ttl_days: Some(days),
        };
        let result = self.mint(command).await;
        self.minted(result, Some(parent), i64::from(days) * 86_400, None, None);
    }

    async fn agent(&mut self, parent: usize, agent: usize, hours: u32) {
        let Some((parent, bearer_jti)) = self.model.named(parent, &[TokenKind::Bearer]) else {
            return;
        };
        let command = MintAgent {
            jti: self.engine().fresh_jti(),
            bearer_jti,
            agent_id: agent_id(agent),
            agent_name: None,
            rbac: PolicyRequest::default(),
            ttl_hours: Some(hours),
        };
        let result = self.mint(command).await;
        self.minted(result, Some(parent), i64::from(hours) * 3_600, Some(agent), None);
    }

    async fn subagent(&mut self, parent: usize, agent: usize, hours: u32) {
        let Some((parent, parent_agent_jti)) = self.model.named(parent, WORKERS) else {
            return;
        };
        let command = MintSubagent {
            jti: self.engine().fresh_jti(),
            parent_agent_jti,
            agent_id: agent_id(agent),
            agent_name: None,
            rbac: PolicyRequest::default(),
            ttl_hours: Some(hours),
        };
        let result = self.mint(command).await;
        if self.model.tokens[parent].depth == 3 {
            assert!(result.is_err(), "too deep");
        } else {
            self.minted(result, Some(parent), i64::from(hours) * 3_600, Some(agent), None);
        }
    }

    async fn session(&mut self, parent: usize, minutes: u32) {
        let Some((parent, parent_jti)) = self.model.named(parent, WORKERS) else {
            return;
        };
        let parent_type = match self.model.tokens[parent].kind {
            TokenKind::Agent => SessionParent::Agent,
            _ => SessionParent::Subagent,
        };
        let command = MintSession {
            jti: self.engine().fresh_jti(),
            parent_jti,
            parent_type,
            session_id: SessionId::parse("s").expect("an id"),
            max_events: None,
            ttl_minutes: Some(minutes),
        };
        let result = self.mint(command).await;
        self.minted(result, Some(parent), i64::from(minutes) * 60, None, None);
    }

    async fn override_token(&mut self, parent: Option<usize>, event: usize, minutes: u32) {
        let above = [TokenKind::Agent, TokenKind::Subagent, TokenKind::Session];
        let parent = parent.and_then(|parent| self.model.named(parent, &above));
        let command = MintOverride {
            jti: self.engine().fresh_jti(),
            parent: parent.map(|(_, jti)| jti),
            event_id: EventId::parse(EVENTS[event]).expect("an id"),
            allowed_decisions: DecisionSet::default(),
            reason: None,
            ttl_minutes: Some(minutes),
        };
        let result = self.mint(command).await;
        self.minted(
            result,
            parent.map(|(at, _)| at),
            i64::from(minutes) * 60,
            None,
            Some(event),
        );
    }

    /// The key may be forgotten once nothing that it signed is readable.
    async fn revoke_key(&self, kid: KeyId) {
        let command = RevokeMany {
            selector: Selector::Key(kid),
            reason: None,
        };
        let result = self.engine().revoke_many(self.customer, call(command)).await;
        if let Err(Failure::Rejected(Rejection::KeyNotFound)) = result {
            let is_waiting = self.model.waiting.is_some_and(|(waiting, _)| waiting == kid);
            let mut signed = self.model.tokens.iter().filter(|token| token.kid == kid);
            assert!(self.model.active != Some(kid) && !is_waiting);
            assert!(signed.all(|token| token.expires_at + 3_600 <= self.now()));
        } else {
            result.expect("revoked");
        }
    }

    async fn revoke_many(&self, selector: Selector) {
        let command = RevokeMany { selector, reason: None };
        self.engine()
            .revoke_many(self.customer, call(command))
            .await
            .expect("revoked");
    }

    async fn revoke(&mut self, choice: usize, cascade: bool) {
        if self.model.tokens.is_empty() {
            return;
        }
        let at = choice % self.model.tokens.len();
        let now = self.now();
        let command = RevokeToken {
            jti: self.model.tokens[at].jti,
            kind: Some(self.model.tokens[at].kind),
            cascade,
            reason: None,
        };
        let result = if cascade {
            let below = |token: usize| {
                token != at
                    && !self.model.is_expired(token, now)
                    && self.model.lineage(token).any(|above| above.jti == command.jti)
            };
            let expected = 1 + (0..self.model.tokens.len()).filter(|token| below(*token)).count();
            let cascaded = self.engine().cascade(self.customer, call(command)).await;
            cascaded.map(|cascaded| {
                assert_eq!((cascaded.revoked_count, cascaded.revoked.len()), (expected, expected));
                assert_eq!(cascaded.revoked[0], self.model.tokens[at].jti);
            })
        } else {
            self.engine().execute(self.customer, call(command)).await
        };
        let token = &mut self.model.tokens[at];
        match result {
            Ok(()) => {
                token.revoked = true;
                token.cascaded |= cascade;
            }
            Err(failure) => {
                assert_eq!(failure, Failure::Rejected(Rejection::TokenNotFound));
                assert!(now >= token.expires_at + 3_600, "forgotten before its time");
            }
        }
    }

    async fn decide(&mut self, choice: usize) {
        let now = self.now();
        let Some(at) = self.model.pick(choice, &[TokenKind::Override]) else {
            return;
        };
        let event = self.model.tokens[at].event.expect("an event");
        let command = DecideEvent {
            event_id: EventId::parse(EVENTS[event]).expect("an id"),
            override_jti: self.model.tokens[at].jti,
            decision: Decision::Approve,
            decided_by: None,
            reason: None,
        };
        let result = self.engine().decide_event(self.customer, call(command)).await;
        assert_eq!(result.is_ok(), self.model.is_active(at, now), "{result:?}");
        self.model.decided[event] |= result.is_ok();
    }

    async fn create_key(&mut self) {
        let made = self.engine().create_signing_key(self.customer, call(())).await;
        assert_eq!(made.is_ok(), self.model.active.is_none(), "{made:?}");
        if let Ok(key) = made {
            self.model.keys.push(key.kid);
            self.model.active = Some(key.kid);
        }
    }

    async fn rotate(&mut self, immediate: bool) {
        let now = self.now();
        let Some(active) = self.model.active else { return };
        let rotated = self
            .engine()
            .rotate_signing_key(self.customer, call(()), active, immediate)
            .await;
        match (rotated, self.model.waiting) {
            (Ok(key), Some((waiting, _))) => {
                assert!(immediate && key.kid == waiting);
                (self.model.active, self.model.waiting) = (Some(waiting), None);
            }
            (Ok(key), None) => {
                self.model.keys.push(key.kid);
                if immediate {
                    self.model.active = Some(key.kid);
                } else {
                    self.model.waiting = Some((key.kid, now + 300));
                }
            }
            (Err(failure), waiting) => {
                assert!(waiting.is_some() && !immediate, "{failure:?}");
            }
        }
    }

    /// Asks about every token ever minted.
    async fn agrees(&self) {
        let now = self.now();
        for at in 0..self.model.tokens.len() {
            let token = &self.model.tokens[at];
            let expected = self.model.is_active(at, now);
            let introspected = self
                .engine()
                .introspect(&token.text, call(None))
                .await
                .expect("an answer");
            assert_eq!(introspected.is_some(), expected, "{:?} {}", token.kind, token.claims);
            let authorized = self
                .engine()
                .authorize(&token.text, "a:b:c", "", 0, call(None))
                .await
                .expect("an answer");
            let step = match token.kind {
                _ if !expected => "token",
                TokenKind::App | TokenKind::Bearer | TokenKind::Override => "token_type",
                _ => "allowed",
            };
            assert_eq!(authorized.step, step);
        }
    }

    /// Holds a follower that is up to date against the model.
    fn follower_agrees(&self, follower: &Follower) {
        let now = self.now();
        for (at, token) in self.model.tokens.iter().enumerate() {
            // An override's claims do not tell what it was minted under.
            let hidden = token.kind == TokenKind::Override && token.parent.is_some();
            if self.model.is_expired(at, now) || hidden {
                continue;
            }
            let (expected, seen) = (self.model.is_revoked(at), follower.is_revoked(&self.model, at));
            assert!(
                seen || !expected,
                "a follower takes a revoked token for live: {}",
                token.claims
            );
            assert!(
                expected || !seen || token.ambiguous,
                "a follower takes a live token for revoked: {}",
                token.claims
            );
        }
    }
}

async fn history(steps: Vec<Step>) {
    let mut run = Run::new().await;
    for step in steps {
        let follows = matches!(step, Step::Follow);
        run = run.take(step).await;
        run.agrees().await;
        if follows {
            run.follower_agrees(&run.follower);
        }
    }
    run.follower.follow(&run.fixture.engine, run.customer).await;
    run.follower_agrees(&run.follower);
    // Who comes late needs no more than what is still told.
    let mut late = Follower::default();
    late.follow(&run.fixture.engine, run.customer).await;
    run.follower_agrees(&late);
}

#[test]
fn whatever_happens_the_engine_its_model_and_a_follower_of_the_feed_agree() {
    histories(48, 1..100, 200, step(), history);
}
