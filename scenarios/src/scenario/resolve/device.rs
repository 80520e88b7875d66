//! Swap devices and laws of service times.

use models::config::{DeviceConfig, ElevatorConfig, HddConfig};
use models::presets;
use sim_core::{Distribution, SimDuration};

use super::at::At;
use crate::scenario::file::{
    DeviceFile, DevicePresetFile, DeviceRef, ElevatorFile, LawFile, ServiceTime,
};
use crate::syntax::error::ScenarioError;
use crate::syntax::units::Span;

/// The deadline elevator's own defaults (`block/deadline-iosched.c`).
const DEADLINE: ElevatorConfig = ElevatorConfig {
    read_expire: SimDuration::from_ms(500),
    write_expire: SimDuration::from_secs(5),
    fifo_batch: 16,
    writes_starved: 2,
};

const MILLION: u64 = 1_000_000;
const MAX_CHANNELS: u64 = 65_536;

pub(super) fn device(at: &At<'_>, file: &DeviceRef) -> Result<DeviceConfig, ScenarioError> {
    match file {
        DeviceRef::Name(name) => preset(at, name),
        DeviceRef::Preset(changes) => changed(at, changes),
        DeviceRef::Inline(whole) => described(at, whole),
    }
}

fn preset(at: &At<'_>, name: &str) -> Result<DeviceConfig, ScenarioError> {
    let preset = presets::device(name).map(|preset| preset.config);
    preset.ok_or_else(|| {
        let names = presets::device_names();
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        at.unknown("device preset", name, &names)
    })
}

fn described(at: &At<'_>, file: &DeviceFile) -> Result<DeviceConfig, ScenarioError> {
    let some = |field: &str, span: Span| at.field(field).some_time(span.0);
    let any = |field: &str, span: Option<Span>| {
        let span = span.map_or(SimDuration::ZERO, |span| span.0);
        at.field(field).span(span, SimDuration::ZERO..=super::at::MAX_SPAN)
    };
    match file {
        DeviceFile::Constant { read_latency, write_latency } => Ok(DeviceConfig::Constant {
            read_latency: some("read_latency", *read_latency)?,
            write_latency: some("write_latency", *write_latency)?,
        }),
        DeviceFile::Channels { channels, read, write, per_page } => Ok(DeviceConfig::Channels {
            channels: at.field("channels").number(*channels, 1..=MAX_CHANNELS)?,
            read: law(&at.field("read"), read)?,
            write: law(&at.field("write"), write)?,
            per_page: any("per_page", *per_page)?,
        }),
        DeviceFile::Hdd {
            seek_base,
            seek_sqrt,
            rotation,
            transfer_per_page,
            controller,
            swap_span_ppm,
            elevator: changes,
        } => Ok(DeviceConfig::Hdd(HddConfig {
            seek_base: any("seek_base", Some(*seek_base))?,
            seek_sqrt: any("seek_sqrt", Some(*seek_sqrt))?,
            rotation: some("rotation", *rotation)?,
            transfer_per_page: some("transfer_per_page", *transfer_per_page)?,
            controller: any("controller", *controller)?,
            swap_span_ppm: at.field("swap_span_ppm").number(*swap_span_ppm, 1..=MILLION)?,
            elevator: elevator(&at.field("elevator"), changes.unwrap_or_default(), DEADLINE)?,
        })),
    }
}

/// A preset with the fields that are given. Fields of other kinds of device are errors.
fn changed(at: &At<'_>, changes: &DevicePresetFile) -> Result<DeviceConfig, ScenarioError> {
    let given: [(&str, bool, &str); 13] = [
        ("read_latency", changes.read_latency.is_some(), "constant"),
        ("write_latency", changes.write_latency.is_some(), "constant"),
        ("channels", changes.channels.is_some(), "channels"),
        ("read", changes.read.is_some(), "channels"),
        ("write", changes.write.is_some(), "channels"),
        ("per_page", changes.per_page.is_some(), "channels"),
        ("seek_base", changes.seek_base.is_some(), "hdd"),
        ("seek_sqrt", changes.seek_sqrt.is_some(), "hdd"),
        ("rotation", changes.rotation.is_some(), "hdd"),
        ("transfer_per_page", changes.transfer_per_page.is_some(), "hdd"),
        ("controller", changes.controller.is_some(), "hdd"),
        ("swap_span_ppm", changes.swap_span_ppm.is_some(), "hdd"),
        ("elevator", changes.elevator.is_some(), "hdd"),
    ];
    let device = preset(&at.field("preset"), &changes.preset)?;
    let kind = match &device {
        DeviceConfig::Constant { .. } => "constant",
        DeviceConfig::Channels { .. } => "channels",
        DeviceConfig::Hdd(_) => "hdd",
    };
    if let Some((field, _, other)) = given.iter().find(|(_, is_given, of)| *is_given && *of != kind)
    {
        let own: Vec<&str> =
            given.iter().filter(|(_, _, of)| *of == kind).map(|(name, _, _)| *name).collect();
        let message = format!(
            "`{}` is a device of kind {kind}; `{field}` belongs to kind {other}",
            changes.preset
        );
        let help = format!("fields of kind {kind}: {}", own.join(", "));
        return Err(at.field(field).fail(message, help));
    }
    let span = |field: &str, value: Option<Span>, preset: SimDuration, low: SimDuration| {
        value.map_or(Ok(preset), |v| at.field(field).span(v.0, low..=super::at::MAX_SPAN))
    };
    let some = |field: &str, value: Option<Span>, preset: SimDuration| {
        span(field, value, preset, SimDuration::from_ps(1))
    };
    let any = |field: &str, value: Option<Span>, preset: SimDuration| {
        span(field, value, preset, SimDuration::ZERO)
    };
    let service = |field: &str, value: &Option<ServiceTime>, preset: Distribution| match value {
        Some(value) => law(&at.field(field), value),
        None => Ok(preset),
    };
    Ok(match device {
        DeviceConfig::Constant { read_latency, write_latency } => DeviceConfig::Constant {
            read_latency: some("read_latency", changes.read_latency, read_latency)?,
            write_latency: some("write_latency", changes.write_latency, write_latency)?,
        },
        DeviceConfig::Channels { channels, read, write, per_page } => DeviceConfig::Channels {
            channels: match changes.channels {
                Some(n) => at.field("channels").number(n, 1..=MAX_CHANNELS)?,
                None => channels,
            },
            read: service("read", &changes.read, read)?,
            write: service("write", &changes.write, write)?,
            per_page: any("per_page", changes.per_page, per_page)?,
        },
        DeviceConfig::Hdd(hdd) => DeviceConfig::Hdd(HddConfig {
            seek_base: any("seek_base", changes.seek_base, hdd.seek_base)?,
            seek_sqrt: any("seek_sqrt", changes.seek_sqrt, hdd.seek_sqrt)?,
            rotation: some("rotation", changes.rotation, hdd.rotation)?,
            transfer_per_page: some(
                "transfer_per_page",
                changes.transfer_per_page,
                hdd.transfer_per_page,
            )?,
            controller: any("controller", changes.controller, hdd.controller)?,
            swap_span_ppm: match changes.swap_span_ppm {
                Some(ppm) => at.field("swap_span_ppm").number(ppm, 1..=MILLION)?,
                None => hdd.swap_span_ppm,
            },
            elevator: elevator(
                &at.field("elevator"),
                changes.elevator.unwrap_or_default(),
                hdd.elevator,
            )?,
        }),
    })
}

fn elevator(
    at: &At<'_>,
    file: ElevatorFile,
    preset: ElevatorConfig,
) -> Result<ElevatorConfig, ScenarioError> {
    let span = |field: &str, value: Option<Span>, preset: SimDuration| {
        value.map_or(Ok(preset), |value| at.field(field).some_time(value.0))
    };
    let number = |field: &str, value: Option<u64>, preset: u32| {
        value.map_or(Ok(preset), |value| at.field(field).number(value, 1..=MILLION))
    };
    Ok(ElevatorConfig {
        read_expire: span("read_expire", file.read_expire, preset.read_expire)?,
        write_expire: span("write_expire", file.write_expire, preset.write_expire)?,
        fifo_batch: number("fifo_batch", file.fifo_batch, preset.fifo_batch)?,
        writes_starved: number("writes_starved", file.writes_starved, preset.writes_starved)?,
    })
}

/// A law of service times in picoseconds.
fn law(at: &At<'_>, file: &ServiceTime) -> Result<Distribution, ScenarioError> {
    let law = unchecked_law(at, file)?;
    law.validate().map_err(|error| {
        let help = "see `docs/scenario-format.md` for the laws and their parameters; times are \
                    given in picoseconds here";
        at.fail(error.to_string(), help)
    })?;
    Ok(law)
}

fn unchecked_law(at: &At<'_>, file: &ServiceTime) -> Result<Distribution, ScenarioError> {
    let time = |field: &str, span: Span| Ok(at.field(field).some_time(span.0)?.as_ps());
    let number = |field: &str, value: u64| at.field(field).number(value, 0..=u32::MAX.into());
    let file = match file {
        ServiceTime::Name(span) => {
            return Ok(Distribution::Constant { value: at.some_time(span.0)?.as_ps() });
        }
        ServiceTime::Inline(file) => file,
    };
    Ok(match file {
        LawFile::Constant { value } => Distribution::Constant { value: time("value", *value)? },
        LawFile::Uniform { low, high } => {
            Distribution::Uniform { low: time("low", *low)?, high: time("high", *high)? }
        }
        LawFile::Exponential { mean } => Distribution::Exponential { mean: time("mean", *mean)? },
        LawFile::LogNormal { median, sigma_milli } => Distribution::LogNormal {
            median: time("median", *median)?,
            sigma_milli: number("sigma_milli", *sigma_milli)?,
        },
        LawFile::Pareto { scale, shape_milli } => Distribution::Pareto {
            scale: time("scale", *scale)?,
            shape_milli: number("shape_milli", *shape_milli)?,
        },
        LawFile::Empirical { points } => {
            let at = at.field("points");
            let point = |(index, point): (usize, &crate::scenario::file::QuantileFile)| {
                let at = at.index(index);
                let ppm = at.field("ppm").number(point.ppm, 0..=MILLION)?;
                Ok((ppm, at.field("value").some_time(point.value.0)?.as_ps()))
            };
            let points = points.iter().enumerate().map(point).collect::<Result<_, _>>()?;
            Distribution::Empirical { points }
        }
        LawFile::Mixture { parts } => {
            let at = at.field("parts");
            let part = |(index, part): (usize, &crate::scenario::file::PartFile)| {
                let at = at.index(index);
                let weight = at.field("weight").number(part.weight, 0..=u32::MAX.into())?;
                Ok((weight, law(&at.field("law"), &part.law)?))
            };
            let parts = parts.iter().enumerate().map(part).collect::<Result<_, _>>()?;
            Distribution::Mixture { parts }
        }
    })
}
