//! A VMM that answers faults, in the words of a trace.

use crate::apf::VmmEffect;
use crate::apf::host::CompletedBy;
use crate::apf::ring::Store;
use crate::apf::vmm::{Abuse, Storer};
use crate::base::ids::VcpuId;

use super::actor::Actor;
use super::outside::VmmMove;
use super::world::World;

/// Who makes a move.
pub(super) fn actor(vcpu: VcpuId, chosen: VmmMove) -> Actor {
    match chosen {
        VmmMove::Visible(Storer::Kernel, _)
        | VmmMove::SendFails
        | VmmMove::Ignore
        | VmmMove::WaitForAnswer => Actor::Thread(vcpu),
        VmmMove::Complete => Actor::Worker,
        _ => Actor::Vmm(vcpu),
    }
}

/// What a move is, where its effects do not say it all.
pub(super) fn title(world: &World, vcpu: VcpuId, chosen: VmmMove) -> Option<String> {
    Some(match chosen {
        VmmMove::Visible(storer, index) => {
            let store = world.apf.stores(vcpu, storer).iter().nth(usize::from(index))?;
            format!("others see {}", of_store(store))
        }
        VmmMove::AnswerEarly(_) => "takes a later fault first".to_owned(),
        VmmMove::AnswerTwice(_) => "will answer it once more".to_owned(),
        VmmMove::SendFails => "the fault cannot be passed on".to_owned(),
        VmmMove::Ignore => "does not look at the fault".to_owned(),
        VmmMove::WaitForAnswer => "waits for the answer, and says nothing to the kernel".to_owned(),
        VmmMove::Die => "ends, or hangs for good".to_owned(),
        VmmMove::Complete => "the kernel's work for answers".to_owned(),
        VmmMove::Read => "reads the ring".to_owned(),
        VmmMove::Answer(_) | VmmMove::Abuse(_) => return None,
    })
}

fn of_store(store: Store) -> String {
    match store {
        Store::NotifyEntry(number, entry) => {
            format!("entry {number} of the ring of faults (gfn {})", entry.gfn)
        }
        Store::NotifyHead(head) => format!("head {head} of the ring of faults"),
        Store::NotifyTail(tail) => format!("tail {tail} of the ring of faults"),
        Store::CompleteEntry(number, entry) => {
            format!("entry {number} of the ring of answers (gfn {})", entry.gfn)
        }
        Store::CompleteHead(head) => format!("head {head} of the ring of answers"),
        Store::Armed(armed) => format!("ARMED {}", if armed { "set" } else { "clear" }),
        Store::ClearBit(gfn) => format!("the bit of gfn {gfn} clear"),
    }
}

/// An effect in a few words.
pub(super) fn words(effect: VmmEffect) -> Option<String> {
    Some(match effect {
        VmmEffect::Exit { gfn, plain: false, .. } => format!("exit with gfn {gfn}"),
        VmmEffect::Exit { gfn, plain: true, .. } => format!("exit with gfn {gfn}, no item"),
        VmmEffect::Repeated { gfn, .. } => format!("gfn {gfn} is outstanding"),
        VmmEffect::EntryWritten { gfn, .. } => format!("writes gfn {gfn} into the ring of faults"),
        VmmEffect::RingFull { .. } => "the ring is full".to_owned(),
        VmmEffect::ArmedSeen { armed: true, .. } => "the VMM wants a signal".to_owned(),
        VmmEffect::ArmedSeen { armed: false, .. } => "the VMM wants no signal".to_owned(),
        VmmEffect::Notified { .. } => "signals the VMM".to_owned(),
        VmmEffect::Asked { gfn, .. } => format!("the VMM knows of gfn {gfn}"),
        VmmEffect::Unheard { gfn, .. } => format!("nobody hears of gfn {gfn}"),
        VmmEffect::Accepted { gfn, .. } => format!("accepts gfn {gfn}"),
        VmmEffect::Awake { .. } => "wakes up".to_owned(),
        VmmEffect::Arms { armed: true, .. } => "sets ARMED".to_owned(),
        VmmEffect::Arms { armed: false, .. } => "clears ARMED".to_owned(),
        VmmEffect::Looked { seen: true, .. } => "looks again, and there is an entry".to_owned(),
        VmmEffect::Looked { seen: false, .. } => "looks again, nothing, sleeps".to_owned(),
        VmmEffect::Installs { gfn, .. } => format!("installs gfn {gfn}"),
        VmmEffect::Answers { gfn, .. } => format!("writes its answer for gfn {gfn}"),
        VmmEffect::Signals { .. } => "signals the kernel".to_owned(),
        VmmEffect::Replied { gfn, .. } => format!("replies for gfn {gfn}"),
        VmmEffect::Completed { gfn, by: CompletedBy::Run, .. } => {
            format!("gfn {gfn} was not accepted, and is over")
        }
        VmmEffect::AnswerIgnored { gfn, .. } => format!("the answer for gfn {gfn} is ignored"),
        VmmEffect::BatchDropped { .. } => "the answers are thrown away".to_owned(),
        VmmEffect::Abused { how, .. } => of_abuse(how).to_owned(),
        VmmEffect::Overwritten { gfn, .. } => format!("the entry of gfn {gfn} is overwritten"),
        VmmEffect::Unwritten { number, .. } => format!("entry {number} is not written"),
        VmmEffect::RingsRemoved { .. } => "the rings are registered no more".to_owned(),
        // The completed token says it, or the store that becomes visible.
        VmmEffect::Completed { by: CompletedBy::Vmm, .. } | VmmEffect::BitCleared { .. } => {
            return None;
        }
    })
}

fn of_abuse(how: Abuse) -> &'static str {
    match how {
        Abuse::CompleteHeadFar => "sets the head of the ring of answers too far",
        Abuse::CompleteUnknown => "answers for a frame that nobody asked for",
        Abuse::CompleteInvalid => "writes a malformed answer",
        Abuse::NotifyTailFar => "sets the tail of the ring of faults beyond its head",
        Abuse::NotifyHeadBack => "sets the head of the ring of faults back",
        Abuse::Disarm => "clears ARMED without a look",
        Abuse::Signal => "signals the kernel for nothing",
    }
}
