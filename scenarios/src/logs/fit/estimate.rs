//! From what was measured to the numbers of a scenario, each with where it comes from.

use models::presets;
use models::presets::policies::{policy, policy_names};
use sim_core::SimDuration;

use super::error::FitError;
use super::given::{FitOptions, Given};
use super::host::{self, DeviceLaw, constant_of};
use super::measure::Measure;
use super::paths::{Part, PathId};
use super::refuse::{MIN_FAULTS, refuse};
use super::solve::{FittedCost, Lengths, Parts};
use crate::syntax::error::help_for_unknown;

/// Spans that a path must have to be taken for costs.
const MIN_SPANS: u64 = 3;
/// Touches to each fault, in tenths: two fifths of them fault.
pub(super) const TOUCHES_TENTHS: u64 = 25;
/// Least cost of a touch, in nanoseconds.
const MIN_TOUCH: u64 = 20;
/// Most tasks that options may ask for.
const MAX_TASKS: u32 = 256;
/// Steps of a program in which the share of faults in the guest's kernel is told.
pub(super) const PROGRAM_STEPS: u32 = 20;

/// How the host served the faults of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The guest was told.
    Told,
    /// The vCPU was halted; no guest was told.
    Halted,
    /// The vCPU thread read the page and slept.
    Synchronous,
    /// The vCPU thread read the page and kept its processor.
    Polled,
}

impl Mode {
    /// The name for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Halted => "halted",
            Self::Synchronous => "synchronous",
            Self::Polled => "polled",
        }
    }

    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Told => "asynchronous, the guest is told",
            Self::Halted => "asynchronous, the vCPU is halted and no guest told",
            Self::Synchronous => "synchronous: the vCPU thread reads and sleeps",
            Self::Polled => "synchronous: the vCPU thread reads and polls",
        }
    }
}

/// The numbers of a scenario.
#[derive(Clone, Debug)]
pub(super) struct Estimate {
    pub(super) mode: Mode,
    /// A policy by name, or one with another first lookup.
    pub(super) policy: String,
    pub(super) first_lookup: Option<&'static str>,
    /// Kernels of guest and host as presets have them, for their schedulers.
    pub(super) guest_kernel: &'static str,
    pub(super) host_kernel: &'static str,
    pub(super) cpu: String,
    pub(super) costs: Vec<FittedCost>,
    pub(super) frequency_mhz: Option<u64>,
    pub(super) device: DeviceLaw,
    pub(super) read_ahead: u64,
    pub(super) reclaims: bool,
    pub(super) host_cpus: usize,
    pub(super) host_tick: SimDuration,
    pub(super) vcpus: usize,
    pub(super) hz: Option<u64>,
    pub(super) timer_exits: bool,
    pub(super) load: Load,
    pub(super) duration: SimDuration,
    pub(super) seed: u64,
    /// Where each comes from, in the order of the file.
    pub(super) given: Vec<Given>,
}

/// What the guest runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) faulters: u32,
    pub(super) workers: u32,
    /// Whether the number of workers may be found by trying.
    pub(super) workers_open: bool,
    pub(super) touch: SimDuration,
    /// Of `PROGRAM_STEPS` touches, those in a system call.
    pub(super) kernel_steps: u32,
}

/// Looks at the options before a long log is read.
pub(super) fn check_options(options: &FitOptions) -> Result<(), FitError> {
    let unknown = |option, value: &str, what, names: &[&str]| {
        let help = help_for_unknown(value, names);
        Err(FitError::Unknown { option, value: value.to_owned(), what, help })
    };
    if let Some(name) = &options.policy
        && policy(name).is_none()
    {
        return unknown("--policy", name, "policy", &policy_names());
    }
    if let Some(name) = &options.cpu
        && presets::cpu(name).is_none()
    {
        let names = presets::cpu_names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        return unknown("--cpu", name, "processor", &names);
    }
    if let Some(text) = &options.device
        && constant_of(text).is_none()
        && presets::device(text).is_none()
    {
        let names = presets::device_names();
        let names = names.iter().map(String::as_str).chain(["500us"]);
        return unknown("--device", text, "device", &names.collect::<Vec<_>>());
    }
    for (option, value) in [("--faulters", options.faulters), ("--workers", options.workers)] {
        let least = u32::from(option == "--faulters");
        if let Some(value) = value
            && !(least..=MAX_TASKS).contains(&value)
        {
            let help = "at most 256 tasks, and at least one that faults";
            return Err(FitError::Range { option, value: value.to_string(), help });
        }
    }
    match options.touch {
        Some(touch) if touch.is_zero() || touch > SimDuration::from_secs(1) => {
            let (option, value) = ("--touch", touch.to_string());
            Err(FitError::Range { option, value, help: "above 0, at most 1s" })
        }
        _ => Ok(()),
    }
}

/// The numbers of a scenario.
pub(super) fn estimate(
    name: &str,
    measure: &Measure,
    options: &FitOptions,
) -> Result<Estimate, FitError> {
    refuse(name, measure, options)?;
    let mode = mode(measure);
    let mut given = Vec::new();
    let (policy, first_lookup) = policy_for(mode, measure, options, &mut given);
    let (guest_kernel, host_kernel) = kernels(&policy, &mut given);
    let lengths = lengths(measure);
    let cpu = host::preset(&lengths, options, &mut given);
    let frequency_mhz = host::frequency(measure, &cpu, &mut given);
    let host_cpus = host::processors(measure, &mut given);
    let (parts, costs) = host::costs(&lengths, &cpu, &mut given);
    let (device, reclaims) = host::device(measure, options, &parts, &mut given);
    let read_ahead = host::read_ahead(measure, &mut given);
    let (host_tick, hz) = host::ticks(measure, &mut given);
    let vcpus = measure.vcpu_count().max(1);
    Given::say(
        &mut given,
        "guest.vcpus",
        vcpus,
        "threads that enter a guest, or fault; of one number together",
    );
    let timer_exits = measure.counts.deadlines > 0;
    let source = format!("{} writes of a TSC deadline exited", measure.counts.deadlines);
    Given::say(&mut given, "guest.apic.timer_exits", timer_exits, source);
    let load = load(mode, measure, options, &cpu, &parts, &mut given);
    Ok(Estimate {
        mode,
        policy,
        first_lookup,
        guest_kernel,
        host_kernel,
        cpu,
        costs,
        frequency_mhz,
        device,
        read_ahead,
        reclaims,
        host_cpus,
        host_tick,
        vcpus,
        hz,
        timer_exits,
        load,
        duration: duration(measure),
        seed: options.seed,
        given,
    })
}

fn mode(measure: &Measure) -> Mode {
    let counts = &measure.counts;
    if measure.told() > 0 {
        Mode::Told
    } else if counts.announced > 0 {
        Mode::Halted
    } else if counts.polled * 2 > counts.synchronous {
        Mode::Polled
    } else {
        Mode::Synchronous
    }
}

/// The paths from which costs are taken.
fn lengths(measure: &Measure) -> Lengths {
    let counts = &measure.counts;
    let worker_reads = counts.reads_by_worker > counts.reads_before_try;
    let made = PathId::ALL.iter().copied().filter(|path| !path.parts().is_empty());
    made.filter_map(|path| {
        // Where vCPU threads read, one that did not has found the page being read.
        if path == PathId::FaultTryWithoutRead && !worker_reads {
            return None;
        }
        let summary = measure.path(path)?;
        (summary.count >= MIN_SPANS).then_some((path, summary.centre, summary.count))
    })
    .collect()
}

/// Which generation of the protocol, or which simpler host.
fn policy_for(
    mode: Mode,
    measure: &Measure,
    options: &FitOptions,
    given: &mut Vec<Given>,
) -> (String, Option<&'static str>) {
    if let Some(name) = &options.policy {
        Given::say(given, "policies", name, "given (--policy)");
        return (name.clone(), None);
    }
    let counts = &measure.counts;
    // A guest that is told of page ready by #PF too has two for each fault.
    let told = measure.told();
    let by_interrupt = !counts.by_exception && counts.exceptions * 2 < told * 3;
    let worker_reads = counts.reads_by_worker > counts.reads_before_try;
    let name = match mode {
        Mode::Told if by_interrupt => "apf-v6.12",
        Mode::Told if worker_reads => "apf-v7-2010",
        Mode::Told => "apf-v4.13",
        Mode::Halted if worker_reads => "halt",
        Mode::Halted => "halt-v6.12",
        Mode::Synchronous | Mode::Polled => "sync",
    };
    // Only the posted series had workers that read, and those told page ready by #PF.
    let lookup = (name == "apf-v6.12" && worker_reads).then_some("no-io");
    let mut source = format!(
        "{} faults of which the guest was told, {} that only halted the vCPU, {} synchronous",
        told,
        counts.announced.saturating_sub(told),
        counts.synchronous
    );
    if counts.injections == 0 && counts.announced > 0 {
        source.push_str(match (told, measure.says_who_was_told()) {
            (1.., _) => " (no exception is in the log: seen from page ready)",
            (0, true) => "",
            (0, false) => " (assumed: neither exceptions nor interrupts are in the log)",
        });
    }
    if matches!(mode, Mode::Told | Mode::Halted) {
        source.push_str(&format!(
            "; {} reads by vCPU threads before the try, {} by workers; {} #PF injected",
            counts.reads_before_try, counts.reads_by_worker, counts.exceptions
        ));
    }
    if mode == Mode::Synchronous {
        source.push_str(
            "; a host whose first lookup waits for the read (apf-v5.17 without read-ahead) looks \
             the same",
        );
    }
    let value = lookup.map_or_else(|| name.to_owned(), |l| format!("{name}, first_lookup {l}"));
    Given::say(given, "policies", value, source);
    (name.to_owned(), lookup)
}

/// The kernels of guest and host that go with a generation: those whose schedulers and reclaim are
/// simulated.
fn kernels(policy: &str, given: &mut Vec<Given>) -> (&'static str, &'static str) {
    let kernels = match policy {
        "halt" | "apf-v5-2010" | "apf-v7-2010" | "apf-v2.6.39" => ("linux-2.6.36", "linux-2.6.36"),
        "apf-v4.13" | "apf-v5.3" => ("linux-4.19", "linux-2.6.36"),
        _ => ("linux-6.12", "linux-6.12"),
    };
    let source =
        "not in the log: assumption, the preset that is nearest to the policy's generation";
    Given::say(given, "host.kernel", kernels.1, source);
    Given::say(given, "guest.kernel", kernels.0, source);
    kernels
}

/// Tasks and what they do, as far as a host can see it.
fn load(
    mode: Mode,
    measure: &Measure,
    options: &FitOptions,
    cpu: &str,
    parts: &Parts,
    given: &mut Vec<Given>,
) -> Load {
    let faulters = faulters(mode, measure, options, given);
    let touch = touch(mode, measure, options, (cpu, parts), given);
    let (counts, told) = (&measure.counts, measure.told());
    let kernel_steps = match mode {
        Mode::Told => {
            let share = counts.announced.saturating_sub(told) * u64::from(PROGRAM_STEPS);
            u32::try_from((share + counts.announced / 2) / counts.announced.max(1)).unwrap_or(0)
        }
        // Who is never told may fault wherever it likes.
        Mode::Halted | Mode::Synchronous | Mode::Polled => 0,
    };
    let source = format!("{told} of {} faults were told", counts.announced);
    if mode == Mode::Told {
        let value = format!("{kernel_steps} of {PROGRAM_STEPS}");
        Given::say(given, "workload: touches in the guest's kernel", value, source);
    }
    let (workers, workers_open) = workers(measure, options, faulters, given);
    Load { faulters, workers, workers_open, touch, kernel_steps }
}

fn faulters(mode: Mode, measure: &Measure, options: &FitOptions, given: &mut Vec<Given>) -> u32 {
    let field = "workload.tasks[faulter].count";
    if let Some(count) = options.faulters {
        Given::say(given, field, count, "given (--faulters)");
        return count;
    }
    let vcpus = u32::try_from(measure.vcpu_count().max(1)).unwrap_or(1);
    let (count, source) = match mode {
        Mode::Told => {
            let most = u32::try_from(measure.most_outstanding.max(1)).unwrap_or(u32::MAX);
            (most, "most faults outstanding at once: so many threads fault at least".to_owned())
        }
        Mode::Halted if measure.counts.repeated > 0 => {
            let repeated = measure.counts.repeated;
            let source = format!(
                "not in the log; {repeated} repeated faults need two threads a vCPU: assumption"
            );
            (2 * vcpus, source)
        }
        _ => (vcpus, "not in the log: assumption, one a vCPU (--faulters)".to_owned()),
    };
    let count = count.min(MAX_TASKS);
    Given::say(given, field, count, source);
    count
}

/// The guest's time for a touch: what it has between two faults, less what its kernel needs.
fn touch(
    mode: Mode,
    measure: &Measure,
    options: &FitOptions,
    (cpu, parts): (&str, &Parts),
    given: &mut Vec<Given>,
) -> SimDuration {
    let field = "workload: cost of a touch";
    if let Some(touch) = options.touch {
        Given::say(given, field, touch, "given (--touch)");
        return touch;
    }
    let of_guest = |cost: fn(&models::config::costs::Costs) -> models::config::costs::Cost| {
        let cpu = presets::cpu(cpu).map(|cpu| cpu.config);
        cpu.map_or(0.0, |cpu| cost(&cpu.costs).time(cpu.frequency).as_ps() as f64 / 1000.0)
    };
    let switch = of_guest(|costs| costs.guest_switch);
    let handler = of_guest(|costs| costs.guest_not_present)
        + parts[Part::InjectEvent as usize]
        + parts[Part::GuestException as usize];
    // Of a guest with many threads only a fault right after a switch tells how long a touch is.
    let next = [
        (
            PathId::GuestNext,
            handler + switch,
            "guest time from an entry with #PF to the next fault",
        ),
        (PathId::GuestNextWoken, switch, "guest time from an entry after an ACK to the next fault"),
    ];
    let mut direct = next.into_iter().filter_map(|(path, kernel, what)| {
        let summary = measure.path(path).filter(|summary| summary.count >= MIN_FAULTS)?;
        Some((summary, kernel, what))
    });
    let direct = direct.next();
    let any = measure.thinks.summary(measure.whole_us);
    let any = any.map(|summary| (summary, 0.0, "guest time from one fault to the next"));
    let Some((seen, kernel, what)) = direct.filter(|_| mode == Mode::Told).or(any) else {
        let least = SimDuration::from_ns(MIN_TOUCH);
        Given::say(given, field, least, "not in the log (no kvm_entry): assumption");
        return least;
    };
    let (between, what) = (seen.p50, format!("{what}, n = {}", seen.count));
    let rest = (between - kernel).max(0.0) * 10.0 / TOUCHES_TENTHS as f64;
    let touch = SimDuration::from_ns((rest as u64).max(MIN_TOUCH));
    let source = format!(
        "{what}: p50 {:.2} us, less {:.2} us of the guest's kernel, in 2.5 touches (assumption: \
         two fifths of them fault)",
        between / 1000.0,
        kernel / 1000.0
    );
    Given::say(given, field, touch, source);
    touch
}

/// How many tasks count, and whether that may be found by trying.
fn workers(
    measure: &Measure,
    options: &FitOptions,
    faulters: u32,
    given: &mut Vec<Given>,
) -> (u32, bool) {
    let field = "workload.tasks[worker].count";
    if let Some(count) = options.workers {
        Given::say(given, field, count, "given (--workers)");
        return (count, false);
    }
    if measure.counts.hlt > 0 {
        let source =
            format!("{} HLT exits: at times the guest has nothing to run", measure.counts.hlt);
        Given::say(given, field, 0, source);
        return (0, false);
    }
    if measure.counts.exits == 0 || !options.run {
        let source = "not in the log: assumption, as many as fault (--workers)";
        Given::say(given, field, faulters, source);
        return (faulters, false);
    }
    (faulters, true)
}

/// Long enough for two thousand faults at the log's rate.
fn duration(measure: &Measure) -> SimDuration {
    let rate = u128::from(measure.faults().max(1));
    let ms = 2000 * u128::from(measure.length().max(1)) / rate / 1_000_000;
    SimDuration::from_ms(
        u64::try_from(ms).unwrap_or(u64::MAX).clamp(500, 60_000).div_ceil(100) * 100,
    )
}
