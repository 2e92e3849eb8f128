//! Keys in the keyring of the operating system, for identities sealed without a passphrase.
//!
//! With the cargo feature `keyring`: Keychain, Credential Manager, or the Secret Service over the session's D-Bus,
//! which a machine without a desktop does not have. Every failure leaves files as they are.

use super::sealed::Key;
use crate::failure::{Failure, FailureKind, Result};

pub(super) use chosen::{forget, get, put};

#[cfg(feature = "keyring")]
mod chosen {
    use keyring::{Entry, Error};
    use zeroize::Zeroizing;

    use super::{Failure, Key, Result, failure};

    const SERVICE: &str = "meshwork";

    fn entry(name: &[u8; 16]) -> Result<Entry> {
        if let Err(error) = Entry::store_status() {
            return Err(unusable(error));
        }
        Entry::new(SERVICE, &data_encoding::HEXLOWER.encode(name)).map_err(|error| unusable(&error))
    }

    fn unusable(error: &Error) -> Failure {
        failure(format!("the OS keyring cannot be used: {error}"))
            .hint("it takes a desktop session that is unlocked; elsewhere use a passphrase")
    }

    /// Keeps a key under a name.
    pub(in super::super) fn put(name: &[u8; 16], key: &Key) -> Result<()> {
        entry(name)?.set_secret(key.as_slice()).map_err(|error| unusable(&error))
    }

    /// The key of that name.
    pub(in super::super) fn get(name: &[u8; 16]) -> Result<Key> {
        let kept = match entry(name)?.get_secret() {
            Ok(kept) => Zeroizing::new(kept),
            Err(Error::NoEntry) => {
                return Err(failure("the OS keyring has no key for this identity")
                    .hint("the keys were sealed on another machine, or as another user"));
            }
            Err(error) => return Err(unusable(&error)),
        };
        let key = <[u8; 32]>::try_from(kept.as_slice());
        key.map(Zeroizing::new).map_err(|_| failure("what the OS keyring holds is no key"))
    }

    /// Removes the key of that name.
    pub(in super::super) fn forget(name: &[u8; 16]) -> Result<()> {
        entry(name)?.delete_credential().map_err(|error| unusable(&error))
    }
}

#[cfg(not(feature = "keyring"))]
mod chosen {
    use super::{Failure, Key, Result, failure};

    fn absent() -> Failure {
        failure("this meshwork was built without the OS keyring")
            .hint("build it with: cargo install --path node --features keyring")
    }

    pub(in super::super) fn put(_name: &[u8; 16], _key: &Key) -> Result<()> {
        Err(absent())
    }

    pub(in super::super) fn get(_name: &[u8; 16]) -> Result<Key> {
        Err(absent())
    }

    pub(in super::super) fn forget(_name: &[u8; 16]) -> Result<()> {
        Err(absent())
    }
}

fn failure(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Sealed, message)
}
