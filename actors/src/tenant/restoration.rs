//! What happens to a customer that was read back from a backup. Whatever happened after the backup was taken is not known here, so
//! nothing may be granted because of what was true then.

use serde::{Deserialize, Serialize};

use super::revocations::Target;
use super::state::State;
use crate::clock::{UnixMillis, UnixSeconds};
use crate::id::EventId;

/// Why keys and tokens are dead, as the feed tells it.
pub const RESTORED: &str = "restored from a backup";

/// A part of a restoration. What has an event of its own is told by that: keys are revoked, permissions are suspended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restoration {
    /// These flagged events had override tokens and no decision when the backup was taken. They may have been decided since, so
    /// nothing decides them here any more.
    EventsBarred {
        /// The events.
        event_ids: Vec<EventId>,
    },
    /// The end of the restoration: every token from before is dead.
    CustomerRestored {
        /// When the backup was taken.
        taken_at: UnixMillis,
        /// The second after it: no token is issued before this one any more.
        issued_before: UnixSeconds,
    },
}

impl State {
    /// Adds a part of a restoration.
    ///
    /// # Errors
    /// What does not fit.
    pub(super) fn apply_restoration(
        &mut self,
        sequence: u64,
        at: UnixMillis,
        restoration: Restoration,
    ) -> Result<(), &'static str> {
        match restoration {
            Restoration::EventsBarred { event_ids } => {
                event_ids
                    .into_iter()
                    .for_each(|event_id| self.decisions.bar(event_id, at));
                Ok(())
            }
            Restoration::CustomerRestored {
                taken_at: _,
                issued_before,
            } => {
                // What is minted from here on must not look as if it were from before.
                self.advance_to(issued_before.millis());
                self.revoke(
                    sequence,
                    Target::Restoration { issued_before },
                    at,
                    Some(RESTORED.into()),
                )
            }
        }
    }
}
