//! What the VMM keeps for each vCPU: one thread that reads of faults, installs pages and answers.

use crate::apf::ring::StoreBuffer;
use crate::base::ids::Gfn;

/// How a fault came to the VMM, and how it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Through the ring of faults; answered through the ring of answers.
    Ring,
    /// By an exit, of which an item is left in the kernel; answered by READY.
    Exit,
    /// By an exit that leaves nothing in the kernel: the vCPU thread waits for the answer.
    Plain,
}

/// How far a fault is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Progress {
    /// It is known.
    Asked,
    /// The page is installed, and its bit cleared, if that comes first.
    Installed,
    /// The head of the ring of answers was read, by a thread that is not alone with it.
    Read(u8),
    /// The answer is in the ring; the kernel is to be signalled.
    Written,
}

/// A fault that the VMM is to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request {
    /// The frame.
    pub gfn: Gfn,
    /// How it came.
    pub channel: Channel,
    /// How far it is.
    pub progress: Progress,
}

/// Where the thread is in the loop in which it reads the ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reading {
    /// Before it reads what there is.
    #[default]
    Drain,
    /// The ring was empty; before it asks for a signal.
    Arm,
    /// Before its second look.
    Look,
    /// It has seen an entry at the second look, and takes its wish for a signal back.
    Disarm,
    /// Asleep, until it is signalled.
    Sleep,
}

/// The VMM's side of one vCPU.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VmmVcpu {
    /// Whether the thread goes on at all.
    pub alive: bool,
    /// Where it is in its loop.
    pub reading: Reading,
    /// Entries of the ring of faults that it has read.
    pub tail: u8,
    /// What it is to answer, oldest first.
    pub requests: Vec<Request>,
    /// Its stores that are not visible yet.
    pub stores: StoreBuffer,
    /// Whether the kernel has signalled it (the counter of the eventfd).
    pub signalled: bool,
    /// Whether it has written into the page what no VMM should: it can be promised nothing then.
    pub abused: bool,
}

impl VmmVcpu {
    pub(in crate::apf) fn new() -> Self {
        Self {
            alive: true,
            reading: Reading::default(),
            tail: 0,
            requests: Vec::new(),
            stores: StoreBuffer::default(),
            signalled: false,
            abused: false,
        }
    }

    /// The request that the thread is in the middle of, if there is one.
    pub fn busy(&self) -> Option<usize> {
        self.requests.iter().position(|request| request.progress != Progress::Asked)
    }
}
