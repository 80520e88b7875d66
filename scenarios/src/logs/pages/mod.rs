//! From a host's log to the pages that its guest touched for the first time, in their order: a list for
//! the `prefetch` of a handler, and a trace for `replay`.
//!
//! Every first touch of a page that the host does not map is a `kvm_page_fault` with the guest-physical address. A
//! page that was mapped by a neighbour's fault, by a huge page or by what the VMM did itself has none, and is not
//! in the list.

mod error;
mod observe;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use models::base::ids::PAGE_SIZE;
use sim_core::SimDuration;

pub use self::error::PagesError;
use self::observe::{FirstTouch, Touched};
use crate::logs::check::read_path;
use crate::syntax::units::Bytes;

/// Where memory above the hole for devices begins, on x86.
const ABOVE_HOLE: u64 = 1 << 32;
/// Blocks of fault-around that are tried, in pages: up to 2 MiB, as a handler's `around`.
const BLOCKS: [u64; 6] = [1, 4, 16, 32, 128, 512];

/// In which order pages are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PageOrder {
    /// As they were touched.
    #[default]
    Recorded,
    /// By their addresses, so that neighbours come with one read.
    Address,
}

/// What the log does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PagesOptions {
    /// The region of the scenario that stands for the guest's memory.
    pub region: String,
    /// Where the hole for devices begins that ends at 4 GiB. Memory above it follows what is below.
    pub hole: Bytes,
    /// The part of memory that is the region: its beginning, and its size, if it has an end.
    pub start: Bytes,
    /// Its size.
    pub size: Option<Bytes>,
    /// Only what was touched so long after the first event.
    pub until: Option<SimDuration>,
    /// The order of the list.
    pub order: PageOrder,
}

/// A fault-around of some size, over the pages of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AroundRow {
    /// Pages of a block.
    pub block: u64,
    /// Blocks with a page that was touched: messages, if each brings its whole block.
    pub messages: u64,
    /// Pages that they bring at most.
    pub brought: u64,
}

/// The pages that a guest touched first, by a log.
#[derive(Clone, Debug, PartialEq)]
pub struct PagesReport {
    /// The log.
    pub log: String,
    /// The region that the list names.
    pub region: String,
    /// Different pages.
    pub pages: u64,
    /// Of them, those whose first touch wrote.
    pub written: u64,
    /// Runs of neighbours in the list.
    pub runs: u64,
    /// The last page, plus one: what the region must have.
    pub end: u64,
    /// Further faults of the same pages.
    pub repeated: u64,
    /// Faults in the hole for devices, and those outside the region.
    pub outside: [u64; 2],
    /// From the first to the last of them.
    pub span: SimDuration,
    /// Time in guest mode for each, if entries and exits were recorded.
    pub guest_time: Option<SimDuration>,
    /// What fault-around would do.
    pub around: Vec<AroundRow>,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// The list, as `prefetch` reads it.
    pub list: String,
    /// The first touches in their order, as `replay` reads them with `"placement": "recorded"`.
    pub trace: String,
}

/// Reads the pages that were touched out of the log at a path; `-` is standard input.
///
/// # Errors
/// When it cannot be read, is no log, or has no such fault.
pub fn pages_of_log(path: &str, options: &PagesOptions) -> Result<PagesReport, PagesError> {
    refuse(options)?;
    let (log, session, _) = read_path(path, Touched::new(options.until))?;
    report(log, session.consumer, options)
}

fn refuse(options: &PagesOptions) -> Result<(), PagesError> {
    let wrong = |option, help: &str| Err(PagesError::Option { option, help: help.into() });
    let whole = |size: Bytes| size.0.is_multiple_of(PAGE_SIZE);
    let name = &options.region;
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#') {
        return wrong("--region", "a name without spaces and `#`, as the scenario's region has");
    }
    if !whole(options.hole) || options.hole.0 > ABOVE_HOLE {
        return wrong(
            "--hole",
            "where the hole begins: whole pages, at most 4GiB (then there is none)",
        );
    }
    if !whole(options.start) || options.size.is_some_and(|size| !whole(size) || size.0 == 0) {
        return wrong("--start and --size", "whole pages of 4KiB, and at least one");
    }
    Ok(())
}

fn report(
    log: String,
    touched: Touched,
    options: &PagesOptions,
) -> Result<PagesReport, PagesError> {
    touched.refuse(&log)?;
    let mut outside = [0; 2];
    let mut first: Vec<FirstTouch> = Vec::new();
    let mut repeated = 0;
    for one in touched.faults() {
        match page_of(one.page, options) {
            Ok(page) => {
                repeated += one.repeated;
                first.push(FirstTouch { page, ..one });
            }
            Err(where_to) => outside[where_to] += 1 + one.repeated,
        }
    }
    let (Some(begin), Some(last)) = (first.first(), first.last()) else {
        return Err(PagesError::NoPage { log, outside: outside.iter().sum() });
    };
    let span = SimDuration::from_ns(last.ns.saturating_sub(begin.ns));
    let (list, runs) = list(&first, options);
    let pages = first.len() as u64;
    let different: BTreeSet<u64> = first.iter().map(|one| one.page).collect();
    let mut notes = touched.notes();
    if pages < 10 {
        notes.push("fewer than ten pages: was the whole start recorded?".into());
    }
    Ok(PagesReport {
        region: options.region.clone(),
        pages,
        written: first.iter().filter(|one| one.write).count() as u64,
        runs,
        end: different.last().map_or(0, |last| last + 1),
        repeated,
        outside,
        span,
        guest_time: touched.guest_time().map(|ns| SimDuration::from_ns(ns / pages)),
        around: BLOCKS.map(|block| around(&different, block)).to_vec(),
        notes,
        trace: trace(&log, &first),
        list: format!("# Pages of {log}, in the order {}\n{list}", options.order.text()),
        log,
    })
}

impl PageOrder {
    const fn text(self) -> &'static str {
        match self {
            Self::Recorded => "of their first touch",
            Self::Address => "of their addresses",
        }
    }
}

/// The page of the region at a guest-physical page; else 0, in the hole, or 1, outside the region.
fn page_of(gfn: u64, options: &PagesOptions) -> Result<u64, usize> {
    let (hole, above) = (options.hole.0 / PAGE_SIZE, ABOVE_HOLE / PAGE_SIZE);
    let in_memory = match gfn {
        low if low < hole => low,
        device if device < above => return Err(0),
        high => high - (above - hole),
    };
    let page = in_memory.checked_sub(options.start.0 / PAGE_SIZE).ok_or(1_usize)?;
    let fits = options.size.is_none_or(|size| page < size.0 / PAGE_SIZE);
    if fits { Ok(page) } else { Err(1) }
}

/// A line for each run of pages that follow each other; how many there are.
fn list(first: &[FirstTouch], options: &PagesOptions) -> (String, u64) {
    let mut pages: Vec<u64> = first.iter().map(|one| one.page).collect();
    if options.order == PageOrder::Address {
        pages.sort_unstable();
    }
    let (mut text, mut runs) = (String::new(), 0);
    for run in pages.chunk_by(|a, b| a + 1 == *b) {
        runs += 1;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {} {}", options.region, run[0], run.len());
    }
    (text, runs)
}

fn trace(log: &str, first: &[FirstTouch]) -> String {
    let mut text = format!("# First touches of pages by {log}\n");
    for one in first {
        let _ = writeln!(text, "{}{}", one.page, if one.write { " w" } else { "" });
    }
    text
}

fn around(different: &BTreeSet<u64>, block: u64) -> AroundRow {
    let end = different.last().map_or(0, |last| last + 1);
    let blocks: BTreeSet<u64> = different.iter().map(|page| page / block).collect();
    let within = |number: &u64| block.min(end - number * block);
    let brought = blocks.iter().map(within).sum();
    AroundRow { block, messages: blocks.len() as u64, brought }
}
