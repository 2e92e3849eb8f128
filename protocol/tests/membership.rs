//! Who belongs to a space, and what of what they write counts: removal, roles, quarantine, forks.

#[path = "support/mesh.rs"]
mod mesh;

use meshwork_crdt::{Edit, Kind, Value};
use meshwork_protocol::{
    Action, Event, Governance, ObjectEdit, Refusal, Role, SpaceId, Target, Wish,
};

use mesh::{Mesh, members};

fn refused(mesh: &mut Mesh, n: usize, space: SpaceId) -> Refusal {
    let target = Target::Named { name: "no".to_owned(), shape: Kind::Register.into() };
    let action = Action::Change(Edit::Set("no".into()));
    mesh.wish(n, Wish::Edit { space, edits: vec![ObjectEdit { target, action }] }).unwrap_err()
}

fn log_of(mesh: &Mesh, seen_by: usize, space: SpaceId, of: usize) -> meshwork_protocol::LogView {
    let device = mesh.id(of);
    let view = mesh.devices[seen_by].replica.space(space).unwrap();
    view.logs.into_iter().find(|log| log.device == device && log.seq > 0).unwrap()
}

#[test]
fn what_a_removed_writer_says_it_wrote_before_counts_for_nobody_until_it_is_adopted() {
    let (mut mesh, space) = members(4);
    mesh.connect(0, 1);
    mesh.connect(0, 2);
    mesh.set(1, space, "before", "ours");
    mesh.disconnect(0, 1);
    mesh.disconnect(0, 2);
    let member = mesh.member(1);
    mesh.govern(0, space, Governance::RemoveMember { member }).unwrap();
    // The removed writer goes on, and finds somebody who has not heard.
    mesh.set(1, space, "after", "backdated");
    mesh.connect(1, 2);
    assert_eq!(mesh.get(2, space, "after"), Some(Value::from("backdated")));
    mesh.set(2, space, "after", "built on it");
    mesh.set(2, space, "own", "honest");
    mesh.disconnect(1, 2);

    mesh.connect(2, 0);
    for n in [0, 2] {
        assert_eq!(mesh.get(n, space, "before"), Some(Value::from("ours")));
        assert_eq!(mesh.get(n, space, "own"), Some(Value::from("honest")));
        // What was built on it waits for it.
        assert_eq!(mesh.get(n, space, "after"), None);
        assert_eq!(mesh.quarantined(n, space), 1, "device {n}");
        assert_eq!(mesh.devices[n].replica.space(space).unwrap().waiting, 0);
    }
    assert_eq!(mesh.digest(0, space), mesh.digest(2, space));
    // Somebody who meets both later, and a restart, come to the same.
    mesh.connect(3, 2);
    mesh.reopen(0);
    assert_eq!(mesh.digest(3, space), mesh.digest(2, space));
    assert_eq!(mesh.digest(0, space), mesh.digest(2, space));
    assert_eq!(mesh.quarantined(3, space), 1);
    // The removed one is told nothing more, whoever it meets.
    mesh.connect(1, 3);
    mesh.set(3, space, "later", "secret");
    assert_eq!(mesh.get(1, space, "later"), None);

    let log = log_of(&mesh, 0, space, 1).log;
    mesh.govern(0, space, Governance::Adopt { log }).unwrap();
    mesh.connect(0, 2);
    mesh.pass_ms(20_000);
    for n in [0, 2, 3] {
        assert_eq!(mesh.quarantined(n, space), 0, "device {n}");
        assert_eq!(mesh.get(n, space, "after"), Some(Value::from("built on it")), "device {n}");
    }
    let digests: Vec<_> = [0, 2, 3].map(|n| mesh.digest(n, space)).to_vec();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn objects_that_only_a_removed_writer_wrote_vanish_where_they_were_seen() {
    let (mut mesh, space) = members(3);
    let member = mesh.member(1);
    mesh.govern(0, space, Governance::RemoveMember { member }).unwrap();
    mesh.set(1, space, "late", "unheard of");
    mesh.connect(1, 2);
    assert_eq!(mesh.get(2, space, "late"), Some(Value::from("unheard of")));
    mesh.connect(2, 0);
    assert_eq!(mesh.get(2, space, "late"), None);
    assert_eq!(mesh.digest(0, space), mesh.digest(2, space));
    mesh.reopen(2);
    assert_eq!(mesh.get(2, space, "late"), None);
    assert_eq!(mesh.digest(0, space), mesh.digest(2, space));
}

#[test]
fn a_removed_reader_has_no_key_of_what_comes_after() {
    let (mut mesh, space) = members(3);
    for n in [1, 2] {
        mesh.connect(0, n);
    }
    mesh.set(0, space, "a", "for all");
    assert_eq!(mesh.get(1, space, "a"), Some(Value::from("for all")));
    let member = mesh.member(1);
    mesh.govern(0, space, Governance::RemoveMember { member }).unwrap();
    assert_eq!(refused(&mut mesh, 1, space), Refusal::Removed { by: mesh.id(0) });
    mesh.recorded.clear();
    mesh.set(0, space, "a", "for the others");
    assert_eq!(mesh.get(2, space, "a"), Some(Value::from("for the others")));
    assert!(mesh.recorded.iter().all(|(from, to, _)| (*from, *to) != (0, 1)), "it is sent things");
    // Even if somebody passes on what it may not have, the removed device cannot read it: it holds no key.
    let reads = |mesh: &mut Mesh, n: usize| mesh.get(n, space, "a");
    assert_eq!(reads(&mut mesh, 1), Some(Value::from("for all")));
}

#[test]
fn removals_made_apart_shut_both_out_at_the_next_write() {
    let (mut mesh, space) = members(5);
    let (admin, role) = (mesh.member(1), Role::Admin);
    mesh.connect(0, 1);
    mesh.govern(0, space, Governance::SetRole { member: admin, role }).unwrap();
    mesh.disconnect(0, 1);
    let (one, other) = (mesh.member(3), mesh.member(4));
    mesh.govern(0, space, Governance::RemoveMember { member: one }).unwrap();
    mesh.set(0, space, "a", "0");
    mesh.govern(1, space, Governance::RemoveMember { member: other }).unwrap();
    mesh.set(1, space, "b", "1");
    mesh.connect(0, 1);
    mesh.connect(1, 2);
    mesh.set(2, space, "c", "2");
    for n in [0, 1, 2] {
        assert_eq!(mesh.get(n, space, "c"), Some(Value::from("2")));
        let members = mesh.devices[n].replica.members(space).unwrap();
        assert_eq!(members.len(), 3);
    }
    assert_eq!(mesh.digest(0, space), mesh.digest(2, space));
}

#[test]
fn a_reader_writes_no_more_and_what_it_wrote_stays() {
    let (mut mesh, space) = members(2);
    mesh.connect(0, 1);
    mesh.set(1, space, "a", "kept");
    let member = mesh.member(1);
    mesh.govern(0, space, Governance::SetRole { member, role: Role::Read }).unwrap();
    assert_eq!(refused(&mut mesh, 1, space), Refusal::NotAllowed { needs: Role::Write });
    mesh.set(0, space, "b", "still readable");
    assert_eq!(mesh.get(1, space, "a"), Some(Value::from("kept")));
    assert_eq!(mesh.get(1, space, "b"), Some(Value::from("still readable")));
    mesh.govern(0, space, Governance::SetRole { member, role: Role::Write }).unwrap();
    mesh.set(1, space, "c", "again");
    assert_eq!(mesh.get(0, space, "c"), Some(Value::from("again")));
    mesh.assert_converged(space);
}

#[test]
fn who_comes_back_starts_another_log() {
    let (mut mesh, space) = members(3);
    mesh.connect(0, 2);
    mesh.connect(0, 1);
    mesh.set(1, space, "a", "first");
    mesh.disconnect(0, 1);
    let member = mesh.member(1);
    mesh.govern(0, space, Governance::RemoveMember { member }).unwrap();
    mesh.set(1, space, "a", "in between");
    let ticket = mesh.invite(0, space, 1);
    mesh.connect(0, 1);
    mesh.rejoin(1, &ticket);
    mesh.pass_ms(20_000);
    mesh.set(1, space, "b", "back");
    for n in 0..3 {
        assert_eq!(mesh.get(n, space, "b"), Some(Value::from("back")), "device {n}");
        assert_eq!(mesh.get(n, space, "a"), Some(Value::from("first")), "device {n}");
    }
    mesh.assert_converged(space);
}

#[test]
fn only_admins_decide_and_none_about_who_stands_nearer_to_the_founder() {
    let (mut mesh, space) = members(3);
    for n in [1, 2] {
        mesh.connect(0, n);
    }
    let founder = mesh.member(0);
    let (writer, admin) = (mesh.member(1), mesh.member(2));
    let remove = |member| Governance::RemoveMember { member };
    let needs = Role::Admin;
    assert_eq!(mesh.govern(1, space, remove(admin)), Err(Refusal::NotAllowed { needs }));
    mesh.govern(0, space, Governance::SetRole { member: admin, role: Role::Admin }).unwrap();
    assert_eq!(mesh.govern(2, space, remove(founder)), Err(Refusal::Outranked));
    mesh.govern(2, space, remove(writer)).unwrap();
    assert_eq!(mesh.govern(2, space, remove(writer)), Err(Refusal::UnknownMember));
    // Leaving is everybody's right.
    mesh.govern(2, space, remove(admin)).unwrap();
    assert_eq!(mesh.devices[0].replica.members(space).unwrap().len(), 1);
}

#[test]
fn a_revoked_ticket_lets_nobody_in() {
    let (mut mesh, space) = members(2);
    let ticket = mesh.invite(0, space, 5);
    mesh.govern(0, space, Governance::RevokeInvite { invite: ticket.invite() }).unwrap();
    let late = mesh.add_device();
    mesh.join(late, &ticket);
    mesh.connect(0, late);
    let refused = mesh.devices[late].events.iter().any(|e| matches!(e, Event::JoinRefused { .. }));
    assert!(refused);
    assert!(!mesh.devices[late].replica.space(space).unwrap().ready);
}

/// A disk that was put back as it once was: what its device wrote since comes back from the others.
#[test]
fn who_is_sent_entries_of_its_own_log_writes_on_in_another() {
    let (mut mesh, space) = members(2);
    mesh.connect(0, 1);
    mesh.edit(1, space, "n", Kind::Counter, Edit::Increment(1));
    mesh.disconnect(0, 1);
    let older = mesh.clone_device(1);
    mesh.connect(0, 1);
    for _ in 0..3 {
        mesh.edit(1, space, "n", Kind::Counter, Edit::Increment(1));
    }
    mesh.disconnect(0, 1);
    let own_log = |mesh: &Mesh| mesh.devices[older].replica.space(space).unwrap().own_log;
    let before = own_log(&mesh);
    mesh.connect(0, older);
    assert_ne!(own_log(&mesh), before);
    mesh.edit(older, space, "n", Kind::Counter, Edit::Increment(1));
    for n in [0, older] {
        assert_eq!(mesh.value(n, space, "n"), Some(Value::Int(5)));
        let forked = mesh.devices[n].events.iter().any(|it| matches!(it, Event::Forked { .. }));
        assert!(!forked, "there is nothing to prove");
    }
    assert_eq!(mesh.digest(0, space), mesh.digest(older, space));
}

#[test]
fn a_fork_is_proven_to_everybody_and_the_log_ends_there() {
    let (mut mesh, space) = members(4);
    for n in [1, 2, 3] {
        mesh.connect(0, n);
    }
    for n in 0..20 {
        mesh.set(1, space, &format!("shared{n}"), "common");
    }
    for n in [1, 2, 3] {
        mesh.disconnect(0, n);
    }
    // A copied disk: the same device twice, writing different things.
    let twin = mesh.clone_device(1);
    for n in 0..700 {
        mesh.set(1, space, "fork", &format!("one {n}"));
        mesh.set(twin, space, "fork", &format!("other {n}"));
    }
    mesh.set(twin, space, "longer", "other");
    mesh.connect(1, 2);
    mesh.connect(twin, 3);
    assert_eq!(mesh.get(2, space, "fork"), Some(Value::from("one 699")));
    assert_eq!(mesh.get(3, space, "fork"), Some(Value::from("other 699")));
    mesh.disconnect(1, 2);
    mesh.disconnect(twin, 3);

    mesh.recorded.clear();
    mesh.connect(2, 3);
    mesh.pass_ms(5_000);
    for n in [2, 3] {
        let forked = mesh.devices[n].events.iter().any(|e| matches!(e, Event::Forked { .. }));
        assert!(forked, "device {n} does not know");
        assert_eq!(mesh.get(n, space, "fork"), None);
        assert_eq!(mesh.get(n, space, "shared19"), Some(Value::from("common")));
    }
    assert_eq!(mesh.digest(2, space), mesh.digest(3, space));
    mesh.connect(0, 2);
    mesh.pass_ms(20_000);
    assert_eq!(mesh.digest(0, space), mesh.digest(3, space));
    // The device itself goes on in another log.
    mesh.connect(1, 0);
    mesh.set(1, space, "again", "honest");
    mesh.pass_ms(20_000);
    for n in [0, 1, 2, 3] {
        assert_eq!(mesh.get(n, space, "again"), Some(Value::from("honest")), "device {n}");
        mesh.reopen(n);
        assert_eq!(mesh.get(n, space, "again"), Some(Value::from("honest")), "device {n}");
        assert_eq!(mesh.digest(n, space), mesh.digest(0, space));
    }
}

/// Two come by one ticket, each to another member; one of them is not in as soon as those meet. What it wrote until then
/// counts nowhere, and keeps nobody waiting who has built on it, or never met it.
#[test]
fn what_somebody_wrote_that_turns_out_not_to_be_in_keeps_nobody_waiting() {
    let (mut mesh, space) = members(4);
    let member = mesh.member(1);
    mesh.connect(0, 1);
    mesh.govern(0, space, Governance::SetRole { member, role: Role::Admin }).unwrap();
    let ticket = mesh.invite(0, space, 1);
    mesh.settle();
    mesh.disconnect(0, 1);
    let guests: Vec<usize> = (0..2).map(|_| mesh.add_device()).collect();
    for (guest, (host, other)) in guests.iter().copied().zip([(0, 2), (1, 3)]) {
        mesh.join(guest, &ticket);
        mesh.connect(host, guest);
        mesh.set(guest, space, &format!("by guest {guest}"), "x");
        mesh.set(host, space, &format!("after guest {guest}"), "y");
        mesh.connect(host, other);
        mesh.set(other, space, &format!("later {other}"), "z");
        mesh.disconnect(host, guest);
        mesh.disconnect(host, other);
    }
    mesh.connect(0, 1);
    mesh.pass_ms(30_000);
    mesh.connect(2, 0);
    mesh.connect(3, 1);
    mesh.pass_ms(30_000);
    let shown =
        |mesh: &mut Mesh, n: usize, guest: usize| mesh.get(n, space, &format!("by guest {guest}"));
    let void: Vec<usize> =
        guests.iter().copied().filter(|guest| shown(&mut mesh, 0, *guest).is_none()).collect();
    assert_eq!(void.len(), 1, "one of the two is in");
    for n in 0..4 {
        assert_eq!(mesh.waiting(n, space), 0, "device {n} waits");
        assert_eq!(mesh.digest(n, space), mesh.digest(0, space), "device {n}");
        assert_eq!(shown(&mut mesh, n, void[0]), None);
        for guest in &guests {
            assert_eq!(mesh.get(n, space, &format!("after guest {guest}")), Some(Value::from("y")));
        }
    }
}

/// More newcomers than are heard in parts at a time have met each other before they meet a member.
#[test]
fn newcomers_that_met_each_other_first_are_all_let_in() {
    let mut mesh = Mesh::new(8);
    let space = mesh.create(0, "work");
    let ticket = mesh.invite(0, space, 8);
    for n in 1..8 {
        mesh.join(n, &ticket);
        for other in 1..n {
            mesh.connect(other, n);
        }
    }
    mesh.pass_ms(30_000);
    for n in 1..8 {
        mesh.connect(0, n);
    }
    mesh.pass_ms(30_000);
    for n in 1..8 {
        assert!(mesh.devices[n].replica.space(space).unwrap().ready, "device {n} waits");
    }
    mesh.set(7, space, "hello", "x");
    mesh.assert_converged(space);
}
