//! The list of what can be broken on purpose is true to the sources.

use synod_tests::sabotage::{MUTATIONS, copy_sources, workspace};

#[test]
fn everything_that_is_to_be_broken_is_there_once() {
    let copy = tempfile::tempdir().unwrap();
    copy_sources(&workspace(), copy.path()).unwrap();
    for mutation in MUTATIONS {
        let text = mutation.apply(copy.path()).unwrap();
        std::fs::write(copy.path().join(mutation.file), text).unwrap();
    }
}
