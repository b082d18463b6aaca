//! Token strings: what they claim, how they are written, and how a presented one is read.
//!
//! - [`kind`]: the six kinds, their prefixes, lifetimes and parents
//! - [`claims`]: the payload of each kind, and the words in it

pub mod claims;
pub mod kind;
mod words;
