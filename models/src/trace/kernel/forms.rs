//! The text forms of events.
//!
//! A form is a template: literal text with fields in braces. The fields are
//!
//! | field | what is printed | what is read |
//! | --- | --- | --- |
//! | `{#x}` | hexadecimal with `0x` | hexadecimal with or without it (`trace-cmd` leaves it out of 0) |
//! | `{x}` | hexadecimal | hexadecimal |
//! | `{08x}`, `{016x}` | hexadecimal, padded with zeros | hexadecimal |
//! | `{d}` | decimal | decimal, with or without leading zeros |
//! | `{03d}` | decimal, padded with zeros | the same |
//! | `{s}` | text | text up to what follows the field, or to the next space |
//!
//! A text that goes on after the end of a form is read as well if a space or comma begins the
//! rest: kernels add fields at the end.

/// The worker function of asynchronous faults.
pub(super) const WORKER_FUNCTION: &[u8] = b"async_pf_execute";

/// A value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Of a numeric field.
    Number(u64),
    /// Of a text field.
    Text(&'a [u8]),
}

impl Value<'_> {
    /// The number; 0 for text.
    pub fn number(self) -> u64 {
        match self {
            Self::Number(number) => number,
            Self::Text(_) => 0,
        }
    }
}

/// The most fields that a form has.
pub const MAX_FIELDS: usize = 9;

/// The values of a form's fields, in order; those that it does not have are 0.
pub type Values<'a> = [Value<'a>; MAX_FIELDS];

/// One text form of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The kernels that print it.
    pub kernels: &'static str,
    /// The template.
    pub template: &'static str,
}

/// An event with its forms, the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventForms {
    /// The group in tracefs.
    pub system: &'static str,
    /// The name of the tracepoint.
    pub name: &'static str,
    /// The forms, the one of current kernels first.
    pub forms: &'static [Form],
}

/// A text that has none of the forms of its event, or values that a form cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The text does not match.
    #[error("the fields have none of the known forms")]
    Mismatch,
    /// A form was given fewer values than it has fields, or text for a number.
    #[error("the values do not fit the form")]
    Values,
}

const fn one(kernels: &'static str, template: &'static str) -> Form {
    Form { kernels, template }
}

/// The group of the events of KVM.
const KVM: &str = "kvm";

macro_rules! table {
    ($($id:ident = $system:literal $name:literal [$($kernels:literal => $template:literal),+ $(,)?];)*) => {
        $(
            #[doc = concat!("`", $system, ":", $name, "`")]
            pub const $id: &EventForms =
                &EventForms { system: $system, name: $name, forms: &[$(one($kernels, $template)),+] };
        )*

        /// Every event that is read.
        pub static EVENTS: &[&EventForms] = &[$($id),*];
    };
}

// The templates restate, as facts, what `include/trace/events/kvm.h`, `arch/x86/kvm/trace.h` and
// the events of the scheduler, block layer and workqueues print.
table! {
    TRY = "kvm" "kvm_try_async_get_page" [
        "2.6.38+" => "gva = {#x}, gfn = {#x}",
        "series of July 2010" => "pfn {#x}",
    ];
    REPEATED_FAULT = "kvm" "kvm_async_pf_repeated_fault" ["6.1+" => "gva = {#x}, gfn = {#x}"];
    DOUBLEFAULT = "kvm" "kvm_async_pf_doublefault" ["2.6.38 to 6.2" => "gva = {#x}, gfn = {#x}"];
    NOT_PRESENT = "kvm" "kvm_async_pf_not_present" ["2.6.38+" => "token {#x} gva {#x}"];
    READY = "kvm" "kvm_async_pf_ready" ["2.6.38+" => "token {#x} gva {#x}"];
    COMPLETED = "kvm" "kvm_async_pf_completed" [
        "3.13+" => "gva {#x} address {#x}",
        "2.6.38 to 3.12" => "gva {#x} address {#x} pfn {#x}",
    ];
    INJ_EXCEPTION = "kvm" "kvm_inj_exception" [
        "5.18+" => "{s} ({#x}){s}",
        "to 5.17" => "{s} ({#x})",
        "without error code" => "{s}{s}",
    ];
    INJ_VIRQ = "kvm" "kvm_inj_virq" [
        "5.18+" => "IRQ {#x}{s}",
        "4.x to 5.17" => "IRQ {#x}",
        "to 4.x" => "irq {d}",
        "INT n of the guest" => "Soft/INTn {#x}{s}",
    ];
    ENTRY = "kvm" "kvm_entry" [
        "5.x+" => "vcpu {d}, rip {#x}",
        "to 5.x" => "vcpu {d}",
        "arm64" => "PC: {#x}",
        "libtraceevent's plugin" => "vcpu {d} rip {#x}",
        "5.x+, to leave at once" => "vcpu {d}, rip {#x}[immediate exit]",
        "6.14+" => "vcpu {d}, rip {#x} intr_info 0x{08x} error_code 0x{08x}",
        "6.14+, to leave at once" => "vcpu {d}, rip {#x} intr_info 0x{08x} error_code 0x{08x}[immediate exit]",
    ];
    EXIT = "kvm" "kvm_exit" [
        "5.10+" => "vcpu {d} reason {s} rip {#x} info1 0x{016x} info2 0x{016x} intr_info 0x{08x} error_code 0x{08x}",
        "4.x to 5.9" => "vcpu {d} reason {s} rip {#x} info {x} {x}",
        "to 4.x" => "reason {s} rip {#x} info {x} {x}",
        "with other fields" => "vcpu {d} reason {s} rip {#x}",
        "without the vCPU, with other fields" => "reason {s} rip {#x}",
        "arm64" => "{s}: HSR_EC: {#x} ({s}), PC: {#x}",
        "arm64, interrupts" => "{s}: PC: {#x}",
        "6.14+" => "vcpu {d} reason {s} rip {#x} info1 0x{016x} info2 0x{016x} intr_info 0x{08x} error_code 0x{08x} requests 0x{016x}",
    ];
    PAGE_FAULT = "kvm" "kvm_page_fault" [
        "6.x+" => "vcpu {d} rip {#x} address 0x{016x} error_code {#x}",
        "to 5.x" => "address {x} error_code {x}",
        "with other fields" => "{s}",
    ];
    MSR = "kvm" "kvm_msr" ["2.6.32+" => "msr_{s} {x} = {#x}{s}"];
    APIC_ACCEPT_IRQ = "kvm" "kvm_apic_accept_irq" ["2.6.32+" => "apicid {x} vec {d} ({s}|{s})"];
    APICV_ACCEPT_IRQ = "kvm" "kvm_apicv_accept_irq" ["4.x+" => "apicid {x} vec {d} ({s}|{s})"];
    EOI = "kvm" "kvm_eoi" ["3.x+" => "apicid {x} vector {d}"];
    HYPERCALL = "kvm" "kvm_hypercall" ["2.6.32+" => "nr {#x} a0 {#x} a1 {#x} a2 {#x} a3 {#x}"];
    VCPU_WAKEUP = "kvm" "kvm_vcpu_wakeup" [
        "4.x+" => "{s} time {d} ns, polling {s}",
        "to 4.x" => "{s} time {d} ns",
    ];
    SCHED_SWITCH = "sched" "sched_switch" [
        "2.6.38+" => "prev_comm={s} prev_pid={d} prev_prio={d} prev_state={s} ==> next_comm={s} next_pid={d} next_prio={d}",
    ];
    BLOCK_RQ_ISSUE = "block" "block_rq_issue" [
        "6.x+" => "{d},{d} {s} {d} ({s}) {d} + {d} {s} [{s}]",
        "2.6.32+" => "{d},{d} {s} {d} ({s}) {d} + {d} {s}",
    ];
    BLOCK_RQ_COMPLETE = "block" "block_rq_complete" ["2.6.32+" => "{d},{d} {s} ({s}) {d} + {d} {s}"];
    QUEUE_WORK = "workqueue" "workqueue_queue_work" [
        "2.6.36+" => "work struct={016x} function={s} workqueue={s} req_cpu={d} cpu={d}",
    ];
    EXECUTE_START = "workqueue" "workqueue_execute_start" [
        "2.6.36+" => "work struct {016x}: function {s}",
    ];
    EXECUTE_END = "workqueue" "workqueue_execute_end" [
        "5.x+" => "work struct {016x}: function {s}",
        "to 5.x" => "work struct {016x}",
    ];
    PFAULT_INIT = "kvm-s390" "kvm_s390_pfault_init" [
        "3.14+" => "{d}[{016x}-{016x}]: init pfault token {s}",
    ];
    PFAULT_DONE = "kvm-s390" "kvm_s390_pfault_done" [
        "3.14+" => "{d}[{016x}-{016x}]: done pfault token {s}",
    ];
    SEND_ASYNC_PF = "kvm" "kvm_send_async_pf" ["the series of 2010" => "token {#x} gva {#x} {s}"];
}

/// The names of exceptions, in the order of their vectors; an empty name is a vector without one.
pub(super) const EXCEPTIONS: [&str; 32] = [
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "CSO", "#TS", "#NP", "#SS",
    "#GP", "#PF", "", "#MF", "#AC", "#MC", "#XM", "#VE", "#CP", "", "", "", "", "", "", "#HV",
    "#VC", "#SX", "",
];

/// The forms of the event of that name.
pub fn forms_of(name: &[u8]) -> Option<&'static EventForms> {
    EVENTS.iter().copied().find(|event| event.name.as_bytes() == name)
}

/// Whether promises are judged by the event of that name, so that one which cannot be read leaves as
/// much open as one that is lost.
pub fn is_evidence(name: &[u8]) -> bool {
    let beside = [EOI, PAGE_FAULT, EXIT, VCPU_WAKEUP];
    forms_of(name).is_some_and(|event| {
        event.system == KVM && !beside.iter().any(|other| other.name == event.name)
    })
}

impl EventForms {
    /// The form of current kernels.
    pub fn newest(&self) -> &Form {
        &self.forms[0]
    }

    /// Reads the fields of an event: the number of the form, the values, and the text behind it. A
    /// form of all of the text goes before one of its beginning.
    ///
    /// # Errors
    /// When no form matches.
    pub fn read<'a>(&self, text: &'a [u8]) -> Result<(usize, Values<'a>, &'a [u8]), FormError> {
        let mut begun = None;
        for (number, form) in self.forms.iter().enumerate() {
            match form.read(text) {
                Some((values, b"")) => return Ok((number, values, b"")),
                Some((values, rest)) => begun = begun.or(Some((number, values, rest))),
                None => {}
            }
        }
        begun.ok_or(FormError::Mismatch)
    }
}

/// A field of a template, or text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'a> {
    Literal(&'a [u8]),
    Hex { prefix: bool, width: usize },
    Decimal { width: usize },
    Text,
}

/// Cuts the first part off a template.
#[inline]
fn next_part(template: &[u8]) -> Option<(Part<'_>, &[u8])> {
    let first = *template.first()?;
    if first != b'{' {
        let end = template.iter().position(|&b| b == b'{').unwrap_or(template.len());
        return Some((Part::Literal(&template[..end]), &template[end..]));
    }
    let end = template.iter().position(|&b| b == b'}')?;
    let part = match &template[1..end] {
        b"#x" => Part::Hex { prefix: true, width: 0 },
        b"x" => Part::Hex { prefix: false, width: 0 },
        b"08x" => Part::Hex { prefix: false, width: 8 },
        b"016x" => Part::Hex { prefix: false, width: 16 },
        b"d" => Part::Decimal { width: 0 },
        b"03d" => Part::Decimal { width: 3 },
        _ => Part::Text,
    };
    Some((part, &template[end + 1..]))
}

impl Form {
    /// Reads the values of the fields, and says what is left of the text; nothing when it has
    /// another form.
    pub fn read<'a>(&self, text: &'a [u8]) -> Option<(Values<'a>, &'a [u8])> {
        let mut values = [Value::Number(0); MAX_FIELDS];
        let mut count = 0;
        let mut template = self.template.as_bytes();
        let mut rest = text;
        while let Some((part, after)) = next_part(template) {
            template = after;
            let value = match part {
                Part::Literal(literal) => {
                    rest = rest.strip_prefix(literal)?;
                    continue;
                }
                Part::Hex { .. } => Value::Number(read_hex(&mut rest)?),
                Part::Decimal { .. } => Value::Number(read_decimal(&mut rest)?),
                Part::Text => Value::Text(read_text(&mut rest, after)),
            };
            *values.get_mut(count)? = value;
            count += 1;
        }
        // Half a number must not pass for a whole one.
        matches!(rest.first(), None | Some(b' ' | b',' | b'\t')).then_some((values, rest))
    }

    /// Appends the text with these values.
    ///
    /// # Errors
    /// When there are fewer values than fields, or text where a number belongs.
    pub fn write(&self, values: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), FormError> {
        let mut values = values.iter();
        let mut template = self.template.as_bytes();
        while let Some((part, after)) = next_part(template) {
            template = after;
            if let Part::Literal(literal) = part {
                out.extend_from_slice(literal);
                continue;
            }
            match (part, *values.next().ok_or(FormError::Values)?) {
                (Part::Hex { prefix, width }, Value::Number(number)) => {
                    let prefix = if prefix { "0x" } else { "" };
                    out.extend_from_slice(format!("{prefix}{number:0width$x}").as_bytes());
                }
                (Part::Decimal { width }, Value::Number(number)) => {
                    out.extend_from_slice(format!("{number:0width$}").as_bytes());
                }
                (Part::Text, Value::Text(text)) => out.extend_from_slice(text),
                _ => return Err(FormError::Values),
            }
        }
        Ok(())
    }
}

fn read_hex(text: &mut &[u8]) -> Option<u64> {
    let digits = text.strip_prefix(b"0x").unwrap_or(text);
    let mut value = 0_u64;
    let mut length = 0;
    for &byte in digits {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => break,
        };
        if value >> 60 != 0 {
            return None;
        }
        value = value << 4 | u64::from(digit);
        length += 1;
    }
    *text = &digits[length..];
    (length > 0).then_some(value)
}

fn read_decimal(text: &mut &[u8]) -> Option<u64> {
    let length = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(length);
    *text = rest;
    if digits.is_empty() {
        return None;
    }
    digits
        .iter()
        .try_fold(0_u64, |value, &b| value.checked_mul(10)?.checked_add(u64::from(b - b'0')))
}

/// Text up to where the template goes on. At the end of a template it is the rest of the line.
fn read_text<'a>(text: &mut &'a [u8], template: &[u8]) -> &'a [u8] {
    let end = match next_part(template) {
        None => text.len(),
        Some((Part::Literal(literal), _)) => {
            text.windows(literal.len()).position(|w| w == literal).unwrap_or(text.len())
        }
        Some(_) => text.iter().position(|&b| b == b' ').unwrap_or(text.len()),
    };
    let (value, rest) = text.split_at(end);
    *text = rest;
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(form: &Form, text: &str) -> Option<Vec<u64>> {
        form.read(text.as_bytes()).map(|(values, _)| values.iter().map(|v| v.number()).collect())
    }

    #[test]
    fn forms_are_read_and_written_back() {
        let text = b"token 0x542000 gva 0x2bdc000";
        let (number, values, _) = NOT_PRESENT.read(text).expect("matches");
        assert_eq!(
            (number, &values[..2]),
            (0, &[Value::Number(0x54_2000), Value::Number(0x2bd_c000)][..])
        );
        let mut out = Vec::new();
        NOT_PRESENT.newest().write(&values, &mut out).expect("fits");
        assert_eq!(out, text);
    }

    #[test]
    fn numbers_end_where_they_end() {
        let form = &COMPLETED.forms[0];
        assert!(numbers(form, "gva 0x1000 address 0x7f10981dc000").is_some());
        assert!(numbers(form, "gva 0x1000 address 0x").is_none());
        assert!(numbers(form, "gva 0x1000 address 0x7fq").is_none());
        assert!(numbers(form, "gva 0x11112222333344445 address 0x1").is_none());
        assert!(numbers(form, "gva 0x1000 address 0x7f10981dc000 pfn 0x12").is_some());
    }

    #[test]
    fn text_ends_before_what_follows() {
        let (_, values, _) = EXIT
            .read(b"vcpu 3 reason npf rip 0x401d85 info1 0x0000000100000006 info2 0x0000000008322000 intr_info 0x00000000 error_code 0x00000000")
            .expect("matches");
        assert_eq!(values[1], Value::Text(b"npf"));
        assert_eq!(values[4], Value::Number(0x832_2000));
        let (_, values, _) = INJ_EXCEPTION.read(b"#PF (0x0) [reinjected]").expect("matches");
        assert_eq!(values[2], Value::Text(b" [reinjected]"));
    }

    #[test]
    fn templates_have_room_and_known_fields() {
        for event in EVENTS {
            for form in event.forms {
                let mut rest = form.template.as_bytes();
                let mut fields = 0;
                while let Some((part, after)) = next_part(rest) {
                    fields += usize::from(!matches!(part, Part::Literal(_)));
                    if part == Part::Text {
                        assert!(rest.starts_with(b"{s}"), "{}", form.template);
                    }
                    rest = after;
                }
                assert!(rest.is_empty() && fields <= MAX_FIELDS, "{}", form.template);
            }
        }
    }
}
