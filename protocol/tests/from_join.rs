//! Spaces whose newcomers can read nothing of what was written before they came.

#[path = "support/mesh.rs"]
mod mesh;

use meshwork_protocol::{Event, Governance, History, Role, SpaceId};

use mesh::Mesh;

/// A space that hides its past, in which the first `joined` of some devices are, linked with the founder.
fn founded(devices: usize, joined: usize) -> (Mesh, SpaceId) {
    let mut mesh = Mesh::new(devices);
    let space = mesh.create_with(0, "work", History::FromJoin);
    mesh.set(0, space, "first", "0");
    for n in 1..joined {
        let ticket = mesh.invite(0, space, 1);
        mesh.join(n, &ticket);
        mesh.connect(0, n);
        mesh.set(n, space, &format!("of {n}"), "x");
    }
    (mesh, space)
}

fn brought(mesh: &Mesh, n: usize) -> usize {
    let brought = |event: &&Event| matches!(event, Event::Brought { .. });
    mesh.devices[n].events.iter().filter(brought).count()
}

fn shows(mesh: &mut Mesh, n: usize, space: SpaceId, name: &str, value: &str) -> bool {
    mesh.get(n, space, name) == Some(value.into())
}

#[test]
fn a_newcomer_sees_what_is_there_and_what_comes_and_can_restart() {
    let (mut mesh, space) = founded(3, 3);
    mesh.set(0, space, "later", "1");
    mesh.set(2, space, "mine", "2");
    mesh.pass_ms(30_000);
    mesh.assert_converged(space);
    for (name, value) in [("first", "0"), ("of 1", "x"), ("later", "1"), ("mine", "2")] {
        assert!(shows(&mut mesh, 2, space, name, value), "{name}");
    }
    assert_eq!((brought(&mesh, 1), brought(&mesh, 2)), (1, 1));
    let before = mesh.digest(2, space);
    mesh.reopen(2);
    assert_eq!(mesh.digest(2, space), before);
    mesh.connect(0, 2);
    mesh.set(0, space, "last", "3");
    assert!(shows(&mut mesh, 2, space, "last", "3"));
    let view = mesh.devices[2].replica.space(space).unwrap();
    assert_eq!(view.brought_by, Some(mesh.id(0)));
    assert_eq!((view.history, mesh.rejections()), (History::FromJoin, 0));
}

#[test]
fn what_members_wrote_before_they_heard_of_a_newcomer_comes_to_it_all_the_same() {
    let (mut mesh, space) = founded(3, 2);
    mesh.disconnect(0, 1);
    let ticket = mesh.invite(0, space, 1);
    mesh.join(2, &ticket);
    mesh.connect(0, 2);
    mesh.set(1, space, "apart", "1");
    mesh.set(2, space, "mine", "2");
    mesh.connect(0, 1);
    mesh.connect(1, 2);
    mesh.pass_ms(60_000);
    mesh.assert_converged(space);
    assert!(shows(&mut mesh, 2, space, "apart", "1"));
    assert_eq!(brought(&mesh, 2), 2);
    // Nobody asks for a third.
    mesh.set(1, space, "apart", "3");
    mesh.pass_ms(60_000);
    mesh.assert_converged(space);
    assert_eq!(brought(&mesh, 2), 2);
}

#[test]
fn what_a_newcomer_was_told_and_does_not_count_any_more_is_taken_back() {
    let (mut mesh, space) = founded(4, 2);
    let ticket = mesh.invite(0, space, 1);
    mesh.join(3, &ticket);
    mesh.connect(0, 3);
    let (member, role) = (mesh.member(3), Role::Admin);
    mesh.govern(0, space, Governance::SetRole { member, role }).unwrap();
    mesh.pass_ms(30_000);
    mesh.disconnect(0, 3);
    mesh.set(1, space, "late", "1");
    let ticket = mesh.invite(0, space, 1);
    mesh.join(2, &ticket);
    mesh.connect(0, 2);
    mesh.set(2, space, "mine", "2");
    assert!(shows(&mut mesh, 2, space, "late", "1"));
    let member = mesh.member(1);
    mesh.govern(3, space, Governance::RemoveMember { member }).unwrap();
    mesh.connect(0, 3);
    mesh.connect(2, 3);
    mesh.pass_ms(60_000);
    for n in [0, 2, 3] {
        assert_eq!(mesh.get(n, space, "late"), None, "device {n}");
        assert!(shows(&mut mesh, n, space, "mine", "2"));
        assert!(shows(&mut mesh, n, space, "of 1", "x"));
    }
    assert_eq!(mesh.digest(0, space), mesh.digest(2, space));
    assert_eq!(mesh.digest(0, space), mesh.digest(3, space));
}
