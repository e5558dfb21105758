//! An open file of a device in memory.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::contents::Contents;
use super::faults::{ReadVerdict, Request, injected};
use super::names::FileNumber;
use super::{MemoryDevice, State};
use crate::device::DeviceFile;
use crate::{Error, Result};

#[derive(Debug)]
pub(super) struct MemoryFile {
    device: MemoryDevice,
    number: FileNumber,
    path: PathBuf,
    /// The failed syncs that this handle has reported, or that came before it.
    reported_failures: Mutex<u64>,
}

impl MemoryFile {
    pub(super) fn open(device: &MemoryDevice, path: &Path) -> io::Result<Self> {
        let mut state = device.state.lock();
        let number = state.names.get(path).ok_or(ErrorKind::NotFound)?;
        let contents = state.file(number);
        contents.handles += 1;
        let reported_failures = Mutex::new(contents.failed_syncs);
        drop(state);
        Ok(MemoryFile { device: device.clone(), number, path: path.to_path_buf(), reported_failures })
    }

    fn change(
        &self,
        action: &'static str,
        request: Request,
        succeed: impl FnOnce(&mut State) -> io::Result<()>,
        fail: impl FnOnce(&mut Contents),
    ) -> Result<()> {
        self.device
            .change(request, succeed, |state| fail(state.file(self.number)))
            .map_err(|e| Error::io(action, &self.path, e))
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        let mut state = self.device.state.lock();
        state.file(self.number).handles -= 1;
        state.free_unreachable();
    }
}

impl DeviceFile for MemoryFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let mut state = self.device.state.lock();
        let verdict = state.faults.decide_read();
        if verdict == ReadVerdict::Fails {
            return Err(Error::io("read", &self.path, injected()));
        }
        let bytes = state.file(self.number).read(offset as usize, buffer);
        match verdict {
            ReadVerdict::IsShort => return Ok(bytes / 2),
            ReadVerdict::IsFlipped(bit) if bytes > 0 => {
                let bit = bit % (8 * bytes as u64);
                buffer[(bit / 8) as usize] ^= 1 << (bit % 8);
            }
            _ => {}
        }
        Ok(bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let offset = offset as usize;
        self.change(
            "write",
            Request::Write { bytes: bytes.len() },
            |state| {
                let limit = state.size_limit(self.number);
                let fits = bytes.len().min(limit.saturating_sub(offset));
                if fits > 0 {
                    state.file(self.number).write(offset, &bytes[..fits]);
                }
                if fits < bytes.len() { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
            },
            |contents| contents.write(offset, &bytes[..bytes.len() / 2]),
        )
    }

    fn sync_data(&self) -> Result<()> {
        let sync = |state: &mut State| {
            state.file(self.number).sync();
            Ok(())
        };
        let outcome = self.change("sync", Request::Sync, sync, Contents::fail_sync);
        let failures = self.device.state.lock().file(self.number).failed_syncs;
        let reported = std::mem::replace(&mut *self.reported_failures.lock(), failures);
        if outcome.is_ok() && reported < failures {
            // Another handle's sync failed; this one learns of it only now.
            return Err(Error::io("sync", &self.path, injected()));
        }
        outcome
    }

    fn size(&self) -> Result<u64> {
        Ok(self.device.state.lock().file(self.number).size() as u64)
    }

    fn set_size(&self, bytes: u64) -> Result<()> {
        let bytes = bytes as usize;
        let set_size = |state: &mut State| {
            if bytes > state.size_limit(self.number) {
                return Err(ErrorKind::StorageFull.into());
            }
            state.file(self.number).set_size(bytes);
            Ok(())
        };
        self.change("set the size of", Request::SetSize, set_size, |_| {})
    }
}
