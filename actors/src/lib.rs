//! The Countersign engine.

pub mod id;
pub mod journal;
pub mod limits;
