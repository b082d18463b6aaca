//! `fnmatch` patterns: `*`, `?`, `[seq]`, `[!seq]`, no escape, over Unicode scalar values.
//!
//! The contract is Python 3.11's `fnmatch.fnmatchcase`, proved against a corpus that Python wrote (`tests/patterns.rs`).
//! There are no separators: `*` and `?` match `:`, `/` and line breaks like any other character.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::class::Class;
use crate::limits::PATTERN_CHARS_MAX;

/// One pattern of a policy. Cloning it copies a pointer.
#[derive(Clone)]
pub struct Pattern(Arc<Compiled>);

/// Why a text cannot be a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// Nothing was given. It would match only the empty text, while writers of policies mean anything from nothing to everything by it.
    #[error("must not be empty")]
    Empty,
    /// More than [`PATTERN_CHARS_MAX`] characters.
    #[error("must have at most {PATTERN_CHARS_MAX} characters")]
    TooLong,
    /// A control character stands in it: it could not be shown faithfully in an answer, a log line or a terminal.
    #[error("must not contain control characters")]
    ControlCharacter,
}

impl Pattern {
    /// Reads a pattern. Every text within the limits is one: an unclosed `[` stands for itself.
    ///
    /// # Errors
    ///
    /// When the text is empty, has more than [`PATTERN_CHARS_MAX`] characters, or contains a control character.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        if text.chars().nth(PATTERN_CHARS_MAX).is_some() {
            return Err(InvalidPattern::TooLong);
        }
        Self::restore(text)
    }

    /// Reads a pattern that was accepted once, perhaps under a more generous limit on its length.
    pub(super) fn restore(text: &str) -> Result<Self, InvalidPattern> {
        if text.is_empty() {
            return Err(InvalidPattern::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidPattern::ControlCharacter);
        }
        Ok(Self(Arc::new(Compiled::new(text))))
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.0.matches(text)
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        self.0.source()
    }

    /// The form that matching and inclusion work on.
    pub(super) fn compiled(&self) -> &Compiled {
        &self.0
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.as_str())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The compiled form, without the limits of [`Pattern`]: any text at all can be compiled.
///
/// Most patterns of a policy are plain text with at most one `*` at the end. The plain text in front stays where it is,
/// in the source, and is compared as bytes; only what follows it becomes tokens.
#[derive(Debug)]
pub struct Compiled {
    source: Box<str>,
    /// Bytes of the source before its first `*`, `?` or `[`.
    prefix_bytes: usize,
    rest: Box<[Token]>,
}

/// One element of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// This character.
    Char(char),
    /// `?`: any one character.
    Any,
    /// `[…]`: one character of a set, which may be empty.
    Class(Arc<Class>),
    /// `*`: any characters, or none. Never two in a row.
    Star,
}

impl Token {
    /// Whether this token takes this character. A star takes every one.
    pub(super) fn takes(&self, c: char) -> bool {
        match self {
            Self::Char(own) => *own == c,
            Self::Any | Self::Star => true,
            Self::Class(class) => class.contains(c),
        }
    }

    /// How much there is to look at in it.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Class(class) => 1 + class.ranges().len(),
            Self::Char(_) | Self::Any | Self::Star => 1,
        }
    }

    /// Whether this token can stand for everything that the other matches. Only a star can for a star.
    pub(super) fn takes_all_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Star, _) => true,
            (_, Self::Star) => false,
            (own, Self::Char(c)) => own.takes(*c),
            (Self::Any, Self::Any | Self::Class(_)) => true,
            (Self::Class(own), Self::Class(other)) => own.contains_all(other.ranges()),
            (Self::Class(own), Self::Any) => own.contains_all(&[('\0', char::MAX)]),
            (Self::Char(own), Self::Class(other)) => other.ranges() == [(*own, *own)],
            (Self::Char(_), Self::Any) => false,
        }
    }
}

impl Compiled {
    /// Compiles a pattern of any length and any characters.
    pub fn new(source: &str) -> Self {
        let prefix_bytes = source.find(['*', '?', '[']).unwrap_or(source.len());
        let mut rest = Vec::new();
        let mut chars = source.get(prefix_bytes..).unwrap_or_default().chars();
        while let Some(c) = chars.next() {
            match c {
                '*' if rest.last() == Some(&Token::Star) => {}
                '*' => rest.push(Token::Star),
                '?' => rest.push(Token::Any),
                '[' => rest.push(match split_class(chars.as_str()) {
                    Some((content, after)) => {
                        chars = after.chars();
                        Token::Class(Arc::new(Class::parse(content)))
                    }
                    None => Token::Char('['),
                }),
                other => rest.push(Token::Char(other)),
            }
        }
        Self {
            source: source.into(),
            prefix_bytes,
            rest: rest.into(),
        }
    }

    /// Whether the whole text matches. Takes time in proportion to the product of both lengths at most, and no memory.
    pub fn matches(&self, text: &str) -> bool {
        match text.strip_prefix(self.prefix()) {
            Some(text) => matches_tokens(&self.rest, text.chars(), Token::takes),
            None => false,
        }
    }

    /// The pattern as it was written.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// The plain text that every match starts with.
    pub(super) fn prefix(&self) -> &str {
        self.source.get(..self.prefix_bytes).unwrap_or_default()
    }

    /// The tokens after the prefix.
    pub(super) fn rest(&self) -> &[Token] {
        &self.rest
    }

    /// All tokens, those of the prefix too.
    pub(super) fn tokens(&self) -> impl Iterator<Item = Token> {
        self.prefix().chars().map(Token::Char).chain(self.rest.iter().cloned())
    }

    /// Whether this is plain text followed by one star, and so matches whatever starts with the text.
    pub(super) fn is_open_ended(&self) -> bool {
        *self.rest == [Token::Star]
    }

    /// Whether no text at all matches, because a class is empty (`[z-a]`).
    pub(super) fn matches_nothing(&self) -> bool {
        self.rest
            .iter()
            .any(|token| matches!(token, Token::Class(class) if class.ranges().is_empty()))
    }
}

/// Splits what follows a `[` into the content of the class and what comes after its `]`; `None` when it is never closed.
fn split_class(after_bracket: &str) -> Option<(&str, &str)> {
    // A `]` that comes first, or first after `!`, belongs to the set.
    let negation = usize::from(after_bracket.starts_with('!'));
    let first = negation + usize::from(after_bracket.get(negation..)?.starts_with(']'));
    let end = first + after_bracket.get(first..)?.find(']')?;
    Some((after_bracket.get(..end)?, after_bracket.get(end + 1..)?))
}

/// Matches the whole of a text, whose elements the tokens take or do not take. On a mismatch only the last star is given one
/// more element: whatever an earlier star could take instead, the last one can take as well, so no other choice is tried again.
pub(super) fn matches_tokens<T: Iterator + Clone>(
    tokens: &[Token],
    mut text: T,
    mut takes: impl FnMut(&Token, T::Item) -> bool,
) -> bool {
    let mut tokens = tokens;
    let mut last_star: Option<(&[Token], T)> = None;
    loop {
        match tokens.split_first() {
            Some((Token::Star, [])) => return true,
            Some((Token::Star, after)) => {
                last_star = Some((after, text.clone()));
                tokens = after;
                continue;
            }
            Some((token, after)) => match text.next() {
                Some(element) => {
                    if takes(token, element) {
                        tokens = after;
                        continue;
                    }
                }
                // Giving a star more would leave even less text for the tokens that still want some.
                None => return false,
            },
            None if text.next().is_none() => return true,
            None => {}
        }
        let Some((after, from)) = &mut last_star else {
            return false;
        };
        if from.next().is_none() {
            return false;
        }
        tokens = after;
        text = from.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Compiled::new(pattern).matches(text)
    }

    #[test]
    fn star_and_question_mark_cross_every_character() {
        assert!(matches("repo:*", "repo:org/front:end\n"));
        assert!(matches("*:*:*", "a:b:c:d"));
        assert!(matches("a?c", "a/c") && matches("a?c", "a\nc") && matches("?", "é") && matches("?", "🦀"));
        assert!(!matches("?", "") && !matches("?", "ab") && !matches("a?", "a"));
        assert!(matches("*", "") && matches("***", "x") && !matches("repo:*", "repo"));
        assert!(!matches("mcp:**", "mcp"));
    }

    #[test]
    fn what_is_no_wildcard_is_literal() {
        for text in [
            "a{b,c}d", r"a\*", "^a$", "a.c", "a]b", "a[b", "[", "[!", "[]", "[!]", "a[]b",
        ] {
            assert!(matches(text, text), "{text}");
        }
        assert!(!matches("a{b,c}d", "abd") && !matches("a.c", "abc") && !matches("A", "a"));
    }

    #[test]
    fn classes_match_one_character() {
        assert!(matches("v[0-9].[!a-z]", "v1.X") && !matches("v[0-9].[!a-z]", "v1.x"));
        assert!(matches("[*]", "*") && !matches("[*]", "x"));
        assert!(matches("[]a]", "]") && matches("[!]a]", "b") && !matches("[!]a]", "]"));
        assert!(!matches("a[z-a]", "az") && matches("a[!z-a]", "a\n"));
    }

    #[test]
    fn many_stars_take_polynomial_time() {
        let pattern = format!("{}b", "*a".repeat(2_000));
        assert!(!matches(&pattern, &"a".repeat(20_000)));
        assert!(matches(&pattern, &format!("{}b", "a".repeat(20_000))));
    }

    #[test]
    fn limits_are_those_of_the_contract() {
        assert_eq!(Pattern::parse(""), Err(InvalidPattern::Empty));
        assert_eq!(Pattern::parse("a\nb"), Err(InvalidPattern::ControlCharacter));
        assert_eq!(Pattern::parse("a\u{85}b"), Err(InvalidPattern::ControlCharacter));
        assert_eq!(Pattern::parse(&"é".repeat(257)), Err(InvalidPattern::TooLong));
        let longest = "é".repeat(256);
        assert_eq!(Pattern::parse(&longest).map(|pattern| pattern.to_string()), Ok(longest));
    }

    #[test]
    fn plain_patterns_hold_no_tokens() {
        assert!(Compiled::new("repo:org/app").rest.is_empty());
        assert_eq!(*Compiled::new("repo:**").rest, [Token::Star]);
        assert!(Compiled::new("repo:**").is_open_ended() && !Compiled::new("repo:*x").is_open_ended());
    }
}
