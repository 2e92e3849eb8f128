//! Keys in the keyring of the operating system, for identities sealed without a passphrase.
//!
//! With the cargo feature `keyring`; without it every call fails and says so.

use super::sealed::Key;
use crate::failure::{Failure, FailureKind, Result};

pub(super) fn put(_entry: &[u8; 16], _key: &Key) -> Result<()> {
    Err(absent())
}

pub(super) fn get(_entry: &[u8; 16]) -> Result<Key> {
    Err(absent())
}

pub(super) fn forget(_entry: &[u8; 16]) -> Result<()> {
    Err(absent())
}

fn absent() -> Failure {
    Failure::new(FailureKind::Sealed, "this meshwork was built without the OS keyring")
        .hint("build it with: cargo install --path node --features keyring")
}
