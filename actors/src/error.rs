//! How a command can fail: whether it happened is never left open but in one case, and that case has its own name.

use crate::tenant::Rejection;

/// Why a command brought no answer of its own.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Failure {
    /// A rule refused it. It did not happen.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// There was no room for it. It did not happen.
    #[error("{0}")]
    Overloaded(Overload),
    /// It was interrupted before it was recorded. It did not happen; it can be repeated.
    #[error("the call was interrupted before it was recorded; it can be repeated")]
    Interrupted,
    /// The tenant's records cannot be read. It did not happen, and repeating it does not help until an operator has looked.
    #[error("the customer's records cannot be read")]
    Unreadable,
    /// The journal failed while it was being written. It may have happened.
    #[error("the journal failed; whether the call took effect will be known after recovery")]
    Indeterminate,
    /// A cryptographic operation failed. What was recorded stays recorded; the answer could not be made.
    #[error("a cryptographic operation failed")]
    Crypto,
}

/// What there was no room in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Overload {
    /// The tenant has as many commands in flight as it may.
    #[error("the customer has too many calls in flight")]
    Tenant,
    /// The process has as many commands in flight as it may.
    #[error("the service has too many calls in flight")]
    Process,
    /// The process is shutting down.
    #[error("the service is shutting down")]
    Draining,
    /// The disk is nearly full; reads go on.
    #[error("storage is low; nothing can be written until there is room again")]
    StorageLow,
}
