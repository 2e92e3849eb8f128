//! What users see when devices meet, part and meet again.

#[path = "support/mesh.rs"]
mod mesh;

use std::sync::Arc;

use meshwork_crdt::{Edit, Kind, Value};
use meshwork_protocol::store::MemoryStore;
use meshwork_protocol::{
    Action, Cause, Event, Here, Input, Lacks, LinkId, ObjectEdit, Refusal, SpaceId, Target, Ticket,
    Wish, WishId, limits,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use mesh::{Mesh, pair};

#[test]
fn a_joined_device_sees_what_was_there_and_what_comes() {
    let mut mesh = Mesh::new(2);
    let space = mesh.create(0, "work");
    mesh.put(0, space, "theme", "dark");
    let ticket = mesh.invite(0, space, 1);
    mesh.connect(0, 1);
    mesh.join(1, &ticket);
    assert!(mesh.devices[1].events.contains(&Event::SpaceReady { space }));
    assert_eq!(mesh.devices[1].replica.space(space).unwrap().name, "work");
    mesh.put(0, space, "lang", "en");
    mesh.put(1, space, "font", "mono");
    let expected = r#"{"font":"mono","lang":"en","theme":"dark"}"#;
    for n in 0..2 {
        assert_eq!(mesh.value(n, space, "settings").unwrap().to_string(), expected);
    }
    mesh.assert_converged(space);
    assert_eq!(mesh.rejections(), 0);
    let names: Vec<String> = mesh.devices[0]
        .replica
        .members(space)
        .unwrap()
        .into_iter()
        .map(|member| member.name)
        .collect();
    assert!(names.contains(&"device 0".to_owned()) && names.contains(&"device 1".to_owned()));
}

#[test]
fn offline_edits_of_one_text_merge_by_character() {
    let (mut mesh, space) = pair();
    mesh.edit(0, space, "notes", Kind::Text, Edit::Replace("one three".into()));
    assert_eq!(mesh.value(1, space, "notes"), Some("one three".into()));
    mesh.disconnect(0, 1);
    mesh.edit(0, space, "notes", Kind::Text, Edit::Replace("one two three".into()));
    mesh.edit(1, space, "notes", Kind::Text, Edit::Replace("one three four".into()));
    mesh.connect(0, 1);
    for n in 0..2 {
        assert_eq!(mesh.value(n, space, "notes"), Some("one two three four".into()));
    }
    mesh.assert_converged(space);
}

#[test]
fn acknowledgements_tell_who_holds_an_edit() {
    let (mut mesh, space) = pair();
    let seq = mesh.edit(0, space, "n", Kind::Counter, Edit::Increment(1));
    let members = mesh.devices[0].replica.members(space).unwrap();
    let other = members.iter().find(|member| !member.this_device).unwrap();
    assert_eq!((other.acked, other.behind), (seq, 0));
    let peer = mesh.id(1);
    let acked = mesh.devices[0].events.iter().any(
        |event| matches!(event, Event::Acked { peer: p, seq: s, .. } if *p == peer && *s == seq),
    );
    assert!(acked);
}

fn receipt_of(mesh: &Mesh, n: usize, space: SpaceId, other: usize) -> (u64, u64) {
    let members = mesh.devices[n].replica.members(space).unwrap();
    let other = members.iter().find(|member| member.device == mesh.id(other)).unwrap();
    (other.acked, other.missing)
}

#[test]
fn what_a_peer_holds_is_known_after_the_link_and_after_a_restart() {
    let (mut mesh, space) = pair();
    let seq = mesh.edit(0, space, "n", Kind::Counter, Edit::Increment(1));
    mesh.disconnect(0, 1);
    assert_eq!(receipt_of(&mesh, 0, space, 1), (seq, 0));
    let later = mesh.edit(0, space, "n", Kind::Counter, Edit::Increment(1));
    mesh.reopen(0);
    assert_eq!(receipt_of(&mesh, 0, space, 1), (seq, later - seq));
    assert_eq!(mesh.devices[0].replica.receipts(space).unwrap().replicated, [later, seq]);
}

#[test]
fn a_receipt_costs_one_small_row() {
    let (mut mesh, space) = pair();
    mesh.devices[0].receipt_bytes.clear();
    for n in 0..100 {
        mesh.put(0, space, "key", &n.to_string());
        mesh.put(1, space, "key", &n.to_string());
    }
    let rows = &mesh.devices[0].receipt_bytes;
    assert_eq!(rows.len(), 100, "own entries are confirmed one by one, others' cost nothing");
    assert!(rows.iter().all(|bytes| *bytes <= 72), "{rows:?}");
}

#[test]
fn an_entry_proves_what_its_author_held_to_devices_it_never_met() {
    let mut mesh = Mesh::new(3);
    let space = mesh.create(0, "work");
    let ticket = mesh.invite(0, space, 2);
    for (a, b) in [(0, 1), (1, 2)] {
        mesh.connect(a, b);
    }
    mesh.join(1, &ticket);
    mesh.join(2, &ticket);
    mesh.pass_ms(1_000);
    let seq = mesh.edit(0, space, "n", Kind::Counter, Edit::Increment(1));
    mesh.pass_ms(1_000);
    assert!(receipt_of(&mesh, 0, space, 2).0 < seq, "the far device has not said so yet");
    mesh.edit(2, space, "n", Kind::Counter, Edit::Increment(1));
    mesh.pass_ms(1_000);
    assert_eq!(receipt_of(&mesh, 0, space, 2).0, seq);
    let log = mesh.devices[0].replica.space(space).unwrap().own_log.unwrap();
    let three = Event::Replicated { space, log, seq, devices: 3 };
    assert!(mesh.devices[0].events.contains(&three));
    assert_eq!(mesh.devices[0].replica.holders(space, log, seq).len(), 3);
    mesh.reopen(0);
    assert_eq!(receipt_of(&mesh, 0, space, 2).0, seq, "the entry is applied again");
    mesh.edit(1, space, "n", Kind::Counter, Edit::Increment(1));
    mesh.connect(0, 1);
    mesh.pass_ms(1_000);
    let receipts = mesh.devices[0].replica.receipts(space).unwrap();
    let stable = receipts.stable.iter().find(|(stable, _)| *stable == log).unwrap().1;
    assert_eq!(stable, seq);
}

#[test]
fn a_peer_that_comes_back_with_an_older_disk_is_known_to_hold_less() {
    let (mut mesh, space) = pair();
    mesh.edit(0, space, "n", Kind::Counter, Edit::Increment(1));
    let before = receipt_of(&mesh, 0, space, 1).0;
    let old = MemoryStore::clone(&mesh.devices[1].store);
    let seq = mesh.edit(0, space, "n", Kind::Counter, Edit::Increment(1));
    assert_eq!(receipt_of(&mesh, 0, space, 1).0, seq);
    mesh.disconnect(0, 1);
    mesh.devices[1].store = Arc::new(old);
    mesh.reopen(1);
    let (near, far) = (LinkId(90), LinkId(91));
    mesh.devices[0].links.push((near, 1, far));
    let peer = mesh.id(1);
    mesh.input(0, Input::PeerConnected { link: near, peer });
    mesh.devices[1].links.push((far, 0, near));
    let peer = mesh.id(0);
    mesh.input(1, Input::PeerConnected { link: far, peer });
    let mut lowest = seq;
    while let Some((n, link, bytes)) = mesh.wire.pop_front() {
        mesh.input(n, Input::Received { link, bytes });
        lowest = lowest.min(receipt_of(&mesh, 0, space, 1).0);
    }
    assert_eq!(lowest, before, "its own word corrects what it said before");
    assert_eq!(receipt_of(&mesh, 0, space, 1).0, seq, "and it has caught up");
    assert_eq!(mesh.rejections(), 0);
}

#[test]
fn a_reopened_device_knows_everything_and_continues_its_log() {
    let (mut mesh, space) = pair();
    for n in 0..1500 {
        mesh.edit(0, space, "n", Kind::Counter, Edit::Increment(n));
    }
    mesh.edit(1, space, "set", Kind::Set, Edit::Add("x".into()));
    let digest = mesh.digest(0, space);
    assert!(mesh.devices[0].replica.counters().checkpoints > 0);
    mesh.reopen(0);
    mesh.reopen(1);
    assert_eq!(mesh.digest(0, space), digest);
    assert_eq!(mesh.digest(1, space), digest);
    mesh.edit(0, space, "n", Kind::Counter, Edit::Increment(1));
    mesh.connect(0, 1);
    assert_eq!(mesh.value(1, space, "n"), Some(Value::Int(1500 * 1499 / 2 + 1)));
    mesh.assert_converged(space);
    assert_eq!(mesh.rejections(), 0);
}

#[test]
fn a_chain_passes_entries_on() {
    let mut mesh = Mesh::new(4);
    let space = mesh.create(0, "work");
    let ticket = mesh.invite(0, space, 3);
    for n in 1..4 {
        mesh.connect(n - 1, n);
        mesh.join(n, &ticket);
    }
    mesh.put(0, space, "from", "first");
    mesh.put(3, space, "to", "last");
    mesh.pass_ms(1_000);
    mesh.assert_converged(space);
    assert_eq!(mesh.rejections(), 0);
}

#[test]
fn in_a_full_mesh_payloads_stop_travelling_twice() {
    let mut mesh = Mesh::new(3);
    let space = mesh.create(0, "work");
    let ticket = mesh.invite(0, space, 2);
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        mesh.connect(a, b);
    }
    mesh.join(1, &ticket);
    mesh.join(2, &ticket);
    for n in 0..6 {
        mesh.put(n % 3, space, "warm", "up");
    }
    mesh.pass_ms(30_000);
    let duplicates = |mesh: &Mesh| -> u64 {
        mesh.devices.iter().map(|d| d.replica.counters().entries_duplicate).sum()
    };
    let before = duplicates(&mesh);
    for n in 0..30 {
        mesh.put(n % 3, space, "key", &n.to_string());
    }
    mesh.pass_ms(1_000);
    assert_eq!(duplicates(&mesh) - before, 0);
    mesh.assert_converged(space);
}

#[test]
fn a_concurrent_edit_survives_a_deletion() {
    let (mut mesh, space) = pair();
    mesh.edit(0, space, "notes", Kind::Text, Edit::Replace("hello".into()));
    mesh.disconnect(0, 1);
    let id = mesh.devices[0].replica.find(space, "notes").unwrap().id;
    let delete = vec![ObjectEdit { target: Target::Id(id), action: Action::Delete }];
    mesh.wish(0, Wish::Edit { space, edits: delete.clone() }).unwrap();
    assert!(mesh.devices[0].replica.find(space, "notes").is_none());
    mesh.edit(1, space, "notes", Kind::Text, Edit::Replace("hello world".into()));
    mesh.connect(0, 1);
    for n in 0..2 {
        assert_eq!(mesh.value(n, space, "notes"), Some("hello world".into()));
    }
    mesh.wish(1, Wish::Edit { space, edits: delete }).unwrap();
    for n in 0..2 {
        assert!(mesh.devices[n].replica.find(space, "notes").is_none());
    }
    mesh.assert_converged(space);
}

#[test]
fn a_deleted_name_that_is_written_again_starts_empty() {
    let (mut mesh, space) = pair();
    mesh.put(0, space, "old", "1");
    let id = mesh.devices[0].replica.find(space, "settings").unwrap().id;
    let edits = vec![ObjectEdit { target: Target::Id(id), action: Action::Delete }];
    mesh.wish(0, Wish::Edit { space, edits }).unwrap();
    mesh.put(1, space, "new", "2");
    for n in 0..2 {
        assert_eq!(mesh.value(n, space, "settings").unwrap().to_string(), r#"{"new":"2"}"#);
    }
    mesh.assert_converged(space);
}

#[test]
fn files_imported_alike_coalesce_and_others_stand_beside_each_other() {
    let (mut mesh, space) = pair();
    mesh.disconnect(0, 1);
    for (n, content) in [(0, "same"), (1, "same")] {
        let target = Target::File { name: "a.md".into(), content: content.into() };
        let edits = vec![ObjectEdit { target, action: Action::Create }];
        mesh.wish(n, Wish::Edit { space, edits }).unwrap();
    }
    for (n, content) in [(0, "mine"), (1, "yours")] {
        let target = Target::File { name: "b.md".into(), content: content.into() };
        let edits = vec![ObjectEdit { target, action: Action::Create }];
        mesh.wish(n, Wish::Edit { space, edits }).unwrap();
    }
    mesh.connect(0, 1);
    mesh.assert_converged(space);
    let objects = mesh.devices[0].replica.objects(space).unwrap();
    let names: Vec<&str> = objects.iter().map(|object| object.name.as_str()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(mesh.value(0, space, "a.md"), Some("same".into()));
    let conflicts: Vec<&&str> = names.iter().filter(|name| name.contains("(conflict ")).collect();
    assert_eq!(conflicts.len(), 1);
    let (shown, other) = (mesh.value(1, space, "b.md"), mesh.value(1, space, conflicts[0]));
    let mut contents = [shown.unwrap().to_string(), other.unwrap().to_string()];
    contents.sort();
    assert_eq!(contents, [r#""mine""#, r#""yours""#]);
}

#[test]
fn a_refused_edit_leaves_no_trace_of_those_before_it() {
    let (mut mesh, space) = pair();
    mesh.edit(0, space, "text", Kind::Text, Edit::Replace("abc".into()));
    let before = mesh.digest(0, space);
    let text = || Target::Named { name: "text".into(), shape: Kind::Text.into() };
    let splice = |at| Edit::Splice { at, delete: 0, insert: "x".into() };
    let edits = vec![
        ObjectEdit { target: text(), action: Action::Change(splice(0)) },
        ObjectEdit { target: text(), action: Action::Change(splice(99)) },
    ];
    let result = mesh.wish(0, Wish::Edit { space, edits });
    assert_eq!(result, Err(Refusal::Edit(meshwork_crdt::EditError::OutOfRange)));
    assert_eq!(mesh.digest(0, space), before);
    mesh.assert_converged(space);
}

#[test]
fn tickets_that_are_wrong_expired_or_used_up_are_refused() {
    let mut mesh = Mesh::new(3);
    let space = mesh.create(0, "work");
    let ticket = mesh.invite(0, space, 1);
    let text = ticket.to_string();
    let mut damaged = text.clone();
    damaged.replace_range(20..21, if &text[20..21] == "a" { "b" } else { "a" });
    assert!(damaged.parse::<Ticket>().is_err());
    assert!("hello".parse::<Ticket>().is_err());
    mesh.connect(0, 1);
    mesh.connect(0, 2);
    mesh.join(1, &ticket);
    mesh.join(2, &ticket);
    let refused = |mesh: &Mesh, n: usize| {
        mesh.devices[n].events.iter().find_map(|event| match event {
            Event::JoinRefused { reason, .. } => Some(*reason),
            _ => None,
        })
    };
    assert_eq!(refused(&mesh, 1), None);
    assert_eq!(refused(&mesh, 2), Some(meshwork_protocol::JoinRefusal::UsedUp));
    let late = mesh.invite(0, space, 5);
    mesh.now = mesh.now.plus_ms(120_000);
    let wish = Wish::Join { ticket: Box::new(late) };
    assert_eq!(mesh.wish(2, wish), Err(Refusal::TicketExpired));
    assert!(!mesh.devices[2].replica.space(space).unwrap().ready);
}

#[test]
fn a_stranger_learns_neither_ids_nor_content() {
    let mut mesh = Mesh::new(3);
    let space = mesh.create(0, "secret plans");
    let ticket = mesh.invite(0, space, 1);
    mesh.connect(0, 1);
    mesh.join(1, &ticket);
    mesh.put(0, space, "codename", "hummingbird");
    let other = mesh.create(2, "something else");
    mesh.connect(0, 2);
    mesh.connect(1, 2);
    mesh.put(1, space, "place", "lighthouse");
    mesh.pass_ms(60_000);
    let view = mesh.devices[0].replica.space(space).unwrap();
    let mut needles: Vec<Vec<u8>> = ["secret", "codename", "hummingbird", "lighthouse", "device 0"]
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .collect();
    needles.push(space.0.to_vec());
    needles.push(other.0.to_vec());
    needles.extend(view.logs.iter().map(|log| log.log.0.to_vec()));
    needles.extend([mesh.id(0).0.to_vec(), mesh.id(1).0.to_vec()]);
    let heard = mesh.recorded.iter().filter(|(from, to, _)| *to == 2 && *from != 2);
    let mut frames = 0;
    for (_, _, frame) in heard {
        frames += 1;
        for needle in &needles {
            assert!(!frame.windows(needle.len()).any(|window| window == needle));
        }
    }
    assert!(frames > 0);
    assert!(mesh.devices[2].replica.space(space).is_none());
}

/// Links the first two devices again, once neither shuts the other out.
fn meet_again(mesh: &mut Mesh) {
    if mesh.devices[0].links.is_empty() {
        mesh.pass_ms(2 * limits::GREY_MS_MAX + 1);
        mesh.connect(0, 1);
    }
}

#[test]
fn hostile_frames_change_nothing_and_end_the_link() {
    let (mut mesh, space) = pair();
    mesh.put(0, space, "a", "b");
    let before = mesh.digest(0, space);
    let link = mesh.devices[0].links[0].0;
    let frames: Vec<Vec<u8>> =
        mesh.recorded.iter().filter(|(_, to, _)| *to == 0).map(|(.., f)| f.clone()).collect();
    for frame in frames {
        for at in 0..frame.len() {
            let mut bytes = frame.clone();
            bytes[at] ^= 0x41;
            mesh.input(0, Input::Received { link, bytes });
            meet_again(&mut mesh);
            let bytes = frame[..at].to_vec();
            let link = mesh.devices[0].links[0].0;
            mesh.input(0, Input::Received { link, bytes });
            meet_again(&mut mesh);
        }
    }
    mesh.settle();
    assert_eq!(mesh.digest(0, space), before);
    assert!(mesh.devices[0].replica.counters().rejections > 0);
}

#[test]
fn a_cold_sync_moves_thousands_of_entries_under_few_signatures() {
    let mut mesh = Mesh::new(2);
    let space = mesh.create(0, "work");
    for n in 0..5_000 {
        mesh.edit(0, space, &format!("o{}", n % 50), Kind::Counter, Edit::Increment(1));
    }
    let ticket = mesh.invite(0, space, 1);
    mesh.connect(0, 1);
    mesh.join(1, &ticket);
    mesh.assert_converged(space);
    let counters = mesh.devices[1].replica.counters();
    assert!(counters.entries_received >= 5_000);
    assert!(counters.signatures_verified < 100, "{counters:?}");
    assert_eq!(mesh.rejections(), 0);
}

/// As fast as the engines go: the clock stands still.
#[test]
fn a_sync_at_full_speed_from_two_devices_at_once_is_not_slowed_down() {
    let mut mesh = Mesh::new(3);
    let space = mesh.create(0, "work");
    let ticket = mesh.invite(0, space, 2);
    mesh.connect(0, 1);
    mesh.join(1, &ticket);
    for n in 0..1_500 {
        mesh.edit(n % 2, space, &format!("o{}", n % 50), Kind::Counter, Edit::Increment(1));
    }
    mesh.connect(0, 2);
    mesh.connect(1, 2);
    mesh.join(2, &ticket);
    for n in 0..600 {
        mesh.edit(n % 3, space, "live", Kind::Counter, Edit::Increment(1));
    }
    mesh.assert_converged(space);
    for device in &mesh.devices {
        assert_eq!(device.replica.counters().frames_dropped, 0);
    }
    assert_eq!(mesh.rejections(), 0);
}

#[test]
fn equal_replicas_reconnect_with_digests_alone() {
    let (mut mesh, space) = pair();
    mesh.put(0, space, "a", "b");
    mesh.disconnect(0, 1);
    mesh.recorded.clear();
    let before = mesh.devices[0].replica.counters().run_bytes_sent;
    mesh.connect(0, 1);
    let about_space: usize =
        mesh.recorded.iter().filter(|(.., f)| f[1] == 4).map(|(.., f)| f.len()).sum();
    assert!(about_space <= 2 * 64, "{about_space} bytes of heads");
    assert_eq!(mesh.devices[0].replica.counters().run_bytes_sent, before);
    mesh.assert_converged(space);
}

#[test]
fn a_keystroke_is_small_on_the_wire() {
    let (mut mesh, space) = pair();
    let text = "word ".repeat(1000);
    mesh.edit(0, space, "essay", Kind::Text, Edit::Replace(text));
    for n in 0..3 {
        let insert = "x".to_owned();
        mesh.recorded.clear();
        mesh.edit(0, space, "essay", Kind::Text, Edit::Splice { at: 2500 + n, delete: 0, insert });
        mesh.settle();
        let told = mesh.recorded.iter().filter(|(from, to, _)| (*from, *to) == (0, 1));
        let bytes: Vec<usize> = told.map(|(_, _, frame)| frame.len()).collect();
        assert!(bytes.len() == 1 && bytes[0] <= 120, "a sealed and signed key takes {bytes:?}");
    }
}

/// A device that shares nothing sends more than anybody may.
#[test]
fn a_flood_is_dropped_unread_ends_the_link_and_does_not_keep_others_waiting() {
    let (mut mesh, space) = pair();
    mesh.devices.extend(Mesh::new(3).devices.pop());
    mesh.connect(0, 2);
    let link = mesh.devices[0].links.iter().find(|(_, far, _)| *far == 2).unwrap().0;
    let hello =
        mesh.recorded.iter().find(|(from, to, _)| (*from, *to) == (2, 0)).unwrap().2.clone();
    let before = mesh.devices[0].replica.counters();
    let most = 2 * limits::PACE_OF_STRANGERS.frames_max + 1_000;
    let mut sent = 0;
    while sent < most && mesh.devices[0].links.iter().any(|(near, ..)| *near == link) {
        let flood = (0..10).map(|_| Input::Received { link, bytes: hello.clone() }).collect();
        mesh.inputs(0, flood);
        sent += 10;
        mesh.wire.retain(|(to, ..)| *to != 2);
        if sent % 100 == 0 {
            mesh.put(1, space, "key", &sent.to_string());
            let shown = mesh.value(0, space, "settings").unwrap().to_string();
            assert!(shown.contains(&format!("\"{sent}\"")), "{shown}");
        }
    }
    assert!(sent < most, "the link ends");
    let after = mesh.devices[0].replica.counters();
    assert!(
        after.frames_dropped - before.frames_dropped >= limits::PACE_OF_STRANGERS.frames_max / 2
    );
    let flooder = mesh.id(2);
    let shut = mesh.devices[0]
        .events
        .iter()
        .any(|event| matches!(event, Event::GreyListed { peer, .. } if *peer == flooder));
    assert!(shut);
    mesh.connect(0, 2);
    assert!(mesh.devices[0].links.iter().all(|(_, far, _)| *far != 2), "it is not let in again");
    mesh.pass_ms(limits::GREY_MS);
    mesh.connect(0, 2);
    assert!(mesh.devices[0].links.iter().any(|(_, far, _)| *far == 2), "until its time is over");
    assert_eq!(mesh.rejections(), 1);
}

/// Every third frame loses its way, comes twice, or comes damaged.
#[test]
fn an_honest_peer_behind_a_bad_link_is_never_shut_out() {
    let (mut mesh, space) = pair();
    let mut fate = ChaCha20Rng::seed_from_u64(7);
    let mut chance = move |of: u32, most: u32| rand_core::Rng::next_u32(&mut fate) % most < of;
    for n in 0..2_000_u32 {
        let writer = usize::from(n % 3 == 0);
        let target = Target::Named { name: "n".into(), shape: Kind::Counter.into() };
        let edits = vec![ObjectEdit { target, action: Action::Change(Edit::Increment(1)) }];
        let wish = WishId(1_000_000 + u64::from(n));
        mesh.input(writer, Input::Wished { wish, what: Wish::Edit { space, edits } });
        while let Some((to, link, mut bytes)) = mesh.wire.pop_front() {
            if chance(3, 10) {
                continue;
            }
            if chance(3, 10) {
                let at = n as usize * 7 % bytes.len();
                bytes[at] ^= 1 << (n % 8);
            }
            for _ in 0..if chance(3, 10) { 2 } else { 1 } {
                mesh.input(to, Input::Received { link, bytes: bytes.clone() });
            }
        }
        mesh.pass_ms_unsettled(200);
    }
    assert!(mesh.rejections() > 150, "{} were refused", mesh.rejections());
    for device in &mesh.devices {
        let shut = device.events.iter().find(|event| matches!(event, Event::GreyListed { .. }));
        assert_eq!(shut, None);
    }
    mesh.disconnect(0, 1);
    mesh.connect(0, 1);
    mesh.assert_converged(space);
}

#[test]
fn a_session_that_ends_says_what_came_of_it() {
    let (mut mesh, space) = pair();
    mesh.put(0, space, "a", "b");
    let link = mesh.devices[0].replica.links().into_iter().next().unwrap();
    assert_eq!(link.syncs.len(), 1);
    assert!(link.syncs[0].agreed, "{link:?}");
    mesh.disconnect(0, 1);
    mesh.put(0, space, "a", "c");
    let ended = |mesh: &Mesh, n: usize| {
        mesh.devices[n].events.iter().rev().find_map(|event| match event {
            Event::SessionEnded { sync, .. } => Some(sync.clone()),
            _ => None,
        })
    };
    let sync = ended(&mesh, 0).unwrap();
    assert_eq!((sync.space, sync.agreed, &sync.causes), (space, true, &Vec::new()));
    assert!(sync.entries_sent > 0 && sync.entries_received > 0 && sync.run_bytes_sent > 0);
    let (near, far) = (LinkId(90), LinkId(91));
    mesh.devices[0].links.push((near, 1, far));
    mesh.devices[1].links.push((far, 0, near));
    let (zero, one) = (mesh.id(0), mesh.id(1));
    mesh.input(0, Input::PeerConnected { link: near, peer: one });
    mesh.input(1, Input::PeerConnected { link: far, peer: zero });
    while mesh.devices[0].replica.counters().runs_sent == 0
        || mesh.devices[0].replica.links()[0].syncs.iter().all(|sync| sync.entries_sent == 0)
    {
        let (n, link, bytes) = mesh.wire.pop_front().unwrap();
        mesh.input(n, Input::Received { link, bytes });
    }
    mesh.disconnect(0, 1);
    let sync = ended(&mesh, 0).unwrap();
    assert!(!sync.agreed);
    assert_eq!(sync.causes, [Cause::InFlight { entries: 1 }]);
    assert_eq!(mesh.devices[0].replica.ended_sessions().len(), 1, "the last with each device");
}

#[test]
fn why_names_what_keeps_two_devices_apart() {
    let (mut mesh, space) = pair();
    mesh.put(0, space, "a", "b");
    let why = |mesh: &mut Mesh, n: usize| {
        let now = mesh.now;
        mesh.devices[n].replica.why(space, now).unwrap().unwrap()
    };
    let told = why(&mut mesh, 0);
    assert!(told.synced && told.here.is_empty() && told.peers[0].causes.is_empty(), "{told:?}");
    assert!(told.peers[0].linked);
    mesh.disconnect(0, 1);
    assert!(why(&mut mesh, 0).synced, "it held all when it left");
    mesh.put(0, space, "a", "c");
    let told = why(&mut mesh, 0);
    assert_eq!((told.synced, told.peers[0].missing), (false, 1));
    assert_eq!(told.peers[0].causes, [Cause::NotConnected]);
    assert_eq!(told.peers[0].last_seen, Some(mesh.now));
    let ticket = mesh.invite(0, space, 1);
    mesh.devices.extend(Mesh::new(3).devices.pop());
    mesh.join(2, &ticket);
    assert_eq!(why(&mut mesh, 2).here, [Here::NotAdmitted]);
    mesh.connect(0, 2);
    mesh.connect(0, 1);
    mesh.pass_ms(1_000);
    for n in 0..3 {
        let told = why(&mut mesh, n);
        assert!(n > 0 || told.synced, "{told:?}");
        assert_eq!(told.peers.len(), 2);
    }
    let told = why(&mut mesh, 1);
    let third = mesh.id(2);
    let third = told.peers.iter().find(|peer| peer.device == third).unwrap();
    assert_eq!(third.causes, [Cause::NeverMet], "its entries came by way of another");
}

#[test]
fn a_member_that_floods_is_shut_out_as_well_and_nothing_grows() {
    let (mut mesh, space) = pair();
    mesh.put(1, space, "a", "b");
    let link = mesh.devices[0].links[0].0;
    let frames: Vec<Vec<u8>> =
        mesh.recorded.iter().filter(|(_, to, _)| *to == 0).map(|(.., f)| f.clone()).collect();
    let before = mesh.devices[0].replica.counters();
    let (mut sent, mut answered) = (0_u64, 0);
    let flooder = mesh.id(1);
    let over = |event: &Event| matches!(event, Event::GreyListed { peer, .. } if *peer == flooder);
    while !mesh.devices[0].events.iter().any(over) {
        let inputs = frames.iter().map(|bytes| Input::Received { link, bytes: bytes.clone() });
        mesh.inputs(0, inputs.collect());
        sent += frames.len() as u64;
        answered += mesh.wire.drain(..).count();
        assert!(sent < 20 * limits::PACE_OF_MEMBERS.frames_max, "it goes on for ever");
    }
    let after = mesh.devices[0].replica.counters();
    assert_eq!(after.entries_received, before.entries_received);
    assert!(after.frames_dropped > 0);
    assert!(answered as u64 <= 2 * limits::PACE_OF_MEMBERS.frames_max, "{answered} answers");
    assert!(mesh.devices[0].replica.links().is_empty());
    assert_eq!(mesh.devices[0].replica.grey_listed(mesh.now).len(), 1);
    let now = mesh.now;
    let told = mesh.devices[0].replica.why(space, now).unwrap().unwrap();
    assert!(matches!(told.peers[0].causes[..], [Cause::GreyListed { .. }]), "{told:?}");
}

#[test]
fn why_names_the_first_entry_that_others_wait_for_and_who_could_have_it() {
    let mut mesh = Mesh::new(3);
    let space = mesh.create(0, "work");
    let ticket = mesh.invite(0, space, 2);
    mesh.connect(0, 1);
    mesh.join(1, &ticket);
    mesh.connect(1, 2);
    mesh.join(2, &ticket);
    mesh.pass_ms(1_000);
    mesh.put(1, space, "warm", "up");
    let log = mesh.devices[0].replica.space(space).unwrap().own_log.unwrap();
    let target = Target::Named { name: "n".into(), shape: Kind::Counter.into() };
    let edits = vec![ObjectEdit { target, action: Action::Change(Edit::Increment(1)) }];
    mesh.input(0, Input::Wished { wish: WishId(99), what: Wish::Edit { space, edits } });
    while let Some((to, link, bytes)) = mesh.wire.pop_front() {
        if to != 2 {
            mesh.input(to, Input::Received { link, bytes });
        }
    }
    let seq = mesh.devices[0].replica.space(space).unwrap();
    let seq = seq.logs.iter().find(|view| view.log == log).unwrap().seq;
    mesh.put(1, space, "after", "that");
    let now = mesh.now;
    let told = mesh.devices[2].replica.why(space, now).unwrap().unwrap();
    let (zero, one) = (mesh.id(0), mesh.id(1));
    let [
        Here::Waits {
            author,
            entries: 1,
            lacks: Lacks::Entry { log: l, seq: s, here: false, holders },
            ..
        },
    ] = &told.here[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!((*author, *l, *s), (one, log, seq));
    assert!(holders.contains(&zero) && holders.contains(&one), "{holders:?}");
    assert!(!told.synced);
    mesh.pass_ms(5_000);
    let now = mesh.now;
    assert!(mesh.devices[2].replica.why(space, now).unwrap().unwrap().here.is_empty());
    mesh.assert_converged(space);
}
