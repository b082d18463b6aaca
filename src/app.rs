//! What every handler is given: the engine, and who may call it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::HttpRequest;
use countersign_actors::crypto::digest::{constant_time_eq, sha256};
use countersign_actors::engine::Engine;

use crate::rate_limit::{RateLimiter, RateLimits};

/// Application data of the server.
pub struct App {
    /// The engine.
    pub engine: Engine,
    /// What the operator's token is compared with.
    admin: Option<AdminCredential>,
    /// Whether every caller without a credential is the operator.
    is_open: bool,
    /// How often keys of the permission family may call.
    pub limiter: RateLimiter,
    watching: Watching,
    is_on_loopback: bool,
    /// Where a backup is begun.
    pub backups: Backups,
}

/// Lets one backup be taken at a time.
#[derive(Default)]
pub struct Backups {
    is_taking: Arc<AtomicBool>,
}

impl Backups {
    /// Begins one, if none is being taken.
    pub fn begin(&self) -> Option<TakingBackup> {
        let was_taking = self.is_taking.swap(true, Ordering::AcqRel);
        (!was_taking).then(|| TakingBackup(Arc::clone(&self.is_taking)))
    }
}

/// Held while a backup is being taken.
pub struct TakingBackup(Arc<AtomicBool>);

impl Drop for TakingBackup {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Who may read the metrics, besides the operator.
#[derive(Default)]
pub struct Watching {
    /// Who presents this.
    pub credential: Option<AdminCredential>,
    /// Whether nobody may without a credential, even if the operator needs none.
    pub needs_credential: bool,
}

/// A credential of the operator's, kept only as a digest.
pub struct AdminCredential {
    digest: [u8; 32],
}

impl AdminCredential {
    /// The credential with this text.
    pub fn new(text: &[u8]) -> Self {
        Self { digest: sha256(text) }
    }

    /// Whether a caller presented it; takes the same time whatever the text.
    fn is(&self, presented: &str) -> bool {
        constant_time_eq(&self.digest, &sha256(presented.as_bytes()))
    }
}

impl App {
    /// An application on this engine. It is in open mode unless there is an admin credential: the token that is given here, or
    /// `has_certificates`, client certificates that the server recognises.
    pub fn new(engine: Engine, admin: Option<AdminCredential>, has_certificates: bool, limits: RateLimits) -> Self {
        Self {
            engine,
            is_open: admin.is_none() && !has_certificates,
            admin,
            limiter: RateLimiter::new(limits),
            watching: Watching::default(),
            is_on_loopback: false,
            backups: Backups::default(),
        }
    }

    /// With others than the operator who may read the metrics.
    #[must_use]
    pub fn watched_by(self, watching: Watching) -> Self {
        Self { watching, ..self }
    }

    /// Whether this is the credential of those who may read the metrics and nothing else.
    pub fn may_watch(&self, presented: &str) -> bool {
        self.watching.credential.as_ref().is_some_and(|own| own.is(presented))
    }

    /// Whether nobody may read the metrics without a credential.
    pub const fn watching_needs_credential(&self) -> bool {
        self.watching.needs_credential
    }

    /// Whether it is served on a loopback address.
    #[must_use]
    pub fn on_loopback(self, is_on_loopback: bool) -> Self {
        Self { is_on_loopback, ..self }
    }

    /// Whether this call came over a loopback address of the service; a Unix socket is none.
    pub fn is_local(&self, request: &HttpRequest) -> bool {
        self.is_on_loopback && request.peer_addr().is_some_and(|peer| peer.ip().is_loopback())
    }

    /// Whether callers without a credential are the operator.
    pub const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether this is the admin credential.
    pub fn is_admin(&self, presented: &str) -> bool {
        self.admin.as_ref().is_some_and(|admin| admin.is(presented))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_backup_is_taken_at_a_time() {
        let backups = Backups::default();
        let first = backups.begin();
        assert!(first.is_some() && backups.begin().is_none());
        drop(first);
        assert!(backups.begin().is_some());
    }
}
