//! A progress bar with rate and time to go, for people who look at a terminal.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use scenarios::Progress;

const TEMPLATE: &str =
    "{prefix} [{bar:28}] {pos}/{len} runs  {elapsed} elapsed  {per_sec}  ETA {eta}";
const REDRAW: Duration = Duration::from_millis(200);

/// Shows how far a comparison has come; shows nothing when nobody would see it.
pub(crate) struct Display {
    bar: ProgressBar,
}

impl Display {
    /// A bar on standard error if that is a terminal and the user did not ask for quiet.
    pub(crate) fn new(scenario: &str, quiet: bool) -> Self {
        if quiet || !io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden() };
        }
        let style = ProgressStyle::with_template(TEMPLATE)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = ProgressBar::new(0).with_style(style).with_prefix(scenario.to_owned());
        bar.enable_steady_tick(REDRAW);
        Self { bar }
    }

    /// Takes in news from the runner, from any thread.
    pub(crate) fn update(&self, progress: &Progress) {
        match progress {
            Progress::Begin { total, resumed } => {
                self.bar.set_length((*total).into());
                self.bar.set_position((*resumed).into());
                // Runs taken over from an earlier time say nothing about the speed of this one.
                self.bar.reset_eta();
            }
            Progress::Prefill { .. } => {}
            Progress::Finished { done, .. } => self.bar.set_position((*done).into()),
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Counts what is done where no runner tells of runs.
pub(crate) struct Counter {
    bar: ProgressBar,
}

impl Counter {
    /// As [`Display::new`]; `total` may be unknown.
    pub(crate) fn new(name: &str, total: Option<u64>, quiet: bool) -> Self {
        if quiet || !io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden() };
        }
        let template = match total {
            Some(_) => "{prefix} [{bar:28}] {pos}/{len}  {elapsed} elapsed  {per_sec}  ETA {eta}",
            None => "{prefix} {pos}  {elapsed} elapsed  {per_sec}",
        };
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = ProgressBar::new(total.unwrap_or(0)).with_style(style);
        let bar = bar.with_prefix(name.to_owned());
        bar.enable_steady_tick(REDRAW);
        Self { bar }
    }

    /// So many are done.
    pub(crate) fn update(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// A note above the bar.
    pub(crate) fn note(&self, text: &str) {
        self.bar.suspend(|| crate::output::note(text));
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
