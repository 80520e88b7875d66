//! Whether runs take much memory or long, said before they do. Changes nothing else.

use std::fs;
use std::thread::available_parallelism;

use scenarios::run::length::operations;
use scenarios::run::memory::needed;
use scenarios::{Bytes, Scenario};

use crate::cli::RunningArgs;
use crate::output;

/// Operations of a run from which on it is said how many there are: at some nanoseconds each, a minute and more.
const MANY: f64 = 2e10;

/// Says so if the runs of a scenario may take long, or more memory than there is. Nothing where the machine does not
/// say how much that is.
pub(crate) fn warn(scenario: &Scenario, args: &RunningArgs) {
    let (one, all) = operations(scenario);
    if one >= MANY && !args.quiet {
        let in_all = if all > one { format!(", {all:.0e} in all") } else { String::new() };
        output::note(&format!(
            "note: programs may carry out up to {one:.0e} operations in a run{in_all}, which takes minutes to hours: \
             give operations more time, or a shorter `--duration`, if that is not wanted"
        ));
    }
    let threads = || available_parallelism().map_or(1, usize::from);
    let jobs = args.jobs.map_or_else(threads, usize::from);
    let (Some(free), needed) = (available(), needed(scenario, jobs)) else { return };
    if needed > free && !args.quiet {
        let of = |bytes: u64| Bytes(bytes >> 20 << 20);
        let fewer = if jobs > 1 { "`-j 1` takes least; otherwise " } else { "" };
        output::note(&format!(
            "note: these runs take up to about {} of memory, and {} are available: {fewer}make regions smaller",
            of(needed),
            of(free)
        ));
    }
}

/// What can be had without swapping, as Linux says it.
fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}
