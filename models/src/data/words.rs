//! The words of a text as terms, which are hashes of them.
//!
//! Letters are compared without case and without accents, because titles are typed with and without: a word is a run of
//! letters and digits after Unicode's compatibility decomposition.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use xxhash_rust::xxh3::xxh3_64;

/// What is read of the texts of an item: longer ones say nothing new, and their cost has to have an end.
pub const MOST_CHARACTERS: usize = 10_000;
const MOST_WORDS: usize = 1000;
/// Bytes of a word that is told apart from others.
const LONGEST: usize = 100;

/// The terms of a text, ascending, with how often each occurs in it.
pub fn terms(text: &str) -> Vec<(u32, u16)> {
    let (mut found, mut word) = (Vec::new(), String::new());
    let letters = text.chars().take(MOST_CHARACTERS).nfkd().filter(|letter| !is_combining_mark(*letter));
    for letter in letters.flat_map(char::to_lowercase).chain([' ']) {
        if letter.is_alphanumeric() {
            if word.len() < LONGEST {
                word.push(letter);
            }
        } else if !word.is_empty() {
            found.push(xxh3_64(word.as_bytes()) as u32);
            word.clear();
            if found.len() == MOST_WORDS {
                break;
            }
        }
    }
    found.sort_unstable();
    found.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_marks_do_not_matter() {
        let one = terms("El AMOR en los tiempos del cólera");
        assert_eq!(one, terms("«el amor, en los tiempos del colera!»"));
        assert_eq!(one, terms("El amor en los tiempos del co\u{301}lera"));
        assert_eq!(one.len(), 7);
        assert_ne!(terms("Straße"), terms("Strasse 2"));
    }

    #[test]
    fn words_are_counted() {
        let counts = |text| terms(text).into_iter().map(|(_, count)| count).collect::<Vec<_>>();
        assert!(terms("").is_empty() && terms(" —…! ").is_empty());
        assert_eq!(counts("uno uno, Uno"), [3]);
        assert_eq!(counts("1984"), [1]);
    }

    #[test]
    fn a_text_of_any_length_is_bounded() {
        let many: String = (0..100_000).map(|n| format!("{n} ")).collect();
        assert!(terms(&many).len() <= MOST_WORDS);
        assert_eq!(terms(&"x".repeat(1 << 20)), terms(&"x".repeat(LONGEST)));
        // A letter that is many when it is decomposed.
        assert!(terms(&"\u{fdfa}".repeat(20_000)).len() <= MOST_WORDS);
    }
}
