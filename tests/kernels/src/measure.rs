//! The shortest time of a call, by instruction set.

use std::time::Instant;

use reco_models::kernels::Isa;

/// A batch of calls is at least this long, in seconds, so that the clock does not count.
const BATCH: f64 = 100e-6;
/// Batches by instruction set. The shortest counts: whatever else runs on the machine only adds.
const BATCHES: usize = 300;

/// Seconds of a call on each set. The sets take turns, so that a change of the processor's frequency meets all.
pub fn shortest(isas: &[Isa], mut call: impl FnMut(Isa)) -> Vec<f64> {
    let mut batch = |isa: Isa, calls: usize| {
        let start = Instant::now();
        (0..calls).for_each(|_| call(isa));
        start.elapsed().as_secs_f64()
    };
    let calls: Vec<usize> = isas
        .iter()
        .map(|isa| {
            let one = (0..3).map(|_| batch(*isa, 1)).fold(f64::INFINITY, f64::min);
            (BATCH / one.max(1e-9)).ceil() as usize
        })
        .collect();
    let mut shortest = vec![f64::INFINITY; isas.len()];
    for _ in 0..BATCHES {
        for ((isa, calls), shortest) in isas.iter().zip(&calls).zip(&mut shortest) {
            *shortest = shortest.min(batch(*isa, *calls) / *calls as f64);
        }
    }
    shortest
}
