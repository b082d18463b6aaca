//! What is answered about decisions on flagged events.

use countersign_actors::commands::{EventFile, EventToken};
use countersign_actors::engine::Cosigned;
use countersign_actors::id::EventId;
use countersign_actors::token::{Decision, DecisionSet};
use serde::Serialize;

/// A decision was taken.
#[derive(Serialize)]
pub struct DecisionTaken<'a> {
    event_id: &'a str,
    decision: Decision,
    cosignature: &'a str,
}

impl<'a> DecisionTaken<'a> {
    /// The answer about this decision.
    pub fn of(cosigned: &'a Cosigned) -> Self {
        Self {
            event_id: cosigned.taken.event_id.as_str(),
            decision: cosigned.taken.record.decision,
            cosignature: &cosigned.cosignature,
        }
    }
}

/// What is known of an event.
#[derive(Serialize)]
pub struct EventAnswer<'a> {
    event_id: &'a str,
    override_tokens: Vec<TokenAnswer<'a>>,
    decision: Option<Decision>,
    override_jti: Option<String>,
    decided_by: Option<&'a str>,
    decided_at: Option<String>,
    reason: Option<&'a str>,
    cosignature: Option<&'a str>,
}

#[derive(Serialize)]
struct TokenAnswer<'a> {
    jti: String,
    allowed_decisions: DecisionSet,
    reason: Option<&'a str>,
    status: &'static str,
    expires_at: String,
}

impl<'a> EventAnswer<'a> {
    /// The answer about this event.
    pub fn of(event_id: &'a EventId, file: &'a EventFile, cosigned: Option<&'a Cosigned>) -> Self {
        let record = cosigned.map(|cosigned| &cosigned.taken.record);
        Self {
            event_id: event_id.as_str(),
            override_tokens: file.tokens.iter().map(TokenAnswer::of).collect(),
            decision: record.map(|record| record.decision),
            override_jti: record.map(|record| record.override_jti.to_string()),
            decided_by: record.and_then(|record| record.decided_by.as_deref()),
            decided_at: record.map(|record| record.decided_at.seconds().to_rfc3339()),
            reason: record.and_then(|record| record.reason.as_deref()),
            cosignature: cosigned.map(|cosigned| cosigned.cosignature.as_str()),
        }
    }
}

impl<'a> TokenAnswer<'a> {
    fn of(token: &'a EventToken) -> Self {
        Self {
            jti: token.jti.to_string(),
            allowed_decisions: token.allowed_decisions,
            reason: token.reason.as_deref(),
            status: token.status.as_str(),
            expires_at: token.expires_at.seconds().to_rfc3339(),
        }
    }
}
