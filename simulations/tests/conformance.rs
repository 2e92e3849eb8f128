//! The disk of the simulated world keeps the rules that every adapter of the storage port keeps.

use std::sync::Arc;

use meshwork_protocol::store::{StoreError, conformance};
use meshwork_sim::CrashDisk;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng as _;

struct Machine {
    disk: Arc<CrashDisk>,
    rng: ChaCha8Rng,
}

impl conformance::Harness for Machine {
    type Store = Arc<CrashDisk>;

    fn open(&mut self) -> Result<Self::Store, StoreError> {
        self.disk.sync();
        Ok(self.disk.clone())
    }

    fn crash(&mut self, store: Self::Store) {
        store.crash(&mut self.rng);
    }
}

#[test]
fn the_crash_disk_is_a_store_like_any_other() {
    let mut seed = 0;
    conformance::run(|| {
        seed += 1;
        Machine { disk: Arc::default(), rng: ChaCha8Rng::seed_from_u64(seed) }
    });
}
