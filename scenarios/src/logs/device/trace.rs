//! Requests of a block device in a trace: when each was issued and completed, and beside how many.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::error::DeviceFitError;
use super::run::{Direction, LEAST, Measured, Run};
use super::times::Times;
use models::base::ids::PAGE_SECTORS;
use models::monitors::log::LogEvent;
use models::trace::kernel::KernelEvent;

use crate::logs::check::consumer::LogConsumer;

/// Requests that are kept of a trace.
const MOST: usize = 1 << 22;
/// A request that was completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) issued: u64,
    pub(super) completed: u64,
    pub(super) direction: Direction,
    pub(super) pages: u32,
    /// Requests under way when it was issued, itself included, if the trace tells.
    pub(super) depth: Option<u32>,
}

/// The requests of a trace, by device.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    devices: BTreeMap<u32, Device>,
    kept: usize,
    /// Issues and completions so far.
    events: u64,
    last: u64,
    /// Where events were lost: from and to.
    lost: Vec<(u64, u64)>,
    /// How many times they were at places that the trace does not name.
    skipped: u64,
}

#[derive(Clone, Debug, Default)]
struct Device {
    under_way: BTreeMap<(u64, Direction), Issue>,
    done: Vec<Done>,
    /// Issues of which no completion is known.
    never_completed: Vec<u64>,
    /// Completions of which no issue is known.
    never_issued: Vec<u64>,
    /// Requests that moved no data.
    without_data: u64,
}

#[derive(Clone, Copy, Debug)]
struct Issue {
    ns: u64,
    pages: u32,
    event: u64,
}

/// A request that is over, with the events that were its issue and its completion.
#[derive(Clone, Copy, Debug)]
struct Done {
    request: Request,
    events: (u64, u64),
    failed: bool,
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
        if self.kept >= MOST {
            return;
        }
        self.events += 1;
        self.last = self.last.max(ns);
        // What moves no data, such as a flush, has no page.
        let issue = Issue { ns, pages: sectors.div_ceil(PAGE_SECTORS), event: self.events };
        let device = self.devices.entry(device).or_default();
        if let Some(before) = device.under_way.insert((sector, direction), issue) {
            device.never_completed.push(before.ns);
        }
    }

    /// The driver could not take a request, which will be issued again.
    pub(super) fn requeue(&mut self, device: u32, sector: u64, direction: Direction) {
        if let Some(device) = self.devices.get_mut(&device) {
            device.under_way.remove(&(sector, direction));
        }
    }

    /// `direction`: if the trace says it. `failed`: it has no data.
    pub(super) fn complete(
        &mut self,
        ns: u64,
        device: u32,
        sector: u64,
        direction: Option<Direction>,
        failed: bool,
    ) {
        if self.kept >= MOST {
            return;
        }
        self.events += 1;
        self.last = self.last.max(ns);
        let device = self.devices.entry(device).or_default();
        let directions = direction.map_or(Direction::ALL.to_vec(), |one| vec![one]);
        let found = directions
            .into_iter()
            .find_map(|one| Some((one, device.under_way.remove(&(sector, one))?)));
        let Some((direction, Issue { ns: issued, pages, event })) = found else {
            device.never_issued.push(ns);
            return;
        };
        if pages > 0 {
            let completed = ns.max(issued);
            let request = Request { issued, completed, direction, pages, depth: None };
            device.done.push(Done { request, events: (event, self.events), failed });
            self.kept += 1;
        } else {
            device.without_data += 1;
        }
    }

    /// Events were lost so many times, nobody knows where.
    pub(super) fn skipped(&mut self, times: u64) {
        self.skipped += times;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept == 0
    }

    /// The requests of the device that was read most, in the order of issue, with its number, and
    /// what was left out.
    pub(super) fn of_one_device(self) -> (u32, Vec<Request>, Vec<String>) {
        let mut notes = Vec::new();
        let reads = |device: &Device| {
            let read = |one: &&Done| one.request.direction == Direction::Read;
            (device.done.iter().filter(read).count(), device.done.len())
        };
        let mut all: Vec<(u32, Device)> = self.devices.into_iter().collect();
        all.sort_by_key(|(number, device)| (Reverse(reads(device)), *number));
        for (number, device) in all.iter().skip(1).filter(|(_, device)| !device.done.is_empty()) {
            notes.push(format!("{} requests of device {}", device.done.len(), named(*number)));
        }
        let Some((number, device)) = all.into_iter().next() else {
            return (0, Vec::new(), notes);
        };
        let requests = device.requests(&self.lost, &mut notes);
        if self.skipped > 0 {
            notes.push(format!(
                "events were skipped {} times, the file does not say where: what has neither issue nor \
                 completion is under way unseen",
                self.skipped
            ));
        }
        (number, requests, notes)
    }
}

impl Device {
    /// The requests in the order of issue, each with its depth. Says what of them is left out.
    fn requests(mut self, lost: &[(u64, u64)], notes: &mut Vec<String>) -> Vec<Request> {
        self.never_completed.extend(self.under_way.values().map(|issue| issue.ns));
        self.done.sort_by_key(|one| one.events.0);
        let took = |one: &Done| one.request.completed - one.request.issued;
        // Assumption: what the trace has only one end of took no longer than all others.
        let longest = self.done.iter().map(took).max().unwrap_or(0);
        let mut unsure: Vec<(u64, u64)> = lost.to_vec();
        unsure.iter_mut().for_each(|(_, to)| *to = to.saturating_add(longest));
        let begun = self.never_completed.iter().map(|&ns| (ns, ns.saturating_add(longest)));
        unsure.extend(begun);
        unsure.extend(self.never_issued.iter().map(|&ns| (ns.saturating_sub(longest), ns)));
        let unsure = joined(unsure);
        let mut under_way = BinaryHeap::new();
        for one in &mut self.done {
            while under_way.peek().is_some_and(|Reverse(event)| *event < one.events.0) {
                under_way.pop();
            }
            under_way.push(Reverse(one.events.1));
            let issued = one.request.issued;
            let before = unsure.partition_point(|(from, _)| *from <= issued);
            let sure = before.checked_sub(1).is_none_or(|at| unsure[at].1 < issued);
            one.request.depth = sure.then_some(under_way.len() as u32);
        }
        if self.without_data > 0 {
            let count = self.without_data;
            notes.push(format!("{count} requests that move no data (discards, flushes)"));
        }
        let failed = self.done.iter().filter(|one| one.failed).count();
        if failed > 0 {
            notes.push(format!("{failed} requests that ended with an error"));
        }
        let own = self.done.iter().filter(|one| !one.failed).map(|one| one.request);
        let mut requests: Vec<Request> = own.collect();
        let unknown = requests.iter().filter(|one| one.depth.is_none()).count();
        if unknown > 0 {
            notes.push(format!(
                "{unknown} requests beside which others may have been under way that the trace has \
                 not: events were lost in {} places, {} completions have no issue, {} issues no \
                 completion",
                lost.len(),
                self.never_issued.len(),
                self.never_completed.len()
            ));
        }
        requests.sort_by_key(|request| (request.issued, request.completed));
        requests
    }
}

/// Spans in order, those that overlap made one.
fn joined(mut spans: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    spans.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::with_capacity(spans.len());
    for (from, to) in spans {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
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
            KernelEvent::BlockComplete { at: (device, sector), failed } => {
                self.complete(event.ns, device, sector, None, failed);
            }
            _ => {}
        }
    }

    /// What was under way may have ended among the lost, and others have begun.
    fn lost(&mut self, since: u64) {
        self.lost.push((since, self.last.max(since)));
        for device in self.devices.values_mut() {
            device.under_way.clear();
        }
    }
}

/// The runs that the requests make: those of each depth are one.
pub(super) fn runs(
    files: &str,
    requests: &[Request],
    left_out: &mut Vec<String>,
) -> Result<Vec<Run>, DeviceFitError> {
    let alone = requests.iter().filter(|request| request.depth == Some(1)).count();
    if alone < LEAST {
        return Err(DeviceFitError::NeverAlone {
            files: files.to_owned(),
            requests: requests.len(),
            alone,
            least: LEAST,
            why: left_out.iter().map(|line| format!("\n  left out: {line}")).collect(),
        });
    }
    let mut runs = Vec::new();
    for direction in Direction::ALL {
        let of_one_page = |one: &&Request| one.direction == direction && one.pages == 1;
        let mut by_level: BTreeMap<u32, Vec<&Request>> = BTreeMap::new();
        for request in requests.iter().filter(of_one_page) {
            if let Some(depth) = request.depth {
                by_level.entry(depth.next_power_of_two()).or_default().push(request);
            }
        }
        let any = requests.iter().any(|one| one.direction == direction);
        if any && by_level.get(&1).map_or(0, Vec::len) < LEAST {
            left_out
                .push(format!("{}s: fewer than {LEAST} of one page were alone", direction.name()));
            continue;
        }
        for own in by_level.into_values().filter(|own| own.len() >= LEAST) {
            let sum: u64 = own.iter().filter_map(|request| request.depth).map(u64::from).sum();
            let depth = (sum as f64 / own.len() as f64).round() as u32;
            let times = Times::of_values(&values(&own), Vec::new());
            let measured =
                times.map(|times| Measured { direction, pages: 1, times }).into_iter().collect();
            runs.push(Run { depth, measured, notes: Vec::new() });
        }
    }
    runs.extend(larger(requests));
    Ok(runs)
}

/// Reads of the size that is most frequent among those of several pages, alone.
fn larger(requests: &[Request]) -> Option<Run> {
    let mut by_size: BTreeMap<u32, Vec<&Request>> = BTreeMap::new();
    let alone =
        |one: &&Request| one.direction == Direction::Read && one.depth == Some(1) && one.pages > 1;
    for request in requests.iter().filter(alone) {
        by_size.entry(request.pages).or_default().push(request);
    }
    let (&pages, own) = by_size.iter().max_by_key(|(_, requests)| requests.len())?;
    if own.len() < LEAST {
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
