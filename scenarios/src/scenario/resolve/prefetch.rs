//! What threads of the VMM bring before anybody misses it.

use std::fs;
use std::path::Path;

use models::base::ids::{PAGE_SIZE, RegionId, StoreId};
use models::config::{Prefetch, PrefetchRun, Region};
use sim_core::SimDuration;

use super::at::At;
use crate::scenario::file::{PrefetchFile, PrefetchPages};
use crate::syntax::error::ScenarioError;
use crate::syntax::units::Bytes;

const MAX_THREADS: u64 = 256;
/// One `UFFDIO_COPY` and one read, as of 2 MiB.
pub(super) const MAX_BATCH: u64 = 512;
const DEFAULT_BATCH: u64 = 64;
/// Bytes a second.
const MAX_RATE: Bytes = Bytes(1 << 40);
/// Wrong lines of a list of pages that are told one by one.
const MOST_WRONG: usize = 8;
/// Bytes of a list of pages.
const MAX_LIST: u64 = 1 << 28;

/// The regions of a scenario, and the store that is meant.
#[derive(Clone, Copy)]
pub(super) struct Stored<'a> {
    pub regions: &'a [Region],
    pub store: StoreId,
    /// What names of regions begin with, where there are several virtual machines.
    pub prefix: &'a str,
}

impl<'a> Stored<'a> {
    /// The regions that are in the store, in the order of the file.
    fn all(self) -> Vec<PrefetchRun> {
        let of_store = |(_, region): &(u16, &Region)| region.store == Some(self.store);
        let whole = |(id, region): (u16, &Region)| {
            let (region, pages) = (RegionId(id), region.pages);
            PrefetchRun { region, first: 0, pages }
        };
        (0..).zip(self.regions).filter(of_store).map(whole).collect()
    }

    fn region(self, name: &str) -> Option<PrefetchRun> {
        let named = |run: &PrefetchRun| self.name(*run) == name;
        self.all().into_iter().find(named)
    }

    /// How the file calls a region.
    fn name(self, run: PrefetchRun) -> &'a str {
        let name = self.regions[run.region.index()].name.as_str();
        name.strip_prefix(self.prefix).unwrap_or(name)
    }
}

/// What is brought, and how.
pub(super) fn prefetch(
    at: &At<'_>,
    file: &PrefetchFile,
    stored: Stored<'_>,
) -> Result<Prefetch, ScenarioError> {
    let mut runs = Vec::new();
    if let Some(path) = &file.file {
        runs.extend(listed(&at.field("file"), path, stored)?);
    }
    runs.extend(parts(&at.field("pages"), file.pages.as_deref(), stored)?);
    for (index, name) in file.regions.iter().flatten().enumerate() {
        let at = at.field("regions").index(index);
        runs.push(stored.region(name).ok_or_else(|| unknown(&at, name, stored))?);
    }
    if file.file.is_none() && file.pages.is_none() && file.regions.is_none() {
        runs = stored.all();
    }
    let threads = file.threads.unwrap_or(1);
    let threads = at.field("threads").number(threads, 1..=MAX_THREADS)?;
    let batch = match file.batch {
        None => DEFAULT_BATCH,
        Some(size) => at.field("batch").pages(size)?,
    };
    let batch = at.field("batch").number(batch, 1..=MAX_BATCH)?;
    let pace = file.rate.map(|rate| pace(&at.field("rate"), rate)).transpose()?;
    let pace = pace.unwrap_or(SimDuration::ZERO);
    Ok(Prefetch { threads, runs, batch, pace, before_start: file.before_start })
}

fn pace(at: &At<'_>, rate: Bytes) -> Result<SimDuration, ScenarioError> {
    if !(Bytes(PAGE_SIZE)..=MAX_RATE).contains(&rate) {
        let help = format!("from {} to {MAX_RATE} a second", Bytes(PAGE_SIZE));
        return Err(at.fail(format!("{rate} is out of range"), help));
    }
    let second = u128::from(SimDuration::from_secs(1).as_ps());
    let picoseconds = u128::from(PAGE_SIZE) * second / u128::from(rate.0);
    Ok(SimDuration::from_ps(picoseconds as u64))
}

fn unknown(at: &At<'_>, name: &str, stored: Stored<'_>) -> ScenarioError {
    let all = stored.all();
    let names: Vec<&str> = all.iter().map(|run| stored.name(*run)).collect();
    at.unknown("region of this store", name, &names)
}

/// Pages that a list names.
pub(super) fn parts(
    at: &At<'_>,
    all: Option<&[PrefetchPages]>,
    stored: Stored<'_>,
) -> Result<Vec<PrefetchRun>, ScenarioError> {
    let all = all.into_iter().flatten().enumerate();
    all.map(|(index, pages)| part(&at.index(index), pages, stored)).collect()
}

fn part(
    at: &At<'_>,
    pages: &PrefetchPages,
    stored: Stored<'_>,
) -> Result<PrefetchRun, ScenarioError> {
    let whole = stored.region(&pages.region);
    let whole = whole.ok_or_else(|| unknown(&at.field("region"), &pages.region, stored))?;
    let run = PrefetchRun { first: pages.first, pages: pages.pages.unwrap_or(1), ..whole };
    match holds(whole, run) {
        true => Ok(run),
        false => Err(at.fail(
            format!("the region `{}` has {} pages", pages.region, whole.pages),
            "`first` counts from 0, and `pages` from there",
        )),
    }
}

fn holds(whole: PrefetchRun, run: PrefetchRun) -> bool {
    run.pages > 0 && run.first.checked_add(run.pages).is_some_and(|end| end <= whole.pages)
}

/// The pages that a file lists: a region, a page, and how many follow it, a line each.
fn listed(at: &At<'_>, path: &str, stored: Stored<'_>) -> Result<Vec<PrefetchRun>, ScenarioError> {
    const HELP: &str = "a line for each run of pages: the region's name, its first page, and how many (1 where \
                        that is left out); `#` begins a remark; the path is that from the scenario's folder";
    let folder = Path::new(&at.doc.file).parent().unwrap_or(Path::new(""));
    let path = folder.join(path);
    let fail = |message: String| at.fail(format!("{}: {message}", path.display()), HELP);
    let size = fs::metadata(&path).map_err(|error| fail(error.to_string()))?.len();
    if size > MAX_LIST {
        return Err(fail(format!("{} is more than a list of pages has", Bytes(size))));
    }
    let text = fs::read_to_string(&path).map_err(|error| fail(error.to_string()))?;
    let (mut runs, mut told, mut wrong) = (Vec::new(), Vec::new(), 0);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        if line.is_empty() {
            continue;
        }
        let mut words = line.split_ascii_whitespace();
        match run(&mut words, stored) {
            Ok(run) => runs.push(run),
            Err(what) => {
                wrong += 1;
                if wrong <= MOST_WRONG {
                    told.push(format!("line {}: {what}", number + 1));
                }
            }
        }
    }
    if wrong > MOST_WRONG {
        told.push(format!("{} more lines are wrong", wrong - MOST_WRONG));
    }
    if !told.is_empty() {
        return Err(fail(told.join("; ")));
    }
    match runs.is_empty() {
        true => Err(fail("it lists no page".into())),
        false => Ok(runs),
    }
}

/// A run of pages out of the words of a line.
fn run<'w>(
    words: &mut impl Iterator<Item = &'w str>,
    stored: Stored<'_>,
) -> Result<PrefetchRun, String> {
    let region = words.next().and_then(|name| stored.region(name));
    let region = region.ok_or("no region of this store is named so")?;
    let mut next = || words.next().map(str::parse::<u64>);
    let run = match (next(), next(), next()) {
        (Some(Ok(first)), None, None) => PrefetchRun { first, pages: 1, ..region },
        (Some(Ok(first)), Some(Ok(pages)), None) => PrefetchRun { first, pages, ..region },
        _ => return Err("this is no run of pages".into()),
    };
    match holds(region, run) {
        true => Ok(run),
        false => Err(format!("the region has {} pages", region.pages)),
    }
}
