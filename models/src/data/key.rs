//! Labels of users and items that are not integers, and the ids that stand for them.

use std::fmt::{self, Display, Formatter};

use xxhash_rust::xxh3::xxh3_64;

use crate::data::dataset::NONE;

/// A key as the site has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// Also where it is stored as text, if it is written as PostgreSQL writes it. 16 bytes instead of 36.
    Uuid([u8; 16]),
    Text(Box<str>),
}

/// Characters of a UUID.
const LENGTH: usize = 36;
/// Where its hyphens are.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const DIGITS: &[u8; 16] = b"0123456789abcdef";

impl Key {
    pub fn of_text(text: &str) -> Key {
        match parse(text).filter(|uuid| written(uuid) == text.as_bytes()) {
            Some(uuid) => Key::Uuid(uuid),
            None => Key::Text(text.into()),
        }
    }

    /// The key as a UUID, whatever the case of its letters; None where it is none.
    pub fn uuid(&self) -> Option<[u8; 16]> {
        match self {
            Key::Uuid(uuid) => Some(*uuid),
            Key::Text(text) => parse(text),
        }
    }

    /// The id that stands for the key, in every database, on every machine and for ever: ids are in stored models. It is
    /// negative, and so no id of a site that counts; it is never [`NONE`].
    ///
    /// 63 bits: among ten million keys two have the same id with a probability of 5 in a million. A training finds such
    /// keys. Some clients write a UUID with capital letters, and mean the same.
    pub fn id(&self) -> i64 {
        const SIGN: u64 = 1 << 63;
        let hash = match (self.uuid(), self) {
            (Some(uuid), _) => xxh3_64(&written(&uuid)),
            (None, Key::Text(text)) => xxh3_64(text.as_bytes()),
            (None, Key::Uuid(_)) => return NONE,
        };
        ((hash | SIGN) as i64).max(NONE + 1)
    }

    /// Whether two keys may have the same id: it is the same key, or the same UUID in other letters.
    pub fn is_same(&self, other: &Key) -> bool {
        self == other || self.uuid().is_some_and(|uuid| other.uuid() == Some(uuid))
    }
}

impl Display for Key {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Key::Uuid(uuid) => written(uuid).iter().try_for_each(|c| write!(f, "{}", char::from(*c))),
            Key::Text(text) => f.write_str(text),
        }
    }
}

/// As PostgreSQL writes a UUID.
fn written(uuid: &[u8; 16]) -> [u8; LENGTH] {
    let mut text = [b'-'; LENGTH];
    let digits = uuid.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let places = (0..LENGTH).filter(|place| !HYPHENS.contains(place));
    places.zip(digits).for_each(|(place, digit)| text[place] = DIGITS[usize::from(digit)]);
    text
}

fn parse(text: &str) -> Option<[u8; 16]> {
    let text = text.as_bytes();
    if text.len() != LENGTH || HYPHENS.iter().any(|place| text[*place] != b'-') {
        return None;
    }
    let mut uuid = [0; 16];
    let places = (0..LENGTH).filter(|place| !HYPHENS.contains(place));
    for (n, place) in places.enumerate() {
        let digit = char::from(text[place]).to_digit(16)? as u8;
        uuid[n / 2] = uuid[n / 2] << 4 | digit;
    }
    Some(uuid)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const UUID: &str = "0b3c5a1e-7f42-4d8e-9a6b-c1d2e3f40516";

    #[test]
    fn ids_of_keys_never_change() {
        // Stored models have them: another value here is another format.
        assert_eq!(Key::of_text(UUID).id(), ID_OF_UUID);
        assert_eq!(Key::of_text("ana").id(), ID_OF_ANA);
        assert_eq!(Key::of_text("").id(), ID_OF_NOTHING);
    }

    // By the reference implementation of XXH3.
    const ID_OF_UUID: i64 = -7_248_590_203_718_067_789;
    const ID_OF_ANA: i64 = -1_665_264_314_583_697_926;
    const ID_OF_NOTHING: i64 = -5_978_950_695_371_172_670;

    #[test]
    fn a_uuid_is_the_same_as_a_value_as_text_and_in_capitals() {
        let (small, large) = (Key::of_text(UUID), Key::of_text(&UUID.to_uppercase()));
        assert!(matches!(small, Key::Uuid(_)));
        assert_eq!((small.id(), small.uuid()), (large.id(), large.uuid()));
        assert!(small.is_same(&large) && small != large);
        assert_eq!((small.to_string(), large.to_string()), (UUID.into(), UUID.to_uppercase()));
    }

    #[test]
    fn other_text_is_taken_by_its_letters() {
        let differ = ["ana", "Ana", "ana ", "aña", "", "0b3c5a1e7f424d8e9a6bc1d2e3f40516", &UUID[1..]];
        let ids: HashMap<i64, &str> = differ.iter().map(|text| (Key::of_text(text).id(), *text)).collect();
        assert_eq!(ids.len(), differ.len());
        assert!(
            differ.iter().all(|text| Key::of_text(text).uuid().is_none() && Key::of_text(text).to_string() == *text)
        );
    }

    #[test]
    fn ids_are_negative_and_spread() {
        let ids: std::collections::HashSet<i64> =
            (0..100_000).map(|n| Key::of_text(&format!("user{n}")).id()).collect();
        assert_eq!(ids.len(), 100_000);
        assert!(ids.iter().all(|id| *id < 0 && *id > NONE));
        let low = ids.iter().filter(|id| **id < i64::MIN / 2).count();
        assert!((49_000..51_000).contains(&low), "{low}");
    }
}
