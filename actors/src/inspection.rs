//! Looking into a stopped store: what happened to whom, in order, with secrets withheld. Needs no master key.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::clock::UnixMillis;
use crate::data_dir::{DataDir, DataDirError};
use crate::id::CustomerId;
use crate::journal::{OpenError, ReadError, StoppedJournal, Visit};
use crate::token::TokenKind;

/// What stands in the place of a secret.
pub const WITHHELD: &str = "(withheld)";

/// Members whose names end so are withheld, whatever they hold. No event holds a token or a private key; an app token's record
/// holds the digest of its hash, and that names the token as a parent.
const WITHHELD_ENDINGS: [&str; 5] = ["hash", "digest", "secret", "cosignature", "sealed"];

/// What every token begins with.
const TOKEN_START: &str = "qt_";

/// Why a store cannot be looked into.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The data directory cannot be used: a running service holds it, or there is none.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What is stored is damaged, or cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An entry that no version of this program writes.
    #[error("customer {customer}, sequence {sequence}: {message}")]
    Event {
        /// Whose it is.
        customer: CustomerId,
        /// Its place.
        sequence: u64,
        /// What is wrong with it.
        message: String,
    },
}

/// One entry of a customer's journal, as it may be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownEvent {
    /// Its place among the customer's events, from 1.
    pub sequence: u64,
    /// When it happened.
    pub at: UnixMillis,
    /// What happened, such as `token_minted`.
    pub name: String,
    /// The facts of it, as recorded, with secrets withheld.
    pub details: Value,
}

/// A stopped store, locked until this is dropped.
pub struct Inspection {
    journal: StoppedJournal,
}

impl Inspection {
    /// Opens the store in a data directory without changing what it holds.
    ///
    /// # Errors
    /// [`DataDirError::Locked`] while a service holds it, [`DataDirError::NoData`] if nothing was ever kept there, and
    /// [`InspectError::Open`] if the store is damaged or of another version.
    pub fn open(data_dir: &Path) -> Result<Self, InspectError> {
        let data_dir = DataDir::lock_existing(data_dir)?;
        Ok(Self {
            journal: StoppedJournal::open(data_dir)?,
        })
    }

    /// The next customers behind this one, in the order of their ids, at most 1,000; none when there are no more.
    ///
    /// # Errors
    /// [`InspectError::Read`].
    pub fn customers(&self, after: Option<CustomerId>) -> Result<Vec<CustomerId>, InspectError> {
        Ok(self.journal.tenants(after, usize::MAX)?)
    }

    /// Visits a customer's events in order. Returns the sequence up to which older ones were folded away, or `None` if there is no
    /// record of this customer.
    ///
    /// # Errors
    /// [`InspectError::Read`] or [`InspectError::Event`] at the first entry that is damaged; those before it have been visited.
    pub fn events(
        &self,
        customer: CustomerId,
        mut visit: impl FnMut(ShownEvent) -> Visit,
    ) -> Result<Option<u64>, InspectError> {
        self.journal.events(customer, |sequence, bytes| {
            let shown = show(sequence, bytes).map_err(|message| InspectError::Event {
                customer,
                sequence,
                message,
            })?;
            Ok(visit(shown))
        })
    }
}

/// An entry as far as it has to be understood: a store may be looked into by a version that does not know all of its events. What
/// stands beside the event, such as the digests of an idempotency key, is not shown.
#[derive(Deserialize)]
struct Entry {
    at: UnixMillis,
    event: Value,
}

fn show(sequence: u64, bytes: &[u8]) -> Result<ShownEvent, String> {
    // The error is not quoted: it may hold a piece of what it could not read.
    let unreadable = || "the entry is no event".to_owned();
    let Entry { at, event } = serde_json::from_slice(bytes).map_err(|_| unreadable())?;
    let (name, mut details) = match event {
        Value::String(name) => (name, Value::Null),
        Value::Object(members) if members.len() == 1 => members.into_iter().next().ok_or_else(unreadable)?,
        _ => return Err(unreadable()),
    };
    withhold(&mut details);
    Ok(ShownEvent {
        sequence,
        at,
        name,
        details,
    })
}

fn withhold(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if WITHHELD_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                    *member = WITHHELD.into();
                } else {
                    withhold(member);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(withhold),
        // A caller may have put a token where a name or a reason belongs.
        Value::String(text) if holds_token(text) => *value = WITHHELD.into(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn holds_token(text: &str) -> bool {
    let mut starts = text.match_indices(TOKEN_START).filter_map(|(at, _)| text.get(at..));
    starts.any(|rest| TokenKind::from_prefix(rest).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_or_proves_a_token_is_withheld_wherever_it_stands() {
        let entry = br#"{"at":1000,"event":{"token_minted":{"jti":"j","details":{"app":{"name":"qt_app_x.y.z","hash":"aGFzaA"}},
            "reason":"stolen: qt_agent_x.y.z","list":[{"override_secret":[1,2]}]}},"idempotency":{"scope":"c2NvcGU","request":"cmVxdWVzdA"}}"#;
        let shown = show(7, entry).unwrap();
        assert_eq!(
            (shown.sequence, shown.at.get(), shown.name.as_str()),
            (7, 1_000, "token_minted")
        );
        let text = shown.details.to_string();
        for secret in ["aGFzaA", "qt_app_", "qt_agent_", "[1,2]", "c2NvcGU", "cmVxdWVzdA"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert_eq!(shown.details["jti"], "j");
    }

    #[test]
    fn an_event_of_a_later_version_is_shown_and_what_is_none_is_refused_without_a_quote() {
        let shown = show(1, br#"{"at":0,"event":"customer_frozen"}"#).unwrap();
        assert_eq!((shown.name.as_str(), shown.details), ("customer_frozen", Value::Null));
        for bytes in [
            &b"hush"[..],
            br#"{"at":0,"event":{"a":1,"hush":2}}"#,
            br#"{"at":"hush","event":"a"}"#,
        ] {
            assert!(!show(1, bytes).unwrap_err().contains("hush"));
        }
    }
}
