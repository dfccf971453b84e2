//! Timing without any dependency: the median of some rounds, so that a busy machine disturbs little.

use std::time::Instant;

/// Rounds of which the median is told.
const ROUNDS: usize = 21;

/// Runs `round`, which handles `items` things, again and again, and prints what one of them costs. `prepare` makes what
/// a round needs, and is not counted.
pub(crate) fn measure<T>(name: &str, items: u32, mut prepare: impl FnMut() -> T, mut round: impl FnMut(T)) {
    let mut nanoseconds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let given = prepare();
            let begun = Instant::now();
            round(given);
            begun.elapsed().as_secs_f64() * 1e9 / f64::from(items)
        })
        .collect();
    nanoseconds.sort_by(f64::total_cmp);
    let at = |part: usize| nanoseconds.get(ROUNDS * part / 10).copied().unwrap_or_default();
    println!("{name:<44} {:>9.0} ns each ({:.0} to {:.0} in eight rounds of ten)", at(5), at(1), at(9));
}
