//! How far a scan may go before it leaves the range of the footprint that it is in.

use std::borrow::Cow;

use synod_storage::TableId;

use super::Footprint;
use super::range::Range;
use crate::cursor::{Cursor, Direction};

impl Footprint {
    /// The first part of what a scan has left, as far as one range that was declared reaches; `None` if not even the
    /// beginning was declared.
    pub(super) fn clip(&self, table: TableId, cursor: &Cursor) -> Option<Cursor> {
        let ranges = self.ranges().filter(|(place, _)| self.tables()[*place as usize >> 1].id() == table);
        let ranges = ranges.map(|(_, range)| range);
        let start = Range::start(cursor.lower().map(Cow::Borrowed));
        let end = Range::end(cursor.upper().map(Cow::Borrowed));
        let mut part = cursor.clone();
        if end.as_ref().is_some_and(|end| **end <= *start) {
            // Between its bounds no key has room, so nothing has to be declared either.
            part.finish();
            return Some(part);
        }
        match cursor.direction {
            Direction::Forward => {
                let covering = ranges.filter(|range| range.contains(&start));
                let farthest = covering.max_by(|a, b| later_end(a, b))?;
                if let Some(upper) = farthest.upper()
                    && end.is_none_or(|end| upper < &*end)
                {
                    part.upper = std::ops::Bound::Excluded(upper.to_vec());
                }
            }
            Direction::Backward => {
                let covers_end = |range: &&Range| match &end {
                    Some(end) => range.lower() < &**end && range.upper().is_none_or(|upper| &**end <= upper),
                    None => range.upper().is_none(),
                };
                let farthest = ranges.filter(covers_end).min_by_key(|range| range.lower())?;
                if *start < *farthest.lower() {
                    part.lower = std::ops::Bound::Included(farthest.lower().to_vec());
                }
            }
        }
        Some(part)
    }
}

fn later_end(a: &Range, b: &Range) -> std::cmp::Ordering {
    // No end at all is the latest.
    (a.upper().is_none(), a.upper()).cmp(&(b.upper().is_none(), b.upper()))
}
