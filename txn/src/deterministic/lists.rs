//! Lists of transactions whose memory is used again and again.

use super::Sequence;

/// The memory of lists.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// Empty where nobody uses them.
    lists: Vec<Vec<Sequence>>,
    unused: Vec<u32>,
}

/// An ascending list of transactions; a non-empty one is kept in [`Lists`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct List(u32);

impl List {
    const EMPTY: List = List(u32::MAX);

    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self == List::EMPTY
    }
}

impl Default for List {
    fn default() -> Self {
        List::EMPTY
    }
}

impl Lists {
    /// What is in a list.
    #[inline]
    pub(super) fn members(&self, list: List) -> &[Sequence] {
        if list.is_empty() { &[] } else { &self.lists[list.0 as usize] }
    }

    /// Adds a transaction, which comes after all others in the list, unless it is there already. Whether it
    /// wasn't.
    pub(super) fn push(&mut self, list: &mut List, newcomer: Sequence) -> bool {
        if list.is_empty() {
            *list = self.make_list();
        }
        let members = &mut self.lists[list.0 as usize];
        let is_new = members.last() != Some(&newcomer);
        if is_new {
            members.push(newcomer);
        }
        is_new
    }

    fn make_list(&mut self) -> List {
        List(self.unused.pop().unwrap_or_else(|| {
            self.lists.push(Vec::new());
            self.lists.len() as u32 - 1
        }))
    }

    /// Removes all.
    #[inline]
    pub(super) fn clear(&mut self, list: &mut List) {
        if !list.is_empty() {
            self.lists[list.0 as usize].clear();
            self.unused.push(list.0);
            *list = List::EMPTY;
        }
    }

    /// Whether all lists are empty.
    #[cfg(test)]
    pub(super) fn are_empty(&self) -> bool {
        self.unused.len() == self.lists.len() && self.lists.iter().all(Vec::is_empty)
    }
}
