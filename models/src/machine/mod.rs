//! The machine: where the parts meet. Events are dispatched here and nowhere else.
//!
//! Each room's part of the machine stands with the room, as methods of [`Cx`]: tasks and the guest
//! kernel in `guest`, the vCPU's loop and guest mode in `vcpu`, threads, workers and page fetching
//! in `host`. Here are the state, the events, the protocol's driver, and the one path of a fault.
//!
//! The life of a fault can be followed file by file: `guest/burst` (a task touches a gva, the walk
//! finds no second-stage entry) -> `vcpu/guest_mode` (the vCPU leaves the guest) ->
//! `machine/fault_path` (lookup without waiting, decision) -> `host/fetch` and `host/worker` (the
//! page is brought) -> `vcpu/run_loop` (page ready is delivered) -> `guest/kernel` (the task is
//! woken) -> `guest/scheduler` (it runs).

mod build;
pub(crate) mod event;
mod fault_path;
mod protocol;
mod run;
pub(crate) mod world;

use sim_core::{EventHandle, EventKey, EventQueue, Frequency, Model, SimDuration, SimTime};

use crate::trace::Event;

pub use build::KERNEL_FRAMES;
pub use event::MachineEvent;
pub use run::{Prefix, RunError, RunOutput, RunSettings, prefill, run};
pub use world::World;

/// The world while one event happens to it.
pub(crate) struct Cx<'a, Q> {
    pub(crate) w: &'a mut World,
    pub(crate) queue: &'a mut Q,
    /// The event's place in the total order.
    pub(crate) key: EventKey,
    pub(crate) frequency: Frequency,
}

impl<Q> Cx<'_, Q> {
    pub(crate) fn now(&self) -> SimTime {
        self.key.time()
    }

    pub(crate) fn emit(&mut self, event: Event) {
        let now = self.key.time();
        self.w.trace.emit(now, event);
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Lets an event happen at `time`, after all that caused it.
    pub(crate) fn schedule(&mut self, time: SimTime, event: MachineEvent) -> EventHandle {
        let key = event.key_after(time, self.key).unwrap_or_else(|| {
            let failure = world::Failure::TimeStandsStill(time);
            self.w.failure.get_or_insert(failure);
            event.key(time + SimDuration::from_ps(1))
        });
        self.queue.schedule(key, event)
    }
}

impl World {
    fn at<'a, Q: EventQueue<MachineEvent>>(
        &'a mut self,
        key: EventKey,
        queue: &'a mut Q,
    ) -> Cx<'a, Q> {
        let frequency = self.config.cpu.frequency;
        Cx { w: self, queue, key, frequency }
    }

    /// Power-on.
    fn start<Q: EventQueue<MachineEvent>>(&mut self, queue: &mut Q) {
        let mut cx = self.at(EventKey::MIN, queue);
        cx.power_on();
        cx.settle();
    }
}

impl Model for World {
    type Event = MachineEvent;

    fn handle<Q: EventQueue<MachineEvent>>(
        &mut self,
        key: EventKey,
        event: MachineEvent,
        queue: &mut Q,
    ) {
        let mut cx = self.at(key, queue);
        match event {
            MachineEvent::ThreadStep(thread) => cx.thread_step(thread),
            MachineEvent::VcpuTimer(vcpu) => cx.vcpu_timer(vcpu),
            MachineEvent::HostTick(pcpu) => cx.host_tick(pcpu),
            MachineEvent::DeviceComplete(request) => cx.device_complete(request),
            MachineEvent::TaskTimer(task) => cx.wake_task(task),
            MachineEvent::Phase(phase) => cx.phase(phase),
            MachineEvent::Barrier => cx.barrier(),
        }
        cx.settle();
    }
}
