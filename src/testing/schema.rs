//! What the contract lets a body hold.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Endpoint, Form};

/// JSON with nothing lost: members in order, repetitions and all.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A whole number, as far as 64 bits go.
    Whole(i128),
    /// Any other number.
    Other(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Self>),
    /// An object.
    Object(Vec<(String, Self)>),
    /// Something too deep to be looked at, or a text that is none.
    Deep,
}

/// What one field may hold.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A UUID.
    Uuid,
    /// Text of so many characters, without control characters.
    Name,
    /// Text of at most so many characters.
    Text(usize),
    /// Text of at least ten characters, blanks around it not counted, and at most a thousand.
    Reason,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number from, to.
    Whole(i128, i128),
    /// `true` or `false`.
    Bool,
    /// At least, at most so many of these words.
    Words(usize, usize, &'static [&'static str]),
    /// At most so many texts, each with a `:`.
    Capabilities(usize),
    /// A list of roles.
    Roles,
    /// The policy of an agent.
    Rbac,
    /// Up to a hundred of anything.
    Batch,
    /// Objects of these fields, from one to a hundred.
    Objects(&'static [Field]),
    /// A path; with a wildcard as its last segment or not.
    Path(bool),
    /// A word, or `*` or not.
    Action(bool),
    /// A time.
    Time,
    /// Any object.
    Object,
}

/// One field of a body.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Whether it has to be there.
    pub required: bool,
    /// Whether a presented parent says as much.
    pub implied: bool,
    /// What it may hold.
    pub kind: Kind,
}

/// A field that has to be there.
pub const fn required(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        required: true,
        implied: false,
        kind,
    }
}

/// A field that the operator has to give and the holder of the parent may leave out.
pub const fn implied(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        required: true,
        implied: true,
        kind,
    }
}

/// A field that may be left out.
pub const fn optional(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        required: false,
        implied: false,
        kind,
    }
}

/// Whether the contract permits that a body is accepted.
///
/// # Errors
/// The reason why it must not be.
pub fn judge(endpoint: &Endpoint, form: Form, body: &[u8]) -> Result<(), String> {
    if body.is_empty() && endpoint.may_be_empty {
        return Ok(());
    }
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8")?;
    if body.len() > if endpoint.is_batch { 1 << 20 } else { 64 * 1_024 } {
        return Err("it is too large".to_owned());
    }
    let raw: &RawValue = serde_json::from_str(text).map_err(|_| "it is not JSON")?;
    let Json::Object(members) = Json::read(raw, 0) else {
        return Err("it is no object".to_owned());
    };
    judge_object(endpoint.fields, form, &members)
}

fn judge_object(fields: &[Field], form: Form, members: &[(String, Json)]) -> Result<(), String> {
    for (at, (name, _)) in members.iter().enumerate() {
        if members.iter().skip(at + 1).any(|(other, _)| other == name) {
            return Err(format!("`{name}` stands twice"));
        }
        if form != Form::Permissions && !fields.iter().any(|field| field.name == name) {
            return Err(format!("`{name}` is unknown"));
        }
    }
    for field in fields {
        let member = members
            .iter()
            .find(|(name, _)| name == field.name)
            .map(|(_, value)| value);
        match member.filter(|value| !is_absent(form, value)) {
            None if field.required && !(field.implied && form == Form::Presented) => {
                return Err(format!("`{}` is missing", field.name));
            }
            Some(value) if !field.kind.holds(value, form) => return Err(format!("`{}` is wrong", field.name)),
            _ => {}
        }
    }
    Ok(())
}

fn is_absent(form: Form, value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Text(text) => text.is_empty() && form != Form::Documented,
        Json::Whole(0) => form == Form::Presented,
        Json::Other(number) => form == Form::Presented && *number == 0.0,
        _ => false,
    }
}

impl Kind {
    fn holds(self, value: &Json, form: Form) -> bool {
        match (self, value) {
            (Self::Whole(from, to), Json::Whole(number)) => (from..=to).contains(number),
            (Self::Bool, Json::Bool) | (Self::Object, Json::Object(_)) => true,
            (Self::Words(least, most, known), Json::List(items)) => {
                let is_known = |item: &Json| matches!(item, Json::Text(text) if known.contains(&text.as_str()));
                (least..=most).contains(&items.len()) && items.iter().all(is_known)
            }
            (Self::Capabilities(most), Json::List(items)) => {
                items.len() <= most
                    && items
                        .iter()
                        .all(|item| matches!(item, Json::Text(text) if text.contains(':')))
            }
            (Self::Roles, Json::List(items)) => {
                items.len() <= 64 && items.iter().all(|item| matches!(item, Json::Text(_)))
            }
            (Self::Rbac, Json::Object(members)) => is_policy(members, form),
            (Self::Batch, Json::List(items)) => (1..=100).contains(&items.len()),
            (Self::Objects(fields), Json::List(items)) => {
                let is_right =
                    |item: &Json| matches!(item, Json::Object(members) if judge_object(fields, form, members).is_ok());
                (1..=100).contains(&items.len()) && items.iter().all(is_right)
            }
            (kind, Json::Text(text)) => kind.holds_text(text),
            _ => false,
        }
    }

    fn holds_text(self, text: &str) -> bool {
        let chars = text.chars().count();
        let is_segment = |segment: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_:@-".contains(&byte);
            !segment.is_empty() && segment.bytes().all(known)
        };
        match self {
            Self::Uuid => uuid::Uuid::try_parse(text).is_ok(),
            Self::Name => (1..=255).contains(&chars) && !text.chars().any(char::is_control),
            Self::Text(most) => chars <= most,
            Self::Reason => text.trim().chars().count() >= 10 && chars <= 1_000,
            Self::Word(known) => known.contains(&text),
            Self::Path(may_be_wild) => {
                let segments: Vec<&str> = text.split(['.', '/']).collect();
                let last = segments.len().saturating_sub(1);
                let right = |(at, segment): (usize, &&str)| {
                    is_segment(segment) || (may_be_wild && at == last && *segment == "*")
                };
                chars <= 255 && segments.iter().enumerate().all(right)
            }
            Self::Action(may_be_wild) => {
                let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
                let is_word = text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(known);
                (is_word && chars <= 64) || (may_be_wild && text == "*")
            }
            Self::Time => chrono::DateTime::parse_from_rfc3339(text).is_ok(),
            _ => false,
        }
    }
}

fn is_policy(members: &[(String, Json)], form: Form) -> bool {
    const LEVEL: Kind = Kind::Whole(0, 4);
    let repeated = |at: usize, name: &String| members.iter().skip(at + 1).any(|(other, _)| other == name);
    members.iter().enumerate().all(|(at, (name, value))| {
        if repeated(at, name) {
            return false;
        }
        let is_set = !is_absent(form, value);
        match name.as_str() {
            "allowed_actions" | "allowed_resources" => !is_set || is_pattern_list(value, 1),
            "denied_actions" | "denied_resources" => !is_set || is_pattern_list(value, 0),
            "max_sensitivity_level" | "sensitivity_level" => !is_set || LEVEL.holds(value, form),
            "max_risk_score" => !is_set || matches!(value, Json::Whole(0..) | Json::Other(0.0..)),
            _ => false,
        }
    })
}

fn is_pattern_list(value: &Json, least: usize) -> bool {
    let Json::List(items) = value else { return false };
    (least..=64).contains(&items.len())
        && items.iter().all(|item| match item {
            Json::Text(text) => (1..=256).contains(&text.chars().count()) && !text.chars().any(char::is_control),
            _ => false,
        })
}

/// Levels that are looked into; what lies deeper is right nowhere but where anything is.
const LEVELS_MAX: usize = 16;

impl Json {
    /// The value of a text that is known to be JSON, numbers of any size among it.
    fn read(raw: &RawValue, level: usize) -> Self {
        let text = raw.get();
        let list = || serde_json::from_str::<Vec<Box<RawValue>>>(text).unwrap_or_default();
        match text.as_bytes().first() {
            _ if level > LEVELS_MAX => Self::Deep,
            Some(b'{') => {
                let members = serde_json::from_str::<Members>(text).map_or_else(|_| Vec::new(), |members| members.0);
                let read = |(name, value): (String, Box<RawValue>)| (name, Self::read(&value, level + 1));
                Self::Object(members.into_iter().map(read).collect())
            }
            Some(b'[') => Self::List(list().iter().map(|item| Self::read(item, level + 1)).collect()),
            // Half a surrogate pair is JSON, and no text.
            Some(b'"') => serde_json::from_str(text).map_or(Self::Deep, Self::Text),
            Some(b'n') => Self::Null,
            Some(b't' | b'f') => Self::Bool,
            _ => text
                .parse()
                .map_or_else(|_| Self::Other(text.parse().unwrap_or(f64::INFINITY)), Self::Whole),
        }
    }
}

/// An object's members in order, repetitions and all.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AllMembers)
    }
}

struct AllMembers;

impl<'de> Visitor<'de> for AllMembers {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}
