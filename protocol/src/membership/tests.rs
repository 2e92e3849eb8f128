use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use super::*;
use crate::card::DeviceCard;
use crate::entry::Signature;
use crate::identity::Identity;
use crate::ids::{Pseudonym, Time};

fn identity(seed: u64) -> Identity {
    Identity::generate(&mut ChaCha20Rng::seed_from_u64(seed))
}

const PSEUDONYM: Pseudonym = Pseudonym([5; 16]);

fn card(identity: &Identity) -> DeviceCard {
    identity.card()
}

fn found(founder: &Identity) -> (SpaceId, Op) {
    let body = OpBody::Create { founder: card(founder), salt: [0; 16], history: History::All };
    let create = Op::sign(None, vec![], body, founder);
    (SpaceId(create.id.0), create)
}

fn invite(space: SpaceId, by: &Identity, deps: Vec<OpId>, secret: &Identity, uses: u32) -> Op {
    let body = OpBody::Invite { key: secret.device().0, role: Role::Write, expires: Time(0), uses };
    Op::sign(Some(space), deps, body, by)
}

fn join(space: SpaceId, who: &Identity, invite: OpId, secret: &Identity) -> Op {
    let proof = Signature::new(secret.sign(&join_proof(space, invite, &card(who))));
    let body = OpBody::Join { invite, card: card(who), proof };
    Op::sign(Some(space), vec![invite], body, who)
}

/// A space with an invite for two that three try to use, and an outsider who invites.
fn story() -> (SpaceId, Vec<Op>, Vec<Identity>) {
    let people: Vec<Identity> = (0..6).map(identity).collect();
    let (space, create) = found(&people[0]);
    let secret = identity(99);
    let open = invite(space, &people[0], vec![create.id], &secret, 2);
    let mut ops = vec![create.clone(), open.clone()];
    ops.extend(people[1..4].iter().map(|who| join(space, who, open.id, &secret)));
    let rogue_secret = identity(98);
    let rogue = invite(space, &people[4], vec![open.id], &rogue_secret, 9);
    ops.push(join(space, &people[5], rogue.id, &rogue_secret));
    ops.push(rogue);
    (space, ops, people)
}

#[test]
fn the_roster_does_not_depend_on_the_order_of_arrival() {
    let (space, ops, people) = story();
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let mut expected: Option<Roster> = None;
    for _ in 0..200 {
        let mut shuffled = ops.clone();
        for index in (1..shuffled.len()).rev() {
            shuffled.swap(index, rng.next_u32() as usize % (index + 1));
        }
        let mut membership = Membership::default();
        let mut waiting = shuffled;
        while !waiting.is_empty() {
            let known = membership.insert(space, waiting.clone());
            assert!(!known.is_empty());
            waiting.retain(|op| !known.iter().any(|added| added.id == op.id));
        }
        let roster = membership.roster().clone();
        assert_eq!(expected.get_or_insert(roster.clone()), &roster);
    }
    let roster = expected.unwrap();
    assert_eq!(roster.role(people[0].device()), Some(Role::Admin));
    let joined = people[1..4].iter().filter(|who| roster.may(who.device(), Role::Write)).count();
    assert_eq!(joined, 2, "an invite for two let {joined} in");
    assert_eq!(roster.role(people[4].device()), None);
    assert_eq!(roster.role(people[5].device()), None);
}

#[test]
fn an_operation_is_void_when_any_byte_is_changed() {
    let (space, ops, _) = story();
    for op in &ops {
        assert_eq!(Op::verify(space, PSEUDONYM, &op.bytes).as_ref(), Ok(op));
        for at in 0..op.bytes.len() {
            let mut bytes = op.bytes.clone();
            bytes[at] ^= 0x10;
            assert!(Op::verify(space, PSEUDONYM, &bytes).is_err(), "byte {at} of {:?}", op.body);
        }
        assert!(Op::verify(SpaceId([0; 32]), PSEUDONYM, &op.bytes).is_err());
    }
}

#[test]
fn a_join_needs_the_invites_secret() {
    let (ann, bob) = (identity(1), identity(2));
    let (space, create) = found(&ann);
    let secret = identity(99);
    let open = invite(space, &ann, vec![create.id], &secret, 1);
    let forged = join(space, &bob, open.id, &identity(98));
    let mut membership = Membership::default();
    membership.insert(space, vec![create, open, forged]);
    assert_eq!(membership.roster().role(bob.device()), None);
}
