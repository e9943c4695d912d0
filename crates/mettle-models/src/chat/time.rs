//! `strftime` in UTC, for templates that tell the model the date.

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];

/// Formats a time given in seconds since 1970; an unknown directive is returned as the error.
pub(super) fn format_utc(format: &str, seconds: u64) -> Result<String, char> {
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let weekday = DAYS[(seconds / 86_400 % 7) as usize];
    let month_name = MONTHS[month as usize - 1];
    let mut out = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let mut directive = letters.next().unwrap_or('%');
        // `%-d` is glibc's `%d` without padding.
        let padded = directive != '-';
        if !padded {
            directive = letters.next().unwrap_or('%');
        }
        let number = |n: u64, width: usize| match padded {
            true => format!("{n:0width$}"),
            false => n.to_string(),
        };
        out.push_str(&match directive {
            'Y' => number(year, 4),
            'y' => number(year % 100, 2),
            'm' => number(month, 2),
            'd' => number(day, 2),
            'H' => number(hour, 2),
            'I' => number((hour + 11) % 12 + 1, 2),
            'M' => number(minute, 2),
            'S' => number(second, 2),
            'p' => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            'A' => weekday.to_owned(),
            'a' => weekday[..3].to_owned(),
            'B' => month_name.to_owned(),
            'b' | 'h' => month_name[..3].to_owned(),
            'j' => number(seconds / 86_400 - days_before_year(year) + 1, 3),
            'F' => format!("{year:04}-{month:02}-{day:02}"),
            'T' => format!("{hour:02}:{minute:02}:{second:02}"),
            'Z' => "UTC".to_owned(),
            'z' => "+0000".to_owned(),
            '%' => "%".to_owned(),
            other => return Err(other),
        });
    }
    Ok(out)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Days from 1970 to the start of a year.
fn days_before_year(year: u64) -> u64 {
    let leap_years_to = |y: u64| y / 4 - y / 100 + y / 400;
    (year - 1970) * 365 + leap_years_to(year - 1) - leap_years_to(1969)
}

/// Year, month and day (both from 1) of a day counted from 1970.
fn date(days: u64) -> (u64, u64, u64) {
    // A first guess that is never too late, and early by at most a year for any date a clock will show.
    let mut year = 1970 + days / 366;
    while days_before_year(year + 1) <= days {
        year += 1;
    }
    let mut day = days - days_before_year(year);
    let february = 28 + u64::from(is_leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    (year, month, day + 1)
}

#[cfg(test)]
mod tests {
    use super::format_utc;

    #[test]
    fn known_times() {
        // `date -u -d @N` of GNU coreutils.
        let full = "%A %d %B %Y %H:%M:%S %j";
        assert_eq!(
            format_utc(full, 0).unwrap(),
            "Thursday 01 January 1970 00:00:00 001"
        );
        assert_eq!(
            format_utc(full, 951_782_399).unwrap(),
            "Monday 28 February 2000 23:59:59 059"
        );
        assert_eq!(
            format_utc(full, 951_782_400).unwrap(),
            "Tuesday 29 February 2000 00:00:00 060"
        );
        assert_eq!(
            format_utc(full, 1_735_689_599).unwrap(),
            "Tuesday 31 December 2024 23:59:59 366"
        );
        assert_eq!(
            format_utc(full, 4_102_444_800).unwrap(),
            "Friday 01 January 2100 00:00:00 001"
        );
        assert_eq!(
            format_utc("%-d %b %y, %-I %p 100%%", 1_735_722_000).unwrap(),
            "1 Jan 25, 9 AM 100%"
        );
        assert_eq!(format_utc("%Q", 0), Err('Q'));
    }
}
