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
