//! The members of an untrusted JSON object, found without reading the values that nobody asks for.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::jwt::InvalidToken;
use crate::limits::TOKEN_MEMBERS_MAX;

/// A JSON object whose members have different names. Objects inside its values are not looked into.
pub(super) struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads one JSON object and nothing after it.
    pub(super) fn parse(json: &'a str) -> Result<Self, InvalidToken> {
        let Collected(members) = serde_json::from_str(json).map_err(|_| InvalidToken::NotAnObject)?;
        Ok(Self(members?))
    }

    /// The value of the member with this name, unread.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// A string without escapes: none of the values that we look for needs one.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// The text of a UUID in the one spelling that we write: 36 characters, lower case.
    pub(super) fn uuid(&self, name: &str) -> Option<&'a str> {
        self.text(name)
            .filter(|text| text.len() == 36 && !text.bytes().any(|byte| byte.is_ascii_uppercase()))
    }

    /// A whole number of seconds since 1970.
    pub(super) fn seconds(&self, name: &str) -> Option<u64> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }
}

/// A member's name; the wrapper lets serde borrow it where it holds no escapes.
#[derive(Deserialize)]
struct MemberName<'a>(#[serde(borrow)] Cow<'a, str>);

/// What was found in syntactically valid JSON: serde's own error could not carry ours.
struct Collected<'a>(Result<Vec<(Cow<'a, str>, &'a RawValue)>, InvalidToken>);

impl<'de: 'a, 'a> Deserialize<'de> for Collected<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Collect)
    }
}

struct Collect;

impl<'de> Visitor<'de> for Collect {
    type Value = Collected<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Ok(Vec::with_capacity(12));
        while let Some(MemberName(name)) = map.next_key()? {
            let value = map.next_value()?;
            // After the first fault the rest is only read past: searching on would cost a forger's square.
            let Ok(members) = &mut found else { continue };
            if members.iter().any(|(known, _)| *known == name) {
                found = Err(InvalidToken::RepeatedMember);
            } else if members.len() == TOKEN_MEMBERS_MAX {
                found = Err(InvalidToken::TooManyMembers);
            } else {
                members.push((name, value));
            }
        }
        Ok(Collected(found))
    }
}
