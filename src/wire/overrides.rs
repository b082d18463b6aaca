//! What is answered about decisions on flagged events.

use countersign_actors::commands::{EventFile, EventToken};
use countersign_actors::engine::Cosigned;
use countersign_actors::id::EventId;
use countersign_actors::token::{Decision, DecisionSet};
use serde::Serialize;
use utoipa::ToSchema;

use super::kinds::{Cosignature, DecisionWord, EventId as Event, Name, Reason, Time, TokenStatus, Uuid};

/// A decision was taken.
#[derive(Serialize, ToSchema)]
pub struct DecisionTaken<'a> {
    #[schema(value_type = Event)]
    event_id: &'a str,
    #[schema(value_type = DecisionWord)]
    decision: Decision,
    #[schema(value_type = Cosignature)]
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
#[derive(Serialize, ToSchema)]
pub struct EventAnswer<'a> {
    #[schema(value_type = Event)]
    event_id: &'a str,
    /// The override tokens that were minted for it.
    override_tokens: Vec<TokenAnswer<'a>>,
    /// The decision that stands; null while there is none, as is all that follows.
    #[schema(value_type = Option<DecisionWord>, required)]
    decision: Option<Decision>,
    /// The token that was used.
    #[schema(value_type = Option<Uuid>, required)]
    override_jti: Option<String>,
    /// Who decided, if that was said.
    #[schema(value_type = Option<Name>, required)]
    decided_by: Option<&'a str>,
    /// When.
    #[schema(value_type = Option<Time>, required)]
    decided_at: Option<String>,
    /// Why, if that was said.
    #[schema(value_type = Option<Reason>, required)]
    reason: Option<&'a str>,
    #[schema(value_type = Option<Cosignature>, required)]
    cosignature: Option<&'a str>,
}

/// An override token of an event.
#[derive(Serialize, ToSchema)]
#[schema(as = EventToken)]
struct TokenAnswer<'a> {
    /// Its identifier.
    #[schema(value_type = Uuid)]
    jti: String,
    /// The decisions that it permits.
    #[schema(value_type = Vec<DecisionWord>)]
    allowed_decisions: DecisionSet,
    /// Why it was minted, if that was said.
    #[schema(value_type = Option<Reason>, required)]
    reason: Option<&'a str>,
    #[schema(value_type = TokenStatus)]
    status: &'static str,
    /// When its time is over.
    #[schema(value_type = Time)]
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
