//! How fast machines are simulated, with digest and monitors on.
//!
//! ```text
//! cargo bench -p apfsim-benches --bench machine
//! cargo bench -p apfsim-benches --bench machine -- walks
//! ```

#![allow(missing_docs, reason = "criterion's macros")]

use apfsim_benches::machines::{World, WorldError, natapov_2010, worlds};
use criterion::{Criterion, Throughput};

fn measure(criterion: &mut Criterion, world: &World) -> Result<(), WorldError> {
    let mut group = criterion.benchmark_group(world.name);
    group.sample_size(10);
    group.throughput(Throughput::Elements(world.run()?.handled_events));
    group.bench_function("run", |bencher| bencher.iter(|| world.run()));
    group.throughput(Throughput::Elements(world.prefilled_pages()));
    group.bench_function("prefill", |bencher| bencher.iter(|| world.prefill()));
    group.finish();
    Ok(())
}

fn main() -> Result<(), WorldError> {
    let mut criterion = Criterion::default().configure_from_args();
    for world in worlds()? {
        measure(&mut criterion, &world)?;
    }
    measure(&mut criterion, &natapov_2010()?)?;
    criterion.final_summary();
    Ok(())
}
