//! Requests of a block device in a trace: when each was issued and completed, and beside how many.

use std::collections::BTreeMap;

use super::error::DeviceFitError;
use super::run::{Direction, Measured, Run};
use super::times::Times;
use models::monitors::log::LogEvent;
use models::trace::kernel::KernelEvent;

use crate::logs::check::reader::LogConsumer;

/// Bytes of a sector times this are a page.
const PAGE_SECTORS: u32 = 8;
/// Requests that are kept of a trace.
const MOST: usize = 1 << 22;
/// Requests alone that make a law of service times.
const LEAST_ALONE: usize = 20;
/// Requests of a depth that make a law of it.
const LEAST_AT_DEPTH: usize = 100;

/// A request that was completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) issued: u64,
    pub(super) completed: u64,
    pub(super) direction: Direction,
    pub(super) pages: u32,
    /// Requests under way when it was issued, itself included.
    pub(super) depth: u32,
}

/// The requests of a trace, by device.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    devices: BTreeMap<u32, Device>,
    kept: usize,
    /// Completions of requests whose issue the trace has not.
    unmatched: u64,
}

#[derive(Clone, Debug, Default)]
struct Device {
    under_way: BTreeMap<(u64, Direction), (u64, u32, u32)>,
    done: Vec<Request>,
}

impl Requests {
    pub(super) fn issue(
        &mut self,
        ns: u64,
        device: u32,
        sector: u64,
        direction: Direction,
        sectors: u32,
    ) {
        if sectors == 0 || self.kept >= MOST {
            return;
        }
        let device = self.devices.entry(device).or_default();
        let depth = device.under_way.len() as u32 + 1;
        let pages = sectors.div_ceil(PAGE_SECTORS);
        device.under_way.insert((sector, direction), (ns, pages, depth));
    }

    /// `direction`: if the trace says it.
    pub(super) fn complete(
        &mut self,
        ns: u64,
        device: u32,
        sector: u64,
        direction: Option<Direction>,
    ) {
        let Some(device) = self.devices.get_mut(&device) else {
            self.unmatched += 1;
            return;
        };
        let directions = direction.map_or(Direction::ALL.to_vec(), |one| vec![one]);
        let found = directions
            .into_iter()
            .find_map(|one| Some((one, device.under_way.remove(&(sector, one))?)));
        let Some((direction, (issued, pages, depth))) = found else {
            self.unmatched += 1;
            return;
        };
        let completed = ns.max(issued);
        device.done.push(Request { issued, completed, direction, pages, depth });
        self.kept += 1;
    }

    /// What was under way may have ended among the lost.
    fn forget(&mut self) {
        self.devices.values_mut().for_each(|device| device.under_way.clear());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept == 0
    }

    /// The requests of the device that was read most, in the order of issue, with its number, and
    /// what was left out.
    pub(super) fn of_one_device(self) -> (u32, Vec<Request>, Vec<String>) {
        let mut notes = Vec::new();
        if self.unmatched > 0 {
            notes.push(format!("{} completions whose issue is not in the trace", self.unmatched));
        }
        let reads = |device: &Device| {
            let own = device.done.iter().filter(|one| one.direction == Direction::Read).count();
            (own, device.done.len())
        };
        let mut all: Vec<(u32, Device)> = self.devices.into_iter().collect();
        all.sort_by_key(|(number, device)| (std::cmp::Reverse(reads(device)), *number));
        for (number, device) in all.iter().skip(1).filter(|(_, device)| !device.done.is_empty()) {
            notes.push(format!("{} requests of device {}", device.done.len(), named(*number)));
        }
        let (number, mut requests) =
            all.into_iter().next().map_or((0, Vec::new()), |(number, one)| (number, one.done));
        requests.sort_by_key(|request| (request.issued, request.completed));
        (number, requests, notes)
    }
}

/// Major and minor number.
pub(super) fn named(device: u32) -> String {
    format!("{},{}", device >> 20, device & 0xf_ffff)
}

impl LogConsumer for Requests {
    fn event(&mut self, event: LogEvent) {
        match event.event {
            KernelEvent::BlockIssue { read, at: (device, sector), sectors } => {
                let direction = if read { Direction::Read } else { Direction::Write };
                self.issue(event.ns, device, sector, direction, sectors);
            }
            KernelEvent::BlockComplete { at: (device, sector) } => {
                self.complete(event.ns, device, sector, None);
            }
            _ => {}
        }
    }

    fn lost(&mut self, _since: u64) {
        self.forget();
    }
}

/// The runs that the requests make: those of each depth are one.
pub(super) fn runs(
    files: &str,
    requests: &[Request],
    left_out: &mut Vec<String>,
) -> Result<Vec<Run>, DeviceFitError> {
    let alone = requests.iter().filter(|request| request.depth == 1).count();
    if alone < LEAST_ALONE {
        return Err(DeviceFitError::NeverAlone {
            files: files.to_owned(),
            requests: requests.len(),
            alone,
            least: LEAST_ALONE,
        });
    }
    let mut runs = Vec::new();
    for direction in Direction::ALL {
        let own: Vec<&Request> =
            requests.iter().filter(|request| request.direction == direction).collect();
        let Some((pages, own)) = of_smallest(&own) else { continue };
        let about = format!("{}s", direction.name());
        let mut notes = Vec::new();
        if pages > 1 {
            notes.push(format!(
                "{about} of {pages} pages are taken as of one: there are no smaller"
            ));
        }
        let mut by_level: BTreeMap<u32, Vec<&Request>> = BTreeMap::new();
        for request in own {
            by_level.entry(request.depth.next_power_of_two()).or_default().push(request);
        }
        if by_level.get(&1).map_or(0, Vec::len) < LEAST_ALONE {
            left_out.push(format!("{about}: fewer than {LEAST_ALONE} were alone"));
            continue;
        }
        for (level, own) in by_level {
            if level > 1 && own.len() < LEAST_AT_DEPTH {
                continue;
            }
            let sum: u64 = own.iter().map(|request| u64::from(request.depth)).sum();
            let depth = (sum as f64 / own.len() as f64).round() as u32;
            let times = Times::of_values(&values(&own), Vec::new());
            let measured =
                times.map(|times| Measured { direction, pages: 1, times }).into_iter().collect();
            runs.push(Run { depth, measured, notes: std::mem::take(&mut notes) });
        }
    }
    runs.extend(larger(requests));
    Ok(runs)
}

/// Those of one page, or of the smallest size that is common.
fn of_smallest<'r>(own: &[&'r Request]) -> Option<(u32, Vec<&'r Request>)> {
    let mut by_size: BTreeMap<u32, Vec<&Request>> = BTreeMap::new();
    for &request in own {
        by_size.entry(request.pages).or_default().push(request);
    }
    let common = by_size.iter().find(|(_, requests)| requests.len() >= LEAST_ALONE);
    let (&pages, requests) = common.or_else(|| by_size.iter().next())?;
    Some((pages, requests.clone()))
}

/// Reads of the size that is most frequent among those of several pages, alone.
fn larger(requests: &[Request]) -> Option<Run> {
    let mut by_size: BTreeMap<u32, Vec<&Request>> = BTreeMap::new();
    let single = requests.iter().any(|one| one.direction == Direction::Read && one.pages == 1);
    let alone = |one: &&Request| {
        one.direction == Direction::Read && one.depth == 1 && one.pages > 1 && single
    };
    for request in requests.iter().filter(alone) {
        by_size.entry(request.pages).or_default().push(request);
    }
    let (&pages, own) = by_size.iter().max_by_key(|(_, requests)| requests.len())?;
    if own.len() < LEAST_ALONE {
        return None;
    }
    let times = Times::of_values(&values(own), Vec::new())?;
    let measured = vec![Measured { direction: Direction::Read, pages, times }];
    Some(Run { depth: 1, measured, notes: Vec::new() })
}

/// Times of requests in rising order, each once with how often it came.
pub(super) fn values(requests: &[&Request]) -> Vec<(u64, u64)> {
    let mut times: Vec<u64> =
        requests.iter().map(|request| request.completed - request.issued).collect();
    times.sort_unstable();
    let mut values: Vec<(u64, u64)> = Vec::new();
    for time in times {
        match values.last_mut() {
            Some((known, count)) if *known == time => *count += 1,
            _ => values.push((time, 1)),
        }
    }
    values
}
