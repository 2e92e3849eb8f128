//! The corners of types that neither their examples nor random histories reach: empty states, refusals, queries.

use meshwork_crdt::types::apps::{Auction, Clock, Ledger, Poll, Presence, Seats};
use meshwork_crdt::types::counters::{Average, BoundedCounter, GCounter, Moments, RangedCounter};
use meshwork_crdt::types::maps::{GMap, MultiMap, RwMap};
use meshwork_crdt::types::registers::{AgreedRegister, FwwRegister};
use meshwork_crdt::types::sequences::{List, Log, MovableList, Rga, Treedoc};
use meshwork_crdt::types::sets::{
    ExpiringSet, GSet, IntervalSet, PnSet, TopK, TwoPhaseSet, UniqueSet,
};
use meshwork_crdt::types::sketches::{
    BloomFilter, CountMin, HyperLogLog, Quantiles, Sample, Theta,
};
use meshwork_crdt::types::trees::MoveTree;
use meshwork_crdt::{
    AwMap, AwSet, Causal, Crdt, DotStore, Edit, HybridTime, Kind, Lattice, LogId, LogTable, LwwMap,
    LwwRegister, MvRegister, Object, Path, Policy, Shape, Stamp, Value, Writer,
};

fn at(log: u8, ms: u64) -> Writer {
    Writer { log: LogId([log; 16]), time: HybridTime::at(ms) }
}

#[test]
fn escrow_counters_refuse_what_is_not_theirs_to_give() {
    let (ann, bob) = (at(1, 1), at(2, 1));
    let mut stock = Causal::<BoundedCounter>::default();
    stock.edit(&ann, |stock, change| stock.add(change, 3));
    assert_eq!(stock.edit(&ann, |stock, change| stock.add(change, 0)), Causal::default());
    assert!(stock.try_edit(&ann, |stock, change| stock.transfer(change, bob.log, 4)).is_err());
    assert!(stock.try_edit(&bob, |stock, change| stock.subtract(change, 1)).is_err());
    stock.try_edit(&ann, |stock, change| stock.transfer(change, bob.log, 1)).unwrap();
    assert_eq!((stock.rights(ann.log), stock.rights(bob.log), stock.total()), (2, 1, 3));
    let mut range = Causal::<RangedCounter>::default();
    assert_eq!((range.value_now(), range.rights(ann.log)), (None, (0, 0)));
    range.edit(&ann, |range, change| range.open(change, 5, -5));
    assert_eq!(range.bounds(), Some((-5, 5)));
    assert!(range.edit(&bob, |range, change| range.open(change, 0, 1)).is_bottom());
    range.try_edit(&ann, |range, change| range.step(change, 4)).unwrap();
    range.try_edit(&ann, |range, change| range.transfer(change, bob.log, (1, 2))).unwrap();
    assert!(range.try_edit(&ann, |range, change| range.transfer(change, bob.log, (9, 0))).is_err());
    range.try_edit(&bob, |range, change| range.step(change, -2)).unwrap();
    assert!(range.try_edit(&bob, |range, change| range.step(change, -1)).is_err());
    assert_eq!(range.value_now(), Some(-3));
    assert_eq!(range.rights(bob.log), (3, 0));
}

#[test]
fn ledgers_seats_and_auctions_keep_their_rules() {
    let (ann, bob, cid) = (at(1, 1), at(2, 1), at(3, 1));
    let mut ledger = Causal::<Ledger>::default();
    ledger.edit(&ann, |ledger, change| ledger.issue(change, 5));
    ledger.edit(&ann, |ledger, change| ledger.issue(change, 0));
    ledger.try_edit(&ann, |ledger, change| ledger.burn(change, 2)).unwrap();
    ledger.try_edit(&ann, |ledger, change| ledger.pay(change, bob.log, 1)).unwrap();
    assert!(ledger.try_edit(&ann, |ledger, change| ledger.pay(change, bob.log, 3)).is_err());
    assert_eq!(ledger.balances().into_values().collect::<Vec<_>>(), [2, 1]);
    let mut hall = Causal::<Seats<String>>::default();
    assert!(hall.is_empty() && hall.owner(0).is_none());
    hall.edit(&ann, |hall, change| hall.open(change, 3));
    hall.edit(&bob, |hall, change| hall.open(change, 9));
    hall.try_edit(&ann, |hall, change| hall.hand_over(change, 0, bob.log)).unwrap();
    let back = hall.try_edit(&bob, |hall, change| hall.hand_over(change, 0, ann.log));
    assert!(back.is_err(), "a seat does not go back");
    hall.try_edit(&bob, |hall, change| hall.hand_over(change, 0, cid.log)).unwrap();
    hall.try_edit(&ann, |hall, change| hall.assign(change, 2, "x".into())).unwrap();
    assert!(hall.try_edit(&ann, |hall, change| hall.assign(change, 2, "y".into())).is_err());
    assert_eq!(
        (hall.owner(0), hall.free(ann.log), hall.holder(2)),
        (Some(cid.log), vec![1], Some(&"x".into()))
    );
    assert_eq!(hall.owner(7), None);
    let mut sale = Causal::<Auction<String>>::default();
    assert!(sale.try_edit(&bob, |sale, change| sale.bid(change, 1)).is_err());
    assert!(sale.try_edit(&ann, Auction::close).is_err());
    sale.edit(&ann, |sale, change| sale.open(change, "lamp".into()));
    assert!(sale.try_edit(&ann, Auction::close).is_err(), "nobody has bid");
    sale.try_edit(&bob, |sale, change| sale.bid(change, 4)).unwrap();
    sale.try_edit(&bob, |sale, change| sale.bid(change, 3)).unwrap();
    assert_eq!((sale.item(), sale.highest()), (Some(&"lamp".into()), Some((bob.log, 4))));
    assert!(sale.try_edit(&bob, Auction::close).is_err(), "not the seller");
    sale.try_edit(&ann, Auction::close).unwrap();
    assert!(sale.try_edit(&ann, Auction::close).is_err(), "closed already");
}

#[test]
fn votes_presence_and_clocks_are_one_for_each_device() {
    let (ann, bob) = (at(1, 10), at(2, 20));
    let mut poll = Causal::<Poll<i64>>::default();
    assert_eq!(poll.winner(), None);
    poll.edit(&ann, |poll, change| poll.vote(change, 1));
    poll.edit(&bob, |poll, change| poll.vote(change, 2));
    assert_eq!(
        (poll.vote_of(ann.log), poll.winner()),
        (Some(&1), Some((&1, 1))),
        "the smallest of equals"
    );
    poll.edit(&ann, Poll::withdraw);
    assert_eq!(poll.tally().len(), 1);
    let mut room = Causal::<Presence<i64>>::default();
    room.edit(&ann, |room, change| room.say(change, 1));
    room.edit(&bob, |room, change| room.say(change, 2));
    assert_eq!(room.live(HybridTime::at(25), 6).count(), 1);
    room.edit(&bob, Presence::leave);
    assert_eq!(room.iter().map(|(stamp, _)| stamp.log).collect::<Vec<_>>(), [ann.log]);
    let mut one = Causal::<Clock>::default();
    let mut two = one.clone();
    one.edit(&ann, Clock::tick);
    two.edit(&bob, Clock::tick);
    assert!(one.concurrent(&two) && !one.before(&two) && !one.before(&one.clone()));
    two.join(one.clone());
    assert!(one.before(&two) && two.get(ann.log) == 1);
}

#[test]
fn sets_answer_what_is_in_them() {
    let ann = at(1, 1);
    let mut once = Causal::<GSet<i64>>::default();
    assert!(once.is_empty());
    once.edit(&ann, |set, change| set.add(change, 1));
    assert!(once.contains(&1) && once.len() == 1);
    let mut final_set = Causal::<TwoPhaseSet<i64>>::default();
    assert!(final_set.edit(&ann, |set, change| set.remove(change, &1)).is_bottom());
    final_set.edit(&ann, |set, change| set.add(change, 1));
    assert_eq!(final_set.iter().collect::<Vec<_>>(), [&1]);
    let mut counted = Causal::<PnSet<i64>>::default();
    assert!(counted.edit(&ann, |set, change| set.remove(change, &1)).is_bottom());
    counted.edit(&ann, |set, change| set.add(change, 1));
    assert!(counted.contains(&1) && counted.iter().count() == 1);
    let mut things = Causal::<UniqueSet<i64>>::default();
    things.edit(&ann, |set, change| set.add(change, 1));
    let (name, _) = things.iter().next().unwrap();
    things.edit(&ann, |set, change| set.remove(change, name));
    assert!(
        things.is_empty() && things.edit(&ann, |set, change| set.remove(change, name)).is_bottom()
    );
    let mut expiring = Causal::<ExpiringSet<i64>>::default();
    expiring.edit(&ann, |set, change| set.keep_until(change, 1, 10));
    assert_eq!(
        (expiring.until(&1), expiring.live(9).count(), expiring.live(10).count()),
        (Some(10), 1, 0)
    );
    let mut covered = Causal::<IntervalSet>::default();
    covered.edit(&ann, |set, change| set.add(change, 1, 4));
    assert!(
        covered.contains(3) && !covered.contains(4) && covered.len() == 3 && !covered.is_empty()
    );
    let mut top = Causal::<TopK<i64>>::default();
    for n in 0..150 {
        top.edit(&ann, |top, change| top.offer(change, n, n));
    }
    assert_eq!((top.best(200).len(), top.best(1)), (100, vec![(&149, 149)]));
    let mut set = Causal::<AwSet<i64>>::default();
    set.edit(&ann, |set, change| set.set(change, &[1, 2].into()));
    set.edit(&ann, |set, change| set.set(change, &[2, 3].into()));
    assert_eq!((set.iter().collect::<Vec<_>>(), set.len()), (vec![&2, &3], 2));
    set.edit(&ann, AwSet::clear);
    assert!(set.is_empty());
}

#[test]
fn maps_and_lists_answer_what_is_in_them() {
    let ann = at(1, 1);
    let mut lww = Causal::<LwwMap<i64, i64>>::default();
    lww.edit(&ann, |map, change| map.put(change, 1, 2));
    assert_eq!(lww.iter().collect::<Vec<_>>(), [(&1, &2)]);
    lww.edit(&at(1, 2), LwwMap::clear);
    assert!(
        lww.iter().next().is_none()
            && lww.edit(&ann, |map, change| map.remove(change, &1)).is_bottom()
    );
    let mut grown = Causal::<GMap<i64, GCounter>>::default();
    grown.edit(&ann, |map, change| map.insert(change, 1));
    grown.edit(&ann, |map, change| map.update(change, 1, |part, change| part.add(change, 2)));
    assert_eq!(grown.iter().map(|(key, part)| (*key, part.total())).collect::<Vec<_>>(), [(1, 2)]);
    let refused = grown.try_edit(&ann, |map, change| map.try_update(change, 1, |_, _| Err("no")));
    assert_eq!(refused, Err("no"));
    let mut rather = Causal::<RwMap<i64, AwSet<i64>>>::default();
    rather.edit(&ann, |map, change| map.insert(change, 1));
    assert_eq!(rather.iter().count(), 1);
    rather.edit(&ann, |map, change| map.remove(change, &1));
    assert!(rather.edit(&ann, |map, change| map.remove(change, &1)).is_bottom());
    rather.edit(&ann, |map, change| map.update(change, 1, |set, change| set.add(change, 7)));
    assert_eq!(rather.get(&1).map(AwSet::len), Some(1));
    let mut several = Causal::<MultiMap<i64, i64>>::default();
    several.edit(&ann, |map, change| map.put(change, 1, 2));
    several.edit(&ann, |map, change| map.put(change, 1, 2));
    assert!(several.contains(&1, &2) && several.keys().count() == 1);
    several.edit(&ann, |map, change| map.remove_key(change, &1));
    assert_eq!(several.keys().count(), 0);
    let mut any = Causal::<AwMap<i64, AwSet<i64>>>::default();
    any.edit(&ann, |map, change| map.insert(change, 1));
    assert_eq!((any.iter().count(), any.get(&1).map(AwSet::is_empty)), (1, Some(true)));
    any.edit(&ann, AwMap::clear);
    assert!(any.get(&1).is_none());
    let mut list = Causal::<List<i64>>::default();
    list.edit(&ann, |list, change| list.set(change, &[1, 2, 3]));
    list.edit(&ann, |list, change| list.replace(change, 1, 9).unwrap());
    list.edit(&ann, |list, change| list.set(change, &[1, 9, 4, 3]));
    assert_eq!((list.iter().collect::<Vec<_>>(), list.len()), (vec![1, 9, 4, 3], 4));
    list.edit(&ann, |list, change| {
        assert!(list.insert(change, 9, 0).is_none() && list.replace(change, 9, 0).is_none());
        list.clear(change)
    });
    assert!(list.is_empty());
    let mut moved = Causal::<MovableList<LwwRegister<i64>>>::default();
    assert!(moved.is_empty() && moved.id_at(0).is_none() && moved.get(0).is_none());
    moved.edit(&ann, |list, change| list.insert(change, 0).unwrap());
    moved.edit(&ann, |list, change| {
        assert!(list.insert(change, 5).is_none() && list.move_to(change, 0, 3).is_none());
        assert!(list.remove(change, 1).is_none());
        list.clear(change)
    });
    assert_eq!(moved.len(), 0);
    let mut tree = Causal::<Treedoc<char>>::default();
    let mut rga = Causal::<Rga<char>>::default();
    for c in ['a', 'b'] {
        tree.edit(&ann, |list, change| list.push(change, c));
        rga.edit(&ann, |list, change| list.push(change, c));
    }
    assert_eq!((tree.len(), tree.is_empty(), rga.len()), (2, false, 2));
    let mut log = Causal::<Log<i64>>::default();
    log.edit(&ann, |log, change| log.append(change, 1));
    assert_eq!((log.len(), log.is_empty()), (1, false));
    assert_eq!(log.since(log.seen()).len(), 0, "who has seen it all lacks nothing");
}

#[test]
fn registers_and_numbers_answer_before_anybody_has_written() {
    let ann = at(1, 1);
    let mut first = Causal::<FwwRegister<i64>>::default();
    assert_eq!((first.get(), first.stamp()), (None, None));
    first.edit(&ann, |register, change| register.set(change, 1));
    assert_eq!(first.stamp(), Some(Stamp { time: HybridTime::at(1), log: ann.log }));
    let mut agreed = Causal::<AgreedRegister<i64>>::default();
    assert_eq!((agreed.get(), agreed.value()), (None, Value::Null));
    agreed.edit(&ann, |register, change| register.say(change, 1));
    agreed.edit(&ann, |register, change| register.say(change, 2));
    assert_eq!((agreed.get(), agreed.is_conflict()), (None, true));
    assert_eq!(agreed.value().to_string(), r#"{"conflict":true}"#);
    let mut many = Causal::<MvRegister<i64>>::default();
    assert_eq!(many.resolve(&Policy::Latest), None);
    many.edit(&ann, |register, change| register.set(change, 1));
    assert_eq!(many.resolve(&Policy::Latest), Some(1));
    many.edit(&ann, MvRegister::clear);
    assert_eq!(many.values().count(), 0);
    let mut latest = Causal::<LwwRegister<i64>>::default();
    latest.edit(&ann, |register, change| register.set(change, 1));
    assert_eq!(latest.writes().count(), 1);
    latest.edit(&ann, LwwRegister::clear);
    assert_eq!(latest.get(), None);
    let (mean, moments) = (Causal::<Average>::default(), Causal::<Moments>::default());
    assert!(mean.is_empty() && mean.mean().is_none());
    assert!(moments.is_empty() && moments.mean().is_none() && moments.variance().is_none());
}

#[test]
fn a_policy_says_which_of_two_things_of_one_name_is_meant() {
    let (ann, bob) = (at(1, 10), at(2, 20));
    let mut one = Causal::<MoveTree<i64>>::default();
    let mut two = one.clone();
    for (tree, writer, node) in [(&mut one, ann, 1), (&mut two, bob, 2)] {
        tree.edit(&writer, |tree, change| tree.move_to(change, node, None));
        tree.edit(&writer, |tree, change| tree.write(change, node, "notes".into()));
    }
    one.join(two);
    assert_eq!(one.clashes(), [[&1, &2]]);
    let meant = |policy: &Policy| one.named(None, &"notes".into(), policy);
    assert_eq!((meant(&Policy::Latest), meant(&Policy::Earliest)), (Some(2), Some(1)));
    assert_eq!(meant(&Policy::Prefer(vec![ann.log])), Some(1));
    assert_eq!(one.named(None, &"other".into(), &Policy::Latest), None);
    let mut colours = Causal::<AwMap<String, MvRegister<String>>>::default();
    let mut others = colours.clone();
    for (map, writer, colour) in [(&mut colours, ann, "red"), (&mut others, bob, "blue")] {
        map.edit(&writer, |map, change| {
            map.update(change, "door".into(), |value, change| value.set(change, colour.into()))
        });
    }
    colours.join(others);
    let door = colours.get(&"door".into()).unwrap();
    assert_eq!(door.resolve(&Policy::Greatest), Some("red".into()), "a key written by two");
    let told = colours.explain(&["door".into()]).unwrap();
    assert_eq!(told.claims.len(), 2);
}

#[test]
fn sketches_keep_to_the_errors_they_state() {
    let ann = at(1, 1);
    let mut seen = Causal::<HyperLogLog>::default();
    let mut sample = Causal::<Sample<i64>>::default();
    let (mut small, mut large) = (Causal::<Theta>::default(), Causal::<Theta>::default());
    let mut filter = Causal::<BloomFilter>::default();
    let mut counts = Causal::<CountMin>::default();
    let mut sizes = Causal::<Quantiles>::default();
    assert!(counts.is_empty() && sizes.is_empty() && sizes.quantile(0.5).is_none());
    for n in 0..4000_i64 {
        seen.edit(&ann, |sketch, change| sketch.add(change, &n));
        large.edit(&ann, |sketch, change| sketch.add(change, &n));
        if n < 2000 {
            small.edit(&ann, |sketch, change| sketch.add(change, &n));
            filter.edit(&ann, |sketch, change| sketch.add(change, &n));
            sample.edit(&ann, |sketch, change| sketch.add(change, n));
        }
        if n < 300 {
            counts.edit(&ann, |sketch, change| sketch.add(change, &(n % 30), 1));
            sizes.edit(&ann, |sketch, change| sketch.add(change, n as f64 - 100.0));
        }
    }
    sizes.edit(&ann, |sketch, change| sketch.add(change, f64::NAN));
    assert!((seen.estimate() / 4000.0 - 1.0).abs() < 0.06, "{}", seen.estimate());
    assert!((large.estimate() / 4000.0 - 1.0).abs() < 0.2, "{}", large.estimate());
    assert!((small.similarity(&large) - 0.5).abs() < 0.15, "{}", small.similarity(&large));
    assert!((0..2000_i64).all(|n| filter.may_contain(&n)), "never a wrong no");
    let wrong = (10_000..20_000_i64).filter(|n| filter.may_contain(n)).count();
    assert!(wrong < 100, "{wrong} wrong answers of 10 000");
    assert!((0..30_i64).all(|n| counts.estimate(&n) >= 10), "never too low");
    assert!((counts.len(), counts.estimate(&77)) >= (300, 0) && counts.estimate(&3) <= 12);
    assert_eq!(sizes.len(), 300);
    assert_eq!(sizes.quantile(1.0 / 3.0).map(|size| size.abs() < 2.0), Some(true));
    let last = sizes.quantile(1.0).unwrap();
    assert!((last / 199.0 - 1.0).abs() <= 0.01, "{last}");
    assert!((sizes.quantile(0.0).unwrap() / -100.0 - 1.0).abs() <= 0.01);
    let mean = sample.iter().sum::<i64>() / 64;
    assert!((700..1300).contains(&mean), "the sample is spread: {mean}");
}

#[test]
fn shapes_places_and_errors_can_be_written_and_read() {
    let shape: Shape = "record{a: map<text>, b: set}".parse().unwrap();
    let json = serde_json::to_string(&shape).unwrap();
    assert_eq!(serde_json::from_str::<Shape>(&json).unwrap(), shape);
    assert!(serde_json::from_str::<Shape>("\"mapp\"").is_err());
    assert_eq!((shape.field("a").map(Shape::kind), shape.fields().len()), (Some(Kind::Map), 2));
    let kind = serde_json::to_string(&Kind::LwwMap).unwrap();
    assert_eq!(
        (kind.as_str(), serde_json::from_str::<Kind>(&kind).unwrap()),
        ("\"lww-map\"", Kind::LwwMap)
    );
    assert!(serde_json::from_str::<Kind>("\"x\"").is_err());
    let mut first: Shape = "map<record{a: text}>".parse().unwrap();
    let second: Shape = "map<record{a: set, b: counter}>".parse().unwrap();
    assert!(first.declare(&second) && !first.declare(&second));
    let mut other = second.clone();
    other.declare(&"map<record{a: text}>".parse().unwrap());
    assert_eq!(first, other, "declarations merge in any order");
    let Ok(place) = "a~1b/#3/~2x".parse::<Path>();
    assert_eq!(serde_json::to_string(&place).unwrap(), "\"a~1b/#3/~2x\"");
    assert_eq!(serde_json::from_str::<Path>("\"a~1b/#3/~2x\"").unwrap(), place);
    let edit: Edit = serde_json::from_str(r#"{"call":{"operation":"clear"}}"#).unwrap();
    assert_eq!(edit, Edit::call([], "clear", []));
    let typed = Edit::typed(|_: &AwSet<i64>, _| Ok(AwSet::default()));
    assert!(typed == typed.clone() && typed != edit && format!("{typed:?}").contains("Typed"));
    let mut object = Object::new(Kind::Text);
    let mut logs = LogTable::new(LogId([1; 16]));
    let ann = at(1, 1);
    for (edit, complaint) in [
        (typed, "there is no place"),
        (Edit::call([], "splice", [1.into()]), "splice INDEX COUNT TEXT"),
        (Edit::call([], "append", [1.into()]), "1 is not of the type"),
        (Edit::call(["x".into()], "append", ["a".into()]), "no place \"x\""),
        (Edit::call([], "splice", [7.into(), 0.into(), "a".into()]), "out of range"),
        (Edit::call((0..30).map(Value::Int), "append", ["a".into()]), "too deeply"),
    ] {
        let error = object.edit(&ann, &edit, &mut logs).unwrap_err().to_string();
        assert!(error.contains(complaint), "{error}");
    }
    let mut register = Object::new(Kind::FwwRegister);
    register.edit(&ann, &Edit::Set(1.into()), &mut logs).unwrap();
    let error = register.edit(&ann, &Edit::Set(2.into()), &mut logs).unwrap_err().to_string();
    assert!(error.contains("written once"));
    assert!(Object::new(Kind::Map).edit(&ann, &Edit::Import("x".into()), &mut logs).is_err());
    assert_eq!(HybridTime::at(5).tick(3), HybridTime(HybridTime::at(5).0 + 1));
    assert_eq!(HybridTime::at(5).tick(9).millis(), 9);
}

/// Found by fuzzing: a deletion whose last target is the highest number there is.
#[test]
fn numbers_at_their_end_are_refused() {
    let state = [
        0, 0, 2, 0, 114, 0, 2, 48, 0, 1, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 65, 1,
        0, 61, 198, 1, 0, 0, 0, 3, 0, 114, 0, 2, 48, 0, 9, 8, 0, 32,
    ];
    for kind in Kind::ALL {
        assert!(Object::decode_state(&Shape::new(kind), &state).is_err(), "{kind:?}");
    }
}

/// Found by fuzzing: a hall of four thousand million seats takes no longer to show than one of ten thousand.
#[test]
fn a_hall_has_no_more_seats_than_can_be_looked_at() {
    let state = [0, 1, 77, 0, 1, 228, 228, 228, 228, 5, 0, 0];
    let hall = Object::decode_state(&Shape::new(Kind::Seats), &state).unwrap();
    assert_eq!(hall.value().to_string(), r#"{"seats":10000,"taken":{}}"#);
}
