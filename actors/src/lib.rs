//! The Countersign engine.

pub mod crypto;
pub mod id;
pub mod journal;
pub mod limits;
pub mod rbac;
pub mod token;
