//! The addresses of a real program, replayed.

use std::path::Path;

use models::base::ids::PAGE_SIZE;
use models::config::{AddressTrace, Op, TracePlacement};
use schemars::JsonSchema;
use serde::Deserialize;
use sim_core::SimDuration;

use super::reader::{Checked, Inside, Operation, Reader, any_time};
use crate::scenario::addresses;
use crate::scenario::resolve::at::At;
use crate::syntax::error::ScenarioError;
use crate::syntax::units::{Bytes, Span};

/// The addresses of a real program, replayed once from begin to end.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayOpFile {
    /// Name of the region whose pages are those of the trace.
    region: String,
    /// Path of the trace, from the scenario's folder: what Valgrind's lackey prints with --trace-mem=yes, or a page
    /// number a line; plain, or compressed with gzip or zstd.
    file: Option<String>,
    /// Instead of a file: page numbers between spaces, with `w` behind those that are written.
    pages: Option<String>,
    /// Which page of the region a page of the trace is. Default: first-touch.
    placement: Option<TracePlacement>,
    /// CPU time of an instruction, besides translation.
    instruction: Span,
}

impl Operation for ReplayOpFile {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        let trace = self.trace(at)?;
        let region_at = at.field("region");
        let region = to.region(&region_at, &self.region, inside)?;
        let (touched, pages) = (u64::from(trace.pages()), to.pages(region));
        if touched > pages {
            let message = match self.placement() {
                TracePlacement::FirstTouch => {
                    format!("the trace touches {touched} pages, and the region has {pages}")
                }
                TracePlacement::Recorded => {
                    let last = touched - 1;
                    format!("the trace touches page {last}, and the region has {pages} pages")
                }
            };
            let help = format!("give the region a `size` of {}", Bytes(touched * PAGE_SIZE));
            return Err(region_at.fail(message, help));
        }
        let instruction = any_time(&at.field("instruction"), Some(self.instruction))?;
        let addresses = to.addresses(at, trace)?;
        // Each visit takes a cycle at least.
        to.push_timed(Op::Replay { region, addresses, instruction }, SimDuration::from_ps(1));
        Ok(())
    }
}

impl ReplayOpFile {
    fn placement(&self) -> TracePlacement {
        self.placement.unwrap_or(TracePlacement::FirstTouch)
    }

    fn trace(&self, at: &At<'_>) -> Result<AddressTrace, ScenarioError> {
        match (&self.file, &self.pages) {
            (Some(file), None) => {
                let folder = Path::new(&at.doc.file).parent().unwrap_or(Path::new(""));
                addresses::load(&folder.join(file), self.placement()).map_err(|error| {
                    let help = "the path is that from the scenario's folder; see docs/replay.md";
                    at.field("file").fail(error.to_string(), help)
                })
            }
            (None, Some(pages)) => addresses::inline(pages, self.placement()).ok_or_else(|| {
                let help =
                    "numbers between spaces, with `w` behind those that are written: \"7 7 9w\"";
                at.field("pages").fail("this is no list of pages", help)
            }),
            _ => Err(at.fail("what is replayed?", "give either `file` or `pages`")),
        }
    }
}
