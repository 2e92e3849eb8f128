//! Logs that went more than one way: three branches, and a branch that a checkpoint has settled.

#[path = "support/mesh.rs"]
mod mesh;

use meshwork_protocol::{Event, Governance, SpaceId};

use mesh::{Mesh, members};

fn set(mesh: &mut Mesh, n: usize, space: SpaceId, names: std::ops::Range<u32>, value: &str) {
    for name in names {
        mesh.set(n, space, &format!("key {name}"), value);
    }
}

fn same(mesh: &mut Mesh, space: SpaceId, devices: &[usize]) {
    mesh.pass_ms(60_000);
    for n in devices {
        assert_eq!(mesh.waiting(*n, space), 0, "device {n} waits");
        assert_eq!(mesh.digest(*n, space), mesh.digest(devices[0], space), "device {n}");
        mesh.reopen(*n);
        assert_eq!(mesh.digest(*n, space), mesh.digest(devices[0], space), "device {n} again");
    }
}

fn full(mesh: &mut Mesh, devices: &[usize]) {
    for (at, a) in devices.iter().enumerate() {
        for b in &devices[at + 1..] {
            mesh.connect(*a, *b);
        }
    }
}

/// The same disk was put back twice, and written on from there each time.
#[test]
fn a_log_that_went_three_ways_ends_where_the_first_two_parted() {
    let (mut mesh, space) = members(5);
    for n in 1..5 {
        mesh.connect(0, n);
    }
    set(&mut mesh, 1, space, 0..5, "common");
    for n in 1..5 {
        mesh.disconnect(0, n);
    }
    let first = mesh.clone_device(1);
    set(&mut mesh, 1, space, 5..9, "common to two");
    let second = mesh.clone_device(1);
    set(&mut mesh, 1, space, 9..12, "one");
    set(&mut mesh, second, space, 9..12, "two");
    set(&mut mesh, first, space, 5..7, "three");
    // Each of three others knows another branch.
    for (writer, reader) in [(1, 2), (second, 3), (first, 4)] {
        mesh.connect(writer, reader);
        mesh.set(reader, space, &format!("on {reader}"), "x");
        mesh.disconnect(writer, reader);
    }
    // The later place where they part is proven first.
    mesh.connect(2, 3);
    mesh.pass_ms(30_000);
    assert_eq!(mesh.get(2, space, "key 8"), Some("common to two".into()));
    assert_eq!(mesh.get(2, space, "key 9"), None);
    full(&mut mesh, &[0, 3, 4]);
    same(&mut mesh, space, &[0, 2, 3, 4]);
    assert_eq!(mesh.get(0, space, "key 4"), Some("common".into()));
    assert_eq!(mesh.get(0, space, "key 5"), None);
    assert_eq!(mesh.get(4, space, "on 3"), Some("x".into()));
}

/// What a checkpoint says that counts is the branch that all go by, whoever held another.
#[test]
fn a_branch_that_a_checkpoint_has_settled_takes_the_place_of_another() {
    for told_first in [false, true] {
        let (mut mesh, space) = members(4);
        full(&mut mesh, &[0, 1, 2, 3]);
        set(&mut mesh, 1, space, 0..5, "common");
        mesh.disconnect(0, 3);
        mesh.disconnect(1, 3);
        mesh.disconnect(2, 3);
        let twin = mesh.clone_device(1);
        set(&mut mesh, 1, space, 5..9, "settled");
        mesh.set(2, space, "built on it", "x");
        set(&mut mesh, twin, space, 5..8, "other");
        mesh.connect(twin, 3);
        mesh.set(3, space, "built on the other", "x");
        mesh.disconnect(twin, 3);
        let all = Governance::Checkpoint { away_ms: 20_000 };
        if told_first {
            // The fork is known before the checkpoint is.
            mesh.pass_ms(30_000);
            mesh.disconnect(0, 1);
            mesh.disconnect(0, 2);
            mesh.govern(0, space, all).unwrap();
            mesh.connect(1, 3);
            mesh.pass_ms(30_000);
            assert_eq!(mesh.get(2, space, "key 5"), None);
            full(&mut mesh, &[0, 1, 2]);
        } else {
            mesh.pass_ms(30_000);
            mesh.govern(0, space, all).unwrap();
            mesh.pass_ms(30_000);
            mesh.connect(0, 3);
        }
        same(&mut mesh, space, &[0, 1, 2, 3]);
        mesh.connect(0, twin);
        same(&mut mesh, space, &[0, twin]);
        for n in [0, 1, 2, 3, twin] {
            assert_eq!(mesh.get(n, space, "key 8"), Some("settled".into()), "device {n}");
            assert_eq!(mesh.get(n, space, "built on it"), Some("x".into()), "device {n}");
        }
        let forked =
            |n: usize| mesh.devices[n].events.iter().any(|e| matches!(e, Event::Forked { .. }));
        assert!(forked(3), "device 3 does not know");
    }
}
