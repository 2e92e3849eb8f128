//! New devices brought to the present by a snapshot, and what follows: the history, the audit, who brings whom.

#[path = "support/mesh.rs"]
mod mesh;

use meshwork_crdt::{Edit, Kind};
use meshwork_protocol::store::Store as _;
use meshwork_protocol::{Event, Governance, Refusal, Role, SpaceId, Ticket, Wish};

use mesh::Mesh;

/// A founder that has written so many entries, with a ticket for others.
fn founded(devices: usize, entries: usize) -> (Mesh, SpaceId, Ticket) {
    let mut mesh = Mesh::new(devices);
    for n in 0..devices {
        mesh.devices[n].replica.snapshots_from(100);
    }
    let space = mesh.create(0, "work");
    for n in 0..entries {
        mesh.put(0, space, &format!("key {}", n % 40), &format!("value {n}"));
    }
    let ticket = mesh.invite(0, space, 10);
    (mesh, space, ticket)
}

fn brought(mesh: &Mesh, n: usize) -> Vec<(u64, bool)> {
    let events = mesh.devices[n].events.iter();
    let brought = events.filter_map(|event| match event {
        Event::Brought { entries, new, .. } => Some((*entries, *new)),
        _ => None,
    });
    brought.collect()
}

fn audits(mesh: &Mesh, n: usize) -> Vec<bool> {
    let events = mesh.devices[n].events.iter();
    let audits = events.filter_map(|event| match event {
        Event::Audited { proven, .. } => Some(*proven),
        _ => None,
    });
    audits.collect()
}

fn older(mesh: &Mesh, n: usize, space: SpaceId) -> u64 {
    mesh.devices[n].replica.space(space).unwrap().older
}

#[test]
fn a_newcomer_sees_the_present_first_and_then_gets_the_past() {
    let (mut mesh, space, ticket) = founded(2, 300);
    mesh.wish(1, Wish::Join { ticket: Box::new(ticket) }).unwrap();
    mesh.connect_silently(0, 1);
    while brought(&mesh, 1).is_empty() {
        assert!(mesh.step(), "a snapshot comes");
    }
    assert_eq!(brought(&mesh, 1), [(301, true)]);
    assert!(mesh.value(1, space, "settings").unwrap().to_string().contains("value 299"));
    assert_eq!(older(&mesh, 1, space), 301);
    assert!(mesh.devices[1].replica.counters().entries_received < 10);
    mesh.settle();
    assert_eq!(older(&mesh, 1, space), 0);
    assert_eq!(audits(&mesh, 1), [true]);
    assert!(mesh.devices[1].replica.space(space).unwrap().brought_by.is_none());
    mesh.put(1, space, "mine", "x");
    mesh.put(0, space, "theirs", "y");
    mesh.assert_converged(space);
    assert_eq!(mesh.rejections(), 0);
}

#[test]
fn few_entries_come_as_entries() {
    let (mut mesh, space, ticket) = founded(2, 50);
    mesh.join(1, &ticket);
    mesh.connect(0, 1);
    mesh.assert_converged(space);
    assert!(brought(&mesh, 1).is_empty());
}

#[test]
fn who_was_brought_by_a_snapshot_brings_the_next_before_its_own_history_has_come() {
    let (mut mesh, space, ticket) = founded(3, 300);
    mesh.wish(1, Wish::Join { ticket: Box::new(ticket.clone()) }).unwrap();
    mesh.connect_silently(0, 1);
    while brought(&mesh, 1).is_empty() {
        assert!(mesh.step());
    }
    mesh.disconnect(0, 1);
    mesh.wire.clear();
    mesh.put(1, space, "mine", "x");
    assert!(older(&mesh, 1, space) > 0);
    mesh.join(2, &ticket);
    mesh.connect(1, 2);
    assert_eq!(brought(&mesh, 2).len(), 1);
    assert!(older(&mesh, 2, space) > 0);
    assert!(mesh.value(2, space, "settings").unwrap().to_string().contains("mine"));
    mesh.connect(0, 1);
    mesh.connect(0, 2);
    mesh.pass_ms(60_000);
    assert_eq!((older(&mesh, 1, space), older(&mesh, 2, space)), (0, 0));
    mesh.assert_converged(space);
    assert_eq!((audits(&mesh, 1), audits(&mesh, 2)), (vec![true], vec![true]));
    assert_eq!(mesh.rejections(), 0);
}

#[test]
fn a_device_restarted_with_half_its_history_gets_the_rest() {
    let (mut mesh, space, ticket) = founded(2, 900);
    mesh.wish(1, Wish::Join { ticket: Box::new(ticket) }).unwrap();
    mesh.connect_silently(0, 1);
    while brought(&mesh, 1).is_empty() || older(&mesh, 1, space) > 500 {
        assert!(mesh.step());
    }
    assert!(older(&mesh, 1, space) > 0);
    mesh.wire.clear();
    mesh.reopen(1);
    mesh.devices[1].replica.snapshots_from(100);
    assert!(older(&mesh, 1, space) > 0);
    mesh.connect(0, 1);
    mesh.pass_ms(60_000);
    assert_eq!(older(&mesh, 1, space), 0);
    assert_eq!(audits(&mesh, 1), [true]);
    mesh.assert_converged(space);
    mesh.reopen(1);
    mesh.assert_converged(space);
}

#[test]
fn without_an_answer_entries_come_after_all() {
    let (mut mesh, space, ticket) = founded(2, 300);
    mesh.join(1, &ticket);
    // It makes no snapshots any more.
    mesh.devices[0].replica.snapshots_from(u64::MAX);
    mesh.connect(0, 1);
    mesh.settle();
    assert!(brought(&mesh, 1).is_empty());
    mesh.assert_converged(space);
    assert_eq!(older(&mesh, 1, space), 0);
}

#[test]
fn a_part_that_is_lost_costs_time_and_nothing_else() {
    let (mut mesh, space, ticket) = founded(2, 300);
    for n in 0..40 {
        let text = Edit::Replace(format!("{n} {}", "lorem ipsum ".repeat(400)));
        mesh.edit(0, space, &format!("note {n}"), Kind::Text, text);
    }
    mesh.wish(1, Wish::Join { ticket: Box::new(ticket) }).unwrap();
    mesh.connect_silently(0, 1);
    let is_part = |bytes: &[u8]| bytes.get(1) == Some(&18) && bytes.len() > 20_000;
    let mut lost = 0;
    loop {
        if lost == 0
            && let Some(at) = mesh.wire.iter().position(|(_, _, bytes)| is_part(bytes))
        {
            mesh.wire.remove(at);
            lost += 1;
        }
        if !mesh.step() {
            break;
        }
    }
    assert_eq!((lost, brought(&mesh, 1).len()), (1, 0));
    mesh.pass_ms(60_000);
    mesh.assert_converged(space);
}

#[test]
fn who_is_removed_below_what_a_snapshot_contains_is_taken_out_of_it_once_the_history_is_here() {
    let (mut mesh, space, ticket) = founded(4, 200);
    for n in [1, 2] {
        mesh.join(n, &ticket);
        mesh.connect(0, n);
        mesh.settle();
    }
    mesh.govern(0, space, Governance::SetRole { member: mesh.member(2), role: Role::Admin })
        .unwrap();
    mesh.settle();
    // Device 2 hears nothing more of 1, and takes it out; 0 and 3 hear what 1 goes on writing.
    mesh.disconnect(0, 2);
    let target = mesh.member(1);
    mesh.govern(2, space, Governance::RemoveMember { member: target }).unwrap();
    for n in 0..150 {
        mesh.set(1, space, "late", &format!("{n}"));
    }
    let again = mesh.invite(0, space, 1);
    mesh.wish(3, Wish::Join { ticket: Box::new(again) }).unwrap();
    mesh.connect_silently(0, 3);
    while brought(&mesh, 3).is_empty() {
        assert!(mesh.step());
    }
    assert!(mesh.get(3, space, "late").is_some());
    mesh.disconnect(0, 3);
    mesh.disconnect(0, 1);
    mesh.wire.clear();
    mesh.connect(2, 3);
    mesh.pass_ms(30_000);
    mesh.disconnect(2, 3);
    mesh.connect(0, 2);
    mesh.pass_ms(30_000);
    mesh.connect(0, 3);
    mesh.pass_ms(90_000);
    assert_eq!(older(&mesh, 3, space), 0);
    let digests: Vec<_> = [0, 2, 3].map(|n| mesh.digest(n, space)).into();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(mesh.get(3, space, "late").is_none());
    assert_eq!(mesh.quarantined(3, space), mesh.quarantined(0, space));
}

fn drop_history(mesh: &mut Mesh, n: usize, space: SpaceId) {
    mesh.wish(n, Wish::KeepHistory { space, keep: false }).unwrap();
}

fn rows(mesh: &Mesh, n: usize, letter: u8) -> usize {
    let mut rows = 0;
    let count = &mut |_: &[u8], _: &[u8]| {
        rows += 1;
        true
    };
    mesh.devices[n].store.scan(&[letter], &[letter + 1], count).unwrap();
    rows
}

const ALL: Governance = Governance::Checkpoint { away_ms: u64::MAX };

#[test]
fn what_all_hold_is_forgotten_where_a_checkpoint_stands_and_the_rest_goes_on() {
    let (mut mesh, space, ticket) = founded(3, 200);
    for n in [1, 2] {
        mesh.join(n, &ticket);
        mesh.connect(0, n);
        mesh.settle();
    }
    for n in 0..40 {
        mesh.put(1 + n % 2, space, "busy", &n.to_string());
    }
    drop_history(&mut mesh, 1, space);
    let before = rows(&mesh, 1, b'e');
    mesh.govern(0, space, ALL).unwrap();
    mesh.settle();
    assert!(rows(&mesh, 1, b'e') <= 2, "{before} runs, then {}", rows(&mesh, 1, b'e'));
    assert!(older(&mesh, 1, space) > 230);
    assert_eq!(older(&mesh, 0, space), 0);
    assert_eq!(mesh.govern(0, space, ALL), Err(Refusal::NothingStable));

    mesh.put(1, space, "after", "x");
    mesh.put(0, space, "after too", "y");
    mesh.assert_converged(space);
    mesh.reopen(1);
    mesh.connect(0, 1);
    mesh.pass_ms(60_000);
    assert!(older(&mesh, 1, space) > 230, "it asks for what it wants no more");
    mesh.put(2, space, "after", "z");
    mesh.assert_converged(space);

    // Another checkpoint moves the ground, and who wants history again gets it.
    mesh.govern(0, space, ALL).unwrap();
    mesh.settle();
    mesh.put(1, space, "last", "x");
    mesh.assert_converged(space);
    mesh.wish(1, Wish::KeepHistory { space, keep: true }).unwrap();
    mesh.pass_ms(60_000);
    assert_eq!((older(&mesh, 1, space), rows(&mesh, 1, b'z')), (0, 0));
    mesh.reopen(1);
    mesh.assert_converged(space);
    assert_eq!(mesh.rejections(), 0);
}

#[test]
fn nothing_is_forgotten_before_every_admin_has_said_that_it_knows() {
    let (mut mesh, space, ticket) = founded(3, 50);
    for n in [1, 2] {
        mesh.join(n, &ticket);
        mesh.connect(0, n);
        mesh.settle();
    }
    let member = mesh.member(2);
    mesh.govern(0, space, Governance::SetRole { member, role: Role::Admin }).unwrap();
    mesh.settle();
    mesh.disconnect(0, 2);
    drop_history(&mut mesh, 1, space);
    mesh.govern(0, space, ALL).unwrap();
    mesh.pass_ms(30_000);
    assert_eq!(older(&mesh, 1, space), 0);
    mesh.connect(0, 2);
    mesh.pass_ms(30_000);
    assert!(older(&mesh, 1, space) > 40);
    mesh.assert_converged(space);
}

#[test]
fn a_device_that_returns_to_where_nobody_has_the_past_is_rebased_and_loses_nothing() {
    let (mut mesh, space, ticket) = founded(3, 150);
    for n in [1, 2] {
        mesh.join(n, &ticket);
        mesh.connect(0, n);
        mesh.settle();
    }
    mesh.edit(2, space, "shared", Kind::Text, Edit::Replace("one two three".into()));
    mesh.disconnect(0, 2);
    mesh.edit(2, space, "shared", Kind::Text, Edit::Replace("one two three four".into()));
    mesh.put(2, space, "offline", "kept");
    mesh.edit(0, space, "shared", Kind::Text, Edit::Replace("zero one two three".into()));
    for n in 0..150 {
        mesh.put(n % 2, space, "busy", &n.to_string());
    }
    mesh.pass_ms(120_000);
    for n in [0, 1] {
        drop_history(&mut mesh, n, space);
    }
    mesh.govern(0, space, Governance::Checkpoint { away_ms: 60_000 }).unwrap();
    mesh.pass_ms(30_000);
    assert!(older(&mesh, 0, space) > 100 && older(&mesh, 1, space) > 100);
    mesh.connect(0, 2);
    mesh.pass_ms(60_000);
    assert_eq!(brought(&mesh, 2).last().map(|(_, new)| *new), Some(false));
    mesh.assert_converged(space);
    for n in 0..3 {
        assert_eq!(mesh.value(n, space, "shared"), Some("zero one two three four".into()));
        assert!(mesh.value(n, space, "settings").unwrap().to_string().contains("kept"));
    }
    assert_eq!(mesh.rejections(), 0);
}

#[test]
fn a_device_that_keeps_no_history_holds_the_present_and_what_follows() {
    let (mut mesh, space, ticket) = founded(2, 300);
    mesh.wish(1, Wish::Join { ticket: Box::new(ticket) }).unwrap();
    drop_history(&mut mesh, 1, space);
    mesh.connect(0, 1);
    mesh.pass_ms(60_000);
    assert_eq!(brought(&mesh, 1).len(), 1);
    assert_eq!(older(&mesh, 1, space), 301);
    mesh.put(0, space, "x", "y");
    mesh.assert_converged(space);
    mesh.reopen(1);
    mesh.assert_converged(space);
}

#[test]
fn a_removal_after_the_ground_is_followed_without_the_past_and_one_below_it_changes_nothing() {
    let (mut mesh, space, ticket) = founded(3, 20);
    for n in [1, 2] {
        mesh.join(n, &ticket);
        mesh.connect(0, n);
        mesh.settle();
    }
    mesh.set(1, space, "early", "counts");
    drop_history(&mut mesh, 2, space);
    mesh.govern(0, space, ALL).unwrap();
    mesh.pass_ms(30_000);
    assert!(older(&mesh, 2, space) > 0);
    // The founder does not hear what 1 goes on writing; 2 does.
    mesh.disconnect(0, 1);
    mesh.connect(1, 2);
    mesh.disconnect(0, 2);
    mesh.set(1, space, "late", "does not");
    assert!(mesh.get(2, space, "late").is_some());
    mesh.disconnect(1, 2);
    mesh.govern(0, space, Governance::RemoveMember { member: mesh.member(1) }).unwrap();
    mesh.connect(0, 2);
    mesh.pass_ms(30_000);
    for n in [0, 2] {
        assert!(mesh.get(n, space, "late").is_none());
        assert_eq!(mesh.get(n, space, "early"), Some("counts".into()));
    }
    assert_eq!(mesh.digest(0, space), mesh.digest(2, space));
    mesh.reopen(2);
    assert_eq!(mesh.digest(0, space), mesh.digest(2, space));
}
