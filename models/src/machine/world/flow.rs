//! What a host thread does next, and how it goes on after a step.

use sim_core::SimDuration;

use crate::base::ids::{Gfn, GuestPage, ItemId, StoreId, VcpuId};
use crate::base::record::BlockReason;

/// What a host thread does when its present stretch of work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) enum Then {
    /// vCPU: the top of the run loop.
    Enter,
    /// vCPU: an event is injected; enter, if nothing has come between.
    EnterInjected,
    /// vCPU: guest mode; the stretch is the guest's.
    InGuest,
    /// vCPU: the lookup without waiting, after an EPT violation.
    FaultLookup,
    /// vCPU: walk the guest's tables, after a #PF under shadow paging.
    ShadowWalk,
    /// vCPU: carry out the guest's write to a table that is mirrored.
    ShadowEmulate,
    /// vCPU: the guest's write of CR3 under shadow paging.
    WriteCr3,
    /// vCPU: try to handle the fault asynchronously.
    FaultTry,
    /// vCPU: the next section of setting up a work item.
    SetupStep,
    /// vCPU: make the second-stage entry of the fault.
    MapFault,
    /// vCPU: the bottom of the run loop: completed items.
    TurnEnd,
    /// vCPU: map a page before its page ready.
    PrefaultMap(Gfn),
    /// vCPU: page ready of the popped item.
    Deliver,
    /// vCPU: polling, in HLT, is over without success.
    HaltPoll,
    /// vCPU: awake again after blocking in the run loop.
    Unblocked,
    /// vCPU: the guest's writes to the EN and INT registers.
    WriteEn,
    /// vCPU: the guest's write to the ACK register.
    WriteAck,
    /// vCPU: the guest's interrupt to all other vCPUs.
    SendCalls,
    /// vCPU: the guest's write to the deadline register of its timer.
    ArmTimer,
    /// vCPU: the guest's write of zero to the EN register.
    ClearEn,
    /// vCPU: the guest's write to the EN register of an address where it has no memory.
    RefusedEn,
    /// vCPU: the guest left system management mode.
    LeaveSmm,
    /// Worker: begin the next queued item.
    WorkBegin,
    /// Worker: the next section after the fetch.
    WorkStep(ItemId),
    /// Handler: back from `poll`, to read.
    HandlerPolled,
    /// Handler: pass over the ready list of its instance of epoll.
    HandlerEpoll(Pass),
    /// Handler: take what there is to read.
    HandlerRead,
    /// Handler: read while a page is to be installed.
    HandlerReadOn,
    /// Handler: the next thing for the messages that were read.
    HandlerServe,
    /// Handler: wake a thread that installs.
    HandlerTell,
    /// Handler: submit the read of a page's contents.
    HandlerSubmit,
    /// Handler: go back to `poll`.
    HandlerPoll,
    /// Handler: there is something to install.
    HandlerTold,
    /// Handler: take the next page to install.
    HandlerLook,
    /// Handler: install the pages.
    HandlerInstall,
    /// Handler: wake who sleeps for the pages.
    HandlerWake,
    /// Handler: the next pages that nobody has asked for.
    HandlerPrefetch,
    /// Handler: submit the read of their contents.
    HandlerPrefetchRead,
    /// Handler: look into a ring of faults.
    HandlerRing,
    /// Handler: answer the next fault.
    HandlerAnswer,
    /// Handler: the answer is made.
    HandlerAnswered,
    /// Handler: the kernel is told that there is an answer in its ring.
    HandlerToldKernel,
    /// Handler: what was posted to the VMM's main thread is passed on.
    HandlerPassedOn,
    /// Handler: its process has ended.
    HandlerGone,
    /// Worker: read a ring of answers.
    AnswersRead(VcpuId),
    /// Worker of zswap: begin, if the pool is full.
    ShrinkBegin,
    /// Worker of zswap: take the next entry.
    ShrinkNext,
    /// Worker of zswap: the page is decompressed.
    ShrinkDecompressed,
    /// Worker of zswap: submit its write.
    ShrinkSubmit,
    /// vCPU: pay for pages beyond `memory.high`.
    PayHigh,
    /// vCPU: go on with that.
    PayNext,
    /// vCPU: a pass for them is over.
    PayPassDone(Outcome),
    /// A pass of a call of direct reclaim is over.
    CallPassDone(Outcome),
    /// vCPU: it has slept for them.
    HighSlept,
    /// Reclaimer: its time has come.
    ReclaimerWoken,
    /// Reclaimer: is there more to take?
    ReclaimerNext,
    /// Reclaimer: a pass is over.
    ReclaimerPassDone(Outcome),
    /// vCPU: the guest has notified its balloon's device.
    NotifyBalloon,
    /// Thread of a balloon: pages go.
    BalloonAdvise,
    /// Thread of a balloon: the event of it was read.
    BalloonRemoved,
    /// Thread of a balloon: they are taken out of the memory map.
    BalloonZap,
    /// Thread of a balloon: they are gone.
    BalloonAdvised,
    /// Thread of a balloon: tell the guest.
    BalloonTold,
    /// Thread that protects memory: a vCPU has stopped for it.
    ProtectStopped,
    /// Thread that protects memory: the call is over.
    ProtectSet,
    /// Thread that protects memory: a message is read.
    ProtectRead,
    /// Thread that protects memory: submit the write of a page.
    ProtectSubmit(GuestPage),
    /// Thread that protects memory: the protection of a page is lifted.
    ProtectLift(GuestPage),
    /// Thread that protects memory: sleep.
    ProtectSleep,
    /// Thread that protects memory: awake again.
    ProtectAwake,
    /// vCPU: out of the kernel, as the VMM stops its virtual machine.
    Stop,
    /// vCPU: awake again after that.
    Resumed,
    /// vCPU: a fault that the VMM answers.
    UserFault,
    /// vCPU: set up its item.
    UserSetup,
    /// vCPU: the VMM is signalled that there is an entry in the ring.
    UserSignalled,
    /// vCPU: out of the kernel, pass the fault on.
    OutsideAsk,
    /// vCPU: it is passed on.
    OutsideAsked,
    /// vCPU: the kernel is told that it will be answered.
    OutsideAccepted,
    /// vCPU: the answer for which the thread waited is there.
    OutsideReplied,
    /// vCPU: read the contents of the page, which its thread brings itself.
    OutsideRead,
    /// vCPU: the contents for which it slept are there.
    OutsideCame,
    /// vCPU: install the page.
    OutsideInstall,
    /// vCPU: it is installed.
    OutsideBrought,
    /// vCPU: back in the kernel.
    OutsideRun,
    /// vCPU or worker: link a message for the VMM.
    UffdLink,
    /// vCPU or worker: sleep until the VMM has brought the page.
    UffdSleep,
    /// vCPU or worker: awake again after that.
    UffdAwake,
    /// Any: take a lock of a descriptor's wait queues.
    QueueVisit(Errand),
    /// Any: spin for it.
    QueueAwaited(Errand),
    /// Any: let go of it.
    QueueLeft(Errand),
    /// Either: go on with fetching a page.
    Fetch,
    /// Either: awake again after waiting for a page or for room.
    FetchAwake(BlockReason),
    /// vCPU: the lookup that must not wait has begun a read for which it waits.
    FaultWaits,
    /// Either: issue the next read.
    FetchSubmit,
    /// Either: the pages of the read are copied.
    FetchCopied,
    /// Either: poll the device until the read is over, without giving up the processor.
    FetchPoll,
    /// Any: a pass of direct reclaim is over.
    ReclaimDone,
    /// The next pass of a call of direct reclaim.
    ReclaimNext,
    /// Either: take the lock of the second-stage tables.
    TakeLock(Under),
    /// Either: the lock is there, after waiting for it.
    LockTaken(Under),
    /// Either: a page of a pass of direct reclaim is through with the lock.
    ReclaimUnlocked,
}

/// What a pass of reclaim leaves its thread to do, which wants more pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) enum Outcome {
    /// Look again: pages went, or there are more to begin with.
    Again,
    /// Wait for what is under way.
    Waits,
    /// There is nothing to take, and nothing under way.
    Nothing,
}

/// What is done under the lock of the second-stage tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) enum Under {
    /// The second-stage entry of the fault.
    Map,
    /// That of a page before its page ready.
    Prefault(Gfn),
    /// Asking for, or taking away, one page's entry.
    Reclaim,
}

impl Under {
    /// What follows when the lock is let go.
    pub(in crate::machine) fn then(self) -> Then {
        match self {
            Self::Map => Then::MapFault,
            Self::Prefault(gfn) => Then::PrefaultMap(gfn),
            Self::Reclaim => Then::ReclaimUnlocked,
        }
    }
}

/// What a thread wants with the wait queues of a userfaultfd descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) struct Errand {
    pub visit: Visit,
    /// Whose descriptor it is, and its number.
    pub store: StoreId,
    pub descriptor: u16,
}

/// What is done under a lock of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) enum Visit {
    /// Linking a message.
    Link,
    /// Taking it out again, as the page came meanwhile.
    Unlink,
    /// Waking readers.
    WakeReaders,
    /// Entering `poll`.
    Poll,
    /// Leaving it.
    Polled,
    /// `read`, which takes the lock of the readers and then that of the messages.
    BeginRead,
    /// Taking the oldest message.
    Read,
    /// Waking who sleeps for pages.
    Wake,
}

/// Why a reader passes over the ready list of its instance of epoll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) enum Pass {
    /// It has called `epoll_wait`.
    Called,
    /// It was woken there.
    Woken,
    /// It has found something, and wakes another one.
    Delivers,
}

/// How a thread goes on after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) enum Flow {
    /// Work for this long, then do that.
    Spend(SimDuration, Then),
    /// Nothing is scheduled here: the thread sleeps, or runs in guest mode.
    Stopped,
}

impl Then {
    /// What the thread does, for messages.
    pub(in crate::machine) fn doing(self) -> &'static str {
        match self {
            Self::Enter | Self::EnterInjected => "entering the guest",
            Self::InGuest => "in guest mode",
            Self::FaultLookup => "looking a page up",
            Self::ShadowWalk => "walking the guest's tables",
            Self::ShadowEmulate => "carrying out a write of the guest",
            Self::WriteCr3 => "handling a write of CR3",
            Self::FaultTry | Self::SetupStep => "setting up an asynchronous fault",
            Self::MapFault | Self::PrefaultMap(_) => "mapping a page",
            Self::TurnEnd => "looking for completed items",
            Self::Deliver => "delivering page ready",
            Self::HaltPoll => "polling in HLT",
            Self::Unblocked => "waking up",
            Self::WriteEn | Self::WriteAck | Self::ClearEn | Self::RefusedEn => {
                "handling an MSR write"
            }
            Self::SendCalls => "sending interrupts to other vCPUs",
            Self::ArmTimer => "arming the guest's timer",
            Self::LeaveSmm => "leaving system management mode",
            Self::WorkBegin => "looking for work",
            Self::WorkStep(_) => "completing an item",
            Self::HandlerPolled
            | Self::HandlerEpoll(_)
            | Self::HandlerRead
            | Self::HandlerReadOn
            | Self::HandlerPoll => "reading messages about missing pages",
            Self::HandlerServe | Self::HandlerTell | Self::HandlerSubmit => {
                "passing messages about missing pages on"
            }
            Self::HandlerTold | Self::HandlerLook => "looking for a page to install",
            Self::HandlerInstall | Self::HandlerWake => "installing a page",
            Self::UserFault | Self::UserSetup => "setting up a fault that the VMM answers",
            Self::UserSignalled => "signalling the VMM",
            Self::OutsideAsk | Self::OutsideAsked | Self::OutsideAccepted => {
                "asking the VMM for a page"
            }
            Self::OutsideRead | Self::OutsideCame | Self::OutsideInstall | Self::OutsideBrought => {
                "bringing a page"
            }
            Self::OutsideReplied | Self::OutsideRun => "going back into the kernel",
            Self::HandlerRing => "reading a ring of faults",
            Self::HandlerAnswer | Self::HandlerAnswered | Self::HandlerToldKernel => {
                "answering a fault"
            }
            Self::HandlerGone => "having ended",
            Self::HandlerPassedOn => "passing requests and replies on",
            Self::AnswersRead(_) => "reading a ring of answers",
            Self::HandlerPrefetch | Self::HandlerPrefetchRead => "bringing pages ahead",
            Self::ShrinkBegin
            | Self::ShrinkNext
            | Self::ShrinkDecompressed
            | Self::ShrinkSubmit => "writing compressed pages to the device",
            Self::PayHigh | Self::PayNext | Self::PayPassDone(_) | Self::HighSlept => {
                "paying for memory beyond a limit"
            }
            Self::ReclaimerWoken | Self::ReclaimerNext | Self::ReclaimerPassDone(_) => {
                "taking memory from a container"
            }
            Self::NotifyBalloon => "notifying a balloon's device",
            Self::BalloonAdvise
            | Self::BalloonRemoved
            | Self::BalloonZap
            | Self::BalloonAdvised
            | Self::BalloonTold => "giving pages of a balloon back",
            Self::ProtectStopped
            | Self::ProtectSet
            | Self::ProtectRead
            | Self::ProtectSubmit(_)
            | Self::ProtectLift(_)
            | Self::ProtectSleep
            | Self::ProtectAwake => "protecting memory",
            Self::Stop | Self::Resumed => "stopped by the VMM",
            Self::UffdLink | Self::UffdSleep | Self::UffdAwake => "asking the VMM for a page",
            Self::QueueVisit(_) | Self::QueueAwaited(_) | Self::QueueLeft(_) => {
                "at a wait queue of userfaultfd"
            }
            Self::Fetch | Self::FetchAwake(_) => "fetching a page",
            Self::FaultWaits | Self::FetchSubmit | Self::FetchCopied => "submitting a read",
            Self::FetchPoll => "polling the swap device",
            Self::ReclaimDone
            | Self::ReclaimNext
            | Self::CallPassDone(_)
            | Self::ReclaimUnlocked => "reclaiming memory",
            Self::TakeLock(_) | Self::LockTaken(_) => "taking the lock of the second stage",
        }
    }
}
