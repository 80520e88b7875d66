//! Tasks and notices begin: at power-on, and at the start barrier.

use std::sync::Arc;

use sim_core::{Cycles, EventQueue, SimDuration, SimTime};

use super::choices::Choices;
use super::task::{KernelMode, MAX_COUNTERS, Program, Task, TaskState};
use crate::base::ids::{GroupId, RegionId, TaskId, VcpuId, VmId};
use crate::base::record::{Event, TaskRole};
use crate::config::{Op, Pattern, TaskGroup};
use crate::machine::world::{Cx, Hypervisor, MachineEvent};
use crate::parts::pages::Cursor;
use crate::parts::sched::Entity;

/// A task that is to be made.
struct NewTask<'a> {
    vm: VmId,
    role: TaskRole,
    group: GroupId,
    program: Program,
    /// First page of a sequential walk.
    next_page: u64,
    /// Where it begins in each walk.
    cursors: Vec<Cursor>,
    /// Name the streams that it draws pages and numbers from.
    labels: (&'a str, &'a str),
    /// Where it starts; none: where the fewest tasks are.
    on: Option<VcpuId>,
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    fn new_task(&mut self, new: NewTask<'_>) {
        let id = TaskId(self.w.guest.tasks.len() as u32);
        let passes = new.program.passes();
        let draws = self.w.guest.streams.stream(new.labels.0);
        let numbers = self.w.guest.streams.stream(new.labels.1);
        let traces = self.w.setup.config.workload.addresses.len();
        self.w.guest.tasks.push(Task {
            role: new.role,
            group: new.group,
            vcpu: VcpuId(0),
            state: TaskState::Runnable,
            ran_until: SimTime::ZERO,
            program: new.program,
            pc: 0,
            passes: 0,
            busy: Cycles::ZERO,
            kernel: KernelMode::default(),
            choices: Choices::new(draws, new.next_page, new.cursors, traces),
            numbers,
            counters: [0; MAX_COUNTERS],
            done: 0,
            counted: Cycles::ZERO,
            reported: 0,
            majors: Vec::new(),
            frames: Vec::new(),
            discard: None,
        });
        self.w.guest.entities.push(Entity::default());
        self.place_new_task(id, new.vm, new.on);
        if let Some(passes) = passes {
            self.emit(Event::TaskPasses { task: id, passes });
        }
    }

    /// The main task of a virtual machine, which fills its regions that are to be filled. False: there
    /// are none.
    pub(in crate::machine) fn start_main_task(&mut self, vm: VmId) -> bool {
        let config = &self.w.setup.config;
        let own = config.regions_of(vm);
        let regions = config.workload.regions.iter().zip(0u16..);
        let regions: Vec<(RegionId, u64)> = regions
            .filter(|(region, id)| region.prefill && own.contains(&usize::from(*id)))
            .map(|(region, id)| (RegionId(id), region.pages))
            .collect();
        if regions.is_empty() {
            return false;
        }
        let program = Program::Fill { regions, at: 0, page: 0 };
        // It serves no requests, so that no record names its group.
        let (role, group, cursors) = (TaskRole::Main, GroupId::default(), Vec::new());
        let labels = ("main", "main numbers");
        self.new_task(NewTask {
            vm,
            role,
            group,
            program,
            next_page: 0,
            cursors,
            labels,
            on: None,
        });
        true
    }

    /// All vCPUs whose guests have asynchronous page faults are asked to switch notices on.
    pub(in crate::machine) fn enable_notices(&mut self) {
        for vcpu in (0..self.w.guest.cpus.len() as u16).map(VcpuId) {
            if !self.enables_notices(vcpu) {
                continue;
            }
            self.w.guest.cpus[vcpu.index()].enable_pending = true;
            self.interrupt(vcpu);
        }
    }

    /// Whether the policy of a vCPU's virtual machine lets its guest switch notices on.
    pub(super) fn enables_notices(&self, vcpu: VcpuId) -> bool {
        let policy = self.w.setup.policy_of(self.w.setup.vm(vcpu));
        policy.is_some_and(|policy| policy.guest_enabled)
    }

    /// The start barrier is passed: times of programs count from here, and requests arrive.
    pub(in crate::machine) fn note_start(&mut self) {
        self.w.guest.started = self.now();
        for group in (0..self.w.guest.lines.len() as u16).map(GroupId) {
            self.next_arrival(group);
        }
    }

    /// The tasks of a group start.
    pub(in crate::machine) fn start_group(&mut self, vm: VmId, id: GroupId, group: &TaskGroup) {
        let ops = Arc::new(group.program.clone());
        let sequential = group.program.iter().find_map(|op| match op {
            Op::Access { region, pattern: Pattern::Sequential, .. } => Some(*region),
            _ => None,
        });
        let shared = |op: &Op| matches!(op, Op::Access { pattern: Pattern::Shared, .. });
        let shared = group.program.iter().any(shared);
        let pages =
            sequential.map_or(0, |region| self.w.guest.tables[vm.index()].region_pages(region));
        for n in 0..u64::from(group.count) {
            let label = match shared {
                true => format!("group {}", group.name),
                false => format!("task {} {n}", group.name),
            };
            let program = Program::Loop { ops: ops.clone() };
            let on = match group.start_on.len() as u64 {
                0 => None,
                places => Some(group.start_on[(n % places) as usize]),
            };
            let next_page = pages * n / u64::from(group.count);
            let numbers = format!("numbers {} {n}", group.name);
            let (role, labels) = (group.role, (label.as_str(), numbers.as_str()));
            let walks = &self.w.setup.config.workload.walks;
            let tables = &self.w.guest.tables[vm.index()];
            let pages = walks.iter().map(|walk| tables.region_pages(walk.region));
            let cursors = pages.map(|pages| Cursor::spaced(pages, n, group.count.into())).collect();
            let group = id;
            self.new_task(NewTask { vm, role, group, program, next_page, cursors, labels, on });
        }
    }

    /// A system management interrupt comes, whose handler takes so long.
    pub(in crate::machine) fn raise_smi(&mut self, vcpu: VcpuId, span: SimDuration) {
        self.w.guest.cpus[vcpu.index()].smi_pending.get_or_insert(span);
        self.interrupt(vcpu);
    }
}
