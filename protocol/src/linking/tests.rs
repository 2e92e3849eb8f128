use super::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

fn code(new: &Identity) -> LinkCode {
    let addresses = vec!["/ip4/127.0.0.1/tcp/1".to_owned()];
    let (device, kem) = (new.device(), new.kem_public());
    LinkCode { device, kem, expires: Time(7), addresses, secret: [5; 32] }
}

#[test]
fn a_code_comes_through_as_text_and_its_words_stand_for_keys_and_secret() {
    let new = Identity::generate(&mut ChaCha20Rng::seed_from_u64(1));
    let shown = code(&new);
    let text = shown.to_string();
    assert!(text.starts_with(PREFIX) && text.parse::<LinkCode>() == Ok(shown.clone()));
    assert_eq!(text.get(1..).unwrap().parse::<LinkCode>(), Err(LinkCodeError::NotACode));
    assert_eq!(text.get(..60).unwrap().parse::<LinkCode>(), Err(LinkCodeError::Damaged));
    let words = shown.words();
    assert_eq!(words.split(' ').count(), 6);
    let changes: [fn(&mut LinkCode); 3] = [
        |code| code.device = DeviceId([1; 32]),
        |code| code.kem = [1; 32],
        |code| code.secret = [1; 32],
    ];
    for change in changes {
        let mut other = shown.clone();
        change(&mut other);
        assert_ne!(other.words(), words);
    }
    assert!(!format!("{shown:?}").contains("secret"));
}

#[test]
fn a_welcome_opens_for_the_new_device_by_its_code_on_its_link_in_its_place_and_not_otherwise() {
    let rng = &mut ChaCha20Rng::seed_from_u64(2);
    let (old, new, other) =
        (Identity::generate(rng), Identity::generate(rng), Identity::generate(rng));
    let code = code(&new);
    let grant = Grant {
        space: SpaceId([1; 32]),
        secret: [2; 32],
        name: "home".to_owned(),
        standing: OpId([3; 32]),
    };
    let card = old.certify(new.device(), new.kem_public());
    let welcome = Welcome { card, addresses: Vec::new(), spaces: vec![grant] };
    let (from, to) = (
        Side { device: old.device(), nonce: [1; 16] },
        Side { device: new.device(), nonce: [2; 16] },
    );
    let (part, way) = (Part { number: 0, of: 1 }, Way { from: &from, to: &to });
    let sealed = welcome.seal(&code, part, way, rng).unwrap();
    let opened = Welcome::open(&sealed, &code.secret, part, way, &new).unwrap();
    assert!(opened == welcome && opened.fits(&new, old.device()));
    assert!(!opened.fits(&new, other.device()) && !opened.fits(&other, old.device()));

    let elsewhere = Side { device: old.device(), nonce: [3; 16] };
    let second = Part { number: 1, of: 2 };
    assert!(Welcome::open(&sealed, &[6; 32], part, way, &new).is_none());
    assert!(Welcome::open(&sealed, &code.secret, second, way, &new).is_none());
    assert!(Welcome::open(&sealed, &code.secret, part, way, &other).is_none());
    let moved = Way { from: &elsewhere, to: &to };
    assert!(Welcome::open(&sealed, &code.secret, part, moved, &new).is_none());
    for at in 0..sealed.len() {
        let mut damaged = sealed.clone();
        damaged[at] ^= 1;
        assert!(Welcome::open(&damaged, &code.secret, part, way, &new).is_none(), "byte {at}");
    }
}
