//! What people are told about who holds what, and why not.

use std::time::Instant;

use serde_json::{Value as Json, json};

use crate::device::{Device, PATIENCE, Ran, pair};

/// The exit code of `why` while something is not in sync.
const NOT_SYNCED: i32 = 13;

/// Asks again until an answer is as expected.
#[track_caller]
fn until(device: &Device, args: &[&str], expected: impl Fn(&Ran) -> bool) -> Ran {
    let began = Instant::now();
    loop {
        let ran = device.run(args);
        if expected(&ran) {
            return ran;
        }
        assert!(began.elapsed() < PATIENCE, "{args:?} still says {ran:?}");
    }
}

fn in_sync(ran: &Ran) -> bool {
    ran.code == 0
}

#[test]
fn who_holds_what_is_known_while_it_is_away_and_after_a_restart() {
    let (mut a, mut b) = pair();
    a.ok(&["put", "home", "x", "1", "--wait", "2"]);
    until(&a, &["why", "home"], in_sync);
    until(&b, &["why"], in_sync);
    assert!(a.ok(&["space", "list"]).ends_with("in sync"));
    assert_eq!(b.stop(), 0);
    let gone =
        |ran: &Ran| ran.stdout.contains("not connected; held everything when it was last there");
    assert_eq!(until(&a, &["why", "home"], gone).code, 0, "nothing is missing anywhere");
    a.ok(&["put", "home", "x", "2"]);
    assert_eq!(a.stop(), 0);
    a.start(&[]);
    let why = a.run(&["why", "home"]);
    assert_eq!(why.code, NOT_SYNCED, "{why:?}");
    assert!(
        why.stdout.starts_with("home: not in sync\n  b: b is not connected, last seen "),
        "{why:?}"
    );
    assert!(why.stdout.contains("it is 1 entry behind\n    hint: "), "{why:?}");
    assert!(why.stderr.contains("1 space is not in sync"), "{why:?}");
    let listed = a.ok(&["space", "list"]);
    assert!(
        listed.contains("1 of 2 devices holds everything; b is 1 entry behind, last seen "),
        "{listed}"
    );
    assert!(a.ok(&["status"]).contains("b is 1 entry behind, last seen "));
    assert!(a.ok(&["members", "home"]).contains(", 1 entry behind"));
    let why = a.run(&["--json", "why"]);
    let told: Json = serde_json::from_str(&why.stdout).expect("the answer is JSON");
    assert_eq!(why.code, NOT_SYNCED);
    assert_eq!(told[0]["peers"][0]["reasons"][0]["cause"], "not_connected");
    assert_eq!(told[0]["peers"][0]["missing"], 1);
    b.start(&[]);
    until(&a, &["why", "home"], in_sync);
    until(&b, &["why", "home"], in_sync);
    assert_eq!(b.ok(&["get", "home", "x"]), "2");
}

#[test]
fn why_says_where_a_device_was_looked_for() {
    let (mut a, b) = pair();
    assert_eq!(a.stop(), 0);
    b.ok(&["put", "home", "x", "1"]);
    let tried = |ran: &Ran| ran.stdout.contains("check that it is up; tried /ip4/127.0.0.1/");
    let why = until(&b, &["why", "home"], tried);
    assert_eq!(why.code, NOT_SYNCED, "{why:?}");
    assert!(why.stdout.contains("a is not connected, last seen "), "{why:?}");
    b.ok(&["offline"]);
    let why = b.run(&["why", "home"]);
    assert!(why.stdout.contains("this device was taken off the network"), "{why:?}");
}

#[test]
fn receipts_say_how_many_devices_hold_which_entry() {
    let (a, b) = pair();
    let edited = a.json(&["put", "home", "x", "1", "--wait", "2"]);
    let receipts = || {
        let path = "/v1/spaces/home/receipts";
        let (status, body) = a.request("GET", path, &[("authorization", &a.bearer())], "");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Json>(&body).expect("the answer is JSON")
    };
    let told = receipts();
    let seq = &edited["seq"];
    assert_eq!((&told["own_log"], &told["replicated"]), (&edited["log"], &json!([seq, seq])));
    let (log, device) = (told["own_log"].as_str().unwrap(), b.started["device"].as_str().unwrap());
    assert_eq!(&told["members"][device][log], seq);
    assert_eq!(&told["stable"][log], seq);
    drop(b);
    a.ok(&["put", "home", "x", "2"]);
    assert_eq!(receipts()["replicated"], json!([seq.as_u64().unwrap() + 1, seq]));
    assert_eq!(&receipts()["stable"][log], seq);
}

#[test]
fn a_device_that_nobody_let_in_says_so_and_what_it_tried() {
    let (mut a, c) = (Device::up("a"), Device::up("c"));
    a.ok(&["space", "create", "home"]);
    let ticket = a.ok(&["invite", "home"]);
    assert_eq!(a.stop(), 0);
    let joined = c.run(&["join", &ticket, "--timeout", "1s"]);
    assert_ne!(joined.code, 0, "{joined:?}");
    let why = c.run(&["why"]);
    assert_eq!(why.code, NOT_SYNCED, "{why:?}");
    assert!(why.stdout.contains("no member has let this device in yet"), "{why:?}");
    a.start(&[]);
    until(&c, &["why"], in_sync);
    a.ok(&["put", "home", "x", "1", "--wait", "2"]);
}

#[test]
fn peers_tell_what_came_of_each_session() {
    let (a, mut b) = pair();
    b.ok(&["put", "home", "x", "1", "--wait", "2"]);
    let agreed = |peers: &Json| peers[0]["syncs"][0]["agreed"] == json!(true);
    let began = Instant::now();
    let mut peers = a.json(&["peers"]);
    while !agreed(&peers) {
        assert!(began.elapsed() < PATIENCE, "{peers}");
        peers = a.json(&["peers"]);
    }
    assert_eq!(peers[0]["connected"], json!(true));
    assert!(peers[0]["syncs"][0]["entries_received"].as_u64().unwrap() > 0, "{peers}");
    assert_eq!(b.stop(), 0);
    while peers[0]["connected"] == json!(true) {
        assert!(began.elapsed() < 2 * PATIENCE, "{peers}");
        peers = a.json(&["peers"]);
    }
    assert!(agreed(&peers), "{peers}");
    assert!(peers[0]["syncs"][0]["ended_ms"].is_u64(), "{peers}");
    assert!(a.ok(&["peers"]).ends_with("not connected"));
}
