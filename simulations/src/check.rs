//! What must hold, and how it is said when it does not.

use serde::Serialize;

/// A broken promise of the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which invariant.
    pub invariant: &'static str,
    /// What was found, for people.
    pub detail: String,
}

impl Violation {
    pub(crate) fn new(invariant: &'static str, detail: impl Into<String>) -> Self {
        Self { invariant, detail: detail.into() }
    }
}

/// Looks for things a stranger must not see in what it was sent.
pub(crate) fn leaks(heard: &[Vec<u8>], secrets: &[Vec<u8>]) -> Option<Violation> {
    for frame in heard {
        for secret in secrets {
            if frame.windows(secret.len()).any(|window| window == secret) {
                let detail = format!("{} secret bytes in a frame of {}", secret.len(), frame.len());
                return Some(Violation::new("secrecy", detail));
            }
        }
    }
    None
}
