//! The tracks of outstanding faults: one for each that is outstanding at a time on a vCPU.

use sim_core::SimTime;

use super::board::{Board, Gauge};
use super::cast::Cast;
use super::flows::Flows;
use super::lane::Pool;
use super::mark::{Flow, Slice, TrackId};
use crate::base::ids::{Gfn, Gva, Token, VcpuId, VmId};
use crate::base::record::Event;

/// An item that is outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Item {
    token: Token,
    gva: Option<Gva>,
    linked: SimTime,
    /// The guest was told of it, or is going to be.
    told: bool,
}

#[derive(Clone, Debug)]
struct Vcpu {
    items: Pool<Item>,
    /// The last fault that went through the gate.
    tried: Option<(Gva, Gfn)>,
    vm: VmId,
}

/// The outstanding faults of all vCPUs.
#[derive(Clone, Debug)]
pub(super) struct Items {
    vcpus: Vec<Vcpu>,
    /// How many there are, by virtual machine.
    outstanding: Vec<Gauge>,
}

impl Items {
    /// Under the tracks of the vCPUs.
    pub(super) fn new(
        board: &mut Board,
        cast: &Cast,
        vms: &[TrackId],
        vcpus: &[TrackId],
        begin: SimTime,
    ) -> Self {
        let of_vm = |&vm: &TrackId| Gauge::new(board, vm, "outstanding faults", -3, begin);
        let outstanding = vms.iter().map(of_vm).collect();
        let of_vcpu = |(&track, &vm): (&TrackId, &VmId)| Vcpu {
            items: Pool::new(track, "outstanding", 10),
            tried: None,
            vm,
        };
        let vcpus = vcpus.iter().zip(&cast.vcpus).map(of_vcpu).collect();
        Self { vcpus, outstanding }
    }

    pub(super) fn observe(
        &mut self,
        board: &mut Board,
        flows: &mut Flows,
        now: SimTime,
        event: &Event,
    ) {
        match *event {
            Event::KvmTryAsyncGetPage { vcpu, gva, gfn } => {
                if let Some(own) = self.vcpus.get_mut(vcpu.index()) {
                    own.tried = Some((gva, gfn));
                }
            }
            Event::ItemLink { vcpu, token, gfn } => {
                let Some(own) = self.vcpus.get_mut(vcpu.index()) else { return };
                let tried = own.tried.filter(|&(_, tried)| tried == gfn);
                let gva = tried.map(|(gva, _)| gva);
                let item = Item { token, gva, linked: now, told: false };
                let flow = flows.begin(vcpu, token);
                let slice = Slice::new(UNTOLD).hex("token", token.0).hex("gfn", gfn.0).on(flow);
                own.items.begin(board, now, item, slice);
                self.outstanding[own.vm.index()].add(board, now, 1);
            }
            Event::NotPresentQueued { vcpu, token, .. } => self.tell(vcpu, token),
            Event::ItemDone { vcpu, token } => {
                let Some(own) = self.vcpus.get_mut(vcpu.index()) else { return };
                let mut linked = now;
                let is = |item: &Item| item.token == token;
                if let Some(item) = own.items.key_mut(is) {
                    linked = item.linked;
                }
                if let Some(slice) = own.items.get_mut(is) {
                    let fetched = now.saturating_since(linked).as_ns();
                    *slice = slice.clone().number("fetched_after_ns", fetched);
                }
            }
            Event::ItemUnlink { vcpu, token } if token != Token::WAKE_ALL => {
                let Some(own) = self.vcpus.get_mut(vcpu.index()) else { return };
                let Some(item) = own.items.end(board, now, |item| item.token == token) else {
                    return;
                };
                if !item.told {
                    flows.forget(vcpu, token);
                }
                self.outstanding[own.vm.index()].add(board, now, -1);
            }
            _ => {}
        }
    }

    fn tell(&mut self, vcpu: VcpuId, token: Token) {
        let Some(own) = self.vcpus.get_mut(vcpu.index()) else { return };
        let is = |item: &Item| item.token == token;
        if let Some(item) = own.items.key_mut(is) {
            item.told = true;
        }
        if let Some(slice) = own.items.get_mut(is) {
            slice.name = TOLD.into();
        }
    }

    /// Which item a page is for that was fetched for an address of a vCPU.
    pub(super) fn flow_at(
        &mut self,
        flows: &Flows,
        vcpu: VcpuId,
        gva: Gva,
    ) -> Option<(Token, Option<Flow>)> {
        let own = self.vcpus.get_mut(vcpu.index())?;
        let token = own.items.key_mut(|item| item.gva == Some(gva))?.token;
        Some((token, flows.at(vcpu, token)))
    }

    pub(super) fn close(&mut self, board: &mut Board, now: SimTime) {
        for vcpu in &mut self.vcpus {
            vcpu.items.close(board, now);
        }
    }
}

/// An outstanding fault of which the guest is told.
pub(super) const TOLD: &str = "not present";
/// One of which it is not: its vCPU is halted instead, or nobody has been told yet.
pub(super) const UNTOLD: &str = "not told";
