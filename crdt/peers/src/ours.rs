//! The same on ours: a delta is made (not measured, as the peer's change is not), encoded, decoded and joined.

use meshwork_crdt::types::apps::Clock;
use meshwork_crdt::types::counters::PnCounter;
use meshwork_crdt::types::graphs::Graph;
use meshwork_crdt::types::maps::LwwMap;
use meshwork_crdt::types::registers::LwwRegister;
use meshwork_crdt::types::sets::AwSet;
use meshwork_crdt::types::trees::MoveTree;
use meshwork_crdt::{
    Causal, Decode, DotStore, Encode, HybridTime, Lattice, LogId, Text, Writer, from_bytes, to_bytes,
};

use crate::{Measured, measure};

fn at(log: usize, ms: usize) -> Writer {
    let mut id = [1; 16];
    id[..8].copy_from_slice(&(log as u64).to_be_bytes());
    Writer { log: LogId(id), time: HybridTime::at(ms as u64) }
}

/// Sends a delta and joins it.
fn travel<S: DotStore + Encode + Decode>(delta: &Causal<S>, to: &mut Causal<S>) -> usize {
    let bytes = to_bytes(delta);
    let arrived: Causal<S> = from_bytes(&bytes).expect("it can be decoded");
    to.join(arrived);
    bytes.len()
}

pub fn character(n: usize) -> Measured {
    let mut text = Causal::<Text>::default();
    for index in 0..n {
        let c = char::from(b'a' + (index % 26) as u8).to_string();
        text.edit(&at(1, index), |text, change| text.insert(change, index, &c).expect("it fits"));
    }
    let other = text.clone();
    let delta = text.edit(&at(1, n), |text, change| text.insert(change, n, "!").expect("it fits"));
    measure(&other, |other| travel(&delta, other))
}

pub fn key(n: usize) -> Measured {
    let mut map = Causal::<LwwMap<String, String>>::default();
    for index in 0..n {
        map.edit(&at(1, index), |map, change| {
            map.put(change, format!("key_{index}"), format!("value_{index}"))
        });
    }
    let other = map.clone();
    let delta = map.edit(&at(1, n), |map, change| {
        map.put(change, "key_7".to_owned(), "changed".to_owned())
    });
    measure(&other, |other| travel(&delta, other))
}

pub fn element(n: usize) -> Measured {
    let mut set = Causal::<AwSet<String>>::default();
    for index in 0..n {
        set.edit(&at(1, index), |set, change| set.add(change, format!("value_{index}")));
    }
    let other = set.clone();
    let delta = set.edit(&at(1, n), |set, change| set.add(change, "changed".to_owned()));
    measure(&other, |other| travel(&delta, other))
}

pub fn increment(n: usize) -> Measured {
    let mut counter = Causal::<PnCounter>::default();
    for log in 0..n {
        counter.edit(&at(log, 1), |counter, change| counter.add(change, 1));
    }
    let other = counter.clone();
    let delta = counter.edit(&at(0, 2), |counter, change| counter.add(change, 1));
    measure(&other, |other| travel(&delta, other))
}

pub fn child(n: usize) -> Measured {
    let mut tree = Causal::<MoveTree<String>>::default();
    tree.edit(&at(1, 0), |tree, change| tree.move_to(change, "root".to_owned(), None));
    for index in 1..n {
        tree.edit(&at(1, index), |tree, change| {
            tree.move_to(change, format!("n{index}"), Some("root".to_owned()))
        });
    }
    let other = tree.clone();
    let delta = tree.edit(&at(1, n), |tree, change| {
        tree.move_to(change, "new".to_owned(), Some("root".to_owned()))
    });
    measure(&other, |other| travel(&delta, other))
}

pub fn edge(n: usize) -> Measured {
    let mut graph = Causal::<Graph<String>>::default();
    let name = |index: usize| format!("n{index}");
    for index in 0..n {
        graph.edit(&at(1, index), |graph, change| graph.add_vertex(change, name(index)));
    }
    for index in 1..n {
        graph.edit(&at(1, n), |graph, change| {
            graph.add_edge(change, name(index - 1), name(index))
        });
    }
    let other = graph.clone();
    let delta = graph.edit(&at(1, n), |graph, change| {
        graph.add_edge(change, name(0), name(n - 1))
    });
    measure(&other, |other| travel(&delta, other))
}

pub fn create(n: usize) -> Measured {
    measure(&(), |_| {
        for index in 0..n {
            let mut register = Causal::<LwwRegister<String>>::default();
            let value = format!("value_{index}");
            register.edit(&at(index, 1), |register, change| register.set(change, value));
            std::hint::black_box(register);
        }
        0
    })
}

pub fn merge_registers(n: usize) -> Measured {
    let mut first = Causal::<LwwRegister<String>>::default();
    let mut deltas = Vec::new();
    for index in 0..n {
        let value = format!("value_{index}");
        deltas.push(first.edit(&at(1, index), |register, change| register.set(change, value)));
    }
    measure(&Causal::default(), |first: &mut Causal<LwwRegister<String>>| {
        for delta in &deltas {
            first.join(delta.clone());
        }
        0
    })
}

pub fn writes(n: usize) -> Measured {
    let mut map = Causal::<LwwMap<String, i64>>::default();
    for index in 0..n {
        map.edit(&at(1, 1), |map, change| map.put(change, format!("key_{index}"), index as i64));
    }
    measure(&map, |map| {
        for index in 0..n {
            let value = index as i64 + 1;
            map.edit(&at(1, 2), |map, change| map.put(change, format!("key_{index}"), value));
        }
        0
    })
}

pub fn increments(n: usize) -> Measured {
    measure(&Causal::<Clock>::default(), |counter| {
        (0..n).for_each(|_| {
            counter.edit(&at(1, 1), Clock::tick);
        });
        0
    })
}
