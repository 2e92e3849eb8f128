//! Any bytes as updates of a text, and as the history of a file whose checksums are right: each is refused or
//! taken in, and what comes of it is saved and read back the same.

#![no_main]

use std::io::Write;

use flate2::{Compression, Crc, write::DeflateEncoder};
use libfuzzer_sys::fuzz_target;
use meshwork_crdt::{Bias, CausalContext, LogId, TextDoc, to_bytes};

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    if which % 2 == 0 {
        updates(bytes);
    } else {
        history(usize::from(*which) / 2, bytes);
    }
});

fn updates(bytes: &[u8]) {
    let mut doc = TextDoc::new(LogId([1; 16]));
    doc.insert(0, "hello é").expect("the start is a place");
    doc.delete(2, 2).expect("the range is inside");
    for update in bytes.split(|byte| *byte == 0xff) {
        let mut framed = vec![1, 2];
        framed.extend([1; 16]);
        framed.extend([2; 16]);
        framed.extend(update);
        let before = doc.to_string();
        match doc.apply(&framed) {
            Ok(_) => assert_eq!(doc.apply(&framed), Ok(false), "news twice"),
            Err(_) => assert_eq!(doc.to_string(), before, "a refused update changes something"),
        }
    }
    let file = doc.save().expect("it was never in a file");
    let mut again = TextDoc::load(LogId([3; 16]), &file).expect("it has just been written");
    again.anchor(0, Bias::Left).expect("its history reads");
    assert!(again == doc, "a file does not give back the document");
}

fn section(file: &mut Vec<u8>, kind: u8, raw: &[u8]) {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(raw).expect("memory takes it");
    let stored = encoder.finish().expect("memory takes it");
    let mut crc = Crc::new();
    crc.update(&stored);
    file.push(kind);
    for mut len in [stored.len(), raw.len()] {
        while len >= 0x80 {
            file.push(len as u8 | 0x80);
            len >>= 7;
        }
        file.push(len as u8);
    }
    file.extend(crc.sum().to_le_bytes());
    file.extend(stored);
}

fn history(events: usize, bytes: &[u8]) {
    let mut version = CausalContext::default();
    for log in [1, 2] {
        version.insert_range(meshwork_crdt::DotRange {
            log: LogId([log; 16]),
            start: 1,
            len: events as u64 + 1,
        });
    }
    let version = to_bytes(&version);
    let mut head = vec![2];
    head.extend([1; 16]);
    head.extend([2; 16]);
    head.push(version.len() as u8);
    head.extend(version);
    head.extend(to_bytes(&CausalContext::default()));
    let mut file = b"MWTX\x01".to_vec();
    section(&mut file, 1, &head);
    section(&mut file, 2, &b"abcdefgh"[..events.min(8)]);
    section(&mut file, 3, bytes);
    if let Ok(mut doc) = TextDoc::load(LogId([1; 16]), &file)
        && doc.anchor(0, Bias::Left).is_ok()
    {
        doc.insert(0, "x").expect("the start is a place");
        let file = doc.save().expect("its history has been read");
        let mut again = TextDoc::load(LogId([1; 16]), &file).expect("it has just been written");
        again.anchor(0, Bias::Left).expect("its history reads");
        assert!(again == doc, "a file does not give back the document");
    }
}
