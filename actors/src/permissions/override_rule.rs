//! An override, and the doors for its fields.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ActionPattern, AdminId, OverrideId, PathPattern};
use crate::clock::UnixMillis;
use crate::id::Jti;
use crate::limits::{OVERRIDE_RETENTION_SECONDS, REASON_CHARS_MAX};

/// Characters of a reason, blanks around it not counted, at least.
const REASON_CHARS_MIN: usize = 10;
/// 9999-12-31T23:59:59.999Z: RFC 3339 has four digits for the year.
const LAST_MILLIS: i64 = 253_402_300_799_999;

/// Whether an override forbids or permits. Forbidding comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Effect {
    /// Forbids, whatever else permits.
    Deny,
    /// Permits, whatever roles say.
    Grant,
}

impl Effect {
    /// Reads `GRANT` or `DENY`, and nothing else.
    ///
    /// # Errors
    /// The message for the field.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "DENY" => Ok(Self::Deny),
            "GRANT" => Ok(Self::Grant),
            _ => Err("must be `GRANT` or `DENY`"),
        }
    }

    /// The word that callers know.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "DENY",
            Self::Grant => "GRANT",
        }
    }
}

/// Why an override was made; as it was sent, blanks included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reason(Box<str>);

/// Why a text is no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReason {
    /// Too little is said.
    #[error("must have at least {REASON_CHARS_MIN} characters, blanks around it not counted")]
    TooShort,
    /// Too much is said.
    #[error("must have at most {REASON_CHARS_MAX} characters")]
    TooLong,
}

impl Reason {
    /// The only door for a caller's text.
    ///
    /// # Errors
    /// [`InvalidReason`]
    pub fn parse(text: &str) -> Result<Self, InvalidReason> {
        if text.trim().chars().count() < REASON_CHARS_MIN {
            return Err(InvalidReason::TooShort);
        }
        if text.chars().count() > REASON_CHARS_MAX {
            return Err(InvalidReason::TooLong);
        }
        Ok(Self(text.into()))
    }

    /// The text as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How long an override is in force; `Never` orders last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Option<UnixMillis>", into = "Option<UnixMillis>")]
pub enum Expiry {
    /// Until this moment, which is no longer part of it.
    At(UnixMillis),
    /// Until it is deleted.
    Never,
}

impl Expiry {
    /// Reads an RFC 3339 timestamp with a zone. A second numbered 60 is refused: Unix time, in which this is compared, has none.
    ///
    /// # Errors
    /// The message for the field.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let is_leap = text.get(17..19) == Some("60");
        UnixMillis::parse_rfc3339(text)
            .filter(|moment| !is_leap && moment.get() <= LAST_MILLIS)
            .map(Self::At)
            .ok_or("must be an RFC 3339 timestamp with a zone, such as `2026-06-01T00:00:00.000Z`")
    }

    /// Whether it is not over: at the very moment of expiry it is.
    pub fn is_live(self, now: UnixMillis) -> bool {
        match self {
            Self::At(moment) => now < moment,
            Self::Never => true,
        }
    }

    /// The moment, if there is one.
    pub const fn moment(self) -> Option<UnixMillis> {
        match self {
            Self::At(moment) => Some(moment),
            Self::Never => None,
        }
    }
}

impl From<Option<UnixMillis>> for Expiry {
    fn from(moment: Option<UnixMillis>) -> Self {
        moment.map_or(Self::Never, Self::At)
    }
}

impl From<Expiry> for Option<UnixMillis> {
    fn from(expiry: Expiry) -> Self {
        expiry.moment()
    }
}

/// One override: created, perhaps deleted, never changed but for being suspended and confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Its identifier.
    pub id: OverrideId,
    /// The number of the event that created it: its place in the order of creation.
    pub sequence: u64,
    /// Whom it is about.
    pub admin_id: AdminId,
    /// What it is about.
    pub path: PathPattern,
    /// What is done to that.
    pub action: ActionPattern,
    /// Whether it forbids or permits.
    pub effect: Effect,
    /// Why.
    pub reason: Reason,
    /// How long.
    pub expiry: Expiry,
    /// When it was created.
    pub created_at: UnixMillis,
    /// The key that created it.
    pub created_by: Option<Jti>,
    /// Whether it waits for somebody to confirm it, and grants nothing meanwhile.
    pub suspended: bool,
}

impl Override {
    /// When nobody is told of it any more: 90 days after it was over. One that was over when it was created is told of for as long
    /// after that, or whoever created it would look for it in vain.
    pub fn forgotten_from(&self) -> Option<UnixMillis> {
        let over_since = self.expiry.moment()?.max(self.created_at);
        Some(over_since.plus_seconds(OVERRIDE_RETENTION_SECONDS))
    }

    /// Whether nobody is told of it any more.
    pub fn is_forgotten(&self, now: UnixMillis) -> bool {
        self.forgotten_from().is_some_and(|from| from <= now)
    }

    /// Whether it is not over; one that is suspended is not in force all the same.
    pub fn is_live(&self, now: UnixMillis) -> bool {
        self.expiry.is_live(now)
    }

    /// As the audit keeps it, under the names that callers know.
    pub fn to_json(&self) -> Value {
        let mut json = json!({
            "id": self.id,
            "adminId": self.admin_id,
            "path": self.path,
            "action": self.action,
            "effect": self.effect,
            "reason": self.reason,
            "expiresAt": self.expiry.moment().map(UnixMillis::to_rfc3339),
            "createdAt": self.created_at.to_rfc3339(),
        });
        if self.suspended
            && let Some(members) = json.as_object_mut()
        {
            members.insert("suspended".to_owned(), true.into());
        }
        json
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_is_one_of_two_words() {
        assert_eq!(Effect::parse("GRANT"), Ok(Effect::Grant));
        assert_eq!(Effect::parse("DENY"), Ok(Effect::Deny));
        for bad in ["ALLOW", "grant", "deny", "Grant", " DENY", ""] {
            assert!(Effect::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_reason_has_ten_to_a_thousand_characters() {
        assert!(Reason::parse("0123456789").is_ok());
        assert!(Reason::parse("éééééééééé").is_ok(), "characters, not bytes");
        for short in ["012345678", "  012345678  ", "\u{a0}012345678\u{2003}", "          "] {
            assert_eq!(Reason::parse(short), Err(InvalidReason::TooShort), "{short:?}");
        }
        assert_eq!(Reason::parse("  0123456789 ").unwrap().as_str(), "  0123456789 ");
        assert!(Reason::parse(&"é".repeat(1_000)).is_ok());
        assert_eq!(Reason::parse(&"é".repeat(1_001)), Err(InvalidReason::TooLong));
    }

    #[test]
    fn an_expiry_is_a_moment_with_a_zone() {
        for (text, utc) in [
            ("2026-06-01T00:00:00.000Z", "2026-06-01T00:00:00.000Z"),
            ("2026-06-01T02:00:00+02:00", "2026-06-01T00:00:00.000Z"),
            ("2026-05-31t23:59:59.9999z", "2026-05-31T23:59:59.999Z"),
        ] {
            let moment = Expiry::parse(text).unwrap().moment().unwrap();
            assert_eq!(moment.to_rfc3339(), utc);
        }
        for bad in [
            "2026-06-01",
            "2026-06-01T00:00:00",
            "2026-06-01T00:00Z",
            "1780272000",
            "2026-02-30T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-06-01T24:00:00Z",
            "2026-06-30T23:59:60Z",
            "9999-12-31T23:59:59-01:00",
            "tomorrow",
            "",
        ] {
            assert!(Expiry::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_override_is_over_at_its_expiry() {
        let expiry = Expiry::At(UnixMillis::new(5_000));
        assert!(expiry.is_live(UnixMillis::new(4_999)) && !expiry.is_live(UnixMillis::new(5_000)));
        assert!(Expiry::Never.is_live(UnixMillis::new(i64::MAX)));
        assert!(expiry < Expiry::Never);
    }
}
