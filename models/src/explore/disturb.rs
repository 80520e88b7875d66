//! Disturbances.

use crate::apf::host::Life;
use crate::apf::{Effect, Effects, GuestInput, HostInput, Input, Takeover};
use crate::base::ids::{Token, VcpuId};

use super::check::Log;
use super::script::Script;
use super::setup::{Disturbance, Setup};
use super::world::{At, Context, Handler, Task, Then, World};

/// What a tracer leaves in CR2: no token.
const ELSEWHERE: Token = Token(0x00de_ad00);

impl World {
    pub(super) fn disturb(
        &mut self,
        vcpu: VcpuId,
        which: Disturbance,
        setup: &Setup,
        log: &mut Log,
    ) {
        self.cpu_mut(vcpu).budget.take(which);
        match which {
            Disturbance::MsrRewrite => self.cpu_mut(vcpu).script = Some((Script::Rewrite, 0)),
            Disturbance::EnRewrite => self.cpu_mut(vcpu).script = Some((Script::Again, 0)),
            Disturbance::Reset => self.cpu_mut(vcpu).script = Some((Script::Reset, 0)),
            Disturbance::OfflineRollback => {
                self.cpu_mut(vcpu).script = Some((Script::Rollback, 0));
            }
            Disturbance::RefusedEn => self.cpu_mut(vcpu).script = Some((Script::Refused, 0)),
            Disturbance::AllocFailure => self.step_without_memory(vcpu, setup, log),
            Disturbance::NmiFault => self.nmi_fault(vcpu, log),
            Disturbance::Kexec => self.take_over(vcpu, Takeover::Restart),
            Disturbance::Hibernation => self.take_over(vcpu, Takeover::Hibernation),
            Disturbance::Crash => self.take_over(vcpu, Takeover::Crash),
            Disturbance::PagingOff => self.cpu_mut(vcpu).script = Some((Script::Paging, 0)),
            Disturbance::Smi => {
                self.host(vcpu, HostInput::EnterSmm { vcpu }, log);
            }
            Disturbance::LapicOff => self.switch_lapic(vcpu, false, log),
            Disturbance::AreaGone => {
                self.host(vcpu, HostInput::MapWord { vcpu, writable: false }, log);
            }
            Disturbance::PvKick => {
                self.host(vcpu, HostInput::PvKick { vcpu }, log);
            }
            Disturbance::DummyFailure => {
                if let Some(handler) = self.cpu(vcpu).handler {
                    self.handle(vcpu, handler, false, log);
                }
            }
            Disturbance::TracerFault => {
                let token = self.apf.guest.cr2[vcpu.index()].map_or(Token::NONE, |n| n.token);
                if let Some(Handler { stage, .. }) = self.cpu(vcpu).handler {
                    self.cpu_mut(vcpu).handler = Some(Handler { stage, token });
                }
                let input = GuestInput::TracerFault { vcpu, address: ELSEWHERE };
                self.input(vcpu, Input::Guest(input), log);
            }
            other => unreachable!("{other} is part of another move"),
        }
    }

    /// The next step of the guest's script, with no memory for a wake-all.
    fn step_without_memory(&mut self, vcpu: VcpuId, setup: &Setup, log: &mut Log) {
        if let Some(script) = self.cpu(vcpu).script {
            self.go_in_script(vcpu, script, false, setup, log);
        }
    }

    /// Whoever lost the word cannot go on, nor can the NMI that took it.
    fn nmi_fault(&mut self, vcpu: VcpuId, log: &mut Log) {
        let effects = self.input(vcpu, Input::Guest(GuestInput::NmiFault { vcpu }), log);
        if effects.contains(&Effect::WordTaken { vcpu }) {
            self.cpu_mut(vcpu).at = At::Dead;
        }
    }

    fn take_over(&mut self, vcpu: VcpuId, takeover: Takeover) {
        self.cpu_mut(vcpu).script = Some((Script::TakeOver(takeover), 0));
    }

    pub(super) fn end_disturbance(&mut self, vcpu: VcpuId, which: Disturbance, log: &mut Log) {
        match which {
            Disturbance::LapicOff => self.switch_lapic(vcpu, true, log),
            Disturbance::AreaGone => {
                self.host(vcpu, HostInput::MapWord { vcpu, writable: true }, log);
            }
            other => unreachable!("{other} does not last"),
        }
    }

    fn switch_lapic(&mut self, vcpu: VcpuId, enabled: bool, log: &mut Log) {
        self.host(vcpu, HostInput::SetLapic { vcpu, enabled }, log);
        self.exit(vcpu);
    }

    /// `without_memory` has a bit for each vCPU whose wake-all cannot be allocated.
    pub(super) fn disturb_vm(
        &mut self,
        which: Disturbance,
        without_memory: u8,
        setup: &Setup,
        log: &mut Log,
    ) {
        self.budget.take(which);
        match which {
            Disturbance::MemslotChange => {
                let moves = Some(VcpuId(0));
                self.host(VcpuId(0), HostInput::MemslotChange { moves }, log);
            }
            Disturbance::Migration => self.migrate(|_, saved| saved, without_memory, log),
            Disturbance::MigrationWithoutVector => {
                self.migrate(|_, (_, en)| (0, en), without_memory, log);
            }
            Disturbance::MigrationOneEnabled => {
                let one = |vcpu: VcpuId, (vector, en)| (vector, en * u64::from(vcpu.0 == 0));
                self.migrate(one, without_memory, log);
            }
            Disturbance::WriteProtect => self.protect(),
            Disturbance::VmmReset => self.restart_machine(setup, log),
            Disturbance::MapWrite => self.map_writer = self.apf.mmap_lock_readers() > 0,
            Disturbance::Destroy => {
                for cpu in &mut self.cpus {
                    cpu.at = At::Stopped;
                }
                self.go_on_destroying(log);
            }
            other => unreachable!("{other} is no disturbance of the VM"),
        }
    }

    /// `kept` is what the VMM writes of the INT and EN registers that it saved.
    fn migrate(
        &mut self,
        kept: fn(VcpuId, (u8, u64)) -> (u8, u64),
        without_memory: u8,
        log: &mut Log,
    ) {
        let saved: Vec<(u8, u64)> = self
            .vcpus()
            .map(|vcpu| (vcpu, self.apf.vcpu(vcpu)))
            .map(|(vcpu, state)| kept(vcpu, (state.vector, state.en)))
            .collect();
        self.host(VcpuId(0), HostInput::Restore, log);
        for (vcpu, registers) in self.vcpus().zip(saved) {
            let cpu = self.cpu_mut(vcpu);
            (cpu.kicked, cpu.at) = (false, At::Top);
            let memory = without_memory & (1 << vcpu.0) == 0;
            if !memory {
                self.cpu_mut(vcpu).budget.take(Disturbance::AllocFailure);
            }
            self.restore_registers(vcpu, registers, memory, log);
        }
    }

    /// The VMM writes the registers of power-on into vCPUs that live on, and the guest boots again:
    /// its new tasks touch what the old ones have not.
    fn restart_machine(&mut self, setup: &Setup, log: &mut Log) {
        self.input(VcpuId(0), Input::Guest(GuestInput::Restart), log);
        let script = if setup.notices { Script::Reboot } else { Script::RebootUntold };
        for vcpu in self.vcpus() {
            let cpu = self.cpu_mut(vcpu);
            (cpu.handler, cpu.frame, cpu.task) = (None, None, None);
            (cpu.script, cpu.kicked, cpu.context) = (Some((script, 0)), false, Context::User);
            for task in &mut cpu.tasks {
                *task = Task { touched: task.touched, ..Task::default() };
            }
            let effects = self.host(vcpu, HostInput::VmmReset { vcpu }, log);
            self.follow(vcpu, Then::Top, &effects);
        }
    }

    pub(super) fn go_on_destroying(&mut self, log: &mut Log) {
        let effects: Effects = self.host(VcpuId(0), HostInput::Destroy, log);
        self.vmm_waits = effects.iter().find_map(|effect| match *effect {
            Effect::WaitWorker { item } => Some(item),
            _ => None,
        });
        debug_assert_ne!(self.apf.host.life, Life::Used);
    }
}
