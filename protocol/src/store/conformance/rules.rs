//! The rules of the port, one function each.
//!
//! Data in: an empty place. Data out: nothing, or a panic that says which rule does not hold.

use super::{Harness, PAST_ALL_KEYS, commit, contents, get, open, scan, show};
use crate::store::{KEY_BYTES_MAX, Store, StoreError, VALUE_BYTES_MAX, WriteBatch};

/// Pairs of the batch that must be committed whole.
const LARGE_BATCH_PAIRS: u32 = 3000;
/// Values of the greatest size in that batch.
const LARGE_BATCH_LONG_VALUES: u32 = 40;
const LARGE_BATCH_LONG_BYTES: usize = 32 * 1024;

pub(super) fn all<H: Harness>() -> Vec<fn(&mut H)> {
    vec![
        a_new_place_is_empty,
        what_is_put_is_read_and_what_is_deleted_is_gone,
        a_later_batch_overwrites_an_earlier_one,
        the_last_word_on_a_key_in_a_batch_counts,
        empty_keys_and_empty_values_are_stored,
        scans_follow_byte_order,
        scan_bounds_are_half_open,
        a_scan_stops_when_told,
        a_visitor_may_read_the_store,
        keys_and_values_of_the_greatest_size_are_stored,
        long_values_shrink_grow_and_go,
        a_batch_over_the_limits_is_refused_whole,
        a_large_batch_is_committed_whole,
        an_empty_batch_is_accepted,
        durable_batches_survive_reopening,
        durable_batches_survive_a_crash,
        a_durable_batch_carries_the_earlier_ones,
        an_empty_durable_batch_carries_the_earlier_ones,
    ]
}

fn puts(pairs: &[(&[u8], &[u8])]) -> WriteBatch {
    let mut batch = WriteBatch::default();
    for (key, value) in pairs {
        batch.put(key.to_vec(), value.to_vec());
    }
    batch
}

fn durable(mut batch: WriteBatch) -> WriteBatch {
    batch.require_durable();
    batch
}

#[track_caller]
fn expect(store: &dyn Store, key: &[u8], wanted: Option<&[u8]>, rule: &str) {
    let found = get(store, key);
    assert!(
        found.as_deref() == wanted,
        "{rule}: under {} there must be {}, found {}",
        show(key),
        wanted.map_or("nothing".into(), show),
        found.as_deref().map_or("nothing".into(), show),
    );
}

#[track_caller]
fn expect_keys(found: &[(Vec<u8>, Vec<u8>)], wanted: &[&[u8]], rule: &str) {
    let keys: Vec<&[u8]> = found.iter().map(|(key, _)| key.as_slice()).collect();
    assert!(
        keys == wanted,
        "{rule}: wanted the keys {:?}, found {:?}",
        wanted.iter().map(|key| show(key)).collect::<Vec<_>>(),
        keys.iter().map(|key| show(key)).collect::<Vec<_>>(),
    );
}

fn a_new_place_is_empty<H: Harness>(place: &mut H) {
    let store = open(place);
    expect(&store, b"", None, "a new place is empty");
    expect(&store, b"key", None, "a new place is empty");
    expect_keys(&contents(&store), &[], "a new place is empty");
}

fn what_is_put_is_read_and_what_is_deleted_is_gone<H: Harness>(place: &mut H) {
    const RULE: &str = "reads follow puts and deletes";
    let store = open(place);
    commit(&store, &puts(&[(b"a", b"1"), (b"b", b"2")]));
    expect(&store, b"a", Some(b"1"), RULE);
    expect(&store, b"b", Some(b"2"), RULE);
    let mut batch = WriteBatch::default();
    batch.delete(b"a".to_vec());
    batch.delete(b"never there".to_vec());
    commit(&store, &batch);
    expect(&store, b"a", None, RULE);
    expect_keys(&contents(&store), &[b"b"], RULE);
}

fn a_later_batch_overwrites_an_earlier_one<H: Harness>(place: &mut H) {
    let store = open(place);
    commit(&store, &puts(&[(b"a", b"first and longer"), (b"b", b"stays")]));
    commit(&store, &puts(&[(b"a", b"second")]));
    expect(&store, b"a", Some(b"second"), "a later batch overwrites");
    expect(&store, b"b", Some(b"stays"), "a batch leaves other keys alone");
}

fn the_last_word_on_a_key_in_a_batch_counts<H: Harness>(place: &mut H) {
    const RULE: &str = "the last word on a key in a batch counts";
    let store = open(place);
    commit(&store, &puts(&[(b"a", b"old"), (b"b", b"old")]));
    let mut batch = puts(&[(b"a", b"new")]);
    batch.delete(b"a".to_vec());
    batch.delete(b"b".to_vec());
    batch.put(b"b".to_vec(), b"new".to_vec());
    commit(&store, &batch);
    expect(&store, b"a", None, RULE);
    expect(&store, b"b", Some(b"new"), RULE);
}

fn empty_keys_and_empty_values_are_stored<H: Harness>(place: &mut H) {
    const RULE: &str = "empty keys and values are stored";
    let store = open(place);
    commit(&store, &durable(puts(&[(b"", b"under the empty key"), (b"hollow", b"")])));
    expect(&store, b"", Some(b"under the empty key"), RULE);
    expect(&store, b"hollow", Some(b""), RULE);
    expect_keys(&contents(&store), &[b"", b"hollow"], RULE);
    drop(store);
    let store = open(place);
    expect(&store, b"hollow", Some(b""), RULE);
    let mut batch = WriteBatch::default();
    batch.delete(Vec::new());
    commit(&store, &batch);
    expect_keys(&contents(&store), &[b"hollow"], RULE);
}

fn scans_follow_byte_order<H: Harness>(place: &mut H) {
    let store = open(place);
    let ordered: &[&[u8]] =
        &[b"", b"\x00", b"\x00\x00", b"\x00\xFF", b"\x01", b"a", b"a\x00", b"aa", b"b", b"\x7F"];
    let high: &[&[u8]] = &[b"\x80", b"\xFE\xFF", b"\xFF", b"\xFF\x00", b"\xFF\xFF"];
    let wanted: Vec<&[u8]> = ordered.iter().chain(high).copied().collect();
    for key in wanted.iter().rev() {
        commit(&store, &puts(&[(key, b"value")]));
    }
    expect_keys(&contents(&store), &wanted, "scans follow byte order");
}

fn scan_bounds_are_half_open<H: Harness>(place: &mut H) {
    const RULE: &str = "scan bounds are half open";
    let store = open(place);
    commit(&store, &puts(&[(b"a", b"1"), (b"b", b"2"), (b"b\x00", b"3"), (b"c", b"4")]));
    let keys = |from: &[u8], to: &[u8]| scan(&store, from, to, usize::MAX);
    expect_keys(&keys(b"a", b"c"), &[b"a", b"b", b"b\x00"], RULE);
    expect_keys(&keys(b"b", b"b\x00"), &[b"b"], RULE);
    expect_keys(&keys(b"a\x00", b"c\x00"), &[b"b", b"b\x00", b"c"], RULE);
    expect_keys(&keys(b"b", b"b"), &[], RULE);
    expect_keys(&keys(b"c", b"a"), &[], "a range that ends before it starts is empty");
    expect_keys(&keys(b"", b""), &[], RULE);
    expect_keys(&keys(b"d", &PAST_ALL_KEYS), &[], RULE);
}

fn a_scan_stops_when_told<H: Harness>(place: &mut H) {
    let store = open(place);
    commit(&store, &puts(&[(b"a", b"1"), (b"b", b"2"), (b"c", b"3")]));
    expect_keys(&scan(&store, b"a", b"z", 1), &[b"a"], "a scan stops when told");
    expect_keys(&scan(&store, b"a", b"z", 2), &[b"a", b"b"], "a scan stops when told");
}

fn a_visitor_may_read_the_store<H: Harness>(place: &mut H) {
    let store = open(place);
    commit(&store, &puts(&[(b"a", b"b"), (b"b", b"c"), (b"c", b"end")]));
    let mut followed = Vec::new();
    let result = store.scan(b"a", b"c", &mut |_, value| {
        followed.push(get(&store, value));
        true
    });
    let wanted = [Some(b"c".to_vec()), Some(b"end".to_vec())];
    assert!(
        result.is_ok() && followed == wanted,
        "a visitor may read the store: found {followed:?}, {result:?}"
    );
}

fn keys_and_values_of_the_greatest_size_are_stored<H: Harness>(place: &mut H) {
    const RULE: &str = "keys and values of the greatest size are stored";
    let store = open(place);
    let keys: Vec<Vec<u8>> = [0x00, b'k', 0xFF]
        .into_iter()
        .flat_map(|byte| [vec![byte; KEY_BYTES_MAX - 1], vec![byte; KEY_BYTES_MAX]])
        .collect();
    let mut batch = WriteBatch::default();
    for (key, fill) in keys.iter().zip(0..) {
        batch.put(key.clone(), vec![fill; VALUE_BYTES_MAX]);
    }
    commit(&store, &durable(batch));
    drop(store);
    let store = open(place);
    for (key, fill) in keys.iter().zip(0..) {
        expect(&store, key, Some(&vec![fill; VALUE_BYTES_MAX]), RULE);
    }
    let wanted: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    expect_keys(&contents(&store), &wanted, RULE);
}

fn long_values_shrink_grow_and_go<H: Harness>(place: &mut H) {
    const RULE: &str = "a value may change its size";
    let sizes = [VALUE_BYTES_MAX, 10, VALUE_BYTES_MAX / 2, 0, VALUE_BYTES_MAX / 3, VALUE_BYTES_MAX];
    let store = open(place);
    for (size, fill) in sizes.into_iter().zip(1..) {
        let value = vec![fill; size];
        commit(&store, &puts(&[(b"k", &value), (b"k\x00", &value), (b"l", b"neighbour")]));
        expect(&store, b"k", Some(&value), RULE);
        expect(&store, b"k\x00", Some(&value), RULE);
        expect_keys(&contents(&store), &[b"k", b"k\x00", b"l"], RULE);
    }
    let mut batch = WriteBatch::default();
    batch.delete(b"k".to_vec());
    commit(&store, &batch);
    expect_keys(&contents(&store), &[b"k\x00", b"l"], RULE);
}

fn a_batch_over_the_limits_is_refused_whole<H: Harness>(place: &mut H) {
    const RULE: &str = "a batch over the limits is refused whole";
    let store = open(place);
    let long_key = vec![b'b'; KEY_BYTES_MAX + 1];
    let long_value = vec![0; VALUE_BYTES_MAX + 1];
    let mut long_delete = puts(&[(b"a", b"1")]);
    long_delete.delete(long_key.clone());
    for (batch, bytes) in [
        (puts(&[(b"a", b"1"), (&long_key, b"2")]), long_key.len()),
        (puts(&[(b"a", b"1"), (b"b", &long_value), (b"c", b"3")]), long_value.len()),
        (long_delete, long_key.len()),
    ] {
        let result = store.commit(&batch);
        assert!(
            result == Err(StoreError::TooLarge { bytes }),
            "{RULE}: {bytes} bytes must give TooLarge, found {result:?}"
        );
        expect_keys(&contents(&store), &[], RULE);
    }
    commit(&store, &puts(&[(b"a", b"1")]));
    expect(&store, b"a", Some(b"1"), "a refused batch leaves the store usable");
    expect(&store, &long_key, None, "a key over the limit is never there");
}

fn a_large_batch_is_committed_whole<H: Harness>(place: &mut H) {
    const RULE: &str = "a large batch is committed whole";
    let store = open(place);
    let mut batch = WriteBatch::default();
    let mut wanted = Vec::new();
    for index in 0..LARGE_BATCH_PAIRS {
        let long = index % (LARGE_BATCH_PAIRS / LARGE_BATCH_LONG_VALUES) == 0;
        let size = if long { LARGE_BATCH_LONG_BYTES } else { 100 };
        let value = index.to_le_bytes().into_iter().cycle().take(size).collect::<Vec<u8>>();
        wanted.push((index.to_be_bytes().to_vec(), value.clone()));
        batch.put(index.to_be_bytes().to_vec(), value);
    }
    commit(&store, &durable(batch));
    assert!(contents(&store) == wanted, "{RULE}: the scan gives other pairs than were put");
    drop(store);
    let store = open(place);
    assert!(contents(&store) == wanted, "{RULE}: reopening gives other pairs than were put");
}

fn an_empty_batch_is_accepted<H: Harness>(place: &mut H) {
    let store = open(place);
    commit(&store, &WriteBatch::default());
    commit(&store, &durable(WriteBatch::default()));
    expect_keys(&contents(&store), &[], "an empty batch changes nothing");
}

fn durable_batches_survive_reopening<H: Harness>(place: &mut H) {
    const RULE: &str = "durable batches survive reopening";
    for round in 0..5_u8 {
        let store = open(place);
        for earlier in 0..round {
            expect(&store, &[earlier], Some(&[earlier; 100]), RULE);
        }
        expect(&store, b"last", (round > 0).then_some(&[round][..]), RULE);
        let next = [round + 1];
        commit(&store, &durable(puts(&[(&[round], &[round; 100]), (b"last", &next)])));
    }
}

fn durable_batches_survive_a_crash<H: Harness>(place: &mut H) {
    const RULE: &str = "durable batches survive a crash";
    for round in 0..5_u8 {
        let store = open(place);
        for earlier in 0..round {
            expect(&store, &[earlier], Some(&[earlier; 100]), RULE);
        }
        expect(&store, b"gone", None, RULE);
        commit(&store, &puts(&[(b"gone", b"soon")]));
        let mut batch = puts(&[(&[round], &[round; 100])]);
        batch.delete(b"gone".to_vec());
        commit(&store, &durable(batch));
        place.crash(store);
    }
}

fn a_durable_batch_carries_the_earlier_ones<H: Harness>(place: &mut H) {
    carries_the_earlier_ones(place, &durable(puts(&[(b"z", b"durable")])));
}

fn an_empty_durable_batch_carries_the_earlier_ones<H: Harness>(place: &mut H) {
    carries_the_earlier_ones(place, &durable(WriteBatch::default()));
}

fn carries_the_earlier_ones<H: Harness>(place: &mut H, last: &WriteBatch) {
    const RULE: &str = "a durable batch makes every batch before it durable";
    let store = open(place);
    commit(&store, &puts(&[(b"a", b"1")]));
    commit(&store, &puts(&[(b"a", b"2"), (b"b", b"3")]));
    commit(&store, last);
    place.crash(store);
    let store = open(place);
    expect(&store, b"a", Some(b"2"), RULE);
    expect(&store, b"b", Some(b"3"), RULE);
}
