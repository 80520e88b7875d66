//! What a log is counted and measured for, besides being judged.

use super::clocks::ClocksDiffer;
use super::course::Course;
use super::halt_rows::Spins;
use super::processors::EndsEarly;
use super::stalls::Stall;
use super::vcpu::VcpuLog;

/// Spins that are listed one by one.
const MAX_SPINS: usize = 64;

/// Places where lines are missing, as numbers of tokens show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenGap {
    /// The line that shows the first.
    pub line: u64,
    /// Numbers that are missing there.
    pub missing: u64,
    /// How many such places there are.
    pub count: u64,
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
    /// Requests that count as halted and may have been told: the log has neither exceptions nor what
    /// page ready leaves behind.
    pub unsure: u64,
}

/// What was counted and measured.
#[derive(Clone, Debug, Default)]
pub struct LogSurvey {
    /// From the first to the last event, in nanoseconds.
    pub span: u64,
    /// Each vCPU that had anything to do with asynchronous faults.
    pub vcpus: Vec<VcpuSurvey>,
    /// What happened when, and how long it took.
    pub course: Course,
    /// Requests that a vCPU may have outstanding.
    pub cap: u32,
    /// Spinning halts.
    pub spins: Vec<Spins>,
    /// Requests that the guest was told of.
    pub told: u64,
    /// Those of them of which its page ready says so, where no exception is recorded.
    pub told_by_ready: u64,
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
    /// What stands still or goes round at the end of the log.
    pub stalls: Vec<Stall>,
    /// `kvm_page_fault` is recorded.
    pub page_faults: bool,
    /// Second-stage faults that stopped at a table of the guest's.
    pub table_faults: u64,
    /// Second-stage faults that stopped at the page of the access.
    pub final_faults: u64,
    /// Asynchronous requests for tables of the guest's.
    pub table_requests: u64,
    /// Processors whose clocks differ.
    pub clocks: Option<ClocksDiffer>,
    /// Places where numbers of tokens show that lines are missing.
    pub gap: Option<TokenGap>,
    /// Places where lines are missing as vCPUs do what they cannot: the line that shows the first, and how
    /// many there are.
    pub pauses: Option<(u64, u64)>,
    /// A processor whose events end before the log.
    pub ends_early: Option<EndsEarly>,
    /// Events of threads beyond the number that is followed.
    pub threads_left_out: u64,
}

impl LogSurvey {
    /// Notes a place where lines are missing.
    pub(super) fn note_gap(&mut self, line: u64, missing: u64) {
        self.gap.get_or_insert(TokenGap { line, missing, count: 0 }).count += 1;
    }

    /// Notes a place where lines are missing, by what a vCPU does.
    pub(super) fn note_pause(&mut self, line: u64) {
        self.pauses.get_or_insert((line, 0)).1 += 1;
    }

    pub(super) fn add_spins(&mut self, spins: Spins) {
        let known = |s: &&mut Spins| s.vcpu == spins.vcpu && s.cause == spins.cause;
        if let Some(known) = self.spins.iter_mut().find(known) {
            known.count += spins.count;
            known.turns += spins.turns;
        } else if self.spins.len() < MAX_SPINS {
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
                unsure: c.unsure,
            });
        }
    }
}
