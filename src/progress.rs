//! A progress bar with rate and time to go, for people who look at a terminal.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use scenarios::Progress;

const TEMPLATE: &str = "{prefix} [{bar:28}] {msg} runs  {elapsed} elapsed  ETA {eta}";
/// What the bar counts: hundredths of runs.
const WHOLE: u64 = 100;
const REDRAW: Duration = Duration::from_millis(200);

/// Shows how far a comparison has come; shows nothing when nobody would see it.
pub(crate) struct Display {
    bar: ProgressBar,
    state: Mutex<State>,
}

/// How far all runs are.
#[derive(Default)]
struct State {
    done: u64,
    total: u64,
    /// Hundredths of the runs that are under way.
    under_way: BTreeMap<u32, u64>,
}

impl Display {
    /// A bar on standard error if that is a terminal and the user did not ask for quiet.
    pub(crate) fn new(scenario: &str, quiet: bool) -> Self {
        if !Self::is_seen(quiet) {
            return Self { bar: ProgressBar::hidden(), state: Mutex::default() };
        }
        let style = ProgressStyle::with_template(TEMPLATE)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = ProgressBar::new(0).with_style(style).with_prefix(scenario.to_owned());
        bar.enable_steady_tick(REDRAW);
        Self { bar, state: Mutex::default() }
    }

    /// Whether anybody would see a bar.
    pub(crate) fn is_seen(quiet: bool) -> bool {
        !quiet && io::stderr().is_terminal()
    }

    /// Takes in news from the runner, from any thread.
    pub(crate) fn update(&self, progress: &Progress) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = matches!(progress, Progress::Begin { .. });
        match progress {
            Progress::Begin { total, resumed } => {
                (state.done, state.total) = ((*resumed).into(), (*total).into());
                self.bar.set_length(state.total * WHOLE);
            }
            Progress::Prefill { .. } => return,
            Progress::Within { number, percent } => {
                state.under_way.insert(*number, (*percent).into());
            }
            Progress::Finished { number, done, .. } => {
                state.under_way.remove(number);
                state.done = (*done).into();
            }
        }
        self.bar.set_message(format!("{}/{}", state.done, state.total));
        self.bar.set_position(state.done * WHOLE + state.under_way.values().sum::<u64>());
        if begins {
            // Runs taken over from an earlier time say nothing about the speed of this one.
            self.bar.reset_eta();
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
