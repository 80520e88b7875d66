//! Regions and tasks, and the sizes that depend on each other.

use models::config::{BALLOON_BATCH, GATHERED_PAGES, RegionBacking, RegionContent};
use models::machine::KERNEL_FRAMES;
use models::presets;
use serde_json::{Value, json};

use super::device;
use super::object::{Object, give};
use super::program::{self, RegionShape};
use crate::experiments::fuzz::draw::{Draw, MS, US, pages};

/// Read-ahead and reclaim batch of a scenario that does not say them.
const READ_AHEAD: u64 = 8;
const RECLAIM_BATCH: u64 = 32;
/// What a limit leaves beyond twice what is under way.
const RECLAIMABLE: u64 = 256;

/// What fields in different objects have to agree on.
pub(super) struct Shape {
    pub(super) kernel: String,
    pub(super) vcpus: u64,
    /// Whether the guest has transparent huge pages, for which it needs memory of its own.
    pub(super) thp: bool,
    /// Whether the host has huge pages.
    pub(super) host_thp: bool,
    /// Whether the host mirrors the guest's tables.
    pub(super) shadow: bool,
    /// Whether the guest has paging off.
    pub(super) unpaged: bool,
    pub(super) memory_pages: u64,
    pub(super) limit_pages: u64,
    pub(super) other_pages: u64,
    pub(super) read_ahead: Option<u64>,
    pub(super) reclaim_batch: Option<u64>,
    /// Size of the swap area, where it is given.
    pub(super) swap_pages: Option<u64>,
    pub(super) regions: Vec<RegionShape>,
    /// Pages that a pool of zswap may take, where there is one.
    pub(super) zswap: Option<u64>,
    /// Which stores there are, and whether each has a device of its own.
    pub(super) stores: Vec<bool>,
    /// Whether programs give pages back, for all else.
    discards: bool,
    /// Whether the guest has a balloon.
    pub(super) balloon: bool,
    /// When the run is over, in picoseconds.
    pub(super) end: u64,
    /// Number of tasks of each group.
    pub(super) groups: Vec<u64>,
    /// Whether the host has other virtual machines too.
    pub(super) several: bool,
    /// Whether containers may have a `memory.high`, for all else.
    high: bool,
    agents: bool,
    /// Pages that stay free and a factor, where the host's container is its memory as a whole.
    kswapd: Option<(u64, u64)>,
}

impl Shape {
    pub(super) fn draw(draw: &Draw) -> Self {
        let swap = device::device(&draw.at("host").at("swap").at("device"));
        let draw = draw.at("shape");
        let kernel = draw.at("kernel").pick(&presets::guest_kernel_names()).clone();
        let mut vcpus = draw.at("vcpus");
        let vcpus = match vcpus.below(20) {
            0 if vcpus.percent(10) => vcpus.magnitude(64, 1024),
            0 => vcpus.magnitude(1, 64),
            1..=7 => 1,
            8..=13 => 2,
            _ => vcpus.between(1, 6),
        };
        let groups = groups(&draw.at("groups"));
        let optional = |name: &str, value: fn(&mut Draw) -> u64| {
            let mut field = draw.at(name);
            field.given().then(|| value(&mut field))
        };
        let read_ahead = optional("read_ahead", |draw| match draw.percent(10) {
            true => 1 << draw.below(9),
            false => 1 << draw.below(5),
        });
        let reclaim_batch = optional("reclaim_batch", |draw| match draw.percent(10) {
            true => draw.magnitude(1, 1024),
            false => draw.between(1, 64),
        });
        let other_pages = optional("other_resident", |draw| draw.magnitude(1, 512)).unwrap_or(0);
        let unpaged = draw.at("unpaged").percent(8);
        let mut shape = Self {
            kernel,
            vcpus,
            thp: !unpaged && draw.at("thp").percent(25),
            host_thp: draw.at("host_thp").percent(25),
            shadow: draw.at("shadow").percent(25),
            unpaged,
            memory_pages: 0,
            limit_pages: 0,
            other_pages,
            read_ahead,
            reclaim_batch,
            swap_pages: None,
            zswap: None,
            regions: Vec::new(),
            stores: stores(&draw.at("stores"), device::is_compressed(&swap)),
            discards: draw.at("discards").percent(30),
            balloon: draw.at("balloon").percent(30),
            end: 0,
            groups,
            several: false,
            high: draw.at("high").percent(15),
            agents: draw.at("agents").percent(15),
            kswapd: None,
        };
        let mut kswapd = draw.at("kswapd");
        if kswapd.percent(15) {
            shape.kswapd = Some((kswapd.between(32, 256), kswapd.between(1, 200)));
        }
        let mut zswap = draw.at("zswap");
        if !device::is_memory(&swap) && zswap.percent(25) {
            shape.zswap = Some(zswap.magnitude(1, 512));
        }
        let unnamed = !device::is_compressed(&swap);
        shape.sizes(&draw.at("sizes"), unnamed);
        shape
    }

    /// Whether programs may give pages of a region back.
    pub(super) fn gives_back(&self) -> bool {
        self.regions.iter().any(|region| region.may_go)
    }

    /// That of another virtual machine of the same host.
    pub(super) fn another(&self, draw: &Draw) -> Self {
        let mut other = Self::draw(draw);
        other.is_beside_others();
        (other.read_ahead, other.reclaim_batch) = (self.read_ahead, self.reclaim_batch);
        // What is under way depends on these.
        (other.regions, other.swap_pages) = (Vec::new(), None);
        // The host's.
        (other.stores, other.end) = (self.stores.clone(), self.end);
        other.sizes(&draw.at("sizes"), false);
        if other.named_stores() > 1 {
            // The policies were chosen without.
            for region in &mut other.regions {
                region.stored = region.stored.map(|_| Some(0));
            }
        }
        for region in &mut other.regions {
            // The policies were chosen without.
            region.in_memfd &= self.has_memfd();
        }
        other
    }

    /// Without what only a virtual machine has that is alone on its host.
    pub(super) fn is_beside_others(&mut self) {
        (self.shadow, self.unpaged, self.host_thp, self.several) = (false, false, false, true);
    }

    /// Makes the host large enough for several virtual machines.
    /// So many share the container, and all need so much swap.
    pub(super) fn holds(&mut self, shared: u64, swap_pages: u64) {
        self.limit_pages *= shared.max(1);
        self.swap_pages = Some(swap_pages);
    }

    /// How many of the stores with names regions are in.
    pub(super) fn named_stores(&self) -> usize {
        let named = self.regions.iter().filter_map(|region| region.stored.flatten());
        named.collect::<std::collections::BTreeSet<u64>>().len()
    }

    /// Whether containers may have a `memory.high`: not beside huge pages of the host and stores.
    pub(super) fn has_high(&self) -> bool {
        self.high && !self.host_thp && self.stores.is_empty() && self.kswapd().is_none()
    }

    /// Whether an agent may have memory reclaimed.
    pub(super) fn has_agents(&self) -> bool {
        self.agents && self.kswapd().is_none()
    }

    /// What keeps memory of the host free, where nothing else controls it.
    pub(super) fn kswapd(&self) -> Option<(u64, u64)> {
        self.kswapd.filter(|_| !self.several)
    }

    /// Whether the host's kernel has to know guest_memfd.
    pub(super) fn has_memfd(&self) -> bool {
        self.regions.iter().any(|region| region.in_memfd)
    }

    /// Pages that may be under way at once.
    fn in_flight(&self) -> u64 {
        let tasks: u64 = self.groups.iter().sum();
        let ahead = self.read_ahead.unwrap_or(READ_AHEAD);
        tasks * ahead + self.reclaim_batch.unwrap_or(RECLAIM_BATCH)
    }

    /// Limit, regions, memory and swap, in this order.
    /// `unnamed` says whether a region may be stored beside the swap area.
    fn sizes(&mut self, draw: &Draw, unnamed: bool) {
        self.balloon &= !self.shadow && !self.host_thp;
        let mut slack = draw.at("slack");
        let least = self.other_pages + RECLAIMABLE + 2 * self.in_flight();
        self.limit_pages = least + if slack.percent(50) { 0 } else { slack.magnitude(0, 512) };
        let room = self.limit_pages - self.other_pages;
        if let Some((min, _)) = self.kswapd {
            // More than the higher mark.
            self.limit_pages += min + min / 2 + self.limit_pages / 16 + 64;
        }
        // Mostly somewhat more than there is room for, so that pages are swapped.
        let mut main = draw.at("main");
        let large = match main.below(10) {
            0 => main.magnitude(1, room),
            1 => room,
            _ => room + main.magnitude(1, room),
        };
        let mut memfd = draw.at("memfd");
        // Private memory is for guests whose tables the processor walks.
        let has_memfd = memfd.percent(15) && !self.shadow && !self.unpaged && !self.host_thp;
        let number = draw.at("regions").below(3) as usize;
        let discards = self.discards && !self.thp && !self.unpaged && !self.shadow;
        for index in 0..=number {
            let mut region = draw.at("region").index(index);
            let size = if index == 0 { large } else { region.magnitude(1, 128) };
            let prefill = region.percent(if index == 0 { 75 } else { 50 });
            let in_memfd = has_memfd && index > 0;
            let name = format!("r{index}");
            let mut content = draw.at("content").index(index);
            let stores = self.stores.len() as u64;
            let may = !in_memfd && (unnamed || stores > 0);
            let stored = (may && content.percent(20)).then(|| {
                let named = stores > 0 && (!unnamed || content.percent(75));
                named.then(|| content.below(stores))
            });
            let prefill = prefill && stored.is_none();
            let mut goes = draw.at("goes").index(index);
            let may_go = discards && !in_memfd && goes.percent(60);
            self.regions.push(RegionShape { name, pages: size, prefill, stored, in_memfd, may_go });
        }
        let mut none = draw.at("no_regions");
        if none.percent(2) {
            self.regions.clear();
        }
        let gone = self.regions.iter().filter(|region| region.may_go);
        let gone = gone.map(|region| region.pages.min(GATHERED_PAGES)).max().unwrap_or(0);
        let touched: u64 = self.regions.iter().map(|region| region.pages).sum::<u64>()
            + gone * self.groups.iter().sum::<u64>();
        // What is never swapped, and what is compressed, comes on top of what the rest has. A pool was not
        // full when its last page came.
        self.limit_pages += self.zswap.map_or(0, |most| most + 1);
        let in_memfd = self.regions.iter().filter(|region| region.in_memfd);
        self.limit_pages += in_memfd.map(|region| region.pages).sum::<u64>();
        let tables = most_tables(touched);
        let large = if self.thp { 512 } else { 0 };
        let balloon = if self.balloon { BALLOON_BATCH } else { 0 };
        let kept = KERNEL_FRAMES + tables + (3 + large) * self.vcpus + balloon;
        let mut memory = draw.at("memory");
        let more = if memory.percent(40) { 0 } else { memory.magnitude(0, 1 << 14) };
        self.memory_pages = self.limit_pages.max(touched + kept) + more;
        let mut swap = draw.at("swap");
        let room = if self.agents { 0 } else { room };
        let touched = if self.balloon { self.memory_pages } else { touched + tables };
        let swapped = touched.saturating_sub(room);
        let least = if swapped == 0 { 0 } else { swapped + self.in_flight() };
        // Left out it is the guest's memory, which may be too little.
        if swap.given() || least > self.memory_pages {
            let more = if swap.percent(40) { 0 } else { swap.magnitude(0, 4096) };
            self.swap_pages = Some(least + more);
        }
    }
}

/// Page tables for so many pages, of five levels.
fn most_tables(pages: u64) -> u64 {
    (1..=5).map(|level| (pages >> (9 * level)) + 1).sum()
}

/// The stores, of which those have no device of their own that may be on the swap device.
fn stores(draw: &Draw, compressed: bool) -> Vec<bool> {
    let number = draw.at("number").below(3) as usize;
    (0..number).map(|index| compressed || draw.at("device").index(index).percent(70)).collect()
}

/// How many tasks each group has.
fn groups(draw: &Draw) -> Vec<u64> {
    let groups = draw.at("number").between(1, 4) as usize;
    let count = |index: usize| {
        let mut count = draw.index(index);
        match count.below(40) {
            0 => count.magnitude(1, 256),
            1..=24 => 1,
            _ => count.between(1, 5),
        }
    };
    (0..groups).map(count).collect()
}

/// The name of a store.
pub(super) fn store_name(store: u64) -> String {
    format!("s{store}")
}

pub(super) fn workload(draw: &Draw, shape: &Shape) -> Value {
    let mut object = Object::new();
    if !shape.regions.is_empty() {
        let named = shape.has_memfd();
        let regions: Vec<Value> = shape.regions.iter().map(|one| region(one, named)).collect();
        object.insert("regions".into(), Value::Array(regions));
    }
    let tasks = shape.groups.iter().enumerate();
    let tasks =
        tasks.map(|(index, &count)| task(&draw.at("tasks").index(index), index, count, shape));
    object.insert("tasks".into(), tasks.collect());
    Value::Object(object)
}

/// `named` says that the backing is written down, whatever it is.
fn region(shape: &RegionShape, named: bool) -> Value {
    let mut region = json!({ "name": shape.name, "size": pages(shape.pages) });
    let content = match shape {
        RegionShape { stored: Some(_), .. } => Some(RegionContent::Stored),
        // Some are said in the other way, or although they are the default.
        _ if !shape.pages.is_multiple_of(3) => None,
        RegionShape { prefill: true, .. } => Some(RegionContent::Written),
        _ => Some(RegionContent::Empty),
    };
    if let Some(content) = content {
        region["content"] = json!(content.name());
    }
    if let Some(Some(store)) = shape.stored {
        region["store"] = json!(store_name(store));
    }
    if shape.prefill && (content.is_none() || !shape.pages.is_multiple_of(2)) {
        region["prefill"] = json!(true);
    }
    let backing = if shape.in_memfd { RegionBacking::GuestMemfd } else { RegionBacking::Vmm };
    if named {
        region["backing"] = json!(backing.name());
    }
    region
}

fn task(draw: &Draw, index: usize, count: u64, shape: &Shape) -> Value {
    let mut object = Object::new();
    object.insert("name".into(), json!(format!("t{index}")));
    let role = *draw.at("role").pick(&["faulter", "worker"]);
    object.insert("role".into(), json!(role));
    if count > 1 {
        object.insert("count".into(), json!(count));
    }
    give(&mut object, draw, "start_on", |draw| {
        let places = draw.between(1, 3);
        (0..places).map(|_| json!(draw.below(shape.vcpus))).collect()
    });
    give(&mut object, draw, "start", |draw| draw.written_span(US, 10 * MS));
    let mut arrivals = draw.at("arrivals");
    let are_served = arrivals.percent(12);
    if are_served {
        object.insert("arrivals".into(), arrivals_of(&mut arrivals));
    }
    let mut requests = draw.at("requests");
    let are_requests = requests.percent(15) && !are_served;
    if are_requests || requests.percent(5) {
        let word = if are_requests { "passes" } else { "marked" };
        object.insert("requests".into(), json!(word));
    }
    let mut passes = draw.at("passes");
    let have_an_end = passes.percent(15);
    if have_an_end {
        object.insert("passes".into(), json!(passes.magnitude(1, 10_000)));
    }
    let passes = program::Passes { are_requests, have_an_end, are_served };
    let program = program::program(&draw.at("program"), &shape.regions, passes);
    object.insert("program".into(), program);
    Value::Object(object)
}

/// When requests arrive from outside.
fn arrivals_of(draw: &mut Draw) -> Value {
    let gap = |draw: &mut Draw| draw.written_span(US, 5 * MS);
    match draw.below(4) {
        0 => json!({ "kind": "poisson", "mean": gap(draw) }),
        1 => json!({ "kind": "law", "gap": device::law(&draw.at("gap"), draw.below(7), 0) }),
        2 => json!({ "kind": "on_off", "gap": gap(draw), "on": gap(draw), "off": gap(draw) }),
        _ => {
            let number = draw.between(1, 20) as usize;
            let mut times: Vec<_> = (0..number).map(|_| draw.span(US, 20 * MS)).collect();
            times.sort_unstable();
            let times: Vec<String> = times.iter().map(ToString::to_string).collect();
            json!({ "kind": "times", "at": times })
        }
    }
}
