//! A page of the kernel's ring buffer.

/// Bytes of a page.
pub(super) const PAGE: usize = 4096;
/// What precedes the events: the time of the first, and how many bytes are in use.
const HEAD: usize = 16;
/// Bits of the time since the event before.
const DELTA: u32 = 27;
/// The kind of an entry that is longer than four bytes of words can say, and of one that makes the time longer.
const LONG: u32 = 0;
const TIME: u32 = 30;
/// The longest event whose length the kind says, in words of four bytes.
const WORDS: usize = 28;

/// A page that is being filled.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    begin: u64,
    last: u64,
    body: Vec<u8>,
}

impl Page {
    /// Adds an event. False if there is no room.
    pub(super) fn add(&mut self, ns: u64, event: &[u8]) -> bool {
        if self.body.is_empty() {
            (self.begin, self.last) = (ns, ns);
        }
        let mut delta = ns.saturating_sub(self.last);
        let mut entry = Vec::with_capacity(event.len() + 16);
        let limit = 1_u64 << DELTA;
        if delta >= limit {
            entry.extend(head(TIME, delta % limit));
            // 59 bits in all: more than a hundred days.
            entry.extend(((delta >> DELTA) as u32).to_le_bytes());
            delta = 0;
        }
        let words = event.len().div_ceil(4);
        if words <= WORDS {
            entry.extend(head(words as u32, delta));
        } else {
            entry.extend(head(LONG, delta));
            entry.extend((4 * words as u32 + 4).to_le_bytes());
        }
        entry.extend_from_slice(event);
        entry.resize(entry.len().next_multiple_of(4), 0);
        if HEAD + self.body.len() + entry.len() > PAGE {
            return false;
        }
        self.body.extend(entry);
        self.last = ns;
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The whole page.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut page = self.begin.to_le_bytes().to_vec();
        page.extend((self.body.len() as u64).to_le_bytes());
        page.extend_from_slice(&self.body);
        page.resize(PAGE, 0);
        page
    }
}

/// Five bits of kind and the others of time.
fn head(kind: u32, delta: u64) -> [u8; 4] {
    (kind | (delta as u32) << (32 - DELTA)).to_le_bytes()
}

/// How a page is laid out, as tracefs says it (`header_page`).
pub(super) fn layout() -> String {
    format!(
        "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\
         \tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n\
         \tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n\
         \tfield: char data;\toffset:{HEAD};\tsize:{};\tsigned:1;\n",
        PAGE - HEAD
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_stand_behind_each_other_with_their_times() {
        let mut page = Page::default();
        assert!(page.add(1_000, &[1; 8]));
        assert!(page.add(1_007, &[2; 113]));
        assert!(page.add(1_007 + (3 << 27) + 5, &[3; 4]));
        let bytes = page.bytes();
        assert_eq!(bytes.len(), PAGE);
        assert_eq!(bytes[..8], 1_000_u64.to_le_bytes());
        assert_eq!(bytes[8..16], (12_u64 + 8 + 116 + 8 + 8).to_le_bytes());
        assert_eq!(bytes[16..20], 2_u32.to_le_bytes());
        assert_eq!(bytes[28..32], (7_u32 << 5).to_le_bytes());
        assert_eq!(bytes[32..36], 120_u32.to_le_bytes());
        assert_eq!(bytes[152..156], (30 | 5_u32 << 5).to_le_bytes());
        assert_eq!(bytes[156..160], 3_u32.to_le_bytes());
        assert_eq!(bytes[160..164], 1_u32.to_le_bytes());
    }

    #[test]
    fn a_full_page_takes_no_more() {
        let mut page = Page::default();
        let count = (0..2_000).take_while(|n| page.add(*n, &[0; 60])).count();
        assert_eq!(count, (PAGE - HEAD) / 64);
        assert!(!page.is_empty() && page.bytes().len() == PAGE);
    }
}
