//! Kind `zram`.

use models::config::ZramConfig;
use sim_core::Distribution;

use super::law::{law, law_line};
use super::work::work;
use super::{Kind, Lines};
use crate::scenario::file::{ServiceTime, ZramChanges, ZramFile};
use crate::scenario::resolve::at::At;
use crate::syntax::error::ScenarioError;

impl Kind for ZramConfig {
    const NAME: &'static str = "zram";
    type Whole = ZramFile;
    type Changes = ZramChanges;

    fn base() -> Self {
        let law = Distribution::Constant { value: 0 };
        Self { decompress: law.clone(), compress: law, ratio_milli: 1000, limit_pages: None }
    }

    fn changed(self, at: &At<'_>, file: ZramChanges) -> Result<Self, ScenarioError> {
        let time = |field: &str, value: Option<ServiceTime>, preset| match value {
            Some(value) => work(&at.field(field), law(&at.field(field), &value)?),
            None => Ok(preset),
        };
        Ok(Self {
            decompress: time("decompress", file.decompress, self.decompress)?,
            compress: time("compress", file.compress, self.compress)?,
            ratio_milli: match file.ratio_milli {
                Some(ratio) => at.field("ratio_milli").number(ratio, 1000..=1_000_000)?,
                None => self.ratio_milli,
            },
            limit_pages: match file.mem_limit {
                Some(limit) => Some(at.field("mem_limit").pages(limit)?),
                None => self.limit_pages,
            },
        })
    }

    fn lines(&self) -> Lines {
        let Self { decompress, compress, ratio_milli, limit_pages } = self;
        let limit = limit_pages.map_or_else(|| "none".to_owned(), |pages| pages.to_string());
        vec![
            ("decompress", law_line(decompress)),
            ("compress", law_line(compress)),
            ("ratio_milli", ratio_milli.to_string()),
            ("limit_pages", limit),
        ]
    }
}
