//! Time and fresh identifiers: the only file that may ask the operating system for either.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp, Uuid};

use crate::limits::CLOCK_JUMP_MILLIS_MAX;

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(i64);

impl UnixMillis {
    /// Wraps a count of milliseconds.
    pub const fn new(millis: i64) -> Self {
        Self(millis)
    }

    /// The count of milliseconds.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The second that this moment lies in.
    pub const fn seconds(self) -> UnixSeconds {
        UnixSeconds(self.0.div_euclid(1_000))
    }

    /// This moment, later by `seconds`; saturating.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000)))
    }

    /// `2026-03-02T00:00:00.000Z`; empty for a moment that no calendar holds.
    pub fn to_rfc3339(self) -> String {
        DateTime::<Utc>::from_timestamp_millis(self.0)
            .map(|moment| moment.to_rfc3339_opts(SecondsFormat::Millis, true))
            .unwrap_or_default()
    }

    /// Parses an RFC 3339 timestamp with a zone; anything else, a bare date among it, is `None`.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|moment| Self(moment.timestamp_millis()))
    }
}

/// Whole seconds since the Unix epoch, UTC: the `NumericDate` of RFC 7519, always an integer here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixSeconds(i64);

impl UnixSeconds {
    /// Wraps a count of seconds.
    pub const fn new(seconds: i64) -> Self {
        Self(seconds)
    }

    /// The count of seconds.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The first millisecond of this second.
    pub const fn millis(self) -> UnixMillis {
        UnixMillis(self.0.saturating_mul(1_000))
    }

    /// This second, later by `seconds`; saturating.
    #[must_use]
    pub const fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// `2026-03-02T00:00:00Z`; empty for a moment that no calendar holds.
    pub fn to_rfc3339(self) -> String {
        DateTime::<Utc>::from_timestamp(self.0, 0)
            .map(|moment| moment.to_rfc3339_opts(SecondsFormat::Secs, true))
            .unwrap_or_default()
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

/// Where the engine takes its time from.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The wall clock's time. It may run backwards; tenants do not.
    fn now(&self) -> UnixMillis;

    /// Time since some fixed moment, by a clock that nobody sets.
    fn monotonic(&self) -> Duration;
}

/// Watches the wall clock against the monotonic one: what a clock that was set far forward makes look expired must not be
/// forgotten.
#[derive(Debug)]
pub struct ClockWatch {
    clock: Arc<dyn Clock>,
    /// How far the wall clock was ahead of the monotonic one when somebody last vouched for it, in milliseconds.
    vouched: AtomicI64,
}

impl ClockWatch {
    /// Takes the clock as it is for right.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let vouched = AtomicI64::new(ahead(clock.as_ref()));
        Self { clock, vouched }
    }

    /// Whether the wall clock has jumped forward by more than [`CLOCK_JUMP_MILLIS_MAX`] since somebody last vouched for it.
    pub fn has_jumped(&self) -> bool {
        ahead(self.clock.as_ref()).saturating_sub(self.vouched.load(Ordering::Relaxed)) > CLOCK_JUMP_MILLIS_MAX
    }

    /// Takes the clock as it is now for right.
    pub fn confirm(&self) {
        self.vouched.store(ahead(self.clock.as_ref()), Ordering::Relaxed);
    }
}

/// How far the wall clock is ahead of the monotonic one.
fn ahead(clock: &dyn Clock) -> i64 {
    let monotonic = i64::try_from(clock.monotonic().as_millis()).unwrap_or(i64::MAX);
    clock.now().0.saturating_sub(monotonic)
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        // Read for every command, and a calendar is not needed for it.
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        UnixMillis(since.map_or_else(|before| -millis(before.duration()), millis))
    }

    fn monotonic(&self) -> Duration {
        static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
        ORIGIN.elapsed()
    }
}

/// A fresh identifier: random, and in order of `now` (RFC 9562 UUID version 7), so that a tenant's index grows at one end.
pub fn fresh_uuid(now: UnixMillis) -> Uuid {
    let millis = u64::try_from(now.0).unwrap_or_default();
    let nanos = u32::try_from(millis % 1_000).unwrap_or_default() * 1_000_000;
    Uuid::new_v7(Timestamp::from_unix(NoContext, millis / 1_000, nanos))
}

/// A fresh identifier of the form that the permission family shows: the prefix and 32 characters that are mostly random.
pub fn prefixed_id(prefix: &str, now: UnixMillis) -> String {
    format!("{prefix}{}", fresh_uuid(now).simple())
}

/// A clock that tests set and move.
#[cfg(any(test, feature = "testing"))]
#[derive(Debug)]
pub struct ManualClock {
    wall: AtomicI64,
    monotonic: AtomicI64,
}

#[cfg(any(test, feature = "testing"))]
impl ManualClock {
    /// A clock that stands at `now` until it is moved.
    pub fn at(now: UnixMillis) -> Self {
        Self {
            wall: AtomicI64::new(now.0),
            monotonic: AtomicI64::new(0),
        }
    }

    /// Lets `seconds` pass; if they are negative, sets the wall clock back.
    pub fn advance_seconds(&self, seconds: i64) {
        self.jump_seconds(seconds);
        self.monotonic.fetch_add(seconds.max(0) * 1_000, Ordering::SeqCst);
    }

    /// Sets the wall clock forward or back, while no time passes.
    pub fn jump_seconds(&self, seconds: i64) {
        self.wall.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }
}

#[cfg(any(test, feature = "testing"))]
impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.monotonic.load(Ordering::SeqCst)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_documents_show_them() {
        let moment = UnixMillis::parse_rfc3339("2026-06-01T00:00:00.000Z").expect("a timestamp");
        assert_eq!(moment.to_rfc3339(), "2026-06-01T00:00:00.000Z");
        assert_eq!(moment.seconds().to_rfc3339(), "2026-06-01T00:00:00Z");
        assert_eq!(moment.seconds().millis(), moment);
    }

    #[test]
    fn a_moment_before_the_epoch_lies_in_the_second_that_began_before_it() {
        assert_eq!(UnixMillis::new(-1).seconds(), UnixSeconds::new(-1));
    }

    #[test]
    fn a_clock_that_was_set_far_forward_is_noticed_until_somebody_vouches_for_it() {
        let clock = Arc::new(ManualClock::at(UnixMillis::new(0)));
        let watch = ClockWatch::new(Arc::clone(&clock) as _);
        clock.advance_seconds(10 * 24 * 3_600);
        assert!(!watch.has_jumped(), "time may pass");
        clock.jump_seconds(3_600);
        assert!(!watch.has_jumped(), "an hour is forgiven");
        clock.jump_seconds(1);
        assert!(watch.has_jumped());
        clock.jump_seconds(-1);
        assert!(!watch.has_jumped(), "it was set right again");
        clock.jump_seconds(10_000);
        watch.confirm();
        assert!(!watch.has_jumped());
    }

    #[test]
    fn fresh_identifiers_follow_time() {
        let earlier = fresh_uuid(UnixMillis::new(1_000));
        let later = fresh_uuid(UnixMillis::new(1_001));
        assert!(earlier < later);
        assert_ne!(fresh_uuid(UnixMillis::new(1_000)), earlier);
    }
}
