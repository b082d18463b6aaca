//! What is answered about revocations.

use countersign_actors::engine::Cascaded;
use countersign_actors::id::Jti;
use countersign_actors::tenant::revocations::{Revocation, Target};
use serde::Serialize;

/// A token is revoked.
#[derive(Serialize)]
pub struct Revoked {
    revoked: bool,
    jti: Jti,
}

impl Revoked {
    /// The answer about this token.
    pub const fn of(jti: Jti) -> Self {
        Self { revoked: true, jti }
    }
}

/// What a cascade reached.
#[derive(Serialize)]
pub struct Cascade<'a> {
    revoked_count: usize,
    revoked_jtis: &'a [Jti],
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
#[derive(Serialize)]
pub struct RevokedCount {
    /// That many.
    pub revoked_count: usize,
}

/// A page of the feed.
#[derive(Serialize)]
pub struct Feed<'a> {
    revocations: Vec<Entry<'a>>,
    cursor: u64,
}

#[derive(Serialize)]
struct Entry<'a> {
    seq: u64,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    cascade: bool,
    revoked_at: String,
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
