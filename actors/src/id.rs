//! Identifiers: opaque UUIDs for things this service makes, bounded text for names that callers choose.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::limits::NAME_CHARS_MAX;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID.
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// Parses the textual form of a UUID, in any of its usual spellings.
            pub fn parse(text: &str) -> Option<Self> {
                Uuid::try_parse(text).ok().map(Self)
            }

            /// The sixteen bytes of the UUID, in network order.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The identifier made of these sixteen bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

uuid_id!(
    /// A customer (tenant): the unit of isolation and the `sub` of its tokens.
    CustomerId
);
uuid_id!(
    /// The `jti` of a token (RFC 7519 section 4.1.7): a name, never a credential.
    Jti
);
uuid_id!(
    /// The `kid` of a signing key (RFC 7515 section 4.1.4).
    KeyId
);

/// Why a caller's text cannot be used as a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing was given.
    #[error("must not be empty")]
    Empty,
    /// More than [`NAME_CHARS_MAX`] characters.
    #[error("must have at most {NAME_CHARS_MAX} characters")]
    TooLong,
    /// A control character stands in it.
    #[error("must not contain control characters")]
    ControlCharacter,
    /// A `|` stands in an event id, where it separates the parts of a cosigned message.
    #[error("must not contain `|`")]
    Separator,
}

/// Checks a caller's text against the limits that all ids and names share: 1 to 255 characters, no control characters.
fn check_name(text: &str) -> Result<(), InvalidName> {
    if text.is_empty() {
        return Err(InvalidName::Empty);
    }
    // Bytes bound characters from above, so short ASCII names skip the count.
    if text.len() > NAME_CHARS_MAX && text.chars().count() > NAME_CHARS_MAX {
        return Err(InvalidName::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidName::ControlCharacter);
    }
    Ok(())
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $extra:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// The only door for a caller's text.
            ///
            /// # Errors
            /// [`InvalidName`] says which limit the text breaks.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                check_name(text)?;
                let extra: fn(&str) -> Result<(), InvalidName> = $extra;
                extra(text)?;
                Ok(Self(text.into()))
            }

            /// The text as the caller gave it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A display name: of an application or of an agent.
    Name,
    |_| Ok(())
);
text_id!(
    /// The caller's identifier of an agent instance.
    AgentId,
    |_| Ok(())
);
text_id!(
    /// The caller's identifier of a session.
    SessionId,
    |_| Ok(())
);
text_id!(
    /// The caller's identifier of an event flagged for review. Free of `|`, which separates the parts of the cosigned message.
    EventId,
    |text| if text.contains('|') { Err(InvalidName::Separator) } else { Ok(()) }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_to_255_characters_whatever_their_bytes() {
        assert_eq!(Name::parse(""), Err(InvalidName::Empty));
        assert!(Name::parse(&"é".repeat(255)).is_ok());
        assert_eq!(Name::parse(&"é".repeat(256)), Err(InvalidName::TooLong));
        assert_eq!(Name::parse("a\u{7}b"), Err(InvalidName::ControlCharacter));
        assert_eq!(Name::parse("a\u{85}b"), Err(InvalidName::ControlCharacter));
    }

    #[test]
    fn only_an_event_id_refuses_the_separator() {
        assert_eq!(EventId::parse("evt|1"), Err(InvalidName::Separator));
        assert!(AgentId::parse("agent|1").is_ok());
        assert!(EventId::parse("evt-a1b2c3d4-5678-9012-abcd-ef3456789012").is_ok());
    }
}
