//! Running without the interpreter's lock, with progress and interrupts.

use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use scenarios::{Progress, RunOptions, Stop};

use crate::error;

/// How often the thread that called asks for signals.
const PAUSE: Duration = Duration::from_millis(50);

/// What is said of running, in every method that runs.
pub(crate) struct Running<'py> {
    pub(crate) jobs: Option<u16>,
    pub(crate) out: Option<PathBuf>,
    pub(crate) progress: Option<Bound<'py, PyAny>>,
}

impl Running<'_> {
    /// Runs on another thread. Progress is told on the thread that called, as `progress(done,
    /// total)`. An exception there, or a signal, ends the runs and goes on to the caller; runs that
    /// were finished stay in the folder.
    pub(crate) fn run<T: Send, E: ToString + Send>(
        self,
        py: Python<'_>,
        work: impl FnOnce(&RunOptions, &(dyn Fn(Progress) + Sync)) -> Result<T, E> + Send,
    ) -> PyResult<T> {
        let stop = Stop::default();
        let options = RunOptions {
            jobs: self.jobs.map_or(0, usize::from),
            out: self.out,
            stop: Some(stop.clone()),
            ..RunOptions::default()
        };
        let (news, mut told) = mpsc::channel();
        thread::scope(|scope| {
            let running = scope.spawn(move || {
                // Nobody listens any more when the runs are being stopped.
                work(&options, &|progress| drop(news.send(progress)))
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

fn tell(progress: Option<&Bound<'_, PyAny>>, event: &Progress) -> PyResult<()> {
    let Some(progress) = progress else { return Ok(()) };
    let (done, total) = match event {
        Progress::Begin { total, resumed } => (*resumed, *total),
        Progress::Finished { done, total, .. } => (*done, *total),
        Progress::Prefill { .. } | Progress::Within { .. } => return Ok(()),
    };
    progress.call1((done, total)).map(drop)
}
