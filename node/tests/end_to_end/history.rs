//! The past of a space: how a new device comes to the present, what is forgotten, and what is not.

use serde_json::json;

use crate::device::{Device, PATIENCE, pair};

fn space(device: &Device) -> serde_json::Value {
    device.json(&["space", "list"])[0].clone()
}

fn until(device: &Device, what: &str, holds: impl Fn(&serde_json::Value) -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !holds(&space(device)) {
        assert!(std::time::Instant::now() < deadline, "never {what}: {}", space(device));
        std::thread::yield_now();
    }
}

#[test]
fn what_every_device_holds_is_forgotten_by_who_wants_to() {
    let (a, b) = pair();
    for n in 0..10 {
        a.ok(&["put", "home", "note", &format!("text {n}"), "--wait", "2"]);
    }
    b.run(&["space", "checkpoint", "home"]).failed(9, "the role `admin` would", "admin");
    b.ok(&["space", "history", "home", "forget"]);
    until(&a, "known to be held by both", |space| space["in_sync"] == json!(1));
    let held = space(&b)["entries"].as_u64().unwrap();
    let said = a.ok(&["space", "checkpoint", "home"]);
    assert!(said.contains("older ones are kept"), "{said}");
    until(&b, "forgotten", |space| space["older"].as_u64() >= Some(8));
    assert!(space(&b)["entries"].as_u64().unwrap() < held);
    assert_eq!(space(&a)["older"], json!(0));
    a.run(&["space", "checkpoint", "home"]).failed(13, "nothing that all devices hold", "--away");

    b.ok(&["put", "home", "note", "after", "--wait", "2"]);
    assert_eq!(a.ok(&["get", "home", "note"]), "after");
    b.ok(&["space", "history", "home", "keep"]);
    until(&b, "whole again", |space| space["older"] == json!(0));
    assert_eq!(b.ok(&["get", "home", "note"]), "after");
    b.run(&["space", "history", "nowhere", "keep"]).failed(7, "no space", "space list");
}
