//! The fitted scenario's run, measured as its log is.

use std::ops::ControlFlow;

use models::base::record::Record;
use models::machine::{self, RunSettings};
use models::trace::kernel::KernelWriter;

use super::error::FitError;
use super::measure::Measure;
use crate::logs::check::reader::Session;
use crate::run::error::RunnerError;
use crate::run::plan::replication_seed;
use crate::scenario::resolve::Scenario;

/// Runs the first policy of a scenario once. Its trace is written as a kernel prints it and read as
/// a kernel's log is.
pub(super) fn simulate(scenario: &Scenario) -> Result<Measure, FitError> {
    let seed = replication_seed(scenario.seed, 0);
    let settings = RunSettings {
        warmup: scenario.warmup,
        duration: scenario.duration,
        ..RunSettings::default()
    };
    let failed = |policy: &str, source| {
        FitError::Runner(RunnerError::Run { policy: policy.into(), replication: 0, seed, source })
    };
    let policy = &scenario.policies[0];
    let prefix = machine::prefill(&scenario.machine, seed, &settings)
        .map_err(|source| failed("prefill", source))?;
    let mut writer = KernelWriter::new(prefix.setting(policy)).in_nanoseconds();
    let mut session = Session::new(Measure::default());
    let (mut text, mut lines) = (Vec::new(), 0);
    let mut observer = |records: &[Record]| {
        for record in records {
            text.clear();
            writer.record(record, &mut text);
            for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                lines += 1;
                session.line(lines, line);
            }
        }
        ControlFlow::Continue(())
    };
    machine::run_observed(&prefix, policy, &settings, Some(&mut observer))
        .map_err(|source| failed(&policy.name, source))?;
    session.end();
    session.consumer.conclude();
    Ok(session.consumer)
}
