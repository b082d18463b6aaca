//! The Countersign engine: one actor per customer, a write-ahead journal, and pure rules. Usable in-process, without HTTP.
//!
//! In reading order:
//!
//! - [`engine`]: start, execute, shut down; what an embedding program holds
//! - [`commands`]: what can be asked of a customer, one file each, with its rules
//! - [`tenant`]: events, the state they add up to, rejections, and the actor that owns them
//! - [`permissions`]: overrides of what users may do, roles, evaluation
//! - [`rbac`]: policies, patterns, narrowing, evaluation
//! - [`token`]: token kinds, claims, grants and their signed form
//! - [`journal`]: durable before answered: append, group commit, recovery
//! - [`crypto`]: keys, sealing, digests
//! - [`data_dir`]: the data directory's lock and master key
//! - [`id`], [`clock`], [`limits`], [`error`]: what all of them speak of

pub mod clock;
pub mod commands;
pub mod crypto;
pub mod data_dir;
pub mod engine;
pub mod error;
pub mod id;
pub mod journal;
pub mod limits;
pub mod permissions;
mod permits;
mod placement;
pub mod rbac;
mod supervisor;
pub mod tenant;
pub mod token;
