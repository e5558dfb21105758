//! Bytes in pages that copies share until one of them writes.
//!
//! A campaign crashes the same device many thousand times, and each crash is a device of its own. So a
//! copy of a file is a copy of its list of pages; a page itself is copied by whoever writes to it first
//! (copy on write), and a page that was never written to is no page at all.

use std::sync::Arc;

const PAGE_BYTES: usize = 4096;

type Page = [u8; PAGE_BYTES];

/// A sequence of bytes that is cheap to copy: 8 bytes for each page of 4 KiB.
///
/// There are just enough pages for the size, and what the last one holds beyond it is zero. So growing
/// needs no look at old bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Pages {
    size: usize,
    /// `None`: all zeros.
    pages: Vec<Option<Arc<Page>>>,
}

impl Pages {
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Fills as much of the buffer as there are bytes from `offset` on, and returns how much that is.
    pub(super) fn read(&self, offset: usize, buffer: &mut [u8]) -> usize {
        let bytes = self.size.saturating_sub(offset).min(buffer.len());
        let mut filled = 0;
        while filled < bytes {
            let (page, start) = ((offset + filled) / PAGE_BYTES, (offset + filled) % PAGE_BYTES);
            let length = (PAGE_BYTES - start).min(bytes - filled);
            let target = &mut buffer[filled..filled + length];
            match &self.pages[page] {
                Some(page) => target.copy_from_slice(&page[start..start + length]),
                None => target.fill(0),
            }
            filled += length;
        }
        bytes
    }

    /// Overwrites from `offset` on, and grows if needed.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        if self.size < offset + bytes.len() {
            self.set_size(offset + bytes.len());
        }
        let mut written = 0;
        while written < bytes.len() {
            let (page, start) = ((offset + written) / PAGE_BYTES, (offset + written) % PAGE_BYTES);
            let length = (PAGE_BYTES - start).min(bytes.len() - written);
            self.page_mut(page)[start..start + length].copy_from_slice(&bytes[written..written + length]);
            written += length;
        }
    }

    /// Cuts, or extends with zeros.
    pub(super) fn set_size(&mut self, size: usize) {
        self.pages.resize(size.div_ceil(PAGE_BYTES), None);
        let used = size % PAGE_BYTES;
        if size < self.size && used > 0 && self.pages[size / PAGE_BYTES].is_some() {
            self.page_mut(size / PAGE_BYTES)[used..].fill(0);
        }
        self.size = size;
    }

    /// Flips one bit; false if the file ends before it.
    pub(super) fn flip(&mut self, bit: u64) -> bool {
        let byte = (bit / 8) as usize;
        if byte < self.size {
            self.page_mut(byte / PAGE_BYTES)[byte % PAGE_BYTES] ^= 1 << (bit % 8);
        }
        byte < self.size
    }

    fn page_mut(&mut self, number: usize) -> &mut Page {
        Arc::make_mut(self.pages[number].get_or_insert_with(|| Arc::new([0; PAGE_BYTES])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pages: &Pages) -> Vec<u8> {
        let mut bytes = vec![7; pages.size() + 3];
        assert_eq!(pages.read(0, &mut bytes), pages.size());
        bytes.truncate(pages.size());
        bytes
    }

    #[test]
    fn pages_behave_like_a_vector_of_bytes() {
        let (mut pages, mut model) = (Pages::default(), Vec::new());
        let sizes = [0, 1, 511, 4095, 4096, 4097, 8192, 10_000];
        for (step, offset) in sizes.iter().cycle().take(200).enumerate() {
            let other = sizes[step * 5 % sizes.len()];
            if step % 3 == 0 {
                pages.set_size(other);
                model.resize(other, 0);
            } else {
                let bytes = vec![step as u8; other / 2];
                pages.write(*offset, &bytes);
                model.resize(model.len().max(offset + bytes.len()), 0);
                model[*offset..offset + bytes.len()].copy_from_slice(&bytes);
            }
            assert!(all(&pages) == model, "step {step}");
            let mut part = [9; 100];
            let bytes = pages.read(*offset, &mut part);
            let end = model.len().min(offset + 100);
            assert_eq!(&part[..bytes], model.get(*offset..end).unwrap_or(&[]));
        }
    }

    #[test]
    fn copies_share_their_pages_until_one_is_written_to() {
        let mut first = Pages::default();
        first.write(0, &[1; 3 * PAGE_BYTES]);
        let mut second = first.clone();
        second.write(PAGE_BYTES + 5, b"x");
        assert!(second.flip(8 * 2 * PAGE_BYTES as u64) && !second.flip(8 * 3 * PAGE_BYTES as u64));
        assert!(all(&first).iter().all(|byte| *byte == 1));
        assert_eq!((all(&second)[PAGE_BYTES + 5], all(&second)[2 * PAGE_BYTES]), (b'x', 0));
        let is_shared = |page: usize| {
            Arc::ptr_eq(first.pages[page].as_ref().unwrap(), second.pages[page].as_ref().unwrap())
        };
        assert_eq!([is_shared(0), is_shared(1), is_shared(2)], [true, false, false]);
    }
}
