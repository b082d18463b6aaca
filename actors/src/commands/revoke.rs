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
    /// `None` if the place where the last slice ended has been forgotten.
    type Reply = Option<Slice<Jti>>;

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
            // What the agent was given since then lives on.
            Selector::Agent(agent_id) => {
                let is_agents = token.details.agent().is_some_and(|agent| agent.agent_id == *agent_id);
                is_agents
                    && state
                        .revocations
                        .agent_up_to(agent_id)
                        .is_some_and(|up_to| token.sequence <= up_to)
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::{Given, agent_id, jti, kid};

    fn live(given: &Given) -> Vec<u128> {
        let is_live = |n: &u128| {
            given
                .state
                .liveness(given.state.tokens.get(jti(*n)).unwrap(), given.now)
                .is_ok()
        };
        [10, 20, 30, 40, 50, 60].into_iter().filter(is_live).collect()
    }

    fn revoke(number: u128, cascade: bool) -> RevokeToken {
        RevokeToken {
            jti: jti(number),
            kind: None,
            cascade,
            reason: None,
        }
    }

    fn many(selector: Selector) -> RevokeMany {
        RevokeMany { selector, reason: None }
    }

    #[test]
    fn a_revoked_tokens_children_live_on_unless_it_cascades() {
        assert_eq!(live(&Given::hierarchy().then(revoke(30, false))), [10, 20, 40, 50, 60]);
        assert_eq!(live(&Given::hierarchy().then(revoke(30, true))), [10, 20, 60]);
    }

    #[test]
    fn a_cascade_passes_through_dead_intermediates() {
        let given = Given::hierarchy().then(revoke(40, false)).then(revoke(20, true));
        assert_eq!(live(&given), [10, 60]);
    }

    #[test]
    fn revoking_again_changes_nothing_but_may_begin_to_cascade() {
        let given = Given::hierarchy().then(revoke(30, false));
        assert!(given.when(revoke(30, false)).unwrap().changes_nothing());
        let given = given.then(revoke(30, true));
        assert_eq!(live(&given), [10, 20, 60]);
        assert!(given.when(revoke(30, true)).unwrap().changes_nothing());
        assert!(given.when(revoke(30, false)).unwrap().changes_nothing());
    }

    #[test]
    fn a_token_of_another_type_than_named_is_not_there() {
        let command = RevokeToken {
            kind: Some(TokenKind::Bearer),
            ..revoke(30, false)
        };
        assert_eq!(Given::hierarchy().when(command).err(), Some(Rejection::TokenNotFound));
    }

    #[test]
    fn an_agents_tokens_die_with_their_descendants_and_later_ones_live() {
        let given = Given::hierarchy().then(many(Selector::Agent(agent_id("agent"))));
        assert_eq!(live(&given), [10, 20, 60]);
        let again = crate::tenant::event::MintDetails::Agent {
            agent_id: agent_id("agent"),
            agent_name: None,
            policy: None,
        };
        let given = given.token(31, Some(20), 60, again);
        assert!(
            given
                .state
                .liveness(given.state.tokens.get(jti(31)).unwrap(), given.now)
                .is_ok()
        );
    }

    #[test]
    fn issued_before_spares_the_second_itself_and_never_means_the_future() {
        let given = Given::hierarchy();
        let now = given.now.seconds();
        assert!(matches!(
            given.when(many(Selector::IssuedBefore(now.plus(1)))),
            Err(Rejection::InvalidField {
                field: "issued_before",
                ..
            })
        ));
        assert_eq!(
            live(&given.then(many(Selector::IssuedBefore(now)))),
            [10, 20, 30, 40, 50, 60]
        );
        let given = Given::hierarchy()
            .after(1)
            .then(many(Selector::IssuedBefore(now.plus(1))));
        assert_eq!(live(&given), [0_u128; 0]);
    }

    #[test]
    fn a_revoked_key_takes_its_tokens_with_it_and_is_erased() {
        let given = Given::hierarchy();
        let decided = given.when(many(Selector::Key(kid(1)))).unwrap();
        assert!(matches!(decided.vault.as_slice(), [VaultChange::EraseSigningKey(erased)] if *erased == kid(1)));
        let given = given.then(many(Selector::Key(kid(1))));
        assert_eq!(live(&given), [0_u128; 0]);
        assert!(given.state.keys.published(given.now).is_empty());
        assert_eq!(given.state.signing_key(given.now).err(), Some(Rejection::NoActiveKey));
        assert_eq!(
            given.when(many(Selector::Key(kid(9)))).err(),
            Some(Rejection::KeyNotFound)
        );
    }

    #[test]
    fn a_cascade_lists_what_is_derived_and_has_not_expired() {
        let given = Given::hierarchy().after(3_600);
        let slice = given
            .when(ListDescendants {
                root: jti(20),
                after: None,
            })
            .unwrap()
            .reply;
        assert_eq!(
            slice,
            Some(Slice {
                found: vec![jti(30), jti(40)],
                next: None
            })
        );
    }
}
