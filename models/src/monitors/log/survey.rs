//! What a log is counted and measured for, besides being judged.

use sim_core::Histogram;

use super::spins::Spins;
use super::vcpu::VcpuLog;

/// Windows of the course over time.
const WINDOWS: usize = 240;
/// Spins that are listed one by one.
const MOST_SPINS: usize = 64;

/// Distributions of times, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// From the exit for a second-stage fault to the try.
    pub exit_to_try: Histogram,
    /// From not present to the injection of its exception.
    pub not_present_to_exception: Histogram,
    /// From not present to completed.
    pub not_present_to_completed: Histogram,
    /// From completed to page ready.
    pub completed_to_ready: Histogram,
    /// From page ready to its acknowledgement.
    pub ready_to_ack: Histogram,
    /// From the try to page ready, of requests that the guest was told of.
    pub told: Histogram,
    /// From the try to page ready, of requests for which the vCPU was halted.
    pub halted: Histogram,
}

impl Latencies {
    /// Each with its name.
    pub fn named(&self) -> [(&'static str, &Histogram); 7] {
        [
            ("exit to try", &self.exit_to_try),
            ("not present to exception", &self.not_present_to_exception),
            ("not present to completed", &self.not_present_to_completed),
            ("completed to ready", &self.completed_to_ready),
            ("ready to acknowledged", &self.ready_to_ack),
            ("whole request, told", &self.told),
            ("whole request, halted", &self.halted),
        ]
    }
}

/// The largest number of outstanding requests in each window of the log. Windows grow with the
/// log, so that their number is bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outstanding {
    /// Time of the first window's beginning.
    pub from: u64,
    /// Length of a window in nanoseconds.
    pub width: u64,
    /// The largest number in each window.
    pub most: Vec<u32>,
    now: u32,
}

impl Outstanding {
    pub(super) fn set(&mut self, ns: u64, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if self.most.is_empty() {
            (self.from, self.width) = (ns, 1_000_000);
            self.most.push(self.now);
        }
        let window = |own: &Self| (ns.saturating_sub(own.from) / own.width) as usize;
        while window(self) >= WINDOWS {
            self.most =
                self.most.chunks(2).map(|pair| pair[0].max(*pair.last().unwrap_or(&0))).collect();
            self.width = self.width.saturating_mul(2);
        }
        let at = window(self);
        while self.most.len() <= at {
            self.most.push(self.now);
        }
        self.now = count;
        self.most[at] = self.most[at].max(count);
    }
}

/// What was counted on one vCPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VcpuSurvey {
    /// Its VM, numbered from 1.
    pub vm: usize,
    /// Its thread.
    pub pid: u32,
    /// Its number, if known.
    pub id: Option<u32>,
    /// Tries.
    pub tries: u64,
    /// Requests that the guest was told of.
    pub told: u64,
    /// Requests that it was not told of: the vCPU was halted.
    pub halted: u64,
    /// Repeated faults.
    pub repeated: u64,
    /// Tries that the cap turned into synchronous faults.
    pub at_cap: u64,
    /// Tries that came to nothing for another reason.
    pub refused: u64,
    /// Page readies, wake-alls not among them.
    pub ready: u64,
    /// Wake-alls.
    pub wake_alls: u64,
    /// The largest number of outstanding requests.
    pub most: usize,
}

/// What was counted and measured.
#[derive(Clone, Debug, Default)]
pub struct LogSurvey {
    /// From the first to the last event, in nanoseconds.
    pub span: u64,
    /// Each vCPU that had anything to do with asynchronous faults.
    pub vcpus: Vec<VcpuSurvey>,
    /// Distributions of times.
    pub latencies: Latencies,
    /// Outstanding requests over time.
    pub outstanding: Outstanding,
    /// Spinning halts.
    pub spins: Vec<Spins>,
    /// Requests that the guest was told of.
    pub told: u64,
    /// Repeated faults.
    pub repeated: u64,
    /// The log has exceptions of any kind: without them it does not say who was told.
    pub exceptions: bool,
    /// Completions.
    pub completed: u64,
    /// Completions before one that was requested earlier on the same vCPU.
    pub completed_out_of_order: u64,
    /// Page readies before one that was completed earlier on the same vCPU.
    pub ready_out_of_order: u64,
    /// Another request's page ready came between a not present and its exception.
    pub crossed: u64,
    /// A request's own page ready came before its exception.
    pub ready_before_exception: u64,
    /// A worker said that a page is there after page ready.
    pub ready_before_completed: u64,
    /// Page readies of requests from before the log or a loss.
    pub from_before: u64,
    /// Completions of requests that the log does not have.
    pub foreign_completions: u64,
    /// Events of threads beyond the number that is followed.
    pub threads_left_out: u64,
    pub(super) outstanding_now: usize,
}

impl LogSurvey {
    pub(super) fn spins(&mut self, spins: Spins) {
        let known = |s: &&mut Spins| s.vcpu == spins.vcpu && s.cause == spins.cause;
        if let Some(known) = self.spins.iter_mut().find(known) {
            known.count += spins.count;
            known.turns += spins.turns;
        } else if self.spins.len() < MOST_SPINS {
            self.spins.push(spins);
        }
    }

    pub(super) fn finish(&mut self, vcpus: &[VcpuLog], vms: &[usize]) {
        for (own, vm) in vcpus.iter().zip(vms) {
            let c = own.counts;
            self.vcpus.push(VcpuSurvey {
                vm: vm + 1,
                pid: own.thread.pid,
                id: own.id.or(own.token_id),
                tries: c.tries,
                told: c.told,
                halted: c.halted,
                repeated: c.repeated,
                at_cap: c.at_cap,
                refused: c.refused,
                ready: c.ready,
                wake_alls: c.wake_alls,
                most: c.most,
            });
        }
    }
}
