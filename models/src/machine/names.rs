//! Names of threads, tasks and events, for messages.

use super::host::ThreadKind;
use super::world::{MachineEvent, World};
use crate::base::ids::{TaskId, ThreadId};
use crate::base::record::IoKind;

impl World {
    pub(super) fn thread_name(&self, thread: ThreadId) -> String {
        match self.host.kind_of(thread) {
            ThreadKind::Vcpu(vcpu) => match self.guest.current(vcpu) {
                Some(task) => format!("{vcpu}, which runs {},", self.task_name(task)),
                None => format!("{vcpu}"),
            },
            ThreadKind::Worker(worker) => format!("{worker}"),
            ThreadKind::Reclaimer(_) => {
                "a thread that reclaims (`host.memory_limits`, `host.proactive_reclaim`, `host.kswapd`, `guest.balloon`),".into()
            }
            ThreadKind::Shrinker => "the worker of zswap (`host.swap.zswap`),".into(),
            ThreadKind::Handler(handler) => {
                format!("{handler}, which answers page faults (`host.stores`),")
            }
        }
    }

    /// A task with the group that it is of.
    fn task_name(&self, task: TaskId) -> String {
        let groups = &self.setup.config.workload.tasks;
        match self.guest.group_of(task).and_then(|group| groups.get(group.index())) {
            Some(group) => format!("{task} ({})", group.name),
            None => format!("{task} (prefill)"),
        }
    }

    pub(super) fn event_name(&self, event: MachineEvent) -> String {
        match event {
            MachineEvent::ThreadStep(thread) => {
                let doing = self.host.then_of(thread).doing();
                format!("work of {} ({doing})", self.thread_name(thread).trim_end_matches(','))
            }
            MachineEvent::DeviceComplete(id) => {
                let request = self.host.request(id);
                match request.map(|request| request.op) {
                    Some(IoKind::Write) => "a write of the swap device (`host.swap.device`)".into(),
                    _ => "a read of the swap device (`host.swap.device`)".into(),
                }
            }
            MachineEvent::RequestDone(_) => "the interrupt of a request".into(),
            MachineEvent::ItemRead(item) => format!("the interrupt that completes {item}"),
            MachineEvent::Arrival(group) => {
                let groups = &self.setup.config.workload.tasks;
                let name = groups.get(group.index()).map_or("", |group| group.name.as_str());
                format!("the arrival of a request for `{name}`")
            }
            MachineEvent::TaskTimer(task) => format!("the sleep of {}", self.task_name(task)),
            MachineEvent::DelayedWake(task) => format!("the wake-up of {}", self.task_name(task)),
            MachineEvent::VcpuTimer(vcpu) => format!("the timer of {vcpu}"),
            MachineEvent::HostTick(pcpu) => format!("the tick of {pcpu}"),
            MachineEvent::Disturb(index) => format!("disturbance {index}"),
            MachineEvent::MapWritten(_) => "a change of the memory map".into(),
            MachineEvent::ThrottleWindow => "a window of write-back throttling".into(),
            MachineEvent::ThreadTimer(thread) | MachineEvent::HandlerWoken(thread) => {
                format!("the timer of {}", self.thread_name(thread).trim_end_matches(','))
            }
            MachineEvent::BalloonRetry(_) | MachineEvent::BalloonReport(_) => {
                "a timer of the balloon's driver (`guest.balloon`)".into()
            }
            MachineEvent::Restored(_) => "the start of the guest's tasks".into(),
            MachineEvent::Phase(phase) => format!("the phase {phase:?}"),
            MachineEvent::Barrier => "the start barrier".into(),
        }
    }
}
