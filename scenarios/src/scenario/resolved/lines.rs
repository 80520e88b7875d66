//! A line's value as a file would have it.

use models::base::ids::PAGE_SIZE;
use sim_core::{Frequency, SimDuration};

use super::row::{Named, Preset, path};
use crate::syntax::units::{Bytes, Rate};

/// How a value is written.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Plain,
    /// Picoseconds.
    Time,
    Pages,
    Hz,
    /// A tick's length, which files have as ticks a second.
    Tick,
}

/// Fields of devices, schedulers and kernels whose lines are picoseconds.
const TIMES: [&str; 21] = [
    "read_latency",
    "write_latency",
    "per_page",
    "seek_base",
    "seek_sqrt",
    "rotation",
    "transfer_per_page",
    "controller",
    "read_expire",
    "write_expire",
    "latency",
    "copy_per_page",
    "halt_poll",
    "writeback_throttling",
    "min_granularity",
    "wakeup_granularity",
    "sleeper_credit",
    "base_slice",
    "wake_delay",
    "duration",
    "warmup",
];

pub(super) fn unit_of(field: &str) -> Unit {
    match field {
        "fault_around" => Unit::Pages,
        _ if TIMES.contains(&field) => Unit::Time,
        _ => Unit::Plain,
    }
}

/// A value as a file would have it.
pub(super) fn written(value: &str, unit: Unit) -> String {
    let number = value.parse::<u64>();
    match (unit, number) {
        (Unit::Plain, _) | (_, Err(_)) => value.to_owned(),
        (Unit::Time, Ok(0)) => "0s".to_owned(),
        (Unit::Time, Ok(ps)) => SimDuration::from_ps(ps).to_string(),
        // No limit.
        (Unit::Pages, Ok(pages)) if pages == u64::from(u32::MAX) => "none".to_owned(),
        (Unit::Pages, Ok(pages)) => Bytes(pages.saturating_mul(PAGE_SIZE)).to_string(),
        (Unit::Hz, Ok(hz)) => {
            Frequency::from_hz(hz).map_or_else(|| value.to_owned(), |rate| Rate(rate).to_string())
        }
        (Unit::Tick, Ok(ps)) => (1_000_000_000_000_u64.checked_div(ps)).unwrap_or(0).to_string(),
    }
}

/// A value that no preset says.
pub(super) fn plain(field: impl Into<String>, value: impl Into<String>) -> Named {
    let field = field.into();
    let path = path(&field);
    Named { field, value: value.into(), path, preset: Preset::None, policy: None }
}

/// One that a preset may have said.
pub(super) fn with(field: String, value: &str, preset: Preset) -> Named {
    Named { preset, ..plain(field, value) }
}

/// A line of a device that stands at `base`; without a field its kind.
pub(super) fn device(base: &str, field: &str, value: &str, volume: bool) -> Named {
    let name = if field.is_empty() { "kind" } else { field };
    let (field, value) = match name {
        // A volume is said to have a throughput.
        "per_page" if volume => {
            let ps = value.parse::<u64>().unwrap_or(0).max(1);
            let bytes = PAGE_SIZE * 1_000_000_000_000 / ps;
            ("throughput", Bytes(bytes).to_string())
        }
        "limit_pages" => ("mem_limit", written(value, Unit::Pages)),
        "read_expire" => ("elevator.read_expire", written(value, Unit::Time)),
        "write_expire" => ("elevator.write_expire", written(value, Unit::Time)),
        "fifo_batch" => ("elevator.fifo_batch", value.to_owned()),
        "writes_starved" => ("elevator.writes_starved", value.to_owned()),
        _ => (name, written(value, unit_of(name))),
    };
    with(format!("{base}.{field}"), &value, Preset::Device(path(base)))
}
