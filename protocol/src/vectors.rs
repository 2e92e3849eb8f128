//! The test vectors of `docs/wire-format.md`: what the engine derives from fixed inputs is what is written there.

use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::card::DeviceCard;
use crate::entry::{AuthRef, Head, LogOpening, VerifiedRun, header_hash};
use crate::identity::Identity;
use crate::ids::{DeviceId, EntryHash, EpochId, LogId, ObjectId, OpId, SpaceId, Time};
use crate::keyring::{EpochBirth, EpochKey};
use crate::membership::{Op, OpBody, Role, RootWord, Subject, join_proof};
use crate::session::{Side, claim, session_key};
use crate::space::{Space, short_hash};

const DOCS: &str = include_str!("../../docs/wire-format.md");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the page says, by name.
fn documented() -> BTreeMap<String, String> {
    let section = DOCS.split("## Test vectors").nth(1).unwrap();
    let table = section.split("\n## ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| "));
    rows.filter_map(|row| {
        let (name, value) = row.trim_end_matches(" |").split_once(" | ")?;
        Some((name.to_owned(), value.to_owned()))
    })
    .filter(|(name, _)| name != "what" && !name.starts_with("---"))
    .collect()
}

/// What the engine makes of the inputs that the page names.
fn derived() -> BTreeMap<String, String> {
    let device = DeviceId([2; 32]);
    let space_id = SpaceId([3; 32]);
    let space = Space::new(space_id, [1; 32], String::new(), device, 7);
    let opening = LogOpening { device, incarnation: 7 };
    let log = opening.log(space.pseudonym);
    let (epoch, authority) = (EpochId([4; 16]), AuthRef([5; 8]));
    let hash = header_hash(
        space.pseudonym,
        log,
        9,
        EntryHash([6; 32]),
        (epoch, authority),
        blake3::hash(b"ciphertext").as_bytes(),
    );
    let key = EpochKey::from_bytes([8; 32]);
    let birth = EpochBirth { log: LogId([9; 16]), seq: 10 };
    let sealed = VerifiedRun::seal(
        space.pseudonym,
        opening,
        Head { seq: 8, hash: EntryHash([6; 32]) },
        epoch,
        authority,
        b"plain",
        &key.sender(log),
        &Identity::generate(&mut ChaCha20Rng::seed_from_u64(1)),
    );
    let (ciphertext, _) = sealed.sealed().single().unwrap();
    let carried = key.carry(space_id, EpochId([11; 16]), &EpochKey::from_bytes([12; 32]));
    let identity = Identity::generate(&mut ChaCha20Rng::seed_from_u64(1));
    let body = OpBody::Invite { key: [13; 32], role: Role::Write, expires: Time(14), uses: 15 };
    let op = Op::sign(Some(space_id), vec![OpId([16; 32])], body, &identity);
    let side = |n: u8| Side { device: DeviceId([n; 32]), nonce: [n; 16] };
    let card: DeviceCard = identity.card();
    let card = DeviceCard { device, kem: [17; 32], member: crate::ids::MemberId([18; 32]), ..card };
    let shape = meshwork_crdt::Kind::Text.into();
    [
        ("space pseudonym", hex(&space.pseudonym.0)),
        ("log id", hex(&log.0)),
        ("entry hash", hex(&hash.0)),
        ("entry ciphertext", hex(&ciphertext.0)),
        ("epoch id", hex(&key.id(space_id, birth).0)),
        ("earlier epoch's key", hex(&carried)),
        ("operation id", hex(&op.id.0)),
        ("join proof, signed", hex(&join_proof(space_id, OpId([16; 32]), &card))),
        (
            "revocation, signed",
            hex(&RootWord::statement(space_id, Subject::Device(device), device)),
        ),
        ("claim", hex(&claim(&[1; 32], &side(19), &side(20)).0)),
        ("session key", hex(&session_key(&[1; 32], &side(20), &side(19)))),
        ("head hash", hex(&short_hash(&[21; 32], EntryHash([6; 32])))),
        ("object id", hex(&ObjectId::named("notes.md", &shape).0)),
        ("object id of a file", hex(&ObjectId::file("notes.md", "hello").0)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

#[test]
fn the_engine_derives_what_the_page_says() {
    let (page, engine) = (documented(), derived());
    for (name, value) in &engine {
        assert_eq!(page.get(name), Some(value), "{name}");
    }
    assert_eq!(page.len(), engine.len());
}
