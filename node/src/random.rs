//! The system's random numbers.
//!
//! Secrets that outlive the process come from here and from no generator kept in memory: whoever reads the
//! memory of a running node must not be able to compute the recovery phrase of its first start.

use getrandom::SysRng;
use rand_core::UnwrapErr;

use crate::failure::{Failure, Result};

/// Random numbers of the operating system.
///
/// # Errors
/// [`FailureKind::Internal`](crate::FailureKind::Internal) if it has none.
pub(crate) fn system() -> Result<UnwrapErr<SysRng>> {
    // What can give one byte can give more, so that the generator below need not fail.
    getrandom::fill(&mut [0])
        .map_err(|error| Failure::internal(format!("no random numbers: {error}")))?;
    Ok(UnwrapErr(SysRng))
}
