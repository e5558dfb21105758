//! What of the bytes survives a crash.

use super::*;

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
