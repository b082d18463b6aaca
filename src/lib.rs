//! Countersign over HTTP.

pub mod config;
pub mod error;
pub mod extract;
