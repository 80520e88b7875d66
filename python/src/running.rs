//! Running without the interpreter's lock, with progress and interrupts.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use scenarios::{FolderLock, Progress, RunOptions, RunnerError, SHARD_FILE, ShardError, Stop};

use crate::error;
use crate::results::Results;

/// How often the thread that called asks for signals.
const PAUSE: Duration = Duration::from_millis(50);

/// What is said of running, in every method that runs.
pub(crate) struct Running<'py> {
    pub(crate) jobs: Option<i64>,
    pub(crate) out: Option<PathBuf>,
    /// Whether what the folder has of before is removed.
    pub(crate) overwrite: bool,
    pub(crate) progress: Option<Bound<'py, PyAny>>,
}

impl Running<'_> {
    /// Runs on another thread. Progress is told on the thread that called, as `progress(done,
    /// total)`. An exception there, or a signal, ends the runs and goes on to the caller; runs that
    /// were finished stay in the folder.
    pub(crate) fn run(
        self,
        py: Python<'_>,
        work: impl FnOnce(&RunOptions, &(dyn Fn(Progress) + Sync)) -> Result<Results, RunnerError>
        + Send,
    ) -> PyResult<Results> {
        let stop = Stop::default();
        let overwrite = self.overwrite;
        if overwrite && self.out.is_none() {
            return Err(error("`overwrite` is said of a folder, and `out` names none"));
        }
        let options = RunOptions {
            jobs: threads(self.jobs)?,
            out: self.out,
            stop: Some(stop.clone()),
            ..RunOptions::default()
        };
        let (news, mut told) = mpsc::channel();
        thread::scope(|scope| {
            let running = scope.spawn(move || {
                let _held = hold(options.out.as_deref(), overwrite)?;
                // Nobody listens any more when the runs are being stopped.
                let results = work(&options, &|progress| drop(news.send(progress)));
                let results = results.map_err(|it| it.to_string())?;
                if let Some(out) = &options.out {
                    results.keep(out).map_err(|it| it.to_string())?;
                }
                Ok::<Results, String>(results)
            });
            let interrupted = loop {
                let (back, event) = py.detach(move || {
                    let event = told.recv_timeout(PAUSE);
                    (told, event)
                });
                told = back;
                let fine = match event {
                    Ok(progress) => tell(self.progress.as_ref(), &progress),
                    Err(RecvTimeoutError::Timeout) => Ok(()),
                    Err(RecvTimeoutError::Disconnected) => break None,
                };
                if let Err(error) = fine.and_then(|()| py.check_signals()) {
                    stop.now();
                    break Some(error);
                }
            };
            let result = py.detach(move || running.join());
            match (interrupted, result) {
                (Some(error), _) => Err(error),
                (None, Ok(result)) => result.map_err(error),
                (None, Err(_)) => {
                    Err(PyRuntimeError::new_err("a run ended by a mistake in apfsim"))
                }
            }
        })
    }
}

/// A folder that nobody else fills meanwhile, begun anew where that is asked for.
pub(crate) fn hold(folder: Option<&Path>, overwrite: bool) -> Result<FolderLock, String> {
    let held = FolderLock::hold(folder, &[]).map_err(|it| it.to_string())?;
    let Some(folder) = folder else { return Ok(held) };
    if overwrite {
        reports::start_over(folder).map_err(|it| it.to_string())?;
    }
    match folder.join(SHARD_FILE).exists() {
        true => Err(ShardError::Out { path: folder.to_owned() }.to_string()),
        false => Ok(held),
    }
}

/// So many threads; 0 for one a processor, which `-1` is for, too, as in other packages.
fn threads(jobs: Option<i64>) -> PyResult<usize> {
    match jobs {
        None | Some(-1) => Ok(0),
        Some(jobs) => {
            u16::try_from(jobs).ok().filter(|jobs| *jobs > 0).map(usize::from).ok_or_else(|| {
                let help = "1 to 65535 threads; None or -1 is one for each processor";
                error(format!("jobs={jobs} is no number of threads\n  help: {help}"))
            })
        }
    }
}

fn tell(progress: Option<&Bound<'_, PyAny>>, event: &Progress) -> PyResult<()> {
    let Some(progress) = progress else { return Ok(()) };
    let (done, total) = match event {
        Progress::Begin { total, resumed } => (*resumed, *total),
        Progress::Finished { done, total, .. } => (*done, *total),
        Progress::Prefill { .. } | Progress::Within { .. } => return Ok(()),
    };
    progress.call1((done, total)).map(drop)
}
