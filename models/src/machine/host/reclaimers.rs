//! Background reclaimers: threads of the host that take pages, but for no fault of their own. When they run; what
//! each kind does is in `limits`, `agents`, `kswapd`, `balloon` and `protection`.

use sim_core::EventQueue;

use super::duties::{Duty, Reclaimer};
use super::state::Host;
use crate::base::ids::{ReclaimerId, ThreadId, VmId};
use crate::base::record::{Event, MemcgFile};
use crate::machine::world::{Cx, Flow, MachineEvent, Then};

/// Which duty a thread has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) enum DutyKind {
    Limits,
    Agent,
    Kswapd,
    Balloon,
    Protect,
}

impl Host {
    /// What a thread is for.
    pub(in crate::machine) fn duty_of(&self, own: ReclaimerId) -> DutyKind {
        match self.reclaimers[own.index()].duty {
            Duty::Limits(_) => DutyKind::Limits,
            Duty::Agent { .. } => DutyKind::Agent,
            Duty::Kswapd { .. } => DutyKind::Kswapd,
            Duty::Balloon(_) => DutyKind::Balloon,
            Duty::Protect(_) => DutyKind::Protect,
        }
    }

    pub(super) fn reclaimer(&mut self, own: ReclaimerId) -> &mut Reclaimer {
        &mut self.reclaimers[own.index()]
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The start barrier: the times of such threads count from here.
    pub(in crate::machine) fn begin_reclaimers(&mut self) {
        self.tell_limits();
        let now = self.now();
        for place in 0..self.w.host.reclaimers.len() {
            let own = &mut self.w.host.reclaimers[place];
            own.began = now;
            let (thread, due) = (own.thread, own.due());
            if let Some(due) = due {
                self.schedule(due, MachineEvent::ThreadTimer(thread));
            }
        }
    }

    /// What containers may hold whose limits are controlled.
    fn tell_limits(&mut self) {
        let config = self.w.setup.config.clone();
        let control = &config.host.memory_control;
        let whole = config.first_of_host().filter(|_| control.kswapd.is_some());
        let concerned = |vm: &VmId| control.concerns(*vm) || whole == Some(*vm);
        for vm in config.vm_ids().filter(concerned) {
            let (file, pages) = (MemcgFile::Max, config.container_of(vm).limit_pages);
            self.emit(Event::MemcgLimit { vm, file, pages });
        }
        for &(vm, pages) in &control.highs {
            self.emit(Event::MemcgLimit { vm, file: MemcgFile::High, pages });
        }
    }

    /// The thread sleeps until its time comes again, if it does.
    pub(super) fn until_due(&mut self, thread: ThreadId, own: ReclaimerId) -> Flow {
        match self.w.host.reclaimer(own).due() {
            Some(due) => self.sleep_until(thread, due, Then::ReclaimerWoken),
            None => {
                self.block_thread(thread, Then::ReclaimerWoken);
                Flow::Stopped
            }
        }
    }
}
