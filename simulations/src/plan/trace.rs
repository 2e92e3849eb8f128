//! What somebody typed once: a recorded trace that people of a scene type again.
//!
//! A file's JSON in → edits, in order; a typist's place and how far it is → the next edit. A plan holds the whole trace,
//! so that a saved run needs no file. Deliberately not here: reading files (`scenario/recorded.rs`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// At a character, so many go, and this comes.
pub type Patch = (usize, usize, String);

/// Recorded edits of a text. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Patch>", into = "Vec<Patch>")]
pub struct Trace(Arc<[Patch]>);

impl From<Vec<Patch>> for Trace {
    fn from(patches: Vec<Patch>) -> Self {
        Self(patches.into())
    }
}

impl From<Trace> for Vec<Patch> {
    fn from(trace: Trace) -> Self {
        trace.0.to_vec()
    }
}

/// As recorders store it: transactions of patches, at positions counted in characters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    #[serde(default)]
    start_content: String,
    txns: Vec<Transaction>,
}

#[derive(Deserialize)]
struct Transaction {
    patches: Vec<Patch>,
}

impl Trace {
    /// Reads `{"startContent": …, "txns": [{"patches": [[position, deleted, inserted], …]}, …]}`; the transactions of
    /// several writers are taken in the order in which they stand.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub fn read(json: &str) -> Result<Self, String> {
        let stored: Stored = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let start = Some((0, 0, stored.start_content)).filter(|(_, _, text)| !text.is_empty());
        let typed = stored.txns.into_iter().flat_map(|transaction| transaction.patches);
        let patches: Vec<Patch> = start.into_iter().chain(typed).collect();
        if patches.is_empty() {
            return Err("nothing was typed in it".to_owned());
        }
        Ok(Self::from(patches))
    }

    /// How many edits.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What one of several typists types after so many edits: how far its cursor moves from where its last edit ended,
    /// how many characters go, and what comes. Each begins with a stretch of its own and goes on from there, round and
    /// round; its first move is from the beginning of the text.
    #[must_use]
    pub fn next(&self, (typist, of): (usize, usize), done: usize) -> Option<(i64, usize, &str)> {
        let first = self.0.len() * typist / of.max(1);
        let at = (first + done).checked_rem(self.0.len())?;
        let (position, gone, comes) = self.0.get(at)?;
        let before = if done == 0 || at == 0 { None } else { self.0.get(at - 1) };
        let ended = before.map_or(0, |(at, _, text)| at.saturating_add(text.chars().count()));
        let place = |at: usize| i64::try_from(at).unwrap_or(i64::MAX);
        Some((place(*position) - place(ended), *gone, comes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a text when typists type in turns, each at its own cursor.
    fn typed(trace: &Trace, typists: usize, each: usize) -> String {
        let mut text: Vec<char> = Vec::new();
        let mut cursors = vec![0_usize; typists];
        for done in 0..each {
            for (typist, cursor) in cursors.iter_mut().enumerate() {
                let (by, gone, comes) = trace.next((typist, typists), done).unwrap();
                let at = cursor.saturating_add_signed(by as isize).min(text.len());
                let until = at.saturating_add(gone).min(text.len());
                text.splice(at..until, comes.chars());
                *cursor = at + comes.chars().count();
            }
        }
        text.into_iter().collect()
    }

    #[test]
    fn one_typist_types_what_was_recorded_character_by_character() {
        let json = r#"{"startContent": "tide", "endContent": "the tidé.",
            "txns": [{"patches": [[0, 0, "te "]]}, {"patches": [[1, 0, "h"], [7, 1, "é"]]}, {"patches": [[8, 0, "."]]}]}"#;
        let trace = Trace::read(json).unwrap();
        assert_eq!(trace.len(), 5);
        assert_eq!(typed(&trace, 1, 5), "the tidé.");
    }

    #[test]
    fn several_typists_share_it_and_positions_stay_within_the_text() {
        let patches: Vec<Patch> =
            (0..100).map(|n| (n * 37 % 90, n % 3, format!("<{n}>"))).collect();
        let trace = Trace::from(patches);
        let text = typed(&trace, 4, 25);
        // Between them they typed each edit once, and the last is never overtyped.
        assert!(text.contains("<99>") && text.len() > 100);
        let firsts: Vec<&str> = (0..4).map(|n| trace.next((n, 4), 0).unwrap().2).collect();
        assert_eq!(firsts, ["<0>", "<25>", "<50>", "<75>"]);
        assert_eq!(trace.next((3, 4), 25).unwrap().2, "<0>");
        let saved = serde_json::to_string(&trace).unwrap();
        assert_eq!(serde_json::from_str::<Trace>(&saved).unwrap(), trace);
    }

    #[test]
    fn what_is_no_trace_is_told_with_its_line() {
        for (json, told) in [
            ("{\n\"txns\": [{\"patches\": [[0, \"x\"]]}]}", "line 2"),
            ("{\n\n}", "missing field `txns`"),
            ("{\"txns\": []}", "nothing was typed"),
            ("{\"txns\": [{\"patches\": [[-1, 0, \"x\"]]}]}", "line 1"),
        ] {
            let error = Trace::read(json).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
