//! What may happen next in a state.

use crate::apf::host::Life;
use crate::apf::item::WorkStage;
use crate::apf::rules::GuestMemfd;
use crate::base::ids::VcpuId;

use super::outside::Outside;
use super::script::{Script, Step};
use super::setup::{Disturbance, Setup};
use super::world::{At, Context, Move, Stage, Task, World, pages_mask};

impl World {
    /// Everything that may happen next on one vCPU and with its items.
    pub(super) fn moves_of(&self, vcpu: VcpuId, setup: &Setup, moves: &mut Vec<Move>) {
        self.moves_of_thread(vcpu, setup, moves);
        self.moves_of_vmm(vcpu, setup, moves);
        for (item, work) in self.apf.host.items.works().filter(|(_, work)| work.vcpu == vcpu) {
            match work.stage {
                WorkStage::Queued | WorkStage::Fetching => {
                    let queued = work.stage == WorkStage::Queued;
                    let waiter = self.move_of_waiter(vcpu, item);
                    if queued && (setup.beginning_matters() || setup.by_uffd()) {
                        // Who comes to read the memory map waits for the VMM.
                        moves.extend((!self.map_writer).then_some(Move::Start(item)));
                        continue;
                    }
                    if self.reads_fail() {
                        moves.push(Move::Fail(item));
                        continue;
                    }
                    if let Some(waits) = waiter {
                        moves.extend(waits);
                        continue;
                    }
                    if self.handler_gone {
                        continue;
                    }
                    moves.push(Move::Fetch(item));
                    let may_fail = self.cpu(vcpu).budget.left(Disturbance::FetchFailure) > 0;
                    if may_fail {
                        moves.push(Move::Fail(item));
                    }
                }
                _ if self.apf.host.life == Life::Destroying(Some(item)) => {}
                _ => moves.push(Move::Work(item)),
            }
        }
    }

    fn moves_of_thread(&self, vcpu: VcpuId, setup: &Setup, moves: &mut Vec<Move>) {
        if self.is_quiet(vcpu, setup) {
            return;
        }
        let cpu = self.cpu(vcpu);
        match cpu.at {
            At::Guest => self.moves_in_guest(vcpu, setup, moves),
            At::Blocked => {
                if self.apf.vcpu(vcpu).woken {
                    moves.push(Move::Go(vcpu));
                } else {
                    moves.push(Move::Interrupt(vcpu));
                }
            }
            At::Wait(item, _) if self.apf.host.items.work(item).is_some() => {}
            At::Stopped | At::Dead => return,
            At::Outside(_, Outside::Wait) => {}
            At::Advance(_) if self.apf.waits_for_stores(vcpu) => {}
            At::Advance(_) => {
                moves.push(Move::Go(vcpu));
                let refusal = cpu.budget.left(Disturbance::EnqueueFailure) > 0;
                if refusal && self.apf.can_refuse_work(vcpu) {
                    moves.push(Move::RefuseWork(vcpu));
                }
            }
            At::Top => {
                moves.push(Move::Go(vcpu));
                let state = self.apf.vcpu(vcpu);
                let smi = cpu.budget.left(Disturbance::Smi) > 0;
                if smi && !state.smm && state.pending.is_empty() && cpu.script.is_none() {
                    moves.push(Move::Disturb(vcpu, Disturbance::Smi));
                }
            }
            At::Wait(..) | At::Look(_) | At::Popped(_) | At::Entry | At::Outside(..) => {
                moves.push(Move::Go(vcpu));
            }
        }
        self.anytime(vcpu, moves);
    }

    /// Disturbances that need nothing of the vCPU.
    fn anytime(&self, vcpu: VcpuId, moves: &mut Vec<Move>) {
        let cpu = self.cpu(vcpu);
        if cpu.budget.left(Disturbance::PvKick) > 0 {
            moves.push(Move::Disturb(vcpu, Disturbance::PvKick));
        }
        if !self.apf.areas[vcpu.index()].writable {
            moves.push(Move::EndDisturb(vcpu, Disturbance::AreaGone));
        } else if cpu.budget.left(Disturbance::AreaGone) > 0 {
            moves.push(Move::Disturb(vcpu, Disturbance::AreaGone));
        }
    }

    fn moves_in_guest(&self, vcpu: VcpuId, setup: &Setup, moves: &mut Vec<Move>) {
        let (cpu, state) = (self.cpu(vcpu), self.apf.vcpu(vcpu));
        if self.apf.ready_interrupt(vcpu).is_some() && self.interrupts_on(vcpu) {
            // The interrupt window opens before another instruction.
            moves.push(Move::Exit(vcpu));
            return;
        }
        let noticed = !state.done.is_empty() || state.ready_request || state.halt_request.is_some();
        if cpu.kicked || noticed {
            moves.push(Move::Exit(vcpu));
        }
        if state.smm || cpu.handler.is_some() || cpu.script.is_some() || cpu.frame.is_some() {
            moves.push(Move::Go(vcpu));
            self.inside(vcpu, moves);
            return;
        }
        self.accesses(vcpu, setup, moves);
        self.disturbances_in_guest(vcpu, moves);
    }

    /// Disturbances inside a handler or a script.
    fn inside(&self, vcpu: VcpuId, moves: &mut Vec<Move>) {
        let cpu = self.cpu(vcpu);
        let stage = cpu.handler.map(|handler| handler.stage);
        if stage == Some(Stage::Word) && cpu.budget.left(Disturbance::TracerFault) > 0 {
            moves.push(Move::Disturb(vcpu, Disturbance::TracerFault));
        }
        if stage == Some(Stage::Word) && cpu.budget.left(Disturbance::NmiFault) > 0 {
            moves.push(Move::Disturb(vcpu, Disturbance::NmiFault));
        }
        let wakes = matches!(stage, Some(Stage::Wake | Stage::ReadyWake));
        if wakes && cpu.budget.left(Disturbance::DummyFailure) > 0 {
            moves.push(Move::Disturb(vcpu, Disturbance::DummyFailure));
        }
        let step = cpu.script.map(|(script, at)| script.steps()[usize::from(at)]);
        if step == Some(Step::WriteEn) && cpu.budget.left(Disturbance::AllocFailure) > 0 {
            moves.push(Move::Disturb(vcpu, Disturbance::AllocFailure));
        }
        let boots = cpu.script == Some((Script::Boot, 0));
        let lapic = self.apf.vcpu(vcpu).lapic.enabled;
        if boots && lapic && cpu.budget.left(Disturbance::LapicOff) > 0 {
            moves.push(Move::Disturb(vcpu, Disturbance::LapicOff));
        }
    }

    fn accesses(&self, vcpu: VcpuId, setup: &Setup, moves: &mut Vec<Move>) {
        let cpu = self.cpu(vcpu);
        let all = pages_mask(setup.pages);
        let ready = |task: &Task| !task.sleeps && task.touched != all;
        let keeper = |task: &Task| ready(task) && task.page.is_some() && task.context.keeps_vcpu();
        let kept = cpu.tasks.iter().position(keeper);
        let mut none = true;
        for (index, task) in cpu.tasks.iter().enumerate().filter(|(_, task)| ready(task)) {
            none = false;
            if kept.is_some_and(|kept| kept != index) {
                continue;
            }
            let task_id = index as u8;
            for page in 0..setup.pages {
                let wanted = task.page.map_or(task.touched & (1 << page) == 0, |own| own == page);
                if wanted {
                    self.accesses_of(vcpu, (task_id, task, page), moves);
                }
            }
        }
        if none {
            moves.push(Move::Idle(vcpu));
        }
    }

    fn accesses_of(&self, vcpu: VcpuId, (id, task, page): (u8, &Task, u8), moves: &mut Vec<Move>) {
        let budget = self.cpu(vcpu).budget;
        let access = |context, failure| Move::Access { vcpu, task: id, page, context, failure };
        moves.push(access(task.context, false));
        if self.may_write(page) {
            return;
        }
        if budget.left(Disturbance::AllocFailure) > 0 {
            moves.push(access(task.context, true));
        }
        if task.page.is_none() {
            let has_private = self.apf.rules.guest_memfd != GuestMemfd::None;
            let special = Context::SPECIAL.iter().filter(|&&(which, context)| {
                budget.left(which) > 0 && (has_private || context != Context::Private)
            });
            moves.extend(special.map(|&(_, context)| access(context, false)));
        }
    }

    fn disturbances_in_guest(&self, vcpu: VcpuId, moves: &mut Vec<Move>) {
        let (cpu, state) = (self.cpu(vcpu), self.apf.vcpu(vcpu));
        let through = self.cpu(vcpu).tasks.iter().any(|task| task.context.keeps_vcpu());
        use Disturbance::{MsrRewrite, OfflineRollback, PagingOff, Reset};
        for disturbance in [MsrRewrite, Reset, OfflineRollback, PagingOff] {
            if cpu.budget.left(disturbance) > 0 && !through {
                moves.push(Move::Disturb(vcpu, disturbance));
            }
        }
        for disturbance in [Disturbance::EnRewrite, Disturbance::RefusedEn] {
            let may = cpu.budget.left(disturbance) > 0;
            if may && self.apf.notices_on(vcpu) && !through {
                moves.push(Move::Disturb(vcpu, disturbance));
            }
        }
        let last = self.vcpus().all(|other| other == vcpu || !self.apf.notices_on(other));
        for disturbance in [Disturbance::Kexec, Disturbance::Hibernation, Disturbance::Crash] {
            if cpu.budget.left(disturbance) > 0 && last && !through {
                moves.push(Move::Disturb(vcpu, disturbance));
            }
        }
        if !state.lapic.enabled {
            moves.push(Move::EndDisturb(vcpu, Disturbance::LapicOff));
        } else if cpu.budget.left(Disturbance::LapicOff) > 0 {
            moves.push(Move::Disturb(vcpu, Disturbance::LapicOff));
        }
    }

    /// Everything that may happen next to the VM as a whole.
    pub(super) fn moves_of_vm(&self, setup: &Setup, moves: &mut Vec<Move>) {
        if self.apf.host.life == Life::Destroyed {
            return;
        }
        self.moves_of_protector(moves);
        if setup.has_others() && !self.reads_fail() {
            let missing = (0..setup.pages).filter(|&page| !self.is_resident(page));
            moves.extend(missing.map(Move::Arrive));
        }
        if self.apf.host.life == Life::Destroying(None) {
            let over = |item| self.apf.host.items.work(item).is_none();
            if self.vmm_waits.is_none_or(over) {
                moves.push(Move::GoOnDestroying);
            }
            return;
        }
        if self.apf.host.life != Life::Used {
            return;
        }
        if self.budget.left(Disturbance::Evict) > 0 {
            let there = (0..setup.pages).filter(|&page| self.is_resident(page));
            moves.extend(there.map(Move::Evict));
        }
        if self.budget.left(Disturbance::Rearm) > 0 && setup.by_vmm() {
            let there = (0..setup.pages).filter(|&page| self.bits & (1 << page) == 0);
            moves.extend(there.map(Move::Rearm));
        }
        for (disturbance, _) in self.budget.iter() {
            let free = match disturbance {
                Disturbance::Evict | Disturbance::ReadError | Disturbance::Rearm => false,
                Disturbance::MemslotChange | Disturbance::MapWrite => true,
                Disturbance::WriteProtect if !setup.by_uffd() || !self.protection.is_over() => {
                    false
                }
                _ => self.vcpus().all(|vcpu| self.can_stop(vcpu)),
            };
            if free {
                moves.push(Move::DisturbVm(disturbance));
                self.migrations_without_memory(disturbance, moves);
            }
        }
    }

    /// The same migration, and no memory for the wake-all of some vCPUs.
    fn migrations_without_memory(&self, which: Disturbance, moves: &mut Vec<Move>) {
        use Disturbance::{Migration, MigrationOneEnabled, MigrationWithoutVector};
        if !matches!(which, Migration | MigrationOneEnabled | MigrationWithoutVector) {
            return;
        }
        let may = |vcpu: &VcpuId| {
            self.apf.notices_on(*vcpu) && self.cpu(*vcpu).budget.left(Disturbance::AllocFailure) > 0
        };
        let able = self.vcpus().filter(may).fold(0_u8, |able, vcpu| able | 1 << vcpu.0);
        let some = (1..=able).filter(|vcpus| vcpus & !able == 0);
        moves.extend(some.map(|vcpus| Move::MigrateNoMemory(which, vcpus)));
    }

    /// Whether the VMM can have the vCPU thread back here.
    fn can_stop(&self, vcpu: VcpuId) -> bool {
        self.apf.vcpu(vcpu).operation.is_none()
            && matches!(self.cpu(vcpu).at, At::Guest | At::Top | At::Blocked)
    }
}
