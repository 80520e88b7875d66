//! Locks, barriers, and signals between tasks.

use models::config::{Op, SyncKind};
use schemars::JsonSchema;
use serde::Deserialize;

use super::reader::{Checked, Inside, Operation, Reader, not_in_section};
use crate::scenario::resolve::at::At;

/// Operations under a lock.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockFile<O> {
    /// Its name; programs that name the same lock wait for each other.
    name: String,
    /// What is done while the task holds it.
    body: Vec<O>,
}

impl<O: Operation> Operation for LockFile<O> {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        not_in_section(at, inside)?;
        let lock = to.sync(&at.field("name"), &self.name, SyncKind::Lock)?;
        if to.holds(lock) {
            let help = "take the inner one away: a task that holds a lock must not wait for it";
            return Err(at.fail(format!("`{}` is locked here already", self.name), help));
        }
        to.push(Op::LockEnter { lock });
        to.locked(lock, |to| to.body(at, &self.body, inside))?;
        to.push(Op::LockExit { lock });
        Ok(())
    }
}

/// A place where tasks wait for each other.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BarrierFile {
    /// Its name.
    name: String,
    /// How many tasks have to come: 1 to 1000000.
    parties: u64,
}

impl Operation for BarrierFile {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        not_in_section(at, inside)?;
        let parties = at.field("parties").number(self.parties, 1..=1_000_000)?;
        let kind = SyncKind::Barrier { parties };
        let barrier = to.sync(&at.field("name"), &self.name, kind)?;
        to.push(Op::Barrier { barrier });
        Ok(())
    }
}

/// Wait for a signal.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitFile {
    /// Its name. Signals that came before are not lost.
    name: String,
}

impl Operation for WaitFile {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        not_in_section(at, inside)?;
        let semaphore = to.sync(&at.field("name"), &self.name, SyncKind::Semaphore)?;
        to.push(Op::Wait { semaphore });
        Ok(())
    }
}

/// Give signals.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WakeFile {
    /// Their name.
    name: String,
    /// How many: 1 to 1000000. Default: 1.
    count: Option<u64>,
}

impl Operation for WakeFile {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        not_in_section(at, inside)?;
        let count = at.field("count").number(self.count.unwrap_or(1), 1..=1_000_000)?;
        let semaphore = to.sync(&at.field("name"), &self.name, SyncKind::Semaphore)?;
        to.push(Op::Wake { semaphore, count });
        Ok(())
    }
}
