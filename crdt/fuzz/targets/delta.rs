//! Any bytes as deltas of one author, after a little honest history: each is void or joins; what comes of it has
//! one form, which reads back, and taking it in again is no news.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meshwork_crdt::{Edit, HybridTime, Kind, LogId, LogTable, Object, Writer};

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let kind = Kind::ALL[usize::from(*which) % Kind::ALL.len()];
    let (ann, bob) = (LogId([1; 16]), LogId([2; 16]));
    let mut object = Object::new(kind);
    let writer = Writer { log: ann, time: HybridTime::at(1) };
    for operation in kind.about().operations {
        let arguments = operation.arguments.iter().map(|_| 1.into());
        let edit = Edit::call([], operation.name, arguments);
        let _ = object.edit(&writer, &edit, &mut LogTable::new(ann));
    }
    let Ok(logs) = LogTable::from_parts(bob, vec![ann]) else { return };
    for delta in bytes.split(|byte| *byte == 0xff) {
        let before = object.clone();
        match object.join_delta(delta, &logs) {
            Ok(_) => assert_eq!(object.join_delta(delta, &logs), Ok(false), "{kind}: news twice"),
            Err(_) => assert_eq!(object, before, "{kind}: a void delta changes something"),
        }
    }
    let state = object.encode_state();
    let back = Object::decode_state(object.shape(), &state);
    assert_eq!(back.as_ref(), Ok(&object), "{kind}: the state does not read back");
    let _ = (object.value(), object.explain(&[]));
});
