//! The device that the crash tests rely on keeps its own promises.

use super::*;

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

#[test]
fn unsynced_writes_survive_as_the_crash_chooses() {
    let (device, file) = with_file("f", b"old");
    file.write_at(1, b"EW FILE").unwrap();
    assert_eq!(read(&device, "f").unwrap(), b"oEW FILE");
    assert_eq!(read(&device.crash(Survival::Nothing), "f").unwrap(), b"old");
    assert_eq!(read(&device.crash(Survival::Everything), "f").unwrap(), b"oEW FILE");
    file.sync_data().unwrap();
    assert_eq!(read(&device.crash(Survival::Nothing), "f").unwrap(), b"oEW FILE");
}

#[test]
fn random_crashes_tear_writes_at_sectors_and_nowhere_else() {
    let (device, file) = with_file("f", &[0; 4 * SECTOR]);
    const SECTOR: usize = crate::device::SECTOR_BYTES;
    file.write_at(100, &[1; 3 * SECTOR]).unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let bytes = read(&device.crash(Survival::Random { seed }), "f").unwrap();
        assert_eq!(bytes, read(&device.crash(Survival::Random { seed }), "f").unwrap());
        let mut survivors = Vec::new();
        for (start, end) in
            [(100, SECTOR), (SECTOR, 2 * SECTOR), (2 * SECTOR, 3 * SECTOR), (3 * SECTOR, 3 * SECTOR + 100)]
        {
            assert!(bytes[start..end].iter().all(|byte| *byte == bytes[start]), "torn within a sector");
            survivors.push(bytes[start]);
        }
        seen.insert(survivors);
    }
    assert!(seen.contains(&vec![0; 4]) && seen.contains(&vec![1; 4]));
    assert!(seen.len() > 10, "only {} different outcomes", seen.len());
}

#[test]
fn names_survive_only_with_their_directory() {
    let (device, _file) = with_file("a", b"a");
    device.create(&path("b")).unwrap();
    device.rename(&path("a"), &path("c")).unwrap();
    let lost = device.crash(Survival::Nothing);
    assert_eq!(lost.list(Path::new(HOME)).unwrap(), vec![path("a")]);
    let kept = device.crash(Survival::Everything);
    assert_eq!(kept.list(Path::new(HOME)).unwrap(), vec![path("b"), path("c")]);
    device.sync_directory(Path::new(HOME)).unwrap();
    device.remove(&path("c")).unwrap();
    let synced = device.crash(Survival::Nothing);
    assert_eq!(synced.list(Path::new(HOME)).unwrap(), vec![path("b"), path("c")]);
    assert_eq!(read(&synced, "c").unwrap(), b"a");
}

#[test]
fn a_failed_sync_loses_what_it_covered_and_is_reported_once_by_each_handle() {
    let (device, file) = with_file("f", b"1");
    let other = device.open(&path("f")).unwrap();
    file.write_at(0, b"2").unwrap();
    device.inject(Fault::Sync(1));
    assert!(file.sync_data().is_err());
    file.write_at(1, b"3").unwrap();
    file.sync_data().unwrap();
    assert!(other.sync_data().is_err());
    other.sync_data().unwrap();
    assert_eq!(read(&device, "f").unwrap(), b"23");
    assert_eq!(read(&device.crash(Survival::Everything), "f").unwrap(), b"13");
}

#[test]
fn a_failed_write_leaves_half_and_counts_are_kept() {
    let (device, file) = with_file("f", b"");
    let before = device.operations();
    device.inject(Fault::Write(2));
    file.write_at(0, b"aa").unwrap();
    assert!(file.write_at(2, b"bbbb").is_err());
    file.write_at(6, b"c").unwrap();
    assert_eq!(read(&device, "f").unwrap(), b"aabb\0\0c");
    let after = device.operations();
    assert_eq!((after.writes - before.writes, after.bytes_written - before.bytes_written), (3, 7));
    assert_eq!(after.changes - before.changes, 3);
}

#[test]
fn after_a_power_cut_nothing_works_and_the_last_change_is_unsynced() {
    let (device, file) = with_file("f", b"1");
    device.inject(Fault::PowerCut(2));
    file.write_at(0, b"2").unwrap();
    assert!(file.sync_data().is_err(), "the power goes out in this sync");
    assert!(file.write_at(0, b"3").is_err());
    assert!(file.read_at(0, &mut [0]).is_err());
    assert!(device.create(&path("g")).is_err());
    assert_eq!(read(&device.crash(Survival::Nothing), "f").unwrap(), b"1");
    assert_eq!(read(&device.crash(Survival::Everything), "f").unwrap(), b"2");
}

#[test]
fn a_lock_is_exclusive_until_dropped_and_gone_after_a_crash() {
    let device = device();
    let lock = device.lock(Path::new(HOME)).unwrap();
    assert!(matches!(device.lock(Path::new(HOME)), Err(Error::Locked { .. })));
    device.crash(Survival::Nothing).lock(Path::new(HOME)).unwrap();
    drop(lock);
    device.lock(Path::new(HOME)).unwrap();
}
