//! What a command prints: lines for people, or JSON.

use std::error::Error;
use std::fmt::Display;
use std::io;

use serde_json::{Value, json};

use super::service::ServiceError;
use crate::print;

/// The form in which a command prints.
#[derive(Clone, Copy)]
pub(super) struct Output {
    /// JSON instead of lines for people.
    pub(super) json: bool,
}

impl Output {
    /// Prints an answer: itself as one line of JSON, or what it says to people.
    pub(super) fn answer(self, answer: &Value, people: impl Display) -> io::Result<()> {
        if self.json {
            print::line(answer)
        } else {
            print::line(people)
        }
    }

    /// Tells people what is not the answer itself, on standard error; in JSON the answer has it all.
    pub(super) fn note(self, text: impl Display) {
        if !self.json {
            print::error_line(text);
        }
    }

    /// Prints why a command failed, on standard error.
    pub(super) fn failure(self, error: &(dyn Error + 'static)) {
        if !self.json {
            print::error_line(format_args!("countersign: {error}"));
            return;
        }
        let mut told = json!({"error": error.to_string()});
        if let Some(refusal) = error.downcast_ref::<ServiceError>().and_then(ServiceError::refusal)
            && let Some(members) = told.as_object_mut()
        {
            members.insert("status".to_owned(), refusal.status.into());
            members.insert("code".to_owned(), refusal.code.as_str().into());
            members.insert("detail".to_owned(), refusal.detail.as_str().into());
            let fields = refusal.fields.iter();
            let fields = fields.map(|(field, message)| json!({"field": field, "message": message}));
            members.insert("errors".to_owned(), fields.collect());
        }
        print::error_line(told);
    }
}

/// A text of somebody else as it may be shown in a terminal: what could steer it is blanked.
pub(super) fn printable(text: &str) -> String {
    let blank =
        |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c);
    text.chars().map(|c| if blank(c) { '\u{fffd}' } else { c }).collect()
}

/// A member of an answer as text: as it is, or nothing.
pub(super) fn text<'a>(answer: &'a Value, member: &str) -> &'a str {
    answer.get(member).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_steer_a_terminal_is_blanked() {
        assert_eq!(printable("plain é text"), "plain é text");
        assert_eq!(
            printable("a\u{1b}[31mb\nc\u{202e}d"),
            "a\u{fffd}[31mb\u{fffd}c\u{fffd}d"
        );
    }
}
