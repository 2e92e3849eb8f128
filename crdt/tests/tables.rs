//! Tables: what becomes of rows, columns and cells that are changed at the same time, and that one
//! replica alone does what plain maps and vectors do.

use std::collections::BTreeMap;

use meshwork_crdt::types::tables::{Matrix, Relations, Rule, Sheet, Table};
use meshwork_crdt::{
    Causal, Crdt, DotStore, Edit, Encode, HybridTime, Lattice, LogId, LogTable, LwwRegister,
    Object, PnCounter, Shape, Value, Writer, digest,
};
use proptest::prelude::*;

fn at(log: u8, ms: u64) -> Writer {
    Writer { log: LogId([log; 16]), time: HybridTime::at(ms) }
}

/// What two replicas come to, whoever hears from whom.
fn meet<S: DotStore + Encode + std::fmt::Debug>(one: &Causal<S>, two: &Causal<S>) -> Causal<S> {
    let (mut here, mut there) = (one.clone(), two.clone());
    here.join(two.clone());
    there.join(one.clone());
    assert_eq!(here, there);
    assert_eq!(digest(&here), digest(&there));
    here
}

type People = Table<String, LwwRegister<i64>>;

fn write(table: &mut Causal<People>, writer: &Writer, row: &str, column: &str, value: i64) {
    table.edit(writer, |table, change| {
        table.update(change, row.into(), column.into(), |cell, change| cell.set(change, value))
    });
}

fn read(table: &People) -> BTreeMap<String, BTreeMap<String, i64>> {
    let cells = |(name, cell): (&String, &LwwRegister<i64>)| Some((name.clone(), *cell.get()?));
    table.rows().map(|(key, row)| (key.clone(), row.iter().filter_map(cells).collect())).collect()
}

#[test]
fn a_cell_written_while_its_row_is_removed_brings_the_row_back_with_that_cell_only() {
    let mut one = Causal::<People>::default();
    write(&mut one, &at(1, 1), "ann", "age", 30);
    write(&mut one, &at(1, 2), "ann", "height", 170);
    let mut two = one.clone();
    one.edit(&at(1, 3), |table, change| table.remove_row(change, &"ann".into()));
    write(&mut two, &at(2, 3), "ann", "age", 31);
    let cells = BTreeMap::from([("age".to_owned(), 31)]);
    assert_eq!(read(&meet(&one, &two)), BTreeMap::from([("ann".to_owned(), cells)]));
}

#[test]
fn a_row_put_there_again_while_it_is_removed_stays_without_its_old_cells() {
    let mut one = Causal::<People>::default();
    write(&mut one, &at(1, 1), "ann", "age", 30);
    let mut two = one.clone();
    one.edit(&at(1, 2), |table, change| table.remove_row(change, &"ann".into()));
    two.edit(&at(2, 2), |table, change| table.insert_row(change, "ann".into()));
    let all = meet(&one, &two);
    assert_eq!(read(&all), BTreeMap::from([("ann".to_owned(), BTreeMap::new())]));
}

#[test]
fn a_removal_reaches_a_replica_before_the_row_it_removes() {
    let mut one = Causal::<People>::default();
    let row = one.edit(&at(1, 1), |table, change| table.insert_row(change, "ann".into()));
    let gone = one.edit(&at(1, 2), |table, change| table.remove_row(change, &"ann".into()));
    let mut two = Causal::<People>::default();
    two.join(gone);
    two.join(row);
    assert_eq!(two, one);
    assert_eq!(two.rows().count(), 0);
}

#[test]
fn cells_of_different_columns_written_concurrently_are_both_kept() {
    let (mut one, mut two) = (Causal::<People>::default(), Causal::<People>::default());
    write(&mut one, &at(1, 1), "ann", "age", 30);
    write(&mut two, &at(2, 1), "ann", "height", 170);
    assert_eq!(read(&meet(&one, &two))["ann"].len(), 2);
}

#[test]
fn cells_merge_by_the_rule_of_their_part() {
    let mut one = Causal::<Table<String, PnCounter>>::default();
    let mut two = one.clone();
    for (replica, log) in [(&mut one, 1), (&mut two, 2)] {
        replica.edit(&at(log, 1), |table, change| {
            table.update(change, "ann".into(), "points".into(), |it, change| it.add(change, 5))
        });
    }
    let all = meet(&one, &two);
    assert_eq!(all.cell(&"ann".into(), "points").map(PnCounter::total), Some(10));
}

#[test]
fn columns_stand_by_the_latest_rank() {
    let mut one = Causal::<People>::default();
    one.edit(&at(1, 1), |table, change| table.put_column(change, "a".into(), 1));
    one.edit(&at(1, 1), |table, change| table.put_column(change, "b".into(), 2));
    let mut two = one.clone();
    one.edit(&at(1, 2), |table, change| table.put_column(change, "a".into(), 0));
    two.edit(&at(2, 3), |table, change| table.put_column(change, "a".into(), 3));
    assert_eq!(meet(&one, &two).columns(), ["b", "a"]);
}

#[test]
fn a_column_moved_while_it_is_taken_down_stays_up() {
    let mut one = Causal::<People>::default();
    one.edit(&at(1, 1), |table, change| table.put_column(change, "a".into(), 1));
    let mut two = one.clone();
    one.edit(&at(1, 9), |table, change| table.remove_column(change, "a"));
    assert!(one.columns().is_empty());
    two.edit(&at(2, 2), |table, change| table.put_column(change, "a".into(), 7));
    assert_eq!(meet(&one, &two).columns(), ["a"]);
}

#[test]
fn rows_are_found_by_a_condition() {
    let mut one = Causal::<People>::default();
    for (row, age) in [("ann", 30), ("bob", 17), ("cem", 64)] {
        write(&mut one, &at(1, 1), row, "age", age);
    }
    let adult = |row: &meshwork_crdt::AwMap<String, LwwRegister<i64>>| {
        row.get(&"age".to_owned()).and_then(LwwRegister::get).is_some_and(|age| *age >= 18)
    };
    assert_eq!(one.filter(adult).map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["ann", "cem"]);
}

#[test]
fn a_table_of_records_nests_in_a_map_and_is_edited_by_its_path() {
    let shape = || "map<table<record>>".parse::<Shape>().expect("it is a shape");
    let (mut one, mut two) = (Object::new(shape()), Object::new(shape()));
    let place = |cell: &str| ["shop".into(), "o1".into(), cell.into()];
    for (object, log, cell) in [(&mut one, 1, "buyer"), (&mut two, 2, "seller")] {
        let put = Edit::call(place(cell), "put", ["name".into(), "ann".into()]);
        object.edit(&at(log, 1), &put, &mut LogTable::new(LogId([log; 16]))).unwrap();
    }
    let mut other = two.clone();
    other.join(one.clone());
    one.join(two);
    assert_eq!(one, other);
    for cell in ["buyer", "seller"] {
        let mut path = place(cell).to_vec();
        path.push("name".into());
        assert_eq!(one.value_at(&path), Some("ann".into()));
        assert!(one.explain(&path).is_some());
    }
}

#[test]
fn a_row_larger_than_a_delta_is_cut_into_its_cells() {
    let shape = "table<register>".parse::<Shape>().unwrap();
    let (mut one, mut two) = (Object::new(shape.clone()), Object::new(shape));
    let cells = (0..100).map(|cell| (format!("c{cell}"), Value::from("x".repeat(400))));
    let row = Value::Map(cells.collect());
    let mut logs = LogTable::new(LogId([1; 16]));
    let set = Edit::call(["r".into()], "set", [row.clone()]);
    let deltas = one.edit(&at(1, 1), &set, &mut logs).unwrap();
    assert!(deltas.len() > 1);
    for delta in deltas.iter().rev() {
        assert_eq!(two.join_delta(delta, &logs), Ok(true));
    }
    assert_eq!(two, one);
    assert_eq!(two.value_at(&["r".into()]), Some(row));
}

fn relations(edits: &[(u64, &str, &str, &str, Value)]) -> Causal<Relations> {
    let mut shop = Causal::<Relations>::default();
    for (ms, table, row, column, value) in edits {
        shop.edit(&at(1, *ms), |shop, change| {
            shop.set(change, table, (*row).into(), column, value.clone())
        });
    }
    shop
}

fn declare(shop: &mut Causal<Relations>, writer: &Writer, rule: &Rule) {
    shop.edit(writer, |shop, change| shop.declare(change, rule.clone()));
}

fn refers(table: &str, column: &str, to: &str, hide: bool) -> Rule {
    Rule::Refers(table.into(), column.into(), to.into(), hide)
}

#[test]
fn an_order_written_while_its_buyer_is_removed_is_hidden_until_the_buyer_is_back() {
    let mut one = relations(&[(1, "people", "ann", "age", 30.into())]);
    declare(&mut one, &at(1, 1), &refers("orders", "buyer", "people", true));
    let mut two = one.clone();
    one.edit(&at(1, 2), |shop, change| shop.remove(change, "people", &"ann".into()));
    two.edit(&at(2, 2), |shop, change| {
        shop.set(change, "orders", "o1".into(), "buyer", "ann".into())
    });
    let mut all = meet(&one, &two);
    assert!(all.repaired()["orders"].is_empty());
    assert_eq!(all.tables()["orders"].len(), 1, "nothing is lost");
    all.edit(&at(1, 3), |shop, change| shop.insert(change, "people", "ann".into()));
    assert_eq!(all.repaired()["orders"].len(), 1);
}

#[test]
fn a_reference_to_nothing_is_emptied_if_the_rule_does_not_hide_its_row() {
    let mut shop = relations(&[
        (1, "orders", "o1", "buyer", "ann".into()),
        (1, "orders", "o1", "sum", 7.into()),
    ]);
    declare(&mut shop, &at(1, 1), &refers("orders", "buyer", "people", false));
    let repaired = shop.repaired();
    let (_, order) = repaired["orders"].iter().next().unwrap();
    assert_eq!(order.keys().copied().collect::<Vec<_>>(), ["sum"]);
}

#[test]
fn hiding_a_row_hides_the_rows_that_refer_to_it() {
    let mut shop = relations(&[
        (1, "people", "ann", "city", "nowhere".into()),
        (1, "orders", "o1", "buyer", "ann".into()),
        (1, "items", "i1", "order", "o1".into()),
    ]);
    declare(&mut shop, &at(1, 1), &refers("people", "city", "cities", true));
    declare(&mut shop, &at(1, 1), &refers("orders", "buyer", "people", true));
    declare(&mut shop, &at(1, 1), &refers("items", "order", "orders", true));
    assert!(shop.repaired().values().all(BTreeMap::is_empty));
}

#[test]
fn rows_that_refer_to_each_other_in_a_circle_all_show() {
    let mut shop = relations(&[
        (1, "people", "ann", "friend", "bob".into()),
        (1, "people", "bob", "friend", "ann".into()),
    ]);
    declare(&mut shop, &at(1, 1), &refers("people", "friend", "people", true));
    assert_eq!(shop.repaired()["people"].len(), 2);
}

#[test]
fn of_two_rows_with_one_value_in_a_unique_column_one_keeps_it_and_both_show() {
    let mut one = Causal::<Relations>::default();
    declare(&mut one, &at(1, 1), &Rule::Unique("people".into(), "mail".into()));
    let mut two = one.clone();
    for (shop, log, row) in [(&mut one, 1, "ann"), (&mut two, 2, "bob")] {
        shop.edit(&at(log, u64::from(log)), |shop, change| {
            shop.set(change, "people", row.into(), "mail", "x@y".into())
        });
    }
    let all = meet(&one, &two);
    let repaired = all.repaired();
    let keep: Vec<_> = repaired["people"].values().map(BTreeMap::len).collect();
    assert_eq!(keep, [1, 0], "ann wrote first");
    assert_eq!(all.tables()["people"].values().map(BTreeMap::len).sum::<usize>(), 2);
}

#[test]
fn the_first_writer_keeps_a_unique_value_whatever_the_keys_and_the_loser_is_listed() {
    let rule = Rule::Unique("people".into(), "mail".into());
    let mut one = Causal::<Relations>::default();
    declare(&mut one, &at(1, 1), &rule);
    let mut two = one.clone();
    for (shop, log, ms, row) in [(&mut one, 1, 9, "ann"), (&mut two, 2, 8, "bob")] {
        shop.edit(&at(log, ms), |shop, change| {
            shop.set(change, "people", row.into(), "mail", "x@y".into())
        });
    }
    let all = meet(&one, &two);
    let repairs = all.repairs();
    let [repair] = repairs.as_slice() else { panic!("one loser: {repairs:?}") };
    assert_eq!((repair.rule, repair.table, repair.row), (&rule, "people", &"ann".into()));
    assert_eq!((repair.cell, repair.hidden), (&"x@y".into(), false));
    assert_eq!(repair.stamp, Some(at(1, 9).stamp()));
    let claims = all.claims();
    assert!(claims.len() == 1 && !claims[0].stands && claims[0].by == Some(LogId([1; 16])));
}

#[test]
fn a_hidden_row_takes_no_unique_value() {
    let mut shop = relations(&[
        (1, "people", "ann", "mail", "x@y".into()),
        (1, "people", "ann", "city", "nowhere".into()),
        (2, "people", "bob", "mail", "x@y".into()),
    ]);
    declare(&mut shop, &at(1, 1), &Rule::Unique("people".into(), "mail".into()));
    declare(&mut shop, &at(1, 1), &refers("people", "city", "cities", true));
    let repaired = shop.repaired();
    assert_eq!(repaired["people"].keys().copied().collect::<Vec<_>>(), [&Value::from("bob")]);
    assert_eq!(repaired["people"][&Value::from("bob")].len(), 1);
}

#[test]
fn null_refers_to_nothing_and_repeats_nothing() {
    let mut shop = relations(&[
        (1, "people", "ann", "friend", Value::Null),
        (2, "people", "bob", "friend", Value::Null),
    ]);
    declare(&mut shop, &at(1, 1), &refers("people", "friend", "people", true));
    declare(&mut shop, &at(1, 1), &Rule::Unique("people".into(), "friend".into()));
    assert_eq!(shop.repaired(), shop.tables());
    assert_eq!(shop.repairs(), []);
}

#[test]
fn a_long_chain_of_references_to_nothing_is_hidden_as_a_whole() {
    let mut shop = Causal::<Relations>::default();
    for row in 0..3000_i64 {
        shop.edit(&at(1, 1), |shop, change| {
            shop.set(change, "parts", row.into(), "of", (row - 1).into())
        });
    }
    assert_eq!(shop.repaired()["parts"].len(), 3000);
    declare(&mut shop, &at(1, 1), &refers("parts", "of", "parts", true));
    assert!(shop.repaired()["parts"].is_empty());
    assert_eq!(shop.repairs().len(), 3000);
}

#[test]
fn the_rules_of_a_column_are_dropped_together_and_no_others() {
    let mut shop = relations(&[(1, "orders", "o1", "buyer", "ann".into())]);
    declare(&mut shop, &at(1, 1), &refers("orders", "buyer", "people", true));
    declare(&mut shop, &at(1, 1), &Rule::Unique("orders".into(), "buyer".into()));
    let other = Rule::Unique("orders".into(), "number".into());
    declare(&mut shop, &at(1, 1), &other);
    shop.edit(&at(1, 2), |shop, change| shop.drop_rules(change, "orders", "buyer"));
    assert_eq!(shop.rules().collect::<Vec<_>>(), [&other]);
}

type Plain = BTreeMap<String, BTreeMap<i64, BTreeMap<String, (i64, u64)>>>;

/// The rules the slow way: hide until nothing more is to hide, empty, then empty what repeats.
fn repaired_slowly(tables: &mut Plain, rules: &[Rule]) {
    let there = |tables: &Plain, table: &str, row: i64| {
        tables.get(table).is_some_and(|rows| rows.contains_key(&row))
    };
    let before = tables.clone();
    for rule in rules {
        let Rule::Refers(table, column, to, true) = rule else { continue };
        let known = tables.clone();
        if let Some(rows) = tables.get_mut(table) {
            rows.retain(|_, cells| {
                cells.get(column).is_none_or(|(target, _)| there(&known, to, *target))
            });
        }
    }
    if *tables != before {
        return repaired_slowly(tables, rules);
    }
    for rule in rules {
        let Rule::Refers(table, column, to, false) = rule else { continue };
        for cells in tables.get_mut(table).into_iter().flat_map(BTreeMap::values_mut) {
            if cells.get(column).is_some_and(|(target, _)| !there(&before, to, *target)) {
                cells.remove(column);
            }
        }
    }
    for rule in rules {
        let Rule::Unique(table, column) = rule else { continue };
        let Some(rows) = tables.get_mut(table) else { continue };
        let known = rows.clone();
        for (row, cells) in rows {
            let Some((value, ms)) = cells.get(column).copied() else { continue };
            let earlier = known.iter().any(|(other, cells)| {
                cells
                    .get(column)
                    .is_some_and(|(same, then)| *same == value && (*then, other) < (ms, row))
            });
            if earlier {
                cells.remove(column);
            }
        }
    }
}

#[test]
fn a_rule_declared_again_while_it_is_dropped_stays() {
    let rule = refers("orders", "buyer", "people", true);
    let mut one = relations(&[(1, "orders", "o1", "buyer", "ann".into())]);
    declare(&mut one, &at(1, 1), &rule);
    let mut two = one.clone();
    one.edit(&at(1, 2), |shop, change| shop.drop_rule(change, &rule));
    assert_eq!(one.rules().count(), 0);
    assert_eq!(one.repaired()["orders"].len(), 1);
    declare(&mut two, &at(2, 2), &rule);
    assert_eq!(meet(&one, &two).rules().collect::<Vec<_>>(), [&rule]);
}

/// Who and when, the table and row, the column and value.
fn writes() -> impl Strategy<Value = ((u8, u64), (String, i64), (String, i64))> {
    ((1..4_u8, 0..5_u64), ("[tu]", 0..4_i64), ("[ab]", 0..4_i64))
}

fn rules() -> impl Strategy<Value = Rule> {
    let table = || "[tu]";
    prop_oneof![
        (table(), "[ab]", table(), any::<bool>())
            .prop_map(|(t, c, to, h)| Rule::Refers(t, c, to, h)),
        (table(), "[ab]").prop_map(|(table, column)| Rule::Unique(table, column)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_repaired_view_keeps_every_rule_and_is_part_of_what_was_written(
        cells in prop::collection::vec(writes(), 0..24),
        rules in prop::collection::vec(rules(), 0..5),
    ) {
        let mut replicas = [1, 2, 3].map(|_| Causal::<Relations>::default());
        for ((log, ms), (table, row), (column, value)) in cells {
            let replica = &mut replicas[usize::from(log) - 1];
            replica.edit(&at(log, ms), |shop, change| {
                shop.set(change, &table, row.into(), &column, value.into())
            });
        }
        rules.iter().for_each(|rule| declare(&mut replicas[0], &at(1, 9), rule));
        let all = meet(&meet(&replicas[0], &replicas[1]), &replicas[2]);
        let (written, repaired) = (all.tables(), all.repaired());
        for (name, rows) in &repaired {
            for (key, cells) in rows {
                let before = &written[name][key];
                prop_assert!(cells.iter().all(|(column, cell)| before.get(column) == Some(cell)));
            }
        }
        for rule in &rules {
            match rule {
                Rule::Refers(table, column, to, _) => {
                    let rows = repaired.get(table.as_str());
                    for cells in rows.into_iter().flat_map(BTreeMap::values) {
                        if let Some(target) = cells.get(column.as_str()) {
                            let to = repaired.get(to.as_str());
                            prop_assert!(to.is_some_and(|to| to.contains_key(target)));
                        }
                    }
                }
                Rule::Unique(table, column) => {
                    let rows = repaired.get(table.as_str());
                    let cells: Vec<_> = rows
                        .into_iter()
                        .flat_map(BTreeMap::values)
                        .filter_map(|cells| cells.get(column.as_str()))
                        .collect();
                    let different: std::collections::BTreeSet<_> = cells.iter().collect();
                    prop_assert_eq!(different.len(), cells.len());
                }
            }
        }
    }

    #[test]
    fn the_repaired_view_is_what_a_slow_repair_of_plain_maps_gives(
        cells in prop::collection::vec(writes(), 0..24),
        rules in prop::collection::vec(rules(), 0..5),
    ) {
        let mut shop = Causal::<Relations>::default();
        let mut oracle = Plain::new();
        for ((_, ms), (table, row), (column, value)) in cells {
            shop.edit(&at(1, ms), |shop, change| {
                shop.set(change, &table, row.into(), &column, value.into())
            });
            let rows = oracle.entry(table).or_default();
            rows.entry(row).or_default().insert(column, (value, ms));
        }
        rules.iter().for_each(|rule| declare(&mut shop, &at(1, 9), rule));
        repaired_slowly(&mut oracle, &rules);
        let mut expected = BTreeMap::<String, BTreeMap<Value, BTreeMap<String, Value>>>::new();
        for (table, rows) in oracle {
            let plain = |(column, (value, _))| (column, Value::Int(value));
            let rows = rows.into_iter().map(|(row, cells)| {
                (Value::Int(row), cells.into_iter().map(plain).collect())
            });
            expected.insert(table, rows.collect());
        }
        let shown = shop.repaired().into_iter().map(|(table, rows)| {
            let rows = rows.into_iter().map(|(row, cells)| {
                let cells = cells.into_iter().map(|(name, cell)| (name.to_owned(), cell.clone()));
                (row.clone(), cells.collect())
            });
            (table.to_owned(), rows.collect())
        });
        prop_assert_eq!(shown.collect::<BTreeMap<_, BTreeMap<_, BTreeMap<_, _>>>>(), expected);
    }

    #[test]
    fn a_table_on_one_replica_is_a_map_of_maps(
        steps in prop::collection::vec((0..3_u8, "[abc]", "[xyz]", any::<i64>()), 0..40),
    ) {
        let mut table = Causal::<People>::default();
        let mut oracle = BTreeMap::<String, BTreeMap<String, i64>>::new();
        for (step, row, column, value) in steps {
            match step {
                0 => {
                    table.edit(&at(1, 1), |table, change| table.insert_row(change, row.clone()));
                    oracle.entry(row).or_default();
                }
                1 => {
                    table.edit(&at(1, 1), |table, change| table.remove_row(change, &row));
                    oracle.remove(&row);
                }
                _ => {
                    write(&mut table, &at(1, 1), &row, &column, value);
                    oracle.entry(row).or_default().insert(column, value);
                }
            }
            prop_assert_eq!(&read(&table), &oracle);
        }
    }
}

fn sheet() -> Causal<Sheet> {
    let mut sheet = Causal::<Sheet>::default();
    for _ in 0..2 {
        sheet.edit(&at(1, 1), |sheet, change| sheet.insert_row(change, 0).unwrap());
        sheet.edit(&at(1, 1), |sheet, change| sheet.insert_column(change, 0).unwrap());
    }
    sheet
}

fn put(sheet: &mut Causal<Sheet>, writer: &Writer, place: (usize, usize), value: i64) {
    sheet.edit(writer, |sheet, change| sheet.set(change, place, value.into()).unwrap());
}

fn shown(sheet: &Sheet, row: usize, column: usize) -> Vec<Value> {
    sheet.get(row, column).cloned().collect()
}

#[test]
fn a_cell_stays_with_its_row_and_column_while_others_are_inserted_before_them() {
    let mut one = sheet();
    let mut two = one.clone();
    put(&mut one, &at(1, 2), (1, 1), 7);
    two.edit(&at(2, 2), |sheet, change| sheet.insert_row(change, 0).unwrap());
    two.edit(&at(2, 2), |sheet, change| sheet.insert_column(change, 1).unwrap());
    let all = meet(&one, &two);
    assert_eq!(all.size(), (3, 3));
    assert_eq!(shown(&all, 2, 2), [7.into()]);
}

#[test]
fn values_written_concurrently_into_a_cell_are_all_kept_until_somebody_has_seen_them() {
    let mut one = sheet();
    let mut two = one.clone();
    put(&mut one, &at(1, 2), (0, 0), 7);
    put(&mut two, &at(2, 3), (0, 0), 8);
    let mut all = meet(&one, &two);
    assert_eq!(shown(&all, 0, 0), [7.into(), 8.into()]);
    put(&mut all, &at(1, 4), (0, 0), 9);
    assert_eq!(shown(&meet(&all, &two), 0, 0), [9.into()]);
}

#[test]
fn a_cell_written_while_its_row_is_deleted_does_not_show() {
    let mut one = sheet();
    let mut two = one.clone();
    put(&mut one, &at(1, 2), (0, 0), 7);
    put(&mut one, &at(1, 2), (1, 0), 8);
    two.edit(&at(2, 2), |sheet, change| sheet.delete_row(change, 0).unwrap());
    let all = meet(&one, &two);
    assert_eq!(all.size(), (1, 2));
    assert_eq!(shown(&all, 0, 0), [8.into()]);
}

#[test]
fn rows_inserted_concurrently_at_one_place_are_all_there() {
    let mut one = sheet();
    let mut two = one.clone();
    for (replica, log) in [(&mut one, 1), (&mut two, 2)] {
        for row in 0..2 {
            replica.edit(&at(log, 2), |sheet, change| sheet.insert_row(change, row).unwrap());
            put(replica, &at(log, 2), (row, 0), i64::from(log));
        }
    }
    let all = meet(&one, &two);
    let rows: Vec<_> = (0..4).map(|row| shown(&all, row, 0)).collect();
    assert!(rows[0] == rows[1] && rows[2] == rows[3], "not interleaved: {rows:?}");
}

#[test]
fn what_a_sheet_says_grows_with_what_was_written_not_with_its_area() {
    let mut one = sheet();
    for _ in 0..98 {
        one.edit(&at(1, 2), |sheet, change| sheet.insert_row(change, 0).unwrap());
        one.edit(&at(1, 2), |sheet, change| sheet.insert_column(change, 0).unwrap());
    }
    put(&mut one, &at(1, 3), (99, 98), 7);
    let Some(Value::List(rows)) = one.value().step(&"rows".into()).cloned() else { panic!() };
    assert_eq!(rows.len(), 100);
    let cells = BTreeMap::from([("98".to_owned(), Value::List(vec![7.into()]))]);
    assert_eq!(rows[99], Value::Map(cells));
    assert!(rows[..99].iter().all(|row| *row == Value::Map(BTreeMap::new())));
    assert_eq!(one.value_at(&[99.into(), 98.into()]), Some(Value::List(vec![7.into()])));
    assert_eq!(one.value_at(&[0.into(), 0.into()]), Some(Value::List(vec![])));
    assert_eq!(one.value_at(&[100.into(), 0.into()]), None);
    let claims = one.explain(&[99.into(), 98.into()]).unwrap().claims;
    assert_eq!(claims[0].by, Some(LogId([1; 16])));
}

#[test]
fn a_deleted_row_or_column_takes_the_cells_seen_in_it_along() {
    let mut one = sheet();
    put(&mut one, &at(1, 2), (0, 1), 7);
    put(&mut one, &at(1, 2), (1, 0), 8);
    one.edit(&at(1, 3), |sheet, change| sheet.delete_row(change, 0).unwrap());
    one.edit(&at(1, 3), |sheet, change| sheet.delete_column(change, 0).unwrap());
    let mut held = 0;
    let store: &Sheet = &one;
    store.dots(&mut |range| held += range.len);
    assert_eq!(held, 2, "a row and a column, and no cell");
}

#[test]
fn of_two_numbers_in_a_cell_of_a_matrix_the_later_wins() {
    let mut one = Causal::<Matrix>::default();
    one.edit(&at(1, 1), |matrix, change| matrix.insert_row(change, 0).unwrap());
    one.edit(&at(1, 1), |matrix, change| matrix.insert_column(change, 0).unwrap());
    let mut two = one.clone();
    one.edit(&at(1, 3), |matrix, change| matrix.set(change, (0, 0), 7).unwrap());
    two.edit(&at(2, 2), |matrix, change| matrix.set(change, (0, 0), 8).unwrap());
    two.edit(&at(2, 2), |matrix, change| matrix.insert_column(change, 0).unwrap());
    let all = meet(&one, &two);
    assert_eq!((all.get(0, 0), all.get(0, 1), all.get(0, 2)), (Some(0), Some(7), None));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_sheet_and_a_matrix_on_one_replica_are_vectors_of_rows(
        steps in prop::collection::vec((0..6_u8, 0..5_usize, 0..5_usize, -9..9_i64), 0..40),
    ) {
        let (mut sheet, mut matrix) = (Causal::<Sheet>::default(), Causal::<Matrix>::default());
        let (mut oracle, mut width) = (Vec::<Vec<i64>>::new(), 0);
        let me = at(1, 1);
        for (step, one, two, value) in steps {
            let known = sheet.try_edit(&me, |sheet, change| {
                let delta = match step {
                    0 => sheet.insert_row(change, one),
                    1 => sheet.insert_column(change, one),
                    2 => sheet.delete_row(change, one),
                    3 => sheet.delete_column(change, one),
                    _ => sheet.set(change, (one, two), value.into()),
                };
                delta.ok_or(())
            });
            let same = matrix.try_edit(&me, |matrix, change| {
                let delta = match step {
                    0 => matrix.insert_row(change, one),
                    1 => matrix.insert_column(change, one),
                    2 => matrix.delete_row(change, one),
                    3 => matrix.delete_column(change, one),
                    _ => matrix.set(change, (one, two), value),
                };
                delta.ok_or(())
            });
            let fits = match step {
                0 => one <= oracle.len(),
                1 => one <= width,
                2 => one < oracle.len(),
                3 => one < width,
                _ => one < oracle.len() && two < width,
            };
            prop_assert_eq!((known.is_ok(), same.is_ok()), (fits, fits));
            match step {
                _ if !fits => {}
                0 => oracle.insert(one, vec![0; width]),
                1 => {
                    oracle.iter_mut().for_each(|row| row.insert(one, 0));
                    width += 1;
                }
                2 => {
 oracle.remove(one);
 }
                3 => {
                    oracle.iter_mut().for_each(|row| {
 row.remove(one);
 });
                    width -= 1;
                }
                _ => oracle[one][two] = value,
            }
            let size = (oracle.len(), width);
            prop_assert_eq!((sheet.size(), matrix.size()), (size, size));
            for (row, cells) in oracle.iter().enumerate() {
                for (column, cell) in cells.iter().enumerate() {
                    prop_assert_eq!(matrix.get(row, column), Some(*cell));
                    let zero = Value::Int(0);
                    let in_sheet = sheet.get(row, column).next().unwrap_or(&zero);
                    prop_assert_eq!(in_sheet, &Value::Int(*cell));
                }
            }
        }
    }
}
