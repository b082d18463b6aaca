//! Text that must not be seen: credentials and the master key.

use std::fmt;

use zeroize::Zeroizing;

/// A secret: zeroised when dropped, and never shown, compared in time that depends on its content, or serialised.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes over the bytes; the caller keeps no copy.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The secret that a text file holds: editors and `echo` end a text with a line break that is no part of it. Raw bytes are kept
    /// as they are.
    pub fn of_text_file(content: &[u8]) -> Self {
        let secret = match std::str::from_utf8(content) {
            Ok(text) => text.trim_end_matches(['\r', '\n']).as_bytes(),
            Err(_) => content,
        };
        Self::new(secret.to_vec())
    }

    /// Whether it can travel as a credential in a header (RFC 6750 section 2.1).
    pub fn fits_a_header(&self) -> bool {
        !self.is_empty() && self.0.iter().all(u8::is_ascii_graphic)
    }

    /// The bytes themselves, for the one place that uses them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares in time that depends on the candidate's length only, so that answers do not spell the secret out.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        let mut difference = u8::from(self.0.len() != candidate.len());
        let padding = [0_u8];
        let own = self.0.iter().chain(padding.iter().cycle());
        for (own, given) in own.zip(candidate) {
            difference |= std::hint::black_box(own ^ given);
        }
        std::hint::black_box(difference) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(withheld)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_it() {
        let secret = Secret::new(b"correct horse battery staple".to_vec());
        assert_eq!(format!("{secret:?}"), "Secret(withheld)");
    }

    #[test]
    fn only_the_same_bytes_match() {
        let secret = Secret::new(b"abc".to_vec());
        assert!(secret.matches(b"abc"));
        for other in [&b""[..], b"ab", b"abd", b"abcd", b"abc\0", b"ABC"] {
            assert!(!secret.matches(other), "{other:?}");
        }
    }
}
