//! The ordered index (skeleton of the interface; being written).
use crossbeam_epoch::Guard;
use crate::{Record, Table};
use std::ops::Bound;

/// The index.
pub struct Index {}

/// What became of an insertion.
pub enum Insertion<'g> {
    /// The new record is in the index.
    Inserted(Record<'g>),
    /// The key was there already; the new record was not made.
    Present(Record<'g>),
    /// `admit` refused the gap in front of this record (`None`: in front of the end).
    Refused(Option<Record<'g>>),
}

/// A leaf as it was at one moment: lets a scanner find out whether keys came or went since.
#[derive(Clone, Copy)]
pub struct Witness {}
impl Witness {
    /// Whether the leaf still holds the same keys.
    pub fn is_current(&self) -> bool { unimplemented!() }
}

/// One leaf's part of a range.
pub struct Batch<'g> { _p: std::marker::PhantomData<&'g ()> }
impl<'g> Batch<'g> {
    /// An empty batch, to be filled and refilled.
    pub fn new() -> Self { unimplemented!() }
    /// records ascending
    pub fn records(&self) -> &[Record<'g>] { unimplemented!() }
    /// witness
    pub fn witness(&self) -> Witness { unimplemented!() }
    /// where to go on: forward: Included(upper fence) as start of next leaf; None if this was the last leaf.
    /// backward: keys below (Excluded) this lower fence; None if first.
    pub fn fence(&self) -> Option<&'g [u8]> { unimplemented!() }
}

impl Index {
    /// new
    pub fn new() -> Self { Index{} }
    /// get
    pub fn get<'g>(&self, _key: &[u8], _guard: &'g Guard) -> Option<Record<'g>> { unimplemented!() }
    /// insert
    pub fn insert<'g>(&self, _key: &[u8], _make: impl FnOnce() -> Record<'g>, _admit: impl FnMut(Option<Record<'g>>) -> bool, _guard: &'g Guard) -> Insertion<'g> { unimplemented!() }
    /// remove
    pub fn remove(&self, _record: Record<'_>, _guard: &Guard) { unimplemented!() }
    /// forward
    pub fn leaf_from<'g>(&self, _start: Bound<&[u8]>, _batch: &mut Batch<'g>, _guard: &'g Guard) { unimplemented!() }
    /// backward
    pub fn leaf_to<'g>(&self, _end: Bound<&[u8]>, _batch: &mut Batch<'g>, _guard: &'g Guard) { unimplemented!() }
    /// count
    pub fn count(&self, _guard: &Guard) -> usize { unimplemented!() }
}
#[allow(unused)] fn unused(_: &Table) {}
