//! Every limit of the engine, in one place. Units stand last in the names.

/// Characters in an id or name.
pub const NAME_CHARS_MAX: usize = 255;
/// Scopes of one app token.
pub const SCOPES_MAX: usize = 64;
/// Patterns in one list of an RBAC policy.
pub const PATTERNS_PER_LIST_MAX: usize = 64;
/// Characters in one RBAC pattern.
pub const PATTERN_CHARS_MAX: usize = 256;
/// Bytes of an RBAC policy as JSON, so that a token stays under 8 KiB.
pub const POLICY_BYTES_MAX: usize = 4_096;
/// Steps that deciding language inclusion for one policy may take before it is refused: about 0.6 ms, while a list of 64
/// ordinary patterns under 64 others takes less than a quarter of them.
pub const NARROWING_STEPS_MAX: u32 = 200_000;
/// Highest sensitivity level.
pub const SENSITIVITY_LEVEL_MAX: u8 = 4;
/// Events that one session token may count.
pub const SESSION_EVENTS_MAX: u32 = 1_000_000;
/// Characters of a reason.
pub const REASON_CHARS_MAX: usize = 1_000;
/// Live tokens of one customer.
pub const LIVE_TOKENS_MAX: usize = 2_000_000;

/// Events in one journal group.
pub const GROUP_EVENTS_MAX: usize = 256;
/// Bytes of payload in one journal group.
pub const GROUP_BYTES_MAX: usize = 256 * 1024;
/// Bytes of one stored value: sled moves larger ones to files that it never syncs, far above this, and reads small ones faster.
pub const CHUNK_BYTES_MAX: usize = 4_096;
