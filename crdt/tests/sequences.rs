//! Sequences: alone they do what a plain list does, and together they keep what each writer meant.

use meshwork_crdt::types::sequences::{List, Lseq, Rga, Treedoc};
use meshwork_crdt::{
    Causal, Change, DotStore, Edit, HybridTime, Kind, Lattice, LogId, LogTable, Object, Text,
    Writer,
};
use proptest::prelude::*;

fn at(log: u8, time: u64) -> Writer {
    Writer { log: LogId([log; 16]), time: HybridTime(time) }
}

/// What all list types offer.
trait Sequenced: DotStore {
    fn put(&self, change: &mut Change, index: usize, item: i64) -> Option<Self>;
    fn take(&self, change: &mut Change, index: usize) -> Option<Self>;
    fn items(&self) -> Vec<i64>;
}

macro_rules! sequenced {
    ($($list:ident ($item:ident => $plain:expr);)*) => {$(
        impl Sequenced for $list<i64> {
            fn put(&self, change: &mut Change, index: usize, item: i64) -> Option<Self> {
                self.insert(change, index, item)
            }

            fn take(&self, change: &mut Change, index: usize) -> Option<Self> {
                self.delete(change, index)
            }

            fn items(&self) -> Vec<i64> {
                self.iter().map(|$item| $plain).collect()
            }
        }
    )*};
}
sequenced! {
    List(item => item);
    Rga(item => *item);
    Lseq(item => *item);
    Treedoc(item => *item);
}

type Steps = Vec<(u8, u8, u8, u8)>;

fn steps() -> impl Strategy<Value = Steps> {
    prop::collection::vec((0..3_u8, any::<u8>(), any::<u8>(), 0..6_u8), 0..40)
}

/// One writer against a plain list.
fn alone_is_a_plain_list<S: Sequenced>(steps: &Steps) {
    let mut list = Causal::<S>::default();
    let mut plain = Vec::new();
    for (moment, (_, index, item, what)) in steps.iter().enumerate() {
        let (writer, item) = (at(1, moment as u64), i64::from(*item));
        let index = usize::from(*index) % (plain.len() + 2);
        let delta = if what % 3 == 0 {
            let fits = index < plain.len();
            if fits {
                plain.remove(index);
            }
            list.try_edit(&writer, |list, change| list.take(change, index).ok_or(())).is_ok()
                == fits
        } else {
            let fits = index <= plain.len();
            if fits {
                plain.insert(index, item);
            }
            list.try_edit(&writer, |list, change| list.put(change, index, item).ok_or(())).is_ok()
                == fits
        };
        assert!(delta, "what does not fit is refused, and nothing else");
        assert_eq!(list.items(), plain);
    }
}

/// Three writers who hear from each other now and then: nobody's item is lost, doubled or brought back, and what
/// one writer saw in an order stays in that order for all.
fn together_nothing_is_lost<S: Sequenced>(steps: &Steps) {
    let mut replicas = [Causal::<S>::default(), Causal::default(), Causal::default()];
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    let mut orders: Vec<Vec<i64>> = Vec::new();
    for (moment, (who, index, _, what)) in steps.iter().enumerate() {
        let writer = at(who + 1, moment as u64);
        let replica = &mut replicas[usize::from(*who)];
        let items = replica.items();
        if what % 3 == 0 && !items.is_empty() {
            let index = usize::from(*index) % items.len();
            removed.push(items[index]);
            replica.edit(&writer, |list, change| list.take(change, index).unwrap());
        } else {
            let (item, index) = (moment as i64, usize::from(*index) % (items.len() + 1));
            added.push(item);
            replica.edit(&writer, |list, change| list.put(change, index, item).unwrap());
        }
        orders.push(replica.items());
        if let Some(other) = replicas.get(usize::from(*what)).cloned() {
            replicas[usize::from(*who)].join(other);
        }
    }
    let mut all = replicas[0].clone();
    all.join(replicas[1].clone());
    all.join(replicas[2].clone());
    let items = all.items();
    let mut expected: Vec<i64> = added.into_iter().filter(|item| !removed.contains(item)).collect();
    let mut found = items.clone();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
    for order in orders {
        let kept: Vec<i64> = order.into_iter().filter(|item| items.contains(item)).collect();
        let shown: Vec<i64> = items.iter().filter(|item| kept.contains(item)).copied().collect();
        assert_eq!(shown, kept, "an order that somebody saw is kept");
    }
}

proptest! {
    #[test]
    fn lists_of_one_writer_are_plain_lists(steps in steps()) {
        alone_is_a_plain_list::<List<i64>>(&steps);
        alone_is_a_plain_list::<Rga<i64>>(&steps);
        alone_is_a_plain_list::<Lseq<i64>>(&steps);
        alone_is_a_plain_list::<Treedoc<i64>>(&steps);
    }

    #[test]
    fn lists_of_several_writers_lose_nothing_and_keep_every_order_seen(steps in steps()) {
        together_nothing_is_lost::<List<i64>>(&steps);
        together_nothing_is_lost::<Rga<i64>>(&steps);
        together_nothing_is_lost::<Lseq<i64>>(&steps);
        together_nothing_is_lost::<Treedoc<i64>>(&steps);
    }

    #[test]
    fn a_text_of_one_writer_is_a_plain_string(steps in steps()) {
        let mut text = Causal::<Text>::default();
        let mut plain: Vec<char> = Vec::new();
        for (moment, (_, index, n, delete)) in steps.iter().enumerate() {
            let index = usize::from(*index) % (plain.len() + 1);
            let delete = usize::from(*delete).min(plain.len() - index);
            let word = format!("{n}é");
            text.edit(&at(1, moment as u64), |text, change| {
                text.splice(change, index, delete, &word).expect("the range is inside")
            });
            plain.splice(index..index + delete, word.chars());
            prop_assert_eq!(text.to_string(), plain.iter().collect::<String>());
            let (start, gone, new) = text.difference("é7");
            let mut other = text.clone();
            other.edit(&at(1, 99), |text, change| text.splice(change, start, gone, new).unwrap());
            prop_assert_eq!(other.to_string(), "é7");
        }
    }
}

#[test]
fn concurrent_words_never_interleave_forwards_or_backwards() {
    let mut base = Causal::<Text>::default();
    base.edit(&at(9, 1), |text, change| text.insert(change, 0, "[]").unwrap());
    for backwards in [false, true] {
        let (mut one, mut two) = (base.clone(), base.clone());
        for (text, log, word) in [(&mut one, 1, "hello"), (&mut two, 2, "WORLD")] {
            let letters: Vec<char> = word.chars().collect();
            for n in 0..letters.len() {
                let (index, c) = match backwards {
                    true => (1, letters[letters.len() - 1 - n]),
                    false => (1 + n, letters[n]),
                };
                text.edit(&at(log, 1), |text, change| {
                    text.insert(change, index, &c.to_string()).unwrap()
                });
            }
        }
        let mut both = one.clone();
        both.join(two.clone());
        two.join(one);
        assert_eq!(both, two);
        let text = both.to_string();
        assert!(text == "[helloWORLD]" || text == "[WORLDhello]", "{text}");
    }
}

#[test]
fn imports_of_one_content_are_one_and_a_long_one_is_quick() {
    let content: String = (0..200_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    let (mut one, mut two) = (Object::new(Kind::Text), Object::new(Kind::Text));
    for (object, log) in [(&mut one, 1), (&mut two, 2)] {
        let import = Edit::Import(content.clone());
        object.edit(&at(log, 1), &import, &mut LogTable::new(LogId([log; 16]))).unwrap();
    }
    assert!(!one.join(two));
    assert_eq!(one.value(), content.into());
    let again = Edit::Import("again".into());
    assert_eq!(one.edit(&at(1, 2), &again, &mut LogTable::new(LogId([1; 16]))), Ok(vec![]));
}
