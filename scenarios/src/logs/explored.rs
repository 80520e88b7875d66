//! A way through a small world as a host's kernel would have printed it.

use models::apf::rules::PageReady;
use models::apf::rules::TokenRule;
use models::base::abi::HVA_BASE;
use models::base::ids::{Hva, ThreadId, Token};
use models::base::record::{Event, Record};
use models::explore::{Setup, Trace};
use models::trace::kernel::{KernelWriter, Setting};
use sim_core::SimTime;

/// Picoseconds between two events of an explored trace that is written down.
const STEP: u64 = 10_000_000;
/// Bits of a kernel's token that name the vCPU.
const KERNEL_VCPU_BITS: u8 = 12;

/// The way through a small world as the text that a host's kernel would have printed, an event
/// each 10 us: such a world has no clock, and what matters is the order. The remark becomes the
/// first line.
pub fn explored_log(trace: &Trace, setup: &Setup, remark: &str) -> String {
    let thread = |vcpu: u16| Some(ThreadId(vcpu.into()));
    let mut writer = KernelWriter::new(Setting {
        vcpus: setup.vcpus,
        handlers: 0,
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
            let address = Hva(HVA_BASE + address.0);
            Event::KvmAsyncPfCompleted { worker, vcpu, gva, address }
        }
        other => other,
    }
}
