//! How often a key may call: so often within an hour from its first call, counted in memory.
//!
//! A fixed window, because that is what is documented: a key that is allowed 500 calls an hour makes 500 within the hour, and
//! its answers say when the next begins. (`governor` spreads calls out instead: it let 999 through in the first hour.)

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use countersign_actors::clock::UnixMillis;
use countersign_actors::id::Jti;

use crate::config::sections::PermissionsConfig;

/// Seconds of a window.
const WINDOW_SECONDS: i64 = 3_600;
/// Windows kept at once; beyond, the oldest is given up, in favour of whoever it limited.
const WINDOWS_MAX: usize = 100_000;

/// What is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Reading and changing overrides and roles.
    Management,
    /// Checks.
    Checks,
    /// Reading the audit.
    Audit,
}

/// Calls in a window, by class.
#[derive(Clone, Copy, Debug)]
pub struct RateLimits {
    management: u32,
    checks: u32,
    audit: u32,
}

impl From<&PermissionsConfig> for RateLimits {
    fn from(config: &PermissionsConfig) -> Self {
        Self {
            management: config.management_per_hour,
            checks: config.checks_per_hour,
            audit: config.audit_per_hour,
        }
    }
}

impl RateLimits {
    const fn of(&self, class: Class) -> u32 {
        match class {
            Class::Management => self.management,
            Class::Checks => self.checks,
            Class::Audit => self.audit,
        }
    }
}

/// Where a key stands in its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Calls in a window.
    pub limit: u32,
    /// Calls left in this one.
    pub remaining: u32,
    /// When the next may begin, in Unix seconds.
    pub reset: i64,
    /// Seconds until then.
    pub reset_after: u32,
    /// Whether this call was one too many.
    pub is_exceeded: bool,
}

#[derive(Clone, Copy)]
struct Window {
    began: UnixMillis,
    calls: u32,
}

#[derive(Default)]
struct Windows {
    by_key: HashMap<(Jti, Class), Window>,
    /// In the order in which they began. One that was replaced stands here twice, until its earlier beginning is met.
    by_age: VecDeque<(UnixMillis, (Jti, Class))>,
}

/// The windows of all keys.
pub struct RateLimiter {
    limits: RateLimits,
    windows_max: usize,
    windows: Mutex<Windows>,
}

impl RateLimiter {
    /// Without a call so far.
    pub fn new(limits: RateLimits) -> Self {
        Self {
            limits,
            windows_max: WINDOWS_MAX,
            windows: Mutex::default(),
        }
    }

    /// Counts a call.
    pub fn count(&self, key: Jti, class: Class, now: UnixMillis) -> Standing {
        let limit = self.limits.of(class);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (key, class);
        let running = windows.by_key.get_mut(&place).filter(|window| window.is_running(now));
        if let Some(window) = running {
            let is_exceeded = window.calls >= limit;
            window.calls = window.calls.saturating_add(u32::from(!is_exceeded));
            return window.standing(limit, now, is_exceeded);
        }
        let window = Window { began: now, calls: 1 };
        windows.by_key.insert(place, window);
        windows.by_age.push_back((now, place));
        windows.forget(now, self.windows_max);
        window.standing(limit, now, false)
    }

    /// Where a key stands, without counting.
    pub fn peek(&self, key: Jti, class: Class, now: UnixMillis) -> Standing {
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let running = windows
            .by_key
            .get(&(key, class))
            .filter(|window| window.is_running(now));
        let window = running.copied().unwrap_or(Window { began: now, calls: 0 });
        window.standing(self.limits.of(class), now, false)
    }
}

impl Window {
    /// A clock that was set back begins a new window: else a key might wait for years.
    fn is_running(&self, now: UnixMillis) -> bool {
        self.began <= now && now < self.began.plus_seconds(WINDOW_SECONDS)
    }

    fn standing(&self, limit: u32, now: UnixMillis, is_exceeded: bool) -> Standing {
        let end = self.began.plus_seconds(WINDOW_SECONDS);
        // Rounded up: at that second the next window has begun.
        let reset = end.get().saturating_add(999).div_euclid(1_000);
        let left = end
            .get()
            .saturating_sub(now.get())
            .saturating_add(999)
            .div_euclid(1_000);
        Standing {
            limit,
            remaining: limit.saturating_sub(self.calls),
            reset,
            reset_after: u32::try_from(left).unwrap_or_default(),
            is_exceeded,
        }
    }
}

impl Windows {
    /// Each call looks at two at most, so the table shrinks faster than it grows.
    fn forget(&mut self, now: UnixMillis, windows_max: usize) {
        for _ in 0..2 {
            let Some(&(began, place)) = self.by_age.front() else {
                return;
            };
            let window = self.by_key.get(&place).copied();
            // It has been replaced by a later one.
            let is_stale = window.is_none_or(|window| window.began != began);
            let is_over = window.is_some_and(|window| !window.is_running(now));
            if !is_stale && !is_over && self.by_age.len() <= windows_max {
                return;
            }
            self.by_age.pop_front();
            if !is_stale {
                self.by_key.remove(&place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_actors::clock::fresh_uuid;

    use super::*;

    const START: UnixMillis = UnixMillis::new(1_772_323_200_500);

    fn limiter(limit: u32, windows_max: usize) -> RateLimiter {
        let limits = RateLimits {
            management: limit,
            checks: 7,
            audit: 1,
        };
        RateLimiter {
            windows_max,
            ..RateLimiter::new(limits)
        }
    }

    fn key() -> Jti {
        Jti::new(fresh_uuid(START))
    }

    #[test]
    fn the_limit_is_the_last_call_that_passes_until_the_window_ends() {
        let (limiter, key) = (limiter(3, 10), key());
        for left in [2, 1, 0] {
            let standing = limiter.count(key, Class::Management, START);
            assert_eq!((standing.is_exceeded, standing.remaining), (false, left));
            assert_eq!((standing.limit, standing.reset), (3, 1_772_326_801));
        }
        let last = UnixMillis::new(START.plus_seconds(3_600).get() - 1);
        let refused = limiter.count(key, Class::Management, last);
        assert_eq!(
            (refused.is_exceeded, refused.remaining, refused.reset_after),
            (true, 0, 1)
        );
        assert!(!limiter.count(key, Class::Checks, last).is_exceeded, "another class");
        assert!(
            !limiter.count(self::key(), Class::Management, last).is_exceeded,
            "another key"
        );
        let next = limiter.count(key, Class::Management, START.plus_seconds(3_600));
        assert_eq!((next.is_exceeded, next.remaining), (false, 2));
    }

    #[test]
    fn looking_does_not_count_and_a_clock_set_back_begins_anew() {
        let (limiter, key) = (limiter(1, 10), key());
        assert_eq!(limiter.peek(key, Class::Management, START).remaining, 1);
        limiter.count(key, Class::Management, START);
        assert_eq!(limiter.peek(key, Class::Management, START).remaining, 0);
        assert!(limiter.count(key, Class::Management, START).is_exceeded);
        assert!(!limiter.count(key, Class::Management, UnixMillis::new(0)).is_exceeded);
    }

    #[test]
    fn the_table_is_bounded() {
        let limiter = limiter(1, 10);
        for seconds in 0..10_000 {
            limiter.count(key(), Class::Management, START.plus_seconds(seconds / 100));
            let windows = limiter.windows.lock().unwrap();
            assert!(windows.by_key.len() <= 10 && windows.by_age.len() <= 10);
        }
        let again = key();
        for hours in 0..100 {
            limiter.count(again, Class::Management, START.plus_seconds(hours * 3_600));
        }
        assert_eq!(limiter.windows.lock().unwrap().by_key.len(), 1);
    }
}
