//! Kind `channels`.

use models::config::{AtDepth, ChannelsConfig};
use sim_core::{Distribution, SimDuration};

use super::law::{law, law_line};
use super::{Kind, Lines, any};
use crate::scenario::file::{AtDepthFile, ChannelsChanges, ChannelsFile, ServiceTime};
use crate::scenario::resolve::at::At;
use crate::syntax::error::ScenarioError;

const MAX_CHANNELS: u64 = 65_536;

impl Kind for ChannelsConfig {
    const NAME: &'static str = "channels";
    type Whole = ChannelsFile;
    type Changes = ChannelsChanges;

    fn base() -> Self {
        let law = Distribution::Constant { value: 0 };
        Self {
            channels: 1,
            read: law.clone(),
            write: law,
            per_page: SimDuration::ZERO,
            read_at_depth: Vec::new(),
            write_at_depth: Vec::new(),
        }
    }

    fn changed(self, at: &At<'_>, file: ChannelsChanges) -> Result<Self, ScenarioError> {
        let service = |field: &str, value: Option<ServiceTime>, preset| match value {
            Some(value) => law(&at.field(field), &value),
            None => Ok(preset),
        };
        let channels = match file.channels {
            Some(number) => at.field("channels").number(number, 1..=MAX_CHANNELS)?,
            None => self.channels,
        };
        let laws = |field: &str, laws: Option<Vec<AtDepthFile>>, preset| match laws {
            Some(laws) => by_depth(&at.field(field), &laws, channels),
            None => Ok(preset),
        };
        Ok(Self {
            channels,
            read: service("read", file.read, self.read)?,
            write: service("write", file.write, self.write)?,
            per_page: any(at, "per_page", file.per_page, self.per_page)?,
            read_at_depth: laws("read_at_depth", file.read_at_depth, self.read_at_depth)?,
            write_at_depth: laws("write_at_depth", file.write_at_depth, self.write_at_depth)?,
        })
    }

    fn lines(&self) -> Lines {
        let Self { channels, read, write, per_page, read_at_depth, write_at_depth } = self;
        vec![
            ("channels", channels.to_string()),
            ("read", law_line(read)),
            ("write", law_line(write)),
            ("per_page", per_page.as_ps().to_string()),
            ("read_at_depth", depth_lines(read_at_depth)),
            ("write_at_depth", depth_lines(write_at_depth)),
        ]
    }
}

/// Laws at rising depths, none of which the device cannot reach.
fn by_depth(
    at: &At<'_>,
    laws: &[AtDepthFile],
    channels: u32,
) -> Result<Vec<AtDepth>, ScenarioError> {
    let mut least = 2;
    let mut read = |(index, file): (usize, &AtDepthFile)| {
        let at = at.index(index);
        let depth_at = at.field("depth");
        if file.depth < least || file.depth > channels.into() {
            let help = match u64::from(channels) >= least {
                true => format!("depths rise, here from {least} to the {channels} channels"),
                false => format!("no depth is left: there are {channels} channels"),
            };
            return Err(depth_at.fail(format!("{} is out of range", file.depth), help));
        }
        least = file.depth + 1;
        let depth = depth_at.number(file.depth, 2..=MAX_CHANNELS)?;
        Ok(AtDepth { depth, time: law(&at.field("time"), &file.time)? })
    };
    laws.iter().enumerate().map(&mut read).collect()
}

fn depth_lines(laws: &[AtDepth]) -> String {
    let laws = laws.iter().map(|law| format!("{}:{}", law.depth, law_line(&law.time)));
    format!("[{}]", laws.collect::<Vec<_>>().join(","))
}
