//! A customer's first signing key, which brings the customer into being, or a new one after the last was revoked.

use std::sync::Arc;

use super::{Access, Command, Decided, KeyInfo, Moment, NewKey};
use crate::crypto::sealed::SealedSecret;
use crate::tenant::audit::AuditDraft;
use crate::tenant::event::Event;
use crate::tenant::idempotency::Outcome;
use crate::tenant::vault::VaultChange;
use crate::tenant::{Rejection, State};
use crate::token::Scope;

/// Makes a signing key for a customer that has none.
#[derive(Debug)]
pub struct CreateSigningKey {
    /// The key, made and sealed outside.
    pub key: NewKey,
    /// A secret for cosignatures, kept if the customer has none yet.
    pub override_secret: Arc<SealedSecret>,
}

impl Command for CreateSigningKey {
    type Reply = KeyInfo;

    const CREATES_CUSTOMER: bool = true;

    fn access(&self) -> Access {
        Access::Scope(Scope::KeysManage)
    }

    fn decide(self, state: &State, moment: &Moment<'_>) -> Result<Decided<KeyInfo>, Rejection> {
        if let Some(key) = state
            .keys
            .active(moment.now)
            .or_else(|| state.keys.upcoming(moment.now))
        {
            return Err(Rejection::ActiveKeyExists { kid: key.kid });
        }
        if state.keys.is_full() {
            return Err(Rejection::KeyLimit);
        }
        let made = self.key.made(moment.now);
        let mut vault = vec![VaultChange::PutSigningKey(self.key.sealed)];
        if state.vault.override_secret().is_none() {
            vault.push(VaultChange::PutOverrideSecret(self.override_secret));
        }
        let reply = KeyInfo::of(&made, moment.now);
        let audit = AuditDraft::new("signing_key.created", made.kid);
        let outcome = Outcome::Key(made.kid);
        let decided = Decided::event(Event::SigningKeyCreated(made), reply)
            .audited(audit)
            .coming_to(outcome);
        Ok(Decided { vault, ..decided })
    }

    fn repeat(&self, state: &State, _moment: &Moment<'_>, outcome: &Outcome) -> Result<KeyInfo, Rejection> {
        KeyInfo::again(state, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::{Given, kid, new_key, override_secret};
    use crate::commands::{RevokeMany, Selector};

    fn create(number: u128) -> CreateSigningKey {
        CreateSigningKey {
            key: new_key(kid(number)),
            override_secret: override_secret(),
        }
    }

    #[test]
    fn a_first_key_brings_the_customer_and_its_override_secret_into_being() {
        let decided = Given::nobody().when(create(7)).unwrap();
        assert!(matches!(decided.events.as_slice(), [Event::SigningKeyCreated(made)] if made.kid == kid(7)));
        assert_eq!(decided.vault.len(), 2);
        assert_eq!(decided.reply.kid, kid(7));
    }

    #[test]
    fn a_second_key_is_refused_and_points_to_the_first() {
        let given = Given::customer();
        assert_eq!(
            given.when(create(7)).err(),
            Some(Rejection::ActiveKeyExists { kid: given.kid })
        );
    }

    #[test]
    fn after_a_revocation_a_new_key_is_made_and_the_override_secret_stays() {
        let selector = Selector::Key(kid(1));
        let given = Given::customer().then(RevokeMany { selector, reason: None });
        let decided = given.when(create(7)).unwrap();
        assert!(matches!(decided.vault.as_slice(), [VaultChange::PutSigningKey(_)]));
    }
}
