//! Which tokens the items of a virtual machine have, so that one that comes twice is seen at once.

use std::collections::BTreeMap;

use crate::base::ids::{ItemId, Token};

/// The tokens of linked items, from their link until they are freed.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens {
    of: BTreeMap<ItemId, Token>,
    items: BTreeMap<Token, u32>,
    /// Items beyond the first of their token.
    twins: u32,
}

impl Tokens {
    /// An item is linked.
    pub(super) fn link(&mut self, item: ItemId, token: Token) {
        // A number stands for one item at a time.
        self.free(item);
        self.of.insert(item, token);
        let items = self.items.entry(token).or_default();
        *items += 1;
        self.twins += u32::from(*items > 1);
    }

    /// Whether no other item has the token of this one.
    pub(super) fn is_alone(&self, item: ItemId) -> bool {
        let items = |token| self.items.get(token).copied();
        self.twins == 0 || self.of.get(&item).and_then(items).is_none_or(|items| items == 1)
    }

    /// An item is freed, linked or not.
    pub(super) fn free(&mut self, item: ItemId) {
        let Some(token) = self.of.remove(&item) else { return };
        match self.items.get_mut(&token) {
            Some(items) if *items > 1 => {
                *items -= 1;
                self.twins -= 1;
            }
            _ => {
                self.items.remove(&token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_until_its_last_item_is_freed() {
        let mut tokens = Tokens::default();
        let mut link = |item, token| {
            tokens.link(ItemId(item), Token(token));
            tokens.is_alone(ItemId(item))
        };
        assert!(link(0, 7) && link(1, 8));
        assert!(!link(2, 7) && !link(3, 7));
        assert!(link(3, 9), "the number is that of another item now");
        tokens.free(ItemId(0));
        tokens.free(ItemId(0));
        assert!(tokens.is_alone(ItemId(2)));
        tokens.link(ItemId(4), Token(7));
        assert!(tokens.is_alone(ItemId(1)) && !tokens.is_alone(ItemId(2)));
        tokens.free(ItemId(2));
        assert!(tokens.is_alone(ItemId(4)));
    }
}
