//! The canonical form of a scenario: what is simulated, as text that depends on nothing else. Its
//! hash names a scenario in results.
//!
//! Every struct is taken apart field by field, so that a new field is a compile error here rather
//! than two different machines with one hash.

use std::fmt::{Display, Write as _};

use models::apf::rules::Mechanism;
use models::config::{
    ApicConfig, Arrivals, Balloon, BalloonTarget, Container, CpuConfig, Disturbance,
    DisturbanceKind, EevdfParams, FairParams, GuestConfig, HandlerConfig, HostConfig, Install,
    Kswapd, Law, LimitChange, MachineConfig, MemoryControl, PageLaw, PageWalk, PagingCaches,
    PlainExits, Policy, Prefetch, PrefetchRun, ProactiveReclaim, Process, ReclaimAsk, Region,
    Reporting, SchedParams, StoreConfig, SyncKind, SyncObject, TaskGroup, TlbArray,
    TranslationConfig, VmConfig, Workload, WriteProtection, ZswapConfig,
};
use sim_core::SimDuration;
use xxhash_rust::xxh3::xxh3_128;

use crate::scenario::resolve::{Scenario, device_lines, law_line};

/// Version of the canonical form itself: to be raised when the same scenario gets another text.
const VERSION: u32 = 4;

impl Scenario {
    /// Names what is simulated: XXH3 (128 bits, hexadecimal) over the canonical form of machine,
    /// workload, policies, times and number of replications. Comments, the order of fields, the
    /// title and defaults written out make no difference; neither does the seed, which is named
    /// beside the hash wherever results are.
    pub fn hash(&self) -> String {
        let mut form = setup(self);
        form.line("replications", self.replications);
        for entry in &self.policies {
            policy(&mut form, entry);
        }
        form.hash()
    }

    /// Whether runs of another scenario are runs of this one: machine, workload, times and seed are the same,
    /// whatever the policies and the number of replications.
    pub fn has_runs_of(&self, other: &Self) -> bool {
        self.seed == other.seed && setup_hash(self) == setup_hash(other)
    }
}

/// The hash of what all runs of a scenario share: machine, workload and times.
pub(crate) fn setup_hash(scenario: &Scenario) -> String {
    setup(scenario).hash()
}

/// What all runs of a scenario share, as names and values.
pub(in crate::scenario) fn setup_lines(scenario: &Scenario) -> Vec<(String, String)> {
    setup(scenario).lines()
}

/// What makes a policy, as names and values.
pub(in crate::scenario) fn policy_lines(entry: &Policy) -> Vec<(String, String)> {
    let mut form = Form(String::new());
    policy(&mut form, entry);
    form.lines()
}

/// The hash of a policy.
pub(crate) fn policy_hash(entry: &Policy) -> String {
    let mut form = Form(String::new());
    policy(&mut form, entry);
    form.hash()
}

fn setup(scenario: &Scenario) -> Form {
    let mut form = Form(String::new());
    form.line("canonical", VERSION);
    form.line("duration", scenario.duration.as_ps());
    form.line("warmup", scenario.warmup.as_ps());
    let MachineConfig { cpu: c, host: h, guest: g, other_guests, vms, workload: w, disturbances } =
        &scenario.machine;
    let handler = h.stores.iter().any(|store| store.handler.is_some());
    let policies = scenario.policies.iter().chain(vms.iter().filter_map(|vm| vm.policy.as_ref()));
    let by_vmm = handler && policies.into_iter().any(|policy| policy.rules.vmm_answers());
    let balloons = !h.memory_control.balloons.is_empty();
    let otherwise = |handler: &HandlerConfig| {
        handler.install != Install::default() || !handler.poison.is_empty() || balloons
    };
    let otherwise = h.stores.iter().filter_map(|store| store.handler.as_ref()).any(otherwise);
    let protects = !h.memory_control.protections.is_empty();
    cpu(&mut form, c, (handler || protects, by_vmm, otherwise), protects);
    host(&mut form, h);
    guest(&mut form, g);
    for other in other_guests {
        guest(&mut form, other);
    }
    for one in vms {
        vm(&mut form, one);
    }
    workload(&mut form, w);
    for Disturbance { at, every, vcpu, kind } in disturbances {
        let every = every.map_or(0, SimDuration::as_ps);
        let span = match kind {
            DisturbanceKind::Smi { span } | DisturbanceKind::MapWrite { span } => span.as_ps(),
            _ => 0,
        };
        let (at, vcpu, kind) = (at.as_ps(), vcpu.0, kind.name_of().name());
        let line = format!("at={at} every={every} vcpu={vcpu} {kind} span={span}");
        form.line("disturbance", line);
    }
    form
}

/// Lines of `name=value`. Times are in picoseconds.
struct Form(String);

impl Form {
    fn line(&mut self, name: &str, value: impl Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{name}={value}");
    }

    fn time(&mut self, name: &str, span: SimDuration) {
        self.line(name, span.as_ps());
    }

    fn lines(&self) -> Vec<(String, String)> {
        let pair =
            |line: &str| line.split_once('=').map(|(name, value)| (name.into(), value.into()));
        self.0.lines().filter_map(pair).collect()
    }

    fn hash(&self) -> String {
        format!("{:032x}", xxh3_128(self.0.as_bytes()))
    }
}

/// Costs of pages that the VMM brings or protects make no difference where it does neither, those of faults that it
/// answers none where no policy has such, and those of other ways than copying none where all pages are copied.
fn cpu(
    form: &mut Form,
    cpu: &CpuConfig,
    (brings, answers, otherwise): (bool, bool, bool),
    protects: bool,
) {
    let CpuConfig { frequency, translation: hardware, ept_accessed_dirty, costs } = cpu;
    form.line("cpu.hz", frequency.hz());
    translation(form, hardware);
    form.line("cpu.ept_accessed_dirty", ept_accessed_dirty);
    const OTHERWISE: [&str; 4] = ["uffd_continue", "uffd_continue_next", "vmm_store", "vmm_bit"];
    let counts = |name: &str| {
        (brings || !name.starts_with("uffd_"))
            && (answers
                || !name.starts_with("vmm_")
                || (otherwise && name == "vmm_store")
                || (protects && ["vmm_exit", "vmm_run"].contains(&name)))
            && (otherwise || !OTHERWISE.contains(&name))
            && (protects || !["uffd_protect_page", "uffd_lift"].contains(&name))
    };
    for (name, cost, _) in costs.describe().into_iter().filter(|(name, ..)| counts(name)) {
        form.line(&format!("cost.{name}"), cost);
    }
}

fn translation(form: &mut Form, hardware: &TranslationConfig) {
    let TranslationConfig { l1_dtlb, stlb, paging_caches, nested_tlb, table_lines, vpid } =
        hardware;
    for (name, arrays) in [("l1_dtlb", l1_dtlb), ("stlb", stlb)] {
        for TlbArray { entries, ways, sizes, sets, replacement } in arrays {
            let (sizes, sets, replacement) = (sizes.words(), sets.name(), replacement.name());
            let line = format_args!("{entries}/{ways} {sizes} {sets} {replacement}");
            form.line(&format!("cpu.{name}"), line);
        }
    }
    let PagingCaches { pml4e, pdpte, pde } = paging_caches;
    form.line("cpu.paging_caches", format_args!("{pml4e} {pdpte} {pde}"));
    form.line("cpu.nested_tlb", nested_tlb);
    let [l1, l2, l3] = table_lines;
    form.line("cpu.table_lines", format_args!("{l1} {l2} {l3}"));
    form.line("cpu.vpid", vpid);
}

fn host(form: &mut Form, host: &HostConfig) {
    let HostConfig {
        cpus,
        sched: scheduler,
        tick,
        memory_limit_pages,
        other_resident_pages,
        memory_control,
        read_ahead_pages,
        reclaim_batch_pages,
        write_pages,
        swap_pages,
        device: swap_device,
        zswap: compressed,
        stores,
        kernel: host_kernel,
        allocation_failure_ppm,
        second_stage_levels,
        thp,
        paging,
    } = host;
    form.line("host.cpus", cpus);
    sched(form, "host", scheduler);
    form.time("host.tick", *tick);
    form.line("host.memory_limit_pages", memory_limit_pages);
    form.line("host.other_resident_pages", other_resident_pages);
    let MemoryControl { limits, highs, proactive, kswapd, balloons, protections } = memory_control;
    for LimitChange { at, vm, file, limit_pages } in limits {
        let line = format_args!("{} {} {} {limit_pages}", at.as_ps(), vm.0, file.name());
        form.line("host.memory_limit_pages.at", line);
    }
    for (vm, pages) in highs {
        form.line("host.memory_high_pages", format_args!("{} {pages}", vm.0));
    }
    for ProactiveReclaim { vm, at, every, ask } in proactive {
        let ask = match ask {
            ReclaimAsk::Pages(pages) => format!("pages={pages}"),
            ReclaimAsk::Share { ppm } => format!("ppm={ppm}"),
        };
        let line = format_args!("{} {} {} {ask}", vm.0, at.as_ps(), every.as_ps());
        form.line("host.proactive_reclaim", line);
    }
    if let Some(Kswapd { min, low, high, cpu }) = kswapd {
        let cpu = cpu.map_or_else(|| "any".to_owned(), |cpu| cpu.0.to_string());
        form.line("host.kswapd", format_args!("{min} {low} {high} cpu={cpu}"));
    }
    for Balloon { vm, targets, reporting } in balloons {
        let reporting = reporting.map_or_else(
            || "off".to_owned(),
            |Reporting { order, delay }| format!("{order} {}", delay.as_ps()),
        );
        form.line("host.balloon", format_args!("{} {reporting}", vm.0));
        for BalloonTarget { at, pages } in targets {
            form.line("host.balloon.at", format_args!("{} {} {pages}", at.as_ps(), vm.0));
        }
    }
    for WriteProtection { vm, at, sink, threads, depth, rate, lift } in protections {
        let rate = rate.map_or_else(|| "any".to_owned(), |rate| rate.to_string());
        let line = format_args!("{} {} {threads} {depth} {rate} {}", vm.0, at.as_ps(), lift.name());
        form.line("host.write_protect", line);
        if let Some(device) = sink {
            let (kind, lines) = device_lines(device);
            form.line("host.write_protect.sink", kind);
            for (name, value) in lines {
                form.line(&format!("host.write_protect.sink.{name}"), value);
            }
        }
    }
    form.line("host.read_ahead_pages", read_ahead_pages);
    form.line("host.reclaim_batch_pages", reclaim_batch_pages);
    form.line("host.swap_pages", swap_pages);
    form.line("host.write_pages", write_pages);
    for (name, value) in host_kernel.fields() {
        form.line(&format!("host.{name}"), value);
    }
    let (kind, lines) = device_lines(swap_device);
    form.line("device", kind);
    for (name, value) in lines {
        form.line(&format!("device.{name}"), value);
    }
    if let Some(pool) = compressed {
        zswap(form, pool);
    }
    for StoreConfig { name, vm, device, shares, handler } in stores {
        form.line("store", name);
        // Said of several virtual machines only.
        if vm.0 > 0 {
            form.line("store.vm", vm.0);
        }
        if let Some(first) = shares {
            form.line("store.shares", first.0);
        }
        if let Some(device) = device {
            let (kind, lines) = device_lines(device);
            form.line("store.device", kind);
            for (name, value) in lines {
                form.line(&format!("store.device.{name}"), value);
            }
        }
        if let Some(HandlerConfig {
            readers,
            installers,
            batch,
            waking,
            descriptors,
            cpus,
            latency,
            around,
            prefetch,
            process,
            install,
            plain_exits,
            remove_events,
            poison,
        }) = handler
        {
            form.line("store.handler", format_args!("{readers} {installers} {batch}"));
            form.line("store.waking", waking.name());
            form.line("store.descriptors", descriptors);
            let cpus: Vec<String> = cpus.iter().map(|cpu| cpu.0.to_string()).collect();
            form.line("store.cpus", cpus.join(","));
            form.time("store.latency", *latency);
            form.line("store.around", around);
            if *process != Process::default() {
                form.line("store.process", process.name());
            }
            if *install != Install::default() {
                form.line("store.install", install.name());
            }
            if *plain_exits != PlainExits::default() {
                form.line("store.plain_exits", plain_exits.name());
            }
            if !remove_events {
                form.line("store.remove_events", remove_events);
            }
            for PrefetchRun { region, first, pages } in poison {
                form.line("store.poison", format_args!("{} {first} {pages}", region.0));
            }
            if let Some(Prefetch { threads, runs, batch, pace, before_start }) = prefetch {
                form.line("store.prefetch", format_args!("{threads} {batch} {before_start}"));
                form.time("store.prefetch.pace", *pace);
                for PrefetchRun { region, first, pages } in runs {
                    form.line("store.prefetch.run", format_args!("{} {first} {pages}", region.0));
                }
            }
        }
    }
    form.line("host.allocation_failure_ppm", allocation_failure_ppm);
    form.line("host.second_stage_levels", second_stage_levels);
    form.line("host.thp", thp);
    form.line("host.paging", paging.name());
}

fn zswap(form: &mut Form, pool: &ZswapConfig) {
    let ZswapConfig { load, store, ratio_milli, max_pool_pages, accept_percent } = pool;
    form.line("zswap.load", law_line(load));
    form.line("zswap.store", law_line(store));
    form.line("zswap.ratio_milli", ratio_milli);
    let most = max_pool_pages.map_or_else(|| "none".to_owned(), |pages| pages.to_string());
    form.line("zswap.max_pool_pages", most);
    form.line("zswap.accept_percent", accept_percent);
}

fn sched(form: &mut Form, whose: &str, params: &SchedParams) {
    match params {
        SchedParams::Cfs(params) => fair(form, whose, params),
        SchedParams::Eevdf(params) => eevdf(form, whose, params),
    }
}

fn eevdf(form: &mut Form, whose: &str, params: &EevdfParams) {
    let EevdfParams {
        base_slice,
        run_to_parity,
        place_lag,
        delay_dequeue,
        wakeup_preemption,
        tick,
    } = params;
    form.time(&format!("{whose}.sched.base_slice"), *base_slice);
    form.line(&format!("{whose}.sched.run_to_parity"), run_to_parity);
    form.line(&format!("{whose}.sched.place_lag"), place_lag);
    form.line(&format!("{whose}.sched.delay_dequeue"), delay_dequeue);
    form.line(&format!("{whose}.sched.wakeup_preemption"), wakeup_preemption);
    form.time(&format!("{whose}.sched.tick"), *tick);
}

fn fair(form: &mut Form, whose: &str, params: &FairParams) {
    let FairParams {
        latency,
        min_granularity,
        wakeup_granularity,
        sleeper_credit,
        wakeup_preemption,
    } = params;
    form.time(&format!("{whose}.sched.latency"), *latency);
    form.time(&format!("{whose}.sched.min_granularity"), *min_granularity);
    form.time(&format!("{whose}.sched.wakeup_granularity"), *wakeup_granularity);
    form.time(&format!("{whose}.sched.sleeper_credit"), *sleeper_credit);
    form.line(&format!("{whose}.sched.wakeup_preemption"), wakeup_preemption);
}

fn guest(form: &mut Form, guest: &GuestConfig) {
    let GuestConfig {
        vcpus,
        memory_pages,
        tick,
        sched: scheduler,
        balance_ticks,
        steal_clock,
        wake,
        wake_delay,
        timers,
        send_always,
        preemption,
        apic,
        event_pages,
        table_levels,
        table_pages,
        thp,
        paging,
        processes,
        pcid,
    } = guest;
    form.line("guest.vcpus", vcpus);
    form.line("guest.memory_pages", memory_pages);
    form.time("guest.tick", *tick);
    sched(form, "guest", scheduler);
    form.line("guest.balance_ticks", balance_ticks);
    form.line("guest.steal_clock", steal_clock.name());
    form.line("guest.wake", wake.name());
    form.time("guest.wake_delay", *wake_delay);
    form.line("guest.timers", timers.name());
    form.line("guest.send_always", send_always);
    form.line("guest.preemption", preemption.name());
    form.line("guest.event_pages", event_pages.name());
    form.line("guest.table_levels", table_levels);
    form.line("guest.table_pages", table_pages.name());
    form.line("guest.thp", thp);
    form.line("guest.paging", paging.name());
    form.line("guest.processes", processes.name());
    form.line("guest.pcid", pcid);
    let ApicConfig { timer_exits, eoi_exits, ipi_exits } = apic;
    form.line("guest.apic.timer_exits", timer_exits);
    form.line("guest.apic.eoi_exits", eoi_exits);
    form.line("guest.apic.ipi_exits", ipi_exits);
}

fn vm(form: &mut Form, vm: &VmConfig) {
    let VmConfig { name, regions, groups, container, policy: own } = vm;
    form.line("vm", format_args!("{name} regions={regions} groups={groups}"));
    if let Some(Container { limit_pages, other_resident_pages }) = container {
        form.line("vm.container", format_args!("{limit_pages} other={other_resident_pages}"));
    }
    if let Some(own) = own {
        policy(form, own);
    }
}

fn workload(form: &mut Form, workload: &Workload) {
    let Workload { regions, tasks, laws, walks, addresses, syncs } = workload;
    for Region { name, pages, prefill, backing, store } in regions {
        let backing = backing.name();
        let line = format_args!("{name} pages={pages} prefill={prefill} backing={backing}");
        form.line("region", line);
        if let Some(store) = store {
            form.line("region.store", store);
        }
    }
    // What a program names by number; those without have no such lines.
    for Law { law, unit } in laws {
        form.line("law", format_args!("{} unit={unit}", law_line(law)));
    }
    for PageWalk { region, law } in walks {
        form.line("walk", format_args!("{region} {}", walk_line(law)));
    }
    for trace in addresses {
        let content = xxh3_128(trace.packed());
        form.line("addresses", format_args!("{content:032x} visits={}", trace.visits()));
    }
    for SyncObject { name, kind } in syncs {
        let kind = match kind {
            SyncKind::Lock => "lock".to_owned(),
            SyncKind::Barrier { parties } => format!("barrier({parties})"),
            SyncKind::Semaphore => "semaphore".to_owned(),
        };
        form.line("sync", format_args!("{name} {kind}"));
    }
    for TaskGroup { name, count, role, start_on, arrivals, program } in tasks {
        let places: Vec<String> = start_on.iter().map(|vcpu| vcpu.0.to_string()).collect();
        let (role, places) = (role.name(), places.join(","));
        form.line("tasks", format_args!("{name} count={count} role={role} start_on={places}"));
        match arrivals {
            None => {}
            Some(Arrivals::Law { gap, on_off: None }) => form.line("arrivals", gap),
            Some(Arrivals::Law { gap, on_off: Some((on, off)) }) => {
                form.line("arrivals", format_args!("{gap} on={on} off={off}"));
            }
            Some(Arrivals::Times(times)) => {
                let times: Vec<String> = times.iter().map(|at| at.as_ps().to_string()).collect();
                form.line("arrivals", times.join(","));
            }
        }
        for op in program {
            form.line("op", op);
        }
    }
}

fn walk_line(law: &PageLaw) -> String {
    match law {
        PageLaw::Zipf { exponent_milli, shuffled } => format!("zipf({exponent_milli},{shuffled})"),
        PageLaw::HotSet { hot, hot_ppm, drift, shuffled } => {
            format!("hot_set({hot},{hot_ppm},{drift},{shuffled})")
        }
        PageLaw::Strided { step } => format!("strided({step})"),
        PageLaw::Chase => "chase".to_owned(),
        PageLaw::Moving { window, every, shuffled } => {
            format!("moving({window},{every},{shuffled})")
        }
    }
}

fn policy(form: &mut Form, policy: &Policy) {
    let Policy { name, rules, host_async, guest_enabled, defects } = policy;
    form.line("policy", name);
    form.line("policy.host_async", host_async);
    form.line("policy.guest_enabled", guest_enabled);
    // What has a meaning only where the VMM answers faults is no part of other policies.
    let answers = rules.vmm_answers();
    for mechanism in Mechanism::ALL.iter().filter(|mechanism| answers || !mechanism.is_of_vmm()) {
        form.line(&format!("rule.{}", mechanism.name()), rules.get(*mechanism));
    }
    for defect in defects.iter() {
        form.line("policy.defect", defect);
    }
}
