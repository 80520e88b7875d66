//! Mistakes that cost time and break nothing.

use models::apf::rules::{FirstLookup, Setting, Workers};
use models::base::invariant::InvariantId;
use sim_core::SimDuration;

use super::entry::{Entry, Exhibit, Expect, Group, Slow, Variant};

const V6_12: Variant = Variant::of("v6.12");
const V6_19: Variant = Variant::of("v6.19");

const MANY_FAULTERS: &str = include_str!("many-faulters.json");

/// In the scenario 24 items may wait for the guest, each for an exit, a handler and an entry of
/// about 10 us: 0.24 ms. Who misses the moment waits for the next exit, and that may be the tick,
/// 4 ms later. The bound lies between, by a factor of four to either side.
const BOUND: SimDuration = SimDuration::from_ms(1);

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "H17",
        group: Group::Host,
        subject: "KVM: handle more completed apfs if possible",
        source: "2.6.38-rc (subject from memory)",
        story: "Many pages come at once, and the guest is told of one at each entry. Nothing makes \
                the vCPU leave the guest again, so the others wait for its next exit, whatever \
                that is: the tick, if the guest computes.",
        expect: Expect::only(InvariantId(40)).remark(
            "the mend dequeues while the gate is open; the #PF of the first page ready closes it, \
             so a guest that is told had one an entry until page ready became an interrupt whose \
             acknowledgement looks for more (5.8). Workers are a thread for each fault here, so \
             that nobody waits for one",
        ),
        exhibit: Exhibit::Simulate(MANY_FAULTERS, Slow::ReadyLate { bound: BOUND }),
        wrong: &[
            Variant::of("v5-2010").set(THREADS),
            Variant::of("v7-2010").set(THREADS),
            Variant::of("v2.6.39").set(THREADS),
        ],
        right: &[V6_12.set(THREADS), V6_19.set(THREADS)],
    },
    Entry {
        id: "U11",
        group: Group::Host,
        subject: "the lookup that must not wait waits",
        source: "observed on 6.1; 5.0 to 6.5",
        story: "A swapped page without neighbours to read ahead is read by polling, in the lookup \
                that must not wait. It comes back with the page, and no fault ever becomes \
                asynchronous, although everything is set up for it.",
        expect: Expect::only(InvariantId(40)),
        exhibit: Exhibit::Simulate(MANY_FAULTERS, Slow::Synchronous),
        wrong: &[Variant::of("v5.17"), V6_19.set(POLLS)],
        right: &[V6_12, V6_19],
    },
];

const THREADS: &[Setting] = &[Setting::Workers(Workers::ThreadPerFault)];
const POLLS: &[Setting] = &[Setting::FirstLookup(FirstLookup::WaitsWithoutReadAhead)];
