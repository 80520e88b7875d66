//! A state written down under the names that things have in one order.

use crate::apf::guest::{GuestHalf, Sleeper};
use crate::apf::host::{
    AreaCache, Halt, HostVcpu, Lapic, Life, MmuMode, Operation, Scan, UserSetup,
};
use crate::apf::item::{Item, Work};
use crate::apf::{Notice, SharedArea};
use crate::base::ids::{Gfn, ItemId, Token, VcpuId};
use crate::base::record::ApfReason;

use super::outside::Outside;
use super::script::Script;
use super::world::{At, Cpu, Frame, Halting, Handler, Task, Then, World};

/// Which names have a meaning of their own.
#[derive(Clone, Debug)]
pub(super) struct Meaning {
    /// Whether the place of a frame in the hash matters.
    pub(super) slots: bool,
    /// The length of the cycle of a token counter, if its value has no meaning.
    pub(super) cycle: Option<u32>,
    pub(super) first: u32,
    pub(super) vcpu_bits: u8,
}

/// The names that things of one vCPU get.
pub(super) struct Names<'a> {
    pub(super) meaning: &'a Meaning,
    pub(super) world: &'a World,
    pub(super) vcpu: VcpuId,
    /// By new name, the old one.
    pub(super) pages: &'a [u8],
    pub(super) tasks: &'a [u8],
}

pub(super) const NONE: u8 = 255;

/// A token as it is written down.
type TokenText = [u8; 4];

impl Names<'_> {
    pub(super) fn page(&self, gfn: Gfn) -> u8 {
        let place = self.pages.iter().position(|&page| u64::from(page) == gfn.0);
        place.map_or(NONE - 1, |place| place as u8)
    }

    fn optional_page(&self, gfn: Option<Gfn>) -> u8 {
        gfn.map_or(NONE, |gfn| self.page(gfn))
    }

    fn task(&self, task: Option<u8>) -> u8 {
        let place = task.and_then(|task| self.tasks.iter().position(|&old| old == task));
        place.map_or(NONE, |place| place as u8)
    }

    /// A token: by its distance from the next one, or by its value where that has a meaning.
    fn token(&self, token: Token) -> TokenText {
        let Meaning { cycle, first, vcpu_bits, .. } = *self.meaning;
        let Some(cycle) = cycle else { return token.0.to_be_bytes() };
        let [high, low] = self.distance(token, cycle, (first, vcpu_bits));
        [high, low, 0, 0]
    }

    fn distance(&self, token: Token, cycle: u32, (first, vcpu_bits): (u32, u8)) -> [u8; 2] {
        if token == Token::WAKE_ALL {
            return [NONE, 0];
        }
        let (id, low) = (token.0 >> vcpu_bits, token.0 & ((1 << vcpu_bits) - 1));
        if low != u32::from(self.vcpu.0) || id < first || id - first >= cycle {
            // No token of this vCPU: a free slot, or what a tracer left.
            return [NONE - 1, u8::from(token != Token::NONE)];
        }
        let next = self.next_id();
        [((id + cycle - next) % cycle) as u8, 0]
    }

    fn next_id(&self) -> u32 {
        let next = self.world.apf.vcpu(self.vcpu).next_id;
        next.max(self.meaning.first)
    }

    fn notice(&self, notice: Notice, text: &mut Vec<u8>) {
        let Notice { token, reason } = notice;
        text.extend(self.token(token));
        text.push(of_reason(reason));
    }

    pub(super) fn vcpu_text(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(128);
        self.host(&mut text);
        self.guest(&mut text);
        self.cpu(&mut text);
        text
    }

    /// The items of this vCPU in an order that does not depend on their numbers.
    fn items(&self) -> Vec<ItemId> {
        let (state, items) = (self.world.apf.vcpu(self.vcpu), &self.world.apf.host.items);
        let mut ordered = state.queue.clone();
        let mut add = |id: ItemId| {
            if !ordered.contains(&id) {
                ordered.push(id);
            }
        };
        state.done.iter().for_each(|&id| add(id));
        items.iter().filter(|(_, item)| item.vcpu == self.vcpu).for_each(|(id, _)| add(id));
        let mut left: Vec<ItemId> = items
            .works()
            .filter(|&(id, work)| work.vcpu == self.vcpu && !ordered.contains(&id))
            .map(|(id, _)| id)
            .collect();
        left.sort_by_key(|&id| self.item_text(id));
        ordered.extend(left);
        ordered
    }

    fn item_text(&self, id: ItemId) -> Vec<u8> {
        let items = &self.world.apf.host.items;
        let mut text = Vec::with_capacity(16);
        let destroyer = self.world.apf.host.life == Life::Destroying(Some(id));
        text.push(of_flags(&[destroyer, self.world.vmm_waits == Some(id)]));
        match items.get(id) {
            None => text.push(NONE),
            Some(&Item { vcpu, token, fault, told, garbage, user }) => {
                // A corrupt list may lead to another vCPU's item.
                text.push(u8::from(vcpu == self.vcpu));
                text.extend(self.token(token));
                text.push(self.optional_page(fault.map(|fault| fault.gfn)));
                text.push(fault.map_or(NONE, |fault| self.mmu(fault.mmu)));
                text.push(u8::from(told) | u8::from(garbage) << 1);
                text.push(user.map_or(NONE, |stage| stage as u8));
            }
        }
        match items.work(id) {
            None => text.push(NONE),
            Some(work) => {
                let &Work { vcpu: _, gva, hva: _, worker: _, stage, .. } = work;
                let &Work { failed, first, saw_unacknowledged, .. } = work;
                text.push(self.page(Gfn(gva.page())));
                text.push(stage as u8);
                let flags = [failed, first, saw_unacknowledged];
                text.push(of_flags(&flags));
            }
        }
        text
    }

    fn mmu(&self, mmu: MmuMode) -> u8 {
        match mmu {
            MmuMode::Direct => 0,
            MmuMode::Shadow { cr3 } => {
                1 + self
                    .task(u8::try_from(cr3).ok().and_then(|cr3| cr3.checked_sub(1)))
                    .wrapping_add(1)
            }
        }
    }

    fn host(&self, text: &mut Vec<u8>) {
        let HostVcpu {
            en,
            asked,
            vector,
            area,
            next_id,
            queue,
            done,
            queued,
            gfns,
            error_gfns,
            deferred,
            halt_request,
            halted,
            hlt,
            blocked,
            woken,
            pv_kicked,
            pending,
            ready_request,
            unacknowledged,
            lapic,
            paging,
            smm,
            registered: _,
            notify_head: _,
            known_tail: _,
            stores: _,
            complete: _,
            operation,
        } = self.world.apf.vcpu(self.vcpu);
        let items = self.items();
        let number = |id: ItemId| {
            items.iter().position(|&item| item == id).map_or(NONE, |place| place as u8)
        };
        text.push(items.len() as u8);
        for &id in &items {
            text.extend(self.item_text(id));
        }
        for list in [queue, done] {
            text.push(list.len() as u8);
            text.extend(list.iter().map(|&id| number(id)));
        }
        text.push(deferred.map_or(NONE, number));
        if let At::Wait(item, _) = self.world.cpu(self.vcpu).at {
            text.push(number(item));
        }
        of_operation(*operation, &number, text);
        // Of the address it matters whether there is memory.
        let nowhere = u8::from(*en > u64::from(u8::MAX));
        text.extend([*en as u8, nowhere, *asked as u8, *vector, *queued as u8]);
        if self.meaning.cycle.is_none() {
            text.extend(next_id.to_be_bytes());
        }
        self.frames(gfns, text);
        let mut errors: Vec<u8> = error_gfns.iter().map(|&gfn| self.page(gfn)).collect();
        errors.sort_unstable();
        text.push(errors.len() as u8);
        text.extend(errors);
        text.push(self.optional_page(*halt_request));
        match *halted {
            None => text.push(NONE),
            Some(Halt { gfn, outlived }) => text.extend([self.page(gfn), u8::from(outlived)]),
        }
        let flags = [*hlt, *blocked, *woken, *pv_kicked, *ready_request, *unacknowledged];
        let AreaCache { valid, current, spoilt, moved } = *area;
        let Lapic { in_kernel, enabled, requested, in_service } = *lapic;
        text.extend([of_flags(&flags), of_flags(&[*paging, *smm, valid, current, spoilt, moved])]);
        text.extend([of_flags(&[in_kernel, enabled]), requested.unwrap_or(0)]);
        text.extend([in_service.unwrap_or(0), pending.len() as u8]);
        pending.iter().for_each(|&notice| self.notice(notice, text));
    }

    fn frames(&self, gfns: &crate::apf::gfn_table::GfnTable, text: &mut Vec<u8>) {
        text.push(gfns.len() as u8);
        if self.meaning.slots {
            let slots = gfns.slots().map(|slot| self.optional_page(slot));
            text.extend(slots);
            return;
        }
        let mut frames: Vec<u8> = gfns.slots().flatten().map(|gfn| self.page(gfn)).collect();
        frames.sort_unstable();
        text.extend(frames);
    }

    fn guest(&self, text: &mut Vec<u8>) {
        let apf = &self.world.apf;
        let GuestHalf { sleepers, cr2, enabled, in_handler } = &apf.guest;
        let index = self.vcpu.index();
        let mut entries: Vec<(TokenText, [u8; 2])> = Vec::new();
        for sleeper in sleepers.iter().filter(|sleeper| sleeper.vcpu == self.vcpu) {
            let Sleeper { token, vcpu: _, task, in_hlt } = *sleeper;
            let task = task.and_then(|task| World::task_of(self.vcpu, task));
            entries.push((self.token(token), [self.task(task), u8::from(in_hlt)]));
        }
        // Entries of one token stay in the order of their age.
        entries.sort_by_key(|&(token, _)| token);
        text.push(entries.len() as u8);
        for (token, rest) in entries {
            text.extend(token);
            text.extend(rest);
        }
        match cr2[index] {
            None => text.push(NONE),
            Some(notice) => self.notice(notice, text),
        }
        let SharedArea { word, token, writable, moved, foreign } = apf.areas[index];
        text.push(of_reason(word));
        text.extend(self.token(token));
        let flags = [writable, moved, foreign, enabled[index], in_handler[index]];
        text.push(of_flags(&flags));
    }

    fn at(&self, at: At, text: &mut Vec<u8>) {
        text.push(of_at(at));
        if let At::Outside(page, _) = at {
            text.push(self.page(Gfn(page.into())));
        }
    }

    fn cpu(&self, text: &mut Vec<u8>) {
        let Cpu { at, context, task, handler, frame, script, kicked, tasks, waits, budget } =
            self.world.cpu(self.vcpu);
        text.extend(self.pages.iter().map(|&page| waits[usize::from(page)] as u8));
        self.at(*at, text);
        text.extend([*context as u8, self.task(*task), u8::from(*kicked)]);
        match *handler {
            None => text.push(NONE),
            Some(Handler { stage, token }) => {
                text.push(stage as u8);
                text.extend(self.token(token));
            }
        }
        match *frame {
            None => text.push(NONE),
            Some(Frame { task, token, halting }) => {
                text.extend([self.task(Some(task)), u8::from(halting == Halting::Window)]);
                text.extend(self.token(token));
            }
        }
        text.push(script.map_or(NONE, |(script, at)| {
            at | match script {
                Script::Boot => 0,
                Script::Rewrite => 0x10,
                Script::Reset => 0x20,
                Script::Paging => 0x30,
                Script::Again => 0x40,
                Script::Rollback => 0x50,
                Script::Refused => 0x90,
                Script::Reboot => 0xa0,
                Script::RebootUntold => 0xb0,
                Script::TakeOver(takeover) => 0x60 + 0x10 * takeover as u8,
            }
        }));
        for &old in self.tasks {
            let Task { touched, page, context, sleeps } = tasks[usize::from(old)];
            let mask = self.pages.iter().enumerate();
            text.push(mask.fold(0, |mask, (to, &from)| mask | ((touched >> from) & 1) << to));
            text.push(self.optional_page(page.map(|page| Gfn(page.into()))));
            text.extend([context as u8, u8::from(sleeps)]);
        }
        text.extend_from_slice(budget.bytes());
    }
}

pub(super) fn of_flags(flags: &[bool]) -> u8 {
    flags.iter().enumerate().fold(0, |byte, (bit, &flag)| byte | u8::from(flag) << bit)
}

fn of_reason(reason: ApfReason) -> u8 {
    match reason {
        ApfReason::None => 0,
        ApfReason::NotPresent => 1,
        ApfReason::Ready => 2,
    }
}

fn of_then(then: Then) -> u8 {
    match then {
        Then::Top => 0,
        Then::Entry => 1,
    }
}

fn of_at(at: At) -> u8 {
    match at {
        At::Guest => 0,
        At::Advance(then) => 2 + of_then(then),
        // Which worker is waited for is written down with the items.
        At::Wait(_, then) => 4 + of_then(then),
        At::Look(then) => 6 + of_then(then),
        At::Popped(then) => 8 + of_then(then),
        At::Top => 10,
        At::Entry => 11,
        At::Blocked => 12,
        At::Stopped => 13,
        At::Dead => 14,
        At::Outside(_, Outside::Send { plain }) => 16 + u8::from(plain),
        At::Outside(_, Outside::Accept) => 18,
        At::Outside(_, Outside::Wait) => 19,
        At::Outside(_, Outside::Run) => 20,
    }
}

fn of_scan(scan: Option<Scan>) -> u8 {
    match scan {
        None => 0,
        Some(Scan::Request) => 1,
        Some(Scan::Ack) => 2,
    }
}

fn of_operation(operation: Option<Operation>, number: &dyn Fn(ItemId) -> u8, text: &mut Vec<u8>) {
    match operation {
        None => text.push(NONE),
        Some(Operation::Setup { item, step }) => text.extend([0, number(item), step]),
        Some(Operation::UserSetup { item, next }) => {
            let next = match next {
                UserSetup::TestArmed => 0,
                UserSetup::Announce { signal } => 1 + u8::from(signal),
                UserSetup::AnnounceAndExit => 3,
            };
            text.extend([6, number(item), next]);
        }
        Some(Operation::Scan(scan)) => text.extend([1, of_scan(Some(scan))]),
        Some(Operation::Delivery { item, silent, within }) => {
            text.extend([2, number(item), u8::from(silent), of_scan(within)]);
        }
        Some(Operation::Freeing { item, within }) => {
            text.extend([3, number(item), of_scan(within)]);
        }
        Some(Operation::WakeAll { item, seen }) => {
            text.extend([4, number(item), seen.unwrap_or(NONE)]);
        }
        Some(Operation::Clear) => text.push(5),
    }
}
