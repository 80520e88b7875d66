//! Pages that a program gives back.

use models::config::Op;
use schemars::JsonSchema;
use serde::Deserialize;

use super::reader::{Checked, Inside, Operation, Reader, any_time};
use crate::scenario::resolve::at::At;
use crate::syntax::units::{Bytes, Span};

/// The system call madvise with MADV_DONTNEED.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscardFile {
    /// The region.
    region: String,
    /// Where in the region it begins. Default: "0B".
    first: Option<Bytes>,
    /// How much. Default: to the end of the region.
    size: Option<Bytes>,
    /// CPU time of the call's own work before the first page. Default: "0s".
    cost: Option<Span>,
}

impl Operation for DiscardFile {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        if inside != Inside::UserMode {
            let help = "put it behind the `syscall`, or beside the section";
            return Err(at.fail("`discard` is a system call of its own", help));
        }
        let region = to.region(&at.field("region"), &self.region, inside)?;
        if to.is_private(region) {
            let help = "use a region that the VMM backs";
            let message = "pages of guest_memfd stay private when a program gives them back";
            return Err(at.field("region").fail(message, help));
        }
        let all = to.pages(region);
        let first = self.first.map_or(Ok(0), |first| at.field("first").pages(first))?;
        let size = self.size.map(|size| at.field("size").pages(size)).transpose()?;
        let pages = size.unwrap_or(all.saturating_sub(first));
        if pages == 0 || first.checked_add(pages).is_none_or(|end| end > all) {
            let message = format!("pages {first} to {} of {all}", first.saturating_add(pages));
            let field = if self.size.is_some() { "size" } else { "first" };
            return Err(at.field(field).fail(message, "stay inside the region"));
        }
        let cost = any_time(&at.field("cost"), self.cost)?;
        to.push_timed(Op::SyscallEnter { cost }, cost);
        to.push(Op::Discard { region, first, pages });
        to.push(Op::SyscallExit);
        Ok(())
    }
}
