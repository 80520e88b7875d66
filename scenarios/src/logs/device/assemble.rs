//! From what was measured to a device.

use std::collections::BTreeMap;

use models::config::{AtDepth, ChannelsConfig};
use sim_core::{Distribution, SimDuration};

use super::error::DeviceFitError;
use super::rows::WITHIN;
use super::run::{Direction, Run};
use super::times::Times;
use crate::logs::fit::Given;

/// Most channels that a device may have.
pub(super) const MAX_CHANNELS: u32 = 65_536;
/// Channels of a device whose parallelism was not measured, if it is a fast one, and a slow one.
const USUAL_CHANNELS: [u32; 2] = [32, 1];
/// A device whose reads take longer has an arm.
const SLOW_NS: f64 = 1_000_000.0;
/// A further page of a device of which only single pages were measured: 3.2 GB/s, 110 MB/s.
const USUAL_PER_PAGE: [SimDuration; 2] = [SimDuration::from_ns(1_300), SimDuration::from_us(37)];

/// Times of a direction by depth.
pub(super) type ByDepth = BTreeMap<u32, Times>;

/// What is known of a device.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Known {
    pub(super) read: ByDepth,
    pub(super) write: ByDepth,
    /// Mean time of reads of several pages alone, by pages.
    pub(super) larger: BTreeMap<u32, f64>,
    /// Most requests under way that were seen, be it for a moment.
    pub(super) most: u32,
    /// What a reader should know.
    pub(super) notes: Vec<String>,
}

impl Known {
    pub(super) fn of(&self, direction: Direction) -> &ByDepth {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }

    /// All runs together. Says what was left out.
    pub(super) fn of_runs(runs: &[Run], left_out: &mut Vec<String>) -> Self {
        let notes = runs.iter().flat_map(|run| run.notes.iter().cloned()).collect();
        let mut known = Self { notes, ..Self::default() };
        for direction in Direction::ALL {
            let mut by_depth: BTreeMap<u32, Vec<&Times>> = BTreeMap::new();
            for run in runs {
                for part in run.measured.iter().filter(|part| part.direction == direction) {
                    if part.pages == 1 {
                        by_depth.entry(run.depth).or_default().push(&part.times);
                    } else if direction == Direction::Read && run.depth == 1 {
                        known.larger.insert(part.pages, part.times.mean);
                    } else {
                        left_out.push(format!(
                            "{}s of {} pages at depth {}: a device's law is that of one page",
                            direction.name(),
                            part.pages,
                            run.depth
                        ));
                    }
                }
            }
            let pooled = by_depth.iter().filter_map(|(depth, all)| pooled(direction, *depth, all));
            known.notes.extend(pooled);
            let merged = by_depth
                .into_iter()
                .filter_map(|(depth, all)| Times::merged(&all).map(|times| (depth, times)));
            let merged = merged.collect();
            match direction {
                Direction::Read => known.read = merged,
                Direction::Write => known.write = merged,
            }
        }
        known
    }
}

/// Runs of one depth that do not agree.
fn pooled(direction: Direction, depth: u32, all: &[&Times]) -> Option<String> {
    let medians = all.iter().map(|times| times.at(500_000));
    let (least, most) = (medians.clone().min()?, medians.max()?);
    (most as f64 > least as f64 * (1.0 + WITHIN)).then(|| {
        let [least, most] = [least, most].map(SimDuration::from_ns);
        format!(
            "{}s at depth {depth}: {} runs are taken together, with p50 from {least} to {most}",
            direction.name(),
            all.len()
        )
    })
}

/// The device, with where each of its numbers comes from.
pub(super) fn device(
    files: &str,
    known: &mut Known,
    channels: Option<u32>,
    left_out: &mut Vec<String>,
) -> Result<(ChannelsConfig, Vec<Given>), DeviceFitError> {
    refuse_deep(files, known, left_out)?;
    let mut given = Vec::new();
    let alone = [&known.read, &known.write].map(|by_depth| by_depth.get(&1));
    let slow = usize::from(alone[0].or(alone[1]).is_some_and(|times| times.mean >= SLOW_NS));
    let deepest = known.read.keys().chain(known.write.keys()).max().copied().unwrap_or(1);
    let channels = number_of_channels((deepest, known.most), channels, slow, &mut given)?;
    let (read, read_at_depth) = laws(Direction::Read, known, &mut given);
    let (write, write_at_depth) = laws(Direction::Write, known, &mut given);
    let per_page = per_page(known, slow, &mut given);
    let config = ChannelsConfig { channels, read, write, per_page, read_at_depth, write_at_depth };
    Ok((config, given))
}

/// Latency in a deep queue is never taken for a service time.
fn refuse_deep(
    files: &str,
    known: &mut Known,
    left_out: &mut Vec<String>,
) -> Result<(), DeviceFitError> {
    let notes = std::mem::take(&mut known.notes);
    let deep = |by_depth: &ByDepth| !by_depth.is_empty() && !by_depth.contains_key(&1);
    let refused = |what: &'static str, by_depth: &ByDepth| {
        let depths: Vec<String> = by_depth.keys().map(u32::to_string).collect();
        let first = by_depth.keys().next().copied().unwrap_or(1);
        let (files, depths) = (files.to_owned(), depths.join(", "));
        let why = notes.iter().map(|note| format!("\n  {note}")).collect();
        DeviceFitError::OnlyDeep { files, what, depths, first, why }
    };
    if deep(&known.read) {
        return Err(refused("reads", &known.read));
    }
    if deep(&known.write) {
        if known.read.is_empty() {
            return Err(refused("writes", &known.write));
        }
        let depths: Vec<String> = known.write.keys().map(u32::to_string).collect();
        left_out.push(format!(
            "writes at depth {}: without any at depth 1 they are no service times",
            depths.join(", ")
        ));
        known.write.clear();
    }
    known.notes = notes;
    if known.read.is_empty() && known.write.is_empty() {
        let mut why = String::new();
        for (pages, mean) in &known.larger {
            why += &format!(
                "\n  reads of {pages} pages ({:.1} us) do not tell what one page takes",
                mean / 1000.0
            );
        }
        for line in left_out {
            why += &format!("\n  {line}");
        }
        return Err(DeviceFitError::Nothing { files: files.to_owned(), why });
    }
    Ok(())
}

fn number_of_channels(
    (deepest, most): (u32, u32),
    asked: Option<u32>,
    slow: usize,
    given: &mut Vec<Given>,
) -> Result<u32, DeviceFitError> {
    if let Some(number) = asked {
        if !(deepest..=MAX_CHANNELS).contains(&number) {
            let help =
                format!("from the largest depth that was measured, {deepest}, to {MAX_CHANNELS}");
            let value = number.to_string();
            return Err(DeviceFitError::Range { option: "--channels", value, help });
        }
        Given::say(given, "channels", number, "--channels");
        return Ok(number);
    }
    if deepest > 1 {
        let source = "the largest depth that was measured: what comes beyond it waits";
        let number = deepest.max(most).min(MAX_CHANNELS);
        Given::say(given, "channels", number, source);
        return Ok(number);
    }
    let number = USUAL_CHANNELS[slow].max(most).min(MAX_CHANNELS);
    let source = "assumption: one request at a time does not show how many are served at once \
                  (--channels, or a file of a deeper queue beside this one)";
    Given::say(given, "channels", number, source);
    Ok(number)
}

/// The law of a direction alone, and those at depth.
fn laws(
    direction: Direction,
    known: &Known,
    given: &mut Vec<Given>,
) -> (Distribution, Vec<AtDepth>) {
    let name = direction.name();
    let (own, other) = match direction {
        Direction::Read => (&known.read, (&known.write, "writes")),
        Direction::Write => (&known.write, (&known.read, "reads")),
    };
    let assumed = own.is_empty();
    let by_depth = if assumed { other.0 } else { own };
    let mut laws = by_depth.iter().map(|(&depth, times)| {
        let field = if depth == 1 { name.to_owned() } else { format!("{name}_at_depth {depth}") };
        let about = match assumed {
            true => format!("assumption: {name}s were not measured; as {}", other.1),
            false => format!("{} {name}s at depth {depth}", times.count),
        };
        let p50 = SimDuration::from_ns(times.at(500_000));
        Given::say(given, field, format!("p50 {p50}"), about);
        AtDepth { depth, time: times.law() }
    });
    let alone = laws.next().map_or(Distribution::Constant { value: 1 }, |law| law.time);
    (alone, laws.collect())
}

/// What a further page takes: from reads of several pages, or as devices usually do.
fn per_page(known: &Known, slow: usize, given: &mut Vec<Given>) -> SimDuration {
    let one = known.read.get(&1).map(|times| times.mean);
    let largest = known.larger.iter().next_back();
    if let (Some(one), Some((&pages, &mean))) = (one, largest) {
        let each = ((mean - one) / f64::from(pages - 1)).max(0.0) as u64;
        let each = SimDuration::from_ns(each);
        let source = format!("reads of {pages} pages less those of one, at depth 1");
        Given::say(given, "per_page", each, source);
        return each;
    }
    let each = USUAL_PER_PAGE[slow];
    let rate = if slow == 1 { "110 MB/s" } else { "3.2 GB/s" };
    let source = format!("assumption: {rate}; only single pages were measured");
    Given::say(given, "per_page", each, source);
    each
}
