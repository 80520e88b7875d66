//! Who waits for a processor, in the order in which they shall have it.
//!
//! A sorted list in chunks, each of which knows the least vruntime in it: so that joining, leaving, and finding the
//! first who has had no more than its share stay cheap when thousands wait. With few there is one chunk.

/// Virtual runtime in picoseconds; may be negative just after the start (sleeper credit).
pub type Vruntime = i64;

/// Entities of a chunk at most.
const MOST: usize = 64;
/// Two neighbours that have so few together become one.
const FEW: usize = MOST / 2;

/// One that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waits {
    /// What they are ordered by, then by number.
    pub(super) key: Vruntime,
    pub(super) id: u32,
    /// Stays as it is while the entity waits.
    pub(super) vruntime: Vruntime,
}

impl Waits {
    fn place(&self) -> (Vruntime, u32) {
        (self.key, self.id)
    }
}

/// Never empty.
#[derive(Clone, Debug)]
struct Chunk {
    list: Vec<Waits>,
    least: Vruntime,
}

impl Chunk {
    fn new(list: Vec<Waits>) -> Self {
        let least = list.iter().map(|waits| waits.vruntime).min().unwrap_or(Vruntime::MAX);
        Self { list, least }
    }
}

/// All that wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    chunks: Vec<Chunk>,
    len: usize,
    vruntimes: i128,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Eq for Waiting {}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The sum of their vruntimes.
    pub(super) fn vruntimes(&self) -> i128 {
        self.vruntimes
    }

    /// All, the next one first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Waits> {
        self.chunks.iter().flat_map(|chunk| &chunk.list)
    }

    pub(super) fn first(&self) -> Option<&Waits> {
        self.chunks.first()?.list.first()
    }

    /// The first whose vruntime is admitted, where a smaller one is if a larger one is.
    pub(super) fn first_admitted(&self, admits: impl Fn(Vruntime) -> bool) -> Option<&Waits> {
        let chunk = self.chunks.iter().find(|chunk| admits(chunk.least))?;
        chunk.list.iter().find(|waits| admits(waits.vruntime))
    }

    /// The chunk that one at a place belongs to.
    fn chunk_of(&self, place: (Vruntime, u32)) -> usize {
        let begins_before = |chunk: &Chunk| chunk.list[0].place() <= place;
        self.chunks.partition_point(begins_before).saturating_sub(1)
    }

    pub(super) fn insert(&mut self, waits: Waits) {
        self.len += 1;
        self.vruntimes += i128::from(waits.vruntime);
        let at = self.chunk_of(waits.place());
        let Some(chunk) = self.chunks.get_mut(at) else {
            return self.chunks.push(Chunk::new(vec![waits]));
        };
        let within = chunk.list.partition_point(|other| other.place() < waits.place());
        chunk.list.insert(within, waits);
        chunk.least = chunk.least.min(waits.vruntime);
        if chunk.list.len() > MOST {
            let later = Chunk::new(chunk.list.split_off(MOST / 2));
            *chunk = Chunk::new(std::mem::take(&mut chunk.list));
            self.chunks.insert(at + 1, later);
        }
    }

    /// Whether one waits here.
    pub(super) fn contains(&self, key: Vruntime, id: u32) -> bool {
        let chunk = self.chunks.get(self.chunk_of((key, id)));
        chunk.is_some_and(|it| it.list.binary_search_by_key(&(key, id), Waits::place).is_ok())
    }

    /// Takes one out. None: it does not wait here.
    pub(super) fn remove(&mut self, key: Vruntime, id: u32) -> Option<Waits> {
        let at = self.chunk_of((key, id));
        let chunk = self.chunks.get_mut(at)?;
        let within = chunk.list.binary_search_by_key(&(key, id), Waits::place).ok()?;
        let gone = chunk.list.remove(within);
        self.len -= 1;
        self.vruntimes -= i128::from(gone.vruntime);
        if chunk.list.is_empty() {
            self.chunks.remove(at);
            return Some(gone);
        }
        if gone.vruntime == chunk.least {
            *chunk = Chunk::new(std::mem::take(&mut chunk.list));
        }
        let left = chunk.list.len();
        if self.chunks.get(at + 1).is_some_and(|next| left + next.list.len() <= FEW) {
            let next = self.chunks.remove(at + 1);
            let chunk = &mut self.chunks[at];
            chunk.list.extend(next.list);
            chunk.least = chunk.least.min(next.least);
        }
        Some(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What a sorted list without chunks does.
        #[test]
        fn chunks_make_no_difference(
            changes in prop::collection::vec((any::<bool>(), 0i64..50, 0u32..400, -20i64..20), 0..900),
        ) {
            let (mut plain, mut chunked) = (Vec::<Waits>::new(), Waiting::default());
            for (joins, key, id, vruntime) in changes {
                let found = plain.binary_search_by_key(&(key, id), Waits::place);
                match found {
                    Err(at) if joins => {
                        plain.insert(at, Waits { key, id, vruntime });
                        chunked.insert(Waits { key, id, vruntime });
                    }
                    Err(_) => prop_assert_eq!(chunked.remove(key, id), None),
                    Ok(at) => prop_assert_eq!(chunked.remove(key, id), Some(plain.remove(at))),
                }
                let admits = |least: Vruntime| least <= vruntime;
                prop_assert_eq!(
                    chunked.first_admitted(admits),
                    plain.iter().find(|waits| admits(waits.vruntime))
                );
                prop_assert_eq!(chunked.first(), plain.first());
                prop_assert_eq!(chunked.len(), plain.len());
            }
            let sum: i128 = plain.iter().map(|waits| i128::from(waits.vruntime)).sum();
            prop_assert_eq!(chunked.vruntimes(), sum);
            prop_assert!(chunked.iter().eq(&plain));
        }
    }
}
