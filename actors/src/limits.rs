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
/// Entries in a list of decisions.
pub const DECISIONS_MAX: usize = 16;
/// Characters of a reason.
pub const REASON_CHARS_MAX: usize = 1_000;
/// Live tokens of one customer.
pub const LIVE_TOKENS_MAX: usize = 2_000_000;

/// Bytes of a presented token. The largest that can be minted stays below: 4 KiB of policy become 5.4 KiB of base64url.
pub const TOKEN_BYTES_MAX: usize = 8 * 1_024;
/// Members in the header or the claims of a presented token, so that looking for duplicates stays cheap.
pub const TOKEN_MEMBERS_MAX: usize = 64;
/// Bytes of a master key, at least: as many as the key derived from it has.
pub const MASTER_KEY_BYTES_MIN: usize = 32;

/// Signing keys of one customer, retired and revoked ones among them, until an hour after the last token that they signed has expired.
pub const KEYS_PER_TENANT_MAX: usize = 1_000;

/// Events in one journal group.
pub const GROUP_EVENTS_MAX: usize = 256;
/// Bytes of payload in one journal group.
pub const GROUP_BYTES_MAX: usize = 256 * 1024;
/// Bytes of one stored value: sled moves larger ones to files that it never syncs, far above this, and reads small ones faster.
pub const CHUNK_BYTES_MAX: usize = 4_096;

/// Seconds that an expired token stays readable.
pub const EXPIRED_READABLE_SECONDS: i64 = 3_600;
/// Expired tokens forgotten in one turn, so that mass expiry never makes a turn long.
pub const PURGED_PER_TURN_MAX: usize = 16;
/// Tenants looked at in one sweep for idle ones.
pub const SLOTS_PER_SWEEP_MAX: usize = 1_000;
/// Commands that one tenant may have in flight, by default.
pub const IN_FLIGHT_PER_TENANT_MAX: usize = 1_024;
/// Commands that may be in flight in all, by default.
pub const IN_FLIGHT_MAX: usize = 16_384;
/// Commands posted to a shard after which it is woken at once, and not only when their callers have nothing else to do.
pub const POSTED_UNTIL_RUNG: usize = 16;
/// Bytes of events and side values in one append: it is written in one batch, whatever its size.
pub const APPEND_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of a side row's key as stored: sled keeps up to 256 keys in one index page, which has to stay far below the size
/// at which sled moves a page to a file that it never syncs.
pub const SIDE_KEY_BYTES_MAX: usize = 320;
/// Side changes in one append: each costs the group that carries it ten to fifteen microseconds.
pub const SIDE_CHANGES_MAX: usize = 1_000;
/// Bytes of the fact that an erasure leaves behind.
pub const ERASURE_FACT_BYTES_MAX: usize = 1_024;
/// Keys that trimming and erasing delete in one batch while nobody waits.
pub const CHORE_KEYS_MAX: usize = 1_000;
/// Keys that trimming and erasing delete in a batch that also carries appends: each costs about ten microseconds, which all of the group wait for.
pub const CHORE_KEYS_IN_GROUP_MAX: usize = 128;
/// Recoveries that may wait or run at one time.
pub const RECOVERIES_MAX: usize = 4_096;
/// Rows or events that a recovery reads before it lets the other recoveries through.
pub const RECOVERY_SLICE_MAX: usize = 1_000;
/// Threads that read tenants back from the store.
pub const RECOVERY_THREADS: usize = 2;
/// Rows in the answer of one journal scan.
pub const SCAN_ROWS_MAX: usize = 1_000;
/// Bytes of one frame of a backup: the largest record or row, with room for its head.
pub const BACKUP_FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of rows after which a page of a backup ends.
pub const EXPORT_PAGE_BYTES: usize = 256 * 1024;
/// Times that a backup begins a tenant anew because it was folded meanwhile, before it gives up.
pub const EXPORT_ATTEMPTS_MAX: usize = 8;
/// Bytes after which what is written to a stopped store is handed over to it.
pub const OFFLINE_BATCH_BYTES: usize = 1024 * 1024;
/// Bytes of the file of last sequences at which superseded lines are dropped, unless the others are a quarter of them.
pub const HEADS_BYTES: u64 = 256 * 1024;
/// Seconds that the store may take to write a batch or to read a row before the process ends.
pub const STORE_CALL_SECONDS_MAX: u64 = 60;
/// Seconds that it may take, when the store is closed, to look at what was written since it was opened. If that is not enough, it is not sealed.
pub const STORE_LOOK_SECONDS_MAX: u64 = 10;
/// Seconds that closing the store may take before it is given up.
pub const STORE_CLOSE_SECONDS_MAX: u64 = 10;
/// Bytes that sled may cache.
pub const STORE_CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// Seconds that the record of a call with an idempotency key is kept.
pub const IDEMPOTENCY_SECONDS: i64 = 24 * 3_600;
/// Records of calls with an idempotency key that one tenant may have.
pub const IDEMPOTENCY_RECORDS_MAX: usize = 100_000;
/// Characters of an idempotency key.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;
/// Seconds that a decision on a flagged event is kept.
pub const DECISIONS_KEPT_SECONDS: i64 = 90 * 24 * 3_600;
/// Tokens that one turn of a walk visits, so that the shard's other tenants come in between.
pub const WALKED_PER_TURN_MAX: usize = 1_000;
/// Identifiers in the answer to a cascade.
pub const REVOKED_LISTED_MAX: usize = 100_000;
/// Entries in one page of a list.
pub const PAGE_MAX: usize = 200;
/// Entries in one page of a list for which no number is asked.
pub const PAGE_DEFAULT: usize = 50;
/// Revocations in one answer of the feed.
pub const FEED_PAGE_MAX: usize = 1_000;
/// Seconds that a call of the feed may wait.
pub const FEED_WAIT_SECONDS_MAX: u32 = 30;
/// Calls of the feed that may wait at one time; further ones are answered at once.
pub const FEED_WAITERS_MAX: usize = 4_096;
/// Calls of one customer's feed that may wait at one time.
pub const FEED_WAITERS_PER_TENANT_MAX: usize = 256;
/// Characters of an action or a resource that is to be authorised.
pub const AUTHORIZED_CHARS_MAX: usize = 4_096;
/// Mint requests in one batch.
pub const BATCH_MAX: usize = 100;
/// Events after which a tenant folds: as many as its recovery reads at most, and what a fold makes a turn longer by.
pub const FOLD_EVENTS: usize = 256;
/// Bytes of events after which a tenant folds, however few they are: a fold is one append.
pub const FOLD_BYTES: usize = 1024 * 1024;
/// Segments of forgotten entities deleted with one fold; each is up to twenty keys of the store.
pub const SEGMENTS_DROPPED_PER_FOLD_MAX: usize = 8;
/// Entries of the audit deleted in one step.
pub const AUDIT_ENTRIES_PER_TIDYING_MAX: usize = 256;
/// Expired tokens forgotten in one step of tidying up a customer.
pub const PURGED_PER_TIDYING_MAX: usize = 256;
/// Rows that nobody needs any more deleted with one append.
pub const GARBAGE_PER_APPEND_MAX: usize = 64;
/// Seconds that the audit is kept.
pub const AUDIT_KEPT_SECONDS: i64 = 90 * 24 * 3_600;
/// Presented tokens whose signature is remembered as verified.
pub const VERIFIED_TOKENS_MAX: usize = 32_768;
/// Public keys that are kept ready to verify presented tokens.
pub const VERIFYING_KEYS_MAX: usize = 16_384;
/// Callers of whom nothing is known get one place for so many that a customer, or the whole process, has beside them.
pub const PLACES_PER_STRANGER: usize = 4;
/// Turns that one page of a list may take.
pub const LIST_TURNS_MAX: usize = 20;

/// Keys, events and permission overrides, of each so many, that one step of a restoration is about: its event stays below
/// [`APPEND_BYTES_MAX`] even if every identifier has 255 characters of four bytes.
pub const RESTORED_PER_STEP_MAX: usize = 2_000;

/// Live permission overrides of one user.
pub const LIVE_OVERRIDES_PER_USER_MAX: usize = 1_000;
/// Permission overrides of one customer, expired ones that are still listed among them.
pub const OVERRIDES_PER_TENANT_MAX: usize = 2_000_000;
/// Permission overrides in one answer.
pub const OVERRIDES_PER_PAGE_MAX: usize = 1_000;
/// Seconds that an expired permission override is listed.
pub const OVERRIDE_RETENTION_SECONDS: i64 = 90 * 24 * 3_600;
/// Expired permission overrides purged in one turn; each leaves an entry in the audit.
pub const OVERRIDES_PURGED_PER_TURN_MAX: usize = 16;
/// Roles that one customer may make.
pub const ROLES_PER_TENANT_MAX: usize = 1_000;
/// Roles in one answer.
pub const ROLES_PER_PAGE_MAX: usize = 200;
/// Capabilities of one role.
pub const CAPABILITIES_PER_ROLE_MAX: usize = 256;
/// Roles of one user.
pub const ROLES_PER_USER_MAX: usize = 64;
/// Checks in one call.
pub const CHECKS_PER_CALL_MAX: usize = 100;
/// Audited decisions of one customer within a minute; the audit counts those left out.
pub const DECISIONS_AUDITED_PER_MINUTE_MAX: u32 = 600;
/// Rows that looking for the next page of an audit may read.
pub const AUDIT_ROWS_READ_MAX: usize = 2_000;
/// Seconds for which a client may use what it resolved, at most: it does not see changes meanwhile.
pub const RESOLUTION_SECONDS_MAX: i64 = 60;
/// Milliseconds that the wall clock may run ahead of the monotonic one before nothing is forgotten any more.
pub const CLOCK_JUMP_MILLIS_MAX: i64 = 3_600_000;
