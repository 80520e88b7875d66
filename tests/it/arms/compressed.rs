//! Pages in compressed memory.

use super::fact::{Fact, Side, facts};
use super::measure::{self as m, median_us, share};
use super::trace::{Run, Trace};

const fn traced(scenario: &'static str) -> Side<Run> {
    Side::Of(Run { scenario, policy: "apf-v6.12", traced: true, settled: true, set: &[] })
}

/// From exit to entry, of faults that are not tried.
fn served_at_once(trace: &Trace) -> Vec<u64> {
    m::faults(trace).into_iter().filter(|&(_, tried, _)| !tried).map(|(ns, ..)| ns).collect()
}

fn long(trace: &Trace) -> f64 {
    let all = served_at_once(trace);
    share(all.iter().filter(|&&ns| ns > 1_000_000).count(), all.len())
}

facts! {
    zram_is_never_tried_recorded zram_is_never_tried_simulated {
        what: "tries, swap on zram (compressed 1)",
        recorded: Side::Of("compressed/z1"),
        simulated: traced("lab-zram-lz4-4f4w"),
        figure: |trace| trace.count(m::is_try) as f64,
        bounds: 0.0..=0.0,
        differs: None,
    }
    zswap_is_never_tried_recorded zswap_is_never_tried_simulated {
        what: "tries, all pages in zswap (compressed 2)",
        recorded: Side::Of("compressed/z3"),
        simulated: traced("lab-zswap-lzo-4f4w"),
        figure: |trace| trace.count(m::is_try) as f64,
        bounds: 0.0..=0.0,
        differs: None,
    }
    written_back_is_tried_recorded none {
        what: "tries of a fault, where zswap has written on what it held (compressed 2)",
        recorded: Side::Of("compressed/z5"),
        simulated: Side::None("no scenario of it in the library"),
        figure: |trace| {
            let faults = m::faults(trace);
            share(faults.iter().filter(|&&(_, tried, _)| tried).count(), faults.len())
        },
        bounds: 0.3..=0.95,
        differs: None,
    }
    zram_fault_recorded zram_fault_simulated {
        what: "exit to entry of a fault on zram (lz4), median us (compressed 3)",
        recorded: Side::Of("compressed/z1"),
        simulated: traced("lab-zram-lz4-4f4w"),
        figure: |trace| median_us(served_at_once(trace)),
        bounds: 27.0..=33.0,
        differs: Some((17.0..=24.0, "The log has six probes besides, about 10 us together.")),
    }
    zswap_fault_recorded zswap_fault_simulated {
        what: "exit to entry of a fault of a page in zswap (lzo), median us (compressed 3)",
        recorded: Side::Of("compressed/z3"),
        simulated: traced("lab-zswap-lzo-4f4w"),
        figure: |trace| median_us(served_at_once(trace)),
        bounds: 28.0..=36.0,
        differs: Some((18.0..=27.0, "The log has six probes besides, about 10 us together.")),
    }
    eviction_comes_in_bursts_recorded eviction_comes_in_bursts_simulated {
        what: "faults on zram of more than a millisecond (compressed 4)",
        recorded: Side::Of("compressed/z1"),
        simulated: traced("lab-zram-lz4-4f4w"),
        figure: long,
        bounds: 0.014..=0.026,
        differs: None,
    }
}
