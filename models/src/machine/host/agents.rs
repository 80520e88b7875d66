//! An agent that writes `memory.reclaim` of a container from time to time, as managers of far memory do
//! (`memory_reclaim`, mm/memcontrol.c of 6.12.117).

use sim_core::{EventQueue, SimDuration};

use super::duties::Duty;
use crate::base::ids::{ReclaimerId, ThreadId};
use crate::base::record::{Event, MemcgFile};
use crate::config::ReclaimAsk;
use crate::machine::world::{Cx, Flow, MachineEvent, Outcome, Then};
use crate::parts::memory::MAX_RECLAIM_RETRIES;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The agent begins to write. Its next time is the next one that has not come yet when the write is over.
    pub(in crate::machine) fn ask_for_reclaim(
        &mut self,
        thread: ThreadId,
        own: ReclaimerId,
    ) -> Flow {
        let vm = self.w.host.reclaimer(own).vm;
        let used = self.w.host.memory.of_vm(vm).used();
        let agent = self.w.host.reclaimer(own);
        agent.tries = MAX_RECLAIM_RETRIES;
        let Duty::Agent { what, left, .. } = &mut agent.duty else {
            unreachable!("{own} is no agent");
        };
        *left = match what.ask {
            ReclaimAsk::Pages(pages) => pages,
            ReclaimAsk::Share { ppm } => (u128::from(used) * u128::from(ppm) / 1_000_000) as u64,
        };
        let pages = *left;
        self.emit(Event::MemcgWrite { thread, vm, file: MemcgFile::Reclaim, pages });
        Flow::Spend(SimDuration::ZERO, Then::ReclaimerNext)
    }

    /// The agent takes pages until it has as many as it has asked for.
    pub(in crate::machine) fn agent_next(&mut self, thread: ThreadId, own: ReclaimerId) -> Flow {
        let agent = self.w.host.reclaimer(own);
        let vm = agent.vm;
        match agent.duty {
            Duty::Agent { left: 0, .. } => self.reclaim_written(thread, own, true),
            _ => {
                self.note_progress(thread);
                self.reclaim_pass(thread, vm)
            }
        }
    }

    /// A pass of the agent is over.
    pub(in crate::machine) fn agent_pass_done(
        &mut self,
        thread: ThreadId,
        own: ReclaimerId,
        outcome: Outcome,
    ) -> Flow {
        let gone = self.w.host.threads[thread.index()].last_pass.reclaimed;
        let agent = self.w.host.reclaimer(own);
        let vm = agent.vm;
        if let Duty::Agent { left, .. } = &mut agent.duty {
            *left = left.saturating_sub(gone);
        }
        match outcome {
            Outcome::Waits if gone == 0 => {
                let container = self.w.host.memory.container(vm);
                return self.wait_for_room(thread, container);
            }
            // EAGAIN.
            Outcome::Nothing if agent.tries == 0 => {
                return self.reclaim_written(thread, own, false);
            }
            Outcome::Nothing => agent.tries -= 1,
            Outcome::Again | Outcome::Waits => {}
        }
        Flow::Spend(SimDuration::ZERO, Then::ReclaimerNext)
    }

    fn reclaim_written(&mut self, thread: ThreadId, own: ReclaimerId, done: bool) -> Flow {
        let now = self.now();
        let agent = self.w.host.reclaimer(own);
        let (vm, first) = (agent.vm, agent.began);
        if let Duty::Agent { what, left, round } = &mut agent.duty {
            *left = 0;
            let passed = now.saturating_since(first + what.at).as_ps() / what.every.as_ps();
            *round = passed + 1;
        }
        self.emit(Event::MemcgWritten { thread, vm, file: MemcgFile::Reclaim, done });
        self.until_due(thread, own)
    }
}
