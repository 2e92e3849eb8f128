//! Durations as people write them: `500ms`, `30s`, `15m`, `24h`, `7d`.

use std::time::Duration;

/// Parses a whole number with a unit.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let ms_per_unit: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        "d" => 24 * 3600 * 1000,
        _ => return Err("write it like 500ms, 30s, 15m, 24h or 7d".to_owned()),
    };
    number
        .parse()
        .ok()
        .and_then(|number: u64| number.checked_mul(ms_per_unit))
        .map(Duration::from_millis)
        .ok_or_else(|| "write it like 500ms, 30s, 15m, 24h or 7d".to_owned())
}

/// Milliseconds, for the API.
pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_understood_and_nothing_else() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(parse("24h"), Ok(Duration::from_secs(86_400)));
        assert_eq!(parse("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in ["", "5", "h", "-1s", "1.5h", "1 h", "99999999999999999999d"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
