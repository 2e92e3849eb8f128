//! What users see when devices meet, part and meet again.

#[path = "support/mesh.rs"]
mod mesh;

use meshwork_crdt::{Edit, Kind, Value};
use meshwork_protocol::{Action, Event, Input, ObjectEdit, Refusal, Target, Ticket, Wish};

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
            if mesh.devices[0].links.is_empty() {
                mesh.connect(0, 1);
            }
            let bytes = frame[..at].to_vec();
            let link = mesh.devices[0].links[0].0;
            mesh.input(0, Input::Received { link, bytes });
            if mesh.devices[0].links.is_empty() {
                mesh.connect(0, 1);
            }
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
