//! Given what has happened, when this is asked, then that happens: the form of the tests beside each command.

use std::sync::Arc;

use uuid::Uuid;

use super::{Command, Decided, Moment, NewKey, Rules};
use crate::clock::{UnixMillis, UnixSeconds};
use crate::crypto::keys::SigningKey;
use crate::crypto::sealed::{SealedKey, SealedSecret};
use crate::id::{AgentId, CustomerId, EventId, Jti, KeyId, Name, SessionId};
use crate::rbac::Policy;
use crate::tenant::event::{Event, KeyMade, Mint, MintDetails, Recorded};
use crate::tenant::vault::VaultChange;
use crate::tenant::{Rejection, State};
use crate::token::{DecisionSet, Environment, Scope, TokenHashDigest};

pub(super) const HOUR: i64 = 3_600;

/// A customer to whom things have happened.
pub(super) struct Given {
    pub(super) state: State,
    pub(super) now: UnixMillis,
    pub(super) rules: Rules,
    pub(super) kid: KeyId,
}

pub(super) fn jti(n: u128) -> Jti {
    Jti::new(Uuid::from_u128(n))
}

pub(super) fn kid(n: u128) -> KeyId {
    KeyId::new(Uuid::from_u128(n))
}

pub(super) fn event_id(text: &str) -> EventId {
    EventId::parse(text).unwrap()
}

pub(super) fn agent_id(text: &str) -> AgentId {
    AgentId::parse(text).unwrap()
}

pub(super) fn override_secret() -> Arc<SealedSecret> {
    Arc::new(SealedSecret::from_parts(customer(), [0; 60].into()))
}

/// A key whose private part nobody opens here.
pub(super) fn new_key(kid: KeyId) -> NewKey {
    let (_, public) = SigningKey::generate().unwrap();
    NewKey {
        kid,
        public,
        sealed: Arc::new(SealedKey::from_parts(kid, customer(), public, [0; 60].into())),
    }
}

fn customer() -> CustomerId {
    CustomerId::new(Uuid::from_u128(1))
}

impl Given {
    /// A customer of whom nothing is known.
    pub(super) fn nobody() -> Self {
        let now = UnixSeconds::new(1_772_323_200).millis();
        Self {
            state: State::new(customer()),
            now,
            rules: Rules::default(),
            kid: kid(1),
        }
    }

    /// A customer with a key that signs.
    pub(super) fn customer() -> Self {
        let mut given = Self::nobody();
        let NewKey { kid, public, sealed } = new_key(given.kid);
        given.state.vault.apply(VaultChange::PutSigningKey(sealed));
        given
            .state
            .vault
            .apply(VaultChange::PutOverrideSecret(override_secret()));
        let signs_from = given.now;
        given.event(Event::SigningKeyCreated(KeyMade {
            kid,
            public,
            signs_from,
        }))
    }

    /// A customer with an app token 10, a bearer token 20, an agent token 30, a subagent token 40 and a session token 50, each derived
    /// from the one before, and an override token 60 of event `evt`. They live as long as their kinds do by default.
    pub(super) fn hierarchy() -> Self {
        let app = MintDetails::App {
            name: Name::parse("app").unwrap(),
            scopes: [Scope::All].into_iter().collect(),
            hash: TokenHashDigest::of("hash"),
        };
        let bearer = MintDetails::Bearer {
            environment: Environment::Production,
        };
        let agent = MintDetails::Agent {
            agent_id: agent_id("agent"),
            agent_name: None,
            policy: None,
        };
        let subagent = MintDetails::Subagent {
            agent_id: agent_id("subagent"),
            agent_name: None,
            policy: None,
            depth: 1,
        };
        let session = MintDetails::Session {
            session_id: SessionId::parse("session").unwrap(),
            max_events: 10,
        };
        let flagged = MintDetails::Override {
            event_id: event_id("evt"),
            allowed_decisions: DecisionSet::default(),
            reason: None,
        };
        Self::customer()
            .token(10, None, 365 * 24 * HOUR, app)
            .token(20, Some(10), 90 * 24 * HOUR, bearer)
            .token(30, Some(20), 24 * HOUR, agent)
            .token(40, Some(30), 4 * HOUR, subagent)
            .token(50, Some(40), HOUR, session)
            .token(60, None, 300, flagged)
    }

    /// A token was minted.
    pub(super) fn token(self, number: u128, parent: Option<u128>, seconds: i64, details: MintDetails) -> Self {
        let issued_at = self.now.seconds();
        let mint = Mint {
            jti: jti(number),
            parent: parent.map(jti),
            kid: self.kid,
            issued_at,
            expires_at: issued_at.plus(seconds),
            details,
        };
        self.event(Event::TokenMinted(mint))
    }

    /// Something happened.
    pub(super) fn event(mut self, event: Event) -> Self {
        let sequence = self.state.sequence() + 1;
        self.state
            .apply(
                sequence,
                Recorded {
                    at: self.now,
                    event,
                    idempotency: None,
                },
            )
            .unwrap();
        self
    }

    /// Time passed.
    pub(super) fn after(mut self, seconds: i64) -> Self {
        self.now = self.now.plus_seconds(seconds);
        self
    }

    /// The policy of a token.
    pub(super) fn policy(&self, number: u128) -> &Arc<Policy> {
        &self
            .state
            .tokens
            .get(jti(number))
            .unwrap()
            .details
            .agent()
            .unwrap()
            .policy
    }

    /// A command is asked of it.
    pub(super) fn when<C: Command>(&self, command: C) -> Result<Decided<C::Reply>, Rejection> {
        command.decide(
            &self.state,
            &Moment {
                now: self.now,
                rules: &self.rules,
                keyed: false,
            },
        )
    }

    /// A command is asked of it, and what it comes to happens.
    pub(super) fn then<C: Command>(mut self, command: C) -> Self {
        let decided = self.when(command).map_err(|rejection| rejection.to_string());
        let Decided {
            events, vault, rows, ..
        } = decided.unwrap();
        vault.into_iter().for_each(|change| self.state.vault.apply(change));
        rows.iter().for_each(|row| assert!(self.state.apply_row(row)));
        events.into_iter().fold(self, Self::event)
    }
}
