//! Token strings: what they claim, how they are written, and how a presented one is read.
//!
//! - [`kind`]: the six kinds, their prefixes, lifetimes and parents
//! - [`claims`]: the payload of each kind, and the words in it
//! - [`grant`]: a token that is recorded and waits for its signature
//! - [`hash`]: the hash by which an app token is named
//! - [`jwt`]: compact JWS (RFC 7515), composed and parsed
//! - [`offline`]: verifying with published keys alone

pub mod claims;
pub mod grant;
pub mod hash;
pub mod jwt;
pub mod kind;
mod members;
pub mod offline;
mod words;

pub use claims::{Claims, Decision, DecisionSet, Environment, Scope, Scopes};
pub use grant::TokenGrant;
pub use hash::TokenHashDigest;
pub use jwt::SignedToken;
pub use kind::TokenKind;
