//! Scenario files: a world described for people, in TOML.
//!
//! Text in → a [`Scenario`], or an error that names the line and what would have been right; a scenario and a seed →
//! a [`Plan`], in which nothing is left open. The schema is documented in `docs/simulations.md`.
//! Deliberately not here: the world in which it happens.

use std::path::Path;

mod draw;
mod file;
mod recorded;
pub mod regions;
mod units;

pub use file::Scenario;

use crate::plan::Plan;

/// Scenarios that come with the simulator: name and text.
pub const SHIPPED: &[(&str, &str)] = &[
    ("lan-of-3", include_str!("../scenarios/lan-of-3.toml")),
    ("office-of-50", include_str!("../scenarios/office-of-50.toml")),
    ("conference-wifi", include_str!("../scenarios/conference-wifi.toml")),
    ("two-regions-thin-link", include_str!("../scenarios/two-regions-thin-link.toml")),
    ("three-continents", include_str!("../scenarios/three-continents.toml")),
    ("edge-fleet-1000", include_str!("../scenarios/edge-fleet-1000.toml")),
    ("week-apart", include_str!("../scenarios/week-apart.toml")),
    ("restored-backups", include_str!("../scenarios/restored-backups.toml")),
    ("malicious-member", include_str!("../scenarios/malicious-member.toml")),
    ("malicious-relay", include_str!("../scenarios/malicious-relay.toml")),
    ("rolling-upgrade", include_str!("../scenarios/rolling-upgrade.toml")),
    ("phones", include_str!("../scenarios/phones.toml")),
    ("disk-full", include_str!("../scenarios/disk-full.toml")),
    ("clock-chaos", include_str!("../scenarios/clock-chaos.toml")),
    ("flapping-links", include_str!("../scenarios/flapping-links.toml")),
    ("one-way-partition", include_str!("../scenarios/one-way-partition.toml")),
    ("membership-storm", include_str!("../scenarios/membership-storm.toml")),
    ("presence-storm", include_str!("../scenarios/presence-storm.toml")),
    ("bulk-import", include_str!("../scenarios/bulk-import.toml")),
    ("power-cuts", include_str!("../scenarios/power-cuts.toml")),
    ("cloned-disk", include_str!("../scenarios/cloned-disk.toml")),
    ("bit-rot", include_str!("../scenarios/bit-rot.toml")),
    ("newcomer-late", include_str!("../scenarios/newcomer-late.toml")),
    ("home-and-office", include_str!("../scenarios/home-and-office.toml")),
    ("satellite-link", include_str!("../scenarios/satellite-link.toml")),
];

impl Scenario {
    /// Reads a scenario; `name` is what errors call its file. Traces it names are not read: `load` does that.
    ///
    /// # Errors
    /// What is wrong, with its line, and what would have been right.
    pub fn read(name: &str, text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error: toml::de::Error| {
            let line = line(text, error.span().map_or(0, |span| span.start));
            let message = error.message().replace('\n', ", ");
            let hint = hint(&message);
            format!("{name} line {line}: {message}{hint}")
        })
    }

    /// Reads the scenario of a file, or a shipped one by its name.
    ///
    /// # Errors
    /// That there is none, or what is wrong with it.
    pub fn load(name: &str) -> Result<Self, String> {
        if let Some((_, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
            return Self::read(name, text);
        }
        let text = std::fs::read_to_string(Path::new(name)).map_err(|error| {
            let known: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
            format!("cannot read the scenario {name}: {error}; shipped are: {}", known.join(", "))
        })?;
        let mut scenario = Self::read(name, &text)?;
        scenario.read_traces(name, &text)?;
        Ok(scenario)
    }
}

/// The line in which a byte of a text lies.
fn line(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

/// A word on the mistakes that are made most.
fn hint(message: &str) -> &'static str {
    if message.contains("a time with its unit") {
        "; times are written in quotes, with their unit"
    } else if message.contains("missing field") {
        "; see the schema in docs/simulations.md"
    } else {
        ""
    }
}

/// A plan of a shipped scenario.
///
/// # Errors
/// That there is no such scenario, or what is wrong with it.
pub fn plan(name: &str, seed: u64, small: bool) -> Result<Plan, String> {
    Scenario::load(name)?.plan(seed, small).map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        match Scenario::read("a.toml", text) {
            Ok(scenario) => scenario.plan(1, false).expect_err("it is wrong"),
            Err(error) => error,
        }
    }

    const RIGHT: &str = "name = \"a\"\nabout = \"b\"\nsafety = \"1 min\"\nliveness = \"1 min\"\n        [[region]]\nname = \"here\"\n[[group]]\nname = \"all\"\ncount = 3\nregion = \"here\"\n        [[space]]\nof = [\"all\"]\n";

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_what_would_be_right() {
        assert!(Scenario::read("a.toml", RIGHT).unwrap().plan(1, false).is_ok());
        let wrong = |from: &str, to: &str| error(&RIGHT.replacen(from, to, 1));
        let told = wrong("safety = \"1 min\"", "safety = 60");
        assert!(told.starts_with("a.toml line 3: ") && told.contains("\"10 s\""), "{told}");
        let told = wrong("count = 3", "counts = 3");
        assert!(told.starts_with("a.toml line 9: ") && told.contains("expected one of"), "{told}");
        let told = wrong("count = 3", "count = [5, 3]");
        assert!(told.starts_with("a.toml line 9: ") && told.contains("more than"), "{told}");
        assert!(wrong("region = \"here\"", "region = \"there\"").contains("there are: here"));
        assert!(wrong("of = [\"all\"]", "of = [\"any\"]").contains("no group `any`"));
        assert!(wrong("count = 3", "count = 0").contains("of nobody"));
        let told = wrong("name = \"here\"", "name = \"here\"\ncity = \"Atlantis\"");
        assert!(told.contains("known are: Amsterdam"), "{told}");
    }

    #[test]
    fn every_scenario_that_lies_there_is_shipped_and_says_what_it_shows() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let mut files: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let mut shipped: Vec<String> =
            SHIPPED.iter().map(|(name, _)| format!("{name}.toml")).collect();
        shipped.sort();
        assert_eq!(files, shipped);
        assert!(shipped.len() >= 20);
        for (name, text) in SHIPPED {
            let scenario = Scenario::read(name, text).unwrap();
            assert!(scenario.about.len() > 40, "{name}");
            for seed in 0..3 {
                scenario.plan(seed, true).unwrap_or_else(|error| panic!("{name}: {error}"));
                scenario.plan(seed, false).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        }
    }

    #[test]
    fn the_seed_decides_what_is_open_and_nothing_else() {
        let open = RIGHT.replace("count = 3", "count = [3, 30]");
        let scenario = Scenario::read("a.toml", &open).unwrap();
        let counts: Vec<usize> =
            (0..20).map(|seed| scenario.plan(seed, false).unwrap().devices).collect();
        assert!(counts.iter().all(|count| (3..=30).contains(count)));
        assert!(counts.windows(2).any(|pair| pair[0] != pair[1]));
        assert_eq!(scenario.plan(7, false).unwrap(), scenario.plan(7, false).unwrap());
    }
}
