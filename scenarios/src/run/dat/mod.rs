//! Traces as `trace.dat` of trace-cmd, version 6, which `trace-cmd report` and KernelShark read.
//!
//! The records are those that the text of a trace has, in the layouts of Linux 6.12 (`formats.txt`, as tracefs
//! shows them). A file has the pages of one processor behind those of the other, and nobody knows how many there
//! will be: so finished pages wait in a file without a name, and in memory are one page a processor and the order
//! of the others.

mod format;
mod page;
mod value;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::Path;

use models::base::record::Record;
use models::trace::kernel::{Header, KernelWriter, Line, Setting, split};

use self::format::{Formats, sized};
use self::page::{PAGE, Page};
use self::value::{Datum, values};

/// How all files of trace-cmd begin.
const MAGIC: &[u8] = b"\x17\x08\x44tracing6\0";
/// The function of work items and its end, and those of userfaultfd, as `/proc/kallsyms` has them: made up, as there
/// is no kernel.
const SYMBOLS: &str = "\
ffffffff81430000 T vfs_read
ffffffff81500000 T handle_userfault
ffffffff81501000 t userfaultfd_read_iter
ffffffff81502000 t userfaultfd_ioctl
ffffffff81550000 T mfill_atomic_copy
ffffffffc0a1b000 t async_pf_execute\t[kvm]
ffffffffc0a1b400 t async_pf_end\t[kvm]
";
const HEADER_EVENT: &str = "\
# compressed entry header
\ttype_len    :    5 bits
\ttime_delta  :   27 bits
\tarray       :   32 bits

\tpadding     : type == 29
\ttime_extend : type == 30
\ttime_stamp : type == 31
\tdata max type_len  == 28
";

/// Whether a file of that name is to be a trace.dat.
pub(crate) fn is_dat(name: &str) -> bool {
    name.strip_suffix(".gz").unwrap_or(name).ends_with(".dat")
}

/// A file that is being written.
pub(crate) struct DatWriter {
    text: KernelWriter,
    lines: Vec<u8>,
    formats: Formats,
    cpus: Vec<Cpu>,
    /// Names of threads.
    names: BTreeMap<u32, Vec<u8>>,
    /// Pages that are full, in the order in which they became so.
    full: File,
    pages: u64,
}

#[derive(Default)]
struct Cpu {
    page: Page,
    /// The numbers of its full pages.
    full: Vec<u64>,
}

impl DatWriter {
    /// Begins a file in that folder.
    pub(crate) fn new(setting: Setting, folder: &Path) -> io::Result<Self> {
        let mut cpus = Vec::new();
        cpus.resize_with(setting.running.len(), Cpu::default);
        Ok(Self {
            text: KernelWriter::new(setting).in_nanoseconds(),
            lines: Vec::new(),
            formats: Formats::linux_6_12(),
            cpus,
            names: BTreeMap::new(),
            full: tempfile::tempfile_in(folder)?,
            pages: 0,
        })
    }

    /// Takes in a record.
    pub(crate) fn record(&mut self, record: &Record) -> io::Result<()> {
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        self.text.record(record, &mut lines);
        for line in lines.split(|byte| *byte == b'\n') {
            if let Line::Event(header, fields) = split(line) {
                self.event(&header, flags(line), fields)?;
            }
        }
        self.lines = lines;
        Ok(())
    }

    fn event(&mut self, header: &Header<'_>, flags: [u8; 2], fields: &[u8]) -> io::Result<()> {
        // Of other kernels than the one whose layouts these are: not in the file.
        let Some(values) = values(header.name, fields) else { return Ok(()) };
        let pid = header.thread.pid;
        let common = [
            ("common_flags", Datum::Number(flags[0].into())),
            ("common_preempt_count", Datum::Number(flags[1].into())),
            ("common_pid", Datum::Number(pid.into())),
        ];
        let Some(bytes) = self.formats.encode(header.name, &common, &values) else {
            return Ok(());
        };
        if pid > 0 && !self.names.contains_key(&pid) {
            self.names.insert(pid, header.comm.to_vec());
        }
        let place = header.cpu as usize;
        if place >= self.cpus.len() {
            self.cpus.resize_with(place + 1, Cpu::default);
        }
        let cpu = &mut self.cpus[place];
        if !cpu.page.add(header.ns, &bytes) {
            let full = std::mem::take(&mut cpu.page);
            cpu.full.push(self.pages);
            self.pages += 1;
            self.full.write_all(&full.bytes())?;
            // An empty page has room for any event.
            self.cpus[place].page.add(header.ns, &bytes);
        }
        Ok(())
    }

    /// Writes the file.
    pub(crate) fn finish(mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut head = MAGIC.to_vec();
        // Little endian, long words of 8 bytes.
        head.extend_from_slice(&[0, 8]);
        head.extend_from_slice(&(PAGE as u32).to_le_bytes());
        head.extend_from_slice(b"header_page\0");
        sized(&mut head, page::layout().as_bytes());
        head.extend_from_slice(b"header_event\0");
        sized(&mut head, HEADER_EVENT.as_bytes());
        // Of ftrace's own events there are none.
        head.extend_from_slice(&0_u32.to_le_bytes());
        self.formats.head(&mut head);
        head.extend_from_slice(&(SYMBOLS.len() as u32).to_le_bytes());
        head.extend_from_slice(SYMBOLS.as_bytes());
        // No formats of trace_printk.
        head.extend_from_slice(&0_u32.to_le_bytes());
        let names = self
            .names
            .iter()
            .map(|(pid, name)| [pid.to_string().as_bytes(), b" ", name, b"\n"].concat());
        let names: Vec<u8> = names.flatten().collect();
        sized(&mut head, &names);
        head.extend_from_slice(&(self.cpus.len() as u32).to_le_bytes());
        head.extend_from_slice(b"options  \0\0\0flyrecord\0");
        let page = PAGE as u64;
        let mut at = (head.len() as u64 + 16 * self.cpus.len() as u64).next_multiple_of(page);
        let begin = at;
        for cpu in &self.cpus {
            let size = page * (cpu.full.len() as u64 + u64::from(!cpu.page.is_empty()));
            head.extend_from_slice(&at.to_le_bytes());
            head.extend_from_slice(&size.to_le_bytes());
            at += size;
        }
        head.resize(usize::try_from(begin).unwrap_or(usize::MAX), 0);
        out.write_all(&head)?;
        let mut buffer = vec![0; PAGE];
        for cpu in std::mem::take(&mut self.cpus) {
            for number in cpu.full {
                self.full.seek(SeekFrom::Start(number * page))?;
                self.full.read_exact(&mut buffer)?;
                out.write_all(&buffer)?;
            }
            if !cpu.page.is_empty() {
                out.write_all(&cpu.page.bytes())?;
            }
        }
        Ok(())
    }
}

/// What the fifth column says of the context (`d.h1.`), as the first bytes of a record have it: flags, and how
/// often preemption is off (`TRACE_FLAG_IRQS_OFF` and `TRACE_FLAG_HARDIRQ` of include/linux/trace_events.h).
fn flags(line: &[u8]) -> [u8; 2] {
    const IRQS_OFF: u8 = 1;
    const HARDIRQ: u8 = 8;
    let mut column = line.split(|byte| *byte == b']').nth(1).unwrap_or_default().iter().skip(1);
    let mut next = || column.next().copied().unwrap_or(b'.');
    let (off, _, interrupt, count) = (next(), next(), next(), next());
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    let flags = flag(off == b'd', IRQS_OFF) | flag(interrupt == b'h', HARDIRQ);
    [flags, if count.is_ascii_digit() { count - b'0' } else { 0 }]
}
