//! Requests that are nearly right: a body of the contract with a few things done to it.

use serde_json::Value;

/// Choices read off the bytes of an input; when they have run out, the first of everything.
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// The choices in these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// A number below `end`, or 0.
    pub fn below(&mut self, end: usize) -> usize {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        usize::from(*first).checked_rem(end).unwrap_or_default()
    }

    /// One of these, which must not be none.
    #[expect(
        clippy::indexing_slicing,
        reason = "the index is below the length of what is not empty"
    )]
    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// All that is left.
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }
}

/// An object as text: its members in order, some perhaps twice.
type Members = Vec<(String, String)>;

/// The body, and whether it is `right` as it was.
pub fn body(right: &Value, choices: &mut Choices<'_>) -> (Vec<u8>, bool) {
    let members = right.as_object().into_iter().flatten();
    let mut members: Members = members
        .map(|(name, value)| (format!("{name:?}"), value.to_string()))
        .collect();
    let changes = choices.below(4);
    for _ in 0..changes {
        change(&mut members, choices);
    }
    let members: Vec<String> = members.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    let mut bytes = format!("{{{}}}", members.join(",")).into_bytes();
    let is_damaged = choices.below(6) == 5;
    if is_damaged {
        damage(&mut bytes, choices);
    }
    (bytes, changes == 0 && !is_damaged)
}

/// Does one thing to one member.
fn change(members: &mut Members, choices: &mut Choices<'_>) {
    let at = choices.below(members.len());
    let kind = choices.below(8);
    let Some((name, value)) = members.get_mut(at) else {
        members.push(("\"customer_id\"".to_owned(), any_value(choices)));
        return;
    };
    match kind {
        0 => drop(members.remove(at)),
        1 => *value = any_value(choices),
        2 => {
            let again = (name.clone(), value.clone());
            members.push(again);
        }
        3 => {
            let unknown = choices.of(&[
                "\"nmae\"",
                "\"denied_action\"",
                "\"\"",
                "\"\\u0000\"",
                "\"__proto__\"",
                "\"Customer_id\"",
            ]);
            members.push((unknown.to_owned(), any_value(choices)));
        }
        4 => *value = inside(value, choices),
        5 => *name = format!("\"{}\"", name.trim_matches('"').to_uppercase()),
        6 => *value = format!("[{value}]"),
        _ => {
            let again = (name.clone(), any_value(choices));
            members.push(again);
        }
    }
}

/// Changes something within an object or a list, or within a text.
fn inside(value: &str, choices: &mut Choices<'_>) -> String {
    let mut parsed: Value = serde_json::from_str(value).unwrap_or_default();
    let fresh: Value = serde_json::from_str(&any_value(choices)).unwrap_or_default();
    match &mut parsed {
        Value::Object(members) => {
            let name = members.keys().nth(choices.below(members.len())).cloned();
            let name = name
                .filter(|_| choices.below(4) != 3)
                .unwrap_or_else(|| "unknown".to_owned());
            members.insert(name, fresh);
        }
        Value::Array(items) => items.push(fresh),
        Value::String(text) => {
            let piece = choices.of(&["\u{0}", "\n", "\u{85}", "|", " ", "é", "-", "*", "/", "\u{202e}"]);
            let at = text
                .char_indices()
                .nth(choices.below(text.len()))
                .map_or(0, |(at, _)| at);
            text.insert_str(at, piece);
        }
        other => *other = fresh,
    }
    parsed.to_string()
}

/// Values at the edges of their types, as JSON.
const PLAIN: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "-1",
    "1.0",
    "1.5",
    "1e2",
    "1e999",
    "4",
    "5",
    "24",
    "720",
    "721",
    "3650",
    "3651",
    "1000000",
    "1000001",
    "9223372036854775807",
    "18446744073709551616",
    "-9223372036854775809",
    "\"\"",
    "\" \"",
    "\"x\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"a\\nb\"",
    "\"\\u0085\"",
    "\"*\"",
    "\"GRANT\"",
    "\"DENY\"",
    "\"approve\"",
    "\"agent\"",
    "\"production\"",
    "\"00000000-0000-0000-0000-000000000000\"",
    "\"2026-03-01T00:00:00Z\"",
    "\"2026-03-01\"",
    "\"a:*\"",
    "\"[z-a]\"",
    "\"[\"",
    "[]",
    "[null]",
    "[\"\"]",
    "[\"*\"]",
    "[\"*\",\"*\"]",
    "[1]",
    "[[]]",
    "{}",
    "{\"a\":{}}",
    "{\"a\":1,\"a\":2}",
    "{\"allowed_actions\":[]}",
    "{\"max_sensitivity_level\":4,\"sensitivity_level\":3}",
];

/// A value of any type, most of them somewhere at an edge.
fn any_value(choices: &mut Choices<'_>) -> String {
    match choices.below(8) {
        0 => format!("\"{}\"", "x".repeat(1 << choices.below(14))),
        1 => format!("\"{}\"", "é".repeat(200 + choices.below(200))),
        2 => {
            let depth = 1 << choices.below(13);
            format!("{}{}", "[".repeat(depth), "]".repeat(depth))
        }
        3 => {
            let item = choices.of(&["\"*\"", "\"approve\"", "\"a:b\"", "\"data:read:*\"", "{}"]);
            format!("[{}]", vec![item; choices.below(140)].join(","))
        }
        _ => choices.of(PLAIN).to_owned(),
    }
}

/// Does something to the bytes that no writer of JSON would.
fn damage(bytes: &mut Vec<u8>, choices: &mut Choices<'_>) {
    let at = (choices.below(256) << 8 | choices.below(256))
        .checked_rem(bytes.len())
        .unwrap_or_default();
    match choices.below(6) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, choices.of(b"\0\xff\xc3\"\\,:{}[]0")),
        2 => drop(bytes.drain(at..(at + 9).min(bytes.len()))),
        3 => bytes.extend_from_slice(choices.of(&[&b"{}"[..], b"\0", b" \n ", b"]", b"\xef\xbb\xbf"])),
        4 => bytes.splice(0..0, *b"\xef\xbb\xbf").for_each(drop),
        _ => *bytes = choices.rest().to_vec(),
    }
}
