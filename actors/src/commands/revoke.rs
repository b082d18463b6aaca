//! Revocation: of one token, with or without what is derived from it, in bulk, or of a signing key.

use super::{Access, Command, Decided, Moment};
use crate::clock::UnixSeconds;
use crate::id::{AgentId, Jti, KeyId};
use crate::tenant::audit::AuditDraft;
use crate::tenant::event::Event;
use crate::tenant::idempotency::Outcome;
use crate::tenant::tokens::{Revoked, Token};
use crate::tenant::vault::VaultChange;
use crate::tenant::walk::{self, Slice};
use crate::tenant::{Rejection, State};
use crate::token::{Scope, TokenKind};

/// Revokes one token. Doing it again changes nothing.
#[derive(Clone, Debug)]
pub struct RevokeToken {
    /// The token.
    pub jti: Jti,
    /// The kind it must be, if the caller says.
    pub kind: Option<TokenKind>,
    /// Whether everything derived from it is dead too. Without, its children live on.
    pub cascade: bool,
    /// Why.
    pub reason: Option<Box<str>>,
}

impl Command for RevokeToken {
    type Reply = ();

    fn access(&self) -> Access {
        Access::Scope(Scope::TokensRevoke)
    }

    fn decide(self, state: &State, _moment: &Moment<'_>) -> Result<Decided<()>, Rejection> {
        let Self {
            jti,
            kind,
            cascade,
            reason,
        } = self;
        let found = state
            .tokens
            .get(jti)
            .filter(|token| kind.is_none_or(|kind| kind == token.kind()));
        let token = found.ok_or(Rejection::TokenNotFound)?;
        let done = match token.revoked {
            Some(Revoked::Cascade) => true,
            Some(Revoked::Alone) => !cascade,
            None => false,
        };
        if done {
            return Ok(Decided::answer(()));
        }
        let action = if cascade {
            "token.cascade_revoked"
        } else {
            "token.revoked"
        };
        let audit = AuditDraft::new(action, jti).because(reason.as_deref());
        Ok(Decided::event(Event::TokenRevoked { jti, cascade, reason }, ())
            .audited(audit)
            .coming_to(Outcome::Done))
    }

    fn repeat(&self, _: &State, _: &Moment<'_>, _: &Outcome) -> Result<(), Rejection> {
        Ok(())
    }
}

/// Lists a slice of the unexpired tokens derived from a token.
#[derive(Clone, Copy, Debug)]
pub struct ListDescendants {
    /// The token.
    pub root: Jti,
    /// Where the last slice ended.
    pub after: Option<Jti>,
}

impl Command for ListDescendants {
    type Reply = Slice<Jti>;

    fn access(&self) -> Access {
        Access::Scope(Scope::TokensRead)
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        Ok(Decided::answer(walk::descendants(
            state, self.root, self.after, moment.now,
        )))
    }
}

/// What a bulk revocation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// Every token that an agent has now.
    Agent(AgentId),
    /// Every token issued before this second.
    IssuedBefore(UnixSeconds),
    /// Every token that a key signed.
    Key(KeyId),
}

/// Revokes many tokens by one event, with everything derived from them.
#[derive(Clone, Debug)]
pub struct RevokeMany {
    /// Which.
    pub selector: Selector,
    /// Why.
    pub reason: Option<Box<str>>,
}

impl Command for RevokeMany {
    type Reply = ();

    fn access(&self) -> Access {
        Access::Admin
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<()>, Rejection> {
        let Self { selector, reason } = self;
        let because = reason.clone();
        let decided = match selector {
            Selector::Agent(agent_id) => {
                let audit = AuditDraft::new("agent.revoked", &agent_id);
                (Event::AgentRevoked { agent_id, reason }, Vec::new(), audit)
            }
            Selector::IssuedBefore(issued_before) => {
                if issued_before > moment.now.seconds() {
                    // It would kill tokens that do not exist yet.
                    let message = "must not be in the future".to_owned();
                    return Err(Rejection::InvalidField {
                        field: "issued_before",
                        message,
                    });
                }
                if state.revocations.is_issued_before_covered(issued_before) {
                    return Ok(Decided::answer(()));
                }
                let audit = AuditDraft::new("issued_before.revoked", issued_before);
                (Event::IssuedBeforeRevoked { issued_before, reason }, Vec::new(), audit)
            }
            Selector::Key(kid) => {
                let key = state.keys.get(kid).ok_or(Rejection::KeyNotFound)?;
                if key.revoked {
                    return Ok(Decided::answer(()));
                }
                let audit = AuditDraft::new("signing_key.revoked", kid);
                (
                    Event::SigningKeyRevoked { kid, reason },
                    vec![VaultChange::EraseSigningKey(kid)],
                    audit,
                )
            }
        };
        let (event, vault, audit) = decided;
        let decided = Decided::event(event, ())
            .audited(audit.because(because.as_deref()))
            .coming_to(Outcome::Done);
        Ok(Decided { vault, ..decided })
    }

    fn repeat(&self, _: &State, _: &Moment<'_>, _: &Outcome) -> Result<(), Rejection> {
        Ok(())
    }
}

/// Counts a slice of the unexpired tokens that a bulk revocation reaches.
#[derive(Clone, Debug)]
pub struct CountSelected {
    /// Which.
    pub selector: Selector,
    /// Where the last slice ended.
    pub after: Option<Jti>,
}

impl Command for CountSelected {
    /// One entry for each token.
    type Reply = Slice<()>;

    fn access(&self) -> Access {
        Access::Admin
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        let selected = |token: &Token| match &self.selector {
            Selector::Agent(agent_id) => token.details.agent().is_some_and(|agent| agent.agent_id == *agent_id),
            Selector::IssuedBefore(before) => token.issued_at < *before,
            Selector::Key(kid) => token.kid == *kid,
        };
        let reached = |token: &Token| {
            let reached = !token.is_expired(moment.now) && state.tokens.lineage(token).any(selected);
            reached.then_some(())
        };
        Ok(Decided::answer(walk::tokens(state, self.after, usize::MAX, reached)))
    }
}
