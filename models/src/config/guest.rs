//! The guest and its kernel.

use sim_core::SimDuration;

use super::paging::{GuestPaging, Processes};
use super::sched::SchedParams;
use crate::base::named::named;

named! {
    /// When a page ready makes the sleeper runnable.
    WakeTime {
        /// In the handler.
        Now => "now",
        /// At the next timer tick of the vCPU.
        Tick => "tick",
    }
}

named! {
    /// Who wakes a task whose sleep is over.
    #[derive(Default)]
    TimerKind {
        /// Nobody: it is runnable at that time, without cost. A simplification.
        #[default]
        Direct => "direct",
        /// The interrupt of the local timer of the vCPU on which it went to sleep
        /// (`hrtimer_interrupt`).
        Interrupt => "interrupt",
        /// The softirq behind the next tick of that vCPU (`TIMER_SOFTIRQ`, the timer wheel).
        Softirq => "softirq",
    }
}

/// The guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestConfig {
    /// Virtual processors.
    pub vcpus: u16,
    /// Guest memory in pages.
    pub memory_pages: u64,
    /// Period of the timer tick (1 / HZ).
    pub tick: SimDuration,
    /// The guest's fair scheduler.
    pub sched: SchedParams,
    /// Ticks between two runs of the periodic load balancer on a busy vCPU.
    pub balance_ticks: u32,
    /// Which time without its vCPU is kept from the running task's account.
    pub steal_clock: StealClock,
    /// When page ready makes a sleeper runnable.
    pub wake: WakeTime,
    /// How much later than that.
    pub wake_delay: SimDuration,
    /// Who wakes a task whose sleep is over.
    pub timers: TimerKind,
    /// Whether the guest asks for notices at CPL 0 too (a preemptible kernel of 2010 to 2020).
    pub send_always: bool,
    /// When the guest's kernel lets another task run.
    pub preemption: Preemption,
    /// Which uses of the local APIC leave guest mode.
    pub apic: ApicConfig,
    /// The pages through which the guest takes exceptions and interrupts.
    pub event_pages: EventPages,
    /// Levels of the guest's page tables: 4 or 5.
    pub table_levels: u32,
    /// The frames of its page tables.
    pub table_pages: TablePages,
    /// Whether its kernel maps memory by pages of 2 MiB where it can (transparent huge pages).
    pub thp: bool,
    /// Whether it has paging on.
    pub paging: GuestPaging,
    /// Which tasks have an address space of their own.
    pub processes: Processes,
    /// Whether its kernel tells address spaces apart in the TLB (PCID).
    pub pcid: bool,
}

impl GuestConfig {
    /// Page tables for so many small pages, at most.
    pub fn tables(&self, pages: u64) -> u64 {
        match pages.checked_sub(1) {
            None => 0,
            Some(_) if self.paging == GuestPaging::Off => 0,
            Some(last) => (1..=self.table_levels).map(|level| (last >> (9 * level)) + 1).sum(),
        }
    }

    /// Those of them whose frames the host may reclaim.
    pub fn reclaimable_tables(&self, pages: u64) -> u64 {
        match self.table_pages {
            TablePages::Reclaimable => self.tables(pages),
            TablePages::Resident => 0,
        }
    }

    /// Frames that the guest needs besides those of its regions, whose pages are so many and of so many
    /// kinds of memory: its kernel's own, tables, and for each vCPU what it may hold of each kind when
    /// another one turns out to have been faster.
    pub fn own_frames(&self, kernel: u64, pages: u64, kinds: u64) -> u64 {
        let large = if self.thp { 512 } else { 0 };
        kernel + self.tables(pages) + u64::from(self.vcpus) * (kinds + 1 + large)
    }
}

named! {
    /// What the host may do with the frames of the guest's page tables.
    #[derive(Default)]
    TablePages {
        /// They are reclaimed like any page. A walk that finds one unmapped exits.
        #[default]
        Reclaimable => "reclaimable",
        /// They stay, as part of what is never reclaimed: for worlds with a closed form.
        Resident => "resident",
    }
}

named! {
    /// What the host may do with the page through which a vCPU takes exceptions and interrupts (its
    /// entry stack; tables are taken to be there).
    #[derive(Default)]
    EventPages {
        /// They stay, as part of what is never reclaimed.
        #[default]
        Resident => "resident",
        /// They are reclaimed like any page. An event that finds its page unmapped exits in its
        /// delivery.
        Reclaimable => "reclaimable",
    }
}

/// Which uses of the local APIC leave guest mode, each at the cost `exit_light`. Without such exits
/// they cost what the handlers cost, and `guest_tick` says what that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApicConfig {
    /// Arming and stopping the timer: a write to `MSR_IA32_TSC_DEADLINE`.
    pub timer_exits: bool,
    /// The end of an interrupt; it does not exit where the host keeps a paravirtual flag.
    pub eoi_exits: bool,
    /// Sending an interrupt to another vCPU.
    pub ipi_exits: bool,
}

named! {
    /// When a task that is in the guest's kernel may lose its vCPU to another one, besides when it
    /// sleeps. A task in user mode may at any time.
    #[derive(Default)]
    Preemption {
        /// On its way back to user mode (`CONFIG_PREEMPT_NONE`).
        None => "none",
        /// Also between the operations of a system call, outside all sections
        /// (`CONFIG_PREEMPT_VOLUNTARY`: the kernel asks, `cond_resched`).
        #[default]
        Voluntary => "voluntary",
        /// Wherever preemption and interrupts are on (`CONFIG_PREEMPT`). Only this kernel counts its
        /// sections (`CONFIG_PREEMPT_COUNT`).
        Full => "full",
    }
}

named! {
    /// Which time in which the vCPU could not run is kept from the running task's account.
    StealClock {
        /// None.
        Off => "off",
        /// That in which its thread waited for a processor: what the host tells a guest
        /// (`MSR_KVM_STEAL_TIME`).
        Waiting => "waiting",
        /// That in which the host stalled or halted it, too. No kernel does this.
        Every => "every",
    }
}
