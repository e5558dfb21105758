//! Operations that fail, wait or lie on order.

use super::*;

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
fn creations_removals_renames_and_changes_of_size_fail_by_number_and_change_nothing() {
    let (device, file) = with_file("f", b"bytes");
    for fault in [Fault::Create(2), Fault::Remove(1), Fault::Rename(1), Fault::SetSize(1)] {
        device.inject(fault);
    }
    device.create(&path("g")).unwrap();
    assert!(device.create(&path("h")).is_err() && device.open(&path("h")).is_err());
    assert!(device.remove(&path("g")).is_err());
    assert!(device.rename(&path("f"), &path("g")).is_err());
    assert!(file.set_size(1).is_err());
    assert_eq!((read(&device, "f").unwrap(), read(&device, "g").unwrap()), (b"bytes".to_vec(), vec![]));
    // Each of them fails once.
    device.create(&path("h")).unwrap();
    device.remove(&path("g")).unwrap();
    device.rename(&path("f"), &path("g")).unwrap();
    file.set_size(1).unwrap();
    assert_eq!(read(&device, "g").unwrap(), b"b");
    let done = device.operations();
    assert_eq!((done.creations, done.removals, done.renames, done.size_changes), (4, 2, 2, 2));
}

#[test]
fn a_failed_sync_of_a_directory_leaves_its_names_unsynced() {
    let (device, file) = with_file("f", b"");
    device.create(&path("g")).unwrap();
    device.inject(Fault::DirectorySync(1));
    file.sync_data().unwrap();
    assert!(device.sync_directory(Path::new(HOME)).is_err());
    assert_eq!(device.crash(Survival::Nothing).list(Path::new(HOME)).unwrap(), vec![path("f")]);
    device.sync_directory(Path::new(HOME)).unwrap();
    assert_eq!(device.crash(Survival::Nothing).list(Path::new(HOME)).unwrap().len(), 2);
}

#[test]
fn reads_fail_fall_short_and_lie_by_number() {
    let (device, file) = with_file("f", b"abcdefgh");
    let faults = [Fault::Read(1), Fault::ShortRead(2), Fault::FlippedRead { nth: 3, bit: 64 + 9 }];
    faults.into_iter().for_each(|fault| device.inject(fault));
    let mut buffer = [0; 10];
    assert!(file.read_at(0, &mut buffer).is_err());
    assert_eq!((file.read_at(0, &mut buffer).unwrap(), &buffer[..4]), (4, &b"abcd"[..]));
    assert_eq!((file.read_at(0, &mut buffer).unwrap(), &buffer[..8]), (8, &b"a`cdefgh"[..]));
    assert_eq!((file.read_at(0, &mut buffer).unwrap(), &buffer[..8]), (8, &b"abcdefgh"[..]));
    // There is nothing to flip where nothing is read.
    device.inject(Fault::FlippedRead { nth: 1, bit: 3 });
    assert_eq!(file.read_at(8, &mut buffer).unwrap(), 0);
}

#[test]
fn a_flipped_bit_stays_flipped_also_after_a_crash() {
    let (device, file) = with_file("f", b"ab");
    device.flip_bit(&path("f"), 8).unwrap();
    assert_eq!(read(&device, "f").unwrap(), b"ac");
    assert_eq!(read(&device.crash(Survival::Nothing), "f").unwrap(), b"ac");
    assert!(device.flip_bit(&path("f"), 16).is_err() && device.flip_bit(&path("g"), 0).is_err());
    file.write_at(1, b"b").unwrap();
    assert_eq!(read(&device, "f").unwrap(), b"ab");
}

#[test]
fn a_delayed_operation_is_overtaken() {
    use std::time::{Duration, Instant};

    let (device, file) = with_file("f", b"");
    let by = Duration::from_millis(300);
    device.inject(Fault::Delay { nth: 1, by });
    let writes = device.operations().writes;
    std::thread::scope(|scope| {
        let started = Instant::now();
        let delayed = scope.spawn(|| file.write_at(0, b"slow"));
        while device.operations().writes == writes {
            std::thread::yield_now();
        }
        let other = device.open(&path("f")).unwrap();
        other.write_at(0, b"fast").unwrap();
        assert!(started.elapsed() >= by || read(&device, "f").unwrap() == b"fast");
        delayed.join().unwrap().unwrap();
        assert!(started.elapsed() >= by);
    });
    assert_eq!(read(&device, "f").unwrap(), b"slow");
}
