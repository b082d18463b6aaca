//! What must hold of any bytes whatever. The grammars and limits are spelled out here once more, from the contract and not from the
//! code that is checked.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use uuid::Uuid;

use super::{event_bytes, event_of_bytes, fact_of_row, record_chunks, record_of_chunks, row, secret_of_row, vault_row};
use crate::clock::UnixMillis;
use crate::crypto::keys::PublicKey;
use crate::id::{AgentId, CustomerId, EventId, Jti};
use crate::journal::Events;
use crate::permissions::{
    Action, ActionPattern, AdminId, Capability, Effect, Expiry, OverrideId, Path, PathPattern, Reason, RoleId,
};
use crate::rbac::{Pattern, Policy, PolicyRequest};
use crate::tenant::State;
use crate::tenant::audit::AuditEntry;
use crate::token::{Decision, Environment, Scope, jwt};

/// The scopes of the contract.
pub const SCOPES: &[&str] = &[
    "keys:manage",
    "tokens:mint",
    "tokens:revoke",
    "tokens:read",
    "overrides:decide",
    "permissions:manage",
    "permissions:check",
    "permissions:audit",
    "*",
];

/// Presented tokens: whatever is accepted has one spelling, says of itself what was read from it, and is signed by nobody known.
pub fn token(input: &[u8], stranger: &PublicKey) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(presented) = jwt::parse(text) else { return };
    assert!(text.len() <= 8 * 1_024);
    let parts: Vec<&str> = presented_parts(text);
    assert_eq!(parts.len(), 4, "a prefix and three parts");
    let decoded: Vec<Vec<u8>> = parts.iter().skip(1).map(|part| base64url(part)).collect();
    let rebuilt: Vec<String> = decoded.iter().map(|part| base64url_text(part)).collect();
    let prefix = parts.first().copied().unwrap_or_default();
    assert_eq!(format!("{prefix}{}", rebuilt.join(".")), text, "one spelling");
    assert_eq!(prefix, presented.kind().prefix());
    let member = |at: usize, name: &str| -> Option<Value> {
        let members: Members = serde_json::from_slice(decoded.get(at)?).ok()?;
        let found = members.0.iter().filter(|(member, _)| member == name);
        assert!(found.clone().count() <= 1, "`{name}` stands twice");
        found.map(|(_, value)| value.clone()).next()
    };
    assert_eq!(member(0, "alg"), Some(Value::from("ES256")));
    assert_eq!(member(0, "typ"), Some(Value::from("JWT")));
    assert_eq!(member(0, "crit"), None);
    let uuid = |at, name| member(at, name).and_then(|value| Uuid::try_parse(value.as_str()?).ok());
    assert_eq!(uuid(0, "kid"), Uuid::from_slice(presented.kid().as_bytes()).ok());
    assert_eq!(uuid(1, "jti"), Uuid::from_slice(presented.jti().as_bytes()).ok());
    assert_eq!(uuid(1, "sub"), Uuid::from_slice(presented.customer().as_bytes()).ok());
    assert_eq!(member(1, "typ"), Some(Value::from(presented.kind().to_string())));
    assert_eq!(
        member(1, "iat").and_then(|value| value.as_u64()),
        Some(presented.issued_at())
    );
    assert_eq!(
        member(1, "exp").and_then(|value| value.as_u64()),
        Some(presented.expires_at())
    );
    assert_eq!(
        decoded.get(2).map(Vec::as_slice),
        Some(presented.signature().as_slice())
    );
    assert!(!presented.verify(stranger), "nobody can have signed it with this key");
}

fn presented_parts(text: &str) -> Vec<&str> {
    // No prefix holds a third underscore, and none a dot.
    let end = text.match_indices('_').nth(1).map_or(0, |(at, _)| at + 1);
    let (prefix, compact) = text.split_at(end);
    std::iter::once(prefix).chain(compact.split('.')).collect()
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn base64url(text: &str) -> Vec<u8> {
    let (mut bytes, mut kept, mut bits) = (Vec::new(), 0_u32, 0);
    for character in text.bytes() {
        let place = ALPHABET.iter().position(|known| *known == character);
        assert!(place.is_some(), "a character of another alphabet");
        kept = kept << 6 | u32::try_from(place.unwrap_or_default()).unwrap_or_default();
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(kept >> bits & 0xff).unwrap_or_default());
        }
    }
    bytes
}

fn base64url_text(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three
            .iter()
            .enumerate()
            .fold(0_u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        for at in 0..=three.len() {
            let place = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap_or_default();
            text.extend(ALPHABET.get(place).map(|character| char::from(*character)));
        }
    }
    text
}

/// An object's members with their repetitions.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
        deserializer.deserialize_map(All)
    }
}

/// RBAC patterns and the policies that are made of them: `input` is one pattern a line.
pub fn patterns(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut parsed = Vec::new();
    for line in text.split('\n') {
        let acceptable = (1..=256).contains(&line.chars().count()) && !line.chars().any(char::is_control);
        let pattern = Pattern::parse(line);
        assert_eq!(pattern.is_ok(), acceptable, "{line:?}");
        let Ok(pattern) = pattern else { continue };
        assert_eq!(pattern.as_str(), line);
        if !line.contains(['*', '?', '[']) {
            assert!(pattern.matches(line) && !pattern.matches(&format!("{line}x")) && !pattern.matches(""));
        }
        if line.chars().all(|character| character == '*') {
            assert!(pattern.matches("") && pattern.matches("a:b\n"));
        }
        parsed.push(pattern);
    }
    let request = PolicyRequest {
        allowed_actions: (!parsed.is_empty()).then(|| parsed.clone()),
        denied_actions: Some(parsed.clone()),
        ..PolicyRequest::default()
    };
    let Ok(policy) = Policy::root(request) else { return };
    assert!(parsed.len() <= 64 && policy.json().len() <= 4_096);
    // What is equal always passes, whatever it costs to compare; and it denies all that it allows.
    let policy = std::sync::Arc::new(policy);
    let same = PolicyRequest {
        allowed_actions: (!parsed.is_empty()).then(|| parsed.clone()),
        denied_actions: Some(parsed),
        ..PolicyRequest::default()
    };
    assert!(policy.narrow(same).is_ok());
}

/// The texts of the permission family, and names: accepted exactly if the contract's grammar has them.
pub fn texts(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let chars = text.chars().count();
    let segment = |segment: &str| {
        !segment.is_empty()
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_:@-".contains(&byte))
    };
    let segments: Vec<&str> = text.split(['.', '/']).collect();
    let (last, before) = segments
        .split_last()
        .map_or(("", [].as_slice()), |(last, before)| (*last, before));
    let fits = (1..=255).contains(&chars) && before.iter().all(|part| segment(part));
    assert_eq!(Path::parse(text).is_ok(), fits && segment(last), "{text:?}");
    let is_pattern = fits && (last == "*" || segment(last));
    assert_eq!(PathPattern::parse(text).is_ok(), is_pattern, "{text:?}");
    let is_action = chars <= 64
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    assert_eq!(Action::parse(text).is_ok(), is_action, "{text:?}");
    assert_eq!(ActionPattern::parse(text).is_ok(), is_action || text == "*", "{text:?}");
    let is_name = (1..=255).contains(&chars) && !text.chars().any(char::is_control);
    assert_eq!(AgentId::parse(text).is_ok(), is_name, "{text:?}");
    assert_eq!(AdminId::parse(text).is_ok(), is_name, "{text:?}");
    assert_eq!(EventId::parse(text).is_ok(), is_name && !text.contains('|'), "{text:?}");
    let is_reason = text.trim().chars().count() >= 10 && chars <= 1_000;
    assert_eq!(Reason::parse(text).is_ok(), is_reason, "{text:?}");
    if let Ok(capability) = Capability::parse(text) {
        let (path, action) = text.rsplit_once(':').unwrap_or_default();
        assert_eq!((capability.path.as_str(), capability.action.as_str()), (path, action));
    }
    identifiers(text);
    words(text);
}

/// Identifiers and times have one meaning, and mostly one spelling.
fn identifiers(text: &str) {
    if let Some(id) = OverrideId::parse(text) {
        assert_eq!(id.to_string(), text);
    }
    if let Some(id) = RoleId::parse(text) {
        assert_eq!(id.to_string(), text);
    }
    if let Some(id) = Jti::parse(text) {
        assert_eq!(Uuid::try_parse(text).ok().map(Jti::new), Some(id), "{text:?}");
    }
    if let Ok(expiry) = Expiry::parse(text) {
        let again = expiry.moment().map(UnixMillis::to_rfc3339);
        assert_eq!(
            again.and_then(|text| Expiry::parse(&text).ok()),
            Some(expiry),
            "{text:?}"
        );
        assert!(
            text.len() >= "2026-03-01T00:00:00Z".len() && text.is_ascii(),
            "date-only or zoneless: {text:?}"
        );
    }
}

fn words(text: &str) {
    assert_eq!(Effect::parse(text).is_ok(), ["GRANT", "DENY"].contains(&text));
    assert_eq!(Decision::parse(text).is_some(), ["approve", "reject"].contains(&text));
    assert_eq!(
        Environment::parse(text).is_some(),
        ["development", "staging", "production"].contains(&text)
    );
    assert_eq!(Scope::parse(text).is_some(), SCOPES.contains(&text));
}

/// Records: what is written is read back, no bit of it can change unnoticed, and of arbitrary bytes none make a record.
pub fn record(input: &[u8]) {
    let customer = CustomerId::from_bytes([7; 16]);
    let (numbers, content) = input.split_at_checked(4).unwrap_or((&[], input));
    let number = |at: usize| usize::from(numbers.get(at).copied().unwrap_or_default());
    let size = 1 + number(0) * 16;
    let mut events = Events::new();
    content.chunks(size).for_each(|event| events.push(event));
    if !events.is_empty() {
        let written = record_chunks(customer, 5, &events);
        let expected: Vec<_> = (5..).zip(content.chunks(size).map(<[u8]>::to_vec)).collect();
        assert_eq!(record_of_chunks(&written), Ok(expected));
        let mut damaged = written.clone();
        let place = number(1) << 8 | number(2);
        let chunk = number(3) % damaged.len();
        if let Some((key, value)) = damaged.get_mut(chunk) {
            let place = place % ((key.len() + value.len()) * 8);
            let (byte, bit) = (place / 8, place % 8);
            let length = key.len();
            let target = if byte < length {
                key.get_mut(byte)
            } else {
                value.get_mut(byte - length)
            };
            target.into_iter().for_each(|target| *target ^= 1 << bit);
        }
        assert!(record_of_chunks(&damaged).is_err(), "a flipped bit is noticed");
    }
    let key = record_chunks(customer, 5, &Events::one(b""))
        .into_iter()
        .next()
        .map(|(key, _)| key);
    let foreign = [(key.unwrap_or_default(), input.to_vec())];
    if let Ok(found) = record_of_chunks(&foreign) {
        let mut again = Events::new();
        found.iter().for_each(|(_, event)| again.push(event));
        assert_eq!(
            record_chunks(customer, 5, &again),
            foreign,
            "only what the journal writes is a record"
        );
    }
}

/// Events: whatever is read is written so that it reads the same, and applying it never panics.
pub fn event(input: &[u8]) {
    let Ok(recorded) = event_of_bytes(input) else { return };
    let written = event_bytes(&recorded);
    assert_eq!(
        written.and_then(|written| event_of_bytes(&written)),
        Ok(recorded.clone())
    );
    let mut state = State::new(CustomerId::from_bytes([7; 16]));
    // One that fits nothing that is there is an error, and has to leave a state that can still be asked.
    let _ = state.apply(1, recorded.clone());
    let _ = state.apply(2, recorded);
    assert!(state.sequence() <= 2);
}

/// Rows of every kind: whatever is read is written as it was.
pub fn stored_row(input: &[u8]) {
    let customer = CustomerId::from_bytes([7; 16]);
    let (length, rest) = input.split_first().unwrap_or((&0, &[]));
    let (key, value) = rest.split_at(usize::from(*length).min(rest.len()));
    if let Ok(fact) = fact_of_row(key, value) {
        let change = row(&fact);
        assert_eq!((change.key.as_slice(), change.value.as_deref()), (key, Some(value)));
    }
    if let Ok(secret) = secret_of_row(customer, key, value) {
        let change = vault_row(&secret);
        assert_eq!((change.key.as_slice(), change.value.as_deref()), (key, Some(value)));
    }
    if let Ok(entry) = serde_json::from_slice::<AuditEntry>(value) {
        let written = serde_json::to_vec(&entry).unwrap_or_default();
        assert_eq!(serde_json::from_slice::<AuditEntry>(&written).ok(), Some(entry));
    }
}
