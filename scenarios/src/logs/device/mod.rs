//! From measurements of a block device to a swap device of the simulator: results of fio, text of
//! blkparse, traces of the block layer.
//!
//! A file is read (`read`; `fio`, `blkparse`, `trace`) to runs: loads of some depth with the times that
//! they measured as quantiles (`times`). What was measured alone are service times; what was measured
//! beside others is the law at that depth, and no law without the former (`assemble`). The device is
//! put under the load of the file and shown beside it, and written as a preset file (`preset`).

mod assemble;
mod blkparse;
mod error;
mod fio;
mod preset;
mod read;
mod rows;
mod run;
#[cfg(test)]
mod tests;
mod times;
mod trace;

use std::path::Path;

use models::base::record::IoKind;
use models::config::{ChannelsConfig, DeviceConfig};
use models::parts::device::load::{Arrival, ClosedLoad, LoadResult, closed_load, replayed_load};
use sim_core::{SimDuration, SimTime};

use assemble::{Known, MAX_CHANNELS};
pub use error::DeviceFitError;
use read::Contents;
pub use rows::DeviceFitRow;
use rows::{far_off, rows_of};
pub use run::Direction;
use run::Run;
use times::Times;
use trace::Request;

use crate::logs::fit::Given;
use crate::scenario::resolve::device_of_text;

/// Requests of a run of the device: some thousand beyond the 99.9th percentile.
const REQUESTS: u64 = 1_000_000;
/// Seed of the runs.
const SEED: u64 = 1;
/// A trace is replayed until so many requests were made.
const REPLAYED: usize = 200_000;
const MOST_REPLAYS: usize = 100;
/// Longest name that a preset file gets.
const MAX_NAME: usize = 60;

/// What the file does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceFitOptions {
    /// Requests that the device serves at once.
    pub channels: Option<u32>,
    /// Its name.
    pub name: Option<String>,
}

/// A device that was made of measurements, and how its runs compare with them.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceFitReport {
    /// The files, each with what it is.
    pub files: Vec<(String, String)>,
    /// The device's name.
    pub name: String,
    /// What it stands for.
    pub summary: String,
    /// The device.
    pub config: ChannelsConfig,
    /// Its preset file.
    pub preset: String,
    /// Where its numbers come from.
    pub given: Vec<Given>,
    /// What the files have and what the device does, by direction and depth.
    pub rows: Vec<DeviceFitRow>,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// What of the files was left out.
    pub left_out: Vec<String>,
}

/// Fits a device to files at paths; `-` is standard input.
///
/// # Errors
/// When a file cannot be read or says too little, or an option is out of range.
pub fn fit_device(
    paths: &[String],
    options: &DeviceFitOptions,
) -> Result<DeviceFitReport, DeviceFitError> {
    if let Some(channels) = options.channels.filter(|n| !(1..=MAX_CHANNELS).contains(n)) {
        let help = format!("from 1 to {MAX_CHANNELS}");
        let value = channels.to_string();
        return Err(DeviceFitError::Range { option: "--channels", value, help });
    }
    let mut files = Vec::new();
    let (mut runs, mut traced, mut left_out) = (Vec::<Run>::new(), Vec::new(), Vec::new());
    let mut before: Vec<(&String, Contents)> = Vec::new();
    for path in paths {
        let contents = read::contents(path)?;
        match before.iter().find(|(_, one)| *one == contents) {
            Some((same, _)) => left_out.push(format!("{path}: the same measurement as {same}")),
            None => before.push((path, contents)),
        }
    }
    for (path, Contents { form, runs: own, requests, left_out: lost }) in before {
        files.push((path.clone(), form));
        runs.extend(own);
        traced.push(requests);
        left_out.extend(lost);
    }
    traced.retain(|requests| !requests.is_empty());
    let names = paths.join(", ");
    let mut known = Known::of_runs(&runs, &mut left_out);
    known.most = traced.iter().flatten().filter_map(|request| request.depth).max().unwrap_or(1);
    let (config, given) = assemble::device(&names, &mut known, options.channels, &mut left_out)?;
    let mut rows = Vec::new();
    let device = DeviceConfig::from(config.clone());
    match traced.is_empty() {
        true => compare(&device, &known, &mut rows)?,
        false => {
            for requests in &traced {
                replay(&device, requests, &mut rows)?;
            }
        }
    }
    let name = options.name.clone().unwrap_or_else(|| name_of_all(paths));
    let summary = summary(&files, &given);
    let preset = preset::text(&name, &summary, &config, &given);
    // What is written can be read.
    device_of_text("the device", &preset.as_str().into())?;
    let mut notes = known.notes;
    notes.dedup();
    notes.extend(far_off(&rows));
    Ok(DeviceFitReport { files, name, summary, config, preset, given, rows, notes, left_out })
}

/// The device under the loads of the file: as many requests under way, of one direction.
fn compare(
    device: &DeviceConfig,
    known: &Known,
    rows: &mut Vec<DeviceFitRow>,
) -> Result<(), DeviceFitError> {
    for direction in Direction::ALL {
        for (&depth, times) in known.of(direction) {
            let reads_ppm = if direction == Direction::Read { 1_000_000 } else { 0 };
            let load = ClosedLoad { depth, requests: REQUESTS, reads_ppm, seed: SEED };
            let result = closed_load(device, &load)?;
            rows.extend(rows_of(direction, Some(depth), times, &result));
        }
    }
    Ok(())
}

/// The device under the requests of a trace, at their times.
fn replay(
    device: &DeviceConfig,
    requests: &[Request],
    rows: &mut Vec<DeviceFitRow>,
) -> Result<(), DeviceFitError> {
    let first = requests.first().map_or(0, |request| request.issued);
    let arrival = |request: &Request| Arrival {
        at: SimTime::ZERO + SimDuration::from_ns(request.issued - first),
        op: match request.direction {
            Direction::Read => IoKind::Read,
            Direction::Write => IoKind::Write,
        },
        pages: request.pages,
    };
    let arrivals: Vec<Arrival> = requests.iter().map(arrival).collect();
    let mut all = LoadResult::default();
    for seed in 0..REPLAYED.div_ceil(requests.len().max(1)).clamp(1, MOST_REPLAYS) {
        let result = replayed_load(device, &arrivals, SEED + seed as u64)?;
        all.read.merge(&result.read);
        all.write.merge(&result.write);
        all.sums = std::array::from_fn(|at| all.sums[at] + result.sums[at]);
    }
    for direction in Direction::ALL {
        let own: Vec<&Request> =
            requests.iter().filter(|request| request.direction == direction).collect();
        if let Some(times) = Times::of_values(&trace::values(&own), Vec::new()) {
            rows.extend(rows_of(direction, None, &times, &all));
        }
    }
    Ok(())
}

fn summary(files: &[(String, String)], given: &[Given]) -> String {
    let base = |path: &str| -> String {
        let name = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned());
        name.unwrap_or_else(|| "standard input".into())
    };
    let files: Vec<String> =
        files.iter().map(|(path, form)| format!("{} ({form})", base(path))).collect();
    let assumed: Vec<&str> = given
        .iter()
        .filter(|one| one.source.starts_with("assumption"))
        .map(|one| one.field.as_str())
        .collect();
    let mut text = format!("Fitted to {}", files.join(", "));
    if !assumed.is_empty() {
        text += &format!("; assumptions: {}", assumed.join(", "));
    }
    text
}

/// What the names of the files begin with, as a name: `depth` of `depth-1.json` and `depth-8.json`.
fn name_of_all(paths: &[String]) -> String {
    let names: Vec<String> = paths.iter().map(|path| name_of(path)).collect();
    let Some((first, others)) = names.split_first().filter(|(_, others)| !others.is_empty()) else {
        return names.first().cloned().unwrap_or_default();
    };
    let same = |name: &String| first.chars().zip(name.chars()).take_while(|(a, b)| a == b).count();
    let length = others.iter().map(same).min().unwrap_or(0);
    let common: String = first.chars().take(length).collect();
    // A number that is cut would be another one.
    let common = match others.iter().all(|name| name == first) {
        true => common.as_str(),
        false => common.trim_end_matches(|c: char| c.is_ascii_digit() || "-_. ".contains(c)),
    };
    if common.is_empty() { "device".into() } else { common.into() }
}

/// The file's name without its ending, as a name.
fn name_of(path: &str) -> String {
    let stem = Path::new(path).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let stem = stem.filter(|stem| stem != "-").unwrap_or_else(|| "device".into());
    stem.chars().take(MAX_NAME).map(|c| if c.is_control() { '_' } else { c }).collect()
}
