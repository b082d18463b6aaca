//! What it takes to accept a presented token as a credential: the key that verifies it, and whether it covers a call.

use super::{Access, Command, Decided, Moment};
use crate::crypto::keys::PublicKey;
use crate::id::KeyId;
use crate::tenant::{Rejection, State};

/// Asks for the public part of a key that signed, signs or will sign for a customer.
#[derive(Clone, Copy, Debug)]
pub struct FindKey {
    /// The key.
    pub kid: KeyId,
}

impl Command for FindKey {
    type Reply = Option<PublicKey>;

    fn access(&self) -> Access {
        Access::Public
    }

    fn decide(self, state: &State, _moment: &Moment<'_>) -> Result<Decided<Self::Reply>, Rejection> {
        Ok(Decided::answer(state.keys.get(self.kid).map(|key| key.public)))
    }
}

/// Asks whether the caller is what a call outside any tenant's rules needs.
#[derive(Clone, Copy, Debug)]
pub struct Authenticate {
    /// What the call needs.
    pub access: Access,
}

impl Command for Authenticate {
    type Reply = ();

    fn access(&self) -> Access {
        self.access
    }

    fn decide(self, _state: &State, _moment: &Moment<'_>) -> Result<Decided<()>, Rejection> {
        Ok(Decided::answer(()))
    }
}
