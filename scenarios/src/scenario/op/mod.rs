//! The operations that a program may have, one file each: how a scenario file writes one, which
//! values it may have, and what it stands for.

mod access;
mod call_all;
mod compute;
mod control;
mod count;
mod critical;
mod discard;
mod reader;
mod replay;
mod request;
mod serve;
mod sleep;
mod sync;
mod syscall;
mod yields;

use schemars::JsonSchema;
use serde::Deserialize;

use self::access::AccessFile;
use self::call_all::CallAllFile;
use self::compute::ComputeFile;
use self::control::{ChooseFile, OnceFile, RepeatFile, UntilFile};
use self::count::CountFile;
use self::critical::CriticalFile;
use self::discard::DiscardFile;
use self::reader::{Checked, Inside, Operation, Reader};
pub(crate) use self::reader::{Passes, Place, Tables, program};
use self::replay::ReplayOpFile;
use self::request::RequestFile;
use self::serve::ServeFile;
use self::sleep::SleepFile;
use self::sync::{BarrierFile, LockFile, WaitFile, WakeFile};
use self::syscall::SyscallFile;
use self::yields::YieldFile;
use crate::scenario::resolve::at::At;

/// The list of operations: name, type, and what the schema says.
macro_rules! operations {
    ($($(#[doc = $doc:literal])+ $word:literal $name:ident($file:ty),)*) => {
        /// One operation; `op` says which.
        #[derive(Clone, Debug, Deserialize, JsonSchema)]
        #[serde(rename = "tagged by op")]
        #[schemars(rename = "OpFile", tag = "op")]
        pub enum OpFile {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $name($file),)*
        }

        #[cfg(test)]
        impl OpFile {
            /// The word of every operation, in the order of this list.
            pub(crate) const WORDS: &[&str] = &[$($word,)*];
        }

        impl Operation for OpFile {
            fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
                match self { $(Self::$name(file) => file.resolve(at, inside, to),)* }
            }
        }
    };
}

operations! {
    /// Counted work without end. Must be the last operation.
    "count" Count(CountFile),
    /// Computation that is not counted.
    "compute" Compute(ComputeFile),
    /// One access to a page.
    "access" Access(AccessFile),
    /// The addresses of a real program, once from begin to end.
    "replay" Replay(ReplayOpFile),
    /// Sleep.
    "sleep" Sleep(SleepFile),
    /// Interrupt all other vCPUs and spin until each has answered, as a TLB flush does.
    "call_all" CallAll(CallAllFile),
    /// Give pages of a region back to the guest's kernel, by the system call madvise with MADV_DONTNEED; only in
    /// user mode.
    "discard" Discard(DiscardFile),
    /// Let another task of the same vCPU run, by the system call sched_yield; only in user mode.
    "yield" Yield(YieldFile),
    /// A system call: its body happens at CPL 0.
    "syscall" Syscall(SyscallFile<OpFile>),
    /// A section of the kernel in which a task must not be scheduled away; only in the body of a
    /// system call.
    "critical" Critical(CriticalFile<OpFile>),
    /// A request: its body is the part of a pass whose latency is measured.
    "request" Request(RequestFile<OpFile>),
    /// A request that has arrived from outside: the task waits for one and serves it.
    "serve" Serve(ServeFile<OpFile>),
    /// Operations several times.
    "repeat" Repeat(RepeatFile<OpFile>),
    /// Operations the first time that a task comes here, and never again.
    "once" Once(OnceFile<OpFile>),
    /// One of several, by weight.
    "choose" Choose(ChooseFile<OpFile>),
    /// Operations again and again until a time.
    "until" Until(UntilFile<OpFile>),
    /// Operations that one task does at a time.
    "lock" Lock(LockFile<OpFile>),
    /// Wait until so many tasks have come here.
    "barrier" Barrier(BarrierFile),
    /// Wait for a signal of another task.
    "wait" Wait(WaitFile),
    /// Give a signal to another task.
    "wake" Wake(WakeFile),
}

#[cfg(test)]
mod tests {
    use models::config::Op;

    use super::*;

    /// Those of a body have a word for its begin and one for its end, and some have two: with a number and with
    /// a law. What only says where a program goes on is of no operation of a file by that word.
    #[test]
    fn files_and_the_hash_have_one_word_for_an_operation() {
        let inner = ["again", "branch", "jump", "end_pass"];
        for word in Op::WORDS.iter().filter(|word| !inner.contains(word)) {
            let plain = ["_enter", "_exit", "_drawn", "_by"];
            let plain = plain.iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
            let known = OpFile::WORDS.contains(&plain) || plain == "section";
            assert!(known, "a file has no `{word}`");
        }
    }

    #[test]
    fn every_operation_has_its_row_in_the_document() {
        let page = include_str!("../../../../docs/scenario-format.md");
        let (_, table) = page.split_once("\n| `op` | fields | meaning |\n").unwrap();
        let (table, _) = table.split_once("\n\n").unwrap();
        let rows = table.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next());
        assert!(rows.eq(OpFile::WORDS.iter().copied()), "{table}");
    }
}
