//! What was revoked, in order: the marks that liveness looks at, and the feed that an offline verifier follows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::tokens::Token;
use crate::clock::{UnixMillis, UnixSeconds};
use crate::id::{AgentId, Jti, KeyId};
use crate::token::TokenKind;

/// How fast a restoration takes places in the feed to be used up. Until the year 2255 they stay numbers that a client which keeps
/// numbers as IEEE 754 doubles can hold.
const PLACES_PER_SECOND: u64 = 1_000_000;

/// What a revocation is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// One token; with `cascade`, everything derived from it as well.
    Token {
        /// The token.
        jti: Jti,
        /// Whether everything derived from it is dead too.
        cascade: bool,
    },
    /// Every token that an agent had, and everything derived from them.
    Agent(AgentId),
    /// Every token issued before this second, and everything derived from them.
    IssuedBefore(UnixSeconds),
    /// Every token that a key signed, and everything derived from them.
    Key(KeyId),
    /// Every token from before the customer was read back from a backup.
    Restoration {
        /// The second before which all of them were issued.
        issued_before: UnixSeconds,
    },
}

/// One revocation, as the feed tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Its place in the feed: the journal's sequence number.
    pub sequence: u64,
    /// What it is about.
    pub target: Target,
    /// When.
    pub at: UnixMillis,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
    /// The last second in which it kills anything that has not expired.
    pub relevant_until: UnixSeconds,
}

/// A tenant's revocations, for as long as they kill anything that has not expired.
#[derive(Debug, Default)]
pub struct Revocations {
    feed: BTreeMap<u64, Revocation>,
    by_expiry: BTreeSet<(UnixSeconds, u64)>,
    /// Tokens of this agent with a sequence number up to this one are dead.
    agents: HashMap<AgentId, u64>,
    issued_before: Option<(UnixSeconds, u64)>,
    /// Tokens with a sequence number up to this one are dead.
    restored_up_to: u64,
    /// How far places in the feed are ahead of sequence numbers.
    ahead: u64,
}

impl Revocations {
    /// Whether a bulk revocation kills this very token; that it reaches descendants is for the walk up the lineage to find out.
    pub(super) fn covers(&self, token: &Token) -> bool {
        let by_age = token.sequence <= self.restored_up_to
            || self.issued_before.is_some_and(|(before, _)| token.issued_at < before);
        let by_agent = || {
            let agent = token.details.agent()?;
            let up_to = self.agents.get(&agent.agent_id)?;
            Some(token.sequence <= *up_to)
        };
        by_age || (!self.agents.is_empty() && by_agent().unwrap_or(false))
    }

    /// The last of an agent's tokens that are dead, by their sequence numbers.
    pub fn agent_up_to(&self, agent_id: &AgentId) -> Option<u64> {
        self.agents.get(agent_id).copied()
    }

    /// How far places in the feed are ahead of sequence numbers. A restoration takes sequence numbers back, and a follower of the
    /// lost history must not take what is new for what it knows: so it also moves the places ahead, beyond all that were lost.
    pub const fn ahead(&self) -> u64 {
        self.ahead
    }

    /// The revocations after `sequence`, oldest first.
    pub fn after(&self, sequence: u64) -> impl Iterator<Item = &Revocation> {
        self.feed
            .range(sequence.saturating_add(1)..)
            .map(|(_, revocation)| revocation)
    }

    /// Whether tokens issued before this second are dead already.
    pub fn is_issued_before_covered(&self, before: UnixSeconds) -> bool {
        self.issued_before.is_some_and(|(covered, _)| before <= covered)
    }

    /// Adds a revocation to the feed, and its mark where it has one here.
    pub(super) fn insert(&mut self, revocation: Revocation) {
        let sequence = revocation.sequence;
        match &revocation.target {
            Target::Token { .. } | Target::Key(_) => {}
            Target::Agent(agent_id) => {
                self.agents.insert(agent_id.clone(), sequence);
            }
            Target::IssuedBefore(before) => {
                // The latest covers all earlier ones, so a follower needs no other.
                if let Some((covered, earlier)) = self.issued_before
                    && covered <= *before
                {
                    self.feed.remove(&earlier);
                }
                self.issued_before = Some((*before, sequence));
            }
            Target::Restoration { issued_before } => {
                self.restored_up_to = sequence;
                self.ahead = places_until(*issued_before);
            }
        }
        self.by_expiry.insert((revocation.relevant_until, sequence));
        self.feed.insert(sequence, revocation);
    }

    /// Nothing is left here that was relevant until this second or an earlier one.
    pub(super) fn first_until(&self) -> Option<UnixSeconds> {
        self.by_expiry.first().map(|(until, _)| *until)
    }

    /// Forgets up to `at_most` revocations of which nothing was left to kill at `expired_by`.
    pub(super) fn purge(&mut self, expired_by: UnixSeconds, at_most: usize) {
        for _ in 0..at_most {
            let Some(&(until, sequence)) = self.by_expiry.first() else {
                break;
            };
            if until > expired_by {
                break;
            }
            self.by_expiry.pop_first();
            match self.feed.remove(&sequence).map(|revocation| revocation.target) {
                Some(Target::Agent(agent_id)) if self.agents.get(&agent_id) == Some(&sequence) => {
                    self.agents.remove(&agent_id);
                }
                Some(Target::IssuedBefore(_)) => self.issued_before = None,
                Some(Target::Restoration { .. }) if sequence == self.restored_up_to => {
                    (self.restored_up_to, self.ahead) = (0, 0);
                }
                _ => {}
            }
        }
    }
}

/// More places than a customer can have used until this second: it would have to record a million events in each.
fn places_until(second: UnixSeconds) -> u64 {
    u64::try_from(second.get())
        .unwrap_or_default()
        .saturating_mul(PLACES_PER_SECOND)
}

impl Target {
    /// The last second in which such a revocation, made at `at`, kills anything that has not expired. `last_expiry` is that of the
    /// token, or of the last token that the key signed.
    pub(super) fn relevant_until(&self, at: UnixMillis, last_expiry: Option<UnixSeconds>) -> UnixSeconds {
        match self {
            // Not from before it happened: a key may have been stolen that signed nothing here.
            Self::Token { .. } | Self::Key(_) => last_expiry.unwrap_or_default().max(at.seconds()),
            Self::Agent(_) => longest_from(at, TokenKind::Agent),
            Self::IssuedBefore(_) | Self::Restoration { .. } => longest_from(at, TokenKind::App),
        }
    }
}

/// When the last token of this kind that was minted until `at` has expired.
fn longest_from(at: UnixMillis, kind: TokenKind) -> UnixSeconds {
    at.seconds()
        .plus(i64::try_from(kind.max_ttl_seconds()).unwrap_or(i64::MAX))
}
