//! What an engine counts of itself, as plain numbers: nothing here knows a format, or what a metric is called.
//!
//! Counting takes one relaxed addition, at places where much more is done anyway. [`Engine::metrics`](crate::Engine::metrics) reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::Health;
use crate::error::Failure;
use crate::journal::Status;
use crate::tenant::revocations::Target;
use crate::token::TokenKind;

mod histogram;

pub use histogram::{Histogram, HistogramSnapshot};

/// Bounds of times in microseconds, from what a fast disk needs to what nobody should wait for.
pub const MICROS_BOUNDS: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    10_000_000,
];
/// Bounds of the number of events that are made durable together.
pub const GROUP_BOUNDS: &[u64] = &[0, 1, 2, 4, 8, 16, 32, 64, 128, 256];

/// What came of a call that mints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MintOutcome {
    /// A token was answered; the same one again, if an idempotency key was used again.
    Granted,
    /// A rule refused it.
    Rejected,
    /// There was no room for it.
    Overloaded,
    /// It was interrupted before it was recorded.
    Interrupted,
    /// The journal failed meanwhile: it may have happened.
    Indeterminate,
    /// The customer's records cannot be read.
    Unreadable,
    /// It was recorded and could not be signed.
    Unsigned,
}

impl MintOutcome {
    const ALL: [Self; 7] = [
        Self::Granted,
        Self::Rejected,
        Self::Overloaded,
        Self::Interrupted,
        Self::Indeterminate,
        Self::Unreadable,
        Self::Unsigned,
    ];

    /// In one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Rejected => "rejected",
            Self::Overloaded => "overloaded",
            Self::Interrupted => "interrupted",
            Self::Indeterminate => "indeterminate",
            Self::Unreadable => "unreadable",
            Self::Unsigned => "unsigned",
        }
    }

    const fn of<T>(result: &Result<T, Failure>) -> Self {
        match result {
            Ok(_) => Self::Granted,
            Err(Failure::Rejected(_)) => Self::Rejected,
            Err(Failure::Overloaded(_)) => Self::Overloaded,
            Err(Failure::Interrupted) => Self::Interrupted,
            Err(Failure::Indeterminate) => Self::Indeterminate,
            Err(Failure::Unreadable) => Self::Unreadable,
            Err(Failure::Crypto) => Self::Unsigned,
        }
    }
}

/// What a revocation was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationKind {
    /// One token.
    Token,
    /// A token and everything derived from it.
    Cascade,
    /// Everything of one agent.
    Agent,
    /// Everything issued before a time.
    IssuedBefore,
    /// Everything that a key signed.
    Key,
}

impl RevocationKind {
    const ALL: [Self; 5] = [Self::Token, Self::Cascade, Self::Agent, Self::IssuedBefore, Self::Key];

    /// In one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Cascade => "cascade",
            Self::Agent => "agent",
            Self::IssuedBefore => "issued_before",
            Self::Key => "key",
        }
    }

    pub(crate) const fn of(target: &Target) -> Self {
        match target {
            Target::Token { cascade: false, .. } => Self::Token,
            Target::Token { cascade: true, .. } => Self::Cascade,
            Target::Agent(_) => Self::Agent,
            Target::IssuedBefore(_) | Target::Restoration { .. } => Self::IssuedBefore,
            Target::Key(_) => Self::Key,
        }
    }
}

/// One value for each kind of token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerKind<T>([T; TokenKind::ALL.len()]);

impl<T> PerKind<T> {
    /// Each kind with its value.
    pub fn iter(&self) -> impl Iterator<Item = (TokenKind, &T)> {
        TokenKind::ALL.iter().copied().zip(&self.0)
    }

    /// The value of one kind.
    pub fn get(&self, kind: TokenKind) -> Option<&T> {
        self.0.get(kind as usize)
    }

    pub(crate) fn get_mut(&mut self, kind: TokenKind) -> Option<&mut T> {
        self.0.get_mut(kind as usize)
    }
}

/// What all of an engine's threads add to.
#[derive(Debug)]
pub(crate) struct Counters {
    mints: PerKind<[AtomicU64; MintOutcome::ALL.len()]>,
    tokens: PerKind<AtomicU64>,
    customers: AtomicU64,
    revocations: [AtomicU64; RevocationKind::ALL.len()],
    faults: AtomicU64,
    activations: Histogram,
    signatures_remembered: AtomicU64,
    signatures_verified: AtomicU64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            mints: PerKind::default(),
            tokens: PerKind::default(),
            customers: AtomicU64::default(),
            revocations: Default::default(),
            faults: AtomicU64::default(),
            activations: Histogram::new(MICROS_BOUNDS),
            signatures_remembered: AtomicU64::default(),
            signatures_verified: AtomicU64::default(),
        }
    }
}

fn add_one(counter: Option<&AtomicU64>) {
    if let Some(counter) = counter {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Counters {
    /// A call that mints was answered.
    pub(crate) fn minted<T>(&self, kind: TokenKind, result: &Result<T, Failure>) {
        let outcomes = self.mints.get(kind);
        add_one(outcomes.and_then(|outcomes| outcomes.get(MintOutcome::of(result) as usize)));
    }

    /// A revocation is durable.
    pub(crate) fn revoked(&self, kind: RevocationKind) {
        add_one(self.revocations.get(kind as usize));
    }

    /// A customer's memory was of no use any more.
    pub(crate) fn faulted(&self) {
        add_one(Some(&self.faults));
    }

    /// A customer was brought into memory.
    pub(crate) fn activated(&self, micros: u64) {
        self.activations.record(micros);
    }

    /// A presented token's signature was known, or had to be verified.
    pub(crate) fn presented(&self, remembered: bool) {
        add_one(Some(if remembered {
            &self.signatures_remembered
        } else {
            &self.signatures_verified
        }));
    }

    /// What was counted until now.
    pub(crate) fn snapshot(&self, health: Health, journal: Status) -> Metrics {
        let mints = self.mints.iter().flat_map(|(kind, outcomes)| {
            let outcomes = MintOutcome::ALL.into_iter().zip(outcomes);
            outcomes.map(move |(outcome, count)| (kind, outcome, read(count)))
        });
        let revocations = RevocationKind::ALL.into_iter().zip(&self.revocations);
        Metrics {
            mints: mints.collect(),
            tokens_in_memory: self.tokens.iter().map(|(kind, count)| (kind, read(count))).collect(),
            customers_in_memory: read(&self.customers),
            revocations: revocations.map(|(kind, count)| (kind, read(count))).collect(),
            faults: read(&self.faults),
            activation_micros: self.activations.snapshot(),
            signatures_remembered: read(&self.signatures_remembered),
            signatures_verified: read(&self.signatures_verified),
            health,
            journal,
        }
    }
}

/// What an engine has counted since it was started, and how it is.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Answers to calls that mint, by kind and outcome.
    pub mints: Vec<(TokenKind, MintOutcome, u64)>,
    /// Tokens of the customers in memory: those that have not expired or were, at most an hour ago, and revoked ones among them.
    pub tokens_in_memory: Vec<(TokenKind, u64)>,
    /// Customers in memory.
    pub customers_in_memory: u64,
    /// Durable revocations, by what they were about.
    pub revocations: Vec<(RevocationKind, u64)>,
    /// Times that a customer's memory was dropped because of a defect or a refused write.
    pub faults: u64,
    /// Microseconds that bringing a customer into memory took, waiting included.
    pub activation_micros: HistogramSnapshot,
    /// Presented tokens whose signature was verified before.
    pub signatures_remembered: u64,
    /// Presented tokens whose signature had to be verified.
    pub signatures_verified: u64,
    /// Whether the engine can serve.
    pub health: Health,
    /// The journal's counters.
    pub journal: Status,
}

/// A customer's share in the sums over all that are in memory: it is taken out when this is dropped, however memory is left.
#[derive(Debug)]
pub(crate) struct Presence {
    counters: Arc<Counters>,
    told: PerKind<u64>,
}

impl Presence {
    pub(crate) fn new(counters: Arc<Counters>, tokens: &PerKind<u64>) -> Self {
        counters.customers.fetch_add(1, Ordering::Relaxed);
        let told = PerKind::default();
        let mut presence = Self { counters, told };
        presence.tell(tokens);
        presence
    }

    /// Brings the sums up to date with the customer's own counts.
    pub(crate) fn tell(&mut self, tokens: &PerKind<u64>) {
        if self.told == *tokens {
            return;
        }
        for ((sum, told), now) in self.counters.tokens.0.iter().zip(&self.told.0).zip(&tokens.0) {
            // What became less is taken away: adding a negative number wraps to just that.
            sum.fetch_add(now.wrapping_sub(*told), Ordering::Relaxed);
        }
        self.told = *tokens;
    }

    /// The counters of the engine.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.tell(&PerKind::default());
        self.counters.customers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(agents: u64) -> PerKind<u64> {
        let mut counts = PerKind::default();
        *counts.get_mut(TokenKind::Agent).expect("a kind") = agents;
        counts
    }

    fn sum(counters: &Counters) -> (u64, u64) {
        (
            read(counters.tokens.get(TokenKind::Agent).expect("a kind")),
            read(&counters.customers),
        )
    }

    #[test]
    fn the_sums_follow_the_shares_and_forget_who_leaves() {
        let counters = Arc::new(Counters::default());
        let mut first = Presence::new(Arc::clone(&counters), &counts(3));
        let second = Presence::new(Arc::clone(&counters), &counts(5));
        assert_eq!(sum(&counters), (8, 2));
        first.tell(&counts(1));
        assert_eq!(sum(&counters), (6, 2));
        drop(first);
        assert_eq!(sum(&counters), (5, 1));
        drop(second);
        assert_eq!(sum(&counters), (0, 0));
    }

    #[test]
    fn every_kind_and_outcome_has_a_place_of_its_own() {
        use crate::error::Overload;
        use crate::tenant::Rejection;

        let counters = Counters::default();
        let failures = [
            ("rejected", Failure::Rejected(Rejection::NoActiveKey)),
            ("overloaded", Failure::Overloaded(Overload::Tenant)),
            ("interrupted", Failure::Interrupted),
            ("indeterminate", Failure::Indeterminate),
            ("unreadable", Failure::Unreadable),
            ("unsigned", Failure::Crypto),
        ];
        let outcomes: Vec<_> = [("granted", Ok(()))]
            .into_iter()
            .chain(failures.map(|(word, failure)| (word, Err(failure))))
            .collect();
        assert_eq!(outcomes.len(), MintOutcome::ALL.len());
        let mut times = 0;
        for kind in TokenKind::ALL {
            for (word, result) in &outcomes {
                times += 1;
                (0..times).for_each(|_| counters.minted(*kind, result));
                let outcome = MintOutcome::of(result);
                assert_eq!(outcome.as_str(), *word);
                let counted = counters.mints.get(*kind).expect("a kind");
                assert_eq!(read(&counted[outcome as usize]), times, "{kind:?} {word}");
            }
        }
    }

    #[test]
    fn every_target_of_a_revocation_is_counted_as_one_kind() {
        use crate::clock::UnixSeconds;
        use crate::id::{AgentId, Jti, KeyId};

        let issued_before = UnixSeconds::new(0);
        let token = |cascade| {
            let jti = Jti::new(uuid::Uuid::nil());
            Target::Token { jti, cascade }
        };
        for (target, word) in [
            (token(false), "token"),
            (token(true), "cascade"),
            (Target::Agent(AgentId::parse("reviewer").expect("an id")), "agent"),
            (Target::IssuedBefore(issued_before), "issued_before"),
            (Target::Restoration { issued_before }, "issued_before"),
            (Target::Key(KeyId::new(uuid::Uuid::nil())), "key"),
        ] {
            assert_eq!(RevocationKind::of(&target).as_str(), word, "{target:?}");
        }
    }
}
