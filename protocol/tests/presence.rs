//! What devices let each other know for the moment.

#[path = "support/mesh.rs"]
mod mesh;

use meshwork_protocol::{Event, Input, Outcome, Refusal, Role, SpaceId, Wish, limits};

use mesh::Mesh;

/// The kind of frames that carry presence.
const PRESENCE: u8 = 16;

fn present(mesh: &mut Mesh, n: usize, space: SpaceId, value: &str) {
    let value = Some(value.as_bytes().to_vec());
    assert_eq!(mesh.wish(n, Wish::Present { space, value }), Ok(Outcome::Presented));
}

/// What a device sees of another.
fn seen(mesh: &Mesh, n: usize, space: SpaceId, of: usize) -> Option<String> {
    let device = mesh.id(of);
    let all = mesh.devices[n].replica.presences(space).unwrap();
    let found = all.into_iter().find(|view| view.device == device)?;
    Some(String::from_utf8(found.value).unwrap())
}

/// A chain of four, of which the second may only pass things on.
fn chain() -> (Mesh, SpaceId) {
    let mut mesh = Mesh::new(4);
    let space = mesh.create(0, "work");
    for (n, role) in [(1, Role::Relay), (2, Role::Write), (3, Role::Read)] {
        let expires = mesh.now.plus_ms(60_000);
        let wish = Wish::Invite { space, role, expires, uses: 1, addresses: vec![] };
        let Ok(Outcome::Invited(ticket)) = mesh.wish(0, wish) else { panic!() };
        mesh.join(n, &ticket);
        mesh.connect(0, n);
        mesh.disconnect(0, n);
    }
    for n in 1..4 {
        mesh.connect(n - 1, n);
    }
    (mesh, space)
}

#[test]
fn a_presence_reaches_all_over_a_chain_with_a_relay_that_reads_nothing() {
    let (mut mesh, space) = chain();
    present(&mut mesh, 0, space, "typing in a cellar");
    present(&mut mesh, 3, space, "reading");
    for n in [0, 2, 3] {
        assert_eq!(seen(&mesh, n, space, 0).as_deref(), Some("typing in a cellar"), "{n}");
        assert_eq!(seen(&mesh, n, space, 3).as_deref(), Some("reading"), "{n}");
    }
    assert_eq!(seen(&mesh, 1, space, 0), None);
    let heard = |frame: &[u8]| frame.windows(6).any(|window| window == b"cellar");
    assert!(!mesh.recorded.iter().any(|(_, _, frame)| heard(frame)));
    assert_eq!(mesh.rejections(), 0);
}

#[test]
fn a_presence_is_renewed_while_its_device_is_there_and_ends_after_it() {
    let (mut mesh, space) = chain();
    present(&mut mesh, 0, space, "here");
    mesh.pass_ms(5 * limits::PRESENCE_FOR_MS);
    assert_eq!(seen(&mesh, 3, space, 0).as_deref(), Some("here"));
    mesh.disconnect(0, 1);
    mesh.devices[3].events.clear();
    mesh.pass_ms(limits::PRESENCE_FOR_MS + 1_000);
    assert_eq!(seen(&mesh, 3, space, 0), None);
    let gone = Event::Presence { space, device: mesh.id(0), value: None };
    assert!(mesh.devices[3].events.contains(&gone));
}

#[test]
fn who_is_present_no_more_says_so() {
    let (mut mesh, space) = chain();
    present(&mut mesh, 0, space, "here");
    mesh.pass_ms(100);
    mesh.wish(0, Wish::Present { space, value: None }).unwrap();
    mesh.pass_ms(100);
    assert_eq!(seen(&mesh, 3, space, 0), None);
    mesh.pass_ms(2 * limits::PRESENCE_FOR_MS);
    assert_eq!(seen(&mesh, 3, space, 0), None);
}

#[test]
fn a_newcomer_is_told_who_is_present() {
    let (mut mesh, space) = chain();
    mesh.disconnect(2, 3);
    present(&mut mesh, 0, space, "early");
    mesh.connect(2, 3);
    assert_eq!(seen(&mesh, 3, space, 0).as_deref(), Some("early"));
}

#[test]
fn of_many_changes_at_once_the_latest_arrives_and_few_travel() {
    let (mut mesh, space) = chain();
    mesh.recorded.clear();
    for n in 0..100 {
        present(&mut mesh, 0, space, &format!("cursor {n}"));
    }
    mesh.pass_ms(1_000);
    assert_eq!(seen(&mesh, 3, space, 0).as_deref(), Some("cursor 99"));
    let notes = mesh.recorded.iter().filter(|(from, _, frame)| *from == 0 && frame[1] == PRESENCE);
    assert_eq!(notes.count(), 2);
}

#[test]
fn notes_heard_before_are_neither_believed_nor_passed_on() {
    let (mut mesh, space) = chain();
    mesh.recorded.clear();
    present(&mut mesh, 0, space, "old");
    let old = mesh
        .recorded
        .iter()
        .find(|(from, to, frame)| (*from, *to) == (1, 2) && frame[1] == PRESENCE);
    let old = old.unwrap().2.clone();
    mesh.pass_ms(100);
    present(&mut mesh, 0, space, "new");
    mesh.pass_ms(100);
    let link = mesh.devices[2].links.iter().find(|(_, far, _)| *far == 1).unwrap().0;
    let replay = |mesh: &mut Mesh| {
        mesh.recorded.clear();
        mesh.input(2, Input::Received { link, bytes: old.clone() });
        mesh.settle();
        assert!(
            !mesh.recorded.iter().any(|(_, _, frame)| frame[1] == PRESENCE),
            "it was passed on"
        );
    };
    replay(&mut mesh);
    assert_eq!(seen(&mesh, 2, space, 0).as_deref(), Some("new"));
    mesh.disconnect(0, 1);
    mesh.pass_ms(2 * limits::PRESENCE_FOR_MS);
    assert_eq!(seen(&mesh, 2, space, 0), None);
    replay(&mut mesh);
    assert_eq!(seen(&mesh, 2, space, 0), None);
}

#[test]
fn in_a_full_mesh_notes_stop_travelling_twice_and_find_another_way_when_a_link_is_lost() {
    let mut mesh = Mesh::new(5);
    let space = mesh.create(0, "work");
    let ticket = mesh.invite(0, space, 9);
    for n in 1..5 {
        mesh.join(n, &ticket);
        for other in 0..n {
            mesh.connect(n, other);
        }
    }
    for n in 0..5 {
        present(&mut mesh, 0, space, &format!("{n}"));
        mesh.pass_ms(1_000);
    }
    mesh.recorded.clear();
    present(&mut mesh, 0, space, "quiet");
    let notes = mesh.recorded.iter().filter(|(_, _, frame)| frame[1] == PRESENCE).count();
    assert_eq!(notes, 4);
    for other in 1..4 {
        mesh.disconnect(0, other);
    }
    mesh.settle();
    mesh.pass_ms(1_000);
    present(&mut mesh, 0, space, "far");
    mesh.pass_ms(100);
    for n in 1..5 {
        assert_eq!(seen(&mesh, n, space, 0).as_deref(), Some("far"), "device {n}");
    }
}

#[test]
fn what_nobody_may_say_is_refused() {
    let (mut mesh, space) = chain();
    let value = Some(vec![0; limits::PRESENCE_BYTES_MAX + 1]);
    let refused = mesh.wish(0, Wish::Present { space, value });
    assert!(matches!(refused, Err(Refusal::Limit { .. })), "{refused:?}");
    let relay = mesh.wish(1, Wish::Present { space, value: Some(vec![1]) });
    assert_eq!(relay, Err(Refusal::NotAllowed { needs: Role::Read }));
    let largest = Some(vec![7; limits::PRESENCE_BYTES_MAX]);
    mesh.wish(0, Wish::Present { space, value: largest }).unwrap();
    assert_eq!(seen(&mesh, 3, space, 0).map(|value| value.len()), Some(4096));
}

#[test]
fn a_note_that_is_changed_on_its_way_changes_nothing() {
    let (mut mesh, space) = chain();
    present(&mut mesh, 0, space, "first");
    mesh.pass_ms(100);
    mesh.disconnect(2, 3);
    mesh.recorded.clear();
    present(&mut mesh, 0, space, "second");
    let passed = |(from, to, frame): &&(usize, usize, Vec<u8>)| {
        (*from, *to) == (1, 2) && frame[1] == PRESENCE
    };
    let frame = mesh.recorded.iter().find(passed).unwrap().2.clone();
    let number = frame.len() - 64;
    for at in [number - 1, number, frame.len() - 1] {
        let mut changed = frame.clone();
        changed[at] ^= 1;
        let (mut other, space) = chain();
        present(&mut other, 0, space, "first");
        let link = other.devices[2].links.iter().find(|link| link.1 == 1).unwrap().0;
        other.input(2, Input::Received { link, bytes: changed });
        assert_eq!(seen(&other, 2, space, 0).as_deref(), Some("first"));
        assert_eq!(other.devices[2].replica.counters().rejections, 1);
    }
}
