//! Who and what permissions are about: users by the caller's own names, overrides and roles by ours.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::{UnixMillis, fresh_uuid};
use crate::id::{InvalidName, Name};

/// The caller's identifier of a user, or of an agent as a subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AdminId(Arc<str>);

impl AdminId {
    /// The only door for a caller's text.
    ///
    /// # Errors
    /// [`InvalidName`] if it is empty, longer than 255 characters, or has control characters.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        Name::parse(text).map(|name| Self(name.as_str().into()))
    }

    /// The text as the caller gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Lets a map be asked with any text, such as an agent's identifier.
impl Borrow<str> for AdminId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AdminId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An override's identifier: `ovr_` and 32 hexadecimal digits, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OverrideId(Uuid);

impl OverrideId {
    const PREFIX: &'static str = "ovr_";

    /// A fresh one.
    pub fn fresh(now: UnixMillis) -> Self {
        Self(fresh_uuid(now))
    }

    /// Reads the one spelling that this service gives out.
    pub fn parse(text: &str) -> Option<Self> {
        parse_simple(text, Self::PREFIX).map(Self)
    }
}

impl fmt::Display for OverrideId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.0.simple())
    }
}

/// A role's identifier: one of the two built-in names, or `role_` and 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleId {
    /// Everything.
    SuperAdmin,
    /// Reading and listing everything.
    Viewer,
    /// A role that the customer made.
    Made(Uuid),
}

impl RoleId {
    const PREFIX: &'static str = "role_";
    pub(super) const SUPER_ADMIN: &'static str = "super-admin";
    pub(super) const VIEWER: &'static str = "viewer";

    /// A fresh one.
    pub fn fresh(now: UnixMillis) -> Self {
        Self::Made(fresh_uuid(now))
    }

    /// Reads a built-in name, or the one spelling that this service gives out.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            Self::SUPER_ADMIN => Some(Self::SuperAdmin),
            Self::VIEWER => Some(Self::Viewer),
            _ => parse_simple(text, Self::PREFIX).map(Self::Made),
        }
    }

    /// Whether nobody can change or delete it.
    pub const fn is_built_in(self) -> bool {
        matches!(self, Self::SuperAdmin | Self::Viewer)
    }
}

impl fmt::Display for RoleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SuperAdmin => f.write_str(Self::SUPER_ADMIN),
            Self::Viewer => f.write_str(Self::VIEWER),
            Self::Made(id) => write!(f, "{}{}", Self::PREFIX, id.simple()),
        }
    }
}

/// Only 32 lower-case digits: an identifier has one spelling, as every text that is compared should.
fn parse_simple(text: &str, prefix: &str) -> Option<Uuid> {
    let digits = text.strip_prefix(prefix).filter(|digits| digits.len() == 32)?;
    let is_lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    digits
        .bytes()
        .all(is_lower)
        .then(|| Uuid::try_parse(digits).ok())
        .flatten()
}

macro_rules! written_as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an identifier"))
            }
        }
    };
}

written_as_text!(OverrideId);
written_as_text!(RoleId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_one_spelling() {
        let id = OverrideId::fresh(UnixMillis::new(1));
        let text = id.to_string();
        assert_eq!(OverrideId::parse(&text), Some(id));
        assert!(text.len() >= "ovr_".len() + 16);
        assert_eq!(OverrideId::parse(&text.to_uppercase().replace("OVR_", "ovr_")), None);
        for other in ["", "ovr_", "ovr_abc123", &text[4..], &text.replace("ovr_", "role_")] {
            assert_eq!(OverrideId::parse(other), None, "{other}");
        }
    }

    #[test]
    fn built_in_roles_go_by_their_names() {
        for (text, id) in [("super-admin", RoleId::SuperAdmin), ("viewer", RoleId::Viewer)] {
            assert_eq!(RoleId::parse(text), Some(id));
            assert_eq!(id.to_string(), text);
            assert!(id.is_built_in());
        }
        let made = RoleId::fresh(UnixMillis::new(1));
        assert_eq!(RoleId::parse(&made.to_string()), Some(made));
        let written = serde_json::to_string(&made).unwrap();
        assert_eq!(serde_json::from_str::<RoleId>(&written).unwrap(), made);
    }
}
