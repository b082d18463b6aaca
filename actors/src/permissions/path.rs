//! What a permission is about: a path of segments, and the patterns over paths.
//!
//! A final segment `*` covers all descendants and not the parent; `*` alone covers everything. That is what `globset` makes of
//! the same text with `*` crossing separators, because no path has an empty segment: roles, of which there are few, are compiled
//! with it once. Overrides, of which a customer may have a million, are found by text instead: the patterns that cover a path
//! are the path itself and one per separator, so a check asks for a handful of texts ([`Path::covering`]). A test holds that
//! the two agree.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::sync::Arc;

use globset::{Glob, GlobBuilder};
use serde::{Deserialize, Serialize};

/// Characters of a path.
const CHARS_MAX: usize = 255;
/// The pattern that covers everything.
pub(super) const EVERYTHING: &str = "*";

/// Why a text is no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// Nothing, or more than 255 characters.
    #[error("must have 1 to {CHARS_MAX} characters")]
    Length,
    /// A character that no segment has.
    #[error("may have letters, digits, `_`, `:`, `@` and `-` in segments joined by `.` or `/`")]
    Character,
    /// A separator without a segment before or behind it.
    #[error("must not have an empty segment")]
    EmptySegment,
    /// A `*` that is not the whole last segment.
    #[error("may have `*` only as its whole last segment")]
    Wildcard,
    /// A `*` where one thing is asked about.
    #[error("must not have `*`")]
    WildcardInQuestion,
}

/// A path that is asked about: no wildcard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Box<str>);

impl Path {
    /// The only door for a caller's text.
    ///
    /// # Errors
    /// [`InvalidPath`]
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        check(text)?;
        if text.contains('*') {
            return Err(InvalidPath::WildcardInQuestion);
        }
        Ok(Self(text.into()))
    }

    /// The text as the caller gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The texts of all patterns that cover this path, the narrowest first.
    pub fn covering(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let wider = self
            .0
            .rmatch_indices(is_separator)
            .filter_map(|(at, separator)| self.0.get(..at + separator.len()))
            .map(|parent| Cow::Owned(format!("{parent}*")));
        std::iter::once(Cow::Borrowed(&*self.0))
            .chain(wider)
            .chain(std::iter::once(Cow::Borrowed(EVERYTHING)))
    }
}

/// A path that may end in a wildcard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern(Arc<str>);

impl PathPattern {
    /// The only door for a caller's text.
    ///
    /// # Errors
    /// [`InvalidPath`]
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        check(text)?;
        Ok(Self(text.into()))
    }

    /// The text as the caller gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether every path that `other` covers is covered by this one.
    pub fn includes(&self, other: &Self) -> bool {
        match self.0.strip_suffix(EVERYTHING) {
            // `a.*` includes `a.*`, `a.b` and `a.b.*`, but not `a`.
            Some(parent) => other.0.len() > parent.len() && other.0.starts_with(parent),
            None => self == other,
        }
    }

    /// The pattern as `globset` compiles it.
    ///
    /// # Errors
    /// Only if the grammar of paths ever grew beyond what it takes literally.
    pub(super) fn glob(&self) -> Result<Glob, globset::Error> {
        GlobBuilder::new(&self.0)
            .literal_separator(false)
            .backslash_escape(false)
            .build()
    }
}

impl Borrow<str> for PathPattern {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for PathPattern {
    type Error = InvalidPath;

    fn try_from(text: String) -> Result<Self, InvalidPath> {
        Self::parse(&text)
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> Self {
        pattern.0.as_ref().into()
    }
}

const fn is_separator(character: char) -> bool {
    matches!(character, '.' | '/')
}

fn check(text: &str) -> Result<(), InvalidPath> {
    if text.is_empty() || text.len() > CHARS_MAX && text.chars().count() > CHARS_MAX {
        return Err(InvalidPath::Length);
    }
    let mut segments = text.split(is_separator).peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() {
            return Err(InvalidPath::EmptySegment);
        }
        if segment == EVERYTHING && segments.peek().is_none() {
            return Ok(());
        }
        for byte in segment.bytes() {
            match byte {
                b'*' => return Err(InvalidPath::Wildcard),
                b'_' | b':' | b'@' | b'-' => {}
                _ if byte.is_ascii_alphanumeric() => {}
                _ => return Err(InvalidPath::Character),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn covers(pattern: &str, path: &str) -> bool {
        Path::parse(path).unwrap().covering().any(|text| text == pattern)
    }

    #[test]
    fn the_grammar_of_paths() {
        for good in [
            "orders",
            "a.b/c",
            "user:7@x-y_z",
            "*",
            "a.*",
            "a/*",
            "a.b.*",
            &"x".repeat(255),
        ] {
            assert!(PathPattern::parse(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", InvalidPath::Length),
            (&"x".repeat(256), InvalidPath::Length),
            (".", InvalidPath::EmptySegment),
            ("a.", InvalidPath::EmptySegment),
            ("a./b", InvalidPath::EmptySegment),
            ("/a", InvalidPath::EmptySegment),
            ("a b", InvalidPath::Character),
            ("é", InvalidPath::Character),
            ("a\\b", InvalidPath::Character),
            ("a[b]", InvalidPath::Character),
            ("a{b}", InvalidPath::Character),
            ("a?", InvalidPath::Character),
            ("**", InvalidPath::Wildcard),
            ("a.b*", InvalidPath::Wildcard),
            ("*.a", InvalidPath::Wildcard),
            ("a.*.b", InvalidPath::Wildcard),
        ] {
            assert_eq!(PathPattern::parse(bad), Err(why), "{bad}");
            assert!(Path::parse(bad).is_err(), "{bad}");
        }
        for wild in ["*", "a.*"] {
            assert_eq!(Path::parse(wild), Err(InvalidPath::WildcardInQuestion));
        }
    }

    #[test]
    fn a_final_wildcard_covers_descendants_and_not_the_parent() {
        assert!(covers("orders", "orders") && !covers("orders", "orders.refunds"));
        assert!(covers("orders.*", "orders.refunds") && covers("orders.*", "orders.refunds/eu"));
        assert!(
            !covers("orders.*", "orders") && !covers("orders.*", "ordersx") && !covers("orders.*", "orders/refunds")
        );
        assert!(covers("*", "orders") && covers("*", "orders.refunds"));
        assert!(!covers("Orders", "orders"), "byte for byte");
    }

    #[test]
    fn the_narrowest_pattern_comes_first() {
        let path = Path::parse("a.b/c").unwrap();
        let texts: Vec<_> = path.covering().collect();
        assert_eq!(texts, ["a.b/c", "a.b/*", "a.*", "*"]);
    }

    fn pattern_text() -> impl Strategy<Value = String> {
        let segment = prop_oneof![Just("a"), Just("b"), Just("ab"), Just("a:b"), Just("-")];
        let joined = proptest::collection::vec((segment, prop_oneof![Just("."), Just("/")]), 0..4);
        (joined, any::<bool>()).prop_map(|(parts, wild)| {
            let mut text: String = parts
                .iter()
                .map(|(segment, separator)| format!("{segment}{separator}"))
                .collect();
            if wild || text.is_empty() {
                text.push('*');
            } else {
                text.pop();
            }
            text
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn texts_and_globs_agree(pattern in pattern_text(), path in pattern_text()) {
            let Ok(asked) = Path::parse(&path) else { return Ok(()) };
            let compiled = PathPattern::parse(&pattern).unwrap().glob().unwrap().compile_matcher();
            prop_assert_eq!(covers(&pattern, asked.as_str()), compiled.is_match(asked.as_str()));
        }

        #[test]
        fn inclusion_is_about_the_paths_covered(wide in pattern_text(), narrow in pattern_text(), path in pattern_text()) {
            let Ok(asked) = Path::parse(&path) else { return Ok(()) };
            let (wide, narrow) = (PathPattern::parse(&wide).unwrap(), PathPattern::parse(&narrow).unwrap());
            if wide.includes(&narrow) && covers(narrow.as_str(), asked.as_str()) {
                prop_assert!(covers(wide.as_str(), asked.as_str()));
            }
        }
    }
}
