//! The host's numbers: processor, costs, device, ticks.

use models::presets;
use sim_core::SimDuration;

use super::given::{FitOptions, Given};
use super::measure::Measure;
use super::paths::Part;
use super::samples::Summary;
use super::solve::{self, FittedCost, Lengths, Parts, distance, parts_of, solve};

/// A preset processor that stands for no machine.
const NO_MACHINE: &str = "free";
/// A device's latency is taken as constant when from the 1st to the 99th percentile (of few
/// requests from the 5th to the 90th) it spreads by less than this share of the median, or by the
/// rounding of whole microseconds.
const CONSTANT_SPREAD: f64 = 0.05;
const ROUNDING: f64 = 2000.0;
/// Quantiles of an empirical law, in millionths.
const QUANTILES: [u32; 13] = [
    0, 10_000, 50_000, 100_000, 200_000, 300_000, 500_000, 700_000, 800_000, 900_000, 950_000,
    990_000, 1_000_000,
];
/// Requests of which a law of its own is made.
const MIN_REQUESTS: u64 = 10;
/// Requests whose percentiles are no single requests.
const MANY_REQUESTS: u64 = 100;
/// Requests that the block layer lets a device have at once (`BLKDEV_DEFAULT_RQ`).
const CHANNELS: u64 = 128;
/// Latency of writes that never happen in the log.
const NO_WRITE: SimDuration = SimDuration::from_ns(1);
/// Ticks a second that kernels are built for.
const HZ: [u64; 4] = [100, 250, 300, 1000];
/// Longest read-ahead of a scenario.
const MAX_READ_AHEAD: u64 = 256;

/// A swap device as a scenario describes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum DeviceLaw {
    /// A preset by name.
    Preset(String),
    /// Constant latencies of reads and writes.
    Constant { read: SimDuration, write: SimDuration },
    /// Latencies by their quantiles, in millionths.
    Empirical { channels: u64, read: Vec<(u32, SimDuration)>, write: Vec<(u32, SimDuration)> },
}

/// The preset processor that is nearest to the paths.
pub(super) fn preset(lengths: &Lengths, options: &FitOptions, given: &mut Vec<Given>) -> String {
    if let Some(name) = &options.cpu {
        Given::say(given, "host.cpu", name, "given (--cpu)");
        return name.clone();
    }
    let named =
        |cpu: presets::CpuPreset| (distance(lengths, &parts_of(&cpu.config)), cpu.name.to_string());
    let mut all: Vec<(f64, String)> = presets::cpus().into_iter().map(named).collect();
    all.retain(|(_, name)| name != NO_MACHINE);
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    let (name, source) = match lengths.len() {
        0 => ("skylake-sp".to_owned(), "not in the log (no path was measured): assumption".into()),
        paths => (
            all.into_iter().next().map(|(_, name)| name).unwrap_or_default(),
            format!("the preset that {paths} measured paths are nearest to"),
        ),
    };
    Given::say(given, "host.cpu", &name, source);
    name
}

/// Rate of the processor in MHz, where the guest's timer tells it and it is not the preset's.
pub(super) fn frequency(measure: &Measure, cpu: &str, given: &mut Vec<Given>) -> Option<u64> {
    let seen = measure.tsc()?;
    let preset = presets::cpu(cpu)?.config.frequency.hz() as f64;
    let source = format!(
        "cycles between two TSC deadlines that the guest wrote, by the time between their writes: \
         median of {} {:.3} GHz",
        measure.counts.deadlines.saturating_sub(1),
        seen / 1e6
    );
    let mhz = (seen / 1e3 + 0.5) as u64;
    let same = (seen * 1e3 / preset - 1.0).abs() < 0.005;
    let sensible = (1..=100_000).contains(&mhz);
    if same || !sensible {
        let value = format!("{}MHz", (preset / 1e6 + 0.5) as u64);
        Given::say(given, "host.cpu.frequency", value, format!("the preset's; {source}"));
        return None;
    }
    Given::say(given, "host.cpu.frequency", format!("{mhz}MHz"), source);
    Some(mhz)
}

/// Processors of the host.
pub(super) fn processors(measure: &Measure, given: &mut Vec<Given>) -> usize {
    let seen = measure.processors.len();
    Given::say(given, "host.cpus", seen.max(1), "processors on which events happened");
    seen.max(1)
}

/// The costs that the paths show.
pub(super) fn costs(
    lengths: &Lengths,
    cpu: &str,
    given: &mut Vec<Given>,
) -> (Parts, Vec<FittedCost>) {
    let preset = presets::cpu(cpu).map_or([0.0; Part::COUNT], |cpu| parts_of(&cpu.config));
    let parts = solve(lengths, &preset);
    let mut fitted = solve::costs(&parts);
    fitted.retain(|cost| {
        let mut names: Vec<&str> = Vec::new();
        for (path, ..) in lengths {
            if cost.parts.iter().any(|part| path.parts().contains(part)) {
                names.push(path.name());
            }
        }
        if !names.is_empty() {
            let source = format!("least squares over {}", names.join(", "));
            Given::say(given, format!("host.costs.{}", cost.name), cost.shown(), source);
        }
        !names.is_empty()
    });
    let source = format!("not in the log: those of the preset `{cpu}`");
    Given::say(given, "host.costs, all others", "the preset's", source);
    (parts, fitted)
}

pub(super) fn constant_of(text: &str) -> Option<SimDuration> {
    let span: SimDuration = text.parse().ok()?;
    (!span.is_zero() && span <= SimDuration::from_secs(100)).then_some(span)
}

/// The swap device, and whether pages were written out.
pub(super) fn device(
    measure: &Measure,
    options: &FitOptions,
    parts: &Parts,
    given: &mut Vec<Given>,
) -> (DeviceLaw, bool) {
    let field = "host.swap.device";
    let seen = measure.device();
    let written = seen.map_or(0, |device| device.written_pages);
    if let Some(text) = &options.device {
        Given::say(given, field, text, "given (--device)");
        let law = match constant_of(text) {
            Some(read) => DeviceLaw::Constant { read, write: read },
            None => DeviceLaw::Preset(text.clone()),
        };
        return (law, written > 0 || seen.is_none());
    }
    let Some(seen) = seen else { return (DeviceLaw::Preset("nvme-tlc-gen3".into()), true) };
    // What the submitter copies comes before the device begins.
    let copy = parts[Part::Copy as usize];
    let less_copy = |ns: f64| SimDuration::from_ns(((ns - copy).max(1.0) + 0.5) as u64);
    let writes = seen.write.filter(|write| write.count >= MIN_REQUESTS);
    let about = format!(
        "block_rq_issue to block_rq_complete of device {},{}, less {:.2} us of block_copy; {} reads, \
         p50 {:.2} us, p1 to p99 {:.2} to {:.2} us, at most {} at once",
        seen.number.0,
        seen.number.1,
        copy / 1000.0,
        seen.read.count,
        seen.read.p50 / 1000.0,
        seen.read.p1 / 1000.0,
        seen.read.p99 / 1000.0,
        seen.most_reads
    );
    let constant = is_constant(&seen.read) && writes.is_none_or(|write| is_constant(&write));
    let (law, value, about) = if constant {
        let read = less_copy(seen.read.centre);
        let write = match writes {
            Some(write) => less_copy(write.centre),
            None if written > 0 => read,
            None => NO_WRITE,
        };
        let law = DeviceLaw::Constant { read, write };
        (law, format!("constant, {read}"), about)
    } else {
        let quantiles = |is_read: bool| -> Vec<(u32, SimDuration)> {
            let at = |ppm: u32| measure.device_quantile(is_read, f64::from(ppm) / 1e6);
            QUANTILES.iter().map(|&ppm| (ppm, less_copy(at(ppm)))).collect()
        };
        let read = quantiles(true);
        let write = match writes {
            Some(_) => quantiles(false),
            None if written > 0 => read.clone(),
            None => vec![(0, NO_WRITE), (1_000_000, NO_WRITE)],
        };
        let channels = CHANNELS.max(seen.most_reads);
        let more = "; quantiles of the latency under the log's load: what of it is waiting for \
                    other requests is not told apart";
        (DeviceLaw::Empirical { channels, read, write }, "empirical".into(), about + more)
    };
    Given::say(given, field, value, about);
    let (value, source) = match (written, writes) {
        (0, _) => (
            "free".to_owned(),
            "no write in the log: writing and reclaim are taken to cost nothing".to_owned(),
        ),
        (_, Some(write)) => (
            format!("p50 {:.2} us", write.p50 / 1000.0),
            format!("{} writes, {written} pages", write.count),
        ),
        (_, None) => (
            "as reads".to_owned(),
            format!("{written} pages written in too few requests: assumption"),
        ),
    };
    Given::say(given, "host.swap.device, writes", value, source);
    (law, written > 0)
}

fn is_constant(latency: &Summary) -> bool {
    // Of few requests the outermost is one that something came between.
    let (low, high) = match latency.count {
        0..MANY_REQUESTS => (latency.p5, latency.p90),
        _ => (latency.p1, latency.p99),
    };
    high - low <= (CONSTANT_SPREAD * latency.p50).max(ROUNDING)
}

/// Pages of a read.
pub(super) fn read_ahead(measure: &Measure, given: &mut Vec<Given>) -> u64 {
    let field = "host.swap.read_ahead";
    let Some(seen) = measure.device() else {
        Given::say(given, field, 8, "not in the log: the kernel's default");
        return 8;
    };
    let (usual, most) = seen.pages;
    let pages = most.max(1).next_power_of_two().min(MAX_READ_AHEAD);
    let source = format!("most reads have {usual} pages, the largest {most}");
    Given::say(given, field, pages, source);
    pages
}

/// The host's tick, and ticks a second of the guest.
pub(super) fn ticks(measure: &Measure, given: &mut Vec<Given>) -> (SimDuration, Option<u64>) {
    let hz_of = |summary: Option<Summary>| {
        let ns = summary.filter(|summary| summary.count >= 3)?.p50;
        HZ.into_iter().find(|&hz| (ns * hz as f64 / 1e9 - 1.0).abs() < 0.02)
    };
    let whole_us = measure.whole_us;
    let guest = measure.guest_tick.summary(whole_us);
    let hz = hz_of(guest);
    match (hz, guest) {
        (Some(hz), Some(guest)) => {
            let source =
                format!("timer interrupts {:.3} ms apart, n = {}", guest.p50 / 1e6, guest.count);
            Given::say(given, "guest.hz", hz, source);
        }
        _ => Given::say(given, "guest.hz", "the kernel's", "not in the log: assumption"),
    }
    let host = measure.host_tick.summary(whole_us);
    let (rate, source) = match (hz_of(host), host) {
        (Some(rate), Some(host)) => {
            let (ms, n) = (host.p50 / 1e6, host.count);
            (rate, format!("interrupts for nothing else {ms:.3} ms apart, n = {n}"))
        }
        _ => (hz.unwrap_or(250), "not in the log: assumption, as the guest's".to_owned()),
    };
    // Exactly as long as the guest's, both would fall on one instant for ever.
    let tick = SimDuration::from_ns(1_000_000_000 / rate + 1_000_000_000 / rate / 4000);
    let source =
        format!("{source}; and 1/4000 longer, so that it does not stay in step with the guest's");
    Given::say(given, "host.tick", tick, source);
    (tick, hz)
}
