//! What each invalidation leaves.

use super::*;
use crate::base::page_size::{PageSize, PageSizes};
use crate::config::costs::{Cost, Costs};
use crate::config::{PagingCaches, Replacement, SetFunction, TlbArray};
use sim_core::Frequency;

/// Every page is mapped to the frame of its number, tables lie above.
struct Flat;

impl Stages for Flat {
    fn leaf(&self, page: u64) -> Option<(Gfn, PageSize)> {
        Some((Gfn(page), PageSize::Small))
    }

    fn table(&self, page: u64, level: u32) -> Option<Gfn> {
        Some(Gfn(u64::from(level) << 24 | page >> (9 * level)))
    }

    fn second_stage(&self, _: Gfn, _: bool) -> Option<PageSize> {
        Some(PageSize::Small)
    }
}

fn mmu() -> Mmu {
    let array = |entries: u32, ways: u32| TlbArray {
        entries,
        ways,
        sizes: PageSizes::SMALL,
        sets: SetFunction::Linear,
        replacement: Replacement::Lru,
    };
    let config = TranslationConfig {
        l1_dtlb: vec![array(16, 4)],
        stlb: vec![array(64, 4)],
        paging_caches: PagingCaches { pml4e: 4, pdpte: 4, pde: 16 },
        nested_tlb: 16,
        table_lines: [256; 3],
        vpid: true,
    };
    let mut costs = Costs::FREE;
    costs.walk_start = Cost::Cycles(Cycles(1000));
    costs.table_l1 = Cost::Cycles(Cycles(1));
    costs.table_memory = Cost::Cycles(Cycles(30));
    let prices = costs.at(Frequency::from_hz(1_000_000_000).unwrap());
    let mut mmu = Mmu::new(&config, &prices, Levels { guest: 4, host: 4 }, 1 << 20);
    mmu.begin_burst();
    mmu
}

const PAGE: Gva = Gva(0x40_0000);
const NEIGHBOUR: Gva = Gva(0x40_1000);

/// References of a walk to an address in an address space; 0 when the TLB has it.
fn references(mmu: &mut Mmu, gva: Gva, pcid: Pcid) -> u32 {
    if mmu.tlb.lookup(&mut mmu.store, gva, pcid).is_some() {
        return 0;
    }
    let goal = (gva.page(), pcid);
    let walk = mmu.walker.walk(&mut mmu.store, goal, mmu.levels, &Flat, &mut Vec::new()).unwrap();
    mmu.tlb.insert(&mut mmu.store, gva, walk.size, pcid);
    mmu.used = true;
    mmu.keep();
    walk.references.total()
}

/// Hardware that knows a page in address spaces 0 and 1.
fn warm() -> Mmu {
    let mut mmu = mmu();
    for pcid in [Pcid(0), Pcid(1)] {
        references(&mut mmu, PAGE, pcid);
        assert_eq!(references(&mut mmu, PAGE, pcid), 0);
    }
    mmu
}

#[test]
fn a_neighbour_needs_two_references() {
    // Its entry, beside the one of the page, and the last one of the second stage.
    assert_eq!(references(&mut warm(), NEIGHBOUR, Pcid(0)), 2);
}

/// For each operation, the references of walks to the page in address space 0 and 1 afterwards, to a neighbour
/// in 0, and to a neighbour of everything that is new in 2.
#[test]
fn invalidations_drop_what_the_manual_says() {
    // With the second stage's upper levels known, and the places of the guest's tables: 4 + 1.
    // With its upper levels known only: each of five addresses takes one reference more. With nothing:
    // 24, less what the walk finds out about the second stage on its way.
    type Operation = fn(&mut Mmu);
    let cases: [(&str, Operation, [u32; 3]); 7] = [
        ("nothing", |_| {}, [0, 0, 2]),
        ("INVLPG", |mmu| mmu.invalidate_page(PAGE, Pcid(0)), [5, 0, 2]),
        ("INVLPG of another page", |mmu| mmu.invalidate_page(NEIGHBOUR, Pcid(0)), [0, 0, 5]),
        ("CR3, no PCID kept", |mmu| mmu.write_cr3(Pcid(0), false), [5, 0, 2]),
        ("CR3, PCID kept", |mmu| mmu.write_cr3(Pcid(1), true), [0, 0, 2]),
        ("INVVPID", Mmu::invalidate_vcpu, [5, 5, 2]),
        ("INVEPT", Mmu::invalidate_second_stage, [cold(), 5, 2]),
    ];
    for (name, operation, expected) in cases {
        let mut mmu = warm();
        operation(&mut mmu);
        let got = [
            references(&mut mmu, PAGE, Pcid(0)),
            references(&mut mmu, PAGE, Pcid(1)),
            references(&mut mmu, NEIGHBOUR, Pcid(0)),
        ];
        assert_eq!(got, expected, "{name}");
    }
}

/// References of a walk when nothing is known.
fn cold() -> u32 {
    references(&mut mmu(), PAGE, Pcid(0))
}

/// Of a shootdown, every vCPU of the guest drops its entry; one that was left out would keep it.
#[test]
fn a_shootdown_reaches_whom_it_is_sent_to() {
    let mut vcpus = [warm(), warm(), warm()];
    for mmu in &mut vcpus[..2] {
        mmu.invalidate_page(PAGE, Pcid(0));
    }
    let known = vcpus.map(|mut mmu| references(&mut mmu, PAGE, Pcid(0)) == 0);
    assert_eq!(known, [false, false, true]);
}

#[test]
fn a_walk_costs_its_start_and_its_lines() {
    let mut mmu = mmu();
    let cost = |mmu: &mut Mmu, gva: Gva| mmu.walk(gva, &Flat, &mut Vec::new()).unwrap().0;
    let first = cost(&mut mmu, PAGE);
    assert!(first > 1000 + 30 * 5, "{first}");
    // The neighbour's two entries lie on lines that are in the first-level cache now.
    assert_eq!(cost(&mut mmu, NEIGHBOUR), 1000 + 2);
}

#[test]
fn what_a_burst_did_is_taken_back() {
    let mut mmu = warm();
    let mark = mmu.mark();
    for page in 0..2000 {
        let gva = Gva(page * 0x1000);
        if mmu.lookup(gva).is_none() {
            mmu.walk(gva, &Flat, &mut Vec::new()).unwrap();
        }
    }
    mmu.undo_to(mark);
    mmu.keep();
    let mut other = warm();
    for page in [PAGE, NEIGHBOUR] {
        for pcid in [Pcid(0), Pcid(1), Pcid(2)] {
            assert_eq!(references(&mut mmu, page, pcid), references(&mut other, page, pcid));
        }
    }
}
