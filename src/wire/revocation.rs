//! What is answered about revocations.

use countersign_actors::engine::Cascaded;
use countersign_actors::id::Jti;
use countersign_actors::tenant::revocations::{Revocation, Target};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::ObjectBuilder;

use super::kinds::{AgentId, Reason, Time, Uuid, words};

/// A token is revoked.
#[derive(Serialize, ToSchema)]
pub struct Revoked {
    /// Always true: also for a token that was revoked before.
    revoked: bool,
    /// The token.
    #[schema(value_type = Uuid)]
    jti: Jti,
}

impl Revoked {
    /// The answer about this token.
    pub const fn of(jti: Jti) -> Self {
        Self { revoked: true, jti }
    }
}

/// What a cascade reached.
#[derive(Serialize, ToSchema)]
pub struct Cascade<'a> {
    /// How many tokens it reached that are not over yet, the root among them.
    #[schema(minimum = 0)]
    revoked_count: usize,
    /// Which, the root first.
    #[schema(value_type = Vec<Uuid>)]
    revoked_jtis: &'a [Jti],
    /// Only there, and true, if there are more than are listed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

impl<'a> Cascade<'a> {
    /// The answer about this cascade.
    pub fn of(cascaded: &'a Cascaded) -> Self {
        let truncated = cascaded.truncated();
        Self {
            revoked_count: cascaded.revoked_count,
            revoked_jtis: &cascaded.revoked,
            truncated,
        }
    }
}

/// How many tokens a bulk revocation reached.
#[derive(Serialize, ToSchema)]
pub struct RevokedCount {
    /// That many.
    #[schema(minimum = 0)]
    pub revoked_count: usize,
}

/// A page of the feed.
#[derive(Serialize, ToSchema)]
pub struct Feed<'a> {
    /// In the order in which they happened.
    revocations: Vec<Entry<'a>>,
    /// The place to go on from: the next call's `after`.
    #[schema(minimum = 0)]
    cursor: u64,
}

/// What was revoked.
#[derive(Serialize, ToSchema)]
#[schema(as = Revocation)]
struct Entry<'a> {
    /// Its place in the feed.
    #[schema(minimum = 0)]
    seq: u64,
    #[schema(schema_with = revocation_kinds)]
    kind: &'static str,
    /// The token.
    #[schema(value_type = Uuid)]
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[schema(value_type = AgentId)]
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<&'a str>,
    /// The time.
    #[schema(value_type = Time)]
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_before: Option<String>,
    /// The key.
    #[schema(value_type = Uuid)]
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    /// Whether everything derived from it is revoked as well.
    cascade: bool,
    /// When.
    #[schema(value_type = Time)]
    revoked_at: String,
    /// Why, if that was said.
    #[schema(value_type = Option<Reason>, required)]
    reason: Option<&'a str>,
}

impl<'a> Feed<'a> {
    /// The page of what was found after a place.
    pub fn of(found: &'a [Revocation], after: u64) -> Self {
        let cursor = found.last().map_or(after, |last| last.sequence);
        Self {
            revocations: found.iter().map(Entry::of).collect(),
            cursor,
        }
    }
}

impl<'a> Entry<'a> {
    fn of(revocation: &'a Revocation) -> Self {
        let mut entry = Self {
            seq: revocation.sequence,
            kind: "token",
            jti: None,
            agent_id: None,
            issued_before: None,
            kid: None,
            cascade: true,
            revoked_at: revocation.at.seconds().to_rfc3339(),
            reason: revocation.reason.as_deref(),
        };
        match &revocation.target {
            Target::Token { jti, cascade } => {
                entry.jti = Some(jti.to_string());
                entry.cascade = *cascade;
            }
            Target::Agent(agent_id) => {
                entry.kind = "agent";
                entry.agent_id = Some(agent_id.as_str());
            }
            Target::IssuedBefore(before) | Target::Restoration { issued_before: before } => {
                entry.kind = "issued_before";
                entry.issued_before = Some(before.to_rfc3339());
            }
            Target::Key(kid) => {
                entry.kind = "key";
                entry.kid = Some(kid.to_string());
            }
        }
        entry
    }
}

fn revocation_kinds() -> ObjectBuilder {
    words(["token", "agent", "issued_before", "key"]).description(Some(
        "What it names: a token, all tokens of an agent, all issued before a time, or all that a key signed.",
    ))
}
