//! Who belongs to a space: roles, removal, leaving, tickets taken back, quarantine.

use serde_json::json;

use crate::device::{Device, pair};

/// Waits until a device sees its own role in `home` as said; null once it is out.
fn until_role(device: &Device, role: &serde_json::Value) {
    let deadline = std::time::Instant::now() + crate::device::PATIENCE;
    while device.json(&["space", "list"])[0]["role"] != *role {
        assert!(std::time::Instant::now() < deadline, "the role never became {role}");
        std::thread::yield_now();
    }
}

#[test]
fn a_member_is_listed_with_its_devices_gets_a_role_and_is_taken_out() {
    let (a, b) = pair();
    let shown = a.ok(&["members", "home"]);
    assert_eq!(shown.lines().filter(|line| line.starts_with("member ")).count(), 2, "{shown}");
    let members = a.json(&["members", "home"]);
    let of_b = members.as_array().unwrap().iter().find(|one| one["name"] == "b").unwrap();
    assert_eq!((&of_b["member"], &of_b["quarantined"]), (&b.started["member"], &json!(0)));
    assert_eq!(of_b["let_in_by"], a.started["device"]);
    assert!(shown.contains("let in by a"), "{shown}");

    b.run(&["member", "role", "home", "a", "read"]).failed(9, "the role `admin` would", "admin");
    a.run(&["member", "role", "home", "nobody", "read"]).failed(7, "no member", "meshwork members");
    a.ok(&["member", "role", "home", "b", "read"]);
    until_role(&b, &json!("read"));
    b.run(&["put", "home", "note", "no"]).failed(9, "the role `write` would", "ticket");
    a.ok(&["member", "role", "home", &b.started["member"].as_str().unwrap()[..8], "admin"]);
    until_role(&b, &json!("admin"));
    b.run(&["member", "remove", "home", "a", "--yes"]).failed(9, "nearer to the founder", "ask");

    a.run(&["member", "remove", "home", "b"]).failed(2, "has to be confirmed", "--yes");
    a.ok(&["member", "remove", "home", "b", "--yes"]);
    until_role(&b, &json!(null));
    let listed = b.json(&["space", "list"]);
    assert_eq!(listed[0]["removed_by"], a.started["device"]);
    let status = b.ok(&["status"]);
    assert!(status.contains("this device was removed, by "), "{status}");
    b.run(&["put", "home", "note", "no"]).failed(
        9,
        "was removed from the space",
        "meshwork invite",
    );
    let left = a.json(&["members", "home"]);
    assert_eq!(left.as_array().map(Vec::len), Some(1), "{left}");
}

#[test]
fn who_leaves_keeps_what_it_has_and_comes_back_with_a_ticket() {
    let (a, b) = pair();
    a.ok(&["put", "home", "note", "before", "--wait", "2"]);
    b.run(&["leave", "home"]).failed(2, "has to be confirmed", "--yes");
    b.ok(&["leave", "home", "--yes"]);
    assert_eq!(b.ok(&["get", "home", "note"]), "before");
    b.run(&["leave", "home", "--yes"]).failed(9, "was removed from the space", "ticket");
    let ticket = a.ok(&["invite", "home"]);
    b.ok(&["join", &ticket]);
    a.ok(&["put", "home", "note", "after", "--wait", "2"]);
    assert_eq!(b.ok(&["get", "home", "note"]), "after");
}

#[test]
fn a_ticket_is_listed_and_taken_back() {
    let (a, b) = (Device::up("a"), Device::up("b"));
    a.ok(&["space", "create", "home"]);
    let ticket = a.ok(&["invite", "home", "--role", "read", "--uses", "3"]);
    let invites = a.json(&["invites", "home"]);
    let id = invites[0]["id"].as_str().unwrap();
    assert_eq!((&invites[0]["uses"], &invites[0]["used"]), (&json!(3), &json!(0)));
    assert_eq!((&invites[0]["role"], &invites[0]["revoked"]), (&json!("read"), &json!(false)));
    a.run(&["invites", "home", "--revoke", "zzz"]).failed(7, "no invite", "meshwork invites");
    let after = a.json(&["invites", "home", "--revoke", &id[..8]]);
    assert_eq!(after[0]["revoked"], true);
    assert!(a.ok(&["invites", "home"]).contains("revoked"));
    b.run(&["join", &ticket]).failed(6, "used as often as it may be", "meshwork invite");
}

#[test]
fn what_a_removed_writer_went_on_writing_is_adopted_by_name() {
    let (a, b) = pair();
    a.ok(&["member", "role", "home", "b", "admin"]);
    until_role(&b, &json!("admin"));
    // A reader with links to both.
    let c = Device::up("c");
    c.ok(&["join", &a.ok(&["invite", "home"])]);
    c.ok(&["join", &b.ok(&["invite", "home"])]);
    a.run(&["adopt", "home", "b"]).failed(7, "nothing of `b` is in quarantine", "meshwork adopt");
    // The writer goes on without having heard, and the reader has it.
    a.ok(&["offline"]);
    b.ok(&["put", "home", "late", "honest work", "--wait", "2"]);
    a.ok(&["member", "remove", "home", "b", "--yes"]);
    a.ok(&["online"]);
    let deadline = std::time::Instant::now() + crate::device::PATIENCE;
    while a.json(&["adopt", "home"])[0]["entries"] != json!(1) {
        assert!(std::time::Instant::now() < deadline, "{}", a.ok(&["status"]));
        std::thread::yield_now();
    }
    assert!(a.ok(&["adopt", "home"]).starts_with("b "));
    assert_eq!(a.json(&["space", "list"])[0]["quarantined"], 1);
    assert!(a.ok(&["status"]).contains("1 entry is in quarantine (meshwork adopt home)"));
    a.run(&["get", "home", "late"]).failed(7, "late", "meshwork get");
    assert_eq!(a.json(&["adopt", "home", "b"])["entries"], 1);
    assert_eq!(a.ok(&["get", "home", "late"]), "honest work");
    assert_eq!(a.json(&["space", "list"])[0]["quarantined"], 0);
}
