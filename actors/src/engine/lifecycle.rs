//! What becomes of tokens: revoked, introspected, decided with; and what can be read of all that.

use std::fmt;
use std::time::Duration;

use super::Engine;
use crate::clock::UnixMillis;
use crate::commands::{
    Access, Active, Authenticate, Authorization, Authorize, Call, Command, CountSelected, DecideEvent, Describe,
    EventFile, FindEvent, FindOverrideSecret, Introspect, ListDescendants, ListLiveKinds, ListRevocations, Overview,
    PresentedToken, RevokeMany, RevokeToken, Taken,
};
use crate::crypto::digest::{cosign, cosignature_is_valid};
use crate::error::{Failure, Overload};
use crate::id::{CustomerId, EventId, Jti};
use crate::limits::{FEED_WAIT_SECONDS_MAX, REVOKED_LISTED_MAX};
use crate::tenant::Rejection;
use crate::tenant::revocations::Revocation;
use crate::token::{Decision, Scope, TokenKind};

/// Times that a slice of a walk is asked for while its tenant is busy, and the pause between: some seconds in all.
pub(super) const SLICE_ATTEMPTS: u32 = 500;
pub(super) const SLICE_PAUSE: Duration = Duration::from_millis(10);

/// What a cascade reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cascaded {
    /// The token and every unexpired token derived from it.
    pub revoked_count: usize,
    /// The same tokens, the root first; not all of them if there are more than [`REVOKED_LISTED_MAX`].
    pub revoked: Vec<Jti>,
}

impl Cascaded {
    /// Whether not all are listed.
    pub const fn truncated(&self) -> bool {
        self.revoked.len() < self.revoked_count
    }
}

/// A decision with its cosignature.
#[derive(Clone)]
pub struct Cosigned {
    /// The decision.
    pub taken: Taken,
    /// Hex HMAC-SHA256 over the decision: proof that a human took it, so `Debug` does not show it.
    pub cosignature: String,
}

impl fmt::Debug for Cosigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cosigned")
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Revokes a token and everything derived from it, by one event, then lists what it reached, in slices that let the shard's
    /// other tenants through.
    ///
    /// # Errors
    /// [`Rejection::TokenNotFound`]; otherwise as [`Engine::execute`].
    pub async fn cascade(&self, customer: CustomerId, call: Call<RevokeToken>) -> Result<Cascaded, Failure> {
        let root = call.command.jti;
        self.execute(customer, call).await?;
        let root_alone = || Cascaded {
            revoked_count: 1,
            revoked: vec![root],
        };
        let (mut cascaded, mut after) = (root_alone(), None);
        loop {
            // The caller's own token may be among those that it revoked, so the rest is done in the operator's name.
            let Some(slice) = self.slice(customer, ListDescendants { root, after }).await? else {
                (cascaded, after) = (root_alone(), None);
                continue;
            };
            cascaded.revoked_count += slice.found.len();
            let room = REVOKED_LISTED_MAX.saturating_sub(cascaded.revoked.len());
            cascaded.revoked.extend(slice.found.into_iter().take(room));
            if slice.next.is_none() {
                return Ok(cascaded);
            }
            after = slice.next;
        }
    }

    /// Revokes many tokens by one event, then counts the unexpired tokens that it reached.
    ///
    /// # Errors
    /// [`Rejection::KeyNotFound`], [`Rejection::InvalidField`]; otherwise as [`Engine::execute`].
    pub async fn revoke_many(&self, customer: CustomerId, call: Call<RevokeMany>) -> Result<usize, Failure> {
        let selector = call.command.selector.clone();
        self.execute(customer, call).await?;
        let (mut count, mut after) = (0, None);
        loop {
            let slice = self
                .slice(
                    customer,
                    CountSelected {
                        selector: selector.clone(),
                        after,
                    },
                )
                .await?;
            count += slice.found.len();
            if slice.next.is_none() {
                return Ok(count);
            }
            after = slice.next;
        }
    }

    /// A slice of a walk over what an event has done already. A tenant that is busy makes the walk wait, because a refusal would
    /// say that nothing happened.
    pub(super) async fn slice<C: Command + Clone>(
        &self,
        customer: CustomerId,
        command: C,
    ) -> Result<C::Reply, Failure> {
        for _ in 0..SLICE_ATTEMPTS {
            match self.manage(customer, command.clone()).await {
                Err(Failure::Overloaded(Overload::Tenant | Overload::Process)) => tokio::time::sleep(SLICE_PAUSE).await,
                answered => return answered,
            }
        }
        self.manage(customer, command).await
    }

    /// Whether a token is active, for a caller who may read the customer's tokens; whatever is wrong with it, it is just not.
    ///
    /// # Errors
    /// As [`Engine::execute`], but never about the token.
    pub async fn introspect(&self, token: &str, call: Call<Option<CustomerId>>) -> Result<Option<Active>, Failure> {
        let (customer, token, call) = match self.presented(token, &call).await? {
            Some((customer, token)) => (customer, token, call.map(|_| ())),
            None => return self.may_ask(call).await.map(|()| None),
        };
        not_about_the_customer(self.execute(customer, call.map(|()| Introspect { token })).await, None)
    }

    /// Whether a token allows an action; a token that is not active allows none.
    ///
    /// # Errors
    /// As [`Engine::execute`], but never about the token.
    pub async fn authorize(
        &self,
        token: &str,
        action: &str,
        resource: &str,
        sensitivity_level: u8,
        call: Call<Option<CustomerId>>,
    ) -> Result<Authorization, Failure> {
        let (customer, token, call) = match self.presented(token, &call).await? {
            Some((customer, token)) => (customer, token, call.map(|_| ())),
            None => return self.may_ask(call).await.map(|()| Authorization::inactive()),
        };
        let (action, resource) = (action.into(), resource.into());
        let command = Authorize {
            token,
            action,
            resource,
            sensitivity_level,
        };
        not_about_the_customer(
            self.execute(customer, call.map(|()| command)).await,
            Authorization::inactive(),
        )
    }

    /// The customer and the verified token, if the signature is right and the caller, who belongs to the customer in the call if to
    /// any, may know of it.
    async fn presented(
        &self,
        token: &str,
        call: &Call<Option<CustomerId>>,
    ) -> Result<Option<(CustomerId, PresentedToken)>, Failure> {
        match self.verify(token, call.command).await {
            Ok(verified) => Ok(Some(verified)),
            Err(Failure::Rejected(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Whether the caller may ask about tokens at all, also about one that no tenant has to be asked about.
    async fn may_ask(&self, call: Call<Option<CustomerId>>) -> Result<(), Failure> {
        match call.command {
            Some(own) => {
                let access = Access::Scope(Scope::TokensRead);
                self.check_access(own, call.map(|_| access)).await
            }
            None => Ok(()),
        }
    }

    /// Takes a decision with an override token and cosigns it.
    ///
    /// # Errors
    /// The rejections of [`DecideEvent`]; otherwise as [`Engine::execute`].
    pub async fn decide_event(&self, customer: CustomerId, call: Call<DecideEvent>) -> Result<Cosigned, Failure> {
        let taken = self.execute(customer, call).await?;
        self.cosigned(taken)
    }

    /// What is known of an event, its decision cosigned.
    ///
    /// # Errors
    /// [`Rejection::EventNotFound`]; otherwise as [`Engine::execute`].
    pub async fn find_event(
        &self,
        customer: CustomerId,
        call: Call<FindEvent>,
    ) -> Result<(EventFile, Option<Cosigned>), Failure> {
        let file = self.execute(customer, call).await?;
        let cosigned = file.taken.clone().map(|taken| self.cosigned(taken)).transpose()?;
        Ok((file, cosigned))
    }

    /// Whether a cosignature is this service's for this decision. Needs no record of the decision.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn verify_cosignature(
        &self,
        customer: CustomerId,
        call: Call<(EventId, Decision, Jti)>,
        cosignature: &str,
    ) -> Result<bool, Failure> {
        let (event_id, decision, override_jti) = call.command.clone();
        let secret = self.execute(customer, call.map(|_| FindOverrideSecret)).await?;
        let Some(secret) = secret else { return Ok(false) };
        let secret = secret.open(self.sealer()).map_err(|_| Failure::Crypto)?;
        Ok(cosignature_is_valid(
            secret,
            &event_id,
            decision,
            override_jti,
            cosignature,
        ))
    }

    fn cosigned(&self, taken: Taken) -> Result<Cosigned, Failure> {
        let secret = taken.secret.open(self.sealer()).map_err(|error| {
            tracing::error!(%error, "a customer's override secret does not open");
            Failure::Crypto
        })?;
        let cosignature = cosign(
            secret,
            &taken.event_id,
            taken.record.decision,
            taken.record.override_jti,
        );
        Ok(Cosigned { taken, cosignature })
    }

    /// The revocations after a place in the feed. If there are none, waits up to `wait_seconds` for the next.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn revocations(
        &self,
        customer: CustomerId,
        call: Call<ListRevocations>,
        wait_seconds: u32,
    ) -> Result<Vec<Revocation>, Failure> {
        let waiter = self.inner.shared.feed.join(customer);
        let woken = waiter.as_ref().map(|waiter| waiter.notify.notified());
        let mut woken = std::pin::pin!(woken);
        if let Some(woken) = woken.as_mut().as_pin_mut() {
            // From here on nothing is missed, also not between the look and the wait.
            woken.enable();
        }
        let found = self.execute(customer, call.clone()).await?;
        let limit = Duration::from_secs(u64::from(wait_seconds.min(FEED_WAIT_SECONDS_MAX)));
        let Some(woken) = woken.as_pin_mut() else {
            return Ok(found);
        };
        if !found.is_empty() || limit.is_zero() {
            return Ok(found);
        }
        match tokio::time::timeout(limit, woken).await {
            Ok(()) => self.execute(customer, call).await,
            Err(_) => Ok(found),
        }
    }

    /// An overview of a customer, with the number of live tokens of each kind.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn describe(
        &self,
        customer: CustomerId,
        call: Call<Describe>,
    ) -> Result<(Overview, [(TokenKind, usize); 6]), Failure> {
        let overview = self.execute(customer, call.clone()).await?;
        let mut counts = [
            (TokenKind::App, 0),
            (TokenKind::Bearer, 0),
            (TokenKind::Agent, 0),
            (TokenKind::Subagent, 0),
            (TokenKind::Session, 0),
            (TokenKind::Override, 0),
        ];
        let mut after = None;
        loop {
            let slice = self
                .execute(customer, call.clone().map(|_| ListLiveKinds { after }))
                .await?;
            for (kind, count) in &mut counts {
                *count += slice.found.iter().filter(|found| *found == kind).count();
            }
            if slice.next.is_none() {
                return Ok((overview, counts));
            }
            after = slice.next;
        }
    }

    /// Whether the caller may do what needs `access`.
    ///
    /// # Errors
    /// [`Rejection::UnknownCustomer`], [`Rejection::InvalidCredential`], [`Rejection::Forbidden`]; otherwise as [`Engine::execute`].
    pub async fn check_access(&self, customer: CustomerId, call: Call<Access>) -> Result<(), Failure> {
        self.execute(customer, call.map(|access| Authenticate { access })).await
    }

    /// The earliest moment that the audit still tells of.
    pub fn audit_from(&self) -> UnixMillis {
        self.now().plus_seconds(-crate::limits::AUDIT_KEPT_SECONDS)
    }
}

/// To a caller who asks about a token, a customer that is not there makes it one that is not active.
fn not_about_the_customer<T>(result: Result<T, Failure>, inactive: T) -> Result<T, Failure> {
    match result {
        Err(Failure::Rejected(Rejection::UnknownCustomer)) => Ok(inactive),
        other => other,
    }
}
