//! What a person seals keys under.
//!
//! Data in: text, or the first line of a file. Wiped on drop, never printed. Deliberately not here: asking for
//! it (`cli/passphrase.rs`), and what it is turned into (`sealed.rs`).

use std::fmt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::failure::{Failure, Result};
use crate::files;

/// Fewest characters of a passphrase.
pub const PASSPHRASE_CHARS_MIN: usize = 8;
/// Longest passphrase, in bytes.
pub const PASSPHRASE_BYTES_MAX: usize = 1024;

/// A passphrase; the same bytes of UTF-8 each time, or it is another one.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes a text as it is.
    ///
    /// # Errors
    /// `FailureKind::Usage` if it is too short or too long.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = Zeroizing::new(text.into());
        if text.chars().count() < PASSPHRASE_CHARS_MIN {
            return Err(Failure::usage(format!(
                "a passphrase has at least {PASSPHRASE_CHARS_MIN} characters"
            ))
            .hint("five words picked by chance make a good one"));
        }
        if text.len() > PASSPHRASE_BYTES_MAX {
            return Err(Failure::usage(format!(
                "a passphrase has at most {PASSPHRASE_BYTES_MAX} bytes"
            )));
        }
        Ok(Self(text))
    }

    /// Takes the first line of a file, without its end.
    ///
    /// # Errors
    /// `FailureKind::Usage` if it cannot be read or holds no passphrase.
    pub fn from_file(path: &Path) -> Result<Self> {
        let unusable = |why: &dyn fmt::Display| {
            Failure::usage(format!("the passphrase file {}: {why}", path.display()))
        };
        // A long second line does no harm, a file that is none of text at all should.
        let content = files::read_bounded(path, 4 * PASSPHRASE_BYTES_MAX as u64)
            .map_err(|error| unusable(&error))?
            .map(Zeroizing::new)
            .ok_or_else(|| unusable(&"no such file"))?;
        let text = std::str::from_utf8(&content).map_err(|_| unusable(&"it is not UTF-8 text"))?;
        let line = text.lines().next().unwrap_or_default();
        Self::new(line)
            .map_err(|failure| Failure { message: unusable(&failure.message).message, ..failure })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether two are the same, for asking twice.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    #[test]
    fn a_short_or_endless_passphrase_is_refused() {
        for text in [String::new(), "seven77".to_owned(), "x".repeat(PASSPHRASE_BYTES_MAX + 1)] {
            assert_eq!(Passphrase::new(text).unwrap_err().kind, FailureKind::Usage);
        }
        assert!(Passphrase::new("ünïcödé8").is_ok(), "characters count, not bytes");
    }

    #[test]
    fn a_file_gives_its_first_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for content in ["correct horse\n", "correct horse\r\nrest", "correct horse"] {
            std::fs::write(file.path(), content).unwrap();
            let read = Passphrase::from_file(file.path()).unwrap();
            assert!(read.same(&Passphrase::new("correct horse").unwrap()), "{content:?}");
        }
        std::fs::write(file.path(), "\ncorrect horse").unwrap();
        let failure = Passphrase::from_file(file.path()).unwrap_err();
        assert!(failure.message.contains(file.path().to_str().unwrap()), "{failure}");
        std::fs::write(file.path(), [0xff; 20]).unwrap();
        assert!(Passphrase::from_file(file.path()).is_err());
        assert!(Passphrase::from_file(&file.path().join("none")).is_err());
    }

    #[test]
    fn debug_shows_nothing_of_it() {
        let passphrase = Passphrase::new("correct horse").unwrap();
        assert_eq!(format!("{passphrase:?}"), "Passphrase(..)");
    }
}
