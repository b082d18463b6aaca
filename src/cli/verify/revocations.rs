//! What was revoked, as far as a single token can tell.

use std::error::Error;

use countersign_actors::VerifiedClaims;
use countersign_actors::clock::UnixMillis;
use serde::Deserialize;
use serde_json::Value;

use super::super::connection::Connection;
use super::super::progress::Progress;
use super::source::{Source, answer, text};
use crate::config::Config;

/// Pages of the feed that are read, of up to 1,000 revocations each.
const PAGES_MAX: usize = 10_000;

/// What came of looking.
pub(super) struct Considered {
    /// How many revocations were looked at.
    pub(super) count: usize,
    /// How the token was revoked, if it was.
    pub(super) by: Option<String>,
}

/// An answer of `GET /revocations`.
#[derive(Deserialize)]
struct Page {
    revocations: Vec<Revocation>,
    cursor: u64,
}

#[derive(Deserialize)]
struct Revocation {
    kind: String,
    jti: Option<String>,
    agent_id: Option<String>,
    issued_before: Option<String>,
    kid: Option<String>,
    cascade: bool,
    revoked_at: String,
}

/// Looks for what revokes the token, to the end of what is known.
pub(super) fn consider(
    token: &VerifiedClaims,
    source: &Source,
    connection: &Connection,
    config: &Config,
) -> Result<Considered, Box<dyn Error>> {
    let progress = Progress::start("following revocations");
    let mut count = 0;
    let mut after = 0;
    for _ in 0..PAGES_MAX {
        let page = match source {
            Source::File(_) => serde_json::from_str(&text(source, connection, config)?),
            Source::Url(url) => serde_json::from_value(answer(url, Some(after), connection, config)?),
        };
        let page: Page = page.map_err(|_| "--revocations names no answer of GET /revocations")?;
        for revocation in &page.revocations {
            count += 1;
            if let Some(how) = revocation.kills(token)? {
                return Ok(Considered { count, by: Some(how) });
            }
        }
        if page.revocations.is_empty() || page.cursor <= after || matches!(source, Source::File(_)) {
            return Ok(Considered { count, by: None });
        }
        after = page.cursor;
        progress.tell(format!("{count} revocations"));
    }
    Err("there are more revocations than this command follows".into())
}

impl Revocation {
    /// How this revokes the token, if it does. What cannot be understood is an error: it might be about this token.
    fn kills(&self, token: &VerifiedClaims) -> Result<Option<String>, &'static str> {
        const UNKNOWN: &str = "--revocations holds a revocation that cannot be understood";
        let at = UnixMillis::parse_rfc3339(&self.revoked_at).ok_or(UNKNOWN)?;
        let parent = token.claims.get("parent_jti").and_then(Value::as_str);
        let issued_at = i64::try_from(token.issued_at).unwrap_or(i64::MAX);
        let how = match self.kind.as_str() {
            "token" => {
                let jti = self.jti.as_deref().ok_or(UNKNOWN)?;
                if jti == token.jti.to_string() {
                    Some("the token is revoked")
                } else {
                    (self.cascade && parent == Some(jti)).then_some("its parent is revoked, with everything below")
                }
            }
            "agent" => {
                let own = token.claims.get("agent_id").and_then(Value::as_str);
                let is_own = self.agent_id.as_deref().ok_or(UNKNOWN)? == own.unwrap_or_default();
                // A token of the same second may be later; the service knows, and here the careful answer is given.
                (is_own && issued_at <= at.seconds().get()).then_some("all tokens of its agent are revoked")
            }
            "issued_before" => {
                let before = self.issued_before.as_deref().and_then(UnixMillis::parse_rfc3339);
                let before = before.ok_or(UNKNOWN)?.seconds().get();
                (issued_at < before).then_some("all tokens as old as it are revoked")
            }
            "key" => {
                let kid = self.kid.as_deref().ok_or(UNKNOWN)?;
                (kid == token.kid.to_string()).then_some("its key is revoked")
            }
            _ => return Err(UNKNOWN),
        };
        Ok(how.map(|how| format!("{how}, since {}", at.seconds().to_rfc3339())))
    }
}

#[cfg(test)]
mod tests {
    use countersign_actors::{CustomerId, Jti, KeyId, TokenKind};
    use serde_json::json;

    use super::*;

    const OWN: &str = "00000000-0000-4000-8000-000000000001";
    const PARENT: &str = "00000000-0000-4000-8000-000000000002";
    const OTHER: &str = "00000000-0000-4000-8000-000000000003";
    const KEY: &str = "00000000-0000-4000-8000-000000000004";

    fn killed(revocation: Value) -> Result<bool, &'static str> {
        let claims = json!({"parent_jti": PARENT, "agent_id": "reader"});
        let token = VerifiedClaims {
            kind: TokenKind::Agent,
            kid: KeyId::parse(KEY).unwrap(),
            customer: CustomerId::parse(OTHER).unwrap(),
            jti: Jti::parse(OWN).unwrap(),
            issued_at: 1_772_409_600,
            expires_at: 1_772_496_000,
            claims: claims.as_object().unwrap().clone(),
        };
        let mut revocation = revocation;
        if revocation.get("revoked_at").is_none() {
            revocation["revoked_at"] = "2026-03-02T01:00:00Z".into();
        }
        let revocation: Revocation = serde_json::from_value(revocation).unwrap();
        revocation.kills(&token).map(|how| how.is_some())
    }

    #[test]
    fn a_token_is_revoked_by_itself_its_parent_its_agent_its_age_and_its_key() {
        for (revocation, expected) in [
            (json!({"kind": "token", "jti": OWN, "cascade": false}), true),
            (json!({"kind": "token", "jti": OTHER, "cascade": true}), false),
            (json!({"kind": "token", "jti": PARENT, "cascade": true}), true),
            (json!({"kind": "token", "jti": PARENT, "cascade": false}), false),
            (json!({"kind": "agent", "agent_id": "reader", "cascade": true}), true),
            (json!({"kind": "agent", "agent_id": "writer", "cascade": true}), false),
            (
                json!({"kind": "agent", "agent_id": "reader", "cascade": true, "revoked_at": "2026-03-01T23:59:59Z"}),
                false,
            ),
            (
                json!({"kind": "issued_before", "issued_before": "2026-03-02T00:00:01Z", "cascade": true}),
                true,
            ),
            (
                json!({"kind": "issued_before", "issued_before": "2026-03-02T00:00:00Z", "cascade": true}),
                false,
            ),
            (json!({"kind": "key", "kid": KEY, "cascade": true}), true),
            (json!({"kind": "key", "kid": OTHER, "cascade": true}), false),
        ] {
            assert_eq!(killed(revocation.clone()), Ok(expected), "{revocation}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_no_reason_to_accept() {
        for revocation in [
            json!({"kind": "moon", "cascade": true}),
            json!({"kind": "token", "cascade": true}),
            json!({"kind": "agent", "cascade": true}),
            json!({"kind": "issued_before", "issued_before": "yesterday", "cascade": true}),
            json!({"kind": "key", "cascade": true}),
            json!({"kind": "key", "kid": OTHER, "cascade": true, "revoked_at": "once"}),
        ] {
            assert!(killed(revocation.clone()).is_err(), "{revocation}");
        }
    }
}
