//! The device that the crash tests rely on keeps its own promises.

use super::*;

mod crash;
mod faults;
mod names;
mod space;

const HOME: &str = "/db";

fn device() -> MemoryDevice {
    let device = MemoryDevice::new();
    device.create_directory(Path::new(HOME)).unwrap();
    device
}

fn path(name: &str) -> PathBuf {
    Path::new(HOME).join(name)
}

fn read(device: &MemoryDevice, name: &str) -> Option<Vec<u8>> {
    let file = device.open(&path(name)).ok()?;
    let mut bytes = vec![0; file.size().unwrap() as usize];
    assert_eq!(file.read_at(0, &mut bytes).unwrap(), bytes.len());
    Some(bytes)
}

/// A device with one durable file of `bytes`.
fn with_file(name: &str, bytes: &[u8]) -> (MemoryDevice, Box<dyn DeviceFile>) {
    let device = device();
    let file = device.create(&path(name)).unwrap();
    file.write_at(0, bytes).unwrap();
    file.sync_data().unwrap();
    device.sync_directory(Path::new(HOME)).unwrap();
    (device, file)
}
