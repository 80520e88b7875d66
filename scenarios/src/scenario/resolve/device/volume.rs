//! Kind `volume`.

use models::base::ids::PAGE_SIZE;
use models::config::VolumeConfig;
use sim_core::{Distribution, SimDuration};

use super::law::{law, law_line};
use super::{Kind, Lines};
use crate::scenario::file::{ServiceTime, VolumeChanges, VolumeFile};
use crate::scenario::resolve::at::At;
use crate::syntax::error::ScenarioError;
use crate::syntax::units::Bytes;

const MAX_IOPS: u64 = 100_000_000;
/// Longest that a bucket may take to fill, in seconds.
const MAX_FILLING: u64 = 1_000_000;
/// Smallest and largest throughput: a page in a second, and one in 4 ps.
const THROUGHPUT: std::ops::RangeInclusive<u64> = PAGE_SIZE..=1 << 50;

impl Kind for VolumeConfig {
    const NAME: &'static str = "volume";
    type Whole = VolumeFile;
    type Changes = VolumeChanges;

    fn base() -> Self {
        let law = Distribution::Constant { value: 0 };
        Self {
            read: law.clone(),
            write: law,
            iops: 1,
            burst_iops: 1,
            credits: 0,
            credits_at_start: 0,
            per_page: SimDuration::ZERO,
        }
    }

    fn changed(self, at: &At<'_>, file: VolumeChanges) -> Result<Self, ScenarioError> {
        let time = |field: &str, value: Option<ServiceTime>, preset| match value {
            Some(value) => law(&at.field(field), &value),
            None => Ok(preset),
        };
        let number = |field: &str, value: Option<u64>, range, preset: u64| {
            value.map_or(Ok(preset), |value| at.field(field).number::<u64>(value, range))
        };
        let iops = number("iops", file.iops, 1..=MAX_IOPS, self.iops.into())?;
        let burst = u64::from(self.burst_iops).max(iops);
        let burst_iops = number("burst_iops", file.burst_iops, iops..=MAX_IOPS, burst)?;
        let most = iops * MAX_FILLING;
        let credits = number("credits", file.credits, 0..=most, self.credits.min(most))?;
        let at_start = match (file.credits, self.credits_at_start == self.credits) {
            // A bucket that was full is full.
            (Some(_), true) => credits,
            _ => self.credits_at_start.min(credits),
        };
        Ok(Self {
            read: time("read", file.read, self.read)?,
            write: time("write", file.write, self.write)?,
            iops: iops as u32,
            burst_iops: burst_iops as u32,
            credits,
            credits_at_start: number(
                "credits_at_start",
                file.credits_at_start,
                0..=credits,
                at_start,
            )?,
            per_page: match file.throughput {
                Some(throughput) => per_page(&at.field("throughput"), throughput)?,
                None => self.per_page,
            },
        })
    }

    fn lines(&self) -> Lines {
        let Self { read, write, iops, burst_iops, credits, credits_at_start, per_page } = self;
        vec![
            ("read", law_line(read)),
            ("write", law_line(write)),
            ("iops", iops.to_string()),
            ("burst_iops", burst_iops.to_string()),
            ("credits", credits.to_string()),
            ("credits_at_start", credits_at_start.to_string()),
            ("per_page", per_page.as_ps().to_string()),
        ]
    }
}

/// Time of a page at a throughput.
fn per_page(at: &At<'_>, throughput: Bytes) -> Result<SimDuration, ScenarioError> {
    if !THROUGHPUT.contains(&throughput.0) {
        let help = format!("from {} to {}", Bytes(*THROUGHPUT.start()), Bytes(*THROUGHPUT.end()));
        return Err(at.fail(format!("{throughput} a second is out of range"), help));
    }
    let ps = u128::from(PAGE_SIZE) * 1_000_000_000_000 / u128::from(throughput.0);
    // At most a second, so the cast keeps the value.
    Ok(SimDuration::from_ps(ps as u64))
}
