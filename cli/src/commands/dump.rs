//! `synod dump`.

use super::open_existing;
use crate::arguments::DumpArguments;
use crate::dump::{Counts, DumpWriter};
use crate::meter::Meter;
use crate::output::remark;
use crate::render::units::{bytes, plural};
use crate::{Error, Result, interrupt};
use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use synod::{Engine, Snapshot};
use tempfile::NamedTempFile;

/// Writes go out in pieces of so many bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// Writes a dump of one moment.
pub(crate) fn run(arguments: &DumpArguments) -> Result<bool> {
    let engine = open_existing(&arguments.directory)?;
    dump(&engine, &arguments.tables, arguments.output.as_deref())?;
    engine.close()?;
    Ok(true)
}

/// Writes a dump of these tables, or of all if none is named; to standard output if there's no other.
pub(super) fn dump(engine: &Engine, tables: &[String], output: Option<&Path>) -> Result<()> {
    let stop = interrupt::flag();
    let names = wanted_tables(engine, tables)?;
    let output = Output::open(output)?;
    let snapshot = engine.snapshot()?;
    let dump = Dump { engine, snapshot: &snapshot, names: &names, output: output.name() };
    match dump.write(output.writer(), stop) {
        Ok(counts) => {
            output.finish()?;
            remark(&format!("dumped {}", describe(counts)));
        }
        Err(error) if output.has_enough(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// What a dump holds, for people.
pub(super) fn describe(counts: Counts) -> String {
    format!(
        "{} of {}: {} of keys, {} of values",
        plural(counts.records, "record"),
        plural(counts.tables, "table"),
        bytes(counts.key_bytes),
        bytes(counts.value_bytes)
    )
}

/// The names of the tables to dump, sorted; each must be there.
fn wanted_tables(engine: &Engine, wanted: &[String]) -> Result<Vec<String>> {
    let present = engine.tables();
    if let Some(name) = wanted.iter().find(|name| !present.contains(name)) {
        let shown: Vec<_> = present.iter().map(|name| name.escape_debug().to_string()).collect();
        let present = if shown.is_empty() { "none at all".to_string() } else { shown.join(", ") };
        return Err(Error::NoTable { name: name.clone(), present });
    }
    Ok(present.into_iter().filter(|name| wanted.is_empty() || wanted.contains(name)).collect())
}

/// What is dumped.
struct Dump<'d> {
    engine: &'d Engine,
    snapshot: &'d Snapshot,
    names: &'d [String],
    output: &'d Path,
}

impl Dump<'_> {
    fn write(&self, to: impl Write, stop: &AtomicBool) -> Result<Counts> {
        let failed = |source| Error::io("cannot write to", self.output, source);
        let to = BufWriter::with_capacity(BUFFER_BYTES, to);
        let mut writer = DumpWriter::new(to, self.snapshot.timestamp().0).map_err(failed)?;
        let mut meter = Meter::new();
        for name in self.names {
            let table = self.engine.table(name)?;
            writer.table(name).map_err(failed)?;
            let mut records = self.snapshot.scan(&table, ..);
            while let Some((key, value)) = records.next_ref()? {
                writer.record(name, key, value).map_err(failed)?;
                meter.step(|| format!("dumping table {name:?}: {}", describe(writer.counts())));
                // Relaxed: the flag says nothing about other data.
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
            }
        }
        Ok(writer.finish().map_err(failed)?.1)
    }
}

/// Where a dump goes.
enum Output {
    Standard,
    /// Something with a name that can't be replaced by a file, such as a pipe.
    Special(PathBuf, File),
    /// A file that gets its name when it is whole.
    File(PathBuf, NamedTempFile),
}

impl Output {
    fn open(path: Option<&Path>) -> Result<Output> {
        let Some(path) = path else { return Ok(Output::Standard) };
        let failed = |source| Error::io("cannot create", path, source);
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            let file = File::options().write(true).open(path).map_err(failed)?;
            return Ok(Output::Special(path.to_path_buf(), file));
        }
        let mut unfinished = tempfile::Builder::new();
        // As any other new file: the user's umask decides.
        let unfinished = unfinished.prefix(".synod-dump-").permissions(Permissions::from_mode(0o666));
        let file = unfinished.tempfile_in(directory_of(path)).map_err(failed)?;
        Ok(Output::File(path.to_path_buf(), file))
    }

    fn name(&self) -> &Path {
        match self {
            Output::Standard => Path::new("standard output"),
            Output::Special(path, _) | Output::File(path, _) => path,
        }
    }

    fn writer(&self) -> Box<dyn Write + '_> {
        match self {
            Output::Standard => Box::new(io::stdout().lock()),
            Output::Special(_, file) => Box::new(file),
            Output::File(_, file) => Box::new(file.as_file()),
        }
    }

    /// Whether nothing is wrong but that whoever reads standard output has stopped reading, as `head` does.
    fn has_enough(&self, error: &Error) -> bool {
        let is_closed = |source: &io::Error| source.kind() == io::ErrorKind::BrokenPipe;
        matches!((self, error), (Output::Standard, Error::Io { source, .. }) if is_closed(source))
    }

    /// Makes the dump durable, and gives it its name.
    fn finish(self) -> Result<()> {
        let Output::File(path, file) = self else { return Ok(()) };
        file.as_file().sync_all().map_err(|source| Error::io("cannot sync", &path, source))?;
        file.persist(&path).map_err(|failure| Error::io("cannot create", &path, failure.error))?;
        let directory = directory_of(&path);
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|source| Error::io("cannot sync", directory, source))
    }
}

/// The directory that a file is in.
fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
