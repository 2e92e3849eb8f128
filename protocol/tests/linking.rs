//! Making a device one of a member's: by a code, by the phrase; and taking it out again.

#[path = "support/mesh.rs"]
mod mesh;

use meshwork_crdt::Value;
use meshwork_protocol::{
    Event, Governance, Identity, LinkCode, LinkRefusal, MemberId, Outcome, Refusal, Rejection,
    Role, RootWord, SpaceId, Wish, limits,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use mesh::{Mesh, members};

const KIND_LINKING: u8 = 20;

/// The code a device shows, the way it is pasted.
fn code(mesh: &mut Mesh, new: usize) -> LinkCode {
    match mesh.wish(new, Wish::AwaitLink { addresses: Vec::new() }) {
        Ok(Outcome::AwaitingLink(code)) => code.to_string().parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn add(mesh: &mut Mesh, old: usize, code: &LinkCode) -> Result<Outcome, Refusal> {
    let addresses = vec!["/ip4/127.0.0.1/tcp/2".to_owned()];
    mesh.wish(old, Wish::AddDevice { code: Box::new(code.clone()), addresses })
}

/// Makes a device one of `old`'s member, on a link that stays.
fn link(mesh: &mut Mesh, old: usize, new: usize) {
    let code = code(mesh, new);
    add(mesh, old, &code).unwrap();
    mesh.connect(old, new);
    assert!(added(mesh, old, new));
}

fn added(mesh: &Mesh, old: usize, new: usize) -> bool {
    let device = mesh.id(new);
    mesh.devices[old].events.contains(&Event::DeviceAdded { device })
}

fn declined(mesh: &Mesh, old: usize, new: usize) -> Vec<LinkRefusal> {
    let device = mesh.id(new);
    let reason = |event: &Event| match event {
        Event::DeviceDeclined { device: of, reason } if *of == device => Some(*reason),
        _ => None,
    };
    mesh.devices[old].events.iter().filter_map(reason).collect()
}

fn rejected(mesh: &Mesh, n: usize) -> Vec<Rejection> {
    let rejection = |event: &Event| match event {
        Event::Rejected { rejection, .. } => Some(*rejection),
        _ => None,
    };
    mesh.devices[n].events.iter().filter_map(rejection).collect()
}

fn member(mesh: &Mesh, n: usize) -> MemberId {
    mesh.devices[n].replica.identity().member()
}

fn ready(mesh: &Mesh, n: usize, space: SpaceId) -> bool {
    mesh.devices[n].replica.space(space).is_some_and(|view| view.ready)
}

fn role(mesh: &Mesh, n: usize, space: SpaceId, of: usize) -> Option<Role> {
    let device = mesh.id(of);
    let members = mesh.devices[n].replica.members(space).unwrap();
    members.iter().find(|one| one.device == device).map(|one| one.role)
}

#[test]
fn a_linked_device_is_in_all_spaces_of_its_member_and_writes_there() {
    let (mut mesh, space) = members(2);
    let other = mesh.create(1, "other");
    mesh.set(0, space, "note", "before");
    let new = mesh.add_device();
    mesh.connect(0, 1);
    link(&mut mesh, 1, new);
    let linked = Event::Linked {
        member: member(&mesh, 1),
        by: mesh.id(1),
        addresses: vec!["/ip4/127.0.0.1/tcp/2".to_owned()],
    };
    assert!(mesh.devices[new].events.contains(&linked));
    assert_eq!(member(&mesh, new), member(&mesh, 1));
    assert_eq!(mesh.get(new, space, "note"), Some(Value::from("before")));
    assert_eq!(mesh.devices[new].replica.space(other).unwrap().name, "other");
    mesh.set(new, space, "note", "by the new one");
    mesh.set(1, other, "side", "by the old one");
    assert_eq!(mesh.get(0, space, "note"), Some(Value::from("by the new one")));
    assert_eq!(mesh.get(new, other, "side"), Some(Value::from("by the old one")));
    mesh.assert_converged(space);
    let members = mesh.devices[0].replica.members(space).unwrap();
    let of_member = members.iter().filter(|one| one.member == member(&mesh, 1)).count();
    assert_eq!((members.len(), of_member), (3, 2));

    // Its keys are read back as they were made; the store knows whose it is.
    mesh.reopen(new);
    assert_eq!(member(&mesh, new), member(&mesh, 1));
    mesh.connect(new, 0);
    mesh.set(new, space, "note", "after a restart");
    assert_eq!(mesh.get(0, space, "note"), Some(Value::from("after a restart")));
    // And it links another itself.
    let third = mesh.add_device();
    link(&mut mesh, new, third);
    assert!(ready(&mesh, third, space) && ready(&mesh, third, other));
    assert_eq!(mesh.rejections(), 0);
}

#[test]
fn a_code_serves_once() {
    let (mut mesh, space) = members(2);
    let new = mesh.add_device();
    let code = code(&mut mesh, new);
    add(&mut mesh, 0, &code).unwrap();
    mesh.connect(0, new);
    assert!(added(&mesh, 0, new));
    add(&mut mesh, 1, &code).unwrap();
    mesh.connect(1, new);
    assert_eq!(declined(&mesh, 1, new), [LinkRefusal::NotWaiting]);
    assert_eq!(member(&mesh, new), member(&mesh, 0));
    assert_eq!(rejected(&mesh, new), [Rejection::NotWaiting]);
    // Whoever vouches for it already is told so again.
    mesh.devices[0].events.clear();
    add(&mut mesh, 0, &code).unwrap();
    assert!(added(&mesh, 0, new));
    assert!(ready(&mesh, new, space));
}

#[test]
fn a_wrong_secret_is_refused_and_paid_for_and_the_right_one_still_serves() {
    let (mut mesh, space) = members(2);
    let new = mesh.add_device();
    let stale = code(&mut mesh, new);
    let fresh = code(&mut mesh, new);
    assert_ne!(stale.words(), fresh.words());
    add(&mut mesh, 1, &stale).unwrap();
    mesh.connect(1, new);
    assert_eq!(declined(&mesh, 1, new), [LinkRefusal::WrongCode]);
    assert_eq!(rejected(&mesh, new), [Rejection::BadWelcome]);
    add(&mut mesh, 1, &stale).unwrap();
    assert!(mesh.devices[new].links.is_empty(), "whoever guesses is shown the door");
    add(&mut mesh, 0, &fresh).unwrap();
    mesh.connect(0, new);
    assert!(added(&mesh, 0, new) && ready(&mesh, new, space));
}

#[test]
fn an_expired_code_serves_nobody() {
    let (mut mesh, _) = members(1);
    let new = mesh.add_device();
    let shown = code(&mut mesh, new);
    add(&mut mesh, 0, &shown).unwrap();
    mesh.connect_silently(0, new);
    while !mesh.wire.iter().any(|(to, _, bytes)| *to == new && bytes[1] == KIND_LINKING) {
        assert!(mesh.step());
    }
    // The welcome is on its way for longer than the code is good for.
    mesh.now = mesh.now.plus_ms(limits::LINK_CODE_MS_MAX + 1);
    mesh.settle();
    assert_eq!(declined(&mesh, 0, new), [LinkRefusal::NotWaiting]);
    assert!(mesh.devices[new].replica.spaces().is_empty());
    assert_eq!(add(&mut mesh, 0, &shown), Err(Refusal::CodeExpired));
}

#[test]
fn a_device_with_spaces_becomes_nobody_elses() {
    let (mut mesh, _) = members(2);
    let busy = mesh.wish(1, Wish::AwaitLink { addresses: Vec::new() });
    assert_eq!(busy, Err(Refusal::HasSpaces));
    let new = mesh.add_device();
    let shown = code(&mut mesh, new);
    assert_eq!(add(&mut mesh, new, &shown), Err(Refusal::OwnDevice));
    mesh.create(new, "mine");
    add(&mut mesh, 0, &shown).unwrap();
    mesh.connect(0, new);
    assert_eq!(declined(&mesh, 0, new), [LinkRefusal::InUse]);
    assert_ne!(member(&mesh, new), member(&mesh, 0));
}

#[test]
fn many_spaces_come_in_parts_and_all_or_none_is_taken() {
    let mut mesh = Mesh::new(1);
    let spaces: Vec<SpaceId> = (0..2 * limits::GRANTS_PER_PART_MAX + 1)
        .map(|n| mesh.create(0, &format!("s{n}")))
        .collect();
    let new = mesh.add_device();
    let code = code(&mut mesh, new);
    add(&mut mesh, 0, &code).unwrap();
    let is_part = |bytes: &[u8]| bytes[1] == KIND_LINKING;
    mesh.connect_silently(0, new);
    while mesh.wire.iter().filter(|(to, _, bytes)| *to == new && is_part(bytes)).count() != 3 {
        assert!(mesh.step());
    }
    while mesh.wire.iter().filter(|(to, _, bytes)| *to == new && is_part(bytes)).count() != 1 {
        assert!(mesh.step());
    }
    // Two of three parts have come when the link breaks.
    mesh.disconnect(0, new);
    assert!(mesh.devices[new].replica.spaces().is_empty());
    mesh.connect_silently(0, new);
    while mesh.devices[new].replica.spaces().is_empty() {
        assert!(mesh.step());
    }
    // It has taken all, but entered none, when it stops.
    assert!(spaces.iter().all(|space| !ready(&mesh, new, *space)));
    mesh.reopen(new);
    assert_eq!(member(&mesh, new), member(&mesh, 0));
    mesh.connect(0, new);
    assert!(added(&mesh, 0, new), "who vouches for it hears of it on the next link");
    assert!(spaces.iter().all(|space| ready(&mesh, new, *space)));
    assert_eq!(mesh.rejections(), 0);
}

#[test]
fn a_revoked_device_is_out_and_lets_nobody_in() {
    let (mut mesh, space) = members(1);
    let (second, third) = (mesh.add_device(), mesh.add_device());
    link(&mut mesh, 0, second);
    mesh.set(second, space, "note", "before");
    mesh.disconnect(0, second);
    let device = mesh.id(second);
    mesh.govern(0, space, Governance::RemoveDevice { device }).unwrap();
    // It has not heard, and links one more.
    link(&mut mesh, second, third);
    assert!(ready(&mesh, third, space));
    mesh.set(third, space, "note", "by a stranger");
    mesh.connect(0, third);
    mesh.connect(0, second);
    assert_eq!(mesh.get(0, space, "note"), Some(Value::from("before")));
    let view = mesh.devices[second].replica.space(space).unwrap();
    assert_eq!((view.role, view.removed_by), (None, Some(mesh.id(0))));
    assert_eq!(mesh.devices[0].replica.members(space).unwrap().len(), 1);
    assert_eq!(role(&mesh, 0, space, third), None);
    // Once it knows, it does not try.
    let fourth = mesh.add_device();
    let shown = code(&mut mesh, fourth);
    assert_eq!(add(&mut mesh, second, &shown), Err(Refusal::Removed { by: mesh.id(0) }));
}

#[test]
fn the_phrase_takes_out_a_stolen_device_whatever_that_does_meanwhile() {
    let mut mesh = Mesh::new(1);
    let rng = &mut ChaCha20Rng::seed_from_u64(77);
    let (identity, phrase) = Identity::create(rng);
    let (_, wrong) = Identity::create(rng);
    let stolen = mesh.add_device_of(identity);
    let space = mesh.create(stolen, "home");
    let kept = mesh.add_device();
    link(&mut mesh, stolen, kept);
    mesh.disconnect(stolen, kept);
    let (device, author) = (mesh.id(stolen), mesh.id(kept));
    // The thief holds the device that vouches for the other, and is quicker.
    mesh.govern(stolen, space, Governance::RemoveDevice { device: author }).unwrap();
    let revoke = |phrase| {
        let word = RootWord::give(phrase, space, device, author);
        let word: RootWord = word.to_string().parse().unwrap();
        Governance::RevokeDevice { device, word }
    };
    assert_eq!(mesh.govern(kept, space, revoke(&wrong)), Err(Refusal::WrongPhrase));
    let other = RootWord::give(&phrase, space, author, device);
    let misled = Governance::RevokeDevice { device, word: other };
    assert_eq!(mesh.govern(kept, space, misled), Err(Refusal::WrongPhrase));
    mesh.govern(kept, space, revoke(&phrase)).unwrap();
    mesh.connect(stolen, kept);
    for n in [stolen, kept] {
        assert_eq!(role(&mesh, n, space, kept), Some(Role::Admin), "device {n}");
        assert_eq!(role(&mesh, n, space, stolen), None, "device {n}");
    }
}

#[test]
fn a_device_made_from_the_phrase_joins_as_its_member_by_any_ticket() {
    let mut mesh = Mesh::new(1);
    let rng = &mut ChaCha20Rng::seed_from_u64(78);
    let (identity, phrase) = Identity::create(rng);
    let founder = mesh.add_device_of(identity);
    let space = mesh.create(founder, "home");
    mesh.set(founder, space, "note", "kept");
    let ticket = mesh.invite(founder, space, 3);
    mesh.join(0, &ticket);
    mesh.connect(0, founder);
    mesh.disconnect(0, founder);
    // The founder's device is lost; somebody else, who may just write, lets the new one in.
    let recovered = mesh.add_device_of(Identity::recover(&phrase, rng));
    mesh.join(recovered, &ticket);
    mesh.connect(recovered, 0);
    assert_eq!(mesh.get(recovered, space, "note"), Some(Value::from("kept")));
    assert_eq!(role(&mesh, 0, space, recovered), Some(Role::Admin));
    let device = mesh.id(founder);
    let word = RootWord::give(&phrase, space, device, mesh.id(recovered));
    mesh.govern(recovered, space, Governance::RevokeDevice { device, word }).unwrap();
    assert_eq!(role(&mesh, 0, space, founder), None);
}
