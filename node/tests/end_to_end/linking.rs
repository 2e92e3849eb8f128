//! Several devices of one member: linking, revoking, coming back by the phrase.

use std::fs;

use serde_json::{Value as Json, json};

use crate::device::{Device, Watching, pair};

/// Makes `new` a device of the member of `old`; returns what `new` was told.
fn link(old: &Device, new: &Device) -> (Json, Json) {
    let waiting = new.link();
    let shown = waiting.next();
    let code = shown["code"].as_str().unwrap();
    let added = old.json(&["device", "add", code, "--yes"]);
    assert_eq!(added["device"], new.started["device"]);
    (shown, waiting.next())
}

fn code(waiting: &Watching) -> String {
    waiting.next()["code"].as_str().unwrap().to_owned()
}

#[test]
fn a_new_device_shows_a_code_and_is_in_all_spaces_of_its_member() {
    let (a, b) = pair();
    a.ok(&["space", "create", "diary"]);
    a.ok(&["put", "home", "note", "before"]);
    let mut c = Device::up("c");
    assert_ne!(c.started["member"], a.started["member"]);
    let (shown, linked) = link(&a, &c);
    assert!(shown["code"].as_str().unwrap().starts_with("meshworklink1"));
    assert_eq!(shown["words"].as_str().unwrap().split(' ').count(), 6);
    assert_eq!((&linked["member"], &linked["by"]), (&a.started["member"], &a.started["device"]));
    assert_eq!(linked["spaces"].as_array().map(Vec::len), Some(2));
    assert!(linked["spaces"].as_array().unwrap().iter().all(|space| space["ready"] == true));
    c.watch(&["home"]).until("note", &json!("before"));

    c.ok(&["put", "home", "note", "by the new one", "--wait", "2"]);
    b.watch(&["home"]).until("note", &json!("by the new one"));
    let members = b.json(&["members", "home"]);
    let same = |one: &&Json| one["member"] == a.started["member"];
    assert_eq!(members.as_array().unwrap().iter().filter(same).count(), 2, "{members}");
    let shown = b.ok(&["members", "home"]);
    assert_eq!(shown.lines().filter(|line| line.starts_with("member ")).count(), 2, "{shown}");
    let devices = a.json(&["device", "list"]);
    let of_c = devices.as_array().unwrap().iter().find(|one| one["name"] == "c").unwrap();
    assert_eq!(of_c["spaces"].as_object().map(serde_json::Map::len), Some(2));

    // It stays so over a restart, and its keys' file says the same.
    assert_eq!(c.json(&["key", "show"])["member"], a.started["member"]);
    c.kill();
    c.start(&[]);
    assert_eq!(c.started["member"], a.started["member"]);
    c.ok(&["put", "diary", "page", "one", "--wait", "2"]);
    assert_eq!(a.ok(&["get", "diary", "page"]), "one");
}

#[test]
fn a_revoked_device_is_out_everywhere_and_says_so() {
    let (a, b) = pair();
    let c = Device::up("c");
    link(&a, &c);
    a.run(&["device", "revoke", "c"]).failed(2, "has to be confirmed", "--yes");
    a.run(&["device", "revoke", "b", "--yes"]).failed(7, "no device `b`", "meshwork device list");
    a.ok(&["device", "revoke", "c", "--yes"]);
    let deadline = std::time::Instant::now() + crate::device::PATIENCE;
    while c.json(&["space", "list"])[0]["removed_by"] != a.started["device"] {
        assert!(std::time::Instant::now() < deadline, "{}", c.ok(&["status"]));
        std::thread::yield_now();
    }
    c.run(&["put", "home", "note", "no"]).failed(
        9,
        "was removed from the space",
        "meshwork invite",
    );
    // It cannot bring in another.
    let d = Device::up("d");
    let waiting = d.link();
    let shown = code(&waiting);
    c.run(&["device", "add", &shown, "--yes"]).failed(9, "was removed", "ticket");
    a.ok(&["put", "home", "note", "among us", "--wait", "2"]);
    assert_eq!(b.ok(&["get", "home", "note"]), "among us");
    assert_eq!(a.json(&["members", "home"]).as_array().map(Vec::len), Some(2));
}

#[test]
fn what_cannot_be_linked_is_told_why() {
    let (a, b) = pair();
    b.run(&["device", "link"]).failed(2, "this device has spaces", "new data directory");
    a.run(&["device", "add", "hello", "--yes"]).failed(2, "not the code", "meshwork device link");
    let mut c = Device::up("c");
    let stale = code(&c.link());
    let fresh = code(&c.link());
    a.run(&["device", "add", &fresh]).failed(2, "has to be confirmed", "--yes");
    a.run(&["device", "add", &stale, "--yes"]).failed(6, "another code", "meshwork device link");
    a.ok(&["device", "add", &fresh, "--yes"]);
    b.run(&["device", "add", &fresh, "--yes"]).failed(6, "not wait any more", "device link");
    assert_eq!(c.stop(), 0);
    let d = Device::up("d");
    let gone = code(&d.link());
    drop(d);
    let ran = a.run(&["device", "add", &gone, "--yes", "--timeout", "300ms"]);
    ran.failed(4, "was not reached", "tried /ip4/127.0.0.1/tcp/");
}

#[test]
fn a_sealed_device_stays_sealed_when_it_is_linked() {
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("passphrase");
    fs::write(&file, "correct horse\n").unwrap();
    let file = file.to_str().unwrap();
    let a = Device::up("a");
    a.ok(&["space", "create", "home"]);
    let mut c = Device::at(tempfile::tempdir().unwrap());
    c.start(&["--name", "c", "--passphrase-file", file]);
    link(&a, &c);
    let shown = c.json(&["key", "show"]);
    assert_eq!((&shown["seal"], &shown["member"]), (&json!("passphrase"), &a.started["member"]));
    assert_eq!(c.stop(), 0);
    c.start(&["--passphrase-file", file]);
    c.ok(&["put", "home", "note", "sealed", "--wait", "2"]);
}

#[test]
fn a_keys_file_that_a_power_cut_left_behind_is_brought_up_to_date() {
    let a = Device::up("a");
    a.ok(&["space", "create", "home"]);
    let mut c = Device::up("c");
    let file = c.path().join("identity");
    let before = fs::read(&file).unwrap();
    link(&a, &c);
    c.kill();
    assert_ne!(fs::read(&file).unwrap(), before);
    fs::write(&file, &before).unwrap();
    assert_eq!(c.json(&["key", "show"])["member"], c.started["member"]);
    c.start(&[]);
    assert_eq!(c.started["member"], a.started["member"]);
    assert_eq!(c.json(&["key", "show"])["member"], a.started["member"]);
    c.ok(&["put", "home", "note", "still one of yours", "--wait", "2"]);
}

#[test]
fn the_phrase_brings_a_member_back_and_takes_its_lost_device_out() {
    let (a, b) = pair();
    let phrase = a.started["recovery_phrase"].as_str().unwrap();
    a.ok(&["put", "home", "note", "kept", "--wait", "2"]);
    let ticket = a.ok(&["invite", "home", "--role", "read"]);
    let mut again = Device::at(tempfile::tempdir().unwrap());
    let ran = again.told(&["key", "recover"], phrase);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("--phrase"), "{ran:?}");
    again.start(&["--name", "again"]);
    again.ok(&["join", &ticket]);
    // It is the same member, so it may what the member may.
    assert_eq!(again.json(&["space", "list"])[0]["role"], "admin");
    let wrong = b.started["recovery_phrase"].as_str().unwrap();
    let revoke = ["device", "revoke", "a", "--phrase"];
    again.told(&revoke, wrong).failed(9, "not that of the member", "device list");
    let ran = again.told(&revoke, phrase);
    assert_eq!(ran.code, 0, "{ran:?}");
    let members = again.json(&["members", "home"]);
    let named = |name: &str| members.as_array().unwrap().iter().any(|one| one["name"] == name);
    assert!(named("again") && named("b") && !named("a"), "{members}");
    again.watch(&["home"]).until("note", &json!("kept"));
}

#[test]
fn a_device_that_is_renamed_is_so_for_all_and_after_a_restart() {
    let (mut a, b) = pair();
    let config = a.path().join("config.toml");
    let before = fs::read_to_string(&config).unwrap();
    let ran = a.run(&["device", "rename", ""]);
    assert!(ran.code == 3 && ran.stderr.contains("1 to 128 bytes"), "{ran:?}");
    assert_eq!(fs::read_to_string(&config).unwrap(), before);
    a.ok(&["device", "rename", "study"]);
    assert_eq!(fs::read_to_string(&config).unwrap(), before.replace("\"a\"", "\"study\""));
    assert_eq!(a.json(&["status"])["name"], "study");
    let deadline = std::time::Instant::now() + crate::device::PATIENCE;
    while !b.ok(&["members", "home"]).contains("  study ") {
        assert!(std::time::Instant::now() < deadline, "{}", b.ok(&["members", "home"]));
        std::thread::yield_now();
    }
    assert_eq!(a.stop(), 0);
    a.start(&[]);
    assert_eq!(
        (&a.started["name"], &a.json(&["device", "list"])[0]["name"]),
        (&json!("study"), &json!("study"))
    );
}
