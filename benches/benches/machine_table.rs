//! Prints the table "The machine" of docs/performance.md: medians of the processor time of this
//! thread over several runs.
//!
//! ```text
//! cargo bench -p apfsim-benches --bench machine_table
//! ```

#![allow(clippy::print_stdout, reason = "a table to print")]
#![allow(missing_docs, reason = "a program")]

use std::time::Duration;

use apfsim_benches::machines::{World, WorldError, natapov_2010, worlds};
use cpu_time::ThreadTime;
use models::machine::RunOutput;

const RUNS: usize = 5;

/// Median processor time, in seconds, and the last value.
fn median<T>(mut work: impl FnMut() -> T) -> (f64, T) {
    let mut timed = || {
        let start = ThreadTime::now();
        let value = work();
        (start.elapsed(), value)
    };
    let (first, mut value) = timed();
    let mut times = vec![first];
    for _ in 1..RUNS {
        let (time, next) = timed();
        times.push(time);
        value = next;
    }
    times.sort_unstable();
    (times.get(RUNS / 2).map_or(0.0, Duration::as_secs_f64), value)
}

/// A number with a prefix, three digits.
fn short(value: f64) -> String {
    for (scale, prefix) in [(1e9, " G"), (1e6, " M"), (1e3, " k")] {
        if value >= scale {
            let digits = if value >= 100.0 * scale { 0 } else { 1 };
            return format!("{:.digits$}{prefix}", value / scale);
        }
    }
    format!("{value:.1}")
}

fn row(world: &World) -> Result<(), WorldError> {
    let (prefill, made) = median(|| world.prefill());
    made?;
    let (seconds, output) = median(|| world.run());
    let output = output?;
    let before = world.run_nothing()?;
    let rate = |count: f64| short(count / seconds);
    let accesses = world
        .translation()
        .and_then(|extra| world.accesses(&output, extra))
        .map_or_else(|| "–".to_owned(), rate);
    let records = |output: &RunOutput| output.metrics.get("events").unwrap_or(0.0);
    println!(
        "| {} | {:.0} ms | {} | {} | {} | {} | {} |",
        world.name,
        seconds * 1e3,
        rate((output.handled_events - before.handled_events) as f64),
        rate(records(&output) - records(&before)),
        accesses,
        short(world.vcpu_time().as_secs_f64() / seconds),
        short(world.prefilled_pages() as f64 / prefill),
    );
    Ok(())
}

fn main() -> Result<(), WorldError> {
    println!(
        "| world | one run | events/s | records/s | accesses/s | simulated vCPU-s/s | prefilled pages/s |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for world in worlds()? {
        row(&world)?;
    }
    row(&natapov_2010()?)
}
