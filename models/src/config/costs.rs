//! The cost table: every step of the machine that takes processor time, by name.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use sim_core::{Cycles, Frequency, SimDuration};

/// A cost: cycles of the preset's processor, or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "String")]
pub enum Cost {
    /// Scales with the processor's rate.
    Cycles(Cycles),
    /// Does not scale.
    Time(SimDuration),
}

impl Cost {
    /// Nothing.
    pub const ZERO: Self = Self::Cycles(Cycles::ZERO);

    /// The cost in cycles at a rate; time is rounded down.
    pub fn cycles(self, frequency: Frequency) -> Cycles {
        match self {
            Self::Cycles(cycles) => cycles,
            Self::Time(span) => frequency.cycles_in(span),
        }
    }

    /// The cost in time at a rate; cycles are rounded up to the picosecond.
    pub fn time(self, frequency: Frequency) -> SimDuration {
        match self {
            Self::Cycles(cycles) => frequency.time_of(cycles),
            Self::Time(span) => span,
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cycles(cycles) => write!(f, "{} cycles", cycles.0),
            Self::Time(span) => span.fmt(f),
        }
    }
}

impl From<Cost> for String {
    fn from(cost: Cost) -> Self {
        cost.to_string()
    }
}

/// A cost at a processor's rate, in both units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// For steps of the host.
    pub time: SimDuration,
    /// For steps of the guest.
    pub cycles: Cycles,
}

/// Why a cost could not be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// There is no cost of that name.
    #[error("there is no cost named `{0}`")]
    UnknownName(String),
    /// The text is neither cycles nor time.
    #[error("`{0}` is not a cost; write `2200 cycles` or a time such as `4.5us`")]
    Unreadable(String),
    /// One step cannot take that long.
    #[error("`{0}` is more than a second, which is no cost of a single step")]
    TooLarge(String),
}

/// Largest cost that is accepted: one second, or 10^10 cycles.
const MAX_COST_CYCLES: u64 = 10_000_000_000;

impl FromStr for Cost {
    type Err = CostError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unreadable = || CostError::Unreadable(text.to_owned());
        if let Some(number) = text.trim().strip_suffix("cycles") {
            let cycles: u64 = number.trim().parse().map_err(|_| unreadable())?;
            if cycles > MAX_COST_CYCLES {
                return Err(CostError::TooLarge(text.to_owned()));
            }
            return Ok(Self::Cycles(Cycles(cycles)));
        }
        let span: SimDuration = text.parse().map_err(|_| unreadable())?;
        if span > SimDuration::from_secs(1) {
            return Err(CostError::TooLarge(text.to_owned()));
        }
        Ok(Self::Time(span))
    }
}

macro_rules! costs {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// All costs of a machine.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        pub struct Costs { $($(#[doc = $doc])+ pub $name: Cost,)* }

        /// All costs at a processor's rate.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Prices { $($(#[doc = $doc])+ pub $name: Price,)* }

        impl Costs {
            /// The costs at a processor's rate.
            pub fn at(&self, frequency: Frequency) -> Prices {
                Prices {
                    $($name: Price {
                        time: self.$name.time(frequency),
                        cycles: self.$name.cycles(frequency),
                    },)*
                }
            }

            /// The names that scenario files use, in the order of declaration.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// A machine on which nothing costs processor time.
            pub const FREE: Self = Self { $($name: Cost::ZERO,)* };

            /// Sets one cost by name from text such as `2200 cycles` or `4.5us`.
            ///
            /// # Errors
            /// When the name is unknown or the text is not a cost.
            pub fn set(&mut self, name: &str, text: &str) -> Result<(), CostError> {
                let field = match name {
                    $(stringify!($name) => &mut self.$name,)*
                    _ => return Err(CostError::UnknownName(name.to_owned())),
                };
                *field = text.parse()?;
                Ok(())
            }

            /// Every cost with its name and meaning.
            pub fn describe(&self) -> Vec<(&'static str, Cost, &'static str)> {
                vec![$((stringify!($name), self.$name, concat!($($doc),+).trim_ascii()),)*]
            }
        }
    };
}

costs! {
    /// Hardware part of an exit and the entry after it.
    exit_hw,
    /// Whole light exit that the host kernel handles alone (MSR write, TLB-flush kick), entry included.
    exit_light,
    /// The part of `exit_light` that comes after an MSR write has taken effect.
    msr_return,
    /// Whole exit for a host interrupt, the interrupt's handler and the entry included.
    exit_interrupt,
    /// What the host does before an entry that puts an exception or interrupt into the guest.
    inject_host,
    /// Putting an exception or interrupt into the guest at an entry.
    inject_event,
    /// From the injection until the entry: in between the entry may be cancelled, and the event injected again.
    inject_window,
    /// Interrupt of the host's timer that stands for that of a vCPU, beyond an exit for it.
    timer_interrupt,
    /// What an exit for an open interrupt window costs less than another light exit.
    window_saves,
    /// Delivery of an exception or interrupt through the guest's IDT, and its return.
    guest_exception,
    /// Second-level TLB hit, beyond a first-level hit.
    stlb_hit,
    /// Beginning of a page walk.
    walk_start,
    /// Reference of a page walk to a table whose line is in the first-level cache.
    table_l1,
    /// The same in the second-level cache.
    table_l2,
    /// The same in the third-level cache.
    table_l3,
    /// The same in memory.
    table_memory,
    /// Software of an EPT violation whose page is present: lookup, mapping, return.
    kvm_fault,
    /// The part of `kvm_fault` under the lock of the second-stage tables.
    lock_fault,
    /// The part of `reclaim_unmap_page` under that lock.
    lock_unmap,
    /// The part of `reclaim_scan_page` under that lock, for a page that the second stage maps.
    lock_age,
    /// Bringing the cache line of that lock from the processor that used it last; beyond all others.
    lock_line,
    /// Walking the guest's tables in software, for a #PF under shadow paging.
    shadow_walk,
    /// Carrying out a write to a table of the guest's whose shadow is to stay as it is.
    shadow_emulate,
    /// Making the shadow of a table the same as the table again, which then allows no more writes.
    shadow_sync,
    /// A write of CR3 in the guest that does not exit; an exit for it costs `exit_light`.
    cr3_write,
    /// Dropping the translations of one page in the guest (INVLPG).
    invlpg,
    /// Taking one page from a program of the guest: its entry, and its frame back to the allocator.
    guest_discard_page,
    /// Taking one page, or one block that is reported, into or out of a balloon, in the guest's driver.
    balloon_page,
    /// A system call of the VMM's that gives pages back (`madvise`), without its pages.
    madvise_call,
    /// Each frame and each swap slot that it frees, without the second stage's entry.
    madvise_page,
    /// What mapping a page before its page ready costs less than a fault.
    prefault_saves,
    /// Software of the lookup that finds out that the page needs I/O.
    apf_detect,
    /// Token, work item and queueing of the work.
    apf_setup,
    /// Rest of it once the work is queued and its worker is woken.
    apf_queued,
    /// Worker's remote page lookup, without the I/O.
    apf_worker,
    /// Making a page ready event: dequeue, shared word, queueing the exception.
    apf_ready,
    /// Allocating and charging a page, adding it to the swap cache.
    swap_in_prepare,
    /// Submitting a request to the block layer.
    block_submit,
    /// Copying a page to or from a device that has no DMA, which its submitter does.
    block_copy,
    /// Interrupt of a completed request, on the processor that submitted it, until its waiter is woken.
    device_interrupt,
    /// End of the write-back of one page, by the interrupt for its request.
    block_written_page,
    /// Block completion as far as the woken thread pays for it.
    block_complete,
    /// Each further page that read-ahead adds to a swap-in.
    read_ahead_page,
    /// What the lookup without waiting takes longer in memory whose faults the VMM answers.
    uffd_lookup,
    /// A vCPU thread's second lookup there, which may wait, as far as its message.
    uffd_sync,
    /// What a worker's lookup takes longer there, as far as its message.
    uffd_worker,
    /// Linking a message, looking at the page once more, and waking a reader.
    uffd_wait,
    /// Waking each further reader.
    uffd_herd,
    /// A pass over the ready list of an instance of epoll that finds nothing to read, by a reader that was woken.
    uffd_epoll,
    /// The part of each of `uffd_wait`, `uffd_read`, `uffd_message` and `uffd_wake` under the lock of the queue of
    /// messages, beyond entries, wake-ups and lines.
    uffd_locked,
    /// Looking at each further entry of a wait queue of a descriptor, where its line is at hand.
    uffd_entry,
    /// Who slept for a page looks it up again.
    uffd_awake,
    /// A reader's way back from `poll`, and its read of a message.
    uffd_read,
    /// Each further message of the same read.
    uffd_message,
    /// A reader tells an installer that there is a page to install.
    uffd_tell,
    /// An installer that had nothing to do finds out what there is.
    uffd_told,
    /// Installing a page, the system call included.
    uffd_copy,
    /// Each further page of the same call.
    uffd_copy_next,
    /// Making the entry of a page that is in the page cache (`UFFDIO_CONTINUE`), or of one of zeros
    /// (`UFFDIO_ZEROPAGE`), the system call included.
    uffd_continue,
    /// Each further page of the same call.
    uffd_continue_next,
    /// Waking who sleeps for it.
    uffd_wake,
    /// An installer's way to its next page, or to sleep.
    uffd_next,
    /// Interrupt of the timer that ends a handler's sleep.
    uffd_timer,
    /// A reader's way to sleep in `poll`.
    uffd_poll,
    /// Each page that a call write-protects (`UFFDIO_WRITEPROTECT`).
    uffd_protect_page,
    /// Lifting the protection of a page, the system call included, without waking.
    uffd_lift,
    /// Leaving the kernel for user space with a fault that the VMM answers.
    vmm_exit,
    /// Back into it (KVM_RUN), as far as the run loop.
    vmm_run,
    /// A vCPU thread passes a fault on through a socket, the wake-up of its reader included.
    vmm_ask,
    /// It says that the fault will be answered (`KVM_ASYNC_PF` ACCEPT).
    vmm_accept,
    /// A thread of the VMM comes back from its wait, and reads a request or a counter.
    vmm_read,
    /// A look of such a thread into the ring of faults: draining it, asking for a signal, the second look.
    vmm_look,
    /// KVM signals the VMM that there is an entry in the ring of faults, the wake-up included.
    vmm_signal,
    /// Filling a page by `write`, system call included.
    vmm_copy,
    /// Each further page of the same call.
    vmm_copy_next,
    /// Filling a page by stores to a mapping of the VMM's, the page fault of that included.
    vmm_store,
    /// Clearing the bit of a page in the bitmap of KVM userfault, where `vmm_copy` does not.
    vmm_bit,
    /// Answering by a system call (`KVM_ASYNC_PF` READY).
    vmm_ready,
    /// Waking a thread of the VMM by a reply: its main thread, or that of a vCPU that waits.
    vmm_reply,
    /// Writing an entry into a ring, of faults or of answers.
    vmm_entry,
    /// Telling KVM that there is one (`write` of an eventfd), the wake-up of its worker included.
    vmm_tell,
    /// KVM's worker reads the ring of answers.
    vmm_work,
    /// Clearing a fresh page.
    zero_page,
    /// Looking at one page of the LRU.
    reclaim_scan_page,
    /// Asking page tables about one page, second stage included, in a walk or beside a page that was used.
    reclaim_ask_page,
    /// Removing one page's mappings.
    reclaim_unmap_page,
    /// Splitting a huge page that is to be written, besides what its pages cost.
    huge_split,
    /// Slot, swap cache and submission for one page that is written out.
    reclaim_write_page,
    /// Remote TLB flush: for each vCPU in guest mode that is kicked.
    shootdown_vcpu,
    /// Context switch between threads of the host.
    host_switch,
    /// The part of a context switch before the change, which is the time of the thread that leaves.
    switch_out,
    /// Tick of the host on a busy processor, beyond an exit for it.
    host_tick,
    /// Making and ending a thread of the host for one fault.
    thread_create,
    /// From the wake-up of a sleeping host thread until it runs on an idle processor.
    host_wake_latency,
    /// Guest's timer interrupt handler, its own exits (EOI, re-arming) included.
    guest_tick,
    /// For each tick period that was missed while the vCPU did not run.
    guest_missed_tick,
    /// Guest's context switch between tasks.
    guest_switch,
    /// Waking a task in the guest.
    guest_wakeup,
    /// Guest's handler of page not present up to the switch.
    guest_not_present,
    /// Guest's handler of page ready, without the wake-up.
    guest_ready,
    /// Guest's own minor fault on first touch, without clearing the page.
    guest_minor_fault,
    /// One run of the guest's load balancer.
    guest_balance,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_set_by_name() {
        let mut costs = Costs::FREE;
        costs.set("exit_light", "2200 cycles").unwrap();
        costs.set("kvm_fault", "4.5us").unwrap();
        assert_eq!(costs.exit_light, Cost::Cycles(Cycles(2200)));
        assert_eq!(costs.kvm_fault.to_string(), "4.5us");
        assert_eq!(costs.set("exit", "1ns"), Err(CostError::UnknownName("exit".into())));
        assert_eq!(costs.set("exit_hw", "fast"), Err(CostError::Unreadable("fast".into())));
        assert_eq!(costs.set("exit_hw", "2s"), Err(CostError::TooLarge("2s".into())));
    }

    #[test]
    fn time_and_cycles_convert_at_the_processors_rate() {
        let rate = Frequency::from_hz(2_000_000_000).unwrap();
        assert_eq!(Cost::Cycles(Cycles(3)).time(rate), SimDuration::from_ps(1500));
        assert_eq!(Cost::Time(SimDuration::from_ns(3)).cycles(rate), Cycles(6));
    }
}
