//! A device that is full.

use super::*;

fn is_full(outcome: Result<()>) -> bool {
    matches!(outcome, Err(Error::Io { source, .. }) if source.kind() == ErrorKind::StorageFull)
}

#[test]
fn a_write_that_does_not_fit_is_written_as_far_as_it_fits() {
    let (device, file) = with_file("f", b"12345");
    device.set_capacity(Some(8));
    // What lies within the file needs no room.
    file.write_at(0, b"abcde").unwrap();
    assert!(is_full(file.write_at(4, b"EFGHIJ")));
    assert_eq!(read(&device, "f").unwrap(), b"abcdEFGH");
    assert_eq!(device.used_bytes(), 8);
    let other = device.create(&path("g")).unwrap();
    assert!(is_full(other.write_at(0, b"1")) && is_full(other.write_at(100, b"1")));
    assert!(is_full(file.set_size(9)) && is_full(other.set_size(1)));
    assert_eq!((file.size().unwrap(), other.size().unwrap()), (8, 0));
}

#[test]
fn room_can_be_given_back() {
    let (device, file) = with_file("f", b"1234");
    device.set_capacity(Some(4));
    assert!(is_full(file.write_at(4, b"5")));
    device.set_capacity(Some(5));
    file.write_at(4, b"5").unwrap();
    // Below what is used already.
    device.set_capacity(Some(2));
    assert!(is_full(file.write_at(5, b"6")));
    file.set_size(1).unwrap();
    file.write_at(1, b"2").unwrap();
    device.set_capacity(None);
    file.write_at(1000, b"7").unwrap();
}

#[test]
fn a_removed_file_gives_back_its_room_once_nobody_can_come_to_it() {
    let (device, file) = with_file("f", b"1234");
    device.remove(&path("f")).unwrap();
    assert_eq!(device.used_bytes(), 4, "a crash may bring it back");
    device.sync_directory(Path::new(HOME)).unwrap();
    assert_eq!(device.used_bytes(), 4, "it is still open");
    let mut buffer = [0; 4];
    assert_eq!(file.read_at(0, &mut buffer).unwrap(), 4);
    drop(file);
    assert_eq!(device.used_bytes(), 0);
}

#[test]
fn so_does_a_file_that_another_one_replaces_and_one_that_no_crash_leaves() {
    let (device, file) = with_file("f", b"1234");
    let other = device.create(&path("tmp")).unwrap();
    other.write_at(0, b"56").unwrap();
    drop((file, other));
    device.rename(&path("tmp"), &path("f")).unwrap();
    assert_eq!(device.used_bytes(), 6);
    assert_eq!(device.crash(Survival::Nothing).used_bytes(), 4);
    device.sync_directory(Path::new(HOME)).unwrap();
    assert_eq!(device.used_bytes(), 2);
}

#[test]
fn after_a_crash_there_is_room_again() {
    let (device, _file) = with_file("f", b"1234");
    device.set_capacity(Some(4));
    let crashed = device.crash(Survival::Nothing);
    crashed.open(&path("f")).unwrap().write_at(4, b"5").unwrap();
    assert_eq!(read(&crashed, "f").unwrap(), b"12345");
    assert_eq!(read(&device, "f").unwrap(), b"1234", "the crashed copy's bytes are its own");
}
