//! Prints the table "TLB reach" of docs/models.md: what the translation of an address costs on the
//! machine at hand, by footprint, and what a processor preset says.
//!
//! ```text
//! cargo bench -p apfsim-benches --bench tlb_reach -- zen4
//! ```
//!
//! Measured is a chase of pointers through a random cycle, one line a page, and beside it through
//! as many lines that lie side by side in few pages: both miss the data caches alike, and the
//! difference is translation. Each is the least of several runs, in processor time of the thread.
//! Simulated is the same walk over pages in a machine of the preset.

#![allow(clippy::print_stdout, reason = "a table to print")]
#![allow(missing_docs, reason = "a program")]

use std::hint::black_box;

use apfsim_benches::machines::WorldError;
use apfsim_benches::reach::access_time;
use cpu_time::ThreadTime;
use sim_core::RandomStreams;

/// Pages of 4 KiB: 16 KiB to 64 MiB.
const FOOTPRINTS: [usize; 17] =
    [4, 32, 48, 64, 72, 80, 96, 128, 512, 1024, 1536, 2048, 2560, 3072, 4096, 8192, 16384];
const RUNS: usize = 7;
/// Words of eight bytes in a page, and in a line.
const PAGE: usize = 512;
const LINE: usize = 8;

/// Nanoseconds an access of a chase through `places` in random order.
fn chase(places: &[usize], seed: u64) -> f64 {
    let mut order: Vec<usize> = (0..places.len()).collect();
    let mut stream = RandomStreams::new(seed).stream("chase");
    // Sattolo's shuffle: one cycle through all.
    for last in (1..order.len()).rev() {
        order.swap(last, stream.below(last as u64) as usize);
    }
    let words = places.iter().max().map_or(1, |last| last + 1);
    let mut memory = vec![0usize; words];
    for (at, &from) in order.iter().enumerate() {
        let to = order[(at + 1) % order.len()];
        memory[places[from]] = places[to];
    }
    let steps = (8 * places.len()).max(1 << 20);
    let mut place = places[0];
    let mut least = f64::INFINITY;
    for _ in 0..RUNS {
        let start = ThreadTime::now();
        for _ in 0..steps {
            place = memory[place];
        }
        least = least.min(start.elapsed().as_secs_f64() * 1e9 / steps as f64);
        black_box(place);
    }
    least
}

fn main() -> Result<(), WorldError> {
    // Cargo adds options of its own.
    let preset = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let preset = preset.as_deref().unwrap_or("zen4");
    let thp = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    if thp.is_ok_and(|thp| thp.contains("[always]")) {
        println!("Memory is backed by huge pages here (transparent_hugepage: always).");
    }
    println!("| pages | a line a page | lines together | translation | `{preset}` |");
    println!("| ---: | ---: | ---: | ---: | ---: |");
    let floor = access_time(preset, FOOTPRINTS[0])?;
    for pages in FOOTPRINTS {
        // Spread over the sets of the first-level data cache.
        let spread: Vec<usize> = (0..pages).map(|page| page * PAGE + page % 64 * LINE).collect();
        let together: Vec<usize> = (0..pages).map(|line| line * LINE).collect();
        let (apart, packed) = (chase(&spread, 1), chase(&together, 1));
        println!(
            "| {pages} | {apart:.2} ns | {packed:.2} ns | {:.2} ns | {:.2} ns |",
            apart - packed,
            access_time(preset, pages)? - floor
        );
    }
    Ok(())
}
