//! What of the names survives a crash.

use super::*;

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

/// Every outcome that random crashes of `device` show: the names, each with the bytes of its file.
fn outcomes(device: &MemoryDevice) -> BTreeSet<Vec<(String, Vec<u8>)>> {
    let outcome = |seed| {
        let crashed = device.crash(Survival::Random { seed });
        let names = crashed.list(Path::new(HOME)).unwrap().into_iter();
        let names = names.map(|path| path.file_name().unwrap().to_str().unwrap().to_string());
        names.map(|name| (name.clone(), read(&crashed, &name).unwrap())).collect()
    };
    (0..200).map(outcome).collect()
}

fn state(files: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    files.iter().map(|(name, bytes)| ((*name).to_string(), bytes.as_bytes().to_vec())).collect()
}

#[test]
fn each_change_of_a_name_survives_by_itself() {
    let (device, _file) = with_file("a", b"a");
    device.create(&path("b")).unwrap();
    device.remove(&path("a")).unwrap();
    device.create(&path("c")).unwrap();
    // Any subset of the three, so the later one without the earlier one, too.
    let mut expected = BTreeSet::new();
    for subset in 0..8 {
        let names = [("a", "a", subset & 1), ("b", "", subset & 2), ("c", "", subset & 4)];
        let files: Vec<_> = names.iter().filter(|name| name.2 > 0).map(|name| (name.0, name.1)).collect();
        expected.insert(state(&files));
    }
    assert_eq!(outcomes(&device), expected);
}

#[test]
fn a_rename_survives_wholly_or_not_at_all_and_without_the_creation_before_it() {
    let (device, _file) = with_file("target", b"old");
    let file = device.create(&path("tmp")).unwrap();
    file.write_at(0, b"new").unwrap();
    file.sync_data().unwrap();
    device.rename(&path("tmp"), &path("target")).unwrap();
    let expected = [
        state(&[("target", "old")]),
        state(&[("target", "new")]),
        state(&[("target", "old"), ("tmp", "new")]),
    ];
    assert_eq!(outcomes(&device), BTreeSet::from(expected));
    device.sync_directory(Path::new(HOME)).unwrap();
    assert_eq!(outcomes(&device), BTreeSet::from([state(&[("target", "new")])]));
}

#[test]
fn a_directory_is_synced_by_itself() {
    let device = device();
    let other = Path::new(HOME).join("other");
    device.create_directory(&other).unwrap();
    device.create(&path("here")).unwrap();
    device.create(&other.join("there")).unwrap();
    device.sync_directory(&other).unwrap();
    let crashed = device.crash(Survival::Nothing);
    assert!(crashed.list(Path::new(HOME)).unwrap().is_empty());
    assert_eq!(crashed.list(&other).unwrap(), vec![other.join("there")]);
}
