//! Which variant a user gets: a salted hash. Nothing is stored, so that every node says the same of a user, a standby too,
//! and whoever has the salt can say it again years later.
//!
//! The hash is XXH3 with 64 bits and a seed, of the salt in UTF-8 followed by the id of the user as eight bytes, the lowest
//! first. Its upper 53 bits as a share of 2^53 are a number in [0, 1). With the seed [`INTO_TRAFFIC`] it is compared with
//! the share of traffic, with [`AMONG_VARIANTS`] with the cumulated shares of the variants. Two draws, so that a larger share
//! of traffic adds users and moves none.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Seeds of the two draws.
const INTO_TRAFFIC: u64 = 0;
const AMONG_VARIANTS: u64 = 1;

/// A number in [0, 1) that depends on the salt, the user and the seed only.
fn draw(salt: &str, user: i64, seed: u64) -> f64 {
    let mut key = Vec::with_capacity(salt.len() + 8);
    key.extend_from_slice(salt.as_bytes());
    key.extend_from_slice(&user.to_le_bytes());
    // 53 bits are what a double precision holds exactly.
    (xxh3_64_with_seed(&key, seed) >> 11) as f64 / (1u64 << 53) as f64
}

/// The variant of a user: its place among `shares`, which are positive and need not sum to 1. None where the user is not among
/// the `traffic` (0 to 1) that takes part.
///
/// ```
/// use reco_models::assign;
///
/// // The same user, the same variant; half of all users take part.
/// assert_eq!(assign("portada", 0.5, &[0.5, 0.5], 7), assign("portada", 0.5, &[0.5, 0.5], 7));
/// assert!((0..100).any(|user| assign("portada", 0.5, &[0.5, 0.5], user).is_none()));
/// ```
pub fn assign(salt: &str, traffic: f64, shares: &[f64], user: i64) -> Option<usize> {
    if draw(salt, user, INTO_TRAFFIC) >= traffic {
        return None;
    }
    let place = draw(salt, user, AMONG_VARIANTS) * shares.iter().sum::<f64>();
    let mut end = 0.0;
    let found = shares.iter().position(|share| {
        end += share;
        place < end
    });
    // The sum of the shares may be rounded to below the last end.
    found.or(shares.len().checked_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the `xxhash` of Python gives them: xxh3_64_intdigest(b"portada" + (7).to_bytes(8, "little"), seed=0) >> 11.
    #[test]
    fn the_draw_is_the_documented_hash() {
        let whole = |salt, user, seed| (draw(salt, user, seed) * (1u64 << 53) as f64) as u64;
        assert_eq!(whole("portada", 7, 0), 2_276_435_896_562_425);
        assert_eq!(whole("portada", 7, 1), 5_888_549_931_515_388);
        assert_eq!(whole("ñ", -1, 0), 4_384_364_074_959_264);
    }

    #[test]
    fn users_fall_on_the_variants_by_their_shares() {
        let mut seen = [0u32; 4];
        for user in 0..100_000 {
            seen[assign("s", 0.5, &[2.0, 1.0, 1.0], user).unwrap_or(3)] += 1;
        }
        let expected = [25_000.0, 12_500.0, 12_500.0, 50_000.0];
        let chi: f64 = seen.iter().zip(expected).map(|(n, e)| (f64::from(*n) - e).powi(2) / e).sum();
        // The 99.9 % point with three degrees of freedom.
        assert!(chi < 16.27, "{seen:?}");
    }

    #[test]
    fn more_traffic_adds_users_and_moves_none() {
        let variant = |traffic, user| assign("s", traffic, &[0.5, 0.5], user);
        for user in 0..2000 {
            let (few, many) = (variant(0.2, user), variant(0.7, user));
            assert!(few.is_none() || few == many);
            assert!(variant(1.0, user).is_some() && variant(0.0, user).is_none());
        }
    }

    /// Without that, the users of the better variant of one experiment would share a variant of the next one.
    #[test]
    fn two_salts_are_independent() {
        let mut both = [[0.0f64; 2]; 2];
        for user in 0..40_000 {
            let of = |salt| assign(salt, 1.0, &[0.5, 0.5], user).unwrap();
            both[of("one")][of("two")] += 1.0;
        }
        let chi: f64 = both.iter().flatten().map(|n| (n - 10_000.0).powi(2) / 10_000.0).sum();
        assert!(chi < 16.27, "{both:?}");
    }
}
