//! What a step costs: the memory of this process, and the operations of a factorisation.

use reco_models::steps::Interactions;

/// The peak memory of this process in bytes; 0 if the system does not tell.
pub fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(0, |kb| kb * 1024)
}

/// Floating-point operations of one epoch (both sides), counted by the cheaper exact method of each row, whatever the
/// solver does: normal equations n·k² + k³/3 + 2k², or their dual k·n² + n³/3 + 2n² + 4nk; beside them, once per
/// side, the Gram matrix m·k² and a rotation 2·m·k².
pub fn flops_per_epoch(matrix: &Interactions, k: usize) -> f64 {
    let mut by_item = vec![0usize; matrix.cols()];
    matrix.indices().iter().for_each(|item| by_item[*item as usize] += 1);
    let by_user = matrix.outer_iterator().map(|row| row.nnz());
    let rows: f64 = by_user.chain(by_item).map(|n| row_flops(n as f64, k as f64)).sum();
    rows + 3.0 * (matrix.rows() + matrix.cols()) as f64 * (k * k) as f64
}

fn row_flops(n: f64, k: f64) -> f64 {
    let primal = n * k * k + k * k * k / 3.0 + 2.0 * k * k;
    let dual = k * n * n + n * n * n / 3.0 + 2.0 * n * n + 4.0 * n * k;
    primal.min(dual)
}
