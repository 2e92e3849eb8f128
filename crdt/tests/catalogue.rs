//! The catalogue as the documentation shows it, and what every entry of it must keep.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use meshwork_crdt::{Edit, HybridTime, Kind, LogId, LogTable, Object, Shape, Value, Writer};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/types.md");
const BEGIN: &str =
    "<!-- the table is written by `UPDATE=1 cargo test -p meshwork-crdt --test catalogue` -->\n";

fn table() -> String {
    let mut table = String::from(
        "| Type | For | Conflicts | Made of | Cost | Source |\n|---|---|---|---|---|---|\n",
    );
    let mut family = "";
    for kind in Kind::ALL {
        let about = kind.about();
        if about.family != family {
            family = about.family;
            writeln!(table, "| **{family}** | | | | | |").unwrap();
        }
        let part = if kind.is_container() { "&lt;TYPE&gt;" } else { "" };
        let cell = |text: &str| text.replace('|', "\\|").replace('<', "&lt;");
        writeln!(
            table,
            "| `{kind}`{part} | {} | {} | {} | {} | {} |",
            cell(about.what),
            cell(about.rule),
            cell(about.algebra),
            cell(about.cost),
            cell(about.source)
        )
        .unwrap();
    }
    table
}

#[test]
fn the_page_shows_the_catalogue_as_it_is() {
    let page = std::fs::read_to_string(PAGE).expect("docs/types.md is there");
    let (head, shown) = page.split_once(BEGIN).expect("docs/types.md marks its table");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PAGE, format!("{head}{BEGIN}{}", table())).unwrap();
        return;
    }
    assert_eq!(shown, table(), "run `UPDATE=1 cargo test -p meshwork-crdt --test catalogue`");
    assert!(Kind::ALL.len() >= 60);
}

#[test]
fn every_type_says_what_there_is_to_know() {
    let mut names = BTreeSet::new();
    let mut codes = BTreeSet::new();
    for kind in Kind::ALL {
        let about = kind.about();
        assert_eq!(about.kind, kind);
        assert!(names.insert(kind.name()) && codes.insert(kind.code()), "{kind} is there twice");
        assert_eq!(
            (Kind::from_name(kind.name()), Kind::from_code(kind.code())),
            (Some(kind), Some(kind))
        );
        for text in [about.family, about.what, about.rule, about.algebra, about.cost, about.source]
        {
            assert!(!text.is_empty() && !text.ends_with('.'), "{kind}: '{text}'");
        }
        assert!(!about.operations.is_empty(), "{kind} can be changed");
        let operations: BTreeSet<_> = about.operations.iter().map(|known| known.name).collect();
        assert_eq!(operations.len(), about.operations.len(), "{kind}: an operation is there twice");
        let shape = Shape::new(kind);
        assert_eq!(shape.to_string().parse(), Ok(shape), "{kind}");
    }
}

#[test]
fn every_operation_is_understood_and_no_other() {
    let writer = Writer { log: LogId([1; 16]), time: HybridTime::at(1) };
    for kind in Kind::ALL {
        let mut object = Object::new(kind);
        let mut logs = LogTable::new(writer.log);
        for known in kind.about().operations {
            for value in [Value::Null, 1.into(), "x".into(), Value::List(vec![]), true.into()] {
                let arguments = known.arguments.iter().map(|_| value.clone());
                let result =
                    object.edit(&writer, &Edit::call([], known.name, arguments), &mut logs);
                if let Err(error) = result {
                    let text = error.to_string();
                    assert!(!text.contains("has no operation"), "{kind}: {known}: {text}");
                    assert!(!text.is_empty());
                }
            }
            let many = Edit::call([], known.name, vec![Value::Null; known.arguments.len() + 1]);
            let text = object.edit(&writer, &many, &mut logs).unwrap_err().to_string();
            assert!(text.contains(known.name), "{kind}: {text}");
        }
        let unknown = object.edit(&writer, &Edit::call([], "fly", []), &mut logs);
        let text = unknown.unwrap_err().to_string();
        assert!(text.contains("has no operation 'fly'"), "{kind}: {text}");
        let nowhere = Edit::call(["a".into(), "b".into(), "c".into()], "fly", []);
        assert!(object.edit(&writer, &nowhere, &mut logs).is_err(), "{kind}");
        assert!(object.explain(&[]).is_some(), "{kind}");
    }
}
