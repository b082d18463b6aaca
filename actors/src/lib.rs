//! The Countersign engine.

pub mod id;
pub mod limits;
pub mod rbac;
