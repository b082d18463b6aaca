//! Looking tokens and revocations up. Never shows a token's string or hash.

use super::{Access, Command, Decided, Moment};
use crate::clock::{UnixMillis, UnixSeconds};
use crate::id::{AgentId, Jti};
use crate::limits::{FEED_PAGE_MAX, PAGE_MAX};
use crate::tenant::revocations::Revocation;
use crate::tenant::state::Dead;
use crate::tenant::tokens::{Details, Token};
use crate::tenant::walk::{self, Slice};
use crate::tenant::{Rejection, State};
use crate::token::{Scope, TokenKind};

/// What a token is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is live.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked, itself or through an ancestor.
    Revoked,
    /// It was an override, and its event is decided.
    Used,
    /// Its customer is suspended.
    Suspended,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Active, Self::Expired, Self::Revoked, Self::Used, Self::Suspended];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Used => "used",
            Self::Suspended => "suspended",
        }
    }

    /// The status with this word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    pub(super) fn of(state: &State, token: &Token, now: UnixMillis) -> Self {
        match state.liveness(token, now) {
            Err(Dead::Revoked) => Self::Revoked,
            _ if state.decisions.is_used(token) => Self::Used,
            Err(Dead::Expired) => Self::Expired,
            Err(Dead::Suspended) => Self::Suspended,
            Ok(()) => Self::Active,
        }
    }
}

/// What is shown of a token.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenInfo {
    /// Its identifier.
    pub jti: Jti,
    /// The token it was derived from.
    pub parent: Option<Jti>,
    /// What it is worth.
    pub status: Status,
    /// `iat`.
    pub issued_at: UnixSeconds,
    /// `exp`.
    pub expires_at: UnixSeconds,
    /// What only tokens of its kind have.
    pub details: Details,
    /// How many tokens were derived directly from it, at most one more than a page holds.
    pub children: usize,
}

impl TokenInfo {
    fn of(state: &State, token: &Token, now: UnixMillis) -> Self {
        Self {
            jti: token.jti,
            parent: state.tokens.parent_of(token).map(|parent| parent.jti),
            status: Status::of(state, token, now),
            issued_at: token.issued_at,
            expires_at: token.expires_at,
            details: token.details.clone(),
            children: state.tokens.children_of(token).take(PAGE_MAX + 1).count(),
        }
    }
}

/// Asks for one token.
#[derive(Clone, Copy, Debug)]
pub struct FindToken {
    /// The token.
    pub jti: Jti,
}

impl Command for FindToken {
    type Reply = TokenInfo;

    fn access(&self) -> Access {
        Access::Scope(Scope::TokensRead)
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<TokenInfo>, Rejection> {
        let token = state.tokens.get(self.jti).ok_or(Rejection::TokenNotFound)?;
        Ok(Decided::answer(TokenInfo::of(state, token, moment.now)))
    }
}

/// Asks for a page of tokens.
#[derive(Clone, Debug, Default)]
pub struct ListTokens {
    /// Only of this kind.
    pub kind: Option<TokenKind>,
    /// Only of this agent.
    pub agent_id: Option<AgentId>,
    /// Only with this status.
    pub status: Option<Status>,
    /// Where the last page ended.
    pub after: Option<Jti>,
    /// How many, at most; one turn also visits only so many that a page may be short without being the last.
    pub limit: usize,
}

impl Command for ListTokens {
    type Reply = Slice<TokenInfo>;

    fn access(&self) -> Access {
        Access::Scope(Scope::TokensRead)
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        let page = walk::tokens(state, self.after, self.limit.clamp(1, PAGE_MAX), |token| {
            let of_kind = self.kind.is_none_or(|kind| kind == token.kind());
            let agent = || token.details.agent().map(|agent| &agent.agent_id);
            let of_agent = || self.agent_id.is_none() || self.agent_id.as_ref() == agent();
            let of_status = || {
                self.status
                    .is_none_or(|status| status == Status::of(state, token, moment.now))
            };
            (of_kind && of_agent() && of_status()).then(|| TokenInfo::of(state, token, moment.now))
        });
        Ok(Decided::answer(page))
    }
}

/// Where a token stands in its hierarchy.
#[derive(Clone, Debug, PartialEq)]
pub struct Lineage {
    /// The token's ancestors, its parent first.
    pub ancestors: Vec<TokenInfo>,
    /// What is derived from it, parents before their children.
    pub descendants: Vec<TokenInfo>,
    /// Whether there are more descendants than are shown.
    pub truncated: bool,
}

/// Asks for a token's lineage.
#[derive(Clone, Copy, Debug)]
pub struct FindLineage {
    /// The token.
    pub jti: Jti,
}

impl Command for FindLineage {
    type Reply = Lineage;

    fn access(&self) -> Access {
        Access::Scope(Scope::TokensRead)
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<Lineage>, Rejection> {
        let root = state.tokens.get(self.jti).ok_or(Rejection::TokenNotFound)?;
        let describe = |token: &Token| TokenInfo::of(state, token, moment.now);
        let ancestors = state.tokens.lineage(root).skip(1).map(describe).collect();
        let first = state.tokens.next_in_subtree(root, root);
        let mut below = std::iter::successors(first, |token| state.tokens.next_in_subtree(root, token));
        let descendants = below.by_ref().take(PAGE_MAX).map(describe).collect();
        Ok(Decided::answer(Lineage {
            ancestors,
            descendants,
            truncated: below.next().is_some(),
        }))
    }
}

/// Asks for the revocations after a place in the feed.
#[derive(Clone, Copy, Debug)]
pub struct ListRevocations {
    /// The place: the last sequence number that the caller knows.
    pub after: u64,
}

impl Command for ListRevocations {
    type Reply = Vec<Revocation>;

    fn access(&self) -> Access {
        Access::Scope(Scope::TokensRead)
    }

    fn decide(self, state: &State, _: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        let ahead = state.revocations.ahead();
        // A place that this customer has not reached is from before its erasure, or from a lost disk; one that lies before all of
        // its places is from before a restoration.
        let after = self
            .after
            .checked_sub(ahead)
            .filter(|after| *after <= state.sequence())
            .unwrap_or(0);
        let page = state.revocations.after(after).take(FEED_PAGE_MAX);
        let placed = page.map(|revocation| Revocation {
            sequence: revocation.sequence.saturating_add(ahead),
            ..revocation.clone()
        });
        Ok(Decided::answer(placed.collect()))
    }
}
