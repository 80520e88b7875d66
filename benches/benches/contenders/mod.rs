//! Who competes at what.

use apfsim_benches::queues::{Heap, Indexed, Ours};
use apfsim_benches::timers::{self, LazyHeap, TimerLoop};
use apfsim_benches::workload::DIGESTED;
use apfsim_benches::{Contender, Engine, Event, Hold, Loop, Mix, Phold};
use sim_core::{HybridQueue, ReferenceQueue, StdHeapQueue};

use crate::engines::{Desque, Nexosim};

/// A contender at any size.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    make: Box<dyn Fn(u32) -> Box<dyn Contender>>,
}

impl Column {
    fn new<C: Contender + 'static>(name: &'static str, make: impl Fn(u32) -> C + 'static) -> Self {
        Self { name, make: Box::new(move |size| Box::new(make(size))) }
    }

    /// A contender of this size that runs steadily and has digested what it has to.
    pub(crate) fn warmed_up(&self, size: u32) -> Box<dyn Contender> {
        let mut contender = (self.make)(size);
        // Nine in ten events of a timer benchmark are not digested.
        contender.run(2 * u64::from(size).max(10 * DIGESTED));
        contender
    }
}

/// A workload, the sizes at which it is run, and by whom.
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) sizes: Vec<u32>,
    pub(crate) columns: Vec<Column>,
    /// Which column the others are compared with.
    #[allow(dead_code, reason = "Criterion's program compares nothing")]
    pub(crate) rival: usize,
}

type OurHybrid = Ours<HybridQueue<Event>>;
type OurStd = Ours<StdHeapQueue<Event>>;
type OurReference = Ours<ReferenceQueue<Event>>;

const SIZES: [u32; 6] = [16, 100, 1_000, 10_000, 100_000, 1_000_000];

fn hold(mix: Mix) -> Table {
    let load = move |size| Hold::new(size, mix);
    let columns = vec![
        Column::new("hybrid", move |n| Loop::<OurHybrid, _>::new(load(n))),
        Column::new("std", move |n| Loop::<OurStd, _>::new(load(n))),
        Column::new("reference", move |n| Loop::<OurReference, _>::new(load(n))),
        Column::new("BinaryHeap loop", move |n| Loop::<Heap, _>::new(load(n))),
        Column::new("priority-queue loop", move |n| Loop::<Indexed, _>::new(load(n))),
    ];
    Table { name: format!("hold/{}", mix.name()), sizes: SIZES.into(), columns, rival: 3 }
}

fn hold_engines(mix: Mix) -> Table {
    let load = move |size| Hold::new(size, mix);
    let columns = vec![
        Column::new("our engine", move |n| Engine::<HybridQueue<Event>, _>::new(load(n))),
        Column::new("desque", move |n| Desque::new(load(n))),
        Column::new("nexosim", move |n| Nexosim::new(load(n))),
    ];
    Table { name: format!("engines/{}", mix.name()), sizes: SIZES.into(), columns, rival: 2 }
}

fn phold() -> Table {
    let columns = vec![
        Column::new("hybrid", |n| Loop::<OurHybrid, _>::new(Phold::new(n))),
        Column::new("std", |n| Loop::<OurStd, _>::new(Phold::new(n))),
        Column::new("reference", |n| Loop::<OurReference, _>::new(Phold::new(n))),
        Column::new("BinaryHeap loop", |n| Loop::<Heap, _>::new(Phold::new(n))),
        Column::new("priority-queue loop", |n| Loop::<Indexed, _>::new(Phold::new(n))),
        Column::new("our engine", |n| Engine::<HybridQueue<Event>, _>::new(Phold::new(n))),
        Column::new("desque", |n| Desque::new(Phold::new(n))),
    ];
    Table { name: "phold".into(), sizes: vec![1, 10, 100], columns, rival: 3 }
}

fn timer_table() -> Table {
    let columns = vec![
        Column::new("hybrid", TimerLoop::<timers::Ours<HybridQueue<u32>>>::new),
        Column::new("std", TimerLoop::<timers::Ours<StdHeapQueue<u32>>>::new),
        Column::new("reference", TimerLoop::<timers::Ours<ReferenceQueue<u32>>>::new),
        Column::new("BinaryHeap, lazy", TimerLoop::<LazyHeap>::new),
        Column::new("priority-queue", TimerLoop::<timers::Indexed>::new),
    ];
    Table { name: "timers".into(), sizes: SIZES.into(), columns, rival: 3 }
}

/// All tables.
pub(crate) fn tables() -> impl Iterator<Item = Table> {
    let engines = [Mix::Exponential, Mix::Bimodal].map(hold_engines);
    Mix::ALL.map(hold).into_iter().chain(engines).chain([phold(), timer_table()])
}
