//! Facts that are overwritten in place instead of being told as events, because they change too often for a log.

use super::vault::VaultChange;
use crate::id::{Jti, KeyId};
use crate::journal::{SideChange, Space};

/// First byte of the key of a session's row; the token's identifier follows.
const SESSION_USED: u8 = b'u';

/// A fact that is overwritten in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowChange {
    /// A session has counted this many events in all.
    SessionUsed {
        /// The session's token.
        jti: Jti,
        /// Counted in all.
        used: u32,
    },
    /// A session is gone.
    SessionForgotten(Jti),
    /// A signing key is gone, and its private part with it.
    KeyForgotten(KeyId),
}

impl RowChange {
    /// The change as the journal writes it.
    pub(crate) fn row(&self) -> SideChange {
        let (jti, value) = match self {
            Self::SessionUsed { jti, used } => (jti, Some(used.to_be_bytes().to_vec())),
            Self::SessionForgotten(jti) => (jti, None),
            Self::KeyForgotten(kid) => return VaultChange::EraseSigningKey(*kid).row(),
        };
        let key = [&[SESSION_USED], jti.as_bytes().as_slice()].concat();
        SideChange {
            space: Space::Row,
            key,
            value,
        }
    }

    /// The change that deletes the row.
    pub(crate) const fn forgotten(&self) -> Option<Self> {
        match self {
            Self::SessionUsed { jti, .. } => Some(Self::SessionForgotten(*jti)),
            Self::SessionForgotten(_) | Self::KeyForgotten(_) => None,
        }
    }

    /// The change that put this row there.
    ///
    /// # Errors
    /// A description of what is wrong with the row.
    pub(crate) fn from_row(key: &[u8], value: &[u8]) -> Result<Self, String> {
        let (jti, used) = match (key.split_first(), value.try_into()) {
            (Some((&SESSION_USED, jti)), Ok(used)) => (jti, u32::from_be_bytes(used)),
            _ => return Err("a row is of no known kind".to_owned()),
        };
        let jti = jti.try_into().map_err(|_| "a session's row has a malformed key")?;
        Ok(Self::SessionUsed {
            jti: Jti::from_bytes(jti),
            used,
        })
    }
}
