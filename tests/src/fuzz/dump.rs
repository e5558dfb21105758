//! A dump: the input is its text.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};

use synod::{Engine, Options};
use synod_cli::dump::{DumpError, DumpReader, DumpWriter, Item, Line};

use super::{Outcome, Target};
use crate::campaign::model::Records;
use crate::campaign::verdict::contents;

pub(super) const TARGET: Target = Target { name: "dump", seeds, judge, repair };

/// What a dump holds.
type Tables = BTreeMap<String, Records>;

/// The lines up to the first one that isn't understood, and the end that belongs to them.
fn repair(input: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    if DumpReader::new(input).is_err() {
        lines[0] = br#"{"synod_dump":1,"timestamp":1}"#;
    }
    let mut text = lines.join(&b'\n');
    let mut dump = DumpReader::new(&text[..]).expect("it begins as a dump does");
    while let Ok(Some(_)) = dump.next_item() {}
    let (understood, counts) = (dump.line() as usize - 1, dump.counts());
    text = lines[..understood.min(lines.len())].join(&b'\n');
    text.push(b'\n');
    Line::End(counts).write(&mut text).expect("memory takes everything");
    text
}

/// What can be read is the same in pieces; loaded and dumped again, it is read again.
fn judge(input: &[u8]) -> Outcome {
    let read = read_all(input);
    let in_pieces = read_all(BufReader::with_capacity(7, input));
    match (read, in_pieces) {
        (Ok(tables), Ok(in_pieces)) => {
            assert_eq!(tables, in_pieces, "read in pieces it is something else");
            let loaded = load(&tables);
            assert_eq!(loaded, tables, "loading leads somewhere else");
            assert_eq!(
                read_all(&write_all(&loaded)[..]).ok(),
                Some(loaded),
                "dumped again it is something else"
            );
            Outcome::Accepted
        }
        (Err(error), Err(in_pieces)) => {
            assert_eq!(error.to_string(), in_pieces.to_string(), "read in pieces something else is wrong");
            Outcome::refused(&error)
        }
        (whole, in_pieces) => panic!("read in pieces it is {in_pieces:?}, and at once {whole:?}"),
    }
}

fn read_all(input: impl BufRead) -> Result<Tables, DumpError> {
    let mut tables = Tables::new();
    let mut dump = DumpReader::new(input)?;
    while let Some(item) = dump.next_item()? {
        match item {
            Item::Table(name) => drop(tables.insert(name.to_string(), Records::new())),
            Item::Record(record) => {
                let records = tables.get_mut(record.table.as_ref()).expect("the reader knows the table");
                records.insert(record.key.to_vec(), record.value.to_vec());
            }
        }
    }
    Ok(tables)
}

/// What an engine holds that these were put into.
fn load(tables: &Tables) -> Tables {
    let engine = Engine::in_memory(Options::new()).expect("open an engine");
    for (name, records) in tables {
        let table = engine.table(name).expect("the reader has checked the name");
        let put =
            engine.transact(|txn| records.iter().try_for_each(|(key, value)| txn.put(&table, key, value)));
        put.expect("the reader has checked the lengths");
    }
    contents(&engine).unwrap_or_else(|flaw| panic!("{flaw}")).into_iter().collect()
}

fn write_all(tables: &Tables) -> Vec<u8> {
    let mut writer = DumpWriter::new(Vec::new(), 1).expect("memory takes everything");
    for (name, records) in tables {
        writer.table(name).expect("memory takes everything");
        for (key, value) in records {
            writer.record(name, key, value).expect("memory takes everything");
        }
    }
    writer.finish().expect("memory takes everything").0
}

/// Dumps with text and bytes, and texts that aren't written by us.
fn seeds() -> Vec<Vec<u8>> {
    let records = |records: &[(&[u8], &[u8])]| -> Records {
        records.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    };
    let text = records(&[(b"", b""), (b"ann", b"70"), ("b\u{e9}".as_bytes(), b"quoted \"\\\n\t\0")]);
    let bytes = records(&[(b"\xff", b"\0\x80"), (b"\xfe\xff", b"plain"), (b"k", b"\xc3")]);
    let full = Tables::from([("text".to_string(), text), ("by\ntes".to_string(), bytes)]);
    let foreign = br#"{ "timestamp" : 5, "synod_dump":1 }
{"table":"\u0061"}
 {"v":"\ud83d\ude00\/\b\f","k":"1","t":"a"}
{"k64":"AA==","t":"a","v64":""}
{"end":{"value_bytes":7,"key_bytes":2,"records":2,"tables":1}}"#;
    vec![write_all(&Tables::new()), write_all(&full), foreign.to_vec()]
}
