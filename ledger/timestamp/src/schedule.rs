//! When the next attempt is due. Knows no clock: instants are durations since the start.

use std::time::Duration;

/// How often a checkpoint is stamped and how failures are retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// At most one token in this time.
    pub period: Duration,
    /// Wait after the first failure; it doubles with each further one.
    pub retry_first: Duration,
    /// Longest wait after a failure.
    pub retry_max: Duration,
}

impl Default for Pace {
    /// One token an hour; retries after half a minute up to an hour.
    fn default() -> Self {
        Self {
            period: Duration::from_secs(3600),
            retry_first: Duration::from_secs(30),
            retry_max: Duration::from_secs(3600),
        }
    }
}

/// The state of the decision.
#[derive(Debug)]
pub(crate) struct Schedule {
    pace: Pace,
    /// Size of the newest checkpoint that has a token.
    stamped: u64,
    /// No attempt before this instant.
    next: Duration,
    failures: u32,
}

impl Schedule {
    /// Starts with a checkpoint of `stamped` entries that was stamped `age` ago.
    pub(crate) fn resumed(pace: Pace, stamped: u64, age: Duration) -> Self {
        Self {
            pace,
            stamped,
            next: pace.period.saturating_sub(age),
            failures: 0,
        }
    }

    /// Starts without any token.
    pub(crate) fn fresh(pace: Pace) -> Self {
        Self::resumed(pace, 0, pace.period)
    }

    /// Whether a checkpoint of `size` entries is to be stamped at `now`.
    pub(crate) fn is_due(&self, now: Duration, size: u64) -> bool {
        size > self.stamped && now >= self.next
    }

    /// How long nothing can be due.
    pub(crate) fn rest(&self, now: Duration) -> Duration {
        self.next.saturating_sub(now)
    }

    pub(crate) fn succeeded(&mut self, now: Duration, size: u64) {
        self.stamped = size;
        self.failures = 0;
        self.next = now.saturating_add(self.pace.period);
    }

    /// Counts a failure; says how many there were in a row.
    pub(crate) fn failed(&mut self, now: Duration) -> u32 {
        let doubled = 2u32.saturating_pow(self.failures);
        let wait = self.pace.retry_first.saturating_mul(doubled);
        self.next = now.saturating_add(wait.min(self.pace.retry_max));
        self.failures = self.failures.saturating_add(1);
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        period: Duration::from_secs(100),
        retry_first: Duration::from_secs(3),
        retry_max: Duration::from_secs(20),
    };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_empty_ledger_is_never_stamped_and_the_first_entry_at_once() {
        let schedule = Schedule::fresh(PACE);
        assert!(!schedule.is_due(at(1000), 0));
        assert!(schedule.is_due(at(0), 1));
    }

    #[test]
    fn one_token_is_made_in_a_period_and_only_when_the_ledger_grew() {
        let mut schedule = Schedule::fresh(PACE);
        schedule.succeeded(at(5), 10);
        assert!(!schedule.is_due(at(104), 11));
        assert_eq!(schedule.rest(at(15)), at(90));
        assert!(!schedule.is_due(at(1000), 10));
        assert!(schedule.is_due(at(105), 11));
    }

    #[test]
    fn a_restart_goes_on_with_the_period_it_interrupted() {
        let schedule = Schedule::resumed(PACE, 10, at(40));
        assert!(!schedule.is_due(at(59), 11));
        assert!(schedule.is_due(at(60), 11));
        assert!(Schedule::resumed(PACE, 10, at(4000)).is_due(at(0), 11));
    }

    #[test]
    fn waits_after_failures_double_up_to_a_bound_and_begin_anew_after_a_success() {
        let mut schedule = Schedule::fresh(PACE);
        let mut waits = Vec::new();
        for count in 1..=70 {
            assert_eq!(schedule.failed(at(7)), count);
            waits.push(schedule.rest(at(7)).as_secs());
        }
        assert_eq!(waits[..5], [3, 6, 12, 20, 20]);
        assert!(waits[5..].iter().all(|wait| *wait == 20));
        schedule.succeeded(at(7), 1);
        schedule.failed(at(200));
        assert_eq!(schedule.rest(at(200)), at(3));
    }
}
