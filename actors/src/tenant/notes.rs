//! How much the audit says about decisions that change nothing: so much a minute, and how many were left out.

use crate::clock::UnixMillis;
use crate::limits::DECISIONS_AUDITED_PER_MINUTE_MAX;

const MINUTE_SECONDS: i64 = 60;

/// One customer's notes of the present minute. In memory only: it bounds what is written, and counts nothing that matters.
#[derive(Debug, Default)]
pub(crate) struct NoteMeter {
    began: UnixMillis,
    written: u32,
    left_out: u64,
}

/// What of a decision's notes is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// So many of them.
    pub(crate) count: usize,
    /// Left out since this was last told, to be told now.
    pub(crate) left_out_before: u64,
}

impl NoteMeter {
    /// Makes room for `count` notes, or for as many of them as fit.
    pub(crate) fn admit(&mut self, now: UnixMillis, count: usize) -> Admitted {
        let mut left_out_before = 0;
        if now < self.began || now >= self.began.plus_seconds(MINUTE_SECONDS) {
            left_out_before = std::mem::take(&mut self.left_out);
            self.began = now;
            self.written = 0;
        }
        let room = DECISIONS_AUDITED_PER_MINUTE_MAX.saturating_sub(self.written);
        let admitted = u32::try_from(count).unwrap_or(u32::MAX).min(room);
        self.written += admitted;
        let count_admitted = usize::try_from(admitted).unwrap_or(usize::MAX).min(count);
        self.left_out(count - count_admitted);
        Admitted {
            count: count_admitted,
            left_out_before,
        }
    }

    /// Counts notes that are not written.
    pub(crate) fn left_out(&mut self, count: usize) {
        self.left_out = self.left_out.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted_and_told_in_the_next_minute() {
        let max = usize::try_from(DECISIONS_AUDITED_PER_MINUTE_MAX).unwrap();
        let mut meter = NoteMeter::default();
        let began = UnixMillis::new(1_000_000);
        let first = meter.admit(began, max - 1);
        assert_eq!((first.count, first.left_out_before), (max - 1, 0));
        assert_eq!(meter.admit(began, 5).count, 1);
        assert_eq!(meter.admit(began.plus_seconds(59), 3).count, 0);
        let next = meter.admit(began.plus_seconds(60), 3);
        assert_eq!((next.count, next.left_out_before), (3, 7));
        assert_eq!(meter.admit(began.plus_seconds(61), 1).left_out_before, 0, "told once");
    }
}
