//! What members and relays that lie can do, and what they cannot: the rows of `docs/threat-model.md`.
//! More of it: removed members, backdating and forks in `membership.rs`, floods in `replicas.rs`, wrong keys in
//! `src/replica/tests.rs`.

#[path = "support/mesh.rs"]
mod mesh;

use meshwork_crdt::{Edit, Kind, Path, Value};
use meshwork_protocol::{Event, Governance, Input, Outcome, Role, SpaceId, Wish};

use mesh::{Mesh, members};

/// Of frames, the kinds that carry entries.
fn carries_entries(frame: &[u8]) -> bool {
    matches!(frame.get(1), Some(5 | 10))
}

/// Lets frames arrive, each changed, dropped or kept by `meddle`, which is told from whom to whom it goes.
fn settle_through(mesh: &mut Mesh, mut meddle: impl FnMut(usize, &mut Vec<u8>) -> bool) {
    while let Some((to, link, mut bytes)) = mesh.wire.pop_front() {
        let from = mesh.devices[to].links.iter().find(|(near, ..)| *near == link).map(|l| l.1);
        if from.is_some_and(|from| meddle(from, &mut bytes)) {
            mesh.input(to, Input::Received { link, bytes });
        }
    }
}

fn connect_through(
    mesh: &mut Mesh,
    (a, b): (usize, usize),
    meddle: impl FnMut(usize, &mut Vec<u8>) -> bool,
) {
    let (near, far) =
        (meshwork_protocol::LinkId(mesh.links), meshwork_protocol::LinkId(mesh.links + 1));
    mesh.links += 2;
    mesh.devices[a].links.push((near, b, far));
    mesh.devices[b].links.push((far, a, near));
    let (id_a, id_b) = (mesh.id(a), mesh.id(b));
    mesh.input(a, Input::PeerConnected { link: near, peer: id_b });
    mesh.input(b, Input::PeerConnected { link: far, peer: id_a });
    settle_through(mesh, meddle);
}

#[test]
fn what_a_member_replays_changes_nothing() {
    let (mut mesh, space) = members(2);
    mesh.recorded.clear();
    mesh.connect(0, 1);
    for n in 0..10 {
        mesh.edit(1, space, "n", Kind::Counter, Edit::Increment(1));
        mesh.set(1, space, "last", &n.to_string());
    }
    let digest = mesh.digest(0, space);
    let replayed: Vec<Vec<u8>> =
        mesh.recorded.iter().filter(|(from, ..)| *from == 1).map(|(.., f)| f.clone()).collect();
    assert!(replayed.iter().any(|frame| carries_entries(frame)));
    let link = mesh.devices[0].links[0].0;
    for bytes in replayed.iter().chain(replayed.iter().rev()) {
        mesh.input(0, Input::Received { link, bytes: bytes.clone() });
        mesh.wire.clear();
    }
    assert_eq!(mesh.digest(0, space), digest);
    assert_eq!(mesh.value(0, space, "n"), Some(Value::Int(10)));
    // And on another link, where nothing of it was ever meant to be said.
    mesh.disconnect(0, 1);
    mesh.connect(0, 1);
    let link = mesh.devices[0].links[0].0;
    for bytes in replayed {
        mesh.input(0, Input::Received { link, bytes });
        mesh.wire.clear();
    }
    assert_eq!(mesh.digest(0, space), digest);
}

#[test]
fn a_relay_that_changes_entries_is_believed_in_nothing() {
    let (mut mesh, space) = members(3);
    mesh.connect(0, 1);
    mesh.set(0, space, "a", "true");
    mesh.disconnect(0, 1);
    for at in [20, 40, 60, 100, 140] {
        connect_through(&mut mesh, (1, 2), |from, frame| {
            let place = at.min(frame.len().saturating_sub(1));
            if from == 1 && carries_entries(frame) {
                frame[place] ^= 1;
            }
            true
        });
        assert_eq!(mesh.get(2, space, "a"), None, "changed at {at}");
        mesh.disconnect(1, 2);
        mesh.pass_ms(60 * 60 * 1_000);
    }
    mesh.connect(0, 2);
    mesh.pass_ms(10_000);
    assert_eq!(mesh.get(2, space, "a"), Some(Value::from("true")));
}

#[test]
fn what_a_member_withholds_comes_from_any_other_and_is_known_to_be_missing() {
    let (mut mesh, space) = members(4);
    for n in [1, 2] {
        mesh.connect(0, n);
    }
    mesh.set(0, space, "a", "kept back");
    for n in [1, 2] {
        mesh.disconnect(0, n);
    }
    connect_through(&mut mesh, (1, 3), |from, frame| from != 1 || !carries_entries(frame));
    assert_eq!(mesh.get(3, space, "a"), None);
    // Its heads told what there is: the device knows that it lacks something.
    let lacking = mesh.devices[3].replica.why(space, mesh.now);
    assert!(lacking.unwrap().is_some_and(|why| !why.synced), "it believes that it has all");
    mesh.connect(2, 3);
    assert_eq!(mesh.get(3, space, "a"), Some(Value::from("kept back")));
}

#[test]
fn a_relay_keeps_entries_for_who_is_away_and_reads_none() {
    let mut mesh = Mesh::new(3);
    let space = mesh.create(0, "work");
    for (n, role) in [(1, Role::Relay), (2, Role::Write)] {
        let expires = mesh.now.plus_ms(60_000);
        let wish = Wish::Invite { space, role, expires, uses: 1, addresses: vec![] };
        let Ok(Outcome::Invited(ticket)) = mesh.wish(0, wish) else { panic!() };
        mesh.join(n, &ticket);
        mesh.connect(0, n);
        mesh.disconnect(0, n);
    }
    mesh.connect(0, 1);
    mesh.set(0, space, "a", "for later");
    mesh.disconnect(0, 1);
    mesh.reopen(1);
    assert_eq!(mesh.get(1, space, "a"), None);
    mesh.connect(1, 2);
    assert_eq!(mesh.get(2, space, "a"), Some(Value::from("for later")));
    assert_eq!(mesh.get(1, space, "a"), None);
    mesh.set(2, space, "b", "an answer");
    mesh.disconnect(1, 2);
    mesh.connect(0, 1);
    assert_eq!(mesh.get(0, space, "b"), Some(Value::from("an answer")));
}

/// Rights are an author's own, so only one that says different things to different people can spend them twice.
#[test]
fn who_spends_its_rights_twice_is_found_out_as_a_fork_and_the_counter_holds() {
    let (mut mesh, space) = members(3);
    for n in [1, 2] {
        mesh.connect(0, n);
    }
    let stock = |mesh: &mut Mesh, n: usize, operation: &str, by: i64| {
        let (operation, arguments) = (operation.to_owned(), vec![Value::from(by)]);
        let call = Edit::Call { path: Path::default(), operation, arguments };
        mesh.edit(n, space, "stock", Kind::BoundedCounter, call);
    };
    stock(&mut mesh, 1, "increment", 5);
    for n in [1, 2] {
        mesh.disconnect(0, n);
    }
    let twin = mesh.clone_device(1);
    stock(&mut mesh, 1, "decrement", 5);
    stock(&mut mesh, twin, "decrement", 4);
    mesh.connect(0, 1);
    mesh.connect(2, twin);
    assert_eq!(mesh.value(0, space, "stock"), Some(Value::Int(0)));
    assert_eq!(mesh.value(2, space, "stock"), Some(Value::Int(1)));
    mesh.disconnect(0, 1);
    mesh.disconnect(2, twin);
    mesh.connect(0, 2);
    mesh.pass_ms(10_000);
    for n in [0, 2] {
        let forked = mesh.devices[n].events.iter().any(|e| matches!(e, Event::Forked { .. }));
        assert!(forked, "device {n} does not know");
        assert_eq!(
            mesh.value(n, space, "stock"),
            Some(Value::Int(5)),
            "neither subtraction counts"
        );
    }
    assert_eq!(mesh.digest(0, space), mesh.digest(2, space));
}

/// An admin whose device is stolen takes it out from another; what the thief decides meanwhile is void.
#[test]
fn what_a_stolen_admin_decides_after_its_removal_is_void() {
    let (mut mesh, space) = members(4);
    for n in [1, 2, 3] {
        mesh.connect(0, n);
    }
    let admin = mesh.member(1);
    mesh.govern(0, space, Governance::SetRole { member: admin, role: Role::Admin }).unwrap();
    for n in [1, 2, 3] {
        mesh.disconnect(0, n);
    }
    mesh.govern(0, space, Governance::RemoveMember { member: admin }).unwrap();
    let (other, accomplice) = (mesh.member(2), mesh.member(3));
    mesh.govern(1, space, Governance::RemoveMember { member: other }).unwrap();
    mesh.govern(1, space, Governance::SetRole { member: accomplice, role: Role::Admin }).unwrap();
    mesh.connect(1, 3);
    assert_eq!(role(&mesh, 3, space, 3), Some(Role::Admin), "it has not heard yet");
    mesh.connect(3, 0);
    for n in [0, 3] {
        assert_eq!(role(&mesh, n, space, 1), None);
        assert_eq!(role(&mesh, n, space, 2), Some(Role::Write));
        assert_eq!(role(&mesh, n, space, 3), Some(Role::Write));
    }
}

fn role(mesh: &Mesh, seen_by: usize, space: SpaceId, of: usize) -> Option<Role> {
    let members = mesh.devices[seen_by].replica.members(space).unwrap();
    members.into_iter().find(|member| member.device == mesh.id(of)).map(|member| member.role)
}
