//! What was read of a segment and not yet delivered.

/// Bytes of a file that were read ahead.
///
/// Taking some of them from the front costs no more than these bytes, however many are left: a log of a million
/// small batches would else be copied a million times.
#[derive(Debug, Default)]
pub(super) struct ReadAhead {
    bytes: Vec<u8>,
    /// So many at the front were taken.
    taken: usize,
}

impl ReadAhead {
    /// What is left.
    #[inline]
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// Makes the rest `length` bytes long, no shorter than it is, and answers what was added, to be filled.
    pub(super) fn extend_to(&mut self, length: usize) -> &mut [u8] {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        let old = self.bytes.len();
        self.bytes.resize(length.max(old), 0);
        &mut self.bytes[old..]
    }

    /// Passes over the first bytes of the rest.
    #[inline]
    pub(super) fn pass(&mut self, length: usize) {
        self.taken += length;
        if self.taken == self.bytes.len() {
            *self = ReadAhead::default();
        }
    }

    /// Takes the first bytes of the rest. Copies them, or what is behind them, whichever is less.
    pub(super) fn take(&mut self, length: usize) -> Vec<u8> {
        if self.taken == 0 && self.bytes.len() - length <= length {
            let rest = self.bytes.split_off(length);
            return std::mem::replace(&mut self.bytes, rest);
        }
        let taken = self.rest()[..length].to_vec();
        self.pass(length);
        taken
    }
}
