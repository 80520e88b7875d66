//! Why no pages can be read out of a log.

use crate::logs::check::CheckError;

/// A log, or an option, from which no list of pages can be made.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    /// The log cannot be read, or is none.
    #[error(transparent)]
    Log(#[from] CheckError),
    /// An option has no sense.
    #[error("{option} is out of range\n  help: {help}")]
    Option {
        /// Which.
        option: &'static str,
        /// What it may be.
        help: String,
    },
    /// There is no fault in it.
    #[error(
        "{log} has no event kvm_page_fault\n  help: record it from before the guest runs: \
         `trace-cmd record -e kvm:kvm_page_fault -e kvm:kvm_entry -e kvm:kvm_exit`"
    )]
    NoFault {
        /// The log.
        log: String,
    },
    /// None of its faults is of the region.
    #[error(
        "{log} has {outside} faults, and none in the region\n  help: --start and --size say which part of the \
         guest's memory the region is, --hole where its devices begin"
    )]
    NoPage {
        /// The log.
        log: String,
        /// Faults elsewhere.
        outside: u64,
    },
    /// Addresses are the guest's virtual ones.
    #[error(
        "{log} has faults at guest-virtual addresses, such as {address:#x}: the host uses shadow paging, and no event \
         says which page of memory was meant\n  help: load kvm_intel with ept=1, or kvm_amd with npt=1"
    )]
    Virtual {
        /// The log.
        log: String,
        /// One of them.
        address: u64,
    },
    /// Two threads run a vCPU of the same number.
    #[error(
        "{log} shows more than one guest: threads {} and {} run a vCPU of the same number\n  \
         help: trace one VMM only (`set_event_pid`, `trace-cmd record -P`)", threads[0], threads[1]
    )]
    SeveralGuests {
        /// The log.
        log: String,
        /// Two of its threads.
        threads: [u32; 2],
    },
}
