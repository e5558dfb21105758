//! What the tests of the data commands share.
#![allow(dead_code, reason = "not every test needs everything")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};
use synod::{Engine, Options};
use tempfile::TempDir;

/// Everything in a database: a table's name, a key, a value.
pub(crate) type Contents = BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>;

/// Held while a process is started, and shared while a database is open in this one: a process that another test
/// starts has a copy of the lock file's descriptor until it is what it will be, and so holds the lock for longer.
static STARTING: RwLock<()> = RwLock::new(());

/// A directory for databases, and what the binary does in it.
pub(crate) struct Place(TempDir);

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: Option<i32>,
    pub(crate) shown: String,
    pub(crate) errors: String,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place(tempfile::tempdir().expect("a temporary directory"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `synod` in the directory.
    pub(crate) fn synod<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Answer {
        self.synod_with(arguments, b"")
    }

    /// Runs `synod` with something on its standard input.
    pub(crate) fn synod_with<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &[u8],
    ) -> Answer {
        let mut child = self.start(arguments);
        let mut to = child.stdin.take().expect("piped");
        std::thread::scope(|scope| {
            // It may end before it has read everything.
            scope.spawn(move || drop(to.write_all(input)));
            child.wait_with_output().expect("the binary ends").into()
        })
    }

    /// Runs `synod` with this input, interrupts it when it has made a file, and goes on with that input.
    pub(crate) fn synod_interrupted<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &str,
        file: &str,
        more: &str,
    ) -> Answer {
        let mut child = self.start(arguments);
        let mut to = child.stdin.take().expect("piped");
        to.write_all(input.as_bytes()).expect("it reads");
        let started = Instant::now();
        while !self.path(file).exists() {
            assert!(started.elapsed() < Duration::from_secs(60), "{file} is not made");
            std::thread::sleep(Duration::from_millis(5));
        }
        let process = libc::pid_t::try_from(child.id()).expect("a process number");
        // SAFETY: sends a signal to a process that was started above and not yet waited for.
        assert_eq!(unsafe { libc::kill(process, libc::SIGINT) }, 0);
        // It may have noticed already.
        let _ = to.write_all(more.as_bytes());
        child.wait_with_output().expect("the binary ends").into()
    }

    /// Runs `synod` with a standard output that is closed after its first `lines` lines, as `head` closes it; returns
    /// them, the status and standard error.
    pub(crate) fn synod_head(&self, line: &str, lines: usize) -> Answer {
        let mut child = self.start(line.split(' '));
        drop(child.stdin.take());
        let mut output = BufReader::new(child.stdout.take().expect("piped")).lines();
        let shown = (0..lines).map(|_| output.next().expect("a line").expect("text") + "\n").collect();
        drop(output);
        let ended = child.wait_with_output().expect("the binary ends");
        Answer { shown, ..ended.into() }
    }

    fn start<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_synod"));
        command.current_dir(self.0.path()).args(arguments).env_remove("RUST_LOG");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let _alone = STARTING.write().unwrap_or_else(PoisonError::into_inner);
        command.spawn().expect("the binary starts")
    }

    /// Runs a command that must succeed; returns its standard output.
    pub(crate) fn succeeds(&self, line: &str) -> String {
        let answer = self.synod(line.split(' '));
        assert_eq!(answer.status, Some(0), "{line}: {answer:?}");
        answer.shown
    }

    /// Runs a command that must fail with this status; returns its standard error.
    pub(crate) fn fails(&self, line: &str, status: i32) -> String {
        let answer = self.synod(line.split(' '));
        assert_eq!(answer.status, Some(status), "{line}: {answer:?}");
        assert!(answer.errors.starts_with("error: "), "{line}: {answer:?}");
        answer.errors
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).expect("writable");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("readable text")
    }

    /// Does something with a database, which is made if need be, while no process is started.
    pub(crate) fn with_engine<T>(&self, database: &str, work: impl FnOnce(&Engine) -> T) -> T {
        let _shared = STARTING.read().unwrap_or_else(PoisonError::into_inner);
        let engine = Engine::open(self.path(database), Options::new()).expect("opens");
        let result = work(&engine);
        engine.close().expect("closes");
        result
    }

    /// Puts records into a database, made if need be.
    pub(crate) fn put(&self, database: &str, contents: &Contents) {
        self.with_engine(database, |engine| {
            for (name, records) in contents {
                let table = engine.table(name).expect("created");
                for (key, value) in records {
                    engine.transact(|txn| txn.put(&table, key, value)).expect("put");
                }
            }
        });
    }

    /// What is in a database.
    pub(crate) fn contents(&self, database: &str) -> Contents {
        let path = self.path(database);
        assert!(path.join("DATABASE").exists(), "there is a database at {}", path.display());
        self.with_engine(database, |engine| {
            let snapshot = engine.snapshot().expect("readable");
            let tables = engine.tables().into_iter().map(|name| {
                let table = engine.table(&name).expect("there");
                let records = snapshot.scan(&table, ..).map(|record| record.expect("readable"));
                let records = records.map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
                (name, records)
            });
            tables.collect()
        })
    }

    /// The files of one of the database's directories, by name.
    pub(crate) fn files(&self, directory: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path(directory)).expect("a directory");
        let mut files: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
        files.sort();
        files
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Answer {
        let text = |bytes| String::from_utf8(bytes).expect("the output is UTF-8");
        Answer { status: output.status.code(), shown: text(output.stdout), errors: text(output.stderr) }
    }
}

/// Does something that takes a database's lock, while no process is started.
pub(crate) fn while_nothing_starts<T>(look: impl FnOnce() -> T) -> T {
    let _shared = STARTING.read().unwrap_or_else(PoisonError::into_inner);
    look()
}

/// A key and its value.
pub(crate) type Pair<'a> = (&'a [u8], &'a [u8]);

/// Contents of tables with these records.
pub(crate) fn contents(tables: &[(&str, &[Pair<'_>])]) -> Contents {
    let owned =
        |records: &[Pair<'_>]| records.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
    tables.iter().map(|(name, records)| ((*name).to_owned(), owned(records))).collect()
}

/// Changes one byte of a file.
pub(crate) fn flip(file: &Path, offset: usize) {
    let mut bytes = std::fs::read(file).expect("readable");
    bytes[offset] ^= 0x20;
    std::fs::write(file, bytes).expect("writable");
}
