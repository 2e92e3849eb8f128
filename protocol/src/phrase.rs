//! Words for people: the recovery phrase of a member, and short codes to compare two screens by.
//!
//! A [`Phrase`] is 32 random bytes written as 24 words of the English list with a checksum of 8 bits (BIP-39);
//! the member's root key is derived from the bytes, so whoever has the words is the member. It is wiped on drop
//! and never printed by `Debug`. Of BIP-39 only this part is used: no passphrase, no seed by PBKDF2.
//! Deliberately not here: showing the phrase to anybody; it is never stored.

use std::fmt;
use std::str::FromStr;

use bip39::{Language, Mnemonic};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Words of a recovery phrase.
pub const PHRASE_WORDS: usize = 24;

const ROOT: &str = "meshwork member root 1";
const COMPARISON: &str = "meshwork comparison words 1";
const COMPARISON_WORDS: usize = 6;
const WORD_BITS: usize = 11;
/// Longer than any word of the list; more of a wrong word is not repeated.
const WRONG_WORD_CHARS_MAX: usize = 16;

/// The secret of a member, as 24 words.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Phrase([u8; 32]);

/// Why a text is no recovery phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhraseError {
    /// A word that is not on the list.
    UnknownWord {
        /// Which one, from 1.
        position: usize,
        /// The word, shortened where it is long.
        word: String,
    },
    /// Words of the list, but not 24 of them.
    WordCount {
        /// How many there are.
        words: usize,
    },
    /// 24 words of the list that do not belong together: one is wrong, or two are swapped.
    Checksum,
}

impl fmt::Display for PhraseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownWord { position, word } => {
                write!(f, "word {position} of the recovery phrase, `{word}`, is not on the list")
            }
            Self::WordCount { words } => {
                write!(f, "a recovery phrase has {PHRASE_WORDS} words, not {words}")
            }
            Self::Checksum => f.write_str(
                "each word is on the list, but together they fail the checksum: one is wrong, or in \
                 the wrong place",
            ),
        }
    }
}

impl std::error::Error for PhraseError {}

impl Phrase {
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut phrase = Self([0; 32]);
        rng.fill_bytes(&mut phrase.0);
        phrase
    }

    /// The seed of the member's Ed25519 root key.
    pub(crate) fn root_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(blake3::derive_key(ROOT, &self.0))
    }

    /// The 24 words, in order.
    #[must_use]
    pub fn words(&self) -> Vec<&'static str> {
        self.mnemonic().words().collect()
    }

    fn mnemonic(&self) -> Mnemonic {
        Mnemonic::from_entropy_in(Language::English, &self.0)
            .expect("BIP-39 has a form for 256 bits of entropy")
    }
}

impl fmt::Debug for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phrase(..)")
    }
}

/// The 24 words on one line.
impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.mnemonic(), f)
    }
}

impl FromStr for Phrase {
    type Err = PhraseError;

    /// Reads the words in upper or lower case, with any white space between and with or without numbers before.
    fn from_str(text: &str) -> Result<Self, PhraseError> {
        // Longer than 24 words of the list, so that it never moves and leaves a copy behind.
        let mut line = Zeroizing::new(String::with_capacity(PHRASE_WORDS * WRONG_WORD_CHARS_MAX));
        let mut words = 0;
        for written in text.split_whitespace().filter(|token| !is_number(token)) {
            let word = Zeroizing::new(written.to_lowercase());
            words += 1;
            if Language::English.find_word(&word).is_none() {
                let shown = written.chars().take(WRONG_WORD_CHARS_MAX).collect::<String>();
                let word = shown.escape_debug().to_string();
                return Err(PhraseError::UnknownWord { position: words, word });
            }
            if words <= PHRASE_WORDS {
                line.push_str(&word);
                line.push(' ');
            }
        }
        if words != PHRASE_WORDS {
            return Err(PhraseError::WordCount { words });
        }
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &line)
            .map_err(|_| PhraseError::Checksum)?;
        let (mut entropy, _) = mnemonic.to_entropy_array();
        let mut phrase = Self([0; 32]);
        phrase.0.iter_mut().zip(&entropy).for_each(|(to, from)| *to = *from);
        entropy.zeroize();
        Ok(phrase)
    }
}

/// Whether this is the number before a word on a list: `7`, `7.` or `7)`.
fn is_number(token: &str) -> bool {
    let digits = token.strip_suffix(['.', ')', ':']).unwrap_or(token);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Six words by which people compare what two screens show.
///
/// They carry 66 bits of a hash over the parts and their lengths. Equal words mean equal parts unless somebody
/// has searched for a collision: where a stranger chooses a part, let it be fixed before the others are shown.
#[must_use]
pub fn comparison_words(parts: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new_derive_key(COMPARISON);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut first = [0; 16];
    hasher.finalize_xof().fill(&mut first);
    let bits = u128::from_be_bytes(first);
    let words: Vec<&str> = (1..=COMPARISON_WORDS)
        .map(|end| (bits >> (u128::BITS as usize - end * WORD_BITS)) as usize % (1 << WORD_BITS))
        .filter_map(|index| Language::English.word_list().get(index).copied())
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The vectors of 256 bits that belong to BIP-39: entropy, words.
    const VECTORS: [(&str, &str); 8] = [
        (
            "0000000000000000000000000000000000000000000000000000000000000000",
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
             abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
             abandon abandon abandon art",
        ),
        (
            "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
            "legal winner thank year wave sausage worth useful legal winner thank year wave \
             sausage worth useful legal winner thank year wave sausage worth title",
        ),
        (
            "8080808080808080808080808080808080808080808080808080808080808080",
            "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd \
             amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic bless",
        ),
        (
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo \
             zoo zoo vote",
        ),
        (
            "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c",
            "hamster diagram private dutch cause delay private meat slide toddler razor book \
             happy fancy gospel tennis maple dilemma loan word shrug inflict delay length",
        ),
        (
            "9f6a2878b2520799a44ef18bc7df394e7061a224d2c33cd015b157d746869863",
            "panda eyebrow bullet gorilla call smoke muffin taste mesh discover soft ostrich \
             alcohol speed nation flash devote level hobby quick inner drive ghost inside",
        ),
        (
            "066dca1a2bb7e8a1db2832148ce9933eea0f3ac9548d793112d9a95c9407efad",
            "all hour make first leader extend hole alien behind guard gospel lava path output \
             census museum junior mass reopen famous sing advance salt reform",
        ),
        (
            "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f",
            "void come effort suffer camp survey warrior heavy shoot primary clutch crush open \
             amazing screen patrol group space point ten exist slush involve unfold",
        ),
    ];

    fn from_hex(text: &str) -> [u8; 32] {
        data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_vectors_of_bip39_are_met_both_ways() {
        for (entropy, words) in VECTORS {
            let entropy = from_hex(entropy);
            assert_eq!(Phrase(entropy).to_string(), words);
            assert_eq!(words.parse::<Phrase>().unwrap().0, entropy);
        }
    }

    #[test]
    fn the_root_key_of_the_wire_format_is_met() {
        let (entropy, _) = VECTORS[7];
        let phrase = Phrase(from_hex(entropy));
        let seed = data_encoding::HEXLOWER.encode(phrase.root_seed().as_slice());
        let document = include_str!("../../docs/wire-format.md");
        assert!(document.contains(&format!("entropy `{entropy}`")));
        assert!(document.contains(&format!("root seed `{seed}`")), "{seed}");
        let root = ed25519_dalek::SigningKey::from_bytes(&phrase.root_seed());
        let member = data_encoding::HEXLOWER.encode(root.verifying_key().as_bytes());
        assert!(document.contains(&format!("member `{member}`")), "{member}");
    }

    #[test]
    fn case_spaces_and_numbers_do_not_matter() {
        let (entropy, words) = VECTORS[4];
        let mut written = String::from("\n  ");
        for (n, word) in words.split(' ').enumerate() {
            let word = if n % 2 == 0 { word.to_uppercase() } else { word.to_owned() };
            written.push_str(&format!("{}.\t{word} \n", n + 1));
        }
        assert_eq!(written.parse::<Phrase>().unwrap().0, from_hex(entropy));
    }

    #[test]
    fn the_first_wrong_word_is_named_with_its_position() {
        let (_, words) = VECTORS[4];
        let mut wrong: Vec<&str> = words.split(' ').collect();
        wrong[6] = "Meshwork\u{1b}[2J-and-much-more";
        wrong[9] = "nor-this";
        let error = wrong.join(" ").parse::<Phrase>().unwrap_err();
        let word = "Meshwork\\u{1b}[2J-and".to_owned();
        assert_eq!(error, PhraseError::UnknownWord { position: 7, word });
    }

    #[test]
    fn a_missing_word_a_word_too_many_and_a_swap_are_told_apart() {
        let (_, words) = VECTORS[4];
        let all: Vec<&str> = words.split(' ').collect();
        let parse = |words: &[&str]| words.join(" ").parse::<Phrase>().unwrap_err();
        assert_eq!(parse(&all[..23]), PhraseError::WordCount { words: 23 });
        assert_eq!(parse(&[&all[..], &["zoo"]].concat()), PhraseError::WordCount { words: 25 });
        assert_eq!(parse(&[]), PhraseError::WordCount { words: 0 });
        let mut swapped = all.clone();
        swapped.swap(0, 1);
        assert_eq!(parse(&swapped), PhraseError::Checksum);
    }

    #[test]
    fn debug_shows_nothing_of_a_phrase() {
        assert_eq!(format!("{:?}", Phrase([1; 32])), "Phrase(..)");
    }

    #[test]
    fn comparison_words_differ_by_content_and_by_where_parts_end() {
        let all = [
            comparison_words(&[b"ab", b"c"]),
            comparison_words(&[b"a", b"bc"]),
            comparison_words(&[b"abc"]),
            comparison_words(&[b"abc", b""]),
        ];
        for (at, words) in all.iter().enumerate() {
            assert_eq!(words.split(' ').count(), 6);
            assert!(words.split(' ').all(|word| Language::English.find_word(word).is_some()));
            assert!(!all[..at].contains(words));
        }
        let document = include_str!("../../docs/wire-format.md");
        assert!(document.contains(&format!("`{}`", all[0])), "{}", all[0]);
    }

    proptest! {
        #[test]
        fn words_bring_back_the_same_bytes(entropy in any::<[u8; 32]>()) {
            let words = Phrase(entropy).to_string();
            prop_assert_eq!(words.parse::<Phrase>().unwrap().0, entropy);
        }

        #[test]
        fn any_text_is_a_phrase_or_an_error(text in any::<String>()) {
            prop_assert!(text.parse::<Phrase>().is_err());
        }

        #[test]
        fn one_changed_word_passes_the_checksum_only_as_another_phrase(
            entropy in any::<[u8; 32]>(),
            at in 0..PHRASE_WORDS,
            other in 0..2048_usize,
        ) {
            let phrase = Phrase(entropy);
            let mut words = phrase.words();
            prop_assume!(words[at] != Language::English.word_list()[other]);
            words[at] = Language::English.word_list()[other];
            match words.join(" ").parse::<Phrase>() {
                Ok(another) => prop_assert_ne!(another.0, entropy),
                Err(error) => prop_assert_eq!(error, PhraseError::Checksum),
            }
        }
    }
}
