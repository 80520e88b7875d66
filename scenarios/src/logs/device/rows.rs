//! What was measured beside what the device does: by how much they differ, and how much of it is chance.

use models::parts::device::load::LoadResult;

use super::run::Direction;
use super::times::Times;

/// Standard errors within which a difference may be chance.
const ERRORS: f64 = 3.0;
/// A device has the mean and the percentiles of its file, from the first to the last in parts per million,
/// within this share.
const PROMISED: std::ops::RangeInclusive<u32> = 10_000..=999_000;
pub(super) const WITHIN: f64 = 0.05;
/// A percentile, or the mean, in the file and in the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceFitRow {
    /// Which way data go.
    pub direction: Direction,
    /// Requests under way at once; none of a trace, whose requests came at their own times.
    pub depth: Option<u32>,
    /// Requests that were measured.
    pub count: u64,
    /// The percentile in parts per million; none: the mean.
    pub ppm: Option<u32>,
    /// In the file, in nanoseconds.
    pub measured: f64,
    /// In the run of the device.
    pub simulated: f64,
    /// Where the run would have it but for chance: three standard errors to both sides.
    pub spread: (f64, f64),
}

impl DeviceFitRow {
    /// Simulated over measured, less one.
    pub fn error(&self) -> f64 {
        self.error_of(self.simulated)
    }

    /// The mean, or a percentile as people write it.
    pub fn name(&self) -> String {
        self.ppm.map_or_else(|| "mean".to_owned(), |ppm| format!("p{}", f64::from(ppm) / 10_000.0))
    }

    /// Under which load it was measured.
    pub fn under(&self) -> String {
        match self.depth {
            Some(depth) => format!("at depth {depth}"),
            None => "at the trace's times".to_owned(),
        }
    }

    fn error_of(&self, simulated: f64) -> f64 {
        if self.measured > 0.0 { simulated / self.measured - 1.0 } else { 0.0 }
    }

    /// What it is of, and its error.
    fn told(&self) -> String {
        format!("{} {:+.1} %", self.name(), self.error() * 100.0)
    }

    /// The error as far as it is none of chance.
    pub fn certain_error(&self) -> f64 {
        self.error_of(self.measured.max(self.spread.0).min(self.spread.1))
    }
}

/// What a law says and what the run has, mean first.
pub(super) fn rows_of(
    direction: Direction,
    depth: Option<u32>,
    times: &Times,
    result: &LoadResult,
) -> Vec<DeviceFitRow> {
    let (run, mean) = match direction {
        Direction::Read => (&result.read, result.means()[0]),
        Direction::Write => (&result.write, result.means()[1]),
    };
    let count = times.count;
    let requests = run.count().max(1) as f64;
    let at = |share: f64| run.value_at_quantile(share.clamp(0.0, 1.0)) as f64;
    let squares = run.iter().map(|(value, n)| n as f64 * (value as f64 - mean).powi(2));
    let error = ERRORS * squares.sum::<f64>().sqrt() / requests;
    let of_mean = DeviceFitRow {
        direction,
        depth,
        count,
        ppm: None,
        measured: times.mean,
        simulated: mean,
        spread: (mean - error, mean + error),
    };
    let of_percentile = |&(ppm, ns): &(u32, u64)| {
        let share = f64::from(ppm) / 1e6;
        let error = ERRORS * (share * (1.0 - share) / requests).sqrt();
        DeviceFitRow {
            ppm: Some(ppm),
            measured: ns as f64,
            simulated: at(share),
            spread: (at(share - error), at(share + error)),
            ..of_mean
        }
    };
    [of_mean].into_iter().chain(times.stated.iter().map(of_percentile)).collect()
}

/// What a device that is not what was measured is told, and what only looks like it.
pub(super) fn far_off(rows: &[DeviceFitRow]) -> Vec<String> {
    let mut notes = Vec::new();
    for part in rows.chunk_by(|a, b| (a.direction, a.depth) == (b.direction, b.depth)) {
        let promised = |row: &&DeviceFitRow| row.ppm.is_none_or(|ppm| PROMISED.contains(&ppm));
        let far = part.iter().filter(promised).filter(|row| row.error().abs() > WITHIN);
        let (off, chance): (Vec<&DeviceFitRow>, Vec<_>) =
            far.partition(|row| row.certain_error().abs() > WITHIN);
        let told = |rows: Vec<&DeviceFitRow>, what: &str| {
            let names: Vec<String> = rows.iter().map(|row| row.told()).collect();
            let (direction, under) = (part[0].direction.name(), part[0].under());
            (!names.is_empty())
                .then(|| format!("{direction}s {under}: {} {what}", names.join(", ")))
        };
        notes.extend(told(off, "off: more than the 5 % that a fitted device should be at most"));
        notes.extend(told(
            chance,
            "off, within what chance does to the run in which the device is compared",
        ));
    }
    notes
}
