//! Places on the globe, and how long light takes between them.
//!
//! `data/regions.csv` lists places with their coordinates. The way between two is the great circle at the speed of
//! light in fibre (refractive index 1.468), times a factor for cables that do not follow great circles and for what
//! stands between them, and a constant for both ends. A model, not a measurement: a scenario that knows better gives
//! `latency_ms` itself.

/// Name, latitude and longitude in degrees, one place a line after the first.
const DATA: &str = include_str!("../../data/regions.csv");
/// Kilometres that light goes in fibre in a millisecond.
const KM_PER_MS: f64 = 299.792_458 / 1.468;
/// How much longer cables are than great circles, and queues make them.
const DETOUR: f64 = 1.6;
/// What both ends add, in milliseconds.
const ENDS_MS: f64 = 2.0;
/// Mean radius of the earth, in kilometres.
const EARTH_KM: f64 = 6_371.0;

fn find(name: &str) -> Option<(f64, f64)> {
    let line = places().find(|line| line.split(',').next() == Some(name))?;
    let mut fields = line.split(',').skip(1).map(|field| field.trim().parse::<f64>().ok());
    Some((fields.next()??.to_radians(), fields.next()??.to_radians()))
}

fn places() -> impl Iterator<Item = &'static str> {
    DATA.lines().filter(|line| !line.starts_with('#')).skip(1)
}

/// The names of all places.
pub fn names() -> impl Iterator<Item = &'static str> {
    places().filter_map(|line| line.split(',').next())
}

/// The way between two places, in milliseconds; none if one is not known.
#[must_use]
pub fn way_ms(a: &str, b: &str) -> Option<u64> {
    let ((lat_a, lon_a), (lat_b, lon_b)) = (find(a)?, find(b)?);
    // Haversine.
    let half = |angle: f64| (angle / 2.0).sin().powi(2);
    let chord = half(lat_b - lat_a) + lat_a.cos() * lat_b.cos() * half(lon_b - lon_a);
    let km = 2.0 * EARTH_KM * chord.sqrt().min(1.0).asin();
    Some((km / KM_PER_MS * DETOUR + ENDS_MS).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_as_long_as_the_earth_is_round() {
        assert_eq!(way_ms("Zurich", "Zurich"), Some(2));
        assert_eq!(way_ms("Zurich", "Sydney"), way_ms("Sydney", "Zurich"));
        // 3 940 km: 19.3 ms of light in fibre.
        assert_eq!(way_ms("New York", "Los Angeles"), Some(33));
        assert_eq!(way_ms("Zurich", "Atlantis"), None);
        // Nothing is further than half the way around.
        let furthest = (20_015.0 / KM_PER_MS * DETOUR + ENDS_MS).ceil() as u64;
        for a in names() {
            for b in names() {
                assert!(way_ms(a, b).is_some_and(|ms| ms <= furthest), "{a} {b}");
            }
        }
        assert!(names().count() >= 20);
    }
}
