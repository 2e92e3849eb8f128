//! What goes wrong, and how it is said: exit code, message, hint, and nothing lost.

use std::fs;
use std::net::TcpListener;

use crate::device::{Device, meshwork, pair};

fn up(dir: &str, extra: &[&str]) -> crate::device::Ran {
    let mut args = vec!["--data-dir", dir, "up", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"];
    args.extend(extra);
    meshwork(&args)
}

#[test]
fn a_text_that_is_no_ticket_is_a_usage_failure() {
    let a = Device::up("a");
    a.run(&["join", "meshwork1abc"]).failed(2, "the ticket is damaged", "copy the whole line");
    a.run(&["join", "hello"]).failed(2, "not a ticket", "copy the whole line");
}

#[test]
fn an_expired_ticket_is_refused() {
    let (a, b) = (Device::up("a"), Device::up("b"));
    a.ok(&["space", "create", "home"]);
    let ticket = a.ok(&["invite", "home", "--expires", "0s"]);
    b.run(&["join", &ticket]).failed(6, "expired", "meshwork invite");
}

#[test]
fn a_ticket_for_one_admits_one() {
    let (a, b, c) = (Device::up("a"), Device::up("b"), Device::up("c"));
    a.ok(&["space", "create", "home"]);
    let ticket = a.ok(&["invite", "home", "--uses", "1"]);
    b.ok(&["join", &ticket]);
    c.run(&["join", &ticket]).failed(6, "used as often as it may be", "meshwork invite");
    let fresh = a.ok(&["invite", "home"]);
    c.ok(&["join", &fresh]);
}

#[test]
fn a_ticket_whose_maker_is_away_says_who_was_tried_and_works_later() {
    let (mut a, b) = (Device::up("a"), Device::up("b"));
    a.ok(&["space", "create", "home"]);
    let ticket = a.ok(&["invite", "home"]);
    assert_eq!(a.stop(), 0);
    let ran = b.run(&["join", &ticket, "--timeout", "300ms"]);
    ran.failed(4, "no member was reached", "tried /ip4/127.0.0.1/tcp/");
    a.start(&[]);
    b.ok(&["join", &ticket]);
}

#[test]
fn commands_without_a_daemon_say_how_to_start_one() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_str().unwrap();
    let ran = meshwork(&["--data-dir", dir, "status"]);
    ran.failed(11, "no daemon is running", "meshwork up");
    let json = meshwork(&["--json", "--data-dir", dir, "status"]);
    assert_eq!(json.code, 11);
    assert!(json.stderr.starts_with(r#"{"kind":"not_running","#), "{json:?}");
}

#[test]
fn a_daemon_that_was_killed_is_not_running() {
    let mut a = Device::up("a");
    a.kill();
    assert!(a.path().join("api.json").exists());
    a.run(&["status"]).failed(11, "no daemon is running", "meshwork up");
}

#[test]
fn a_busy_port_is_a_network_failure() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_str().unwrap();
    let args =
        ["--data-dir", dir, "up", "--no-mdns", "--listen", &format!("/ip4/127.0.0.1/tcp/{port}")];
    meshwork(&args).failed(4, &port.to_string(), "--listen");
    up(dir, &["--api", &format!("127.0.0.1:{port}")]).failed(4, &port.to_string(), "--api");
}

#[test]
fn an_impossible_data_directory_is_a_storage_failure() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let below = file.path().join("data");
    up(below.to_str().unwrap(), &[]).failed(5, "cannot create the directory", "--data-dir");
}

#[test]
fn an_api_that_others_could_reach_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ran = up(dir.path().to_str().unwrap(), &["--api", "0.0.0.0:0"]);
    ran.failed(3, "not a loopback address", "127.0.0.1");
}

#[test]
fn a_wrong_config_names_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("config.toml"), "mdns = true\nlisten = 7\n").unwrap();
    up(dir.path().to_str().unwrap(), &[]).failed(3, "config.toml line 2", "known keys");
}

#[test]
fn a_second_daemon_for_the_same_directory_names_the_first() {
    let a = Device::up("a");
    a.ok(&["space", "create", "home"]);
    let ran = up(a.path().to_str().unwrap(), &[]);
    ran.failed(10, &format!("process {}", a.pid()), "--data-dir");
    assert_eq!(a.json(&["space", "list"])[0]["name"], "home");
}

#[test]
fn a_truncated_store_is_refused_until_it_is_whole_again() {
    let mut a = Device::up("a");
    a.ok(&["space", "create", "home"]);
    a.ok(&["put", "home", "note", "kept"]);
    assert_eq!(a.stop(), 0);
    let log = a.store().join("db");
    let whole = fs::read(&log).unwrap();
    fs::write(&log, &whole[..whole.len() / 2]).unwrap();
    for _ in 0..2 {
        up(a.path().to_str().unwrap(), &[]).failed(5, "damaged", "copy of the data directory");
    }
    fs::write(&log, whole).unwrap();
    a.start(&[]);
    assert_eq!(a.ok(&["get", "home", "note"]), "kept");
}

#[test]
fn a_lost_identity_is_not_replaced() {
    let mut a = Device::up("a");
    assert_eq!(a.stop(), 0);
    let identity = a.path().join("identity");
    let kept = fs::read(&identity).unwrap();
    fs::remove_file(&identity).unwrap();
    up(a.path().to_str().unwrap(), &[]).failed(5, "identity", "backup");
    fs::write(&identity, kept).unwrap();
    up(a.path().to_str().unwrap(), &[]).failed(5, "open to other users", "chmod 600");
}

#[test]
fn what_does_not_exist_is_not_found() {
    let a = Device::up("a");
    a.run(&["get", "nowhere"]).failed(7, "no space `nowhere`", "meshwork space list");
    a.ok(&["space", "create", "home"]);
    a.run(&["get", "home", "nothing"]).failed(7, "no object `nothing`", "meshwork get");
    a.run(&["del", "home", "nothing"]).failed(7, "no object `nothing`", "meshwork get");
    a.ok(&["put", "home", "map", r#"{"a":1}"#]);
    assert_eq!(a.run(&["get", "home", "map", "--at", "b"]).code, 7);
}

#[test]
fn an_ambiguous_space_is_answered_with_the_candidates() {
    let a = Device::up("a");
    let first = a.ok(&["space", "create", "home"]);
    a.ok(&["space", "create", "home"]);
    a.run(&["get", "home"]).failed(2, "2 spaces", &first);
    assert_eq!(a.run(&["get", &first]).code, 0);
}

#[test]
fn waiting_for_devices_that_do_not_exist_times_out_and_loses_nothing() {
    let (a, b) = pair();
    let ran = a.run(&["put", "home", "note", "x", "--wait", "3", "--timeout", "300ms"]);
    ran.failed(8, "of 3 devices", "nothing is lost");
    b.watch(&["home"]).until("note", &serde_json::json!("x"));
}

#[test]
fn a_reader_may_not_write() {
    let (a, b) = (Device::up("a"), Device::up("b"));
    a.ok(&["space", "create", "home"]);
    let ticket = a.ok(&["invite", "home", "--role", "read"]);
    b.ok(&["join", &ticket]);
    b.run(&["put", "home", "note", "x"]).failed(9, "`write` would", "ask an admin");
    b.run(&["invite", "home"]).failed(9, "`admin` would", "ask an admin");
}

#[test]
fn a_value_of_the_wrong_type_is_a_usage_failure() {
    let a = Device::up("a");
    a.ok(&["space", "create", "home"]);
    a.ok(&["edit", "home", "votes", "increment", "1"]);
    let ran = a.run(&["put", "home", "votes", "many"]);
    ran.failed(2, "\"many\" is not of the type needed here", "meshwork types counter");
    let ran = a.run(&["edit", "home", "votes", "splice", "0", "0", "x"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("a counter has no operation 'splice'; it has increment"));
    let ran = a.run(&["edit", "home", "new", "fly"]);
    ran.failed(2, "no type has an operation `fly`", "meshwork types");
    let ran = a.run(&["put", "home", "new", "1", "--shape", "mapp"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("'mapp' is no type of object"), "{}", ran.stderr);
    assert_eq!(a.ok(&["get", "home"]), "votes  counter", "what was refused left no trace");
    assert_eq!(a.ok(&["get", "home", "votes"]), "1");
}
