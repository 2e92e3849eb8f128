//! Both adapters keep every rule of the port.

use meshwork_protocol::store::{StoreError, conformance};
use meshwork_storage::{RedbOptions, RedbStore, SledOptions, SledStore};
use tempfile::TempDir;

struct Sled(TempDir);
struct Redb(TempDir);

impl conformance::Harness for Sled {
    type Store = SledStore;

    fn open(&mut self) -> Result<SledStore, StoreError> {
        SledStore::open(self.0.path().join("store"), SledOptions::default())
    }
}

impl conformance::Harness for Redb {
    type Store = RedbStore;

    fn open(&mut self) -> Result<RedbStore, StoreError> {
        RedbStore::open(self.0.path().join("store"), RedbOptions::default())
    }
}

#[test]
fn sled_keeps_every_rule() {
    conformance::run(|| Sled(tempfile::tempdir().unwrap()));
}

#[test]
fn redb_keeps_every_rule() {
    conformance::run(|| Redb(tempfile::tempdir().unwrap()));
}
