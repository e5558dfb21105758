//! What can't be opened is refused, with a reason that one can act on.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use synod::errors::StorageError;
use synod::{Engine, Error, Options};

fn refusal(path: &std::path::Path) -> StorageError {
    match Engine::open(path, Options::new()) {
        Err(Error::Storage(error)) => error,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("{} was opened", path.display()),
    }
}

#[test]
fn a_database_is_opened_once_in_a_process() {
    let home = tempfile::tempdir().unwrap();
    let engine = Engine::open(home.path(), Options::new()).unwrap();
    let clone = engine.clone();
    let error = refusal(home.path());
    assert!(matches!(&error, StorageError::Locked { path } if path == home.path()), "{error}");
    assert!(error.to_string().contains("already open"), "{error}");
    drop(engine);
    assert!(matches!(refusal(home.path()), StorageError::Locked { .. }), "a clone still holds it");
    drop(clone);
    Engine::open(home.path(), Options::new()).unwrap();
}

#[test]
fn a_database_is_opened_by_one_process_until_that_dies() {
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_crash_child"))
        .args(["hold", home.path().to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "open\n");
    assert!(matches!(refusal(home.path()), StorageError::Locked { .. }));
    child.kill().unwrap();
    child.wait().unwrap();
    Engine::open(home.path(), Options::new()).unwrap();
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let shift = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), shift))
}

#[test]
fn a_format_of_another_version_is_named_as_such() {
    let home = tempfile::tempdir().unwrap();
    drop(Engine::open(home.path(), Options::new()).unwrap());
    let log = home.path().join("wal/0000000000000001.log");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[8..12].copy_from_slice(&77u32.to_le_bytes());
    bytes[12..16].fill(0);
    let crc = crc32c(&bytes[..4096]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&log, &bytes).unwrap();
    match refusal(home.path()) {
        StorageError::UnknownFormat { path, found: 77, known: 2 } => assert_eq!(path, log),
        error => panic!("{error}"),
    }
    assert_eq!(std::fs::read(&log).unwrap(), bytes, "a refused file was changed");
}

#[test]
fn a_file_is_no_database() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::write(&file, "not a database").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = refusal(&path);
        assert!(matches!(&error, StorageError::Io { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(file.to_str().unwrap()), "the file is not named: {text}");
        assert!(text.contains("irectory"), "nothing is said of a directory: {text}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"not a database");
}

#[test]
fn a_place_where_nothing_can_be_written_is_named() {
    // Even the superuser can't create directories here.
    let path = std::path::Path::new("/proc/synod/database");
    let error = refusal(path);
    assert!(matches!(&error, StorageError::Io { action: "create the directory", .. }), "{error}");
    assert!(error.to_string().contains("/proc/synod"), "{error}");
}
