//! Keys as people handle them: first starts, phrases, seals, backups.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::device::{Device, Ran, clean, command, lines, meshwork, meshwork_with, pair};

const RIGHT: &str = "correct horse";
const WRONG: &str = "battery staple";

fn text(dir: &TempDir) -> &str {
    dir.path().to_str().expect("temporary paths are UTF-8")
}

/// A new directory with new keys, and what `key init` said.
fn init(extra: &[&str]) -> (TempDir, Json) {
    let dir = tempfile::tempdir().unwrap();
    let mut args = vec!["--json", "--data-dir", text(&dir), "key", "init"];
    args.extend(extra);
    let said = json(&meshwork(&args));
    (dir, said)
}

#[track_caller]
fn json(ran: &Ran) -> Json {
    assert_eq!(ran.code, 0, "{ran:?}");
    serde_json::from_str(&ran.stdout).expect("the answer is JSON")
}

/// A file with a passphrase in it.
fn passphrase(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    fs::write(&path, format!("{text}\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// An `up` that must fail.
fn up(dir: &Path, variables: &[(&str, &str)]) -> Ran {
    let dir = dir.to_str().unwrap();
    let listen = "/ip4/127.0.0.1/tcp/0";
    meshwork_with(&["--data-dir", dir, "up", "--no-mdns", "--listen", listen], "", variables)
}

#[test]
fn a_program_is_told_the_phrase_of_a_first_start_and_only_then() {
    let mut a = Device::up("a");
    let phrase = a.started["recovery_phrase"].as_str().unwrap().to_owned();
    assert_eq!(phrase.split(' ').count(), 24);
    let member = a.started["member"].clone();
    assert_eq!(a.stop(), 0);
    for entry in fs::read_dir(a.path()).unwrap().map(|entry| entry.unwrap().path()) {
        let content = fs::read(&entry).unwrap_or_default();
        let first = phrase.split(' ').take(3).collect::<Vec<_>>().join(" ");
        let kept = content.windows(first.len()).any(|window| window == first.as_bytes());
        assert!(!kept, "the phrase is in {}", entry.display());
    }
    a.start(&[]);
    assert_eq!(a.started.get("recovery_phrase"), None);
    assert_eq!(a.started["member"], member);
    let shown = a.json(&["key", "show"]);
    assert_eq!((&shown["member"], &shown["seal"]), (&member, &Json::from("none")));
    assert_eq!(shown["device"], a.started["device"]);
    assert_eq!(shown["words"].as_str().unwrap().split(' ').count(), 6);
    assert_eq!(shown.get("recovery_phrase"), None);
}

#[test]
fn a_first_start_that_fails_still_tells_the_phrase() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    let dir = tempfile::tempdir().unwrap();
    let args =
        ["--json", "--data-dir", text(&dir), "up", "--no-mdns", "--api", "127.0.0.1:0", "--listen"];
    let ran = meshwork(&[&args[..], &[&listen]].concat());
    assert_eq!(ran.code, 4, "{ran:?}");
    let told: Json = serde_json::from_str(&ran.stdout).unwrap();
    let phrase = told["recovery_phrase"].as_str().unwrap();
    let member = json(&meshwork(&["--json", "--data-dir", text(&dir), "key", "show"]));
    let other = tempfile::tempdir().unwrap();
    let args = ["--json", "--data-dir", text(&other), "key", "recover"];
    assert_eq!(json(&meshwork_with(&args, phrase, &[]))["member"], member["member"]);
}

/// Runs `up` in words for people until it is up, stops it, and returns what it said on standard error.
fn first_start(extra: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut child = command()
        .args(["--data-dir", text(&dir), "up", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"])
        .args(extra)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = lines(child.stdout.take().unwrap());
    while !said.recv_timeout(crate::device::PATIENCE).unwrap().starts_with("dashboard") {}
    assert_eq!(meshwork(&["--data-dir", text(&dir), "stop"]).code, 0);
    let mut talk = String::new();
    child.stderr.take().unwrap().read_to_string(&mut talk).unwrap();
    assert!(child.wait().unwrap().success());
    talk
}

#[test]
fn a_first_start_without_a_terminal_shows_no_phrase_and_says_so() {
    let talk = first_start(&[]);
    assert!(talk.contains("its recovery phrase was not shown"), "{talk}");
    assert!(talk.contains("meshwork key init"), "{talk}");
    assert!(!talk.contains(" 1. "), "{talk}");
    let quiet = first_start(&["--no-phrase"]);
    assert!(!quiet.contains("phrase"), "{quiet}");
}

/// A command at a terminal that `script` makes; `None` where there is no such program.
fn at_terminal(args: &[&str]) -> Option<std::process::Child> {
    let quoted: Vec<String> = args.iter().map(|arg| format!("'{arg}'")).collect();
    let line = format!("'{}' {}", env!("CARGO_BIN_EXE_meshwork"), quoted.join(" "));
    let mut script = clean(Command::new("script"));
    let spawned = script
        .args(["-q", "-e", "-c", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    if spawned.is_err() {
        eprintln!("NOT RUN: there is no `script` to make a terminal");
    }
    spawned.ok()
}

#[test]
fn a_first_start_at_a_terminal_shows_words_that_recover_the_member() {
    let dir = tempfile::tempdir().unwrap();
    let listen = ["--listen", "/ip4/127.0.0.1/tcp/0"];
    let args = [&["--data-dir", text(&dir), "up", "--no-mdns"][..], &listen].concat();
    let Some(mut child) = at_terminal(&args) else { return };
    let mut shown = String::new();
    for line in BufReader::new(child.stdout.as_mut().unwrap()).lines() {
        shown.push_str(&line.unwrap());
        shown.push('\n');
        if shown.contains("stop with Ctrl-C") {
            break;
        }
    }
    assert_eq!(meshwork(&["--data-dir", text(&dir), "stop"]).code, 0);
    child.wait().unwrap();
    let words: String =
        shown.lines().filter(|line| line.contains(". ")).take(6).collect::<Vec<_>>().join("\n");
    let other = tempfile::tempdir().unwrap();
    let args = ["--json", "--data-dir", text(&other), "key", "recover"];
    let recovered = json(&meshwork_with(&args, &words, &[]));
    assert!(shown.contains(recovered["member"].as_str().unwrap()), "{shown}");
    assert!(shown.contains("stored nowhere"), "{shown}");
}

#[test]
fn a_person_at_a_terminal_is_asked_for_the_passphrase() {
    let dir = tempfile::tempdir().unwrap();
    let file = passphrase(dir.path(), "right", RIGHT);
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let init = ["--json", "--data-dir", data, "key", "init", "--passphrase-file", &file];
    json(&meshwork(&init));
    for (typed, ends_well) in [(RIGHT, true), (WRONG, false)] {
        let Some(mut child) = at_terminal(&["--data-dir", data, "key", "unseal"]) else { return };
        let mut shown = Vec::new();
        let mut byte = [0];
        while !shown.ends_with(b"passphrase of these keys: ") {
            child.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
            shown.push(byte[0]);
        }
        writeln!(child.stdin.as_mut().unwrap(), "{typed}").unwrap();
        child.stdout.take().unwrap().read_to_end(&mut shown).unwrap();
        let shown = String::from_utf8_lossy(&shown);
        assert_eq!(child.wait().unwrap().success(), ends_well, "{shown}");
        if ends_well {
            let seal = ["--json", "--data-dir", data, "key", "seal", "--passphrase-file", &file];
            json(&meshwork(&seal));
        } else {
            assert!(shown.contains("the passphrase is wrong"), "{shown}");
        }
    }
}

#[test]
fn the_words_of_a_member_make_another_device_of_it() {
    let (first, said) = init(&[]);
    let phrase = said["recovery_phrase"].as_str().unwrap();
    let again = meshwork(&["--data-dir", text(&first), "key", "init"]);
    again.failed(2, "is there already", "--data-dir");

    let dir = tempfile::tempdir().unwrap();
    let recover = |words: &str| {
        meshwork_with(&["--json", "--data-dir", text(&dir), "key", "recover"], words, &[])
    };
    let written = phrase.to_uppercase().replace(' ', "  \n");
    let recovered = json(&recover(&written));
    assert_eq!(recovered["member"], said["member"]);
    assert_ne!(recovered["device"], said["device"]);
    assert_eq!(recovered.get("recovery_phrase"), None);
    let mut second = Device::at(dir);
    second.start(&[]);
    assert_eq!(second.started["device"], recovered["device"]);
    assert_eq!(second.started.get("recovery_phrase"), None);
}

#[test]
fn wrong_words_are_told_and_leave_the_directory_empty() {
    let (_first, said) = init(&[]);
    let words: Vec<&str> = said["recovery_phrase"].as_str().unwrap().split(' ').collect();
    let dir = tempfile::tempdir().unwrap();
    let recover = |words: &[&str]| {
        let args = ["--data-dir", text(&dir), "key", "recover"];
        meshwork_with(&args, &words.join(" "), &[])
    };
    let mut unknown = words.clone();
    unknown[2] = "meshwork";
    recover(&unknown).failed(2, "word 3 of the recovery phrase, `meshwork`", "24 words");
    recover(&words[1..]).failed(2, "24 words, not 23", "24 words");
    let mut swapped = words.clone();
    let other = words.iter().position(|word| *word != words[0]).unwrap();
    swapped.swap(0, other);
    let ran = recover(&swapped);
    // One swap in 256 passes the checksum, as another member.
    if ran.code != 0 {
        ran.failed(2, "fail the checksum", "24 words");
        assert!(!dir.path().join("identity").exists());
    }
}

#[test]
fn a_sealed_device_starts_with_its_passphrase_and_with_nothing_else() {
    let mut a = Device::up("a");
    a.ok(&["space", "create", "home"]);
    a.ok(&["put", "home", "note", "kept"]);
    let outside = tempfile::tempdir().unwrap();
    let right = passphrase(outside.path(), "right", RIGHT);
    let wrong = passphrase(outside.path(), "wrong", WRONG);
    let args = ["key", "seal", "--passphrase-file", &right];
    a.run(&args).failed(10, "in use by process", "meshwork stop");
    assert_eq!(a.stop(), 0);
    assert_eq!(a.json(&args)["seal"], "passphrase");
    let shown = a.json(&["key", "show"]);
    assert_eq!((&shown["device"], &shown["seal"]), (&a.started["device"], &"passphrase".into()));

    up(a.path(), &[]).failed(12, "sealed under a passphrase", "--passphrase-file");
    up(a.path(), &[("MESHWORK_PASSPHRASE", WRONG)]).failed(12, "passphrase is wrong", "nothing is");
    up(a.path(), &[("MESHWORK_PASSPHRASE_FILE", &wrong)]).failed(12, "is wrong", "nothing is lost");
    up(a.path(), &[("MESHWORK_PASSPHRASE", "short")]).failed(
        2,
        "MESHWORK_PASSPHRASE",
        "five words",
    );
    a.start(&["--passphrase-file", &right]);
    assert_eq!(a.ok(&["get", "home", "note"]), "kept");
    assert_eq!(a.stop(), 0);

    a.run(&["key", "seal", "--passphrase-file", &right]).failed(2, "nobody to ask", "--new-pass");
    let change = ["key", "seal", "--passphrase-file", &right, "--new-passphrase-file", &wrong];
    assert_eq!(a.json(&change)["seal"], "passphrase");
    a.run(&["key", "unseal", "--passphrase-file", &right]).failed(12, "is wrong", "recover");
    assert_eq!(a.json(&["key", "unseal", "--passphrase-file", &wrong])["seal"], "none");
    a.run(&["key", "unseal"]).failed(2, "not sealed", "meshwork key seal");
    a.start(&[]);
    assert_eq!(a.ok(&["get", "home", "note"]), "kept");
}

#[test]
fn a_first_start_with_a_passphrase_seals_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = passphrase(dir.path(), "right", RIGHT);
    let mut a = Device::at(tempfile::tempdir().unwrap());
    a.start(&["--passphrase-file", &file]);
    assert_eq!(a.json(&["key", "show"])["seal"], "passphrase");
    assert_eq!(a.stop(), 0);
    assert_eq!(up(a.path(), &[]).code, 12);
}

#[test]
fn a_damaged_seal_is_told_from_a_wrong_passphrase() {
    let dir = tempfile::tempdir().unwrap();
    let file = passphrase(dir.path(), "right", RIGHT);
    let (keys, _) = init(&["--passphrase-file", &file]);
    let path = keys.path().join("identity");
    let mut content = fs::read(&path).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 0x10;
    fs::write(&path, content).unwrap();
    let ran = up(keys.path(), &[("MESHWORK_PASSPHRASE", RIGHT)]);
    ran.failed(5, "is damaged", "restore it from a backup");
}

#[test]
fn a_backup_brings_the_device_back_and_never_stands_beside_another() {
    let (first, said) = init(&[]);
    let outside = tempfile::tempdir().unwrap();
    let right = passphrase(outside.path(), "right", RIGHT);
    let backup = outside.path().join("backup");
    let backup = backup.to_str().unwrap();
    let key = |dir: &TempDir, args: &[&str]| {
        meshwork(&[&["--json", "--data-dir", text(dir), "key"], args].concat())
    };
    let made = json(&key(&first, &["backup", backup, "--passphrase-file", &right]));
    assert_eq!((&made["device"], &made["seal"]), (&said["device"], &"passphrase".into()));
    assert_eq!(key(&first, &["backup", backup, "--passphrase-file", &right]).code, 2);

    let args = ["--data-dir", text(&first), "key", "restore", backup, "--passphrase-file", &right];
    meshwork(&args).failed(2, "is there already", "clones");
    fs::create_dir(first.path().join("store")).unwrap();
    fs::remove_file(first.path().join("identity")).unwrap();
    meshwork(&args).failed(2, "store is there already", "clones");

    let second = tempfile::tempdir().unwrap();
    assert_eq!(key(&second, &["restore", backup]).code, 12);
    assert!(!second.path().join("identity").exists());
    let restored = json(&key(&second, &["restore", backup, "--passphrase-file", &right]));
    assert_eq!(restored["device"], said["device"]);
    let mut device = Device::at(second);
    device.start(&["--passphrase-file", &right]);
    assert_eq!(device.started["device"], said["device"]);
    assert_eq!(device.started.get("recovery_phrase"), None);
}

#[test]
fn a_device_that_is_gone_comes_back_by_its_backup_and_a_ticket() {
    let (a, mut b) = pair();
    a.ok(&["put", "home", "note", "kept"]);
    b.watch(&["home"]).until("note", &Json::from("kept"));
    let outside = tempfile::tempdir().unwrap();
    let right = passphrase(outside.path(), "right", RIGHT);
    let backup = outside.path().join("backup");
    let backup = backup.to_str().unwrap();
    b.ok(&["key", "backup", backup, "--passphrase-file", &right]);
    let device = b.started["device"].clone();
    assert_eq!(b.stop(), 0);
    drop(b);

    let mut again = Device::at(tempfile::tempdir().unwrap());
    again.ok(&["key", "restore", backup, "--passphrase-file", &right]);
    again.start(&["--name", "b", "--passphrase-file", &right]);
    assert_eq!(again.started["device"], device);
    let ticket = a.ok(&["invite", "home"]);
    again.ok(&["join", &ticket]);
    assert_eq!(again.ok(&["get", "home", "note"]), "kept");
    again.ok(&["put", "home", "note", "changed"]);
    a.watch(&["home"]).until("note", &Json::from("changed"));
}

#[test]
fn a_directory_without_keys_has_nothing_to_show() {
    let dir = tempfile::tempdir().unwrap();
    let show = ["--data-dir", text(&dir), "key", "show"];
    meshwork(&show).failed(7, "there are no keys", "meshwork key init");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_keyring_that_cannot_be_used_leaves_the_keys_as_they_are() {
    let (dir, _) = init(&[]);
    let before = fs::read(dir.path().join("identity")).unwrap();
    let nowhere = [("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")];
    let ran = meshwork_with(&["--data-dir", text(&dir), "key", "seal", "--keyring"], "", &nowhere);
    assert_eq!(ran.code, 12, "{ran:?}");
    assert!(ran.stderr.contains("keyring"), "{ran:?}");
    assert_eq!(fs::read(dir.path().join("identity")).unwrap(), before);
}
