//! From the lengths of paths to costs: least squares, with the costs of a preset as what is
//! likely, and none below zero.

use models::config::CpuConfig;
use models::config::costs::{Cost, Costs};
use sim_core::SimDuration;

use super::paths::{Part, PathId};

/// How strongly a cost is held at the preset's, against one path that says otherwise.
const PRESET_WEIGHT: f64 = 0.0002;
/// A cost may differ from a small one of the preset by so much, in nanoseconds, as from a larger
/// one by its own size.
const SMALL_COST: f64 = 500.0;
/// Half of what a printed microsecond leaves open.
const ROUNDING: f64 = 500.0;
/// Turns over all costs; they settle long before.
const TURNS: u32 = 4000;

/// Lengths of paths that costs are made from: what, how long in nanoseconds, how many spans.
pub(crate) type Lengths = Vec<(PathId, f64, u64)>;

/// Parts of a preset in nanoseconds.
pub(crate) type Parts = [f64; Part::COUNT];

/// The costs of a processor as parts of paths.
pub(crate) fn parts_of(cpu: &CpuConfig) -> Parts {
    let ns = |cost: Cost| cost.time(cpu.frequency).as_ps() as f64 / 1000.0;
    let c = &cpu.costs;
    let mut parts = [0.0; Part::COUNT];
    for (part, value) in [
        (Part::ExitHw, ns(c.exit_hw)),
        (Part::Detect, ns(c.apf_detect)),
        (Part::Map, ns(c.kvm_fault) - ns(c.apf_detect)),
        (Part::Prefault, ns(c.kvm_fault) - ns(c.prefault_saves)),
        (Part::Prepare, ns(c.swap_in_prepare)),
        (Part::Submit, ns(c.block_submit)),
        (Part::Copy, ns(c.block_copy)),
        (Part::Setup, ns(c.apf_setup)),
        (Part::Queued, ns(c.apf_queued)),
        (Part::Worker, ns(c.apf_worker)),
        (Part::Ready, ns(c.apf_ready)),
        (Part::DeviceInterrupt, ns(c.device_interrupt)),
        (Part::BlockComplete, ns(c.block_complete)),
        (Part::HostSwitch, ns(c.host_switch)),
        (Part::WakeLatency, ns(c.host_wake_latency)),
        (Part::ExitInterrupt, ns(c.exit_interrupt)),
        (Part::InjectHost, ns(c.inject_host)),
        (Part::TimerInterrupt, ns(c.timer_interrupt)),
        (Part::MsrWrite, ns(c.exit_light) - ns(c.msr_return)),
        (Part::MsrReturn, ns(c.msr_return)),
        (Part::HostTick, ns(c.host_tick)),
        (Part::InjectEvent, ns(c.inject_event)),
        (Part::GuestException, ns(c.guest_exception)),
        (Part::GuestReady, ns(c.guest_ready)),
        (Part::GuestWakeup, ns(c.guest_wakeup)),
        (Part::GuestTick, ns(c.guest_tick)),
        (Part::ReclaimUnmap, ns(c.reclaim_unmap_page)),
        (Part::ReclaimWrite, ns(c.reclaim_write_page)),
    ] {
        parts[part as usize] = f64::max(value, 0.0);
    }
    parts
}

/// What a path takes by the costs.
pub(crate) fn length(path: PathId, parts: &Parts) -> f64 {
    path.parts().iter().map(|&part| parts[part as usize]).sum()
}

/// How far a preset is from the measured paths: the mean square of what it misses, as a share.
pub(crate) fn distance(lengths: &Lengths, parts: &Parts) -> f64 {
    let miss = |&(path, ns, _): &(PathId, f64, u64)| {
        let told = length(path, parts);
        let share = (told - ns) / (told + ns + ROUNDING);
        share * share
    };
    lengths.iter().map(miss).sum::<f64>() / lengths.len().max(1) as f64
}

/// The parts that miss the measured paths least.
pub(crate) fn solve(lengths: &Lengths, preset: &Parts) -> Parts {
    let mut parts = *preset;
    let scale = |part: usize| preset[part].max(SMALL_COST);
    // The misses, kept up to date as parts change.
    let mut missing: Vec<f64> =
        lengths.iter().map(|&(path, ns, _)| ns - length(path, &parts)).collect();
    let rows: Vec<(Vec<f64>, f64)> = lengths
        .iter()
        .map(|&(path, ns, count)| {
            let mut row = vec![0.0; Part::COUNT];
            for &part in path.parts() {
                row[part as usize] += 1.0;
            }
            // A path with few spans says less, and a length of few microseconds too.
            let spans = count as f64 / (count as f64 + 3.0);
            (row, spans / ((ns + ROUNDING) * (ns + ROUNDING)))
        })
        .collect();
    for _ in 0..TURNS {
        for part in 0..Part::COUNT {
            let hold = PRESET_WEIGHT / (scale(part) * scale(part));
            let (mut slope, mut curve) = (hold * (preset[part] - parts[part]), hold);
            for ((row, weight), missing) in rows.iter().zip(&missing) {
                slope += weight * row[part] * missing;
                curve += weight * row[part] * row[part];
            }
            let value = (parts[part] + slope / curve).max(0.0);
            let change = value - parts[part];
            parts[part] = value;
            for ((row, _), missing) in rows.iter().zip(&mut missing) {
                *missing -= row[part] * change;
            }
        }
    }
    parts
}

/// A cost of a scenario that was taken from paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FittedCost {
    /// Its name in scenario files.
    pub(crate) name: &'static str,
    /// How much, in whole nanoseconds.
    pub(crate) cost: SimDuration,
    /// The parts of paths that it is made of.
    pub(crate) parts: &'static [Part],
}

impl FittedCost {
    /// The cost as a scenario file has it.
    pub(crate) fn shown(&self) -> String {
        if self.cost.is_zero() { "0ns".to_owned() } else { self.cost.to_string() }
    }
}

/// The parts as costs of a scenario.
pub(crate) fn costs(parts: &Parts) -> Vec<FittedCost> {
    let whole = |part: Part| (parts[part as usize] + 0.5) as u64;
    let (detect, prefault) = (whole(Part::Detect), whole(Part::Prefault));
    let fault = detect + whole(Part::Map);
    let light = whole(Part::MsrWrite) + whole(Part::MsrReturn);
    let cost = |name, parts: &'static [Part], ns| {
        debug_assert!(Costs::NAMES.contains(&name));
        FittedCost { name, cost: SimDuration::from_ns(ns), parts }
    };
    let same = |name, part: &'static [Part; 1]| cost(name, part, whole(part[0]));
    vec![
        same("exit_hw", &[Part::ExitHw]),
        cost("exit_light", &[Part::MsrWrite, Part::MsrReturn], light),
        same("msr_return", &[Part::MsrReturn]),
        same("exit_interrupt", &[Part::ExitInterrupt]),
        same("inject_host", &[Part::InjectHost]),
        same("inject_event", &[Part::InjectEvent]),
        same("timer_interrupt", &[Part::TimerInterrupt]),
        same("guest_exception", &[Part::GuestException]),
        cost("kvm_fault", &[Part::Detect, Part::Map], fault),
        cost("prefault_saves", &[Part::Prefault], fault.saturating_sub(prefault)),
        same("apf_detect", &[Part::Detect]),
        same("apf_setup", &[Part::Setup]),
        same("apf_queued", &[Part::Queued]),
        same("apf_worker", &[Part::Worker]),
        same("apf_ready", &[Part::Ready]),
        same("swap_in_prepare", &[Part::Prepare]),
        same("block_submit", &[Part::Submit]),
        same("block_copy", &[Part::Copy]),
        same("device_interrupt", &[Part::DeviceInterrupt]),
        same("block_complete", &[Part::BlockComplete]),
        same("host_switch", &[Part::HostSwitch]),
        same("host_wake_latency", &[Part::WakeLatency]),
        same("host_tick", &[Part::HostTick]),
        same("guest_ready", &[Part::GuestReady]),
        same("guest_wakeup", &[Part::GuestWakeup]),
        same("guest_tick", &[Part::GuestTick]),
        same("reclaim_unmap_page", &[Part::ReclaimUnmap]),
        same("reclaim_write_page", &[Part::ReclaimWrite]),
    ]
}

#[cfg(test)]
mod tests {
    use models::presets;

    use super::*;

    fn lab() -> Parts {
        parts_of(&presets::cpu("lab-1gips-traced").expect("exists").config)
    }

    /// Every path of the preset, changed by `change`.
    fn measured(change: impl Fn(&mut Parts)) -> (Lengths, Parts) {
        let mut parts = lab();
        change(&mut parts);
        let made = PathId::ALL.iter().filter(|path| !path.parts().is_empty());
        (made.map(|&path| (path, length(path, &parts), 100)).collect(), parts)
    }

    #[test]
    fn a_preset_explains_itself() {
        let (lengths, _) = measured(|_| {});
        let solved = solve(&lengths, &lab());
        for (solved, known) in solved.iter().zip(lab()) {
            assert!((solved - known).abs() < 1.0, "{solved} {known}");
        }
        assert!(distance(&lengths, &lab()) < 1e-12);
    }

    #[test]
    fn paths_of_another_host_are_met() {
        let (lengths, _) = measured(|parts| {
            for part in parts.iter_mut() {
                *part *= 0.4;
            }
            parts[Part::Setup as usize] += 3000.0;
        });
        let solved = solve(&lengths, &lab());
        for &(path, ns, _) in &lengths {
            let told = length(path, &solved);
            assert!((told - ns).abs() < 0.01 * ns + 20.0, "{path:?} {told} {ns}");
        }
    }

    #[test]
    fn what_no_path_shows_stays_the_presets() {
        let lengths = vec![(PathId::AckNothing, 9000.0, 50)];
        let solved = solve(&lengths, &lab());
        assert_eq!(solved[Part::Copy as usize], lab()[Part::Copy as usize]);
        assert!((length(PathId::AckNothing, &solved) - 9000.0).abs() < 60.0);
    }

    #[test]
    fn no_cost_is_below_zero() {
        let lengths = vec![(PathId::TimerInterrupt, 5000.0, 9), (PathId::ReadyEntry, 8000.0, 9)];
        assert!(solve(&lengths, &lab()).iter().all(|&part| part >= 0.0));
    }
}
