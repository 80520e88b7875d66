//! Logs of which no scenario can be made.

use super::error::FitError;
use super::given::FitOptions;
use super::measure::{Counts, Measure};

/// Faults that needed I/O, of which a log must have so many.
pub(super) const MIN_FAULTS: u64 = 10;
/// Faults that needed I/O do not come faster than this, in nanoseconds: a host of 64 vCPUs with a million a second on
/// one device is ten times slower.
const QUICKEST_FAULT: u64 = 100;
/// Longest log, in nanoseconds: 30 days.
const LONGEST: u64 = 30 * 24 * 3_600_000_000_000;

/// What no scenario can be made from.
pub(super) fn refuse(name: &str, measure: &Measure, options: &FitOptions) -> Result<(), FitError> {
    let name = name.to_owned();
    if measure.ticks {
        return Err(FitError::Ticks { name });
    }
    if measure.counts.kvm == 0 {
        return Err(FitError::NoKvm { name });
    }
    if measure.several_guests() {
        return Err(FitError::SeveralGuests { name });
    }
    let Counts { messages, reads_before_try, reads_by_worker, .. } = measure.counts;
    let reads = reads_before_try + reads_by_worker;
    if options.device.is_none() && messages > 0 && messages >= reads {
        return Err(FitError::Handler { name, messages, reads });
    }
    // Without the device no synchronous fault is seen, so this comes before their number.
    if options.device.is_none() && measure.device().is_none() {
        return Err(FitError::NoDevice { name, missing: lacking(measure) });
    }
    let faults = measure.faults();
    if faults == 0 {
        return Err(FitError::NoFaults { name });
    }
    if faults < MIN_FAULTS {
        return Err(FitError::TooFew { name, faults, least: MIN_FAULTS });
    }
    let length = measure.length();
    if length / faults < QUICKEST_FAULT || length > LONGEST {
        return Err(FitError::NoTimes { name, faults, seconds: length as f64 / 1e9 });
    }
    Ok(())
}

/// The events that show the device and are not in the log; all of them where none is missing.
fn lacking(measure: &Measure) -> String {
    let counts = &measure.counts;
    let all = [
        ("block:block_rq_issue", counts.issues),
        ("block:block_rq_complete", counts.block - counts.issues),
        ("kvm:kvm_exit", counts.exits),
        ("kvm:kvm_entry", counts.entries),
    ];
    let mut missing: Vec<&str> =
        all.iter().filter(|(_, count)| *count == 0).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        missing = all.iter().map(|(name, _)| *name).collect();
    }
    match missing.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => String::new(),
    }
}
