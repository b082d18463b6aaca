//! What is answered about a minted token: the documented fields first, then `claims`.

use actix_web::HttpResponse;
use countersign_actors::engine::Minted;
use countersign_actors::rbac::Policy;
use countersign_actors::tenant::event::MintDetails;
use countersign_actors::token::hash::token_hash;
use serde::Serialize;

use super::{json_with_claims, object_with_claims, respond};
use crate::error::ApiError;

/// An existing proxy reads level 0 as "no limit", so whoever sets it is told.
const LEVEL_ZERO_WARNING: &str = "max_sensitivity_level 0 allows no sensitive data here, but the claim sensitivity_level 0 is read as no limit by some proxies";

/// The documented fields of an answer; absent ones are not of its kind.
#[derive(Serialize)]
struct MintAnswer<'a> {
    token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_hash: Option<String>,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delegation_depth: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_events: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<[&'static str; 1]>,
}

impl<'a> MintAnswer<'a> {
    fn of(minted: &'a Minted) -> Self {
        let Minted { grant, signed } = minted;
        let warns = grant.policy().map(Policy::max_sensitivity_level) == Some(0);
        let mut answer = Self {
            token: signed.token(),
            token_hash: None,
            jti: grant.jti().to_string(),
            environment: None,
            agent_id: None,
            delegation_depth: None,
            session_id: None,
            max_events: None,
            event_id: None,
            expires_at: grant.expires_at().to_rfc3339(),
            warnings: warns.then_some([LEVEL_ZERO_WARNING]),
        };
        match grant.details() {
            MintDetails::App { .. } => answer.token_hash = Some(token_hash(signed.token())),
            MintDetails::Bearer { environment } => answer.environment = Some(environment.as_str()),
            MintDetails::Agent { agent_id, .. } => answer.agent_id = Some(agent_id.as_str()),
            MintDetails::Subagent { agent_id, depth, .. } => {
                answer.agent_id = Some(agent_id.as_str());
                answer.delegation_depth = Some(*depth);
            }
            MintDetails::Session { session_id, max_events } => {
                answer.session_id = Some(session_id.as_str());
                answer.max_events = Some(*max_events);
            }
            MintDetails::Override { event_id, .. } => answer.event_id = Some(event_id.as_str()),
        }
        answer
    }
}

/// The answer to a mint request.
///
/// # Errors
/// As [`super::json`].
pub fn minted(minted: &Minted) -> Result<HttpResponse, ApiError> {
    json_with_claims(&MintAnswer::of(minted), minted.signed.claims())
}

/// The body of that answer, for a batch.
fn minted_body(minted: &Minted) -> Result<Vec<u8>, ApiError> {
    object_with_claims(&MintAnswer::of(minted), minted.signed.claims())
}

/// The results of a batch, in the order of its items.
pub struct BatchAnswer {
    body: Vec<u8>,
}

impl BatchAnswer {
    /// The answer of these results.
    pub fn of(results: impl Iterator<Item = Result<Minted, ApiError>>) -> Self {
        let mut body = b"{\"results\":[".to_vec();
        for (place, result) in results.enumerate() {
            if place > 0 {
                body.push(b',');
            }
            let result = result.and_then(|minted| minted_body(&minted));
            let (status, item) = match result {
                Ok(item) => (200, item),
                Err(error) => (error.status.as_u16(), error.problem()),
            };
            body.extend_from_slice(format!("{{\"status\":{status},\"body\":").as_bytes());
            body.extend_from_slice(&item);
            body.push(b'}');
        }
        body.extend_from_slice(b"]}");
        Self { body }
    }

    /// The whole answer.
    ///
    /// # Errors
    /// None; it has the form of a handler's last line.
    pub fn respond(self) -> Result<HttpResponse, ApiError> {
        Ok(respond(self.body))
    }
}
