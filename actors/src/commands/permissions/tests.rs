//! given / when / then, for commands about permissions.

use std::sync::atomic::{AtomicI64, Ordering};

use super::{Check, CheckAnswer, CheckPermission, CreateOverride, PermissionRules};
use crate::clock::UnixMillis;
use crate::commands::{Command, Decided, Moment, Rules};
use crate::id::CustomerId;
use crate::permissions::{
    Action, ActionPattern, AdminId, Capability, Effect, Expiry, OverrideId, Path, PathPattern, Reason, RoleId,
};
use crate::tenant::event::{Event, Recorded};
use crate::tenant::{Rejection, State};

/// Every test's time begins here.
pub(crate) const START: UnixMillis = UnixMillis::new(1_772_323_200_000);

/// A customer, its time and its settings.
pub(crate) struct Given {
    pub(crate) state: State,
    pub(crate) now: UnixMillis,
    pub(crate) rules: Rules,
}

impl Given {
    pub(crate) fn nothing() -> Self {
        Self {
            state: State::new(CustomerId::from_bytes([1; 16])),
            now: START,
            rules: Rules::default(),
        }
    }

    pub(crate) fn with_rules(rules: PermissionRules) -> Self {
        let mut given = Self::nothing();
        given.rules.permissions = rules;
        given
    }

    pub(crate) fn advance(&mut self, seconds: i64) {
        self.now = self.now.plus_seconds(seconds);
    }

    /// What the command comes to, without its happening.
    pub(crate) fn decide<C: Command>(&self, command: C) -> Result<Decided<C::Reply>, Rejection> {
        let moment = Moment {
            now: self.now,
            rules: &self.rules,
            keyed: false,
        };
        command.decide(&self.state, &moment)
    }

    /// Lets it happen and returns the answer.
    pub(crate) fn when<C: Command>(&mut self, command: C) -> Result<C::Reply, Rejection> {
        let decided = self.decide(command)?;
        assert_eq!(
            decided.events.is_empty(),
            decided.audit.is_empty(),
            "every change is audited"
        );
        for event in decided.events {
            self.happened(event);
        }
        Ok(decided.reply)
    }

    /// Adds an event, as read back from a journal.
    pub(crate) fn happened(&mut self, event: Event) {
        let recorded = Recorded {
            at: self.now,
            event,
            idempotency: None,
        };
        let bytes = serde_json::to_vec(&recorded).unwrap();
        let read: Recorded = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(read, recorded, "events are read as they were written");
        self.state.apply(self.state.sequence() + 1, read).unwrap();
    }

    pub(crate) fn check(&self, admin_id: &str, path: &str, action: &str) -> CheckAnswer {
        self.decide(CheckPermission {
            check: check(admin_id, path, action),
            explain: true,
        })
        .unwrap()
        .reply
    }
}

pub(crate) fn check(admin_id: &str, path: &str, action: &str) -> Check {
    Check {
        admin_id: admin(admin_id),
        path: Path::parse(path).unwrap(),
        action: Action::parse(action).unwrap(),
        resource: None,
    }
}

pub(crate) fn admin(text: &str) -> AdminId {
    AdminId::parse(text).unwrap()
}

pub(crate) fn capability(text: &str) -> Capability {
    Capability::parse(text).unwrap()
}

pub(crate) fn role_id() -> RoleId {
    RoleId::fresh(tick())
}

/// A permanent override: `path:action`.
pub(crate) fn rule(admin_id: &str, effect: Effect, what: &str) -> CreateOverride {
    let (path, action) = what.rsplit_once(':').unwrap();
    CreateOverride {
        id: OverrideId::fresh(tick()),
        admin_id: admin(admin_id),
        path: PathPattern::parse(path).unwrap(),
        action: ActionPattern::parse(action).unwrap(),
        effect,
        reason: Reason::parse("because a test says so").unwrap(),
        expiry: Expiry::Never,
        created_by: None,
    }
}

/// An override that is over so many seconds after [`START`].
pub(crate) fn rule_until(admin_id: &str, effect: Effect, what: &str, seconds: i64) -> CreateOverride {
    CreateOverride {
        expiry: Expiry::At(START.plus_seconds(seconds)),
        ..rule(admin_id, effect, what)
    }
}

/// Identifiers in the order in which they are made.
fn tick() -> UnixMillis {
    static TICKS: AtomicI64 = AtomicI64::new(0);
    UnixMillis::new(START.get() + TICKS.fetch_add(1, Ordering::Relaxed))
}
