//! An access to a page.

use models::config::{Op, PageLaw, Pattern};
use schemars::JsonSchema;
use serde::Deserialize;

use super::reader::{Checked, Inside, Operation, Reader, any_time};
use crate::scenario::resolve::at::At;
use crate::syntax::error::ScenarioError;
use crate::syntax::units::{Extent, Span};

/// One access to a page.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessFile {
    /// Name of the region.
    region: String,
    /// Which page: a pattern by name, or one with parameters.
    pattern: PatternFile,
    /// Store (true) or load (false). Default: false.
    #[serde(default)]
    write: bool,
    /// CPU time of the instruction and of choosing the page.
    cost: Span,
}

/// How successive accesses choose their page.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(untagged)]
pub(super) enum PatternFile {
    /// Without parameters.
    Name(Pattern),
    /// With parameters; `kind` says which.
    Inline(PageLawFile),
}

/// A pattern with parameters.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "tagged by kind", rename_all = "snake_case")]
#[schemars(rename = "PageLawFile", tag = "kind")]
pub(super) enum PageLawFile {
    /// Rank k in proportion to k^-exponent.
    Zipf {
        /// The exponent in thousandths: 0 to 20000.
        exponent_milli: u64,
        /// Whether the ranks are spread over the region, in an order that all tasks share. Default: true.
        shuffled: Option<bool>,
    },
    /// Most accesses go to some of the pages, the others to the rest.
    HotSet {
        /// Size of the set: at least a page, or a part of the region.
        hot: Extent,
        /// Share of accesses that go there, in millionths: 0 to 1000000.
        hot_ppm: u64,
        /// Accesses of a task after which a page of the set is replaced by another one. Default: never.
        drift: Option<u64>,
        /// Whether the set is spread over the region. Default: true.
        shuffled: Option<bool>,
    },
    /// Every so many pages, and then from the next page on.
    Strided {
        /// From one access to the next: at least a page, or a part of the region.
        step: Extent,
    },
    /// Along a chain of pointers through all pages, in a shuffled order.
    Chase {},
    /// Uniformly in a part of the region that moves.
    Moving {
        /// Size of the part: at least a page, or a part of the region.
        window: Extent,
        /// Accesses of a task after which it moves by a page.
        every: u64,
        /// Whether it is spread over the region. Default: false.
        shuffled: Option<bool>,
    },
}

/// Accesses after which something moves, at most.
const MAX_EVERY: u64 = 1_000_000_000_000;

impl Operation for AccessFile {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        let Self { region, pattern, write, cost } = self;
        let region = to.region(&at.field("region"), region, inside)?;
        let cost = any_time(&at.field("cost"), Some(*cost))?;
        let write = *write;
        let op = match pattern {
            PatternFile::Name(pattern) => Op::Access { region, pattern: *pattern, write, cost },
            PatternFile::Inline(file) => {
                let at = at.field("pattern");
                let law = law(&at, file, to.pages(region))?;
                Op::AccessBy { region, walk: to.walk(&at, region, law)?, write, cost }
            }
        };
        to.push_timed(op, cost);
        Ok(())
    }
}

/// The law over a region of so many pages.
fn law(at: &At<'_>, file: &PageLawFile, pages: u64) -> Result<PageLaw, ScenarioError> {
    let size = |field: &str, extent: Extent| {
        let at = at.field(field);
        let size = at.pages(extent.bytes(pages * 4096))?;
        match size {
            0 => Err(at.fail("this is less than a page", "at least a page, \"4KiB\"")),
            size if size > pages => {
                Err(at.fail("this is more than the region has", "at most \"100%\""))
            }
            size => Ok(size),
        }
    };
    Ok(match file {
        PageLawFile::Zipf { exponent_milli, shuffled } => PageLaw::Zipf {
            exponent_milli: at.field("exponent_milli").number(*exponent_milli, 0..=20_000)?,
            shuffled: shuffled.unwrap_or(true),
        },
        PageLawFile::HotSet { hot, hot_ppm, drift, shuffled } => PageLaw::HotSet {
            hot: size("hot", *hot)?,
            hot_ppm: at.field("hot_ppm").number(*hot_ppm, 0..=1_000_000)?,
            drift: drift.map_or(Ok(0), |drift| at.field("drift").number(drift, 1..=MAX_EVERY))?,
            shuffled: shuffled.unwrap_or(true),
        },
        PageLawFile::Strided { step } => PageLaw::Strided { step: size("step", *step)? },
        PageLawFile::Chase {} => PageLaw::Chase,
        PageLawFile::Moving { window, every, shuffled } => PageLaw::Moving {
            window: size("window", *window)?,
            every: at.field("every").number(*every, 1..=MAX_EVERY)?,
            shuffled: shuffled.unwrap_or(false),
        },
    })
}
