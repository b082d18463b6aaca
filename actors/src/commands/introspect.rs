//! What a presented token is worth now (RFC 7662), and whether it allows an action.

use std::sync::Arc;

use super::{Access, Command, Decided, Moment, PresentedToken, presented_token};
use crate::rbac::{Policy, Verdict, evaluate};
use crate::tenant::agent_denial::denies_agent;
use crate::tenant::tokens::{Details, Token};
use crate::tenant::{Rejection, State};
use crate::token::{Scope, TokenKind};

/// A token that is active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    /// Its kind.
    pub kind: TokenKind,
    /// Its claims as JSON, from its record.
    pub claims: Arc<str>,
}

/// Asks whether a presented token is active.
#[derive(Clone, Debug)]
pub struct Introspect {
    /// The token.
    pub token: PresentedToken,
}

impl Command for Introspect {
    type Reply = Option<Active>;

    fn access(&self) -> Access {
        Access::Scope(Scope::TokensRead)
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        let active = presented_token(state, &self.token, moment.now).ok();
        Ok(Decided::answer(active.map(|token| Active {
            kind: token.kind(),
            claims: self.token.payload,
        })))
    }
}

/// What an authorisation comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// Whether the action is allowed.
    pub allowed: bool,
    /// The step that decided.
    pub step: &'static str,
    /// Why, for people.
    pub reason: &'static str,
    /// The pattern that decided, if one did.
    pub pattern: Option<Box<str>>,
}

impl Authorization {
    /// Of a token that is not active.
    pub const fn inactive() -> Self {
        Self::refused("token", "the token is not active")
    }

    const fn refused(step: &'static str, reason: &'static str) -> Self {
        Self {
            allowed: false,
            step,
            reason,
            pattern: None,
        }
    }
}

/// Asks whether a presented token allows an action. The policy is its record's, or for a session its parent's.
#[derive(Clone, Debug)]
pub struct Authorize {
    /// The token.
    pub token: PresentedToken,
    /// The action.
    pub action: Box<str>,
    /// The resource; empty if there is none.
    pub resource: Box<str>,
    /// How sensitive what it touches is.
    pub sensitivity_level: u8,
}

impl Command for Authorize {
    type Reply = Authorization;

    fn access(&self) -> Access {
        Access::Scope(Scope::TokensRead)
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        let Ok(token) = presented_token(state, &self.token, moment.now) else {
            return Ok(Decided::answer(Authorization::inactive()));
        };
        let Some(policy) = policy_of(state, token) else {
            let reason = "tokens of this kind carry no policy";
            return Ok(Decided::answer(Authorization::refused("token_type", reason)));
        };
        // A stopped agent stops at once, and so does what it minted: its token need not be issued anew.
        let agents = state.tokens.lineage(token).filter_map(|token| token.details.agent());
        let agent_ids = agents.map(|agent| &agent.agent_id);
        if let Some(denial) = denies_agent(state, agent_ids, &self.action, Some(&self.resource), moment.now) {
            return Ok(Decided::answer(Authorization {
                pattern: Some(denial.matched_path.as_str().into()),
                ..Authorization::refused("override_deny", "an override denies it to the agent or to one above it")
            }));
        }
        let verdict = evaluate(policy, &self.action, &self.resource, self.sensitivity_level);
        Ok(Decided::answer(Authorization::from(verdict)))
    }
}

impl From<Verdict> for Authorization {
    fn from(verdict: Verdict) -> Self {
        Self {
            allowed: verdict.is_allowed(),
            step: verdict.step(),
            reason: verdict.reason(),
            pattern: verdict.pattern().map(|pattern| pattern.as_str().into()),
        }
    }
}

fn policy_of<'a>(state: &'a State, token: &'a Token) -> Option<&'a Policy> {
    let holder = match token.details {
        Details::Session { .. } => state.tokens.parent_of(token)?,
        _ => token,
    };
    Some(&holder.details.agent()?.policy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::{Given, event_id, jti, kid};
    use crate::commands::{DecideEvent, SetSuspended};
    use crate::id::KeyId;
    use crate::token::Decision;

    fn presented(given: &Given, number: u128) -> PresentedToken {
        let token = given.state.tokens.get(jti(number)).unwrap();
        let payload = given.state.claims_of(token).unwrap().into();
        PresentedToken {
            jti: token.jti,
            kind: token.kind(),
            kid: token.kid,
            payload,
        }
    }

    fn is_active(given: &Given, token: PresentedToken) -> bool {
        given.when(Introspect { token }).unwrap().reply.is_some()
    }

    #[test]
    fn a_token_of_every_kind_is_active() {
        let given = Given::hierarchy();
        assert!(
            [10, 20, 30, 40, 50, 60]
                .into_iter()
                .all(|number| is_active(&given, presented(&given, number)))
        );
    }

    #[test]
    fn a_token_signed_again_with_other_claims_or_by_another_key_is_worth_nothing() {
        let given = Given::hierarchy();
        let own = presented(&given, 30);
        let wider = own
            .payload
            .replace("\"max_sensitivity_level\":4", "\"max_sensitivity_level\":9");
        assert_ne!(*wider, *own.payload);
        assert!(!is_active(
            &given,
            PresentedToken {
                payload: wider.as_str().into(),
                ..own.clone()
            }
        ));
        let other: KeyId = kid(2);
        assert!(!is_active(
            &given,
            PresentedToken {
                kid: other,
                ..own.clone()
            }
        ));
        // The same claims in another order are the same claims.
        let value: serde_json::Value = serde_json::from_str(&own.payload).unwrap();
        assert!(is_active(
            &given,
            PresentedToken {
                payload: value.to_string().into(),
                ..own
            }
        ));
    }

    #[test]
    fn a_used_override_and_a_suspended_customers_tokens_are_not_active() {
        let decide = DecideEvent {
            event_id: event_id("evt"),
            override_jti: jti(60),
            decision: Decision::Approve,
            decided_by: None,
            reason: None,
        };
        let given = Given::hierarchy().then(decide);
        assert!(!is_active(&given, presented(&given, 60)));
        let given = given.then(SetSuspended {
            suspended: true,
            reason: None,
        });
        assert!(!is_active(&given, presented(&given, 10)));
    }

    #[test]
    fn a_session_answers_with_its_parents_policy_and_others_have_none() {
        let given = Given::hierarchy();
        let step = |number| {
            let token = presented(&given, number);
            let command = Authorize {
                token,
                action: "a:b:c".into(),
                resource: "".into(),
                sensitivity_level: 0,
            };
            given.when(command).unwrap().reply.step
        };
        assert_eq!([30, 40, 50].map(step), ["allowed"; 3]);
        assert_eq!([10, 20, 60].map(step), ["token_type"; 3]);
    }
}
