//! What the host keeps of the compressed pages before its swap device, besides the pages themselves.

use sim_core::{DistributionError, KeyedStreams, Sampler};

use crate::base::ids::{GuestPage, ThreadId};
use crate::config::ZswapConfig;
use crate::parts::memory::zswap::Shrinking;

/// What threads do for the pool.
#[derive(Clone, Debug)]
pub(super) struct Compression {
    pub(super) load: Sampler,
    pub(super) store: Sampler,
    pub(super) draws: KeyedStreams,
    /// The thread that writes entries back.
    pub(super) worker: ThreadId,
    /// It is to begin again when it is through.
    pub(super) queued: bool,
    pub(super) run: Shrinking,
    /// The page that it writes back.
    pub(super) page: Option<GuestPage>,
}

impl Compression {
    pub(super) fn new(
        config: &ZswapConfig,
        draws: KeyedStreams,
        worker: ThreadId,
    ) -> Result<Self, DistributionError> {
        let (load, store) = (config.load.sampler()?, config.store.sampler()?);
        let (queued, run, page) = (false, Shrinking::default(), None);
        Ok(Self { load, store, draws, worker, queued, run, page })
    }
}
