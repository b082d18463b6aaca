//! Several customers on a store that fails, with processes that die: what was acknowledged is there afterwards, what was refused is
//! not, and what was left open is there wholly or not at all.

use std::sync::Arc;

use countersign_actors::clock::{Clock, ManualClock};
use countersign_actors::commands::{
    CountEvents, FindToken, ListRevocations, MintSession, PublicKeys, RevokeToken, SessionParent, Status,
};
use countersign_actors::engine::{Engine, Minted};
use countersign_actors::error::{Failure, Overload};
use countersign_actors::id::{CustomerId, Jti, SessionId};
use countersign_actors::journal::{Fault, FaultyStore, Operation, ReadError, StoppedJournal, Visit};
use countersign_actors::tenant::Rejection;
use countersign_actors::tenant::tokens::Details;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::support::{START, agent, agent_command, call, customer_with_bearer, histories, start};

const TENANTS: usize = 3;
const AGENT_SECONDS: i64 = 24 * 3_600;
const SESSION_SECONDS: i64 = 3_600;
/// For how long an expired token is kept at least.
const READABLE_SECONDS: i64 = 3_600;

/// One step of a history. Numbers pick among what is there.
#[derive(Clone, Debug)]
enum Step {
    Agent {
        tenant: usize,
    },
    Session {
        tenant: usize,
        parent: usize,
    },
    Revoke {
        tenant: usize,
        token: usize,
        cascade: bool,
    },
    Count {
        tenant: usize,
        session: usize,
        count: u32,
    },
    Fail {
        operation: Operation,
        passing: usize,
        fault: Fault,
    },
    /// The process dies while this many calls wait for the disk.
    CrashInFlight {
        calls: usize,
        keep: u8,
    },
    Crash {
        keep: u8,
    },
    Passivate,
    Restart,
    Advance {
        seconds: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let tenant = 0..TENANTS;
    let number = 0_usize..1_000;
    let operation = prop::sample::select(vec![
        Operation::Get,
        Operation::Scan,
        Operation::Apply,
        Operation::HalfApplied,
        Operation::Applied,
        Operation::Sync,
    ]);
    let fault = prop_oneof![3 => Just(Fault::Error), 1 => Just(Fault::Panic)];
    prop_oneof![
        8 => tenant.clone().prop_map(|tenant| Step::Agent { tenant }),
        6 => (tenant.clone(), number.clone()).prop_map(|(tenant, parent)| Step::Session { tenant, parent }),
        5 => (tenant.clone(), number.clone(), any::<bool>())
            .prop_map(|(tenant, token, cascade)| Step::Revoke { tenant, token, cascade }),
        5 => (tenant, number, 1_u32..5).prop_map(|(tenant, session, count)| Step::Count { tenant, session, count }),
        4 => (operation, 0_usize..4, fault)
            .prop_map(|(operation, passing, fault)| Step::Fail { operation, passing, fault }),
        2 => (1_usize..6, any::<u8>()).prop_map(|(calls, keep)| Step::CrashInFlight { calls, keep }),
        1 => any::<u8>().prop_map(|keep| Step::Crash { keep }),
        2 => Just(Step::Passivate),
        1 => Just(Step::Restart),
        3 => prop_oneof![1_i64..100, 1_i64..4_000, 1_i64..40_000].prop_map(|seconds| Step::Advance { seconds }),
    ]
}

struct Token {
    jti: Jti,
    /// A session's agent.
    parent: Option<usize>,
    expires_at: i64,
    revoked: bool,
    cascaded: bool,
    /// What a session has counted.
    used: u32,
    /// What nobody was told about it.
    open: Option<Open>,
}

/// A command whose outcome is open.
enum Open {
    Minted,
    Revoked { cascade: bool },
    Counted { used: u32 },
}

struct Tenant {
    customer: CustomerId,
    bearer: Jti,
    tokens: Vec<Token>,
}

impl Tenant {
    fn is_revoked(&self, at: usize) -> bool {
        let token = &self.tokens[at];
        token.revoked || token.cascaded || token.parent.is_some_and(|parent| self.tokens[parent].cascaded)
    }

    fn is_live(&self, at: usize, now: i64) -> bool {
        !self.is_revoked(at) && now < self.tokens[at].expires_at
    }

    /// One of the agents or of the sessions.
    fn pick(&self, choice: usize, sessions: bool) -> Option<usize> {
        let fitting = (0..self.tokens.len()).filter(|at| self.tokens[*at].parent.is_some() == sessions);
        let fitting: Vec<usize> = fitting.collect();
        (!fitting.is_empty()).then(|| fitting[choice % fitting.len()])
    }
}

/// What came of a command.
enum Outcome<T> {
    Done(T),
    Rejected,
    /// It did not happen, for no fault of its own.
    Failed,
    Open,
}

fn outcome<T>(result: Result<T, Failure>) -> Outcome<T> {
    match result {
        Ok(reply) => Outcome::Done(reply),
        Err(Failure::Rejected(_)) => Outcome::Rejected,
        Err(Failure::Interrupted | Failure::Unreadable | Failure::Overloaded(Overload::Tenant | Overload::Process)) => {
            Outcome::Failed
        }
        Err(Failure::Indeterminate) => Outcome::Open,
        Err(failure) => panic!("{failure:?}"),
    }
}

/// The engine beside its model.
struct Run {
    dir: TempDir,
    clock: Arc<ManualClock>,
    store: Arc<FaultyStore>,
    engine: Engine,
    tenants: Vec<Tenant>,
    crashes: usize,
}

impl Run {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::at(START));
        let store = FaultyStore::new();
        let engine = engine(&dir, &clock, &store);
        let mut tenants = Vec::new();
        for _ in 0..TENANTS {
            let (customer, bearer) = customer_with_bearer(&engine).await;
            tenants.push(Tenant {
                customer,
                bearer,
                tokens: Vec::new(),
            });
        }
        Self {
            dir,
            clock,
            store,
            engine,
            tenants,
            crashes: 0,
        }
    }

    fn now(&self) -> i64 {
        self.clock.now().seconds().get()
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Agent { tenant } => {
                let Tenant { customer, bearer, .. } = self.tenants[tenant];
                let command = agent_command(&self.engine, bearer);
                let jti = command.jti;
                let result = self.engine.mint(customer, call(command)).await;
                self.minted(tenant, jti, None, result).await;
            }
            Step::Session { tenant, parent } => self.session(tenant, parent).await,
            Step::Revoke { tenant, token, cascade } => self.revoke(tenant, token, cascade).await,
            Step::Count { tenant, session, count } => self.count(tenant, session, count).await,
            Step::Fail {
                operation,
                passing,
                fault,
            } => self.store.fail(operation, passing, fault),
            Step::CrashInFlight { calls, keep } => self.crash_in_flight(calls, keep).await,
            Step::Crash { keep } => self.crash(keep).await,
            Step::Passivate => self.unchanged_by_passivation().await,
            Step::Restart => self.unchanged_by_a_restart().await,
            Step::Advance { seconds } => self.clock.advance_seconds(seconds),
        }
    }

    async fn minted(&mut self, tenant: usize, jti: Jti, parent: Option<usize>, result: Result<Minted, Failure>) {
        let now = self.now();
        let model = &mut self.tenants[tenant];
        let expected = parent.is_none_or(|parent| model.is_live(parent, now));
        let expires_at = match parent {
            None => now + AGENT_SECONDS,
            Some(parent) => model.tokens[parent].expires_at.min(now + SESSION_SECONDS),
        };
        let open = match outcome(result) {
            Outcome::Done(minted) => {
                assert!(expected, "it was minted under what is dead");
                assert_eq!(minted.grant.jti(), jti);
                None
            }
            Outcome::Rejected => return assert!(!expected, "it was refused under what lives"),
            Outcome::Failed => return self.recover_if_failed().await,
            Outcome::Open => Some(Open::Minted),
        };
        model.tokens.push(Token {
            jti,
            parent,
            expires_at,
            revoked: false,
            cascaded: false,
            used: 0,
            open,
        });
        self.recover_if_failed().await;
    }

    async fn session(&mut self, tenant: usize, parent: usize) {
        let model = &self.tenants[tenant];
        let Some(parent) = model.pick(parent, false) else {
            return;
        };
        let command = MintSession {
            jti: self.engine.fresh_jti(),
            parent_jti: model.tokens[parent].jti,
            parent_type: SessionParent::Agent,
            session_id: SessionId::parse("s").expect("an id"),
            max_events: None,
            ttl_minutes: None,
        };
        let jti = command.jti;
        let result = self.engine.mint(model.customer, call(command)).await;
        self.minted(tenant, jti, Some(parent), result).await;
    }

    async fn revoke(&mut self, tenant: usize, token: usize, cascade: bool) {
        let now = self.now();
        let model = &mut self.tenants[tenant];
        if model.tokens.is_empty() {
            return;
        }
        let at = token % model.tokens.len();
        let command = revocation(model.tokens[at].jti, cascade);
        let result = self.engine.execute(model.customer, call(command)).await;
        let token = &mut model.tokens[at];
        match outcome(result) {
            Outcome::Done(()) if cascade => token.cascaded = true,
            Outcome::Done(()) => token.revoked = true,
            Outcome::Rejected => assert!(now >= token.expires_at + READABLE_SECONDS, "it has to be known"),
            Outcome::Failed => {}
            Outcome::Open => token.open = Some(Open::Revoked { cascade }),
        }
        self.recover_if_failed().await;
    }

    async fn count(&mut self, tenant: usize, session: usize, count: u32) {
        let now = self.now();
        let model = &mut self.tenants[tenant];
        let Some(at) = model.pick(session, true) else { return };
        let expected = model.is_live(at, now);
        let token = &mut model.tokens[at];
        let command = CountEvents {
            session_jti: token.jti,
            count,
        };
        let used = token.used + count;
        match outcome(self.engine.execute(model.customer, call(command)).await) {
            Outcome::Done(counted) => {
                assert!(expected, "it was counted on what is dead");
                assert_eq!(counted.used, used);
                token.used = used;
            }
            Outcome::Rejected => assert!(!expected, "it was refused on what lives"),
            Outcome::Failed => {}
            Outcome::Open => token.open = Some(Open::Counted { used }),
        }
        self.recover_if_failed().await;
    }

    /// Starts anew if the journal has failed, as the process would, on what the disk has then.
    async fn recover_if_failed(&mut self) {
        let open = |tenant: &Tenant| tenant.tokens.iter().any(|token| token.open.is_some());
        if self.engine.health().journal_failed.is_some() {
            self.crash(u8::try_from(self.crashes % 2).expect("a bit")).await;
        }
        assert!(
            !self.tenants.iter().any(open),
            "only a failed journal leaves anything open"
        );
    }

    /// Calls are on their way to the disk when the process dies.
    async fn crash_in_flight(&mut self, calls: usize, keep: u8) {
        self.store.hold();
        let mut sent = Vec::new();
        for at in 0..calls {
            let tenant = at % TENANTS;
            let Tenant { customer, bearer, .. } = self.tenants[tenant];
            let command = agent_command(&self.engine, bearer);
            let engine = self.engine.clone();
            let token = Token {
                jti: command.jti,
                parent: None,
                expires_at: self.now() + AGENT_SECONDS,
                revoked: false,
                cascaded: false,
                used: 0,
                open: Some(Open::Minted),
            };
            self.tenants[tenant].tokens.push(token);
            sent.push(tokio::spawn(async move {
                engine.mint(customer, call(command)).await.is_ok()
            }));
        }
        while !self.store.is_waiting() && !sent.iter().all(tokio::task::JoinHandle::is_finished) {
            tokio::task::yield_now().await;
        }
        // What they are told after this moment is told by a process that is dead.
        self.crash(keep).await;
    }

    /// The process dies. Of what was not synced that is kept for which `keep` has a bit.
    async fn crash(&mut self, keep: u8) {
        self.crashes += 1;
        let left = self.store.crash(|batch| keep >> (batch % 8) & 1 == 1);
        self.store.resume();
        self.restart_on(left).await;
        self.settle().await;
        self.check().await;
    }

    async fn restart_on(&mut self, store: Arc<FaultyStore>) {
        self.engine.shutdown(std::time::Duration::from_secs(30)).await;
        self.store = store;
        self.engine = engine(&self.dir, &self.clock, &self.store);
    }

    /// Asks what became of what was left open.
    async fn settle(&mut self) {
        for at in 0..TENANTS {
            let customer = self.tenants[at].customer;
            for token in std::mem::take(&mut self.tenants[at].tokens) {
                if let Some(token) = settled(&self.engine, customer, token).await {
                    self.tenants[at].tokens.push(token);
                }
            }
        }
    }

    /// Every token is what it was said to be.
    async fn check(&self) {
        let now = self.now();
        for tenant in &self.tenants {
            for (at, token) in tenant.tokens.iter().enumerate() {
                let found = self.engine.manage(tenant.customer, FindToken { jti: token.jti }).await;
                let expired = now >= token.expires_at;
                let found = match found {
                    Ok(found) => found,
                    Err(Failure::Rejected(Rejection::TokenNotFound)) if now >= token.expires_at + READABLE_SECONDS => {
                        continue;
                    }
                    Err(failure) => panic!("{}: {failure:?}", token.jti),
                };
                match found.status {
                    Status::Active => assert!(tenant.is_live(at, now), "{} lives again", token.jti),
                    Status::Revoked => assert!(tenant.is_revoked(at), "{} was not revoked", token.jti),
                    Status::Expired => assert!(expired, "{} has not expired", token.jti),
                    other => panic!("{}: {other:?}", token.jti),
                }
                if let Details::Session { used, .. } = found.details {
                    assert_eq!(used, token.used, "{}", token.jti);
                }
            }
        }
    }

    /// All that can be seen of all tenants. A read may fail by a fault that was set before; then there is nothing to compare.
    async fn seen(&self) -> Option<String> {
        let mut seen = String::new();
        for tenant in &self.tenants {
            for token in &tenant.tokens {
                match self.engine.manage(tenant.customer, FindToken { jti: token.jti }).await {
                    Err(Failure::Rejected(Rejection::TokenNotFound)) => {}
                    found => seen += &format!("{:?}\n", found.ok()?),
                }
            }
            let keys = self.engine.manage(tenant.customer, PublicKeys).await;
            let feed = self
                .engine
                .revocations(tenant.customer, call(ListRevocations { after: 0 }), 0)
                .await;
            seen += &format!("{:?}\n{:?}\n", keys.ok()?, feed.ok()?);
        }
        Some(seen)
    }

    async fn unchanged_by_passivation(&mut self) {
        let before = self.seen().await;
        for _ in 0..3 {
            self.engine.sweep().await;
        }
        let after = self.seen().await;
        if before.is_some() && after.is_some() {
            assert_eq!(before, after, "what is read back is what was in memory");
        }
        self.recover_if_failed().await;
    }

    async fn unchanged_by_a_restart(&mut self) {
        let before = self.seen().await;
        let store = self.store.crash(|_| true);
        self.restart_on(store).await;
        let after = self.seen().await;
        assert!(after.is_some(), "a fresh store has no faults");
        if before.is_some() {
            assert_eq!(before, after, "what is read back is what was in memory");
        }
    }

    /// No sequence has a gap, whatever happened.
    async fn end(mut self) {
        self.crash(0).await;
        self.engine.shutdown(std::time::Duration::from_secs(30)).await;
        let stopped = StoppedJournal::with_store(Arc::clone(&self.store) as _).expect("it opens");
        for tenant in &self.tenants {
            let mut last = None;
            let folded = stopped.events(tenant.customer, |sequence, _| {
                assert!(
                    last.is_none_or(|last| sequence == last + 1),
                    "{sequence} after {last:?}"
                );
                last = Some(sequence);
                Ok::<_, ReadError>(Visit::Next)
            });
            assert!(folded.expect("no gap").is_some());
        }
    }
}

fn revocation(jti: Jti, cascade: bool) -> RevokeToken {
    RevokeToken {
        jti,
        kind: None,
        cascade,
        reason: None,
    }
}

fn engine(dir: &TempDir, clock: &Arc<ManualClock>, store: &Arc<FaultyStore>) -> Engine {
    start(dir.path(), clock, |options| {
        options.store = Some(Arc::clone(store) as _);
        options.idle_tenant_seconds = 0;
    })
}

/// The token with nothing open; `None` if it does not exist.
async fn settled(engine: &Engine, customer: CustomerId, mut token: Token) -> Option<Token> {
    let Some(open) = token.open.take() else {
        return Some(token);
    };
    let found = match engine.manage(customer, FindToken { jti: token.jti }).await {
        Ok(found) => found,
        Err(Failure::Rejected(Rejection::TokenNotFound)) if matches!(open, Open::Minted) => return None,
        Err(failure) => panic!("{}: {failure:?}", token.jti),
    };
    match (open, found.details) {
        (Open::Minted, _) => {}
        // It was revoked before, so its status does not tell. As its caller would, ask again.
        (Open::Revoked { cascade: true }, _) if token.revoked => {
            let again = engine.execute(customer, call(revocation(token.jti, true))).await;
            again.expect("a second time changes nothing");
            token.cascaded = true;
        }
        (Open::Revoked { cascade }, _) if found.status == Status::Revoked => {
            token.cascaded |= cascade;
            token.revoked |= !cascade;
        }
        (Open::Revoked { .. }, _) => {}
        (Open::Counted { used: asked }, Details::Session { used, .. }) => {
            assert!(
                used == token.used || used == asked,
                "{used} of {} and {asked}",
                token.used
            );
            token.used = used;
        }
        (Open::Counted { .. }, details) => panic!("{details:?}"),
    }
    Some(token)
}

#[test]
fn whatever_fails_and_whenever_the_process_dies_what_was_acknowledged_stays() {
    histories(64, 1..80, 100, step(), async |steps| {
        let mut run = Run::new().await;
        for step in steps {
            run.take(step).await;
        }
        run.end().await;
    });
}

#[tokio::test]
async fn half_a_batch_is_never_served() {
    let mut run = Run::new().await;
    run.take(Step::Agent { tenant: 0 }).await;
    run.store.fail(Operation::HalfApplied, 0, Fault::Error);
    let Tenant { customer, bearer, .. } = run.tenants[0];
    assert_eq!(
        agent(&run.engine, customer, bearer).await.err(),
        Some(Failure::Indeterminate)
    );
    let jti = run.tenants[0].tokens[0].jti;
    let read = run.engine.manage(customer, FindToken { jti }).await;
    assert_eq!(read.err(), Some(Failure::Indeterminate), "nor what lies beside it");
    run.crash(0).await;
}
