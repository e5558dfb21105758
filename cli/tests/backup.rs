//! `synod backup` and `synod restore`.

mod support;

use support::{Place, contents, flip};

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
