//! The workloads on leptos-sync-core 0.9.0. What it can encode travels as bincode of its whole state, which the
//! other side decodes and merges; `LwwMap` and the trees cannot be encoded, so they are cloned instead, which is
//! cheaper, and their bytes are counted as those of their keys and values alone.

use leptos_sync_core::crdt::*;
use uuid::Uuid;

use crate::{Measured, measure};

fn replica(n: u64) -> ReplicaId {
    ReplicaId::from(Uuid::from_u64_pair(0, n))
}

/// Sends a whole state and merges it.
fn travel<T>(from: &T, to: &mut T) -> usize
where
    T: Mergeable + serde::Serialize + serde::de::DeserializeOwned,
{
    let bytes = bincode::serialize(from).expect("it can be encoded");
    let arrived: T = bincode::deserialize(&bytes).expect("it can be decoded");
    assert!(to.merge(&arrived).is_ok());
    bytes.len()
}

pub fn character(n: usize) -> Measured {
    let mut text = Rga::new(replica(1));
    let mut last = None;
    for at in 0..n {
        let c = char::from(b'a' + (at % 26) as u8);
        last = Some(text.insert_after(c, last).expect("it inserts"));
    }
    let other = text.clone();
    text.insert_after('!', last).expect("it inserts");
    measure(&other, |other| travel(&text, other))
}

pub fn key(n: usize) -> Measured {
    let mut map = LwwMap::new();
    for at in 0..n {
        map.insert(format!("key_{at}"), format!("value_{at}"), replica(1));
    }
    let other = map.clone();
    map.insert("key_7".to_owned(), "changed".to_owned(), replica(1));
    let bytes = map.iter().map(|(key, value)| key.len() + value.len()).sum();
    measure(&other, |other| {
        let arrived = map.clone();
        assert!(other.merge(&arrived).is_ok());
        bytes
    })
}

pub fn element(n: usize) -> Measured {
    let mut list = AddWinsList::new(replica(1));
    for at in 0..n {
        list.add(format!("value_{at}"), at as u64);
    }
    let other = list.clone();
    list.add("changed".to_owned(), n as u64);
    measure(&other, |other| travel(&list, other))
}

pub fn increment(n: usize) -> Measured {
    let mut counter = GCounter::new();
    (0..n as u64).for_each(|at| counter.increment(replica(at)));
    let other = counter.clone();
    counter.increment(replica(0));
    measure(&other, |other| travel(&counter, other))
}

pub fn child(n: usize) -> Measured {
    let mut tree = AddWinsTree::new(replica(1));
    let root = tree.add_root("root".to_owned(), 0);
    for at in 1..n {
        tree.add_child(&root, format!("n{at}"), at as u64).expect("it adds");
    }
    let other = tree.clone();
    tree.add_child(&root, "new".to_owned(), n as u64).expect("it adds");
    measure(&other, |other| travel(&tree, other))
}

pub fn edge(n: usize) -> Measured {
    let mut graph = AddWinsGraph::new(replica(1));
    let vertices: Vec<_> = (0..n).map(|at| graph.add_vertex(format!("n{at}"), at as u64)).collect();
    for pair in vertices.windows(2) {
        graph.add_edge(&pair[0], &pair[1], 1, None).expect("it adds");
    }
    let other = graph.clone();
    graph.add_edge(&vertices[0], &vertices[n - 1], 2, None).expect("it adds");
    measure(&other, |other| travel(&graph, other))
}

pub fn create(n: usize) -> Measured {
    measure(&(), |_| {
        for at in 0..n {
            std::hint::black_box(LwwRegister::new(format!("value_{at}"), ReplicaId::default()));
        }
        0
    })
}

pub fn merge_registers(n: usize) -> Measured {
    let registers: Vec<_> =
        (0..n).map(|at| LwwRegister::new(format!("value_{at}"), replica(at as u64))).collect();
    measure(&registers[0], |first| {
        for other in &registers[1..] {
            assert!(first.merge(other).is_ok());
        }
        0
    })
}

pub fn writes(n: usize) -> Measured {
    let mut map = LwwMap::new();
    for at in 0..n {
        map.insert(format!("key_{at}"), at, replica(1));
    }
    measure(&map, |map| {
        for at in 0..n {
            map.insert(format!("key_{at}"), at + 1, replica(1));
        }
        0
    })
}

pub fn increments(n: usize) -> Measured {
    measure(&GCounter::new(), |counter| {
        (0..n).for_each(|_| counter.increment(replica(1)));
        0
    })
}
