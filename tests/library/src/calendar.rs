//! Days and seconds since 1970-01-01, written as PostgreSQL reads them.

use std::fmt;

pub const SECONDS_PER_DAY: i64 = 86_400;

/// Reviews and favourites fall on the days from here (2023-01-01) ...
pub const FIRST_DAY: i64 = 19_358;
/// ... up to, not including, here (2026-01-01). Fixed, because a date taken from the clock would change the output.
pub const LAST_DAY: i64 = 20_454;

pub struct Day(pub i64);

impl fmt::Display for Day {
    /// Howard Hinnant's `civil_from_days`; the years start in March, so that the leap day comes last.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let shifted = self.0 + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = (march_month + 2) % 12 + 1;
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

pub struct Instant(pub i64);

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let seconds = self.0.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        let day = Day(self.0.div_euclid(SECONDS_PER_DAY));
        write!(f, "{day} {hour:02}:{minute:02}:{second:02}+00")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_as_calendar_dates() {
        assert_eq!(Day(0).to_string(), "1970-01-01");
        assert_eq!(Day(-1).to_string(), "1969-12-31");
        assert_eq!(Day(11_016).to_string(), "2000-02-29");
        assert_eq!(Day(FIRST_DAY).to_string(), "2023-01-01");
        assert_eq!(Day(LAST_DAY).to_string(), "2026-01-01");
        assert_eq!(Instant(951_782_399).to_string(), "2000-02-28 23:59:59+00");
    }
}
