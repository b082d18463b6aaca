//! Permission overrides: what one person may or may not do, whatever their roles say.
//!
//! Pure rules, without time or storage of their own:
//!
//! - [`id`]: users, overrides, roles
//! - [`path`], [`action`]: what a permission is about, and the patterns over it
//! - [`override_rule`]: an override and the doors for its fields
//! - [`role`]: roles and their capabilities
//! - [`subject`]: one user's overrides and roles, indexed so that a check costs little
//! - [`evaluation`]: DENY, then GRANT, then roles
//! - [`event`], [`rejection`], [`audit`]: what happens, why it does not, and what is told of it

pub mod action;
pub mod audit;
pub mod evaluation;
pub mod event;
pub mod id;
pub mod override_rule;
pub mod path;
pub mod rejection;
pub mod role;
pub mod subject;

pub use action::{Action, ActionPattern};
pub use evaluation::{Question, Source, Verdict, evaluate};
pub use event::PermissionEvent;
pub use id::{AdminId, OverrideId, RoleId};
pub use override_rule::{Effect, Expiry, Override, Reason};
pub use path::{Path, PathPattern};
pub use rejection::PermissionRejection;
pub use role::{Capability, CapabilitySet, Role};
pub use subject::Subject;
