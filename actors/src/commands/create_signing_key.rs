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
