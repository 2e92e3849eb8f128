//! Any bytes as the state of an object of any type: they are refused, or are the one form of what they say; and
//! what they say can be shown, explained and joined without panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meshwork_crdt::{Kind, Object, Shape};

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let kinds = Kind::ALL;
    let kind = kinds[usize::from(*which) % kinds.len()];
    let shape = match (kind.is_container(), usize::from(*which) / kinds.len()) {
        (true, 1) => Shape::of(kind, Kind::Record.into()),
        (true, 2) => Shape::of(kind, Kind::Text.into()),
        _ => Shape::new(kind),
    };
    let Ok(object) = Object::decode_state(&shape, bytes) else { return };
    assert_eq!(object.encode_state(), bytes, "{shape}: a second form is accepted");
    let mut same = object.clone();
    assert!(!same.join(object.clone()), "{shape}: joining itself reports growth");
    assert_eq!(same, object, "{shape}: joining itself changes something");
    let mut from_nothing = Object::new(shape);
    from_nothing.join(object.clone());
    let _ = from_nothing.value();
    let _ = object.explain(&[]);
});
