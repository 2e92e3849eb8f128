//! Spaces of more devices than link with each other.

#[path = "support/mesh.rs"]
mod mesh;

use meshwork_protocol::{Input, SpaceId, limits};

use mesh::Mesh;

/// Makes the links that were asked for, and lets time pass.
fn live(mesh: &mut Mesh, seconds: u64) {
    for _ in 0..seconds {
        mesh.pass_ms(1_000);
        for (from, peer, addresses) in std::mem::take(&mut mesh.dialled) {
            let to = (0..mesh.devices.len()).find(|n| mesh.id(*n) == peer).unwrap();
            let told = addresses == [format!("/memory/{to}")];
            assert!(told || addresses.is_empty(), "{addresses:?} was told of {to}");
            if !mesh.devices[from].links.iter().any(|(_, far, _)| *far == to) {
                mesh.connect(from, to);
            }
        }
    }
}

/// So many members, each of which has met the first and can be reached.
fn space_of(devices: usize) -> (Mesh, SpaceId) {
    let mut mesh = Mesh::new(devices);
    let space = mesh.create(0, "town");
    let ticket = mesh.invite(0, space, 100);
    for n in 0..devices {
        mesh.input(n, Input::Reachable { addresses: vec![format!("/memory/{n}")] });
        if n > 0 {
            mesh.join(n, &ticket);
            mesh.connect(0, n);
        }
    }
    (mesh, space)
}

fn links(mesh: &Mesh) -> Vec<usize> {
    mesh.devices.iter().map(|device| device.links.len()).collect()
}

#[test]
fn sixteen_devices_are_left_alone() {
    let (mut mesh, _) = space_of(limits::FULL_MESH_MAX);
    live(&mut mesh, 60);
    let mut expected = vec![1; limits::FULL_MESH_MAX];
    expected[0] = limits::FULL_MESH_MAX - 1;
    assert_eq!(links(&mesh), expected);
    assert!(mesh.recorded.iter().all(|(_, _, frame)| frame[1] <= 10));
}

#[test]
fn a_hub_of_thirty_becomes_an_overlay_through_which_edits_reach_all() {
    let (mut mesh, space) = space_of(30);
    live(&mut mesh, 120);
    let degrees = links(&mesh);
    assert!(degrees.iter().all(|links| *links <= limits::OVERLAY_LINKS_CAP + 1), "{degrees:?}");
    assert!(degrees.iter().all(|links| *links >= limits::OVERLAY_LINKS - 2), "{degrees:?}");
    assert_eq!(mesh.rejections(), 0);
    for writer in [0, 17, 29] {
        mesh.put(writer, space, &format!("from {writer}"), "x");
    }
    live(&mut mesh, 30);
    mesh.assert_converged(space);
}

#[test]
fn the_hub_may_vanish() {
    let (mut mesh, space) = space_of(24);
    live(&mut mesh, 60);
    for other in 1..24 {
        mesh.disconnect(0, other);
    }
    mesh.put(5, space, "still", "here");
    mesh.dialled.retain(|(from, ..)| *from != 0);
    let hub = mesh.id(0);
    for _ in 0..30 {
        mesh.dialled.retain(|(from, to, _)| *from != 0 && *to != hub);
        live(&mut mesh, 1);
    }
    for n in 1..24 {
        let value = mesh.value(n, space, "settings").map(|value| value.to_string());
        assert_eq!(value.as_deref(), Some(r#"{"still":"here"}"#), "device {n}");
    }
}

#[test]
fn a_link_that_another_space_needs_stays() {
    let (mut mesh, _) = space_of(24);
    let pair = mesh.create(0, "two");
    let ticket = mesh.invite(0, pair, 1);
    mesh.join(9, &ticket);
    live(&mut mesh, 120);
    assert!(mesh.devices[0].links.iter().any(|(_, far, _)| *far == 9));
    assert!(mesh.devices[0].links.len() <= limits::OVERLAY_LINKS_CAP + 2);
}

#[test]
fn who_has_no_link_with_the_author_gets_entries_at_once_from_another() {
    let mut mesh = Mesh::new(6);
    let space = mesh.create(0, "work");
    let ticket = mesh.invite(0, space, 9);
    for n in 1..6 {
        mesh.join(n, &ticket);
        for other in 0..n {
            mesh.connect(n, other);
        }
    }
    mesh.disconnect(0, 5);
    for round in 0..6 {
        mesh.put(0, space, "round", &format!("{round}"));
        let expected = format!(r#"{{"round":"{round}"}}"#);
        for n in 1..6 {
            let value = mesh.value(n, space, "settings").map(|value| value.to_string());
            assert_eq!(value.as_ref(), Some(&expected), "device {n}");
        }
        mesh.pass_ms(1_000);
    }
}
