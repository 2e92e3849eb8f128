//! What people typed: read from files, or made up from a seed.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

/// At a character, so many go, and this comes.
pub type Edit = (usize, usize, String);

pub struct Sequential {
    pub name: String,
    pub start: String,
    pub edits: Vec<Edit>,
    pub end: String,
}

pub struct Transaction {
    pub agent: usize,
    pub parents: Vec<usize>,
    pub edits: Vec<Edit>,
}

pub struct Concurrent {
    pub name: String,
    pub agents: usize,
    pub transactions: Vec<Transaction>,
    pub end: Option<String>,
}

pub struct Traces {
    pub sequential: Vec<Sequential>,
    pub concurrent: Vec<Concurrent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    #[serde(default)]
    start_content: String,
    end_content: String,
    #[serde(default)]
    num_agents: usize,
    txns: Vec<StoredTransaction>,
}

#[derive(Deserialize)]
struct StoredTransaction {
    #[serde(default)]
    parents: Vec<usize>,
    #[serde(default)]
    agent: usize,
    patches: Vec<Edit>,
}

/// All engines agree on ASCII about what a position is.
fn ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect()
}

/// Reads every trace of a folder.
pub fn read(folder: &Path) -> Result<Traces, String> {
    let mut traces = Traces { sequential: Vec::new(), concurrent: Vec::new() };
    let files =
        std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(name) = file.strip_suffix(".json.gz") else { continue };
        let complain = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let mut json = String::new();
        let opened = File::open(&path).map_err(|error| complain(&error))?;
        flate2::read::GzDecoder::new(opened).read_to_string(&mut json).map_err(|e| complain(&e))?;
        let stored: Stored = serde_json::from_str(&json).map_err(|error| complain(&error))?;
        let fold = |edits: Vec<Edit>| -> Vec<Edit> {
            edits.into_iter().map(|(at, gone, text)| (at, gone, ascii(&text))).collect()
        };
        if stored.num_agents > 0 {
            let transactions = stored.txns.into_iter().map(|txn| Transaction {
                agent: txn.agent,
                parents: txn.parents,
                edits: fold(txn.patches),
            });
            traces.concurrent.push(Concurrent {
                name: name.to_owned(),
                agents: stored.num_agents,
                transactions: transactions.collect(),
                end: Some(ascii(&stored.end_content)),
            });
        } else {
            traces.sequential.push(Sequential {
                name: name.to_owned(),
                start: ascii(&stored.start_content),
                edits: fold(stored.txns.into_iter().flat_map(|txn| txn.patches).collect()),
                end: ascii(&stored.end_content),
            });
        }
    }
    if traces.sequential.is_empty() && traces.concurrent.is_empty() {
        return Err(format!("{} holds no trace", folder.display()));
    }
    Ok(traces)
}

/// SplitMix64 (Steele, Lea, Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % most.max(1) as u64) as usize
    }
}

const WORDS: &[&str] = &[
    "the ",
    "tide ",
    "of ",
    "a ",
    "mesh ",
    "carries ",
    "small ",
    "letters ",
    "between ",
    "islands, ",
    "and ",
    "no ",
    "harbour ",
    "keeps ",
    "them; ",
    "each ",
    "boat ",
    "knows ",
    "its ",
    "way ",
    "home.\n",
];

/// One writer: words typed letter by letter, slips taken back, jumps, now and then a paste.
pub fn typing(edits: usize, seed: u64) -> (Vec<Edit>, String) {
    let mut random = Random(seed);
    let mut made = Vec::with_capacity(edits);
    let mut text: Vec<u8> = Vec::new();
    let mut cursor = 0;
    while made.len() < edits {
        match random.below(100) {
            0..=3 => cursor = random.below(text.len() + 1),
            4..=9 => cursor = (cursor + random.below(400)).saturating_sub(200).min(text.len()),
            10..=24 => {
                for _ in 0..=random.below(8) {
                    if cursor > 0 {
                        cursor -= 1;
                        text.remove(cursor);
                        made.push((cursor, 1, String::new()));
                    }
                }
            }
            25 => {
                let len = random.below(60).min(text.len() - cursor);
                text.drain(cursor..cursor + len);
                made.push((cursor, len, String::new()));
            }
            26 => {
                let paste: String = (0..8).map(|_| WORDS[random.below(WORDS.len())]).collect();
                text.splice(cursor..cursor, paste.bytes());
                made.push((cursor, 0, paste.clone()));
                cursor += paste.len();
            }
            _ => {
                for letter in WORDS[random.below(WORDS.len())].chars() {
                    text.insert(cursor, letter as u8);
                    made.push((cursor, 0, letter.to_string()));
                    cursor += 1;
                }
            }
        }
    }
    made.retain(|(_, gone, text)| *gone > 0 || !text.is_empty());
    (made, String::from_utf8(text).expect("words are ASCII"))
}

/// Two writers at once, one key a transaction, who hear from each other every few keys.
fn duet(keys: usize, seed: u64) -> Concurrent {
    let mut random = Random(seed);
    let mut transactions: Vec<Transaction> = Vec::new();
    let mut heads: [Vec<usize>; 2] = [Vec::new(), Vec::new()];
    let mut docs =
        [0, 1].map(|agent| meshwork_crdt::TextDoc::new(meshwork_crdt::LogId([agent + 1; 16])));
    let mut told: [Vec<Vec<u8>>; 2] = [Vec::new(), Vec::new()];
    let mut last: [Option<usize>; 2] = [None, None];
    let mut cursors = [0_usize; 2];
    while transactions.len() < keys {
        let agent = random.below(2);
        if random.below(6) == 0 {
            let updates = std::mem::take(&mut told[1 - agent]);
            for update in &updates {
                docs[agent].apply(update).expect("updates are well formed");
            }
            heads[agent] = [last[0], last[1]].into_iter().flatten().collect();
        }
        let len = docs[agent].len();
        let cursor = match random.below(40) {
            0 => random.below(len + 1),
            _ => cursors[agent].min(len),
        };
        let edit = if random.below(5) == 0 && cursor > 0 {
            cursors[agent] = cursor - 1;
            (cursor - 1, 1, String::new())
        } else {
            cursors[agent] = cursor + 1;
            (cursor, 0, char::from(b'a' + random.below(26) as u8).to_string())
        };
        docs[agent].delete(edit.0, edit.1).expect("the range is inside");
        docs[agent].insert(edit.0, &edit.2).expect("the place is inside");
        told[agent].push(docs[agent].update());
        let parents = std::mem::replace(&mut heads[agent], vec![transactions.len()]);
        last[agent] = Some(transactions.len());
        transactions.push(Transaction { agent, parents, edits: vec![edit] });
    }
    Concurrent { name: "duet".to_owned(), agents: 2, transactions, end: None }
}

/// Traces made up here.
pub fn generate(quick: bool) -> Traces {
    let (edits, end) = typing(if quick { 20_000 } else { 260_000 }, 1);
    let essay = Sequential { name: "essay".to_owned(), start: String::new(), edits, end };
    Traces {
        sequential: vec![essay],
        concurrent: vec![duet(if quick { 4_000 } else { 26_000 }, 2)],
    }
}
