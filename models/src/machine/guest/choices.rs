//! The pages of a task's accesses, drawn ahead in blocks.
//!
//! Which pages a program touches, as far as its operations follow one another, depends on these and its
//! stream alone, so they can be drawn before their time, and a burst that is taken back takes none of them
//! with it: the position goes back. No page is drawn beyond an operation that may go elsewhere.

use sim_core::Stream;

use crate::base::ids::Gva;
use crate::config::{AddressTrace, Op, Pattern, TraceCursor, Visit};
use crate::parts::mmu::GuestTables;
use crate::parts::pages::{Cursor, Walk};

/// What pages are chosen among, and the laws that have a state of their own.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub tables: &'a GuestTables,
    pub walks: &'a [Walk],
    pub traces: &'a [AddressTrace],
}

/// A visit of a recorded trace as a word: number of the page below, instructions above it.
const PAGE: u64 = (1 << 32) - 1;
/// In the word of a visit: it writes.
const WRITES: u64 = 1 << 62;
/// In the word of a visit: the trace ends with it.
const LAST: u64 = 1 << 63;

/// The number of the page in what is drawn, a visit or a page alone.
#[inline]
pub(super) fn page_in(word: u64) -> u64 {
    word & PAGE
}

/// A visit of a recorded trace, the next one.
#[derive(Clone, Copy)]
pub(super) struct Replayed {
    pub gva: Gva,
    pub write: bool,
    pub instructions: u64,
    /// Whether the trace ends with it.
    pub last: bool,
}

/// Pages drawn at once: few enough for thousands of tasks.
const BLOCK: usize = 64;

/// The pages of a task's next accesses, in the order of its program.
#[derive(Clone, Debug)]
pub(super) struct Choices {
    /// For pages alone: another draw between two of them would depend on how far they are drawn ahead.
    draws: Stream,
    /// Next page of a sequential walk. Regions of different sizes share it.
    next_page: u64,
    /// Where it is in each walk of the workload.
    cursors: Vec<Cursor>,
    /// Where it is in each recorded trace of the workload.
    traces: Vec<TraceCursor>,
    /// Numbers among the pages of all regions; of a recorded trace, its visits.
    pages: Vec<u64>,
    /// Where the next one is.
    next: usize,
    /// Where it was when the burst began.
    begin: usize,
    /// Accesses since the last block was drawn that walked.
    walks: u32,
    /// Whether so many walked that most of the next ones are likely to.
    walking: bool,
}

impl Choices {
    /// Nothing drawn yet; sequential walks begin at a page, those with a state where it says.
    pub(super) fn new(draws: Stream, next_page: u64, cursors: Vec<Cursor>, traces: usize) -> Self {
        Self {
            draws,
            next_page,
            cursors,
            traces: vec![TraceCursor::default(); traces],
            pages: Vec::new(),
            next: 0,
            begin: 0,
            walks: 0,
            walking: false,
        }
    }

    /// The address of the access at a position in the program, which is the next one. It stays the next
    /// one until it is taken.
    #[inline(always)]
    pub(super) fn next(&mut self, ops: &[Op], pc: usize, sources: Sources<'_>) -> Gva {
        if self.next == self.pages.len() {
            self.draw(ops, pc, sources);
        }
        GuestTables::gva_of(self.pages[self.next])
    }

    /// The visit of the replay at a position in the program, which is the next one until it is taken.
    #[inline]
    pub(super) fn next_visit(&mut self, ops: &[Op], pc: usize, sources: Sources<'_>) -> Replayed {
        if self.next == self.pages.len() {
            self.draw(ops, pc, sources);
        }
        let word = self.pages[self.next];
        Replayed {
            gva: GuestTables::gva_of(word & PAGE),
            write: word & WRITES != 0,
            instructions: (word & !(WRITES | LAST)) >> 32,
            last: word & LAST != 0,
        }
    }

    /// How far the position in the program goes when the next access of an operation is through: a
    /// replay stays where it is until its trace ends.
    #[inline]
    pub(super) fn steps(&self, op: &Op) -> u32 {
        let goes_on = matches!(op, Op::Replay { .. }) && self.pages[self.next] & LAST == 0;
        u32::from(!goes_on)
    }

    /// The next access walks.
    #[inline]
    pub(super) fn note_walk(&mut self) {
        self.walks += 1;
    }

    /// Whether most of the next accesses are likely to walk.
    #[inline]
    pub(super) fn walking(&self) -> bool {
        self.walking
    }

    /// The numbers of the pages of accesses from a position in the program on, among those of all regions:
    /// of one at least, and of no more than are drawn.
    #[inline]
    pub(super) fn coming(&mut self, ops: &[Op], pc: usize, sources: Sources<'_>) -> &[u64] {
        if self.next == self.pages.len() {
            self.draw(ops, pc, sources);
        }
        &self.pages[self.next..]
    }

    /// The next access goes through.
    #[inline(always)]
    pub(super) fn take(&mut self) {
        self.take_some(1);
    }

    /// So many of the next accesses go through.
    #[inline(always)]
    pub(super) fn take_some(&mut self, count: usize) {
        self.next += count;
    }

    /// A burst begins, which may be taken back up to here.
    #[inline]
    pub(super) fn begin_burst(&mut self) {
        self.begin = self.next;
    }

    /// Pages taken since the burst began.
    #[inline]
    pub(super) fn taken(&self) -> u32 {
        (self.next - self.begin) as u32
    }

    /// Takes back all but so many pages of the burst.
    pub(super) fn take_back_to(&mut self, taken: u32) {
        self.next = self.begin + taken as usize;
    }

    /// Draws the pages of the accesses from a position in the program on.
    #[inline(never)]
    fn draw(&mut self, ops: &[Op], mut pc: usize, Sources { tables, walks, traces }: Sources<'_>) {
        self.pages.drain(..self.begin);
        self.next -= self.begin;
        self.begin = 0;
        self.walking = 2 * self.walks as usize >= BLOCK;
        self.walks = 0;
        let end = self.pages.len() + BLOCK;
        if let Op::Replay { region, addresses, .. } = ops[pc] {
            let first = tables.first_page(region);
            let cursor = &mut self.traces[addresses.index()];
            let trace = &traces[addresses.index()];
            while self.pages.len() < end {
                let visit = trace.next(cursor);
                self.pages.push(word_of(visit, first));
                if visit.last {
                    break;
                }
            }
            return;
        }
        while self.pages.len() < end && !ops[pc].may_go_elsewhere() {
            if let Op::Access { region, .. } | Op::AccessBy { region, .. } = ops[pc] {
                // A program of nothing else draws all of them at once.
                let count = if ops.len() == 1 { BLOCK } else { 1 };
                let begin = self.pages.len();
                match ops[pc] {
                    Op::Access { pattern, .. } => {
                        self.extend(pattern, tables.region_pages(region), count);
                    }
                    Op::AccessBy { walk, .. } => {
                        let (law, cursor) = (&walks[walk.index()], &mut self.cursors[walk.index()]);
                        let draws = &mut self.draws;
                        self.pages.extend((0..count).map(|_| law.next(draws, cursor)));
                    }
                    _ => {}
                }
                let first = tables.first_page(region);
                self.pages[begin..].iter_mut().for_each(|page| *page += first);
            }
            pc = if pc + 1 < ops.len() { pc + 1 } else { 0 };
        }
    }

    /// Draws so many pages of a region with so many pages.
    fn extend(&mut self, pattern: Pattern, pages: u64, count: usize) {
        match pattern {
            Pattern::Uniform | Pattern::Shared => {
                self.draws.extend_below(pages, count, &mut self.pages);
            }
            Pattern::Sequential => {
                for _ in 0..count {
                    let next = self.next_page;
                    let page = if next < pages { next } else { next % pages };
                    self.next_page = if page + 1 == pages { 0 } else { page + 1 };
                    self.pages.push(page);
                }
            }
        }
    }
}

/// A visit to a region whose first page has a number.
fn word_of(visit: Visit, first: u64) -> u64 {
    let Visit { page, write, instructions, last } = visit;
    let flags = if write { WRITES } else { 0 } | if last { LAST } else { 0 };
    (first + u64::from(page)) | u64::from(instructions) << 32 | flags
}

#[cfg(test)]
mod tests {
    use sim_core::{RandomStreams, SimDuration};

    use super::*;
    use crate::base::ids::{Gfn, RegionId};

    fn access(region: u16, pattern: Pattern) -> Op {
        Op::Access { region: RegionId(region), pattern, write: false, cost: SimDuration::ZERO }
    }

    /// A program with several accesses, a walk over regions of different sizes among them.
    fn program() -> Vec<Op> {
        let compute = Op::Compute { span: SimDuration::from_ns(1) };
        vec![
            access(0, Pattern::Uniform),
            compute,
            access(1, Pattern::Sequential),
            access(0, Pattern::Sequential),
            access(1, Pattern::Uniform),
        ]
    }

    /// What is drawn ahead is what one draw at a time gives, however bursts are cut.
    #[test]
    fn cuts_do_not_change_what_is_chosen() {
        let ops = program();
        let tables = GuestTables::new(&[1000, 7], 4, Gfn(0), Gfn(4096));
        let sources = Sources { tables: &tables, walks: &[], traces: &[] };
        let stream = RandomStreams::new(1).stream("task");
        let mut choices = Choices::new(stream.clone(), 3, Vec::new(), 0);
        let (mut draws, mut next_page) = (stream, 3);
        let mut accesses = (0..).map(|n| n % ops.len()).filter(|&pc| pc != 1);
        for round in 0..200u32 {
            choices.begin_burst();
            let kept: Vec<usize> = accesses.by_ref().take(round as usize % 9).collect();
            // As far as the burst ran ahead, and again after it was cut behind none of them.
            for _ in 0..2 {
                let first = kept.first().copied().unwrap_or(0);
                for n in 0..70 {
                    let order = [0, 2, 3, 4];
                    let at = order.iter().position(|&pc| pc == first).unwrap() + n;
                    if kept.is_empty() {
                        break;
                    }
                    choices.next(&ops, order[at % 4], sources);
                    choices.take();
                }
                choices.take_back_to(0);
            }
            for pc in kept {
                let expected = match ops[pc] {
                    Op::Access { region, pattern: Pattern::Uniform, .. } => {
                        draws.below(tables.region_pages(region))
                    }
                    Op::Access { region, .. } => {
                        let pages = tables.region_pages(region);
                        let page = next_page % pages;
                        next_page = (page + 1) % pages;
                        page
                    }
                    _ => unreachable!(),
                };
                let Op::Access { region, .. } = ops[pc] else { unreachable!() };
                let expected = tables.gva(region, expected);
                assert_eq!(choices.next(&ops, pc, sources), expected);
                choices.take();
            }
        }
    }
}
