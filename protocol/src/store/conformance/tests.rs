//! The suite accepts sound stores and names the fault of unsound ones.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use super::*;
use crate::store::MemoryStore;

/// Keeps what was committed across reopening.
struct Kept(Arc<MemoryStore>);

impl Harness for Kept {
    type Store = Arc<MemoryStore>;

    fn open(&mut self) -> Result<Self::Store, StoreError> {
        Ok(Arc::clone(&self.0))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    DeletesNothing,
    UpperBoundInclusive,
    KeepsScanning,
    AcceptsAnySize,
    DurableIsNotSynced,
    CrashTearsBatches,
    CrashKeepsOnlyTheLastBatch,
}

/// A disk that forgets on a crash what was not synced, and may be faulty.
struct Disk {
    fault: Fault,
    synced: Arc<Mutex<MemoryStore>>,
}

struct OnDisk {
    fault: Fault,
    written: MemoryStore,
    synced: Arc<Mutex<MemoryStore>>,
}

impl Harness for Disk {
    type Store = OnDisk;

    fn open(&mut self) -> Result<OnDisk, StoreError> {
        let written = self.synced.lock().unwrap().clone();
        Ok(OnDisk { fault: self.fault, written, synced: Arc::clone(&self.synced) })
    }
}

impl Store for OnDisk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.written.get(key)
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        match self.fault {
            Fault::UpperBoundInclusive => {
                let past = [to, &[0]].concat();
                self.written.scan(from, &past, visit)
            }
            Fault::KeepsScanning => self.written.scan(from, to, &mut |key, value| {
                visit(key, value);
                true
            }),
            _ => self.written.scan(from, to, visit),
        }
    }

    fn commit(&self, batch: &WriteBatch) -> Result<(), StoreError> {
        let mut batch = batch.clone();
        match self.fault {
            Fault::DeletesNothing => {
                batch.writes.retain(|_, value| value.is_some());
            }
            Fault::AcceptsAnySize => batch.writes.retain(|key, value| {
                key.len() <= KEY_BYTES_MAX
                    && value
                        .as_ref()
                        .is_none_or(|value| value.len() <= super::super::VALUE_BYTES_MAX)
            }),
            _ => {}
        }
        self.written.commit(&batch)?;
        let mut synced = self.synced.lock().unwrap();
        match self.fault {
            Fault::DurableIsNotSynced => {}
            Fault::CrashTearsBatches if !batch.durable() => {
                let mut torn = batch.clone();
                if let Some(first) = torn.writes.keys().next().cloned() {
                    torn.writes.remove(&first);
                }
                synced.commit(&torn)?;
            }
            Fault::CrashKeepsOnlyTheLastBatch if batch.durable() => synced.commit(&batch)?,
            _ if batch.durable() => *synced = self.written.clone(),
            _ => {}
        }
        Ok(())
    }
}

fn run_on(fault: Fault) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| run(|| Disk { fault, synced: Arc::default() }))).map_err(
        |panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap()
        },
    )
}

#[test]
fn memory_store_keeps_every_rule() {
    run(|| Kept(Arc::default()));
}

#[test]
fn a_disk_that_forgets_what_was_not_synced_keeps_every_rule() {
    assert_eq!(run_on(Fault::None), Ok(()));
}

#[test]
fn each_fault_is_named() {
    for (fault, named) in [
        (Fault::DeletesNothing, "reads follow puts and deletes"),
        (Fault::UpperBoundInclusive, "scan bounds are half open"),
        (Fault::KeepsScanning, "a scan must stop when the visitor returns false"),
        (Fault::AcceptsAnySize, "a batch over the limits is refused whole"),
        (Fault::DurableIsNotSynced, "empty keys and values are stored"),
        (Fault::CrashTearsBatches, "holds none of the"),
        (Fault::CrashKeepsOnlyTheLastBatch, "makes every batch before it durable"),
    ] {
        let message = run_on(fault).expect_err("a faulty store must not pass");
        assert!(message.contains(named), "{fault:?} was reported as: {message}");
    }
}

#[test]
fn a_copy_of_a_memory_store_is_independent() {
    let store = MemoryStore::new();
    let mut batch = WriteBatch::default();
    batch.put(b"a".to_vec(), b"1".to_vec());
    store.commit(&batch).unwrap();
    let copy = store.clone();
    batch.put(b"b".to_vec(), b"2".to_vec());
    copy.commit(&batch).unwrap();
    assert_eq!(store.get(b"b"), Ok(None));
    assert_eq!(copy.get(b"b"), Ok(Some(b"2".to_vec())));
}

#[test]
fn a_scan_of_a_memory_store_keeps_the_image_it_started_with() {
    let store = MemoryStore::new();
    let mut batch = WriteBatch::default();
    batch.put(b"a".to_vec(), b"1".to_vec());
    batch.put(b"b".to_vec(), b"2".to_vec());
    store.commit(&batch).unwrap();
    let mut later = WriteBatch::default();
    later.delete(b"b".to_vec());
    let mut seen = Vec::new();
    store
        .scan(b"", b"z", &mut |key, _| {
            store.commit(&later).unwrap();
            seen.push(key.to_vec());
            true
        })
        .unwrap();
    assert_eq!(seen, [b"a".to_vec(), b"b".to_vec()]);
    assert_eq!(store.get(b"b"), Ok(None));
}
