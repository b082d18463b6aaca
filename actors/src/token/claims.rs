//! What each kind of token claims, in the order in which it is written.

use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::kind::TokenKind;
use super::words::words;
use crate::id::{AgentId, CustomerId, EventId, Jti, SessionId};
use crate::limits::SCOPES_MAX;

words! {
    /// Where a bearer token's application runs.
    pub enum Environment {
        /// On a developer's machine.
        Development = "development",
        /// Before release.
        Staging = "staging",
        /// In earnest.
        Production = "production",
    }
}

words! {
    /// A reviewer's verdict on a flagged event.
    pub enum Decision {
        /// The event may go ahead.
        Approve = "approve",
        /// The event must not go ahead.
        Reject = "reject",
    }
}

words! {
    /// A part of the management plane that an app token may be allowed.
    pub enum Scope {
        /// Creating and rotating signing keys.
        KeysManage = "keys:manage",
        /// Minting tokens and counting session events.
        TokensMint = "tokens:mint",
        /// Revoking tokens.
        TokensRevoke = "tokens:revoke",
        /// Reading about tokens; also introspection, authorisation, the revocation feed and the audit.
        TokensRead = "tokens:read",
        /// Taking, reading and verifying decisions.
        OverridesDecide = "overrides:decide",
        /// Writing permission overrides.
        PermissionsManage = "permissions:manage",
        /// Asking whether a permission is given.
        PermissionsCheck = "permissions:check",
        /// Reading the audit of permissions.
        PermissionsAudit = "permissions:audit",
        /// All of the above.
        All = "*",
    }
}

/// Why a list of words is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidList {
    /// Nothing in it, where something must be.
    #[error("must not be empty")]
    Empty,
    /// More entries than allowed.
    #[error("has too many entries")]
    TooLong,
    /// The entry at this position, counted from 0, is not one of the words.
    #[error("entry {0} is unknown")]
    Unknown(usize),
}

/// A set of scopes, in two bytes. It lists them in the order of [`Scope::ALL`], whatever order they came in.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Scopes(u16);

impl Scopes {
    /// Parses a caller's list. Repetitions count towards the length and change nothing else.
    ///
    /// # Errors
    /// [`InvalidList`] for more than [`SCOPES_MAX`] entries or an unknown one. An empty list is an empty set: it allows nothing.
    pub fn parse<T: AsRef<str>>(words: &[T]) -> Result<Self, InvalidList> {
        if words.len() > SCOPES_MAX {
            return Err(InvalidList::TooLong);
        }
        words
            .iter()
            .enumerate()
            .map(|(at, word)| Scope::parse(word.as_ref()).ok_or(InvalidList::Unknown(at)))
            .collect()
    }

    const fn bit(scope: Scope) -> u16 {
        1 << scope as u16
    }

    /// Whether this very scope is in the set.
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & Self::bit(scope) != 0
    }

    /// Whether the set allows what `scope` stands for: by itself or by `*`.
    pub const fn covers(self, scope: Scope) -> bool {
        self.contains(scope) || self.contains(Scope::All)
    }

    /// The scopes, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |scope| self.contains(*scope))
    }

    /// Whether no scope is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | Self::bit(scope)))
    }
}

impl std::fmt::Debug for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(Scope::as_str)).finish()
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Vec::<String>::deserialize(deserializer)?;
        Self::parse(&words).map_err(D::Error::custom)
    }
}

/// The decisions that an override token allows: never none, by construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DecisionSet {
    /// Both decisions.
    #[default]
    Either,
    /// This one.
    Only(Decision),
}

impl DecisionSet {
    /// Parses a caller's list.
    ///
    /// # Errors
    /// [`InvalidList`] when it is empty, longer than there are decisions, or has an unknown entry.
    pub fn parse<T: AsRef<str>>(words: &[T]) -> Result<Self, InvalidList> {
        if words.len() > Decision::ALL.len() {
            return Err(InvalidList::TooLong);
        }
        let mut set = None;
        for (at, word) in words.iter().enumerate() {
            let decision = Decision::parse(word.as_ref()).ok_or(InvalidList::Unknown(at))?;
            set = Some(match set {
                None => Self::Only(decision),
                Some(Self::Only(before)) if before == decision => Self::Only(before),
                Some(Self::Only(_) | Self::Either) => Self::Either,
            });
        }
        set.ok_or(InvalidList::Empty)
    }

    /// Whether `decision` is allowed.
    pub fn contains(self, decision: Decision) -> bool {
        match self {
            Self::Either => true,
            Self::Only(one) => one == decision,
        }
    }

    /// The decisions allowed, `approve` first.
    pub fn iter(self) -> impl Iterator<Item = Decision> {
        Decision::ALL
            .iter()
            .copied()
            .filter(move |decision| self.contains(*decision))
    }
}

impl Serialize for DecisionSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for DecisionSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Vec::<String>::deserialize(deserializer)?;
        Self::parse(&words).map_err(D::Error::custom)
    }
}

/// The payload of a token. Serialises to the claims of its kind and no others: the five that all share, then the kind's own.
#[derive(Clone, Debug)]
pub struct Claims<'a> {
    /// The token's id.
    pub jti: Jti,
    /// The customer it belongs to.
    pub sub: CustomerId,
    /// When it was minted, in seconds since 1970.
    pub iat: u64,
    /// From when on it is expired, in seconds since 1970.
    pub exp: u64,
    /// What only its kind claims.
    pub details: Details<'a>,
}

/// The claims of one kind of token.
#[derive(Clone, Debug)]
pub enum Details<'a> {
    /// Of an app token.
    App {
        /// What it may manage.
        scopes: Scopes,
    },
    /// Of a bearer token.
    Bearer {
        /// The app token it was minted under.
        parent_jti: Jti,
        /// Where it is for.
        env: Environment,
    },
    /// Of an agent token.
    Agent {
        /// The bearer token it was minted under.
        parent_jti: Jti,
        /// The agent.
        agent_id: &'a AgentId,
        /// Its policy, already written as JSON; it stands in the claims as it is.
        rbac: &'a RawValue,
    },
    /// Of a subagent token.
    Subagent {
        /// The agent or subagent token it was minted under.
        parent_jti: Jti,
        /// The subagent.
        agent_id: &'a AgentId,
        /// Its policy, already written as JSON; it stands in the claims as it is.
        rbac: &'a RawValue,
        /// How far below an agent it stands: 1 for the agent's own.
        depth: u8,
    },
    /// Of a session token.
    Session {
        /// The agent or subagent token it was minted under.
        parent_jti: Jti,
        /// The session.
        session_id: &'a SessionId,
        /// How many events it may count.
        max_events: u32,
    },
    /// Of an override token. A parent, where it has one, is recorded but not claimed.
    Override {
        /// The flagged event.
        event_id: &'a EventId,
        /// The decisions that may be taken with it.
        allowed_decisions: DecisionSet,
    },
}

impl Claims<'_> {
    /// The kind of token these are the claims of.
    pub const fn kind(&self) -> TokenKind {
        match self.details {
            Details::App { .. } => TokenKind::App,
            Details::Bearer { .. } => TokenKind::Bearer,
            Details::Agent { .. } => TokenKind::Agent,
            Details::Subagent { .. } => TokenKind::Subagent,
            Details::Session { .. } => TokenKind::Session,
            Details::Override { .. } => TokenKind::Override,
        }
    }
}

impl Serialize for Claims<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("jti", &self.jti)?;
        map.serialize_entry("sub", &self.sub)?;
        map.serialize_entry("typ", &self.kind())?;
        map.serialize_entry("iat", &self.iat)?;
        map.serialize_entry("exp", &self.exp)?;
        match &self.details {
            Details::App { scopes } => map.serialize_entry("scopes", scopes)?,
            Details::Bearer { parent_jti, env } => {
                map.serialize_entry("parent_jti", parent_jti)?;
                map.serialize_entry("env", env)?;
            }
            Details::Agent {
                parent_jti,
                agent_id,
                rbac,
            } => {
                map.serialize_entry("parent_jti", parent_jti)?;
                map.serialize_entry("agent_id", agent_id)?;
                map.serialize_entry("rbac", rbac)?;
            }
            Details::Subagent {
                parent_jti,
                agent_id,
                rbac,
                depth,
            } => {
                map.serialize_entry("parent_jti", parent_jti)?;
                map.serialize_entry("agent_id", agent_id)?;
                map.serialize_entry("rbac", rbac)?;
                map.serialize_entry("depth", depth)?;
            }
            Details::Session {
                parent_jti,
                session_id,
                max_events,
            } => {
                map.serialize_entry("parent_jti", parent_jti)?;
                map.serialize_entry("session_id", session_id)?;
                map.serialize_entry("max_events", max_events)?;
            }
            Details::Override {
                event_id,
                allowed_decisions,
            } => {
                map.serialize_entry("event_id", event_id)?;
                map.serialize_entry("allowed_decisions", allowed_decisions)?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "8a3b9c4d-e5f6-7890-abcd-1234567890ab";

    fn written(details: Details<'_>) -> String {
        let claims = Claims {
            jti: Jti::parse("c1d2e3f4-a5b6-7890-cdef-1234567890ab").unwrap(),
            sub: CustomerId::parse("550e8400-e29b-41d4-a716-446655440000").unwrap(),
            iat: 1_795_351_643,
            exp: 1_795_438_043,
            details,
        };
        serde_json::to_string(&claims).unwrap()
    }

    /// The whole payload, given what follows the five shared claims.
    fn expected(kind: &str, rest: &str) -> String {
        format!(
            "{{\"jti\":\"c1d2e3f4-a5b6-7890-cdef-1234567890ab\",\"sub\":\"550e8400-e29b-41d4-a716-446655440000\",\
             \"typ\":\"{kind}\",\"iat\":1795351643,\"exp\":1795438043,{rest}}}"
        )
    }

    #[test]
    fn each_kind_writes_exactly_its_claims_in_the_contracts_order() {
        let parent_jti = Jti::parse(PARENT).unwrap();
        let agent_id = &AgentId::parse("code-\"review\"-agent/é").unwrap();
        let session_id = &SessionId::parse("s-1").unwrap();
        let event_id = &EventId::parse("evt-1").unwrap();
        // Odd spacing and order show that the policy is embedded as it is.
        let policy = RawValue::from_string("{\"b\" : [1],\"a\":{}}".to_owned()).unwrap();
        let rbac = &*policy;
        let an_agents =
            format!(r#""parent_jti":"{PARENT}","agent_id":"code-\"review\"-agent/é","rbac":{{"b" : [1],"a":{{}}}}"#);
        let cases = [
            (
                Details::App {
                    scopes: [Scope::All].into_iter().collect(),
                },
                expected("app", r#""scopes":["*"]"#),
            ),
            (
                Details::Bearer {
                    parent_jti,
                    env: Environment::Staging,
                },
                expected("bearer", &format!(r#""parent_jti":"{PARENT}","env":"staging""#)),
            ),
            (
                Details::Agent {
                    parent_jti,
                    agent_id,
                    rbac,
                },
                expected("agent", &an_agents),
            ),
            (
                Details::Subagent {
                    parent_jti,
                    agent_id,
                    rbac,
                    depth: 2,
                },
                expected("subagent", &format!(r#"{an_agents},"depth":2"#)),
            ),
            (
                Details::Session {
                    parent_jti,
                    session_id,
                    max_events: 1_000,
                },
                expected(
                    "session",
                    &format!(r#""parent_jti":"{PARENT}","session_id":"s-1","max_events":1000"#),
                ),
            ),
            (
                Details::Override {
                    event_id,
                    allowed_decisions: DecisionSet::Either,
                },
                expected(
                    "override",
                    r#""event_id":"evt-1","allowed_decisions":["approve","reject"]"#,
                ),
            ),
        ];
        for (details, expected) in cases {
            assert_eq!(written(details), expected);
        }
    }

    #[test]
    fn scopes_are_a_set_in_the_contracts_order() {
        let scopes = Scopes::parse(&["tokens:read", "keys:manage", "tokens:read"]).unwrap();
        assert_eq!(
            serde_json::to_string(&scopes).unwrap(),
            r#"["keys:manage","tokens:read"]"#
        );
        assert_eq!(
            serde_json::from_str::<Scopes>(r#"["tokens:read","keys:manage"]"#).unwrap(),
            scopes
        );
        assert!(scopes.covers(Scope::TokensRead) && !scopes.covers(Scope::TokensMint));
        assert_eq!(
            Scopes::parse(&["tokens:read", "tokens:*"]),
            Err(InvalidList::Unknown(1))
        );
        assert_eq!(Scopes::parse(&["*"; 65]), Err(InvalidList::TooLong));
        assert!(Scopes::parse(&[""; 0]).unwrap().is_empty());
    }

    #[test]
    fn the_star_covers_every_scope_but_is_only_itself() {
        let all = Scopes::parse(&["*"]).unwrap();
        for scope in Scope::ALL {
            assert!(all.covers(*scope));
            assert_eq!(all.contains(*scope), *scope == Scope::All);
        }
    }

    #[test]
    fn a_set_of_decisions_is_never_empty() {
        assert_eq!(DecisionSet::parse(&[""; 0]), Err(InvalidList::Empty));
        assert_eq!(
            DecisionSet::parse(&["approve"]),
            Ok(DecisionSet::Only(Decision::Approve))
        );
        assert_eq!(
            DecisionSet::parse(&["reject", "reject"]),
            Ok(DecisionSet::Only(Decision::Reject))
        );
        assert_eq!(DecisionSet::parse(&["reject", "approve"]), Ok(DecisionSet::Either));
        assert_eq!(DecisionSet::parse(&["approve", "defer"]), Err(InvalidList::Unknown(1)));
        assert_eq!(
            DecisionSet::parse(&["approve", "reject", "approve"]),
            Err(InvalidList::TooLong)
        );
        assert!(serde_json::from_str::<DecisionSet>("[]").is_err());
        assert_eq!(
            serde_json::to_string(&DecisionSet::Only(Decision::Reject)).unwrap(),
            r#"["reject"]"#
        );
    }
}
