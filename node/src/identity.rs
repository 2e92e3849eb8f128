//! The identity file: this device's secret keys, in a small file of their own.
//!
//! Layout: the line `meshwork identity 1`, the bytes of [`Identity::to_bytes`], and the BLAKE3 hash of
//! both. Mode 0600, written once, atomically and synced. A file that is damaged, readable by others or
//! missing beside an existing store is refused, never replaced: a new identity would be a new device.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use meshwork_protocol::Identity;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::failure::{Failure, Result};
use crate::files;

/// Name of the identity file in the data directory.
pub(crate) const IDENTITY_FILE: &str = "identity";

const MAGIC: &[u8] = b"meshwork identity 1\n";
const HASH_BYTES: usize = 32;
const FILE_BYTES_MAX: u64 = 4096;

/// Reads the identity in `data_dir`, or makes one if `data_dir` holds neither identity nor store.
///
/// # Errors
/// [`FailureKind::Storage`](crate::FailureKind::Storage) with a hint.
pub(crate) fn load_or_create(
    data_dir: &Path,
    store_exists: bool,
    rng: &mut dyn CryptoRng,
) -> Result<Identity> {
    let path = data_dir.join(IDENTITY_FILE);
    let shown = path.display();
    let content = files::read_bounded(&path, FILE_BYTES_MAX).map(|read| read.map(Zeroizing::new));
    match content {
        Ok(Some(content)) => {
            check_permissions(&path)?;
            parse(&content).ok_or_else(|| {
                Failure::storage(format!("the identity file {shown} is damaged"))
                    .hint("restore it from a backup; without it this device cannot be itself again")
                    .hint("or start as a new device in an empty directory: --data-dir DIR")
            })
        }
        Ok(None) if store_exists => Err(Failure::storage(format!(
            "the identity file {shown} is missing, but the store beside it is not"
        ))
        .hint("restore it from a backup")
        .hint("or start as a new device in an empty directory: --data-dir DIR")),
        Ok(None) => {
            let identity = Identity::generate(rng);
            files::write_private(&path, &render(&identity))?;
            Ok(identity)
        }
        Err(error) => {
            Err(Failure::storage(format!("cannot read the identity file {shown}: {error}")))
        }
    }
}

fn check_permissions(path: &Path) -> Result<()> {
    let mode = std::fs::metadata(path)
        .map_err(|error| Failure::storage(format!("cannot inspect {}: {error}", path.display())))?
        .permissions()
        .mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Failure::storage(format!(
        "the identity file {} is open to other users (mode {:04o})",
        path.display(),
        mode & 0o7777
    ))
    .hint(format!("close it: chmod 600 {}", path.display()))
    .hint("if somebody may have read it, start as a new device instead"))
}

fn render(identity: &Identity) -> Zeroizing<Vec<u8>> {
    let mut content = Zeroizing::new(MAGIC.to_vec());
    content.extend_from_slice(&identity.to_bytes());
    let hash = blake3::hash(&content);
    content.extend_from_slice(hash.as_bytes());
    content
}

fn parse(content: &[u8]) -> Option<Identity> {
    let (body, hash) = content.split_at_checked(content.len().checked_sub(HASH_BYTES)?)?;
    if blake3::hash(body) != *<&[u8; HASH_BYTES]>::try_from(hash).ok()? {
        return None;
    }
    Identity::from_bytes(body.strip_prefix(MAGIC)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;
    use rand_core::SeedableRng;
    use std::fs;

    fn load(dir: &Path) -> Result<Identity> {
        load_or_create(dir, false, &mut rand_chacha::ChaCha20Rng::from_seed([7; 32]))
    }

    #[test]
    fn the_identity_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let first = load(dir.path()).unwrap().device();
        let mode = fs::metadata(dir.path().join(IDENTITY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut other_rng = rand_chacha::ChaCha20Rng::from_seed([8; 32]);
        let second = load_or_create(dir.path(), true, &mut other_rng).unwrap().device();
        assert_eq!(first, second);
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        load(dir.path()).unwrap();
        let path = dir.path().join(IDENTITY_FILE);
        let content = fs::read(&path).unwrap();
        for at in 0..content.len() {
            let mut damaged = content.clone();
            damaged[at] ^= 1;
            assert!(parse(&damaged).is_none(), "byte {at}");
        }
        for len in 0..content.len() {
            assert!(parse(&content[..len]).is_none(), "length {len}");
        }
    }

    #[test]
    fn a_file_open_to_others_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        load(dir.path()).unwrap();
        let path = dir.path().join(IDENTITY_FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let failure = load(dir.path()).err().unwrap();
        assert_eq!(failure.kind, FailureKind::Storage);
        assert!(failure.hints[0].contains("chmod 600"));
    }

    #[test]
    fn a_lost_identity_is_never_replaced_beside_a_store() {
        let dir = tempfile::tempdir().unwrap();
        let mut rng = rand_chacha::ChaCha20Rng::from_seed([7; 32]);
        assert!(load_or_create(dir.path(), true, &mut rng).is_err());
        assert!(!dir.path().join(IDENTITY_FILE).exists());
    }
}
