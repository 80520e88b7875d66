//! Why a part of a sweep cannot be run, or parts cannot be merged.

use std::io;
use std::path::PathBuf;

use crate::run::checksum::ChecksumError;
use crate::run::error::RunnerError;
use crate::run::shard::Shard;
use crate::syntax::error::ScenarioError;

/// Why a part of a sweep cannot be run, or parts cannot be merged. Paths are those of `shard.json`
/// or of the folder it is in.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The sweep is missing or wrong.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A run failed, or runs cannot be read or written.
    #[error(transparent)]
    Runner(#[from] RunnerError),
    /// The folder is not that of a part.
    #[error(
        "cannot read `{}`: {source}\n  \
         help: name the folders that `apfsim sweep --shard K/N --out DIR` filled",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is not one of ours.
    #[error("`{}` does not describe a shard: {message}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The file was changed.
    #[error(
        "`{}` cannot be believed: {source}\n  help: remove it and run the shard again; \
         runs that are in its folder are taken over",
        path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// What is wrong with the checksum.
        source: ChecksumError,
    },
    /// Two builds may give different results.
    #[error(
        "the shard in `{}` was run by version {version}, build {build}; this is version {}, build {}\n  \
         help: run all shards and merge them with one program",
        path.display(), crate::version::VERSION, crate::version::BUILD
    )]
    OtherBuild {
        /// The folder.
        path: PathBuf,
        /// The version that ran the shard.
        version: String,
        /// Its build.
        build: String,
    },
    /// The shards are of different sweeps, or of one that was cut in different ways.
    #[error(
        "`{}` does not go with `{}`: {difference}\n  help: merge the shards of one command",
        path.display(), first.display()
    )]
    OtherSweep {
        /// The folder.
        path: PathBuf,
        /// The folder it is held against.
        first: PathBuf,
        /// What differs.
        difference: String,
    },
    /// The sweep is not what it was when the shards were run.
    #[error(
        "the sweep `{scenario}` is not what the shards were run of: hash {now} instead of {then}\n  \
         help: merge with the files that the shards were run with, or run them again"
    )]
    OtherFiles {
        /// What the command named.
        scenario: String,
        /// Its hash now.
        now: String,
        /// Its hash when the shards were run.
        then: String,
    },
    /// The sweep that the shards name cannot be loaded any more.
    #[error(
        "the sweep `{scenario}`, of which these shards are: {source}\n  \
         help: merge in the folder in which the shards were started, with the same files"
    )]
    NoSweep {
        /// What the command named.
        scenario: String,
        /// What is wrong with it.
        source: ScenarioError,
    },
    /// A shard is given twice.
    #[error(
        "shard {shard} is in `{}` and in `{}`\n  help: name one of them", first.display(), second.display()
    )]
    Twice {
        /// The shard.
        shard: Shard,
        /// The first folder with it.
        first: PathBuf,
        /// The second one.
        second: PathBuf,
    },
    /// Shards are not given.
    #[error(
        "there is no folder of {}\n  help: name the folders of all {count} shards",
        listed(shards)
    )]
    Missing {
        /// Their numbers, from 1.
        shards: Vec<u32>,
        /// How many there are.
        count: u32,
    },
    /// A shard was not finished.
    #[error(
        "shard {shard} in `{}` is not finished: {missing} of its {runs} runs are missing\n  \
         help: the command that began it goes on with it", path.display()
    )]
    Unfinished {
        /// The folder.
        path: PathBuf,
        /// The shard.
        shard: Shard,
        /// Runs that are missing.
        missing: usize,
        /// Runs of the shard.
        runs: usize,
    },
    /// A folder has a run that belongs to no shard of the sweep, or to another one.
    #[error(
        "`{}` has a run that is not of shard {shard}: {run}\n  \
         help: give every shard a folder of its own", path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// The shard.
        shard: Shard,
        /// Which run it is.
        run: String,
    },
    /// A folder belongs to another shard.
    #[error(
        "`{}` belongs to {difference}\n  help: give every shard a folder of its own", path.display()
    )]
    OtherShard {
        /// The folder.
        path: PathBuf,
        /// What the folder is of.
        difference: String,
    },
    /// The result would be written over a shard.
    #[error(
        "`{}` is the folder of a shard\n  help: name another folder for the result", path.display()
    )]
    Out {
        /// The folder.
        path: PathBuf,
    },
}

/// `shard 3`, `shards 3, 5 and 40 more`.
fn listed(shards: &[u32]) -> String {
    const SHOWN: usize = 8;
    let names: Vec<String> = shards.iter().take(SHOWN).map(u32::to_string).collect();
    let names = names.join(", ");
    match shards.len() {
        1 => format!("shard {names}"),
        count if count > SHOWN => format!("shards {names} and {} more", count - SHOWN),
        _ => format!("shards {names}"),
    }
}
