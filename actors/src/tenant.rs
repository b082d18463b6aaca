//! What one customer is made of: the events that happened to it, the state they add up to, why it refuses, and the actor that
//! owns it.

pub(crate) mod actor;
pub mod agent_denial;
pub mod audit;
pub mod decisions;
pub mod event;
pub mod folding;
pub mod idempotency;
pub mod keys;
pub(crate) mod minting;
pub(crate) mod notes;
pub(crate) mod origin;
pub mod permissions;
pub mod record;
pub(crate) mod recovery;
pub mod rejection;
pub mod restoration;
pub mod revocations;
pub mod rows;
pub mod state;
pub mod tokens;
pub(crate) mod turn;
pub mod vault;
pub mod walk;

pub use rejection::{Needed, Rejection};
pub use state::State;
