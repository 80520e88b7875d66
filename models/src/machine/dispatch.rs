//! Events are dispatched here and nowhere else.

use sim_core::{EventKey, EventQueue, Model};

use super::guest::DriverWork;
use super::world::{Cx, MachineEvent, World};

impl World {
    fn at<'a, Q: EventQueue<MachineEvent>>(
        &'a mut self,
        key: EventKey,
        queue: &'a mut Q,
    ) -> Cx<'a, Q> {
        let frequency = self.setup.frequency();
        Cx { w: self, queue, key, frequency }
    }

    /// Power-on.
    pub(super) fn start<Q: EventQueue<MachineEvent>>(&mut self, queue: &mut Q) {
        let mut cx = self.at(EventKey::MIN, queue);
        cx.power_on();
        cx.settle();
        cx.finish();
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
            MachineEvent::RequestDone(request) => cx.request_done(request),
            MachineEvent::ItemRead(item) => cx.complete_native(item),
            MachineEvent::Arrival(group) => cx.request_arrives(group),
            MachineEvent::TaskTimer(task) => cx.task_timer(task),
            MachineEvent::DelayedWake(task) => cx.wake_task(task),
            MachineEvent::Disturb(index) => cx.disturb(index),
            MachineEvent::ThrottleWindow => cx.throttle_window(),
            MachineEvent::MapWritten(vm) => cx.map_written(vm),
            MachineEvent::ThreadTimer(thread) => cx.thread_timer(thread),
            MachineEvent::HandlerWoken(thread) => cx.wake_thread(thread),
            MachineEvent::Restored(vm) => cx.start_groups(vm),
            MachineEvent::BalloonRetry(vm) => cx.balloon_timer(vm, DriverWork::Retry),
            MachineEvent::BalloonReport(vm) => cx.balloon_timer(vm, DriverWork::Report),
            MachineEvent::Phase(phase) => cx.phase(phase),
            MachineEvent::Barrier => cx.barrier(),
        }
        cx.settle();
        cx.finish();
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Ends an event: carries out thread steps as long as they come before everything that is
    /// queued.
    fn finish(&mut self) {
        while let Some(thread) = self.step_ahead() {
            self.thread_step(thread);
            self.settle();
        }
        self.w.reached = self.now();
    }
}
