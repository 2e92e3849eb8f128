//! What an overlay does, whatever happens to it.

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng as _;

use super::*;

fn device(n: u8) -> DeviceId {
    DeviceId([n; 32])
}

fn sample() -> impl Strategy<Value = Sample> {
    let addresses = proptest::collection::vec("[a-z/]{0,200}", 0..8);
    (any::<u8>(), any::<u16>(), any::<u8>(), addresses).prop_map(|(n, age_s, walk, addresses)| {
        Sample { device: device(n), age_s, walk, addresses }
    })
}

fn happening() -> impl Strategy<Value = Happening> {
    let peer = || any::<u8>().prop_map(device);
    let told = (any::<u8>(), proptest::collection::vec(sample(), 0..40))
        .prop_map(|(degree, samples)| Told { degree, addresses: vec![], samples });
    prop_oneof![
        4 => peer().prop_map(Happening::Linked),
        1 => peer().prop_map(Happening::Gone),
        6 => (peer(), told).prop_map(|(peer, told)| Happening::Told(peer, told)),
        1 => peer().prop_map(Happening::Parted),
        2 => (peer(), any::<u64>()).prop_map(|(peer, ms)| Happening::Trip(peer, ms)),
        2 => Just(Happening::Woken),
    ]
}

proptest! {
    #[test]
    fn nothing_that_happens_breaks_a_bound(
        story in proptest::collection::vec((happening(), 0_u64..20_000), 0..200),
        seed in any::<u64>(),
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut overlay = Overlay::new(device(0));
        let (mut now, mut moves) = (Time(1), Vec::new());
        for (what, after_ms) in story {
            now = now.plus_ms(after_ms);
            moves.clear();
            overlay.handle(what, now, &mut rng, &mut moves);
            prop_assert!(overlay.known() <= limits::OVERLAY_KNOWN_MAX);
            prop_assert!(overlay.degree() <= limits::OVERLAY_LINKS_MAX);
            prop_assert!(overlay.dialling.len() <= limits::OVERLAY_DIALS_MAX);
            prop_assert!(overlay.wake_at(now) > now);
            for one in &moves {
                match one {
                    Move::Tell(peer, told) => {
                        prop_assert!(overlay.is_linked(*peer) && told.bounded());
                        prop_assert!(told.samples.iter().all(|sample| sample.device != *peer));
                    }
                    Move::Dial(peer, _) => prop_assert!(!overlay.is_linked(*peer) && *peer != device(0)),
                    Move::Part(peer) | Move::Release(peer) => prop_assert!(!overlay.needs(*peer)),
                }
            }
        }
    }
}

#[test]
fn one_peer_fills_no_more_than_its_share() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut overlay = Overlay::new(device(0));
    let mut moves = Vec::new();
    overlay.handle(Happening::Linked(device(1)), Time(1), &mut rng, &mut moves);
    for first in (10..240).step_by(10) {
        let samples = (first..first + 10).map(|n| Sample {
            device: device(n),
            age_s: 0,
            walk: 0,
            addresses: vec![],
        });
        let told = Told { degree: 9, addresses: vec![], samples: samples.collect() };
        overlay.handle(Happening::Told(device(1), told), Time(2), &mut rng, &mut moves);
    }
    assert!(overlay.known() <= limits::OVERLAY_KNOWN_PER_PEER_MAX);
}
