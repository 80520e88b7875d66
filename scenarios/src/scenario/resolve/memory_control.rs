//! What is done to memory containers during a run.

use std::collections::BTreeMap;

use models::base::ids::VmId;
use models::config::LimitChange;
use sim_core::SimDuration;

use super::at::{At, MAX_DURATION};
use super::vms::Vms;
use crate::scenario::file::MemoryLimitFile;
use crate::syntax::error::ScenarioError;

const MAX_CHANGES: usize = 1024;

/// The limits that containers get, in the order of the file. Whether there is room under each is seen with
/// that under the first ones.
pub(super) fn limits(
    at: &At<'_>,
    files: &[MemoryLimitFile],
    vms: &Vms<'_>,
    end: SimDuration,
) -> Result<Vec<LimitChange>, ScenarioError> {
    if files.len() > MAX_CHANGES {
        let message = format!("there are {} changes of limits", files.len());
        return Err(at.fail(message, format!("at most {MAX_CHANGES}")));
    }
    let mut last: BTreeMap<VmId, SimDuration> = BTreeMap::new();
    let read = |(index, file): (usize, &MemoryLimitFile)| {
        let at = at.index(index);
        let vm = vms.container_named(&at.field("vm"), file.vm.as_deref())?;
        let time = at.field("at");
        let when = time.span(file.at.0, SimDuration::ZERO..=MAX_DURATION)?;
        if when >= end {
            let message = format!("the run is over after {end}");
            return Err(time.fail(message, "a time before `warmup` and `duration` are over"));
        }
        if last.insert(vm, when).is_some_and(|before| before >= when) {
            let message = "the container has a later limit before, or another one at this time";
            return Err(time.fail(message, "limits of a container in the order of their times"));
        }
        Ok(LimitChange { at: when, vm, limit_pages: at.field("limit").pages(file.limit)? })
    };
    files.iter().enumerate().map(read).collect()
}
