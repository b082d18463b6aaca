//! Countersign over HTTP.

pub mod config;
