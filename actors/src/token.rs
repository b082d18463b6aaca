//! Token strings: what they claim, how they are written, and how a presented one is read.
//!
//! - [`kind`]: the six kinds, their prefixes, lifetimes and parents
//! - [`claims`]: the payload of each kind, and the words in it
//! - [`jwt`]: compact JWS (RFC 7515), composed and parsed
//! - [`offline`]: verifying with published keys alone

pub mod claims;
pub mod jwt;
pub mod kind;
mod members;
pub mod offline;
mod words;
