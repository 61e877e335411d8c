//! Prints, for each kernel on each instruction set that the processor has, the time of a call and of what it does, and
//! the share of what the processor's loads and multiply-adds allow (both measured in the same run).
//!
//!     kernels [PART OF A KERNEL'S NAME]
//!     kernels training [PART OF A SET'S NAME]

mod cases;
mod measure;
mod peak;
mod training;
mod trees;

use reco_models::kernels::Isa;

use crate::peak::Peak;

fn main() -> Result<(), reco_models::Error> {
    let mut words = std::env::args().skip(1);
    let wanted = words.next().unwrap_or_default();
    let isas: Vec<Isa> = Isa::available().collect();
    println!("{}\n", processor());
    if wanted == "training" {
        let set = words.next().unwrap_or_default();
        let isas: Vec<Isa> = isas.into_iter().filter(|isa| isa.name().contains(&set)).collect();
        return training::compare(&isas);
    }
    let peaks = peak::measure(&isas);
    print_peaks(&isas, &peaks);
    print_kernels(&isas, &peaks, &wanted);
    Ok(())
}

fn print_peaks(isas: &[Isa], peaks: &[Peak]) {
    println!("{:<12}{:>16}{:>28}", "path", "loads, GB/s", "multiply-adds, 10^9/s");
    for (isa, peak) in isas.iter().zip(peaks) {
        println!("{:<12}{:>16.0}{:>28.1}", isa.name(), peak.bytes_loaded / 1e9, peak.madds / 1e9);
    }
}

fn print_kernels(isas: &[Isa], peaks: &[Peak], wanted: &str) {
    println!(
        "\n{:<38}{:<10}{:>10}{:>9}  {:<20}{:>9}{:>13}",
        "kernel", "path", "call, us", "ns", "for each", "possible", "of the best"
    );
    for mut case in cases::all().into_iter().filter(|case| case.name.contains(wanted)) {
        let seconds = measure::shortest(isas, &mut case.call);
        let best = seconds.iter().copied().fold(f64::INFINITY, f64::min);
        for ((isa, peak), seconds) in isas.iter().zip(peaks).zip(&seconds) {
            let least = (case.bytes_loaded as f64 / peak.bytes_loaded).max(case.madds as f64 / peak.madds);
            println!(
                "{:<38}{:<10}{:>10.3}{:>9.3}  {:<20}{:>8.0}%{:>12.0}%",
                case.name,
                isa.name(),
                seconds * 1e6,
                seconds * 1e9 / case.units as f64,
                case.unit,
                100.0 * least / seconds,
                100.0 * best / seconds
            );
        }
    }
}

/// As the kernel of the system names it.
fn processor() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |key: &str| {
        let line = cpus.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_string())
    };
    value("model name").or_else(|| value("CPU part")).unwrap_or_else(|| std::env::consts::ARCH.to_string())
}
