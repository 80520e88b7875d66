//! The canonical form of a scenario: what is simulated, as text that depends on nothing else. Its
//! hash names a scenario in results.
//!
//! Every struct is taken apart field by field, so that a new field is a compile error here rather
//! than two different machines with one hash.

mod form;
mod host;
mod sched;

use models::apf::rules::Mechanism;
use models::config::{
    ApicConfig, Arrivals, Container, CpuConfig, Disturbance, DisturbanceKind, GuestConfig,
    HandlerConfig, Install, Law, MachineConfig, PageLaw, PageWalk, PagingCaches, Policy, Region,
    SyncKind, SyncObject, TaskGroup, TlbArray, TranslationConfig, VmConfig, Workload,
};
use sim_core::SimDuration;
use xxhash_rust::xxh3::xxh3_128;

use self::form::Form;
use self::sched::sched;
use crate::scenario::resolve::{Scenario, law_line};

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
    let mut form = Form::default();
    policy(&mut form, entry);
    form.lines()
}

/// The hash of a policy.
pub(crate) fn policy_hash(entry: &Policy) -> String {
    let mut form = Form::default();
    policy(&mut form, entry);
    form.hash()
}

fn setup(scenario: &Scenario) -> Form {
    let mut form = Form::default();
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
    host::host(&mut form, h);
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
