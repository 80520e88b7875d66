//! Event queues and engines under the same workloads, with Criterion's statistics.
//!
//! ```text
//! cargo bench -p apfsim-benches --bench queue                       # everything: long
//! cargo bench -p apfsim-benches --bench queue -- 'hold/bimodal'     # a part
//! ```
//!
//! A benchmark's name is `workload/size/contender`; the size is pending events, messages for each
//! entity (`phold`), or timers. Times are wall clock; `queue_table` measures processor time.

#![allow(missing_docs, reason = "a program")]

mod contenders;
mod engines;

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};

use contenders::{Table, tables};

fn bench_size(group: &mut BenchmarkGroup<'_, WallTime>, table: &Table, size: u32) {
    group.throughput(Throughput::Elements(1));
    for column in &table.columns {
        // Made at the first measurement, so that what a filter leaves out costs nothing.
        let mut contender = None;
        group.bench_function(BenchmarkId::new(size.to_string(), column.name), |bencher| {
            bencher.iter_custom(|events| {
                let contender = contender.get_or_insert_with(|| column.warmed_up(size));
                let start = Instant::now();
                let done = contender.run(events);
                // An engine may pass its mark; the time counts for as many as were asked for.
                start.elapsed().mul_f64(events as f64 / done.max(1) as f64)
            });
        });
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    for table in tables() {
        let mut group = criterion.benchmark_group(&table.name);
        for &size in &table.sizes {
            bench_size(&mut group, &table, size);
        }
        group.finish();
    }
    criterion.final_summary();
}
