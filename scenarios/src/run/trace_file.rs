//! The file to which a run's records go: as kernel text, as trace.dat, or as a timeline.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use models::apf::rules;
use models::base::record::Record;
use models::config::Policy;
use models::machine::Prefix;
use models::trace::kernel::KernelWriter;

use crate::run::dat::{DatWriter, is_dat};
use crate::run::error::RunnerError;
use crate::run::files::AtomicFile;
use crate::run::perfetto::{PerfettoWriter, is_timeline};
use crate::run::plan::Run;
use crate::scenario::resolve::Scenario;

/// Where the trace of a run goes: the file that was named, if there is one run; else one that
/// carries policy and replication before its extension, `trace.txt.gz` becoming
/// `trace.halt.0.txt.gz`.
pub(crate) fn path_of(named: &Path, runs: usize, policy: &str, replication: u32) -> PathBuf {
    if runs == 1 {
        return named.to_owned();
    }
    let name = named.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    // A name that begins with its only dot has no extension.
    let cut = plain.rfind('.').filter(|&at| at > 0).unwrap_or(plain.len());
    let (stem, extension) = name.split_at(cut);
    named.with_file_name(format!("{stem}.{policy}.{replication}{extension}"))
}

/// The first line of a trace: which run it is, and the rules that it follows.
pub(crate) fn trace_remark(scenario: &Scenario, run: Run) -> String {
    let policy = &scenario.policies[run.policy];
    // Mechanisms that a scenario sets are those of no kernel.
    let released = rules::generation(policy.rules.name) == Some(policy.rules);
    format!(
        "run={} policy={} rules={} replication={} seed={} apfsim={}",
        scenario.name,
        policy.name,
        if released { policy.rules.name } else { "custom" },
        run.replication,
        run.seed,
        crate::version::VERSION
    )
}

enum Sink {
    Plain(BufWriter<AtomicFile>),
    Gzip(Box<GzEncoder<BufWriter<AtomicFile>>>),
}

/// What makes bytes of records.
enum Writer {
    Kernel(Box<KernelWriter>),
    Dat(Box<DatWriter>),
    Timeline(Box<PerfettoWriter>),
}

/// A trace that is being written. Its bytes depend on the records alone.
pub(crate) struct TraceFile {
    path: PathBuf,
    sink: Sink,
    writer: Writer,
    bytes: Vec<u8>,
    failure: Option<io::Error>,
}

impl TraceFile {
    /// Begins the file, which appears when it is complete. Its name says which form it has.
    pub(crate) fn create(
        path: PathBuf,
        (prefix, policy): (&Prefix, &Policy),
        remark: &str,
    ) -> Result<Self, RunnerError> {
        let file = AtomicFile::create(&path).map_err(|source| RunnerError::trace(&path, source))?;
        let file = BufWriter::new(file);
        let gzip = path.extension().is_some_and(|extension| extension == "gz");
        let sink = match gzip {
            true => Sink::Gzip(Box::new(GzEncoder::new(file, Compression::default()))),
            false => Sink::Plain(file),
        };
        let mut bytes = Vec::new();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let writer = if is_timeline(&name) {
            let mut writer = PerfettoWriter::new(&prefix.cast(), prefix.barrier());
            writer.header(remark, prefix.barrier(), &mut bytes);
            Writer::Timeline(Box::new(writer))
        } else if is_dat(&name) {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let writer = DatWriter::new(prefix.setting(policy), folder.unwrap_or(Path::new(".")));
            Writer::Dat(Box::new(writer.map_err(|source| RunnerError::trace(&path, source))?))
        } else {
            let writer = KernelWriter::new(prefix.setting(policy));
            writer.header(remark, &mut bytes);
            Writer::Kernel(Box::new(writer))
        };
        Ok(Self { path, sink, writer, bytes, failure: None })
    }

    /// Writes records. After a failure the run may as well stop.
    pub(crate) fn observe(&mut self, records: &[Record]) -> ControlFlow<()> {
        match self.take(records).and_then(|()| self.write_bytes()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failure = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn take(&mut self, records: &[Record]) -> io::Result<()> {
        for record in records {
            match &mut self.writer {
                Writer::Kernel(writer) => writer.record(record, &mut self.bytes),
                Writer::Dat(writer) => writer.record(record)?,
                Writer::Timeline(writer) => writer.record(record, &mut self.bytes),
            }
        }
        Ok(())
    }

    fn write_bytes(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Plain(file) => file.write_all(&self.bytes)?,
            Sink::Gzip(file) => file.write_all(&self.bytes)?,
        }
        self.bytes.clear();
        Ok(())
    }

    /// Ends the file; tells a failure of before, too.
    pub(crate) fn finish(mut self) -> Result<(), RunnerError> {
        if let Writer::Timeline(writer) = &mut self.writer {
            writer.close(&mut self.bytes);
        }
        let result = match self.failure.take() {
            Some(error) => Err(error),
            None => self.write_bytes().and_then(|()| {
                if let Writer::Dat(writer) = self.writer {
                    match &mut self.sink {
                        Sink::Plain(file) => writer.finish(file)?,
                        Sink::Gzip(file) => writer.finish(file)?,
                    }
                }
                let file = match self.sink {
                    Sink::Plain(file) => file,
                    Sink::Gzip(file) => file.finish()?,
                };
                file.into_inner().map_err(io::IntoInnerError::into_error)?.commit()
            }),
        };
        result.map_err(|source| RunnerError::trace(&self.path, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_policy_and_replication_when_there_are_several() {
        for (named, expected) in [
            ("trace.txt", "trace.halt.2.txt"),
            ("a.b/trace.txt.gz", "a.b/trace.halt.2.txt.gz"),
            ("trace", "trace.halt.2"),
            ("trace.gz", "trace.halt.2.gz"),
            ("v1.2.txt", "v1.2.halt.2.txt"),
            (".hidden", ".hidden.halt.2"),
        ] {
            assert_eq!(path_of(Path::new(named), 4, "halt", 2), Path::new(expected));
            assert_eq!(path_of(Path::new(named), 1, "halt", 2), Path::new(named));
        }
    }
}
