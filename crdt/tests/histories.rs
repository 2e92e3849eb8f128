//! Random histories of several replicas: the fast sequence beside the plain oracle, step by step.
//!
//! `HISTORIES=n` runs more of them, `SEED=n` one of them again.

use std::sync::atomic::{AtomicU64, Ordering};

use meshwork_crdt::{
    Causal, CausalContext, HybridTime, Lattice, LogId, Text, TextDoc, Writer, from_bytes, to_bytes,
};

#[path = "oracle/tree.rs"]
mod tree;

use tree::{Seen, Tree};

const HISTORIES: u64 = 100_000;

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert { who: usize, at: usize, text: String },
    Delete { who: usize, at: usize, len: usize, backward: bool },
    Pull { who: usize, from: usize, how: usize },
}

/// Dense conflicts: most edits are at few places.
fn history(random: &mut Random, replicas: usize) -> Vec<Step> {
    let steps = 1 + random.below(14);
    let mut made = Vec::new();
    for _ in 0..steps {
        let who = random.below(replicas);
        let at = match random.below(6) {
            0 => 0,
            1 => usize::MAX,
            2 => 1,
            _ => random.below(8),
        };
        made.push(match random.below(10) {
            0..=4 => {
                let len = 1 + random.below(4);
                let letters = (0..len).map(|_| match random.below(30) {
                    0 => 'é',
                    1 => '😀',
                    n => char::from(b'a' + n as u8 % 26),
                });
                Step::Insert { who, at, text: letters.collect() }
            }
            5 | 6 => {
                let (len, backward) = (1 + random.below(4), random.below(2) == 0);
                Step::Delete { who, at, len, backward }
            }
            _ => Step::Pull { who, from: random.below(replicas), how: random.below(4) },
        });
    }
    made
}

struct World {
    tree: Tree,
    seen: Vec<Seen>,
    texts: Vec<Causal<Text>>,
    docs: Vec<TextDoc>,
    shown: Vec<Vec<char>>,
    numbers: Vec<u64>,
    /// Versions that a document had, with what it showed then.
    remembered: Vec<(CausalContext, String)>,
    /// What was told, and what its author had told by then.
    updates: Vec<(Vec<u8>, LogId, u64)>,
}

fn log(who: usize) -> LogId {
    LogId([who as u8 + 1; 16])
}

fn splice(shown: &mut Vec<char>, at: usize, delete: usize, insert: &str) {
    shown.splice(at..at + delete, insert.chars());
}

impl World {
    fn new(replicas: usize) -> Self {
        Self {
            tree: Tree::default(),
            seen: vec![Seen::default(); replicas],
            texts: vec![Causal::default(); replicas],
            docs: (0..replicas).map(|who| TextDoc::new(log(who))).collect(),
            shown: vec![Vec::new(); replicas],
            numbers: vec![0; replicas],
            remembered: Vec::new(),
            updates: Vec::new(),
        }
    }

    fn step(&mut self, step: &Step, random: &mut Random) -> Result<(), String> {
        let (&Step::Insert { who, .. } | &Step::Delete { who, .. } | &Step::Pull { who, .. }) =
            step;
        match step {
            Step::Insert { at, text, .. } => {
                let at = (*at).min(self.docs[who].len());
                for (index, character) in text.chars().enumerate() {
                    self.numbers[who] += 1;
                    let name = (who as u8, self.numbers[who]);
                    self.tree.insert(&mut self.seen[who], at + index, name, character);
                }
                self.edit(who, at, 0, text);
            }
            Step::Delete { at, len, backward, .. } => {
                let all = self.docs[who].len();
                let at = (*at).min(all);
                let len = (*len).min(all - at);
                for left in (0..len).rev() {
                    self.tree.delete(&mut self.seen[who], at);
                    self.numbers[who] += 1;
                    if *backward {
                        self.edit(who, at + left, 1, "");
                    }
                }
                if !*backward && len > 0 {
                    self.edit(who, at, len, "");
                }
            }
            Step::Pull { from, how, .. } => self.pull(who, *from, *how, random)?,
        }
        self.compare(who)
    }

    /// An edit in both forms of the text; what it says to others is kept.
    fn edit(&mut self, who: usize, at: usize, delete: usize, insert: &str) {
        let writer = Writer { log: log(who), time: HybridTime::at(1) };
        self.texts[who].edit(&writer, |text, change| {
            text.splice(change, at, delete, insert).expect("the range is inside")
        });
        self.docs[who].delete(at, delete).expect("the range is inside");
        self.docs[who].insert(at, insert).expect("the place is inside");
        splice(&mut self.shown[who], at, delete, insert);
        let update = self.docs[who].update();
        let told = self.docs[who].version().next(log(who)).seq - 1;
        self.updates.push((update, log(who), told));
    }

    fn pull(
        &mut self,
        who: usize,
        from: usize,
        how: usize,
        random: &mut Random,
    ) -> Result<(), String> {
        let seen = self.seen[from].clone();
        self.seen[who].join(&seen);
        let delta = if how == 0 {
            self.texts[from].clone()
        } else {
            self.texts[from].since(self.texts[who].seen())
        };
        let again = (how == 1).then(|| delta.clone());
        self.texts[who].join(delta);
        if let Some(again) = again
            && self.texts[who].join(again)
        {
            return Err("a delta is news twice".to_owned());
        }
        let version = self.docs[who].version();
        let update = self.docs[from].update_since(&version).map_err(|error| error.to_string())?;
        let shown = &mut self.shown[who];
        let mut apply = |doc: &mut TextDoc, update: &[u8]| {
            doc.apply_watched(update, |s| splice(shown, s.at, s.delete, s.insert))
                .map_err(|error| error.to_string())
        };
        if how == 2 {
            // One by one in any order, with some of what is known already, as far as this replica may know it.
            let theirs = self.docs[from].version();
            let known = |(_, log, seq): &&(_, _, u64)| theirs.next(*log).seq > *seq;
            let mut parts: Vec<&Vec<u8>> =
                self.updates.iter().filter(known).map(|(part, _, _)| part).collect();
            for n in (1..parts.len()).rev() {
                parts.swap(n, random.below(n + 1));
            }
            for part in parts {
                apply(&mut self.docs[who], part)?;
            }
        }
        apply(&mut self.docs[who], &update)?;
        if apply(&mut self.docs[who], &update)? {
            return Err("an update is news twice".to_owned());
        }
        if how == 3 {
            let file = self.docs[who].save().map_err(|error| error.to_string())?;
            self.docs[who] = TextDoc::load(log(who), &file).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn compare(&mut self, who: usize) -> Result<(), String> {
        let expected = self.tree.text(&self.seen[who]);
        let doc = self.docs[who].to_string();
        let text = self.texts[who].to_string();
        let shown: String = self.shown[who].iter().collect();
        if doc != expected || text != expected || shown != expected {
            return Err(format!("{expected:?} is {text:?}, {doc:?}, and shown as {shown:?}"));
        }
        self.remembered.push((self.docs[who].version(), expected));
        Ok(())
    }

    fn end(mut self, random: &mut Random) -> Result<(), String> {
        let replicas = self.docs.len();
        for who in 0..replicas {
            for from in 0..replicas {
                self.pull(who, (from + random.below(replicas)) % replicas, from % 4, random)?;
            }
            for from in 0..replicas {
                self.pull(who, from, 1, random)?;
            }
            self.compare(who)?;
        }
        let bytes = to_bytes(&self.texts[0]);
        for who in 1..replicas {
            if self.texts[who] != self.texts[0] || to_bytes(&self.texts[who]) != bytes {
                return Err("equal texts are not equal".to_owned());
            }
            if self.docs[who] != self.docs[0] {
                return Err("equal documents are not equal".to_owned());
            }
        }
        let again: Causal<Text> = from_bytes(&bytes).map_err(|error| error.to_string())?;
        if again != self.texts[0] {
            return Err("decoding does not give back what was encoded".to_owned());
        }
        let file = self.docs[0].save().map_err(|error| error.to_string())?;
        let mut opened = TextDoc::load(log(9), &file).map_err(|error| error.to_string())?;
        for (version, text) in &self.remembered {
            if opened.at(version).map_err(|error| error.to_string())? != *text {
                return Err(format!("a version that said {text:?} says something else"));
            }
        }
        if opened != self.docs[0] || opened.save() != Ok(file) {
            return Err("a file does not give back the document".to_owned());
        }
        Ok(())
    }
}

fn run(seed: u64, steps: &[Step], replicas: usize) -> Result<(), String> {
    let mut random = Random(!seed);
    let mut world = World::new(replicas);
    for step in steps {
        world.step(step, &mut random)?;
    }
    world.end(&mut random)
}

fn of_seed(seed: u64) -> (Vec<Step>, usize) {
    let mut random = Random(seed);
    let replicas = 2 + random.below(3);
    (history(&mut random, replicas), replicas)
}

/// Drops steps as long as it still fails.
fn shrink(seed: u64, mut steps: Vec<Step>, replicas: usize) -> Vec<Step> {
    let fails = |steps: &[Step]| {
        std::panic::catch_unwind(|| run(seed, steps, replicas).is_err()).unwrap_or(true)
    };
    let mut index = 0;
    while index < steps.len() {
        let mut fewer = steps.clone();
        fewer.remove(index);
        if fails(&fewer) {
            steps = fewer;
        } else {
            index += 1;
        }
    }
    steps
}

fn check(seed: u64) {
    let (steps, replicas) = of_seed(seed);
    let result = std::panic::catch_unwind(|| run(seed, &steps, replicas));
    let what = match result {
        Ok(Ok(())) => return,
        Ok(Err(what)) => what,
        Err(_) => "it panics".to_owned(),
    };
    let steps = shrink(seed, steps, replicas);
    panic!("SEED={seed}, {replicas} replicas: {what}; enough is {steps:#?}");
}

#[test]
fn the_fast_sequence_does_what_the_plain_tree_does() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("SEED") {
        check(seed);
        return;
    }
    let count = number("HISTORIES").unwrap_or(HISTORIES);
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let seed @ 0.. = next.fetch_add(1, Ordering::Relaxed)
                    && seed < count
                {
                    check(seed);
                }
            });
        }
    });
}

/// Everybody types at one place without hearing of the others; words are typed forwards or backwards.
fn words_stay_whole(writers: u8, backward: impl Fn(u8) -> bool) {
    let mut base = TextDoc::new(LogId([0; 16]));
    base.insert(0, "()").unwrap();
    let start = base.update();
    let word = |who: u8| format!("<{who}>");
    let mut all = base.clone();
    let mut updates = Vec::new();
    for who in 0..writers {
        let mut name = [1; 16];
        name[15] = who;
        let mut doc = TextDoc::new(LogId(name));
        doc.apply(&start).unwrap();
        let letters: Vec<char> = word(who).chars().collect();
        for n in 0..letters.len() {
            let (at, letter) = if backward(who) {
                (1, letters[letters.len() - 1 - n])
            } else {
                (1 + n, letters[n])
            };
            doc.insert(at, &letter.to_string()).unwrap();
        }
        updates.push(doc.update());
    }
    for update in updates.iter().rev() {
        all.apply(update).unwrap();
    }
    let merged = all.to_string();
    for who in 0..writers {
        assert!(merged.contains(&word(who)), "{} is torn in {merged}", word(who));
    }
}

#[test]
fn words_typed_at_one_place_do_not_interleave() {
    for writers in [2, 3, 7] {
        words_stay_whole(writers, |_| false);
        words_stay_whole(writers, |_| true);
        words_stay_whole(writers, |who| who % 2 == 0);
    }
}

#[test]
fn a_thousand_writers_merge_to_the_same_in_any_order() {
    let mut base = TextDoc::new(LogId([0; 16]));
    base.insert(0, "start and end").unwrap();
    let start = base.update();
    let mut updates: Vec<Vec<u8>> = (0..1000_u16)
        .map(|who| {
            let mut name = [2; 16];
            name[..2].copy_from_slice(&who.to_be_bytes());
            let mut doc = TextDoc::new(LogId(name));
            doc.apply(&start).unwrap();
            doc.insert(5, &format!("<word {who}>")).unwrap();
            doc.update()
        })
        .collect();
    let merge = |updates: &[Vec<u8>]| {
        let mut doc = base.clone();
        updates.iter().for_each(|update| assert!(doc.apply(update).unwrap()));
        doc
    };
    let one = merge(&updates);
    updates.reverse();
    let half = updates.len() / 2;
    updates.rotate_left(half);
    let other = merge(&updates);
    assert_eq!(one.to_string(), other.to_string());
    assert!((0..1000).all(|who| one.to_string().contains(&format!("<word {who}>"))));
    assert!(one == other);
}
