//! Breaking the engine on purpose, to see whether the tests notice.
//!
//! Each [`Mutation`] leaves out one thing: one that durability rests on (an fsync, the sync of a directory, a checksum, an
//! order of steps), or one that the deterministic mode rests on (that somebody waits for another, that what is done is
//! what was declared, that a log is executed as it was). It is made in a copy of the sources, which then are built and tested: at least one test must fail.
//! So nothing of it is in the code itself, not even a switch.
//!
//! ```text
//! cargo run --release -p synod-tests --bin sabotage
//! ```

mod list;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use list::MUTATIONS;

/// Which tests have to notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// Those of what survives.
    Durability,
    /// Those of the deterministic mode.
    Deterministic,
}

/// One thing left out, or done wrongly.
#[derive(Clone, Copy, Debug)]
pub struct Mutation {
    /// What is broken.
    pub name: &'static str,
    /// The file, from the workspace's root on.
    pub file: &'static str,
    /// What stands there, once.
    pub from: &'static str,
    /// What is put in its place.
    pub to: &'static str,
    /// Which tests have to notice.
    pub suite: Suite,
    /// Why no test can notice, if that is so.
    pub harmless: Option<&'static str>,
}

impl Mutation {
    /// Makes the change in a copy of the workspace; returns the file's old text.
    ///
    /// # Errors
    /// If the file can't be read or written, or doesn't have the text exactly once.
    pub fn apply(&self, root: &Path) -> io::Result<String> {
        let path = root.join(self.file);
        let text = fs::read_to_string(&path)?;
        match text.matches(self.from).count() {
            1 => fs::write(&path, text.replacen(self.from, self.to, 1))?,
            count => {
                let found = format!("\"{}\": its text is {count} times in {}", self.name, self.file);
                return Err(io::Error::other(found));
            }
        }
        Ok(text)
    }
}

/// The root of the workspace that this was built from.
pub fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().map_or_else(|| tests.to_owned(), Path::to_owned)
}

/// Copies the sources of a workspace: all but what was built, and hidden files.
///
/// # Errors
/// What the file system says.
pub fn copy_sources(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let (source, target) = (entry.path(), to.join(&name));
        // A module may be called `target`, too; cargo marks what it has built.
        let was_built = name == "target" && source.join("CACHEDIR.TAG").exists();
        if was_built || name.to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy_sources(&source, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}
