//! What a person means by a name, an id, or the beginning of an id.

use std::collections::BTreeSet;

use crate::failure::{Failure, Result};

/// Something with an id and a name.
pub(crate) struct Known<T> {
    what: T,
    id: String,
    name: String,
}

impl<T> Known<T> {
    /// One thing.
    pub(crate) fn of(what: T, id: String, name: &str) -> Self {
        Self { what, id, name: name.to_owned() }
    }
}

/// The one thing that has this id, else this name, else an id that begins so.
///
/// # Errors
/// `FailureKind::NotFound`, or `FailureKind::Usage` naming the candidates.
pub(crate) fn meant<T: Copy + Ord>(text: &str, known: Vec<Known<T>>, kind: &str) -> Result<T> {
    let is_id = |known: &Known<T>| known.id == text;
    let is_name = |known: &Known<T>| !known.name.is_empty() && known.name == text;
    let begins = |known: &Known<T>| !text.is_empty() && known.id.starts_with(text);
    for way in [&is_id as &dyn Fn(&Known<T>) -> bool, &is_name, &begins] {
        let found: Vec<&Known<T>> = known.iter().filter(|known| way(known)).collect();
        let things: BTreeSet<T> = found.iter().map(|known| known.what).collect();
        match things.len() {
            0 => {}
            1 => return Ok(found[0].what),
            several => {
                let failure = Failure::usage(format!("`{text}` may mean {several} {kind}s"));
                return Err(found.iter().fold(failure, |failure, known| {
                    failure.hint(format!("{} {}", known.id, known.name).trim_end().to_owned())
                }));
            }
        }
    }
    Err(Failure::not_found(format!("there is no {kind} `{text}`")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    fn known() -> Vec<Known<u8>> {
        let of = |what, id: &str, name: &str| Known::of(what, id.to_owned(), name);
        vec![of(1, "aab", "one"), of(1, "aac", ""), of(2, "b", "aab"), of(3, "bc", "one")]
    }

    #[test]
    fn an_id_comes_before_a_name_and_a_name_before_a_beginning() {
        assert_eq!(meant("aab", known(), "thing"), Ok(1));
        assert_eq!(meant("b", known(), "thing"), Ok(2));
        assert_eq!(meant("aa", known(), "thing"), Ok(1));
        assert_eq!(meant("bc", known(), "thing"), Ok(3));
        assert_eq!(meant("one", known(), "thing").unwrap_err().kind, FailureKind::Usage);
        assert_eq!(meant("", known(), "thing").unwrap_err().kind, FailureKind::NotFound);
        assert_eq!(meant("x", known(), "thing").unwrap_err().kind, FailureKind::NotFound);
    }
}
