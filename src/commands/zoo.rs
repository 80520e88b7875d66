//! `apfsim zoo`: mistakes that kernels made, each caught by its invariant.

use std::path::Path;

use reports::zoo::{ZooReport, shortest};
use scenarios::zoo::{Entry, Row, entries, find, show_all};
use scenarios::{FolderLock, help_for_unknown};

use super::common::{print, write};
use crate::cli::ZooArgs;
use crate::error::CliError;
use crate::outcome::Outcome;

pub(super) fn execute(args: &ZooArgs) -> Result<Outcome, CliError> {
    let chosen: Vec<&'static Entry> = match &args.id {
        Some(id) => vec![known(id)?],
        None => entries().filter(|entry| !(args.fast && entry.is_slow())).collect(),
    };
    let files: Vec<&Path> = args.trace.as_deref().into_iter().collect();
    let _held = FolderLock::hold(None, &files)?;
    let rows = show_all(&chosen, args.jobs);
    if let Some(path) = &args.trace {
        let (_, caught) = rows.iter().find_map(shortest).ok_or_else(|| {
            CliError::Explore("this entry is a control: there is no mistake to trace".to_owned())
        })?;
        write(path, &caught.log)?;
    }
    print(&ZooReport { rows: &rows, stories: args.id.is_some() }, args.format)?;
    Ok(if rows.iter().all(Row::as_expected) { Outcome::Fine } else { Outcome::Violation })
}

fn known(id: &str) -> Result<&'static Entry, CliError> {
    find(id).ok_or_else(|| CliError::Zoo {
        name: id.to_owned(),
        help: help_for_unknown(id, &entries().map(|entry| entry.id).collect::<Vec<_>>()),
    })
}
