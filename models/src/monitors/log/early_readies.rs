//! Page readies before their completions: INV-06.
//!
//! A worker publishes the page, and then says so; in between another processor may dequeue it, or the worker
//! lose its own. So a page ready may come first. Since 6.9 the vCPU thread waits for the worker to end before
//! it goes on (`flush_work` in `kvm_flush_and_free_async_pf_work`): the completion is printed before the
//! vCPU's next entry.

use super::clocks;
use super::event::LogEvent;
use super::request::{EarlyReadies, Unfinished};
use super::state::LogState;
use crate::monitors::catalogue::INV_06;

/// So many page readies before their completions are no single ones.
const MANY: u64 = 10;
const CLOCKS: &str = "page ready, or an entry behind it, comes before the completion, on another processor and less \
                      than 10 ms apart: their clocks may differ";

/// The vCPU goes on: after its page readies, and after their completions since 6.9.
pub(super) fn goes_on(log: &mut LogState, at: usize, event: LogEvent) {
    for one in &mut log.vcpus[at].unfinished {
        one.entered.get_or_insert(event);
    }
}

/// The completion of a request that is ready comes after all; `base` is the host address of guest address 0
/// by it.
pub(super) fn completed(
    log: &mut LogState,
    at: usize,
    unfinished: &Unfinished,
    event: LogEvent,
    base: u64,
) {
    let own = &log.vcpus[at];
    let may_be_anothers = !own.bases.is_empty() && !own.has_base(base);
    if log.seen.translated || unfinished.request.early || may_be_anothers {
        return;
    }
    let Unfinished { request, ready, entered, .. } = *unfinished;
    if let Some(entry) = entered.filter(|_| log.config.flushes) {
        if clocks::may_differ(&entry, &event) {
            log.ledger.unjudged(INV_06, CLOCKS, 1);
            return;
        }
        let text = format!(
            "page ready {} of {} came before its completion, and the vCPU went on before that: since 6.9 it \
             waits for the worker",
            request.token,
            log.vcpus[at].label()
        );
        log.say(at, INV_06, event, text, &[request.announced, ready, entry]);
        return;
    }
    if !clocks::may_differ(&ready, &event) {
        log.early_readies.count += 1;
        log.early_readies.first.get_or_insert((at, *unfinished, event));
    }
}

/// The log is over: page readies that come before their completions as a rule are none of workers that lost
/// their processors.
pub(super) fn close(log: &mut LogState) {
    let EarlyReadies { count, first } = std::mem::take(&mut log.early_readies);
    let Some((at, Unfinished { request, ready, .. }, event)) = first else { return };
    if count < MANY || count * 2 <= log.survey.completed {
        return;
    }
    let text = format!(
        "{count} of {} requests were ready before their completions, the first {} of {}: a worker would have \
         to lose its processor each time between two instructions",
        log.survey.completed,
        request.token,
        log.vcpus[at].label()
    );
    log.ledger.breach(INV_06, event, text, vec![request.announced, ready]);
}
