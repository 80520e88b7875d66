//! Schedulers: those of kernels, with changes.

use models::config::{EevdfParams, FairParams, SchedParams};
use models::presets;
use sim_core::SimDuration;

use super::at::{At, MAX_SPAN};
use crate::scenario::file::SchedFile;
use crate::syntax::error::ScenarioError;
use crate::syntax::units::Span;

/// The scheduler of a machine with so many processors; `kernel` is whose it is unless the file says
/// another one.
pub(super) fn sched(
    at: &At<'_>,
    file: Option<&SchedFile>,
    kernel: &str,
    cpus: u16,
    tick: SimDuration,
) -> Result<SchedParams, ScenarioError> {
    let default = SchedFile::default();
    let file = file.unwrap_or(&default);
    let name = file.kernel.as_deref().unwrap_or(kernel);
    let Some(kernel) = presets::guest_kernel(name) else {
        let names = presets::guest_kernel_names();
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        return Err(at.field("kernel").unknown("guest kernel preset", name, &names));
    };
    match kernel.sched(cpus) {
        SchedParams::Cfs(params) => {
            refuse(at, &eevdf_fields(file), (name, "CFS"), &cfs_fields(file))?;
            fair(at, file, &params).map(SchedParams::Cfs)
        }
        SchedParams::Eevdf(params) => {
            refuse(at, &cfs_fields(file), (name, "EEVDF"), &eevdf_fields(file))?;
            eevdf(at, file, EevdfParams { tick, ..params }).map(SchedParams::Eevdf)
        }
    }
}

/// A field of one scheduler: name, and whether the file has it.
type SchedField = (&'static str, bool);

fn cfs_fields(file: &SchedFile) -> [SchedField; 4] {
    [
        ("latency", file.latency.is_some()),
        ("min_granularity", file.min_granularity.is_some()),
        ("wakeup_granularity", file.wakeup_granularity.is_some()),
        ("sleeper_credit", file.sleeper_credit.is_some()),
    ]
}

fn eevdf_fields(file: &SchedFile) -> [SchedField; 5] {
    [
        ("base_slice", file.base_slice.is_some()),
        ("run_to_parity", file.run_to_parity.is_some()),
        ("place_lag", file.place_lag.is_some()),
        ("delay_dequeue", file.delay_dequeue.is_some()),
        ("preempt_short", file.preempt_short.is_some()),
    ]
}

/// Parameters of the other scheduler would be without effect.
fn refuse(
    at: &At<'_>,
    others: &[SchedField],
    (kernel, class): (&str, &str),
    own: &[SchedField],
) -> Result<(), ScenarioError> {
    let Some((field, _)) = others.iter().find(|(_, written)| *written) else { return Ok(()) };
    let message = format!("the scheduler of {kernel} is {class} and has no `{field}`");
    let own: Vec<String> = own.iter().map(|(name, _)| format!("`{name}`")).collect();
    let help = format!("one of {}, `wakeup_preemption`", own.join(", "));
    Err(at.field(field).fail(message, help))
}

fn span(
    at: &At<'_>,
    field: &str,
    value: Option<Span>,
    default: SimDuration,
) -> Result<SimDuration, ScenarioError> {
    let zero = SimDuration::ZERO;
    value.map_or(Ok(default), |value| at.field(field).span(value.0, zero..=MAX_SPAN))
}

/// Shorter slices are over before the switch that began them. `sched_setattr` takes none below 100 us
/// (kernel/sched/syscalls.c, 6.12.117).
const SHORTEST_SLICE: SimDuration = SimDuration::from_us(1);

fn shortest(at: &At<'_>, field: &str, slice: SimDuration) -> Result<(), ScenarioError> {
    if slice >= SHORTEST_SLICE {
        return Ok(());
    }
    let help = format!("at least {SHORTEST_SLICE}, such as \"0.75ms\"");
    Err(at.field(field).fail(format!("a slice of {slice} is too short"), help))
}

fn fair(at: &At<'_>, file: &SchedFile, preset: &FairParams) -> Result<FairParams, ScenarioError> {
    let span = |field, value, default| span(at, field, value, default);
    let params = FairParams {
        latency: span("latency", file.latency, preset.latency)?,
        min_granularity: span("min_granularity", file.min_granularity, preset.min_granularity)?,
        wakeup_granularity: span(
            "wakeup_granularity",
            file.wakeup_granularity,
            preset.wakeup_granularity,
        )?,
        sleeper_credit: span("sleeper_credit", file.sleeper_credit, preset.sleeper_credit)?,
        wakeup_preemption: file.wakeup_preemption.unwrap_or(preset.wakeup_preemption),
    };
    shortest(at, "min_granularity", params.min_granularity)?;
    if params.latency < params.min_granularity {
        let message = format!(
            "the latency ({}) is shorter than the shortest slice ({})",
            params.latency, params.min_granularity
        );
        return Err(at.field("latency").fail(message, "at least `min_granularity`"));
    }
    Ok(params)
}

fn eevdf(at: &At<'_>, file: &SchedFile, preset: EevdfParams) -> Result<EevdfParams, ScenarioError> {
    let params = EevdfParams {
        base_slice: span(at, "base_slice", file.base_slice, preset.base_slice)?,
        run_to_parity: file.run_to_parity.unwrap_or(preset.run_to_parity),
        place_lag: file.place_lag.unwrap_or(preset.place_lag),
        delay_dequeue: file.delay_dequeue.unwrap_or(preset.delay_dequeue),
        preempt_short: file.preempt_short.unwrap_or(preset.preempt_short),
        wakeup_preemption: file.wakeup_preemption.unwrap_or(preset.wakeup_preemption),
        tick: preset.tick,
    };
    shortest(at, "base_slice", params.base_slice)?;
    Ok(params)
}
