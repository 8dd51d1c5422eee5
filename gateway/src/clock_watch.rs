//! Watches time itself: whether the wall clock was set, and whether everything stood still.
//!
//! Records carry the wall clock's time, so whoever sets it moves records. Each second the wall
//! clock's advance is held against those of two clocks that nobody can set: one that stands while
//! the machine sleeps (monotonic) and one that does not (boot).

use std::time::Duration;

use countersign_record::{Clock, ClockEvent};
use jiff::Timestamp;

/// Time between two looks.
pub const EVERY: Duration = Duration::from_secs(1);
/// Largest difference between two clocks that is not told.
const TOLERANCE_NS: i128 = 1_000_000_000;
/// Longest time between two looks that is not taken for a standstill of the process.
const LATE_MAX_NS: i128 = 10_000_000_000;

/// What the clocks say at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The clock that can be set.
    pub wall: Timestamp,
    /// Time since some moment, without the time that the machine slept.
    pub monotonic: Duration,
    /// Time since some moment, all of it.
    pub boot: Duration,
}

/// Compares readings.
#[derive(Debug)]
pub struct ClockWatch {
    last: Reading,
    /// The reading since which differences add up: many small steps are one large one.
    since: Reading,
}

impl ClockWatch {
    /// Begins at `reading`.
    pub const fn new(reading: Reading) -> Self {
        Self {
            last: reading,
            since: reading,
        }
    }

    /// What happened to time since the last look, or in small steps since the last event.
    pub fn look(&mut self, now: Reading) -> Option<Clock> {
        let found = event(&self.last, &now, true)
            .map(|event| clock(event, &self.last, &now))
            .or_else(|| {
                event(&self.since, &now, false).map(|event| clock(event, &self.since, &now))
            });
        self.last = now;
        if found.is_some() {
            self.since = now;
        }
        found
    }
}

fn event(before: &Reading, after: &Reading, neighbours: bool) -> Option<ClockEvent> {
    let boot = nanoseconds(after.boot) - nanoseconds(before.boot);
    let monotonic = nanoseconds(after.monotonic) - nanoseconds(before.monotonic);
    let wall = after.wall.as_nanosecond() - before.wall.as_nanosecond();
    if (wall - boot).abs() > TOLERANCE_NS {
        return Some(ClockEvent::Step);
    }
    let slept = boot - monotonic > TOLERANCE_NS;
    let late = neighbours && monotonic > LATE_MAX_NS;
    (slept || late).then_some(ClockEvent::Suspended)
}

fn clock(event: ClockEvent, before: &Reading, after: &Reading) -> Clock {
    let elapsed = nanoseconds(after.monotonic) - nanoseconds(before.monotonic);
    let offset = after.wall.as_nanosecond() - before.wall.as_nanosecond() - elapsed;
    let most = i128::from(Clock::OFFSET_MAX);
    Clock {
        event,
        offset_ns: i64::try_from(offset.clamp(-most, most)).unwrap_or(Clock::OFFSET_MAX),
        before: format!("{:.9}", before.wall),
        after: format!("{:.9}", after.wall),
        elapsed_us: u64::try_from(elapsed / 1_000).unwrap_or(0),
    }
}

fn nanoseconds(time: Duration) -> i128 {
    // A duration of more than i128 nanoseconds cannot be made.
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(wall_ms: i64, monotonic_ms: u64, boot_ms: u64) -> Reading {
        Reading {
            wall: Timestamp::from_millisecond(1_700_000_000_000 + wall_ms).unwrap(),
            monotonic: Duration::from_millis(monotonic_ms),
            boot: Duration::from_millis(boot_ms),
        }
    }

    fn watch() -> ClockWatch {
        ClockWatch::new(reading(0, 5_000, 9_000))
    }

    #[test]
    fn clocks_that_agree_are_no_event_even_when_a_look_is_late() {
        let mut watch = watch();
        for second in 1..=100 {
            let jitter = second % 3 * 300;
            let at = second * 1_000 + jitter;
            let found = watch.look(reading(
                at,
                5_000 + at.unsigned_abs(),
                9_000 + at.unsigned_abs(),
            ));
            assert_eq!(found, None, "second {second}");
        }
    }

    #[test]
    fn a_clock_set_forward_or_back_is_a_step_with_its_size() {
        for offset in [1_500, -1_500, -86_400_000, 86_400_000] {
            let found = watch()
                .look(reading(1_000 + offset, 6_000, 10_000))
                .unwrap();
            assert_eq!(found.event, ClockEvent::Step);
            assert_eq!(found.offset_ns, offset * 1_000_000);
            assert_eq!(found.elapsed_us, 1_000_000);
            assert_eq!(found.before, "2023-11-14T22:13:20.000000000Z");
        }
        assert_eq!(watch().look(reading(1_999, 6_000, 10_000)), None);
    }

    #[test]
    fn many_small_steps_are_told_once_they_add_up() {
        let mut watch = watch();
        let at = |second: i64| {
            let steady = second.unsigned_abs() * 1_000;
            reading(second * 1_300, 5_000 + steady, 9_000 + steady)
        };
        for second in 1..=3 {
            assert_eq!(watch.look(at(second)), None, "second {second}");
        }
        let found = watch.look(at(4)).unwrap();
        assert_eq!(
            (found.event, found.offset_ns),
            (ClockEvent::Step, 1_200_000_000)
        );
        assert_eq!(found.elapsed_us, 4_000_000);
        assert_eq!(watch.look(at(5)), None);
    }

    #[test]
    fn a_machine_that_slept_was_suspended_and_its_clock_was_not_set() {
        let found = watch().look(reading(61_000, 6_000, 70_000)).unwrap();
        assert_eq!(found.event, ClockEvent::Suspended);
        assert_eq!(found.offset_ns, 60_000_000_000);
    }

    #[test]
    fn a_process_that_was_stopped_was_suspended() {
        let found = watch().look(reading(30_000, 35_000, 39_000)).unwrap();
        assert_eq!(found.event, ClockEvent::Suspended);
        assert_eq!((found.offset_ns, found.elapsed_us), (0, 30_000_000));
    }

    #[test]
    fn a_jump_of_years_is_told_as_the_largest_exact_integer() {
        let found = watch()
            .look(reading(-1_000_000_000_000, 6_000, 10_000))
            .unwrap();
        assert_eq!(found.offset_ns, -Clock::OFFSET_MAX);
        assert!(found.after.starts_with("1992-"), "{}", found.after);
    }
}
