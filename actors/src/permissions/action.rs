//! What is done: one word, or `*` for whatever it is.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Characters of an action.
const CHARS_MAX: usize = 64;
/// The pattern that covers every action.
pub(super) const ANY: &str = "*";

/// Why a text is no action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAction {
    /// Not a word.
    #[error("must be a letter and up to 63 letters, digits, `_` or `-`")]
    Word,
    /// Neither a word nor `*`.
    #[error("must be `*`, or a letter and up to 63 letters, digits, `_` or `-`")]
    Pattern,
}

/// An action that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action(Box<str>);

impl Action {
    /// The only door for a caller's text.
    ///
    /// # Errors
    /// [`InvalidAction::Word`]
    pub fn parse(text: &str) -> Result<Self, InvalidAction> {
        if is_word(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidAction::Word)
        }
    }

    /// The text as the caller gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One action, or all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ActionPattern(Arc<str>);

impl ActionPattern {
    /// The only door for a caller's text.
    ///
    /// # Errors
    /// [`InvalidAction::Pattern`]
    pub fn parse(text: &str) -> Result<Self, InvalidAction> {
        if text == ANY || is_word(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidAction::Pattern)
        }
    }

    /// The text as the caller gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether every action that `other` covers is covered by this one.
    pub fn includes(&self, other: &Self) -> bool {
        &*self.0 == ANY || self == other
    }
}

impl Borrow<str> for ActionPattern {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ActionPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ActionPattern {
    type Error = InvalidAction;

    fn try_from(text: String) -> Result<Self, InvalidAction> {
        Self::parse(&text)
    }
}

impl From<ActionPattern> for String {
    fn from(pattern: ActionPattern) -> Self {
        pattern.0.as_ref().into()
    }
}

fn is_word(text: &str) -> bool {
    let in_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    text.len() <= CHARS_MAX && text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(in_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_a_word_and_a_pattern_may_be_a_star() {
        for good in ["delete", "a", "Re-read_2", &"x".repeat(64)] {
            assert!(
                Action::parse(good).is_ok() && ActionPattern::parse(good).is_ok(),
                "{good}"
            );
        }
        for bad in ["", "2x", "-a", "a b", "a.b", "a:b", "é", "a*", "**", &"x".repeat(65)] {
            assert!(
                Action::parse(bad).is_err() && ActionPattern::parse(bad).is_err(),
                "{bad}"
            );
        }
        assert!(Action::parse("*").is_err() && ActionPattern::parse("*").is_ok());
    }
}
