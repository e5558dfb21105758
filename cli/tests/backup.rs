//! `synod backup` and `synod restore`.

mod support;

use support::{Place, contents, flip};
use synod::device::RealDevice;
use synod_storage::NoteFormat;

#[test]
fn a_backup_is_brought_up_to_date_and_restored() {
    let place = Place::new();
    let old = contents(&[("t", &[(b"a", b"1"), (b"b", b"2")])]);
    place.put("db", &old);
    let shown = place.succeeds("backup db copies/backup");
    assert!(shown.contains("the backup copies/backup was written whole"), "{shown}");
    place.succeeds("restore copies/backup old");

    place.put("db", &contents(&[("t", &[(b"b", b"new")]), ("u", &[(b"\xff", b"")])]));
    let new = contents(&[("t", &[(b"a", b"1"), (b"b", b"new")]), ("u", &[(b"\xff", b"")])]);
    assert!(place.succeeds("backup db copies/backup").contains("got what was new"));
    assert!(place.succeeds("backup db copies/backup").contains("was up to date"));
    place.succeeds("verify copies/backup");
    let shown = place.succeeds("restore copies/backup new");
    assert!(shown.starts_with("restored new from copies/backup: ") && shown.contains("checked"), "{shown}");
    assert_eq!(place.contents("old"), old);
    assert_eq!(place.contents("new"), new);
    assert_eq!(place.contents("db"), new);
    assert!(place.succeeds("verify new").ends_with("new is whole\n"));
    let body = |text: String| text.split_once('\n').expect("a header").1.to_owned();
    assert_eq!(body(place.succeeds("dump new")), body(place.succeeds("dump db")));
}

#[test]
fn a_backup_is_not_opened_by_mistake() {
    let place = Place::new();
    place.put("db", &contents(&[("t", &[(b"a", b"1")])]));
    place.succeeds("backup db backup");
    place.succeeds("dump db -o dump");
    for line in ["dump backup", "stats backup", "load backup dump --replace", "backup backup other"] {
        let error = place.fails(line, 1);
        assert!(error.contains("backup is a backup") && error.contains("synod restore"), "{line}: {error}");
    }
    assert!(!place.path("other").exists());
    assert!(place.succeeds("backup db backup").contains("was up to date"), "it stayed one");
}

#[test]
fn a_backup_goes_nowhere_else() {
    let place = Place::new();
    place.put("db", &contents(&[("t", &[(b"a", b"1")])]));
    place.put("other", &contents(&[("t", &[(b"a", b"2")])]));
    place.succeeds("backup other backup");
    assert!(place.fails("backup db backup", 1).contains("the backup of another database"));
    assert!(place.fails("backup db other", 1).contains("it holds something else"));
    assert!(place.fails("backup db db", 1).contains("it holds something else"));
    assert!(place.fails("backup missing new", 1).contains("there is no Synod database at missing"));
    assert!(!place.path("missing").exists() && !place.path("new").exists());
}

#[test]
fn only_backups_are_restored_and_only_into_new_directories() {
    let place = Place::new();
    let sample = contents(&[("t", &[(b"a", b"1")])]);
    place.put("db", &sample);
    place.succeeds("backup db backup");
    assert!(place.fails("restore db new", 1).contains("db is not a backup"));
    assert!(place.fails("restore missing new", 1).contains("missing is not a backup"));
    assert!(place.fails("restore backup db", 1).contains("db is not empty"));
    assert!(!place.path("missing").exists() && !place.path("new").exists());
    assert_eq!(place.contents("db"), sample);
}

/// What an interruption leaves of a backup's note: whose backup it is to be, and that it is none yet.
fn interrupt(place: &Place, backup: &str) {
    let note = NoteFormat { magic: b"SYNODBAK", version: 1 };
    let path = place.path(backup).join("BACKUP");
    let [source, ..] = note.read(&RealDevice, &path).expect("readable").expect("there");
    note.replace(&RealDevice, &path, [source, 0, 0, 0]).expect("writable");
}

#[test]
fn a_backup_that_was_never_completed_is_not_called_whole() {
    let place = Place::new();
    let sample = contents(&[("t", &[(b"a", b"1")])]);
    place.put("db", &sample);
    // What there may be of a backup: its log, or nothing but the note; of a copy restored from one: not even a log.
    for (lost, is_copy) in [
        (&["checkpoints"][..], false),
        (&["checkpoints", "wal", "DATABASE", "LOCK"], false),
        (&["wal"], true),
    ] {
        place.succeeds("backup db backup");
        let shown = place.succeeds("verify backup");
        assert!(shown.contains("\nbackup is a whole backup, up to 20"), "{shown}");
        interrupt(&place, "backup");
        for path in lost.iter().map(|name| place.path("backup").join(name)) {
            let is_removed =
                if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
            is_removed.expect("removed");
        }
        let answer = place.synod(["verify", "backup"]);
        assert_eq!(answer.status, Some(1), "{answer:?}");
        assert!(answer.shown.starts_with("backup is UNFINISHED: "), "{answer:?}");
        assert!(!answer.shown.contains("whole") && !answer.shown.contains("DAMAGE"), "{answer:?}");
        assert!(place.fails("restore backup new", 1).contains("it was never completed"));
        assert!(place.fails("stats backup", 1).contains("backup is a backup"));
        if !is_copy {
            // As it says.
            assert!(place.succeeds("backup db backup").contains("was written whole"));
            place.succeeds("restore backup new");
            assert_eq!(place.contents("new"), sample);
            std::fs::remove_dir_all(place.path("new")).expect("removed");
        }
        std::fs::remove_dir_all(place.path("backup")).expect("removed");
    }
}

#[test]
fn a_damaged_note_of_a_backup_is_told() {
    let place = Place::new();
    place.put("db", &contents(&[("t", &[(b"a", b"1")])]));
    place.succeeds("backup db backup");
    flip(&place.path("backup/BACKUP"), 20);
    let answer = place.synod(["verify", "backup"]);
    assert_eq!(answer.status, Some(1), "{answer:?}");
    assert!(
        answer.shown.starts_with("DAMAGE  backup/BACKUP") && answer.shown.contains("1 record"),
        "{answer:?}"
    );
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let place = Place::new();
    place.put("db", &contents(&[("t", &[(b"a", b"1")])]));
    place.succeeds("backup db backup");
    flip(&place.files("backup/checkpoints")[0], 4_100);
    assert_eq!(place.synod(["verify", "backup"]).status, Some(1));
    let error = place.fails("restore backup new", 1);
    assert!(error.contains("is damaged at offset") && error.contains("new is not finished"), "{error}");
    for line in ["dump new", "stats new"] {
        place.fails(line, 1);
    }
}
