//! Reasons of exits: their numbers, and the names that programs give them.
//!
//! The kernel's own text names exits in one way for each vendor, and libtraceevent's plugin, which
//! trace-cmd and perf use, in another. In binary files, and where a program could not follow the
//! print format, there is only the number.

use super::event::KernelExit;

/// What processors number alike, by the field `isa`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vendor {
    /// VMX; the upper half of a reason are flags.
    Intel,
    /// SVM.
    Amd,
}

/// `KVM_ISA_VMX` and `KVM_ISA_SVM`.
const ISA_VMX: u64 = 1;
const ISA_SVM: u64 = 2;
/// Basic exit reasons of VMX are below this; exits of SVM that matter here are not.
const VMX_REASONS: u64 = 0x60;

/// Numbers of VMX (SDM volume 3, appendix C) and of SVM (APM volume 2, appendix C).
const NUMBERS: [(Vendor, u64, KernelExit); 15] = [
    (Vendor::Intel, 1, KernelExit::Interrupt),
    (Vendor::Intel, 7, KernelExit::Window),
    (Vendor::Intel, 12, KernelExit::Hlt),
    (Vendor::Intel, 17, KernelExit::Rsm),
    (Vendor::Intel, 18, KernelExit::Hypercall),
    (Vendor::Intel, 31, KernelExit::Msr),
    (Vendor::Intel, 32, KernelExit::Msr),
    (Vendor::Intel, 48, KernelExit::NestedFault),
    (Vendor::Amd, 0x4e, KernelExit::PageFault),
    (Vendor::Amd, 0x60, KernelExit::Interrupt),
    (Vendor::Amd, 0x64, KernelExit::Window),
    (Vendor::Amd, 0x73, KernelExit::Rsm),
    (Vendor::Amd, 0x78, KernelExit::Hlt),
    (Vendor::Amd, 0x7c, KernelExit::Msr),
    (Vendor::Amd, 0x81, KernelExit::Hypercall),
];
/// `SVM_EXIT_NPF`
const SVM_NPF: u64 = 0x400;

/// The exit of a number. Old kernels do not print `isa`; the numbers that matter differ.
pub(super) fn by_number(reason: u64, isa: Option<u64>) -> KernelExit {
    let vendor = match isa {
        Some(ISA_VMX) => Vendor::Intel,
        Some(ISA_SVM) => Vendor::Amd,
        _ if reason & 0xffff < VMX_REASONS => Vendor::Intel,
        _ => Vendor::Amd,
    };
    if vendor == Vendor::Amd && reason == SVM_NPF {
        return KernelExit::NestedFault;
    }
    let basic = if vendor == Vendor::Intel { reason & 0xffff } else { reason };
    let known = NUMBERS.iter().find(|&&(of, number, _)| of == vendor && number == basic);
    known.map_or(KernelExit::Other, |&(.., exit)| exit)
}

/// The exit of a name, which flags may follow (`EPT_VIOLATION FAILED_VMENTRY`): as Intel's and
/// AMD's modules print it, and as libtraceevent's plugin does (`EXIT_NPF`).
pub(super) fn by_name(reason: &[u8]) -> KernelExit {
    let name = reason.split(|&b| b == b' ').next().unwrap_or(reason);
    match name.strip_prefix(b"EXIT_").unwrap_or(name) {
        b"npf" | b"NPF" | b"EPT_VIOLATION" => KernelExit::NestedFault,
        // `EXCEPTION_NMI` of Intel's may be any exception.
        b"PF" => KernelExit::PageFault,
        b"interrupt" | b"INTR" | b"EXTERNAL_INTERRUPT" => KernelExit::Interrupt,
        b"hlt" | b"HLT" => KernelExit::Hlt,
        b"msr" | b"MSR" | b"MSR_WRITE" | b"MSR_READ" => KernelExit::Msr,
        b"vmmcall" | b"VMMCALL" | b"VMCALL" => KernelExit::Hypercall,
        b"rsm" | b"RSM" => KernelExit::Rsm,
        b"vintr" | b"VINTR" | b"INTERRUPT_WINDOW" | b"PENDING_INTERRUPT" => KernelExit::Window,
        // `UNKNOWN (48)` of the plugin, and a number alone where the kernel has no name.
        b"UNKNOWN" => number_in(reason.strip_prefix(b"UNKNOWN ").unwrap_or(b"")),
        other => number_in(other),
    }
}

fn number_in(text: &[u8]) -> KernelExit {
    let text = text.strip_prefix(b"(").unwrap_or(text);
    let text = text.strip_suffix(b")").unwrap_or(text);
    let parsed = str::from_utf8(text).ok().and_then(|text| match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    });
    parsed.map_or(KernelExit::Other, |number| by_number(number, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_fault_is_known_by_its_name_and_by_the_number_of_its_vendor() {
        assert_eq!(by_name(b"PF excp"), KernelExit::PageFault);
        assert_eq!(by_number(0x4e, Some(2)), KernelExit::PageFault);
        assert_eq!(by_number(0x4e, Some(1)), KernelExit::Other);
    }

    #[test]
    fn every_program_names_the_same_exits() {
        for (number, isa, names, exit) in [
            (
                0x400,
                2,
                &["npf", "EXIT_NPF", "UNKNOWN (1024)", "0x400"][..],
                KernelExit::NestedFault,
            ),
            (48, 1, &["EPT_VIOLATION", "EPT_VIOLATION FAILED_VMENTRY"], KernelExit::NestedFault),
            (0, 1, &["EXCEPTION_NMI"], KernelExit::Other),
            (0x60, 2, &["interrupt", "EXIT_INTR"], KernelExit::Interrupt),
            (1, 1, &["EXTERNAL_INTERRUPT"], KernelExit::Interrupt),
            (0x78, 2, &["hlt", "EXIT_HLT"], KernelExit::Hlt),
            (12, 1, &["HLT"], KernelExit::Hlt),
            (0x7c, 2, &["msr", "EXIT_MSR"], KernelExit::Msr),
            (32, 1, &["MSR_WRITE"], KernelExit::Msr),
            (31, 1, &["MSR_READ"], KernelExit::Msr),
            (0x81, 2, &["vmmcall", "EXIT_VMMCALL"], KernelExit::Hypercall),
            (18, 1, &["VMCALL"], KernelExit::Hypercall),
            (0x73, 2, &["rsm", "EXIT_RSM"], KernelExit::Rsm),
            (17, 1, &["RSM"], KernelExit::Rsm),
            (0x64, 2, &["vintr", "EXIT_VINTR"], KernelExit::Window),
            (7, 1, &["INTERRUPT_WINDOW", "PENDING_INTERRUPT"], KernelExit::Window),
            (0x77, 2, &["pause", "EXIT_PAUSE", "EXIT_IOIO", "CPUID"], KernelExit::Other),
            (40, 1, &["PAUSE_INSTRUCTION", "EPT_MISCONFIG", "UNKNOWN (99)"], KernelExit::Other),
        ] {
            assert_eq!(by_number(number, Some(isa)), exit, "{number:#x}");
            assert_eq!(by_number(number, None), exit, "{number:#x}");
            for name in names {
                assert_eq!(by_name(name.as_bytes()), exit, "{name}");
            }
        }
        // Flags of a failed entry are above the reason.
        assert_eq!(by_number(0x8000_0030, Some(1)), KernelExit::NestedFault);
        // The same number means another thing on the other vendor's processors.
        assert_eq!(by_number(48, Some(2)), KernelExit::Other);
    }
}
