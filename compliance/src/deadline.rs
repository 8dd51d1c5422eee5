//! Days by which reports of serious incidents fall due, Art. 73 of Regulation (EU) 2024/1689.
//!
//! Calendar days in the time zone of the Member State; the day of awareness is not counted, and no
//! weekend or holiday moves a date. The time zone rules are those compiled in, so that the same
//! records give the same dates everywhere.

use countersign_record::IncidentCategory;
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZoneDatabase};

/// The days that the register's entry `eu-aia-73` notes for a category; `None` when the category
/// is not known yet.
pub(crate) const fn days(category: IncidentCategory) -> Option<i64> {
    match category {
        IncidentCategory::CriticalInfrastructure | IncidentCategory::WidespreadInfringement => {
            Some(2)
        }
        IncidentCategory::Death => Some(10),
        IncidentCategory::HealthHarm
        | IncidentCategory::FundamentalRights
        | IncidentCategory::PropertyOrEnvironment => Some(15),
        IncidentCategory::Undetermined => None,
    }
}

/// The last day of a term of `days` from awareness; `None` for a zone that is not known.
pub(crate) fn due(aware_at: &str, zone: &str, days: i64) -> Option<Date> {
    let zone = TimeZoneDatabase::bundled().get(zone).ok()?;
    let aware: Timestamp = aware_at.parse().ok()?;
    let day = zone.to_datetime(aware).date();
    day.checked_add(days.days()).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn days_are_counted_in_the_member_states_zone_without_the_day_of_awareness() {
        let cases = [
            ("2027-12-10T09:00:00Z", [(12, 12), (12, 20), (12, 25)], 2027),
            ("2028-02-27T23:30:00Z", [(3, 1), (3, 9), (3, 14)], 2028),
        ];
        for (aware, expected, year) in cases {
            let found = [2, 10, 15].map(|days| due(aware, "Europe/Berlin", days).unwrap());
            assert_eq!(found, expected.map(|(month, day)| date(year, month, day)));
        }
    }

    #[test]
    fn an_unknown_zone_gives_no_date() {
        assert_eq!(due("2027-12-10T09:00:00Z", "Europe/Atlantis", 15), None);
        assert_eq!(due("soon", "Europe/Berlin", 15), None);
    }
}
