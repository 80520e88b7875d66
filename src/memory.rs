//! Whether the memory of this machine is enough, said before it runs out. Changes nothing else.

use std::fs;
use std::thread::available_parallelism;

use scenarios::run::memory::needed;
use scenarios::{Bytes, Scenario};

use crate::cli::RunningArgs;
use crate::output;

/// Says so if the runs of a scenario may take more memory than there is. Nothing where the machine does not
/// say how much that is.
pub(crate) fn warn(scenario: &Scenario, args: &RunningArgs) {
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
