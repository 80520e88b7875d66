//! What a guest's kernel does about its notices, step by step.

use crate::apf::Takeover;

/// A step of a script of the guest's kernel. Interrupts are off but for where it lets them in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    WriteInt,
    WriteEn,
    WriteEnZero,
    WriteEnNowhere,
    Note(bool),
    WakeOwn,
    Paging(bool),
    Reset,
    LapicOn,
    Interrupts(bool),
    Teardown(Takeover),
    Restart,
}

/// A script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Script {
    /// The start of the guest.
    Boot,
    /// Notices off and on.
    Rewrite,
    /// Notices on once more.
    Again,
    /// The vCPU off and on.
    Reset,
    /// The vCPU half off and on again.
    Rollback,
    /// A write of EN that is refused.
    Refused,
    /// The start of the guest after the VMM has restarted the machine.
    Reboot,
    /// The same of a guest that does not switch notices on.
    RebootUntold,
    /// Paging off and on.
    Paging,
    /// The end of this kernel.
    TakeOver(Takeover),
}

impl Script {
    pub(super) const fn steps(self) -> &'static [Step] {
        match self {
            Self::Boot => &[Step::WriteInt, Step::WriteEn, Step::Note(true)],
            Self::Rewrite => &[
                Step::WriteEnZero,
                Step::Note(false),
                Step::WakeOwn,
                Step::WriteInt,
                Step::WriteEn,
                Step::Note(true),
            ],
            Self::Again => &[Step::WriteEn],
            Self::Refused => &[Step::WriteEnNowhere],
            Self::Reboot => &[
                Step::Paging(true),
                Step::LapicOn,
                Step::WriteInt,
                Step::WriteEn,
                Step::Note(true),
            ],
            Self::RebootUntold => &[Step::Paging(true), Step::LapicOn],
            Self::Reset => &[
                Step::WriteEnZero,
                Step::Note(false),
                Step::WakeOwn,
                Step::Interrupts(true),
                Step::Interrupts(false),
                Step::Reset,
                Step::Paging(true),
                Step::LapicOn,
                Step::WriteInt,
                Step::WriteEn,
                Step::Note(true),
            ],
            Self::Rollback => &[
                Step::WriteEnZero,
                Step::Note(false),
                Step::WakeOwn,
                Step::Interrupts(true),
                Step::Interrupts(false),
                Step::WriteInt,
                Step::WriteEn,
                Step::Note(true),
            ],
            Self::Paging => &[Step::Paging(false), Step::Paging(true)],
            Self::TakeOver(takeover) => match takeover {
                Takeover::Restart => &[Step::Teardown(Takeover::Restart), Step::Restart],
                Takeover::Hibernation => &[Step::Teardown(Takeover::Hibernation), Step::Restart],
                Takeover::Crash => &[Step::Teardown(Takeover::Crash), Step::Restart],
            },
        }
    }
}
