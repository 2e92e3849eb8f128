//! Maps, counters, lists, moves: every change a commit, as an application makes them.

use std::collections::BTreeMap;

use automerge::transaction::Transactable;
use automerge::{AutoCommit, ObjType, ROOT, ScalarValue};
use loro::{ExportMode, LoroDoc, LoroMap, TreeParentId};
use meshwork_crdt::types::counters::PnCounter;
use meshwork_crdt::types::sequences::{List, MovableList};
use meshwork_crdt::types::trees::MoveTree;
use meshwork_crdt::{
    Causal, Decode, DotStore, Encode, HybridTime, LogId, LwwMap, Value, Writer, from_bytes,
    to_bytes,
};
use yrs::types::ToJson;
use yrs::updates::decoder::Decode as _;
use yrs::{Array, Doc, Map, ReadTxn, StateVector, Transact, Update};

use crate::measure::{heap, time};
use crate::report::{BARE, Entry, OURS, Race};
use crate::traces::Random;

fn writer(n: usize) -> Writer {
    Writer { log: LogId([1; 16]), time: HybridTime::at(n as u64 + 1) }
}

fn key(n: usize) -> String {
    format!("key-{n}")
}

fn size<S: Encode>(store: &Causal<S>) -> f64 {
    to_bytes(store).len() as f64
}

fn reload<S: DotStore + Encode + Decode>(bytes: &[u8]) -> Causal<S> {
    from_bytes(bytes).expect("it has just been encoded")
}

fn loro_size(doc: &LoroDoc) -> f64 {
    doc.export(ExportMode::Snapshot).expect("it exports").len() as f64
}

fn yrs_bytes(doc: &Doc) -> Vec<u8> {
    doc.transact().encode_state_as_update_v1(&StateVector::default())
}

mod ours {
    use super::*;

    pub fn map(count: usize, keys: usize) -> Causal<LwwMap<String, i64>> {
        let mut map = Causal::<LwwMap<String, i64>>::default();
        for n in 0..count {
            map.edit(&writer(n), |map, change| map.put(change, key(n % keys), n as i64));
        }
        map
    }

    pub fn counter(count: usize) -> Causal<PnCounter> {
        let mut counter = Causal::<PnCounter>::default();
        for n in 0..count {
            counter.edit(&writer(n), |counter: &PnCounter, change| counter.add(change, 1));
        }
        counter
    }

    pub fn list(count: usize) -> Causal<List<i64>> {
        let mut list = Causal::<List<i64>>::default();
        for n in 0..count {
            list.edit(&writer(n), |list: &List<i64>, change| list.push(change, n as i64));
        }
        list
    }

    type Objects = MovableList<LwwMap<String, Value>>;

    pub fn objects(count: usize) -> Causal<Objects> {
        let mut list = Causal::<Objects>::default();
        for n in 0..count {
            list.edit(&writer(n), |list: &Objects, change| {
                list.insert(change, n).expect("the end")
            });
            let fields: [(&str, Value); 3] =
                [("id", (n as i64).into()), ("name", key(n).into()), ("done", false.into())];
            for (field, value) in fields {
                list.edit(&writer(n), |list: &Objects, change| {
                    let put = |map: &LwwMap<String, Value>, change: &mut _| {
                        map.put(change, field.to_owned(), value.clone())
                    };
                    list.update(change, n, put).expect("it is there")
                });
            }
        }
        list
    }

    pub fn moves(size: usize, count: usize) -> Causal<Objects> {
        let mut list = Causal::<Objects>::default();
        for n in 0..size {
            list.edit(&writer(n), |list: &Objects, change| {
                list.insert(change, n).expect("the end")
            });
        }
        let mut random = Random(11);
        for n in 0..count {
            let (from, to) = (random.below(size), random.below(size));
            list.edit(&writer(size + n), |list: &Objects, change| {
                list.move_to(change, from, to).expect("both are there")
            });
        }
        list
    }

    pub fn tree(size: usize, count: usize) -> Causal<MoveTree<i64>> {
        let mut tree = Causal::<MoveTree<i64>>::default();
        let mut random = Random(13);
        let mut put = |n: usize, node: i64, parent: Option<i64>| {
            tree.edit(&writer(n), |tree: &MoveTree<i64>, change| {
                tree.move_to(change, node, parent)
            });
        };
        (0..size).for_each(|n| put(n, n as i64, None));
        for n in 0..count {
            let (node, parent) = (random.below(size) as i64, random.below(size) as i64);
            put(size + n, node, Some(parent));
        }
        tree
    }
}

mod peers {
    use super::*;

    pub fn loro_map(count: usize, keys: usize) -> LoroDoc {
        let doc = LoroDoc::new();
        let map = doc.get_map("map");
        for n in 0..count {
            map.insert(&key(n % keys), n as i64).expect("it inserts");
            doc.commit();
        }
        doc
    }

    pub fn yrs_map(count: usize, keys: usize) -> Doc {
        let doc = Doc::with_client_id(1);
        let map = doc.get_or_insert_map("map");
        for n in 0..count {
            map.insert(&mut doc.transact_mut(), key(n % keys), n as i64);
        }
        doc
    }

    pub fn automerge_map(count: usize, keys: usize) -> AutoCommit {
        let mut doc = AutoCommit::new();
        for n in 0..count {
            doc.put(ROOT, key(n % keys), n as i64).expect("it puts");
        }
        doc.commit();
        doc
    }

    pub fn loro_counter(count: usize) -> LoroDoc {
        let doc = LoroDoc::new();
        let counter = doc.get_counter("counter");
        for _ in 0..count {
            counter.increment(1.0).expect("it counts");
            doc.commit();
        }
        doc
    }

    pub fn automerge_counter(count: usize) -> AutoCommit {
        let mut doc = AutoCommit::new();
        doc.put(ROOT, "counter", ScalarValue::counter(0)).expect("it puts");
        for _ in 0..count {
            doc.increment(ROOT, "counter", 1).expect("it counts");
        }
        doc.commit();
        doc
    }

    pub fn loro_list(count: usize) -> LoroDoc {
        let doc = LoroDoc::new();
        let list = doc.get_list("list");
        for n in 0..count {
            list.push(n as i64).expect("it pushes");
            doc.commit();
        }
        doc
    }

    pub fn yrs_list(count: usize) -> Doc {
        let doc = Doc::with_client_id(1);
        let list = doc.get_or_insert_array("list");
        for n in 0..count {
            list.push_back(&mut doc.transact_mut(), n as i64);
        }
        doc
    }

    pub fn loro_objects(count: usize) -> LoroDoc {
        let doc = LoroDoc::new();
        let list = doc.get_movable_list("list");
        for n in 0..count {
            let map = list.push_container(LoroMap::new()).expect("it pushes");
            map.insert("id", n as i64).expect("it inserts");
            map.insert("name", key(n)).expect("it inserts");
            map.insert("done", false).expect("it inserts");
            doc.commit();
        }
        doc
    }

    pub fn yrs_objects(count: usize) -> Doc {
        let doc = Doc::with_client_id(1);
        let list = doc.get_or_insert_array("list");
        for n in 0..count {
            let mut txn = doc.transact_mut();
            let map = list.push_back(&mut txn, yrs::MapPrelim::default());
            map.insert(&mut txn, "id", n as i64);
            map.insert(&mut txn, "name", key(n));
            map.insert(&mut txn, "done", false);
        }
        doc
    }

    pub fn automerge_objects(count: usize) -> AutoCommit {
        let mut doc = AutoCommit::new();
        let list = doc.put_object(ROOT, "list", ObjType::List).expect("it puts");
        for n in 0..count {
            let map = doc.insert_object(&list, n, ObjType::Map).expect("it inserts");
            doc.put(&map, "id", n as i64).expect("it puts");
            doc.put(&map, "name", key(n)).expect("it puts");
            doc.put(&map, "done", false).expect("it puts");
        }
        doc.commit();
        doc
    }

    pub fn loro_moves(size: usize, count: usize) -> LoroDoc {
        let doc = LoroDoc::new();
        let list = doc.get_movable_list("list");
        for n in 0..size {
            list.push(n as i64).expect("it pushes");
        }
        let mut random = Random(11);
        for _ in 0..count {
            let (from, to) = (random.below(size), random.below(size));
            list.mov(from, to).expect("both are there");
            doc.commit();
        }
        doc
    }

    pub fn loro_tree(size: usize, count: usize) -> LoroDoc {
        let doc = LoroDoc::new();
        let tree = doc.get_tree("tree");
        let nodes: Vec<_> =
            (0..size).map(|_| tree.create(TreeParentId::Root).expect("it creates")).collect();
        let mut random = Random(13);
        for _ in 0..count {
            let (node, parent) = (random.below(size), random.below(size));
            // Moves below themselves are refused there, and do nothing here.
            let _ = tree.mov(nodes[node], TreeParentId::Node(nodes[parent]));
            doc.commit();
        }
        doc
    }
}

pub fn run(race: &mut Race, quick: bool) {
    let by = if quick { 10 } else { 1 };
    let (many, few) = (100_000 / by, 10_000 / by);
    let rows = [
        "map: keys written",
        "map: keys rewritten",
        "map: bytes",
        "map: heap",
        "map: load and read",
        "counter: additions",
        "counter: bytes",
        "list: values pushed",
        "list: bytes",
        "list of objects: written",
        "list of objects: bytes",
        "list of objects: heap",
        "list with moves: moves",
        "tree: moves",
    ];
    if !race.wants(&rows.map(str::to_owned)) {
        return;
    }
    macro_rules! entries {
        ($($name:expr => $value:expr),* $(,)?) => {
            vec![$(($name, Box::new(move || Some($value)) as Box<dyn FnMut() -> Option<f64>>)),*] as Vec<Entry<'_>>
        };
    }
    race.race("map: keys written", entries! {
        OURS => time(|| ours::map(many, many)), "loro" => time(|| peers::loro_map(many, many)),
        "yrs" => time(|| peers::yrs_map(many, many)), "automerge" => time(|| peers::automerge_map(many, many)),
        BARE => time(|| (0..many).map(|n| (key(n), n)).collect::<BTreeMap<_, _>>()),
    });
    race.race("map: keys rewritten", entries! {
        OURS => time(|| ours::map(many, 1000)), "loro" => time(|| peers::loro_map(many, 1000)),
        "yrs" => time(|| peers::yrs_map(many, 1000)), "automerge" => time(|| peers::automerge_map(many, 1000)),
    });
    race.weigh(
        "map: bytes",
        "B",
        entries! {
            OURS => size(&ours::map(many, many)), "loro" => loro_size(&peers::loro_map(many, many)),
            "yrs" => yrs_bytes(&peers::yrs_map(many, many)).len() as f64,
            "automerge" => peers::automerge_map(many, many).save().len() as f64,
        },
    );
    race.weigh("map: heap", "B", entries! {
        OURS => heap(|| ours::map(many, many)).0, "loro" => heap(|| peers::loro_map(many, many)).0,
        "yrs" => heap(|| peers::yrs_map(many, many)).0, "automerge" => heap(|| peers::automerge_map(many, many)).0,
    });
    let file = to_bytes(&ours::map(many, many));
    let loro_file = peers::loro_map(many, many).export(ExportMode::Snapshot).expect("it exports");
    let yrs_file = yrs_bytes(&peers::yrs_map(many, many));
    let automerge_file = peers::automerge_map(many, many).save();
    race.race("map: load and read", entries! {
        OURS => time(|| reload::<LwwMap<String, i64>>(&file).iter().count()),
        "loro" => time(|| LoroDoc::from_snapshot(&loro_file).expect("it loads").get_deep_value()),
        "yrs" => time(|| {
            let doc = Doc::new();
            let map = doc.get_or_insert_map("map");
            let update = Update::decode_v1(&yrs_file).expect("it decodes");
            doc.transact_mut().apply_update(update).expect("it applies");
            map.to_json(&doc.transact())
        }),
        "automerge" => time(|| AutoCommit::load(&automerge_file).expect("it loads")),
    });
    race.race(
        "counter: additions",
        entries! {
            OURS => time(|| ours::counter(many)), "loro" => time(|| peers::loro_counter(many)),
            "automerge" => 10.0 * time(|| peers::automerge_counter(many / 10)),
        },
    );
    race.weigh(
        "counter: bytes",
        "B",
        entries! {
            OURS => size(&ours::counter(many)), "loro" => loro_size(&peers::loro_counter(many)),
        },
    );
    race.race(
        "list: values pushed",
        entries! {
            OURS => time(|| ours::list(many)), "loro" => time(|| peers::loro_list(many)),
            "yrs" => time(|| peers::yrs_list(many)),
        },
    );
    race.weigh(
        "list: bytes",
        "B",
        entries! {
            OURS => size(&ours::list(many)), "loro" => loro_size(&peers::loro_list(many)),
            "yrs" => yrs_bytes(&peers::yrs_list(many)).len() as f64,
        },
    );
    race.race(
        "list of objects: written",
        entries! {
            OURS => time(|| ours::objects(many)), "loro" => time(|| peers::loro_objects(many)),
            "yrs" => 10.0 * time(|| peers::yrs_objects(many / 10)),
            "automerge" => 10.0 * time(|| peers::automerge_objects(many / 10)),
        },
    );
    race.weigh(
        "list of objects: bytes",
        "B",
        entries! {
            OURS => size(&ours::objects(many)), "loro" => loro_size(&peers::loro_objects(many)),
            "yrs" => 10.0 * yrs_bytes(&peers::yrs_objects(many / 10)).len() as f64,
            "automerge" => 10.0 * peers::automerge_objects(many / 10).save().len() as f64,
        },
    );
    race.weigh(
        "list of objects: heap",
        "B",
        entries! {
            OURS => heap(|| ours::objects(many)).0, "loro" => heap(|| peers::loro_objects(many)).0,
            "yrs" => 10.0 * heap(|| peers::yrs_objects(many / 10)).0,
            "automerge" => 10.0 * heap(|| peers::automerge_objects(many / 10)).0,
        },
    );
    race.race("list with moves: moves", entries! {
        OURS => time(|| ours::moves(few, many)), "loro" => time(|| peers::loro_moves(few, many)),
        BARE => time(|| {
            let mut list: Vec<usize> = (0..few).collect();
            let mut random = Random(11);
            for _ in 0..many {
                let (from, to) = (random.below(few), random.below(few));
                let item = list.remove(from);
                list.insert(to, item);
            }
            list
        }),
    });
    race.race(
        "tree: moves",
        entries! {
            OURS => time(|| ours::tree(few, many)), "loro" => time(|| peers::loro_tree(few, many)),
        },
    );
}
