//! What was shown and ignored is shown less.

/// What was shown this many half-lives ago or longer does not count any more: less than 0.07 of a time.
pub const COUNTED: f64 = 4.0;

/// What the score of an item is multiplied by, 0 to 1, where items are ranked: 1 − strength·(1 − 2^−n). n is how often the item
/// was shown without a click, and each time counts half as much after a half-life. `ages` of these times have its unit.
///
/// ```
/// use reco_models::rotation_weight;
///
/// assert_eq!(rotation_weight(1.0, 7.0, [].into_iter()), 1.0);
/// assert_eq!(rotation_weight(1.0, 7.0, [0.0, 0.0].into_iter()), 0.25);
/// assert_eq!(rotation_weight(0.5, 7.0, [0.0].into_iter()), 0.75);
/// ```
pub fn rotation_weight(strength: f32, half_life: f64, ages: impl Iterator<Item = f64>) -> f32 {
    let counted = ages.map(|age| age.max(0.0) / half_life).filter(|age| *age < COUNTED);
    let times: f64 = counted.map(|age| (-age).exp2()).sum();
    1.0 - strength * (1.0 - (-times).exp2() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(strength: f32, ages: &[f64]) -> f32 {
        rotation_weight(strength, 7.0, ages.iter().copied())
    }

    #[test]
    fn each_time_counts_less_with_age_and_not_at_all_in_the_end() {
        assert!((weight(1.0, &[7.0]) - 0.5f32.sqrt()).abs() < 1e-6);
        assert!(weight(1.0, &[20.0]) > weight(1.0, &[1.0]));
        assert_eq!(weight(1.0, &[28.0, 100.0]), 1.0);
        // A clock that went back.
        assert_eq!(weight(1.0, &[-5.0]), 0.5);
    }

    #[test]
    fn it_never_takes_more_than_its_strength() {
        for strength in [0.0, 0.3, 1.0] {
            let often = weight(strength, &[0.0; 500]);
            assert!((1.0 - strength..=1.0).contains(&often), "{strength}: {often}");
        }
    }
}
