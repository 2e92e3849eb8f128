//! The workspace keeps to its own rules: which crate may use which, and that the documentation says the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Room → rooms it may use, outside of tests.
fn allowed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    BTreeMap::from([
        ("crdt/derive", BTreeSet::new()),
        ("crdt", BTreeSet::from(["crdt/derive"])),
        ("protocol", BTreeSet::from(["crdt"])),
        ("storage", BTreeSet::from(["protocol"])),
        ("node", BTreeSet::from(["crdt", "protocol", "storage"])),
        ("simulations", BTreeSet::from(["crdt", "protocol"])),
        ("examples", BTreeSet::from(["crdt", "node"])),
    ])
}

fn room(package: &str) -> Option<&'static str> {
    match package {
        "meshwork-crdt" => Some("crdt"),
        "meshwork-crdt-derive" => Some("crdt/derive"),
        "custom-type" => Some("examples"),
        "meshwork-protocol" => Some("protocol"),
        "meshwork-storage" => Some("storage"),
        "meshwork" => Some("node"),
        "meshwork-sim" => Some("simulations"),
        _ => None,
    }
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

#[test]
fn crates_use_only_what_they_may() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut found = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let from = room(name).unwrap_or_else(|| panic!("{name} belongs to no room"));
        let uses: BTreeSet<&str> = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| dependency["kind"] != "dev")
            .filter_map(|dependency| room(dependency["name"].as_str().unwrap()))
            .collect();
        found.insert(from, uses);
    }
    assert_eq!(found, allowed());
}

#[test]
fn the_architecture_page_shows_the_same_arrows() {
    let page = std::fs::read_to_string(workspace().join("docs/architecture.md")).unwrap();
    let (_, section) = page.split_once("## Crate arrows").expect("the page has the section");
    let table = section.lines().skip_while(|line| !line.starts_with('|')).skip(2);
    let mut shown = BTreeMap::new();
    for line in table.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let uses = cells[1].split(',').map(str::trim).filter(|room| *room != "–").collect();
        shown.insert(cells[0], uses);
    }
    let shown: BTreeMap<&str, BTreeSet<&str>> = shown;
    assert_eq!(shown, allowed());
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut pages = vec![workspace().join("README.md"), workspace().join("examples/README.md")];
    for dir in ["docs", "docs/decisions"] {
        for entry in std::fs::read_dir(workspace().join(dir)).unwrap() {
            pages.push(entry.unwrap().path());
        }
    }
    let mut links = 0;
    for page in pages.iter().filter(|page| page.extension().is_some_and(|end| end == "md")) {
        let text = std::fs::read_to_string(page).unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap().split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            links += 1;
            let path = page.parent().unwrap().join(target);
            assert!(path.exists(), "{} links to {target}", page.display());
        }
    }
    assert!(links > 10);
}

/// Name and effect of every mistake in a crate's list.
fn planted(list: &str) -> Vec<(String, String)> {
    let source = std::fs::read_to_string(workspace().join(list)).unwrap();
    let (_, list) = source.split_once("mistakes! {").expect("the file has a list");
    let line = |line: &str| {
        let (name, what) = line.trim().split_once(" \"")?;
        let named = name.chars().all(char::is_alphanumeric);
        named.then(|| (name.to_owned(), what.trim_end_matches('"').to_owned()))
    };
    list.lines().filter_map(line).collect()
}

#[test]
fn the_page_of_planted_mistakes_lists_all_of_them() {
    let page = std::fs::read_to_string(workspace().join("docs/planted-bugs.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let shown: Vec<(String, String)> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            (cells[0].trim_end_matches('`').to_owned(), cells[1].to_owned())
        })
        .collect();
    let lists = ["crdt/src/planted.rs", "protocol/src/planted.rs"];
    // The first list stands below the macro that makes it.
    let all: Vec<(String, String)> = lists.into_iter().flat_map(planted).collect();
    assert!(all.len() >= 40, "{} mistakes", all.len());
    assert_eq!(shown, all);
}
