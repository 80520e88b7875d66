//! Sizes of pages, and which of them something knows.

use serde::Deserialize;

use super::named::named;

named! {
    /// Size of a page: which level of the tables has its entry.
    PageSize {
        /// 4 KiB: an entry of a table of level 1.
        Small => "4KiB",
        /// 2 MiB: an entry of a table of level 2.
        Large => "2MiB",
        /// 1 GiB: an entry of a table of level 3.
        Huge => "1GiB",
    }
}

impl PageSize {
    /// The level of the table that has the entry.
    pub const fn level(self) -> u32 {
        match self {
            Self::Small => 1,
            Self::Large => 2,
            Self::Huge => 3,
        }
    }

    /// Binary logarithm of the number of 4 KiB pages.
    pub const fn order(self) -> u32 {
        9 * (self.level() - 1)
    }
}

/// A set of page sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<PageSize>")]
pub struct PageSizes(u8);

impl PageSizes {
    /// 4 KiB only.
    pub const SMALL: Self = Self(1);

    /// Whether a size is in the set.
    pub const fn has(self, size: PageSize) -> bool {
        self.0 & 1 << (size.level() - 1) != 0
    }

    /// The set with a size more.
    pub const fn with(self, size: PageSize) -> Self {
        Self(self.0 | 1 << (size.level() - 1))
    }

    /// The sizes in words, the smallest one first.
    pub fn words(self) -> String {
        let all = [PageSize::Small, PageSize::Large, PageSize::Huge];
        let here: Vec<&str> =
            all.iter().filter(|size| self.has(**size)).map(|size| size.name()).collect();
        here.join("+")
    }
}

impl From<Vec<PageSize>> for PageSizes {
    fn from(sizes: Vec<PageSize>) -> Self {
        sizes.into_iter().fold(Self::default(), Self::with)
    }
}
