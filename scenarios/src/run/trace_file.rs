//! The file to which a run's records go as kernel text.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use models::apf::rules::PageReady;
use models::apf::token::TokenRule;
use models::base::ids::{Hva, ThreadId, Token};
use models::base::record::{Event, Record};
use models::explore::{Setup, Trace};
use models::trace::kernel::{KernelWriter, Setting};
use sim_core::SimTime;

use crate::run::files::AtomicFile;
use crate::syntax::error::RunnerError;

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

/// Picoseconds between two events of an explored trace that is written down.
const STEP: u64 = 10_000_000;

/// Bits of a kernel's token that name the vCPU.
const KERNEL_VCPU_BITS: u8 = 12;
/// Where a VMM's process has the guest's memory.
const HOST_MEMORY: u64 = 0x7f00_0000_0000;

/// The way through a small world as the text that a host's kernel would have printed, an event
/// each 10 us: such a world has no clock, and what matters is the order. The remark becomes the
/// first line.
pub fn explored_log(trace: &Trace, setup: &Setup, remark: &str) -> String {
    let thread = |vcpu: u16| Some(ThreadId(vcpu.into()));
    let mut writer = KernelWriter::new(Setting {
        vcpus: setup.vcpus,
        running: (0..setup.vcpus).map(thread).collect(),
        ready_by_interrupt: setup.rules.page_ready == PageReady::Interrupt,
    });
    let mut out = Vec::new();
    writer.header(remark, &mut out);
    for (at, &event) in trace.events.iter().enumerate() {
        let time = SimTime::from_ps((at as u64 + 1) * STEP);
        let event = as_printed(event, setup.rules.token);
        writer.record(&Record { time, event }, &mut out);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// An event with the layout of a kernel's tokens, which in a small world have fewer bits, and with a
/// host address as processes have them.
fn as_printed(event: Event, layout: TokenRule) -> Event {
    let wide = |token: Token| {
        if token == Token::WAKE_ALL {
            return token;
        }
        let vcpu = token.0 & ((1 << layout.vcpu_bits) - 1);
        Token(token.0 >> layout.vcpu_bits << KERNEL_VCPU_BITS | vcpu)
    };
    match event {
        Event::KvmAsyncPfNotPresent { vcpu, token, gva } => {
            Event::KvmAsyncPfNotPresent { vcpu, token: wide(token), gva }
        }
        Event::KvmAsyncPfReady { vcpu, token, gva } => {
            Event::KvmAsyncPfReady { vcpu, token: wide(token), gva }
        }
        Event::KvmAsyncPfCompleted { worker, vcpu, gva, address } => {
            let address = Hva(HOST_MEMORY + address.0);
            Event::KvmAsyncPfCompleted { worker, vcpu, gva, address }
        }
        other => other,
    }
}

enum Sink {
    Plain(BufWriter<AtomicFile>),
    Gzip(Box<GzEncoder<BufWriter<AtomicFile>>>),
}

/// A trace that is being written. Its bytes depend on the records alone.
pub(crate) struct TraceFile {
    path: PathBuf,
    sink: Sink,
    writer: KernelWriter,
    text: Vec<u8>,
    failure: Option<io::Error>,
}

impl TraceFile {
    /// Begins the file, which appears when it is complete.
    pub(crate) fn create(
        path: PathBuf,
        writer: KernelWriter,
        remark: &str,
    ) -> Result<Self, RunnerError> {
        let file = AtomicFile::create(&path).map_err(|source| RunnerError::trace(&path, source))?;
        let file = BufWriter::new(file);
        let gzip = path.extension().is_some_and(|extension| extension == "gz");
        let sink = match gzip {
            true => Sink::Gzip(Box::new(GzEncoder::new(file, Compression::default()))),
            false => Sink::Plain(file),
        };
        let mut text = Vec::new();
        writer.header(remark, &mut text);
        Ok(Self { path, sink, writer, text, failure: None })
    }

    /// Writes records. After a failure the run may as well stop.
    pub(crate) fn observe(&mut self, records: &[Record]) -> ControlFlow<()> {
        for record in records {
            self.writer.record(record, &mut self.text);
        }
        match self.write_text() {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failure = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn write_text(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Plain(file) => file.write_all(&self.text)?,
            Sink::Gzip(file) => file.write_all(&self.text)?,
        }
        self.text.clear();
        Ok(())
    }

    /// Ends the file; tells a failure of before, too.
    pub(crate) fn finish(mut self) -> Result<(), RunnerError> {
        let result = match self.failure.take() {
            Some(error) => Err(error),
            None => self.write_text().and_then(|()| {
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
