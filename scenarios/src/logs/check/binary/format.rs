//! Where the fields of events are in a record, as the `format` texts of tracefs say it.
//!
//! trace.dat and perf.data have these texts with them, so that a record is read as the kernel that
//! wrote it laid it out.

use std::fmt::Write as _;

use models::trace::kernel::{Fields, forms_of};

use super::bytes::Endian;

/// Where a probe at an entry stands (`FIELD_STRING_IP` of kernel/trace/trace_probe.h).
const PROBE_IP: &str = "__probe_ip";
/// The function that a probe at a return is of, and where it returns to (`FIELD_STRING_FUNC`, `FIELD_STRING_RETIP`).
const PROBE_RETURN: [&str; 2] = ["__probe_func", "__probe_ret_ip"];

/// How a field is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A number.
    Number { signed: bool },
    /// An array of characters.
    Characters,
    /// Offset and length of text elsewhere in the record (`__data_loc`), or behind the field
    /// (`__rel_loc`).
    Elsewhere { relative: bool },
    /// Anything else.
    Other,
}

/// A field of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    name: String,
    offset: usize,
    size: usize,
    kind: Kind,
}

/// An event of the kernel that wrote a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// Its name.
    pub(super) name: Vec<u8>,
    of_kvm: bool,
    fields: Vec<Field>,
}

/// All events of a file by their numbers, and what their records have in common.
#[derive(Clone, Debug)]
pub(super) struct Formats {
    by_id: Vec<Option<Format>>,
    /// Offset and size of the number of the event.
    pub(super) id: (usize, usize),
    /// Offset and size of the thread's number.
    pub(super) pid: (usize, usize),
    /// Where the worker function of asynchronous faults is, as the file's symbols say.
    pub(super) worker: Vec<u64>,
}

impl Default for Formats {
    fn default() -> Self {
        // As in every kernel so far; formats say it as well.
        Self { by_id: Vec::new(), id: (0, 2), pid: (4, 4), worker: Vec::new() }
    }
}

impl Format {
    /// Whether it is an event of KVM.
    pub(super) fn is_of_kvm(&self) -> bool {
        self.of_kvm
    }
}

impl Formats {
    /// Adds the event of a `format` text. A text that is none is left out.
    pub(super) fn add(&mut self, system: &[u8], text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        let line = |key: &str| {
            let of_key = |line: &str| line.strip_prefix(key).map(|rest| rest.trim().to_owned());
            text.lines().find_map(of_key)
        };
        let (Some(name), Some(id)) = (line("name:"), line("ID:")) else { return };
        let Ok(id) = id.parse::<u16>() else { return };
        let own = text.split("print fmt:").next().unwrap_or("");
        let mut fields: Vec<Field> = own.lines().filter_map(field).collect();
        for (name, place) in [("common_type", &mut self.id), ("common_pid", &mut self.pid)] {
            if let Some(field) = fields.iter().find(|field| field.name == name) {
                *place = (field.offset, field.size.min(8));
            }
        }
        let of_probe = |field: &Field| field.name == PROBE_IP || field.name == PROBE_RETURN[0];
        if forms_of(name.as_bytes()).is_none() && !fields.iter().any(of_probe) {
            fields.clear();
        }
        let place = usize::from(id);
        if self.by_id.len() <= place {
            self.by_id.resize(place + 1, None);
        }
        let of_kvm = system.starts_with(b"kvm");
        self.by_id[place] = Some(Format { name: name.into_bytes(), of_kvm, fields });
    }

    /// The event that a record is of.
    pub(super) fn of_record(&self, record: &[u8], endian: Endian) -> Option<&Format> {
        let id = endian.number(record.get(self.id.0..)?, self.id.1)?;
        self.by_id.get(usize::try_from(id).ok()?)?.as_ref()
    }

    /// The thread that wrote a record.
    pub(super) fn thread(&self, record: &[u8], endian: Endian) -> Option<u32> {
        let pid = endian.number(record.get(self.pid.0..)?, self.pid.1)?;
        // It is signed, and negative for none.
        u32::try_from(pid).ok()
    }

    /// Whether there is any event.
    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Takes what is needed of the kernel's symbols: `address type name [module]`, a line each.
    pub(super) fn symbols(&mut self, text: &[u8]) {
        for line in text.split(|&b| b == b'\n') {
            let mut words = line.split(|&b| b == b' ' || b == b'\t');
            let (address, _, name) = (words.next(), words.next(), words.next());
            if name != Some(b"async_pf_execute") {
                continue;
            }
            let address = address.and_then(|digits| str::from_utf8(digits).ok());
            let address = address.and_then(|digits| u64::from_str_radix(digits, 16).ok());
            // Kernels that hide addresses print zeros.
            self.worker.extend(address.filter(|&address| address != 0));
        }
    }
}

/// A line of a format: `field:unsigned char common_flags; offset:2; size:1; signed:0;`, with
/// tabulators between.
fn field(line: &str) -> Option<Field> {
    let rest = line.trim_start().strip_prefix("field:")?;
    let mut parts = rest.split(';');
    let declared = parts.next()?.trim();
    let mut number = |key: &str| -> Option<usize> {
        parts.next()?.trim().strip_prefix(key)?.trim().parse().ok()
    };
    let (offset, size) = (number("offset:")?, number("size:")?);
    // Kernels before 2.6.33 do not say it.
    let signed = number("signed:").unwrap_or(0) != 0;
    let (kind, name) = match declared.strip_suffix(']') {
        Some(array) => {
            let name = array.rsplit_once('[')?.0;
            let (of, name) = name.trim().rsplit_once(' ')?;
            let characters = of.split(' ').any(|word| word == "char");
            (if characters { Kind::Characters } else { Kind::Other }, name)
        }
        None => {
            let (of, name) = declared.rsplit_once([' ', '*'])?;
            let kind = match of.split(' ').next()? {
                "__data_loc" => Kind::Elsewhere { relative: false },
                "__rel_loc" => Kind::Elsewhere { relative: true },
                _ if size <= 8 => Kind::Number { signed },
                _ => Kind::Other,
            };
            (kind, name)
        }
    };
    Some(Field { name: name.to_owned(), offset, size, kind })
}

/// A record with its format.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) format: &'a Format,
    pub(super) formats: &'a Formats,
    pub(super) bytes: &'a [u8],
    pub(super) endian: Endian,
}

impl Record<'_> {
    fn field(&self, name: &str) -> Option<&Field> {
        self.format.fields.iter().find(|field| field.name == name)
    }

    fn raw(&self, field: &Field) -> Option<u64> {
        self.endian.number(self.bytes.get(field.offset..)?, field.size)
    }

    /// The text of a probe, as the kernel prints it where it has no symbols; nothing if it is another event.
    pub(super) fn probe(&self) -> Option<String> {
        let mut text = match self.number(PROBE_IP) {
            Some(at) => format!("({at:x})"),
            None => {
                let [function, to] = PROBE_RETURN.map(|name| self.number(name));
                format!("({:x} <- {:x})", to?, function?)
            }
        };
        for field in &self.format.fields {
            let own = !field.name.starts_with("common_") && !field.name.starts_with("__probe_");
            let Some(value) = self.number(&field.name).filter(|_| own) else { continue };
            let signed = matches!(field.kind, Kind::Number { signed: true });
            let value = match signed {
                true => value.cast_signed().to_string(),
                false => format!("{value:#x}"),
            };
            // Writing to a text cannot fail.
            let _ = write!(text, " {}={value}", field.name);
        }
        Some(text)
    }
}

impl Fields for Record<'_> {
    fn number(&self, name: &str) -> Option<u64> {
        let field = self.field(name)?;
        let Kind::Number { signed } = field.kind else { return None };
        let raw = self.raw(field)?;
        if !signed || field.size == 0 || field.size >= 8 {
            return Some(raw);
        }
        let shift = 64 - 8 * u32::try_from(field.size).ok()?;
        Some(((raw << shift).cast_signed() >> shift).cast_unsigned())
    }

    fn text(&self, name: &str) -> Option<&[u8]> {
        let field = self.field(name)?;
        let text = match field.kind {
            Kind::Characters => {
                self.bytes.get(field.offset..field.offset.checked_add(field.size)?)?
            }
            Kind::Elsewhere { relative } => {
                let place = self.raw(field)?;
                let behind = if relative { field.offset + field.size } else { 0 };
                let from = usize::try_from(place & 0xffff).ok()? + behind;
                let length = usize::try_from(place >> 16 & 0xffff).ok()?;
                self.bytes.get(from..from + length)?
            }
            // The function of a work item.
            Kind::Number { .. } if name == "function" && !self.formats.worker.is_empty() => {
                let worker = self.formats.worker.contains(&self.raw(field)?);
                return Some(if worker { b"async_pf_execute" } else { b"another" });
            }
            Kind::Number { .. } | Kind::Other => return None,
        };
        Some(text.split(|&b| b == 0).next().unwrap_or(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWITCH: &str = "name: sched_switch\nID: 316\nformat:\n\
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
        \tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n\
        \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\
        \tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n\
        \tfield:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;\n\
        \tfield:long prev_state;\toffset:32;\tsize:8;\tsigned:1;\n\
        \tfield:__data_loc char[] cmd;\toffset:40;\tsize:4;\tsigned:0;\n\
        \tfield:void * function;\toffset:44;\tsize:8;\tsigned:0;\n\n\
        print fmt: \"field:int x;\toffset:0;\", REC->prev_comm\n";

    #[test]
    fn fields_are_where_the_format_says() {
        let mut formats = Formats::default();
        formats.add(b"sched", SWITCH.as_bytes());
        formats.symbols(b"ffffffffc0a1b000 t async_pf_execute\t[kvm]\n0 t async_pf_execute\n");
        assert_eq!(formats.worker, [0xffff_ffff_c0a1_b000]);
        for endian in [Endian::Little, Endian::Big] {
            let mut bytes = vec![0_u8; 60];
            let mut put = |at: usize, size: usize, value: u64| {
                for i in 0..size {
                    let shift = if endian == Endian::Little { i } else { size - 1 - i };
                    bytes[at + i] = (value >> (8 * shift) & 0xff) as u8;
                }
            };
            put(0, 2, 316);
            put(4, 4, 4711);
            put(24, 4, 0xffff_ffff);
            put(32, 8, 0x100);
            put(40, 4, 4 << 16 | 52);
            put(44, 8, 0xffff_ffff_c0a1_b000);
            bytes[8..13].copy_from_slice(b"a b\0c");
            bytes[52..56].copy_from_slice(b"xyz\0");
            let format = formats.of_record(&bytes, endian).expect("known");
            assert_eq!(formats.thread(&bytes, endian), Some(4711));
            let record = Record { format, formats: &formats, bytes: &bytes, endian };
            assert_eq!(record.text("prev_comm"), Some(&b"a b"[..]));
            assert_eq!(record.number("prev_pid"), Some(u64::MAX));
            assert_eq!(record.number("prev_state"), Some(0x100));
            assert_eq!(record.text("cmd"), Some(&b"xyz"[..]));
            assert_eq!(record.text("function"), Some(&b"async_pf_execute"[..]));
            assert_eq!(record.number("next_pid"), None);
            // Cut short, as a damaged file has it.
            let record = Record { bytes: &bytes[..30], ..record };
            assert_eq!((record.number("prev_state"), record.text("cmd")), (None, None));
        }
    }

    #[test]
    fn a_probe_is_read_as_its_text() {
        let mut formats = Formats::default();
        let common = "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
            \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n";
        let entry = "\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n\
            \tfield:u64 addr;\toffset:16;\tsize:8;\tsigned:0;\n\
            \tfield:u32 flags;\toffset:24;\tsize:4;\tsigned:0;\n";
        let exit = "\tfield:unsigned long __probe_func;\toffset:8;\tsize:8;\tsigned:0;\n\
            \tfield:unsigned long __probe_ret_ip;\toffset:16;\tsize:8;\tsigned:0;\n\
            \tfield:s64 ret;\toffset:24;\tsize:8;\tsigned:1;\n";
        for (id, name, fields) in [(2001, "uffd_fault", entry), (2002, "uffd_copied", exit)] {
            let text =
                format!("name: {name}\nID: {id}\nformat:\n{common}{fields}\nprint fmt: \"\"\n");
            formats.add(b"kprobes", text.as_bytes());
        }
        let text = |id: u16, words: [u64; 3]| {
            let mut bytes = id.to_le_bytes().to_vec();
            bytes.resize(8, 0);
            bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
            let endian = Endian::Little;
            let format = formats.of_record(&bytes, endian).expect("known");
            Record { format, formats: &formats, bytes: &bytes, endian }.probe()
        };
        let at = 0xffff_ffff_8123_4564;
        let entry = text(2001, [at, 0x7f00_0000_1000, 0x81d]);
        assert_eq!(entry.as_deref(), Some("(ffffffff81234564) addr=0x7f0000001000 flags=0x81d"));
        let exit = text(2002, [at, 0xffff_ffff_8100_0010, (-17_i64).cast_unsigned()]);
        assert_eq!(exit.as_deref(), Some("(ffffffff81000010 <- ffffffff81234564) ret=-17"));
    }
}
