//! Two replicas of one long text: one key told, and meeting again.

use crate::engines::{Engine, each_engine};
use crate::measure::time;
use crate::report::{Entry, Race};
use crate::rows::sequential::typed;
use crate::traces::{Random, Sequential};

struct Pair<E: Engine> {
    one: Vec<u8>,
    two: Vec<u8>,
    common: E::Version,
}

/// Two files of a text to which each side has added `edits` keys, 32 a commit.
fn pair<E: Engine>(base: &[u8], edits: usize) -> Pair<E> {
    let common = E::load(base, 0).version();
    let diverge = |agent: u64| {
        let mut doc = E::load(base, agent);
        let mut random = Random(agent);
        let len = doc.text().len();
        let mut at = random.below(len);
        let mut left = edits;
        while left > 0 {
            let mut commit = Vec::new();
            for _ in 0..left.min(32) {
                if random.below(12) == 0 {
                    at = random.below(len);
                }
                commit.push((at, 0, "k".to_owned()));
                at += 1;
            }
            left -= commit.len();
            doc.commit(&commit);
        }
        doc.save()
    };
    Pair { one: diverge(1), two: diverge(2), common }
}

fn meet<E: Engine>(pair: &Pair<E>) -> (f64, f64) {
    let (mut one, mut two) = (E::load(&pair.one, 1), E::load(&pair.two, 2));
    // What a device that has been at work has in memory.
    one.commit_told(&[(0, 0, "x".to_owned()), (0, 1, String::new())]);
    two.commit_told(&[(0, 0, "x".to_owned()), (0, 1, String::new())]);
    let mut bytes = 0;
    let taken = time(|| bytes = one.meet(&mut two, &pair.common));
    assert_eq!(one.text(), two.text(), "{} does not converge", E::NAME);
    (taken, bytes as f64)
}

/// Nothing new on either side.
fn nod<E: Engine>(base: &[u8]) -> (f64, f64) {
    let (mut one, mut two) = (E::load(base, 0), E::load(base, 0));
    let common = one.version();
    let mut bytes = 0;
    let taken = time(|| bytes = one.meet(&mut two, &common));
    (taken, bytes as f64)
}

pub fn run(race: &mut Race, trace: &Sequential) {
    let row = |what: &str| format!("{}: {what}", trace.name);
    let names = [
        "update of one key",
        "telling one key",
        "meeting, nothing new, time",
        "meeting, nothing new, bytes",
        "meeting, 1000 and 1000 keys, time",
        "meeting, 1000 and 1000 keys, bytes",
    ];
    if !race.wants(&names.map(row)) {
        return;
    }
    let mut bytes: Vec<Entry<'_>> = Vec::new();
    let mut tell: Vec<Entry<'_>> = Vec::new();
    let mut nod_time: Vec<Entry<'_>> = Vec::new();
    let mut nod_bytes: Vec<Entry<'_>> = Vec::new();
    let mut meet_time: Vec<Entry<'_>> = Vec::new();
    let mut meet_bytes: Vec<Entry<'_>> = Vec::new();
    macro_rules! add {
        ($engine:ty) => {
            if !race.skips(<$engine>::NAME) {
                eprint!("\r\x1b[K{}: {} prepares", trace.name, <$engine>::NAME);
                let base: Option<std::rc::Rc<Vec<u8>>> =
                    typed::<$engine>(trace).map(|mut doc| std::rc::Rc::new(doc.save()));
                let file = base.clone();
                bytes.push((
                    <$engine>::NAME,
                    Box::new(move || {
                        let mut doc = <$engine>::load(file.as_ref()?, 0);
                        doc.commit_told(&[(5000, 0, "a".to_owned())]);
                        Some(doc.commit_told(&[(5001, 0, "b".to_owned())]).len() as f64)
                    }),
                ));
                let file = base.clone();
                tell.push((
                    <$engine>::NAME,
                    Box::new(move || {
                        let file = file.as_ref()?;
                        let (mut doc, mut other) =
                            (<$engine>::load(file, 0), <$engine>::load(file, 1));
                        other.apply(&doc.commit_told(&[(5000, 0, "a".to_owned())]));
                        Some(
                            time(|| {
                                for n in 0..1000 {
                                    other.apply(&doc.commit_told(&[(5001 + n, 0, "b".to_owned())]));
                                }
                            }) / 1000.0,
                        )
                    }),
                ));
                if <$engine>::SYNCS {
                    let file = base.clone();
                    nod_time.push((
                        <$engine>::NAME,
                        Box::new(move || Some(nod::<$engine>(file.as_ref()?).0)),
                    ));
                    let file = base.clone();
                    nod_bytes.push((
                        <$engine>::NAME,
                        Box::new(move || Some(nod::<$engine>(file.as_ref()?).1)),
                    ));
                    let both =
                        base.as_ref().map(|base| std::rc::Rc::new(pair::<$engine>(base, 1000)));
                    let pair = both.clone();
                    meet_time
                        .push((<$engine>::NAME, Box::new(move || Some(meet(pair.as_ref()?).0))));
                    meet_bytes
                        .push((<$engine>::NAME, Box::new(move || Some(meet(both.as_ref()?).1))));
                }
            }
        };
    }
    each_engine!(add);
    race.weigh(&row("update of one key"), "B", bytes);
    race.race(&row("telling one key"), tell);
    race.race(&row("meeting, nothing new, time"), nod_time);
    race.weigh(&row("meeting, nothing new, bytes"), "B", nod_bytes);
    race.race(&row("meeting, 1000 and 1000 keys, time"), meet_time);
    race.weigh(&row("meeting, 1000 and 1000 keys, bytes"), "B", meet_bytes);
}
