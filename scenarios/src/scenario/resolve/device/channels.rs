//! Kind `channels`.

use models::config::ChannelsConfig;
use sim_core::{Distribution, SimDuration};

use super::law::{law, law_line};
use super::{Kind, Lines, any};
use crate::scenario::file::{ChannelsChanges, ChannelsFile, ServiceTime};
use crate::scenario::resolve::at::At;
use crate::syntax::error::ScenarioError;

const MAX_CHANNELS: u64 = 65_536;

impl Kind for ChannelsConfig {
    const NAME: &'static str = "channels";
    type Whole = ChannelsFile;
    type Changes = ChannelsChanges;

    fn base() -> Self {
        let law = Distribution::Constant { value: 0 };
        Self { channels: 1, read: law.clone(), write: law, per_page: SimDuration::ZERO }
    }

    fn changed(self, at: &At<'_>, file: ChannelsChanges) -> Result<Self, ScenarioError> {
        let service = |field: &str, value: Option<ServiceTime>, preset| match value {
            Some(value) => law(&at.field(field), &value),
            None => Ok(preset),
        };
        Ok(Self {
            channels: match file.channels {
                Some(number) => at.field("channels").number(number, 1..=MAX_CHANNELS)?,
                None => self.channels,
            },
            read: service("read", file.read, self.read)?,
            write: service("write", file.write, self.write)?,
            per_page: any(at, "per_page", file.per_page, self.per_page)?,
        })
    }

    fn lines(&self) -> Lines {
        let Self { channels, read, write, per_page } = self;
        vec![
            ("channels", channels.to_string()),
            ("read", law_line(read)),
            ("write", law_line(write)),
            ("per_page", per_page.as_ps().to_string()),
        ]
    }
}
