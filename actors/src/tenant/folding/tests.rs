//! Rows and the events behind them give the state that all events give, and the one that memory has.

use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::restore::Restoring;
use super::*;
use crate::clock::UnixMillis;
use crate::crypto::keys::SigningKey;
use crate::id::{AgentId, CustomerId, KeyId, Name, SessionId};
use crate::permissions::event::{NewOverride, RoleContent};
use crate::permissions::{ActionPattern, Capability, Effect, Expiry, PathPattern, Reason};
use crate::rbac::PolicyRequest;
use crate::tenant::event::KeyMade;
use crate::tenant::idempotency::{Idempotency, IdempotencyRecord, Outcome};
use crate::tenant::restoration::Restoration;
use crate::tenant::revocations::Target;
use crate::token::{Decision, DecisionSet, Environment, Scope, TokenHashDigest};

const START: UnixMillis = UnixMillis::new(1_772_323_200_000);
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// One step of a history. Numbers pick among what is there.
#[derive(Clone, Debug)]
enum Step {
    Mint {
        kind: u8,
        parent: usize,
        seconds: i64,
    },
    Revoke {
        token: usize,
        cascade: bool,
    },
    RevokeAgent(u8),
    RevokeBefore(i64),
    CreateKey,
    RotateKey {
        ahead: bool,
    },
    RevokeKey(usize),
    Decide(u8),
    Count {
        token: usize,
        keyed: bool,
    },
    Suspend(bool),
    Override {
        user: u8,
        seconds: Option<i64>,
    },
    DeleteOverride(usize),
    PurgeOverrides,
    Role {
        name: u8,
    },
    ChangeRole {
        role: usize,
        name: u8,
    },
    DeleteRole(usize),
    Assign {
        user: u8,
        role: Option<usize>,
    },
    Advance(i64),
    /// The wall clock is set back; the tenant's time stays behind nothing that was recorded.
    SetBack(i64),
    Forget(usize),
    Fold,
    Bar(u8),
    SuspendGrants {
        until: Option<usize>,
    },
    ConfirmGrant(usize),
    Restore,
}

fn step() -> impl Strategy<Value = Step> {
    let seconds = prop_oneof![60..HOUR, HOUR..DAY, DAY..90 * DAY];
    let advance = prop_oneof![4 => 0..60_i64, 3 => 60..2 * HOUR, 2 => HOUR..2 * DAY, 1 => DAY..100 * DAY];
    let choice = 0..64_usize;
    prop_oneof![
        12 => (0..6_u8, choice.clone(), seconds.clone()).prop_map(|(kind, parent, seconds)| Step::Mint { kind, parent, seconds }),
        2 => (choice.clone(), any::<bool>()).prop_map(|(token, cascade)| Step::Revoke { token, cascade }),
        1 => (0..3_u8).prop_map(Step::RevokeAgent),
        1 => (0..2 * HOUR).prop_map(Step::RevokeBefore),
        1 => Just(Step::CreateKey),
        1 => any::<bool>().prop_map(|ahead| Step::RotateKey { ahead }),
        1 => choice.clone().prop_map(Step::RevokeKey),
        2 => (0..4_u8).prop_map(Step::Decide),
        2 => (choice.clone(), any::<bool>()).prop_map(|(token, keyed)| Step::Count { token, keyed }),
        1 => any::<bool>().prop_map(Step::Suspend),
        2 => (0..3_u8, proptest::option::of(seconds)).prop_map(|(user, seconds)| Step::Override { user, seconds }),
        1 => choice.clone().prop_map(Step::DeleteOverride),
        1 => Just(Step::PurgeOverrides),
        1 => (0..3_u8).prop_map(|name| Step::Role { name }),
        1 => (choice.clone(), 0..3_u8).prop_map(|(role, name)| Step::ChangeRole { role, name }),
        1 => choice.clone().prop_map(Step::DeleteRole),
        2 => (0..3_u8, proptest::option::of(choice)).prop_map(|(user, role)| Step::Assign { user, role }),
        6 => advance.clone().prop_map(Step::Advance),
        1 => advance.prop_map(Step::SetBack),
        3 => (0..40_usize).prop_map(Step::Forget),
        3 => Just(Step::Fold),
        1 => (0..4_u8).prop_map(Step::Bar),
        1 => proptest::option::of(0..3_usize).prop_map(|until| Step::SuspendGrants { until }),
        1 => (0..64_usize).prop_map(Step::ConfirmGrant),
        1 => Just(Step::Restore),
    ]
}

/// A tenant, what it wrote, and what it would have written without folding.
struct Run {
    live: State,
    now: UnixMillis,
    /// The latest that it ever was: what was forgotten then stays forgotten.
    latest: UnixMillis,
    log: Vec<Recorded>,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Of the log, what is not folded.
    tail: usize,
    ids: u128,
}

impl Run {
    fn new() -> Self {
        Self {
            live: State::new(CustomerId::from_bytes([1; 16])),
            now: START,
            latest: START,
            log: Vec::new(),
            rows: BTreeMap::new(),
            tail: 0,
            ids: 1,
        }
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        // Neither in the order of their making nor against it.
        Uuid::from_u128(self.ids.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_0c91_6d4b_5a37))
    }

    fn happens(&mut self, event: Event, key: Option<u8>) {
        let key = key.map(|key| Idempotency {
            scope: Digest::of_sha256([key; 32]),
            request: Digest::of_sha256([7; 32]),
        });
        let fresh = key.filter(|key| matches!(self.live.idempotency.consult(key, self.now), Ok(None)));
        let recorded = Recorded {
            at: self.now,
            event,
            idempotency: fresh.map(|key| IdempotencyRecord::of(key, Outcome::Done)),
        };
        self.live.apply(self.live.sequence() + 1, recorded.clone()).unwrap();
        self.log.push(recorded);
    }

    fn tokens(&self) -> Vec<Token> {
        self.live.tokens.after(None).cloned().collect()
    }

    fn one_of<T: Clone>(list: &[T], choice: usize) -> Option<T> {
        list.get(choice.checked_rem(list.len())?).cloned()
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Mint { kind, parent, seconds } => self.mint(kind, parent, seconds),
            Step::Revoke { token, cascade } => {
                if let Some(token) = Self::one_of(&self.tokens(), token) {
                    let (jti, reason) = (token.jti, Some("lost".into()));
                    self.happens(Event::TokenRevoked { jti, cascade, reason }, Some(1));
                }
            }
            Step::RevokeAgent(agent) => {
                let agent_id = agent_id(agent);
                self.happens(Event::AgentRevoked { agent_id, reason: None }, None);
            }
            Step::RevokeBefore(ago) => {
                let issued_before = self.now.plus_seconds(-ago).seconds();
                if !self.live.revocations.is_issued_before_covered(issued_before) {
                    let reason = None;
                    self.happens(Event::IssuedBeforeRevoked { issued_before, reason }, None);
                }
            }
            Step::Decide(event) => {
                let event_id = event_id(event);
                let is_open = self.live.decisions.get(&event_id).is_none_or(|record| {
                    record.decided_at.plus_seconds(crate::limits::DECISIONS_KEPT_SECONDS) <= self.now
                });
                if is_open {
                    let override_jti = Jti::new(self.id());
                    let event = Event::EventDecided {
                        event_id,
                        override_jti,
                        decision: Decision::Approve,
                        decided_by: None,
                        reason: Some("seen".into()),
                    };
                    self.happens(event, Some(2));
                }
            }
            Step::Count { token, keyed } => self.count(token, keyed),
            Step::Suspend(true) => self.happens(Event::CustomerSuspended { reason: None }, None),
            Step::Suspend(false) => self.happens(Event::CustomerResumed { reason: None }, None),
            Step::Advance(seconds) => self.now = self.now.plus_seconds(seconds),
            Step::SetBack(seconds) => {
                self.latest = self.latest.max(self.now);
                self.now = self.live.now(self.now.plus_seconds(-seconds));
            }
            Step::Forget(at_most) => self.forget(at_most),
            Step::Fold => self.fold(),
            Step::Bar(event) => {
                let event_ids = vec![event_id(event), event_id(event / 2)];
                self.happens(Event::Restoration(Restoration::EventsBarred { event_ids }), None);
            }
            Step::Restore => {
                let restored = Restoration::CustomerRestored {
                    taken_at: UnixMillis::new(7),
                    issued_before: self.live.now(self.now).seconds().plus(1),
                };
                self.happens(Event::Restoration(restored), None);
                self.now = self.live.now(self.now);
            }
            keys @ (Step::CreateKey | Step::RotateKey { .. } | Step::RevokeKey(_)) => self.change_keys(&keys),
            permission => self.change_permissions(permission),
        }
    }

    fn mint(&mut self, kind: u8, parent: usize, seconds: i64) {
        let Some(kid) = self.live.keys.active(self.now).map(|key| key.kid) else {
            return;
        };
        let parents: Vec<_> = self
            .tokens()
            .into_iter()
            .filter(|token| !token.is_expired(self.now) && (kind != 3 || token.details.agent().is_some()))
            .collect();
        let parent = Self::one_of(&parents, parent);
        let (parent, most) = match (kind, parent) {
            (0, _) | (5, None) => (None, 365 * DAY),
            (_, None) => return,
            (_, Some(parent)) => (Some(parent.jti), parent.expires_at.get() - self.now.seconds().get()),
        };
        let details = self.details(kind, parent);
        let issued_at = self.now.seconds();
        let mint = Mint {
            jti: Jti::new(self.id()),
            parent,
            kid,
            issued_at,
            expires_at: issued_at.plus(seconds.min(most)),
            details,
        };
        self.happens(Event::TokenMinted(mint), (seconds % 3 == 0).then_some(3 + kind));
    }

    fn details(&mut self, kind: u8, parent: Option<Jti>) -> MintDetails {
        let agent_name = None;
        match kind {
            0 => MintDetails::App {
                name: Name::parse("app").unwrap(),
                scopes: [Scope::All].into_iter().collect(),
                hash: TokenHashDigest::of(&self.id().to_string()),
            },
            1 => MintDetails::Bearer {
                environment: Environment::Production,
            },
            2 => MintDetails::Agent {
                agent_id: agent_id(0),
                agent_name,
                policy: (self.ids.is_multiple_of(2)).then(policy),
            },
            3 => {
                let above = parent
                    .and_then(|parent| self.live.tokens.get(parent))
                    .and_then(Token::depth);
                MintDetails::Subagent {
                    agent_id: agent_id(1),
                    agent_name,
                    policy: (self.ids.is_multiple_of(3)).then(policy),
                    depth: above.unwrap_or_default().saturating_add(1),
                }
            }
            4 => MintDetails::Session {
                session_id: SessionId::parse("session").unwrap(),
                max_events: 1_000,
            },
            _ => MintDetails::Override {
                event_id: event_id(0),
                allowed_decisions: DecisionSet::default(),
                reason: None,
            },
        }
    }

    fn count(&mut self, token: usize, keyed: bool) {
        let sessions: Vec<_> = self
            .tokens()
            .into_iter()
            .filter_map(|token| match token.details {
                Details::Session { used, .. } => Some((token.jti, used)),
                _ => None,
            })
            .collect();
        let Some((jti, used)) = Self::one_of(&sessions, token) else {
            return;
        };
        let used = used + 1;
        if keyed {
            self.happens(Event::SessionCounted { jti, used }, Some(10));
        } else {
            let change = RowChange::SessionUsed { jti, used };
            assert!(self.live.apply_row(&change));
            self.write(vec![change.row()]);
        }
    }

    fn change_keys(&mut self, step: &Step) {
        let now = self.now;
        let keys = &self.live.keys;
        let (active, waiting) = (
            keys.active(now).map(|key| key.kid),
            keys.upcoming(now).map(|key| key.kid),
        );
        let all: Vec<_> = keys.records().iter().map(|key| key.kid).collect();
        let (_, public) = SigningKey::generate().unwrap();
        let mut made = |ahead: i64| KeyMade {
            kid: KeyId::new(self.id()),
            public,
            signs_from: now.plus_seconds(ahead),
        };
        let event = match (step, active, waiting) {
            (Step::CreateKey, None, None) => Event::SigningKeyCreated(made(0)),
            (Step::RotateKey { .. }, Some(previous), Some(kid)) => Event::SigningKeyPromoted { previous, kid },
            (Step::RotateKey { ahead }, Some(previous), None) => {
                let new = made(if *ahead { 300 } else { 0 });
                Event::SigningKeyRotated { previous, new }
            }
            (Step::RevokeKey(choice), ..) => match Self::one_of(&all, *choice) {
                Some(kid) => Event::SigningKeyRevoked { kid, reason: None },
                None => return,
            },
            _ => return,
        };
        self.happens(event, Some(11));
    }

    fn change_permissions(&mut self, step: Step) {
        let rules: Vec<_> = (0..3)
            .filter_map(|user| self.live.permissions.subject(user_id(user).as_str()))
            .flat_map(|subject| subject.after(None).iter().map(|rule| rule.id).collect::<Vec<_>>())
            .collect();
        let roles: Vec<_> = self.live.permissions.roles_after(None).map(|role| role.id).collect();
        let made: Vec<_> = roles.iter().filter(|id| !id.is_built_in()).copied().collect();
        let is_free = |name: u8| self.live.permissions.role_named(&role_name(name)).is_none();
        let event = match step {
            Step::Override { user, seconds } => PermissionEvent::OverrideCreated(NewOverride {
                id: OverrideId::fresh(UnixMillis::new(i64::try_from(self.ids).unwrap())),
                admin_id: user_id(user),
                path: PathPattern::parse("a.*").unwrap(),
                action: ActionPattern::parse("read").unwrap(),
                effect: Effect::Grant,
                reason: Reason::parse("because a test says so").unwrap(),
                expiry: seconds.map_or(Expiry::Never, |seconds| Expiry::At(self.now.plus_seconds(seconds))),
                created_by: None,
            }),
            Step::DeleteOverride(choice) => match Self::one_of(&rules, choice) {
                Some(id) => PermissionEvent::OverrideDeleted { id },
                None => return,
            },
            Step::SuspendGrants { until } => {
                let granting = self.live.permissions.granting(self.now).map(|rule| rule.id);
                let ids: Vec<_> = granting.take(until.unwrap_or(usize::MAX)).collect();
                PermissionEvent::GrantsSuspended { ids }
            }
            Step::ConfirmGrant(choice) => match Self::one_of(&rules, choice) {
                Some(id) => PermissionEvent::GrantConfirmed { id },
                None => return,
            },
            Step::PurgeOverrides => {
                let forgotten = self.live.permissions.forgotten(self.now);
                let ids: Vec<_> = forgotten.take(3).map(|rule| rule.id).collect();
                if ids.is_empty() {
                    return;
                }
                PermissionEvent::OverridesPurged { ids }
            }
            Step::Role { name } if is_free(name) => {
                let id = RoleId::Made(self.id());
                PermissionEvent::RoleCreated(role(id, name))
            }
            Step::ChangeRole { role: choice, name } if is_free(name) => match Self::one_of(&made, choice) {
                Some(id) => PermissionEvent::RoleChanged(role(id, name)),
                None => return,
            },
            Step::DeleteRole(choice) => match Self::one_of(&made, choice) {
                Some(id) if self.live.permissions.holders(id) == 0 => PermissionEvent::RoleDeleted { id },
                _ => return,
            },
            Step::Assign { user, role } => PermissionEvent::RolesAssigned {
                admin_id: user_id(user),
                roles: role
                    .and_then(|choice| Self::one_of(&roles, choice))
                    .into_iter()
                    .collect(),
            },
            _ => return,
        };
        self.happens(Event::Permission(event), None);
    }

    fn forget(&mut self, at_most: usize) {
        let garbage = self.live.purge(self.now, at_most);
        let rows = garbage
            .iter()
            .filter(|row| !matches!(row, RowChange::KeyForgotten(_)))
            .map(RowChange::row);
        self.write(rows.collect());
    }

    fn fold(&mut self) {
        let fold = self.live.fold(self.now, true).unwrap();
        assert_eq!(fold.up_to, self.live.sequence());
        self.tail = self.log.len();
        self.write(fold.rows);
        let stored = self.rows.keys().filter_map(|key| match FoldedRow::of_key(key) {
            Some(FoldedRow::Segment(segment)) => Some(segment),
            _ => None,
        });
        assert_eq!(stored.collect::<BTreeSet<_>>(), self.live.folding.segments);
    }

    fn write(&mut self, changes: Vec<SideChange>) {
        for SideChange { key, value, .. } in changes {
            match value {
                Some(value) => _ = self.rows.insert(key, value),
                None => _ = self.rows.remove(&key),
            }
        }
    }

    /// What a recovery makes of these rows and events.
    fn recovered(&self, rows: &BTreeMap<Vec<u8>, Vec<u8>>, events: &[Recorded]) -> State {
        let mut state = State::new(self.live.customer());
        let mut restoring = Restoring::default();
        let mut counted = Vec::new();
        for (key, value) in rows {
            match FoldedRow::of_key(key) {
                Some(row) => restoring.row(&mut state, row, value).unwrap(),
                None => counted.push(RowChange::from_row(key, value).unwrap()),
            }
        }
        restoring.finish(&mut state).unwrap();
        for recorded in events {
            state.apply(state.sequence() + 1, recorded.clone()).unwrap();
        }
        for row in &counted {
            state.apply_row(row);
        }
        state
    }

    fn agrees(&mut self) {
        self.latest = self.latest.max(self.now);
        let now = std::mem::replace(&mut self.now, self.latest);
        let recovered = self.recovered(&self.rows, &self.log[self.tail..]);
        let all: BTreeMap<_, _> = self
            .rows
            .clone()
            .into_iter()
            .filter(|(key, _)| key.first() == Some(&b'u'))
            .collect();
        let replayed = self.recovered(&all, &self.log);
        assert!(recovered.last_at() <= self.live.last_at());
        self.forget(usize::MAX);
        let expected = seen(&self.live);
        for mut state in [recovered, replayed] {
            state.purge(self.latest, usize::MAX);
            let found = seen(&state);
            let differing: Vec<_> = found
                .iter()
                .zip(&expected)
                .filter(|(found, expected)| found != expected)
                .collect();
            assert!(
                differing.is_empty() && found.len() == expected.len(),
                "found, expected: {differing:#?}"
            );
        }
        self.now = self.live.now(now);
    }
}

fn agent_id(number: u8) -> AgentId {
    AgentId::parse(&format!("agent-{number}")).unwrap()
}

fn event_id(number: u8) -> EventId {
    EventId::parse(&format!("event-{number}")).unwrap()
}

fn user_id(number: u8) -> AdminId {
    AdminId::parse(&format!("user-{number}")).unwrap()
}

fn role_name(number: u8) -> String {
    format!("role-{number}")
}

fn role(id: RoleId, name: u8) -> RoleContent {
    RoleContent {
        id,
        name: role_name(name).into(),
        description: None,
        capabilities: vec![Capability::parse("a:read").unwrap()],
    }
}

fn policy() -> Arc<Policy> {
    let request = PolicyRequest {
        max_sensitivity_level: Some(2),
        ..PolicyRequest::default()
    };
    Arc::new(Policy::root(request).unwrap())
}

/// Everything that a state knows, in words.
fn seen(state: &State) -> Vec<String> {
    let jti = |token: &Token| token.jti.to_string();
    let token = |token: &Token| {
        let parent = state.tokens.parent_of(token);
        let children: Vec<_> = state.tokens.children_of(token).map(jti).collect();
        let policies = [parent, Some(token)].map(|token| token.and_then(|token| token.details.agent()));
        let shared = matches!(policies, [Some(above), Some(own)] if Arc::ptr_eq(&above.policy, &own.policy));
        let default = policies[1].is_some_and(|own| Arc::ptr_eq(&own.policy, &Policy::default_shared()));
        let mint = serde_json::to_string(&token.to_mint(parent)).unwrap();
        let used = match token.details {
            Details::Session { used, .. } => used,
            _ => 0,
        };
        let (sequence, revoked) = (token.sequence, token.revoked);
        format!("{mint} {sequence} {revoked:?} {used} {children:?} {shared} {default}")
    };
    let mut seen: Vec<_> = state.tokens.after(None).map(token).collect();
    seen.extend(state.revocations.after(0).map(|revocation| format!("{revocation:?}")));
    seen.extend((0..3).map(|agent| format!("{:?}", state.revocations.agent_up_to(&agent_id(agent)))));
    seen.extend(
        state
            .revocations
            .after(0)
            .filter_map(|revocation| match revocation.target {
                Target::IssuedBefore(before) => Some(state.revocations.is_issued_before_covered(before).to_string()),
                _ => None,
            }),
    );
    seen.extend((0..4).map(|event| format!("{:?}", state.decisions.get(&event_id(event)))));
    seen.extend((0..4).map(|event| format!("{:?}", state.decisions.barred_at(&event_id(event)))));
    seen.push(state.revocations.ahead().to_string());
    let live = |token: &Token| state.liveness(token, UnixMillis::default()).is_ok();
    seen.extend(state.tokens.after(None).map(|token| live(token).to_string()));
    seen.extend((0..20).map(|key| format!("{:?}", state.idempotency.get(&Digest::of_sha256([key; 32])))));
    seen.extend(
        state
            .keys
            .records()
            .iter()
            .map(|key| format!("{key:?} {}", state.keys.is_revoked(key.kid))),
    );
    seen.push(format!("{:?}", state.permissions));
    seen.push(format!("{} {}", state.sequence(), state.suspended));
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn rows_and_tail_give_what_the_whole_log_gives_and_what_memory_has(
        steps in proptest::collection::vec(step(), 1..150)
    ) {
        let mut run = Run::new();
        run.take(Step::CreateKey);
        run.take(Step::Mint { kind: 0, parent: 0, seconds: 300 * DAY });
        for (number, step) in steps.into_iter().enumerate() {
            run.take(step);
            if number % 16 == 0 {
                run.agrees();
            }
        }
        run.agrees();
        run.fold();
        run.agrees();
    }
}

#[test]
fn what_has_expired_leaves_the_rows_segment_by_segment() {
    let mut run = Run::new();
    run.take(Step::CreateKey);
    run.take(Step::Mint {
        kind: 0,
        parent: 0,
        seconds: 300 * DAY,
    });
    let mut most = 0;
    for _ in 0..500 {
        for _ in 0..4 {
            run.take(Step::Mint {
                kind: 1,
                parent: 0,
                seconds: HOUR,
            });
        }
        run.take(Step::Advance(120));
        run.forget(16);
        run.fold();
        most = most.max(run.rows.len());
    }
    run.agrees();
    // An hour of life, an hour of being readable and what rounding adds, at two minutes a fold.
    assert!(most < 90, "{most} rows");
    run.take(Step::Advance(3 * HOUR));
    while run.live.has_more_to_forget(run.now) {
        run.forget(64);
        run.fold();
    }
    assert!(
        run.rows.len() <= 5,
        "{:?}",
        run.rows.keys().map(|key| char::from(key[0])).collect::<String>()
    );
    run.agrees();
}

#[test]
fn a_clock_that_is_set_back_loses_nothing_that_is_minted_then() {
    let mut run = Run::new();
    run.take(Step::CreateKey);
    run.take(Step::Mint {
        kind: 0,
        parent: 0,
        seconds: 300 * DAY,
    });
    run.take(Step::Advance(5 * HOUR));
    run.fold();
    run.take(Step::SetBack(4 * HOUR));
    run.take(Step::Mint {
        kind: 1,
        parent: 0,
        seconds: 60,
    });
    run.fold();
    let recovered = run.recovered(&run.rows, &[]);
    assert_eq!(recovered.tokens.len(), 2);
}

#[test]
fn what_was_forgotten_may_come_again_after_the_clock_was_set_back() {
    let mut run = Run::new();
    run.take(Step::CreateKey);
    run.take(Step::Decide(1));
    run.take(Step::Advance(90 * DAY));
    run.forget(usize::MAX);
    run.take(Step::SetBack(20 * DAY));
    run.take(Step::Decide(1));
    let replayed = run.recovered(&BTreeMap::new(), &run.log);
    assert_eq!(
        replayed.decisions.get(&event_id(1)),
        run.live.decisions.get(&event_id(1))
    );
}

#[test]
fn a_row_that_makes_no_sense_is_refused() {
    let mut run = Run::new();
    run.take(Step::CreateKey);
    run.take(Step::Mint {
        kind: 0,
        parent: 0,
        seconds: DAY,
    });
    run.fold();
    let refused = |key: FoldedRow, value: &[u8]| {
        let mut state = State::new(run.live.customer());
        let mut restoring = Restoring::default();
        let head = &run.rows[&FoldedRow::Head.key()];
        restoring.row(&mut state, FoldedRow::Head, head).unwrap();
        let taken = restoring.row(&mut state, key, value);
        taken.and_then(|()| restoring.finish(&mut state)).unwrap_err()
    };
    let segment = FoldedRow::Segment(*run.live.folding.segments.first().unwrap());
    let orphan = br#"{"token":{"sequence":1,"mint":{"jti":"00000000-0000-0000-0000-000000000009","parent":"00000000-0000-0000-0000-000000000008","kid":"00000000-0000-0000-0000-000000000001","issued_at":1772323200,"expires_at":1772409600,"details":{"bearer":{"environment":"production"}}}}}"#;
    assert!(refused(segment, orphan).contains("parent"));
    assert!(refused(segment, b"{\"token\":").contains("EOF"));
    assert!(refused(segment, b"{\"unknown\":{}}").contains("unknown"));
    assert!(refused(FoldedRow::Key(1), b"[]").contains("Key(1)"));
    let mut state = State::new(run.live.customer());
    let without_head = Restoring::default().row(&mut state, FoldedRow::Key(1), b"{}");
    assert!(without_head.unwrap_err().contains("without a head"));
}

#[test]
fn keys_are_read_as_they_are_written() {
    let rows = [
        FoldedRow::Head,
        FoldedRow::Key(3),
        FoldedRow::Override(4),
        FoldedRow::Assignment(5),
        FoldedRow::Role(RoleId::Made(Uuid::from_u128(6))),
        FoldedRow::Segment(Segment {
            until: UnixSeconds::new(7),
            fold: 8,
        }),
        FoldedRow::Segment(Segment {
            until: UnixSeconds::new(6),
            fold: 9,
        }),
    ];
    assert!(
        rows.map(|row| row.key()).is_sorted(),
        "what has to be known first comes first"
    );
    for row in rows {
        assert_eq!(FoldedRow::of_key(&row.key()), Some(row));
    }
    assert_eq!(FoldedRow::of_key(b"u0123456789abcdef"), None);
    assert_eq!(FoldedRow::of_key(b"h0"), None);
}

#[test]
fn customers_under_the_same_load_fold_at_different_moments() {
    const EVENTS: usize = 16;
    let mut first_folds = BTreeSet::new();
    for customer in 0..64 {
        let mut run = Run::new();
        run.live = State::new(CustomerId::new(Uuid::from_u128(customer)));
        let mut until_due = || {
            let before = run.live.sequence();
            while !run.live.is_fold_due(EVENTS) {
                run.happens(Event::CustomerResumed { reason: None }, None);
            }
            run.live.fold(run.now, true).unwrap();
            run.live.sequence() - before
        };
        first_folds.insert(until_due());
        assert_eq!((until_due(), until_due()), (16, 16), "no sooner from then on");
    }
    assert_eq!(first_folds, (9..=16).collect());
}
