//! Lines of the canonical form under the names that fields have in a file.

use super::lines::{Unit, device, plain, unit_of, with, written};
use super::row::{Named, Preset, path};
use super::stores::Stores;
use crate::scenario::canonical;
use crate::scenario::resolve::Scenario;
use crate::syntax::tree::{Document, Node, NodeValue};

/// All values, in the order of the canonical form.
pub(super) fn named(scenario: &Scenario, doc: &Document) -> Vec<Named> {
    let mut rows: Vec<Named> = other(scenario);
    let mut namer = Namer::new(scenario, doc);
    for (name, value) in canonical::setup_lines(scenario) {
        for row in namer.line(&name, &value) {
            // Operations of one program are one value, arrays of one TLB another.
            match rows.last_mut().filter(|last| last.field == row.field) {
                Some(last) => last.value.push_str(&format!("; {}", row.value)),
                None => rows.push(row),
            }
        }
    }
    for policy in &scenario.policies {
        let place = place_of(doc, "policies", &policy.name);
        for (name, value) in canonical::policy_lines(policy) {
            rows.push(of_policy(doc, &place, &policy.name, (&name, &value)));
        }
    }
    rows
}

/// What is no part of the hash, and the number of replications.
fn other(scenario: &Scenario) -> Vec<Named> {
    let policies: Vec<&str> = scenario.policies.iter().map(|it| it.name.as_str()).collect();
    vec![
        plain("name", scenario.name.clone()),
        plain("seed", scenario.seed.to_string()),
        plain("replications", scenario.replications.to_string()),
        plain("policies", policies.join(", ")),
        plain("baseline", scenario.baseline.clone()),
        plain("measure", scenario.measure.clone()),
    ]
}

/// Where a list of policies has the one of that name.
fn place_of(doc: &Document, list: &str, name: &str) -> String {
    let items = match doc.root.get(list).map(|node| &node.value) {
        Some(NodeValue::Array(items)) => items.as_slice(),
        _ => &[],
    };
    let is = |node: &Node| match &node.value {
        NodeValue::String(own) => own == name,
        _ => {
            matches!(node.get("name").map(|it| &it.value), Some(NodeValue::String(own)) if own == name)
        }
    };
    let at = items.iter().position(is);
    at.map_or_else(|| format!("{list}[{}]", usize::MAX), |at| format!("{list}[{at}]"))
}

/// A line of a policy that stands at `place`.
fn of_policy(doc: &Document, place: &str, policy: &str, (name, value): (&str, &str)) -> Named {
    let (field, inner) = match (name.strip_prefix("rule."), name.strip_prefix("policy.")) {
        (Some(rule), _) => (format!("{policy}: {rule}"), format!("{place}.set.{rule}")),
        (_, Some("defect")) => (format!("{policy}: defects"), format!("{place}.defects")),
        (_, Some(part)) => (format!("{policy}: {part}"), place.to_owned()),
        _ => (format!("{policy}: policy"), place.to_owned()),
    };
    let base = doc.at(&path(&format!("{place}.base"))).map(|node| &node.value);
    let base = match base {
        Some(NodeValue::String(base)) => base.clone(),
        _ => policy.to_owned(),
    };
    // A policy that stands there by its name says nothing of its rules.
    let whole = inner == place && name != "policy";
    let path = if whole { path(&format!("{place}.nothing")) } else { path(&inner) };
    let (value, preset) = (value.to_owned(), Preset::Policy(base));
    Named { field, value, path, preset, policy: Some(policy.to_owned()) }
}

/// Where the parts of a virtual machine stand.
struct Vm {
    /// Its entry of `vms`; empty where there is only one machine.
    own: String,
    guest: String,
    workload: String,
    regions: usize,
    groups: usize,
}

/// What has come so far of the lines.
struct Namer {
    vms: Vec<Vm>,
    guest: usize,
    vm: usize,
    stores: Stores,
    /// The device of which lines come is a volume.
    volume: bool,
    region: usize,
    group: usize,
    disturbance: usize,
}

/// Lines of the host by their fields below `host`.
const HOST: [(&str, &str, Unit); 12] = [
    ("cpus", "cpus", Unit::Plain),
    ("tick", "tick", Unit::Time),
    ("memory_limit_pages", "memory_limit", Unit::Pages),
    ("other_resident_pages", "other_resident", Unit::Pages),
    ("read_ahead_pages", "swap.read_ahead", Unit::Plain),
    ("reclaim_batch_pages", "reclaim_batch", Unit::Plain),
    ("swap_pages", "swap.size", Unit::Pages),
    ("write_pages", "swap.max_write", Unit::Pages),
    ("allocation_failure_ppm", "allocation_failure_ppm", Unit::Plain),
    ("second_stage_levels", "second_stage_levels", Unit::Plain),
    ("thp", "thp", Unit::Plain),
    ("paging", "paging", Unit::Plain),
];

impl Namer {
    fn new(scenario: &Scenario, doc: &Document) -> Self {
        let machine = &scenario.machine;
        let (all_regions, all_groups) =
            (machine.workload.regions.len(), machine.workload.tasks.len());
        let mut vms: Vec<Vm> = Vec::new();
        let entries = match doc.root.get("vms").map(|node| &node.value) {
            Some(NodeValue::Array(items)) => items.as_slice(),
            _ => &[],
        };
        for (at, entry) in entries.iter().enumerate() {
            let count = match entry.get("count").map(|node| &node.value) {
                Some(NodeValue::Number(text)) => text.parse().unwrap_or(1),
                _ => 1,
            };
            let own = format!("vms[{at}]");
            let part = |name: &str| match entry.get(name) {
                Some(_) => format!("{own}.{name}"),
                None => name.to_owned(),
            };
            for _ in 0..count {
                let (guest, workload) = (part("guest"), part("workload"));
                vms.push(Vm { own: own.clone(), guest, workload, regions: 0, groups: 0 });
            }
        }
        for (vm, of) in vms.iter_mut().zip(&machine.vms) {
            (vm.regions, vm.groups) = (of.regions.into(), of.groups.into());
        }
        if vms.is_empty() {
            let (guest, workload) = ("guest".to_owned(), "workload".to_owned());
            let own = String::new();
            vms.push(Vm { own, guest, workload, regions: all_regions, groups: all_groups });
        }
        let stores = Stores::new(&machine.host.stores);
        let (guest, vm, region, group, disturbance) = (0, 0, 0, 0, 0);
        Self { vms, guest, vm, stores, volume: false, region, group, disturbance }
    }

    /// The values of a line.
    fn line(&mut self, name: &str, value: &str) -> Vec<Named> {
        let (first, rest) = name.split_once('.').unwrap_or((name, ""));
        match first {
            // The version of the form, which is no value.
            "canonical" => Vec::new(),
            "duration" | "warmup" => vec![plain(first, written(value, Unit::Time))],
            "cpu" => vec![processor(rest, value)],
            "cost" => vec![with(format!("host.costs.{rest}"), value, Preset::Processor)],
            "host" => host(rest, value).into_iter().collect(),
            "device" => {
                self.volume = if rest.is_empty() { value == "volume" } else { self.volume };
                vec![device("host.swap.device", rest, value, self.volume)]
            }
            "zswap" => vec![zswap(rest, value)],
            "store" => self.stores.line(rest, value),
            "guest" => self.of_guest(rest, value).into_iter().collect(),
            "vm" | "policy" | "rule" => self.of_vm(name, value),
            "region" => self.of_region(rest, value),
            "tasks" | "arrivals" | "op" => self.of_group(first, value),
            "law" | "walk" | "addresses" | "sync" => {
                let row = plain("workload.tasks", value);
                vec![Named { field: format!("workload.{first}"), ..row }]
            }
            "disturbance" => {
                self.disturbance += 1;
                vec![plain(format!("disturbances[{}]", self.disturbance - 1), value)]
            }
            _ => vec![plain(name, value)],
        }
    }

    fn of_guest(&mut self, field: &str, value: &str) -> Option<Named> {
        if field == "vcpus" {
            self.guest += 1;
        }
        let base = self.vms.get(self.guest.checked_sub(1)?)?.guest.clone();
        let kernel = path(&format!("{base}.kernel"));
        let (field, unit, preset) = match field {
            "memory_pages" => ("memory", Unit::Pages, Preset::None),
            "tick" => ("hz", Unit::Tick, Preset::GuestKernel(kernel)),
            "vcpus" => (field, Unit::Plain, Preset::None),
            "balance_ticks" | "steal_clock" | "send_always" | "preemption" => {
                (field, Unit::Plain, Preset::GuestKernel(kernel))
            }
            // The one of the guest's tick.
            "sched.tick" => return None,
            _ => match field.strip_prefix("sched.") {
                Some(own) => {
                    let sched = path(&format!("{base}.sched.kernel"));
                    (field, unit_of(own), Preset::Scheduler(sched, kernel))
                }
                None => (field, unit_of(field), Preset::None),
            },
        };
        Some(with(format!("{base}.{field}"), &written(value, unit), preset))
    }

    fn of_vm(&mut self, name: &str, value: &str) -> Vec<Named> {
        if name == "vm" {
            self.vm += 1;
        }
        let place = self.vm.checked_sub(1).and_then(|vm| self.vms.get(vm));
        let own = place.map_or_else(|| "vms".to_owned(), |vm| vm.own.clone());
        let preset = Preset::Policy(String::new());
        match name.split_once('.') {
            None if name == "vm" => {
                vec![plain(format!("{own}.name"), value.split(' ').next().unwrap_or(value))]
            }
            Some(("vm", _)) => {
                let (limit, other) = value.split_once(" other=").unwrap_or((value, "0"));
                let row = |field: &str, value| {
                    plain(format!("{own}.{field}"), written(value, Unit::Pages))
                };
                vec![row("memory_limit", limit), row("other_resident", other)]
            }
            Some(("rule", rule)) => {
                let row = with(format!("{own}.policy.set.{rule}"), value, preset);
                vec![Named { field: format!("{own}.policy: {rule}"), ..row }]
            }
            Some((_, part)) => vec![with(format!("{own}.policy: {part}"), value, preset)],
            None => vec![plain(format!("{own}.policy"), value)],
        }
    }

    fn of_region(&mut self, field: &str, value: &str) -> Vec<Named> {
        if field.is_empty() {
            self.region += 1;
        }
        let base = self.place(self.region, |vm| vm.regions, "regions");
        if !field.is_empty() {
            return vec![plain(format!("{base}.{field}"), value)];
        }
        let (name, rest) = value.split_once(' ').unwrap_or((value, ""));
        let mut rows = vec![plain(format!("{base}.name"), name)];
        for (key, value) in rest.split(' ').filter_map(|part| part.split_once('=')) {
            rows.push(match key {
                "pages" => plain(format!("{base}.size"), written(value, Unit::Pages)),
                key => plain(format!("{base}.{key}"), value),
            });
        }
        rows
    }

    fn of_group(&mut self, what: &str, value: &str) -> Vec<Named> {
        if what == "tasks" {
            self.group += 1;
        }
        let base = self.place(self.group, |vm| vm.groups, "tasks");
        match what {
            "tasks" => {
                let (name, rest) = value.split_once(' ').unwrap_or((value, ""));
                let parts = rest.split(' ').filter_map(|part| part.split_once('='));
                let parts = parts.map(|(key, value)| plain(format!("{base}.{key}"), value));
                std::iter::once(plain(format!("{base}.name"), name)).chain(parts).collect()
            }
            "arrivals" => vec![plain(format!("{base}.arrivals"), value)],
            _ => vec![plain(format!("{base}.program"), value)],
        }
    }

    /// Where the `number`-th of all regions or groups stands, counted from 1.
    fn place(&self, number: usize, count: impl Fn(&Vm) -> usize, list: &str) -> String {
        let mut at = number.saturating_sub(1);
        for vm in &self.vms {
            if at < count(vm) {
                return format!("{}.{list}[{at}]", vm.workload);
            }
            at -= count(vm);
        }
        format!("workload.{list}[{}]", number.saturating_sub(1))
    }
}

fn processor(field: &str, value: &str) -> Named {
    let (field, unit) = if field == "hz" { ("frequency", Unit::Hz) } else { (field, Unit::Plain) };
    with(format!("host.cpu.{field}"), &written(value, unit), Preset::Processor)
}

fn host(field: &str, value: &str) -> Option<Named> {
    if let Some((_, own, unit)) = HOST.iter().find(|(name, ..)| *name == field) {
        let preset = if field == "tick" { Preset::HostKernel } else { Preset::None };
        return Some(with(format!("host.{own}"), &written(value, *unit), preset));
    }
    let control = match field {
        "memory_limit_pages.at" => Some(("host.memory_limits", limit_change(value))),
        "memory_high_pages" => Some(("host.memory_high", high(value))),
        "proactive_reclaim" => Some(("host.proactive_reclaim", agent(value))),
        "kswapd" => Some(("host.kswapd", watermarks(value))),
        "write_protect" => Some(("host.write_protect", protection(value))),
        "balloon" => Some(("guest.balloon", reporting(value))),
        "balloon.at" => Some(("guest.balloon.targets", balloon_target(value))),
        _ => None,
    };
    if let Some(own) = field.strip_prefix("write_protect.sink") {
        // A list has no fields of its own.
        let what = own.trim_start_matches('.');
        return Some(plain(
            "host.write_protect",
            format!("sink {what} {value}").replace("  ", " "),
        ));
    }
    if let Some((field, value)) = control {
        return Some(plain(field, value));
    }
    match field.strip_prefix("sched.") {
        // The one of the host's tick.
        Some("tick") => None,
        Some(own) => {
            let (sched, kernel) = (path("host.sched.kernel"), path("host.kernel"));
            let value = written(value, unit_of(own));
            Some(with(format!("host.{field}"), &value, Preset::Scheduler(sched, kernel)))
        }
        None => {
            let value = written(value, unit_of(field));
            Some(with(format!("host.kernel.{field}"), &value, Preset::HostKernel))
        }
    }
}

/// The words of a line, each in a unit.
fn words(line: &str) -> impl FnMut(Unit) -> String {
    let mut parts = line.split(' ');
    move |unit| written(parts.next().unwrap_or(""), unit)
}

/// When which virtual machine gets which limit.
fn limit_change(line: &str) -> String {
    let mut next = words(line);
    let (at, vm) = (next(Unit::Time), next(Unit::Plain));
    let (file, limit) = (next(Unit::Plain), next(Unit::Pages));
    format!("{file} {limit} at {at} for vm {vm}")
}

/// Which virtual machine's container has which `memory.high`.
fn high(line: &str) -> String {
    let mut next = words(line);
    let (vm, high) = (next(Unit::Plain), next(Unit::Pages));
    format!("{high} for vm {vm}")
}

/// What an agent asks for, and when.
fn agent(line: &str) -> String {
    let mut next = words(line);
    let (vm, at, every) = (next(Unit::Plain), next(Unit::Time), next(Unit::Time));
    let ask = next(Unit::Plain);
    let ask = match ask.split_once('=') {
        Some(("pages", pages)) => written(pages, Unit::Pages),
        Some((_, ppm)) => format!("{ppm} ppm"),
        None => ask,
    };
    format!("{ask} every {every} from {at} on, of vm {vm}")
}

/// Which virtual machine's guest reports which free blocks, and how late.
fn reporting(line: &str) -> String {
    let mut next = words(line);
    let (vm, order, delay) = (next(Unit::Plain), next(Unit::Plain), next(Unit::Time));
    match order.as_str() {
        "off" => format!("of vm {vm}, without free page reporting"),
        _ => format!("of vm {vm}, blocks of order {order} reported after {delay}"),
    }
}

/// When which virtual machine's balloon is to have which size.
fn balloon_target(line: &str) -> String {
    let mut next = words(line);
    let (at, vm, size) = (next(Unit::Time), next(Unit::Plain), next(Unit::Pages));
    format!("{size} at {at} for vm {vm}")
}

/// When which virtual machine's memory is protected, and how it is saved.
fn protection(line: &str) -> String {
    let mut next = words(line);
    let (vm, at, threads) = (next(Unit::Plain), next(Unit::Time), next(Unit::Plain));
    let (depth, rate, lift) = (next(Unit::Plain), next(Unit::Plain), next(Unit::Plain));
    format!(
        "of vm {vm} at {at}, {threads} threads, depth {depth}, pages a second {rate}, lifted when {lift}"
    )
}

/// Below which the thread that keeps memory free begins, and at which it ends; where it runs.
fn watermarks(line: &str) -> String {
    let mut next = words(line);
    let (min, low, high) = (next(Unit::Pages), next(Unit::Pages), next(Unit::Pages));
    let cpu = next(Unit::Plain).replace("cpu=", "on processor ");
    format!("min {min}, low {low}, high {high}, {cpu}")
}

fn zswap(field: &str, value: &str) -> Named {
    let base = "host.swap.zswap";
    match field {
        "max_pool_pages" => plain(format!("{base}.max_pool"), written(value, Unit::Pages)),
        "accept_percent" => plain(format!("{base}.{field}"), value),
        _ => with(format!("{base}.{field}"), value, Preset::Compressor),
    }
}
