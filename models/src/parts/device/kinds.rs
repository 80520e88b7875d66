//! The kinds of swap devices, and a device of any kind.

use sim_core::{DistributionError, KeyedStreams, SimTime};

use super::channels::Channels;
use super::constant::Constant;
use super::hdd::Hdd;
use super::kind::SwapDevice;
use super::ram::Ram;
use super::request::{Request, Started};
use super::volume::Volume;
use super::zram::Zram;
use crate::config::DeviceConfig;

macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        #[derive(Clone, Debug)]
        enum Kind { $($kind($kind),)* }

        impl Kind {
            fn new(config: &DeviceConfig, swap_pages: u32) -> Result<Self, DistributionError> {
                Ok(match config {
                    $(DeviceConfig::$kind(config) => Self::$kind($kind::new(config, swap_pages)?),)*
                })
            }

            fn device(&mut self) -> &mut dyn SwapDevice {
                match self { $(Self::$kind(device) => device,)* }
            }
        }
    };
}

// The list of kinds.
kinds!(Channels, Constant, Hdd, Ram, Volume, Zram);

/// A swap device.
#[derive(Clone, Debug)]
pub struct Device {
    kind: Kind,
    draws: KeyedStreams,
}

impl Device {
    /// An idle device for a swap area of `swap_pages` slots.
    ///
    /// # Errors
    /// When a service-time law is not a distribution.
    pub fn new(
        config: &DeviceConfig,
        swap_pages: u32,
        draws: KeyedStreams,
    ) -> Result<Self, DistributionError> {
        Ok(Self { kind: Kind::new(config, swap_pages)?, draws })
    }

    /// Issues a request whose pages are still to be copied. True: it has a place, and goes on with
    /// [`Self::begin`]; otherwise, when they are copied, with [`Self::submit`].
    pub fn issue(&mut self, now: SimTime, request: Request) -> bool {
        self.kind.device().issue(now, request)
    }

    /// How the device serves a request that has a place, from when its pages are copied.
    pub fn begin(&mut self, request: Request) -> Started {
        let service = self.kind.device().begin(&request, &self.draws);
        Started { request, service }
    }

    /// The pages of a request that has no place are copied. It is returned if there is one now.
    pub fn submit(&mut self, now: SimTime, request: Request) -> Option<Started> {
        let next = self.kind.device().submit(now, request);
        next.map(|request| self.begin(request))
    }

    /// Tells the device that the time of a completion has come. Returns what it begins to serve
    /// next.
    pub fn completed(&mut self, now: SimTime) -> Option<Started> {
        let next = self.kind.device().completed(now);
        next.map(|request| self.begin(request))
    }
}
