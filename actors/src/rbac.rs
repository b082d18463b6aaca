//! What a token may do: patterns, policies, how a child's policy is held inside its parent's, and how a request is judged.
//!
//! - [`pattern`]: `fnmatch` patterns in one compiled form that serves both matching and inclusion
//! - `class`: the `[…]` of a pattern
//! - [`narrowing`]: is every text that a child's pattern matches matched by some pattern of its parent?
//! - `front`: patterns laid out for that question
//! - [`policy`]: the policy of one token, made only through its limits and its parent's
//! - `rules`: what a policy says, how it is amended, compared, claimed and stored
//! - [`evaluation`]: may this policy do this action on this resource?
//!
//! Everything here is pure: no clock, no disk, no waiting.

mod class;
pub mod evaluation;
mod front;
pub mod narrowing;
pub mod pattern;
pub mod policy;
mod rules;

pub use evaluation::{Step, Verdict, evaluate};
pub use narrowing::Budget;
pub use pattern::{InvalidPattern, Pattern};
pub use policy::{InvalidPolicy, NarrowError, Policy, PolicyRequest};
