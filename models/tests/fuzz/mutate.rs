//! Changes of bytes.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use crate::driver::pick;

/// Numbers at the edges of their types, and floats that are none.
const EDGES: [u64; 16] = [
    0,
    1,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7f80_0000,
    0x7fc0_0000,
    0x7f7f_ffff,
    u64::MAX,
    i64::MIN as u64,
    0x7ff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
];

/// One to eight changes of an input of the corpus, most of them within the first `head` bytes.
pub fn bytes(rng: &mut Pcg64Mcg, corpus: &[Vec<u8>], head: impl Fn(&[u8]) -> usize) -> Vec<u8> {
    let mut bytes = pick(rng, corpus).clone();
    for _ in 0..rng.random_range(1..=8) {
        let end = if rng.random_bool(0.6) { head(&bytes).min(bytes.len()) } else { bytes.len() };
        if end == 0 {
            bytes.push(rng.random());
            continue;
        }
        let at = rng.random_range(0..end);
        match rng.random_range(0..10) {
            0 | 1 => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => bytes[at] = rng.random(),
            3..=6 => put(rng, &mut bytes, at),
            7 => insert(rng, &mut bytes, at),
            8 => drop(bytes.drain(at..(at + rng.random_range(1..=16)).min(end))),
            _ if rng.random_bool(0.1) => bytes.truncate(at),
            _ => {
                let other: &Vec<u8> = pick(rng, corpus);
                splice(rng, &mut bytes, at, other);
            }
        }
    }
    bytes
}

/// An edge, or a small step from what is there, as a number of 1, 2, 4 or 8 bytes.
fn put(rng: &mut Pcg64Mcg, bytes: &mut [u8], at: usize) {
    let width = *pick(rng, &[1, 2, 4, 4, 8, 8]);
    let at = if rng.random_bool(0.5) { at / width * width } else { at };
    let Some(place) = bytes.get_mut(at..at + width) else { return };
    let mut number = [0; 8];
    number[..width].copy_from_slice(place);
    let there = u64::from_le_bytes(number);
    let step = rng.random_range(0..9);
    let number = if rng.random_bool(0.6) { *pick(rng, &EDGES) } else { there.wrapping_add(step).wrapping_sub(4) };
    place.copy_from_slice(&number.to_le_bytes()[..width]);
}

fn insert(rng: &mut Pcg64Mcg, bytes: &mut Vec<u8>, at: usize) {
    let width = *pick(rng, &[1, 4, 8, 64]);
    let fill: u8 = *pick(rng, &[0, 1, 0x80, 0xff]);
    bytes.splice(at..at, std::iter::repeat_n(fill, width));
}

fn splice(rng: &mut Pcg64Mcg, bytes: &mut [u8], at: usize, other: &[u8]) {
    let from = rng.random_range(0..other.len().max(1)).min(other.len());
    let n = rng.random_range(1..=64).min(other.len() - from).min(bytes.len() - at);
    bytes[at..at + n].copy_from_slice(&other[from..from + n]);
}
