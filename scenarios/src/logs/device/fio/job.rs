//! One entry of fio's list of jobs.

use serde_json::Value;

use crate::logs::device::run::LEAST;
use crate::logs::device::times::{PPM, Times};

/// Engines that have one request at a time, whatever `iodepth` says.
const ONE_AT_A_TIME: [&str; 7] = ["sync", "psync", "vsync", "pvsync", "pvsync2", "mmap", "splice"];
/// Options by which a job waits of its own accord.
const PAUSES: [&str; 4] = ["thinktime", "rate", "rate_iops", "flow"];
/// Options by which its requests differ in size.
const SIZES: [&str; 3] = ["bssplit", "bsrange", "blocksize_range"];
/// Of a hundred requests so many at the depth that was asked for make it the depth.
const STEADY_PERCENT: f64 = 90.0;
/// fio's levels of depth, each from this number up to the next.
const LEVELS: [(&str, f64); 7] =
    [("1", 1.0), ("2", 2.0), ("4", 4.0), ("8", 8.0), ("16", 16.0), ("32", 32.0), (">=64", 64.0)];
/// Percentiles, in parts per million, that tell of the middle, and the least that tells of slow requests.
const MIDDLE: std::ops::RangeInclusive<u32> = 450_000..=550_000;
const SLOW: u32 = 990_000;
/// The bins have all requests that were counted, but for this share at most. An assumption.
const BINS: f64 = 0.05;
/// Nanoseconds of a microsecond.
const US: f64 = 1000.0;

/// A direction of a job.
pub(super) struct Side {
    pub(super) times: Times,
    /// Requests a second.
    pub(super) rate: f64,
    /// Bytes of a request on average.
    pub(super) block: f64,
    /// The times include the submission (`lat` instead of `clat`).
    pub(super) with_submission: bool,
}

/// A job as fio lists it.
pub(super) struct Job<'a> {
    entry: &'a Value,
    global: Option<&'a Value>,
}

impl<'a> Job<'a> {
    pub(super) fn new(entry: &'a Value, global: Option<&'a Value>) -> Self {
        Self { entry, global }
    }

    pub(super) fn name(&self) -> &'a str {
        self.entry["jobname"].as_str().unwrap_or("?")
    }

    pub(super) fn group(&self) -> u64 {
        self.entry["groupid"].as_u64().unwrap_or(0)
    }

    pub(super) fn error(&self) -> i64 {
        self.entry["error"].as_i64().unwrap_or(0)
    }

    /// An option of the job, or of all.
    pub(super) fn option(&self, name: &str) -> Option<&'a str> {
        let own = self.entry.get("job options").and_then(|all| all.get(name));
        own.or_else(|| self.global?.get(name)).map(|value| value.as_str().unwrap_or(""))
    }

    /// Whether fio says which options the job has.
    pub(super) fn has_options(&self) -> bool {
        self.entry.get("job options").is_some() || self.global.is_some()
    }

    pub(super) fn number(&self, option: &str) -> Option<u32> {
        self.option(option)?.trim().parse().ok()
    }

    /// Requests under way at once, and what there is to say of it. What was asked for, unless fio's
    /// levels, which are counted at each submission, say another depth.
    pub(super) fn depth(&self) -> (u32, Option<String>) {
        let level = |name: &str| self.entry["iodepth_level"][name].as_f64().unwrap_or(0.0);
        let largest = LEVELS.iter().rev().find(|(name, _)| level(name) >= 50.0);
        let largest = largest.map(|(_, depth)| *depth as u32);
        let alone = self.option("ioengine").is_some_and(|engine| ONE_AT_A_TIME.contains(&engine));
        let said = match alone {
            true => Some(1),
            false => self
                .number("iodepth")
                .or_else(|| u32::try_from(self.entry["latency_depth"].as_u64()?).ok()),
        };
        let said = said.into_iter().chain(largest).max().unwrap_or(1).max(1);
        let total: f64 = LEVELS.iter().map(|(name, _)| level(name)).sum();
        if said == 1 || total < 50.0 {
            return (said, None);
        }
        let bucket = LEVELS.iter().rev().find(|(_, depth)| *depth <= f64::from(said));
        if bucket.is_none_or(|(name, _)| level(name) >= STEADY_PERCENT) {
            return (said, None);
        }
        // A level is taken at its middle, the highest at what was asked for.
        let middle = |low: f64| f64::midpoint(low, (2.0 * low - 1.0).min(f64::from(said)).max(low));
        let sum: f64 = LEVELS.iter().map(|(name, low)| level(name) * middle(*low)).sum();
        let mean = sum / total;
        let depth = (mean.round() as u32).clamp(1, said);
        let note = format!("the queue was not always {said} deep; on average {mean:.1}");
        (depth, Some(note))
    }

    /// Whether fio counted how deep the queue was.
    pub(super) fn has_levels(&self) -> bool {
        self.entry["iodepth_level"].is_object()
    }

    /// Whether it may have waited between its requests although nothing kept it: it was told to, or
    /// nobody knows what it was told.
    pub(super) fn may_idle(&self) -> bool {
        let set = |name: &&str| self.option(name).is_some_and(|value| value != "0");
        !self.has_options() || PAUSES.iter().any(set)
    }

    /// When it ran, in milliseconds from the start of its group, if fio says it.
    pub(super) fn span(&self) -> Option<(u64, u64)> {
        let delay = self.option("startdelay").map_or(Some(0), milliseconds)?;
        let ramp = self.option("ramp_time").map_or(Some(0), milliseconds)?;
        let ran = self.entry["job_runtime"].as_u64()?;
        Some((delay, delay.saturating_add(ramp).saturating_add(ran)))
    }

    /// Whether both directions are counted as one.
    pub(super) fn is_mixed(&self) -> bool {
        self.entry["mixed"]["total_ios"].as_u64().is_some_and(|total| total > 0)
    }

    /// What was measured of a direction, if it had requests.
    pub(super) fn side(&self, direction: &str) -> Option<Result<Side, String>> {
        let side = self.entry.get(direction)?;
        let total = side["total_ios"].as_u64().or_else(|| {
            // fio 2 has no total in all of its versions.
            let rate = side["iops"].as_f64()?;
            Some((rate * side["runtime"].as_f64()? / 1000.0) as u64)
        })?;
        if total == 0 {
            return None;
        }
        Some(self.measured(side, total))
    }

    fn measured(&self, side: &Value, total: u64) -> Result<Side, String> {
        if let Some(name) = SIZES.iter().find(|name| self.option(name).is_some()) {
            return Err(format!(
                "its requests have several sizes ({name}): give one of them as bs"
            ));
        }
        let (law, unit, with_submission) = law_of(side).ok_or("it has no latencies")?;
        let scaled = |value: &Value| value.as_f64().map(|number| (number * unit).round() as u64);
        let count = law["N"].as_u64().filter(|n| *n > 0).unwrap_or(total);
        let mean = law["mean"].as_f64().unwrap_or(0.0) * unit;
        let ends = (scaled(&law["min"]).unwrap_or(0), scaled(&law["max"]).unwrap_or(0));
        if count < LEAST as u64 {
            return Err(format!("{count} are too few: at least {LEAST} make a law"));
        }
        let stated = percentiles(law, unit);
        if let Some(name) = negative(law) {
            return Err(format!("its percentiles are broken: p{name} is negative"));
        }
        let in_bins: u64 = bins(law, unit).iter().map(|(_, count)| count).sum();
        if in_bins > 0 && (in_bins as f64) < count as f64 * (1.0 - BINS) {
            return Err(format!("its bins are broken: they have {in_bins} of {count} requests"));
        }
        if let Some(pair) = stated.windows(2).find(|pair| pair[1].1 < pair[0].1) {
            let [below, above] = [pair[0].0, pair[1].0].map(|ppm| f64::from(ppm) / 10_000.0);
            return Err(format!("its percentiles are broken: p{above} is below p{below}"));
        }
        let times = match Times::of_values(&bins(law, unit), stated.clone()) {
            Some(times) => times,
            None => of_percentiles(count, mean, ends, stated)?,
        };
        // fio's own mean is exact.
        let times = if mean > 0.0 { Times { mean, ..times } } else { times };
        let block = side["io_bytes"].as_f64().unwrap_or(0.0) / total as f64;
        // fio 2 counts units of 1024.
        let block = if block > 0.0 && block < 512.0 { block * 1024.0 } else { block };
        let rate = side["iops"].as_f64().unwrap_or(0.0);
        Ok(Side { times, rate, block, with_submission })
    }
}

/// A span of fio's: seconds, or with a unit.
fn milliseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "us" | "usec" => 0.001,
        "ms" | "msec" => 1.0,
        "" | "s" | "sec" => 1000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Some((number * unit) as u64)
}

/// Where the times stand, in how many nanoseconds they count, and whether the submission is in
/// them. Completion latency is nearest to what the device does.
fn law_of(side: &Value) -> Option<(&Value, f64, bool)> {
    let known =
        [("clat_ns", 1.0, false), ("clat", US, false), ("lat_ns", 1.0, true), ("lat", US, true)];
    let there = |(name, unit, whole): (&str, f64, bool)| {
        let law = side.get(name)?;
        law.is_object().then_some((law, unit, whole))
    };
    let all: Vec<_> = known.into_iter().filter_map(there).collect();
    let detailed = |law: &Value| !percentiles(law, 1.0).is_empty() || !bins(law, 1.0).is_empty();
    let with_mean = |law: &Value| law["mean"].as_f64().is_some_and(|mean| mean > 0.0);
    let detailed = all.iter().find(|(law, ..)| detailed(law));
    detailed.or_else(|| all.iter().find(|(law, ..)| with_mean(law))).copied()
}

/// A law of percentiles alone needs one in the middle and one of the slow requests.
fn of_percentiles(
    count: u64,
    mean: f64,
    ends: (u64, u64),
    stated: Vec<(u32, u64)>,
) -> Result<Times, String> {
    let help = "leave out --clat_percentiles, --disable_clat and --percentile_list, or use \
                --output-format=json+";
    if stated.is_empty() {
        return Err(format!("it has no percentiles: {help}"));
    }
    let middle = stated.iter().any(|(ppm, _)| MIDDLE.contains(ppm));
    let slow = stated.iter().any(|(ppm, _)| *ppm >= SLOW);
    if !middle || !slow {
        return Err(format!("its percentiles tell too little without p50 and p99: {help}"));
    }
    Times::of_percentiles(count, mean, ends, stated).ok_or_else(|| "it has no percentiles".into())
}

/// Percentiles, in the order of their names. Unused places of fio's list are zero.
fn percentiles(law: &Value, unit: f64) -> Vec<(u32, u64)> {
    let list = ["percentile", "percentiles"].iter().find_map(|name| law.get(name)?.as_object());
    let read = |(name, value): (&String, &Value)| {
        let percent: f64 = name.trim().trim_end_matches('%').parse().ok()?;
        let ppm = (percent * 10_000.0).round();
        let time = (value.as_f64()? * unit).round();
        let inside = ppm >= 1.0 && ppm < f64::from(PPM) && time > 0.0;
        inside.then_some((ppm as u32, time as u64))
    };
    let mut all: Vec<(u32, u64)> = list.into_iter().flatten().filter_map(read).collect();
    all.sort_unstable();
    all.dedup_by_key(|point| point.0);
    all
}

/// The name of a percentile below zero.
fn negative(law: &Value) -> Option<&str> {
    let list = ["percentile", "percentiles"].iter().find_map(|name| law.get(name)?.as_object())?;
    let below = list.iter().find(|(_, value)| value.as_f64().is_some_and(|time| time < 0.0))?;
    Some(below.0)
}

/// Bins of `json+`, rising.
fn bins(law: &Value, unit: f64) -> Vec<(u64, u64)> {
    let list = law.get("bins").and_then(Value::as_object);
    let read = |(name, value): (&String, &Value)| {
        let time: f64 = name.trim().parse().ok()?;
        Some(((time * unit).round() as u64, value.as_u64()?))
    };
    let mut all: Vec<(u64, u64)> = list.into_iter().flatten().filter_map(read).collect();
    all.sort_unstable();
    all
}
