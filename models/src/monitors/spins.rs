//! Halts that return at once: INV-19.

use super::catalogue::INV_19;
use super::finding::{Breach, Context, Ledger};
use crate::base::ids::VcpuId;

/// Turns in a row that are still put down to bad luck. An assumption: real kernels spin about 90
/// times during one fault of 500 us, and a vCPU that is broken does so a million times a second.
const TOLERATED: u32 = 128;

/// What a vCPU did since it last left the guest.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    /// It was to halt.
    halts: bool,
    /// It slept, or something was delivered.
    useful: bool,
    /// Turns in a row, before this one, that were to halt and were of no use.
    row: u32,
}

/// The monitor of spinning halts.
#[derive(Clone, Debug)]
pub(super) struct Spins {
    vcpus: Vec<Turn>,
}

impl Spins {
    pub(super) fn new(vcpus: usize) -> Self {
        Self { vcpus: vec![Turn::default(); vcpus] }
    }

    pub(super) fn grow(&mut self, vcpus: usize) {
        self.vcpus.resize(vcpus, Turn::default());
    }

    /// The vCPU leaves the guest, to halt or for something else.
    pub(super) fn exit(&mut self, vcpu: VcpuId, halts: bool, at: Context<'_>, ledger: &mut Ledger) {
        let turn = &mut self.vcpus[vcpu.index()];
        let row = if turn.halts && !turn.useful { turn.row + 1 } else { 0 };
        *turn = Turn { halts, useful: false, row };
        if row == TOLERATED + 1 {
            let message = || {
                format!(
                    "{vcpu} was to halt {row} times in a row and neither slept nor got anything"
                )
            };
            let history = Vec::new;
            ledger.breach(INV_19, at, Breach { vcpu, token: None, message, history });
        }
    }

    /// The host halts the vCPU.
    pub(super) fn halt(&mut self, vcpu: VcpuId) {
        self.vcpus[vcpu.index()].halts = true;
    }

    /// The vCPU sleeps, or takes an interrupt or exception.
    pub(super) fn useful(&mut self, vcpu: VcpuId) {
        self.vcpus[vcpu.index()].useful = true;
    }
}
