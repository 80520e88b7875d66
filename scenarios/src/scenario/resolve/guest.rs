//! The guest.

use models::config::{ApicConfig, GuestConfig, GuestPaging, Processes, WakeTime};
use models::presets;
use sim_core::SimDuration;

use super::at::At;
use super::sched::sched;
use crate::scenario::file::{ApicFile, GuestFile};
use crate::syntax::error::ScenarioError;

/// The most that a host can be configured for (`KVM_MAX_NR_VCPUS` of arch/x86/kvm/Kconfig, 6.12), and the
/// numbers that the token of an asynchronous page fault has room for.
pub(crate) const MAX_VCPUS: u64 = 4096;

/// Pages that addresses of 32 bits reach: with paging off a processor is not in 64-bit mode.
const MOST_WITHOUT_PAGING: u64 = 1 << 20;

/// Delays of a wake-up.
const DELAYS: std::ops::RangeInclusive<SimDuration> = SimDuration::ZERO..=SimDuration::from_secs(1);

pub(super) fn guest(at: &At<'_>, file: &GuestFile) -> Result<GuestConfig, ScenarioError> {
    let Some(kernel) = presets::guest_kernel(&file.kernel) else {
        let names = presets::guest_kernel_names();
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        return Err(at.field("kernel").unknown("guest kernel preset", &file.kernel, &names));
    };
    let vcpus = at.field("vcpus").number(file.vcpus, 1..=MAX_VCPUS)?;
    let hz = at.field("hz").number(file.hz.unwrap_or(kernel.hz.into()), 1..=10_000)?;
    let tick = SimDuration::from_secs(1).divided_by(hz);
    let balance_ticks = file.balance_ticks.unwrap_or(kernel.balance_ticks.into());
    let memory_pages = at.field("memory").pages(file.memory)?;
    if memory_pages == 0 {
        return Err(at.field("memory").fail("the guest has no memory", "a size such as \"2GiB\""));
    }
    let paging = paging(at, file, memory_pages)?;
    let ApicFile { timer_exits, eoi_exits, ipi_exits } = file.apic.unwrap_or_default();
    Ok(GuestConfig {
        vcpus,
        memory_pages,
        tick,
        sched: sched(&at.field("sched"), file.sched.as_ref(), &file.kernel, vcpus, tick)?,
        balance_ticks: at.field("balance_ticks").number(balance_ticks, 1..=1_000_000_000)?,
        steal_clock: file.steal_clock.unwrap_or(kernel.steal_clock),
        wake: file.wake.unwrap_or(WakeTime::Now),
        wake_delay: at
            .field("wake_delay")
            .span(file.wake_delay.map_or(SimDuration::ZERO, |delay| delay.0), DELAYS)?,
        timers: file.timers.unwrap_or_default(),
        send_always: file.send_always.unwrap_or(kernel.send_always),
        preemption: file.preemption.unwrap_or(kernel.preemption),
        apic: ApicConfig { timer_exits, eoi_exits, ipi_exits },
        event_pages: file.event_pages.unwrap_or_default(),
        table_levels: at.field("table_levels").number(file.table_levels.unwrap_or(4), 4..=5)?,
        table_pages: file.table_pages.unwrap_or_default(),
        thp: file.thp.unwrap_or(false),
        paging,
        processes: file.processes.unwrap_or_default(),
        pcid: file.pcid.unwrap_or(false),
    })
}

/// Whether the guest has paging on, and nothing else that needs it if not.
fn paging(at: &At<'_>, file: &GuestFile, memory: u64) -> Result<GuestPaging, ScenarioError> {
    let paging = file.paging.unwrap_or_default();
    if paging == GuestPaging::On {
        return Ok(paging);
    }
    let refused = [
        ("thp", file.thp.unwrap_or(false)),
        ("processes", file.processes.unwrap_or_default() != Processes::One),
        ("pcid", file.pcid.unwrap_or(false)),
    ];
    if let Some((field, _)) = refused.into_iter().find(|(_, given)| *given) {
        let message = format!("`{field}` needs page tables, and the guest has paging off");
        return Err(at.field(field).fail(message, "leave it out, or `\"paging\": \"on\"`"));
    }
    if memory > MOST_WITHOUT_PAGING {
        let message = "a guest without paging has addresses of 32 bits";
        return Err(at.field("memory").fail(message, "at most \"4GiB\""));
    }
    Ok(paging)
}
