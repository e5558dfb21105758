//! The list of what can be broken on purpose is true to the sources.

use std::fs;

use synod_tests::sabotage::{MUTATIONS, copy_sources, workspace};

#[test]
fn everything_that_is_to_be_broken_is_there_once() {
    let copy = tempfile::tempdir().unwrap();
    copy_sources(&workspace(), copy.path()).unwrap();
    for mutation in MUTATIONS {
        let text = mutation.apply(copy.path()).unwrap();
        fs::write(copy.path().join(mutation.file), text).unwrap();
    }
}

#[test]
fn a_module_called_target_is_copied_and_what_was_built_is_not() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (directory, file) in
        [("src/target", "mod.rs"), ("target", "CACHEDIR.TAG"), ("fuzz/target", "CACHEDIR.TAG")]
    {
        fs::create_dir_all(from.path().join(directory)).unwrap();
        fs::write(from.path().join(directory).join(file), "").unwrap();
    }
    copy_sources(from.path(), to.path()).unwrap();
    assert!(to.path().join("src/target/mod.rs").exists());
    assert!(!to.path().join("target").exists() && !to.path().join("fuzz/target").exists());
}
