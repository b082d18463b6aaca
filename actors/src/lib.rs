//! The Countersign engine.

pub mod id;
pub mod limits;
