//! Reading a JSON object into pairs of names and raw values.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::value::Value;
use super::{Entry, FIELDS_MAX};
use crate::error::ApiError;

/// Field names that need no unescaping are borrowed.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct Pairs<'a>(Vec<Entry<'a>>);

/// The pairs of an object in the order of the text.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Entry<'_>>, ApiError> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = Pairs::deserialize(&mut json).and_then(|pairs| json.end().map(|()| pairs));
    let entries = match read {
        Ok(Pairs(entries)) => entries,
        Err(error) => return Err(malformed(&error, first == Some(&b'{'))),
    };
    // Quadratic in at most `FIELDS_MAX` fields, and faster than a set for the few that there are.
    for (at, entry) in entries.iter().enumerate() {
        if entries.iter().skip(at + 1).any(|other| other.name == entry.name) {
            return Err(ApiError::malformed_json("a field stands twice in one object"));
        }
    }
    Ok(entries)
}

/// Tells the place only: the library's own messages may quote the body.
fn malformed(error: &serde_json::Error, is_object: bool) -> ApiError {
    if error.is_data() {
        // The only data errors are the visitor's own two.
        return ApiError::malformed_json(if is_object {
            "an object has too many fields"
        } else {
            "the body must be a JSON object"
        });
    }
    ApiError::malformed_json(format!("not JSON at line {}, column {}", error.line(), error.column()))
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor).map(Pairs)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Vec<Entry<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        // The seeds' requests have up to six fields.
        let mut entries = Vec::with_capacity(8);
        while let Some(Name(name)) = map.next_key()? {
            let value: &'de RawValue = map.next_value()?;
            entries.push(Entry {
                name,
                value: Some(Value::Json(value)),
                known: false,
            });
            if entries.len() > FIELDS_MAX {
                return Err(A::Error::custom("too many fields"));
            }
        }
        Ok(entries)
    }
}
