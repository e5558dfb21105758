//! `synod dump` and `synod load`: what is dumped comes back, and nothing else does.

mod support;

use support::{Contents, Place, contents};

fn sample() -> Contents {
    let everything: Vec<u8> = (0..=255).collect();
    contents(&[
        ("accounts", &[(b"ann", b"70"), (b"bob", b"30"), (b"", b"the empty key")]),
        ("bytes", &[(b"\xff\x00", &everything), (&everything, b""), ("é\n\"\\".as_bytes(), "☃".as_bytes())]),
        ("empty", &[]),
        ("with \"quotes\"\n and \u{1b}[31m", &[(b"k", b"v")]),
    ])
}

#[test]
fn a_dump_has_a_header_tables_records_and_an_end() {
    let place = Place::new();
    place.put("db", &contents(&[("t", &[(b"a", b"1"), (b"b\xff", b"2")]), ("u", &[])]));
    let dump = place.succeeds("dump db");
    let lines: Vec<_> = dump.lines().collect();
    assert!(lines[0].starts_with("{\"synod_dump\":1,\"timestamp\":1"), "{dump}");
    let rest = [
        "{\"table\":\"t\"}",
        "{\"t\":\"t\",\"k\":\"a\",\"v\":\"1\"}",
        "{\"t\":\"t\",\"k64\":\"Yv8=\",\"v\":\"2\"}",
        "{\"table\":\"u\"}",
        "{\"end\":{\"tables\":2,\"records\":2,\"key_bytes\":3,\"value_bytes\":2}}",
    ];
    assert_eq!(lines[1..], rest);
}

#[test]
fn what_is_dumped_and_loaded_is_the_same() {
    let place = Place::new();
    place.put("db", &sample());
    assert_eq!(place.succeeds("dump db --output dump"), "", "nothing on standard output");
    place.succeeds("load copy dump");
    assert_eq!(place.contents("copy"), sample());
    // But for the moment, it is the same text.
    let body = |text: &str| text.split_once('\n').expect("a header").1.to_owned();
    assert_eq!(body(&place.succeeds("dump copy")), body(&place.read("dump")));
    let piped = place.synod_with(["load", "piped"], place.read("dump").as_bytes());
    assert_eq!(piped.status, Some(0), "{piped:?}");
    assert!(piped.errors.contains("loaded 7 records of 4 tables"), "{piped:?}");
    assert_eq!(place.contents("piped"), sample());
}

#[test]
fn an_empty_database_has_an_empty_dump() {
    let place = Place::new();
    place.put("db", &Contents::new());
    place.succeeds("dump db -o dump");
    assert_eq!(place.read("dump").lines().count(), 2);
    place.succeeds("load copy dump");
    assert_eq!(place.contents("copy"), Contents::new());
}

#[test]
fn the_longest_keys_and_values_are_dumped_and_loaded() {
    let place = Place::new();
    let (key, value) = (vec![b'k'; synod::KEY_BYTES_MAX], vec![0; synod::VALUE_BYTES_MAX]);
    let other = vec![0xff; synod::VALUE_BYTES_MAX];
    let sample = contents(&[("t", &[(&key, &value), (b"other", &other)])]);
    place.put("db", &sample);
    place.succeeds("dump db -o dump");
    // Each zero is a \u0000.
    assert!(std::fs::metadata(place.path("dump")).expect("there").len() > 6 * value.len() as u64);
    place.succeeds("load copy dump");
    assert!(place.contents("copy") == sample);
}

#[test]
fn many_records_take_many_transactions() {
    let place = Place::new();
    let mut text = String::from("{\"synod_dump\":1,\"timestamp\":1}\n{\"table\":\"t\"}\n");
    for number in 0..25_000 {
        text += &format!("{{\"t\":\"t\",\"k\":\"{number:05}\",\"v\":\"\"}}\n");
    }
    let end = "{\"end\":{\"tables\":1,\"records\":25000,\"key_bytes\":125000,\"value_bytes\":0}}\n";
    place.write("dump", text.clone() + end);
    place.succeeds("load db dump");
    assert_eq!(place.contents("db")["t"].len(), 25_000);
}

#[test]
fn tables_can_be_chosen() {
    let place = Place::new();
    place.put("db", &sample());
    let dump = place.succeeds("dump db --table empty --table accounts");
    assert!(
        dump.contains("{\"table\":\"accounts\"}") && dump.contains("\"tables\":2,\"records\":3,"),
        "{dump}"
    );
    assert!(!dump.contains("bytes\"}"), "{dump}");
    let error = place.fails("dump db --table account", 1);
    assert!(error.contains("no table \"account\"; there are: accounts, bytes, "), "{error}");
    assert!(!error.contains('\u{1b}'), "{error}");
    place.put("none", &Contents::new());
    assert!(place.fails("dump none --table t", 1).contains("none at all"));
}

#[test]
fn a_dump_that_was_cut_or_edited_loads_nothing() {
    let place = Place::new();
    place.put("db", &contents(&[("t", &[(b"a", b"1"), (b"b", b"2")])]));
    let dump = place.succeeds("dump db");
    let without = |line: usize| {
        let lines = dump.lines().enumerate().filter(|(index, _)| *index != line);
        lines.map(|(_, line)| line.to_owned() + "\n").collect::<String>()
    };
    for (text, line, reason) in [
        (String::new(), 1, "a dump begins with"),
        (dump[..20].to_owned(), 1, "a dump begins with"),
        (dump[..dump.len() - 2].to_owned(), 5, "cut off"),
        (dump[..dump.len() - 40].to_owned(), 5, "cut off"),
        (without(0), 1, "a dump begins with"),
        (without(1), 2, "put {\"table\":…} before its records"),
        (without(2), 4, "promises 1 table, 2 records"),
        (without(4), 5, "cut off"),
        (dump.replace("\"b\"", "\"bb\""), 5, "incomplete"),
        (
            dump.replace("\"v\":\"2\"", "\"v\":2"),
            4,
            "invalid type: integer `2`, expected a string (column 22)",
        ),
        (dump.replace("\"k\":\"b\"", "\"k64\":\"b\""), 4, "base64"),
        (
            dump.replace("\"k\":\"b\"", "\"K\":\"b\""),
            4,
            "unknown field, expected synod_dump, timestamp, table, t, k",
        ),
        (dump.replace("synod_dump\":1", "synod_dump\":2"), 1, "version 2; this build reads version 1"),
        (dump.clone() + "\n", 6, "something follows"),
        (dump.clone() + &dump, 6, "something follows"),
    ] {
        place.write("bad", &text);
        let error = place.fails("load copy bad", 1);
        let is_told = error.contains(&format!("bad: line {line}: ")) && error.contains(reason);
        assert!(is_told && error.contains("nothing was loaded"), "{error} for\n{text}");
        assert!(!place.path("copy").exists(), "no database for\n{text}");
    }
}

#[test]
fn what_a_pipe_brought_before_it_broke_is_told_and_kept() {
    let place = Place::new();
    place.put("db", &contents(&[("t", &[(b"a", b"1"), (b"b", b"2")])]));
    let dump = place.succeeds("dump db");
    let cut = &dump[..dump.find("{\"end\"").expect("an end")];
    let answer = place.synod_with(["load", "copy"], cut.as_bytes());
    assert_eq!(answer.status, Some(1), "{answer:?}");
    for expected in
        ["standard input: line 5: the dump is cut off", "up to line 4 is in the database (1 table, 2"]
    {
        assert!(answer.errors.contains(expected), "{answer:?}");
    }
    assert_eq!(place.contents("copy"), place.contents("db"));
}

#[test]
fn an_interrupted_load_tells_how_far_it_came() {
    let place = Place::new();
    let record = |number: u64| format!("{{\"t\":\"t\",\"k\":\"{number}\",\"v\":\"\"}}\n");
    let mut begin = "{\"synod_dump\":1,\"timestamp\":1}\n{\"table\":\"t\"}\n".to_owned();
    begin.extend((0..1_500).map(record));
    let answer = place.synod_interrupted(["load", "db"], &begin, "db/DATABASE", &record(1_500));
    assert_eq!(answer.status, Some(1), "{answer:?}");
    assert!(answer.errors.contains(": interrupted\n"), "{answer:?}");
    let told = answer.errors.split("up to line ").nth(1).and_then(|rest| rest.split(' ').next());
    let records = told.map_or(0, |line| line.parse::<usize>().expect("a number") - 2);
    assert_eq!(
        place.contents("db").get("t").map_or(0, std::collections::BTreeMap::len),
        records,
        "{answer:?}"
    );
}

#[test]
fn a_key_that_is_there_is_an_error_unless_it_is_to_be_replaced() {
    let place = Place::new();
    place.put("db", &contents(&[("t", &[(b"a", b"1"), (b"b", b"2"), (b"c", b"3")])]));
    place.succeeds("dump db -o dump");
    place.put("copy", &contents(&[("t", &[(b"b", b"old"), (b"d", b"4")])]));
    let error = place.fails("load copy dump", 1);
    for expected in ["dump: line 4: table \"t\"", "the key \"b\"", "--replace", "up to line 3 is in"] {
        assert!(error.contains(expected), "{error}");
    }
    let so_far: [(&[u8], &[u8]); 3] = [(b"a", b"1"), (b"b", b"old"), (b"d", b"4")];
    assert_eq!(place.contents("copy"), contents(&[("t", &so_far)]));
    place.succeeds("load copy dump --replace");
    let whole: [(&[u8], &[u8]); 4] = [(b"a", b"1"), (b"b", b"2"), (b"c", b"3"), (b"d", b"4")];
    assert_eq!(place.contents("copy"), contents(&[("t", &whole)]));
}

#[test]
fn nothing_is_created_by_looking() {
    let place = Place::new();
    std::fs::create_dir(place.path("empty")).expect("created");
    place.write("file", "no database");
    for name in ["missing", "empty", "file", "missing/too"] {
        let error = place.fails(&format!("dump {name}"), 1);
        assert!(error.contains(&format!("there is no Synod database at {name}")), "{error}");
    }
    assert!(!place.path("missing").exists());
    assert_eq!(place.files("empty"), Vec::<std::path::PathBuf>::new());
    std::fs::create_dir(place.path("bench")).expect("created");
    place.put("bench/data", &Contents::new());
    assert!(place.fails("dump bench", 1).contains("did you mean bench/data?"));
}

#[test]
fn outputs_and_inputs_that_cannot_be_used_are_named() {
    let place = Place::new();
    place.put("db", &sample());
    assert!(place.fails("dump db -o missing/dump", 1).contains("cannot create missing/dump"));
    assert!(place.fails("load copy missing", 1).contains("cannot read missing"));
    assert!(place.fails("load copy db", 1).contains("cannot read db"));
    place.succeeds("dump db -o /dev/null");
    assert!(!place.path("copy").exists());
    let open = synod::Engine::open(place.path("db"), synod::Options::new()).expect("opens");
    assert!(place.fails("dump db", 1).contains("already open"));
    drop(open);
}

#[test]
fn a_dump_that_fails_leaves_the_old_file() {
    let place = Place::new();
    place.put("db", &contents(&[("t", &[(b"a", b"1")])]));
    place.write("dump", "the old one");
    place.fails("dump db -o dump --table u", 1);
    assert_eq!(place.read("dump"), "the old one");
    place.succeeds("dump db -o dump");
    assert!(place.read("dump").contains("\"k\":\"a\""));
    assert_eq!(place.files(".").len(), 2, "{:?}", place.files("."));
}

#[test]
fn help_has_examples() {
    let place = Place::new();
    for command in ["dump", "load"] {
        let help = place.succeeds(&format!("{command} --help"));
        assert!(help.contains("Example: ") && help.contains(&format!("\n  synod {command}")), "{help}");
    }
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let place = Place::new();
    // More than a pipe and a buffer hold.
    let value = vec![b'v'; 1 << 20];
    let records: Vec<(&[u8], &[u8])> = [b"a", b"b", b"c", b"d"].map(|key| (&key[..], &value[..])).to_vec();
    place.put("db", &contents(&[("t", &records)]));
    let answer = place.synod_head("dump db", 2);
    assert_eq!((answer.status, &answer.errors[..]), (Some(0), ""), "{answer:?}");
    assert!(answer.shown.ends_with("{\"table\":\"t\"}\n"), "{}", answer.shown);
    // The exit status is still that of what was found, also where nobody reads at all.
    place.write("skew.edn", "{:type :ok, :value [[:get \"x\" 7]]}\n{:type :ok, :value [[:put \"x\" 5]]}\n");
    for (line, status) in [
        ("check skew.edn", 1),
        ("stats db", 0),
        ("verify db", 0),
        ("anomalies G0 --mode occ", 0),
        ("bench tpcc --scale 0.01 --seconds 0.1 --in-memory", 0),
        ("bench gc --updates 1000 --records 10", 0),
    ] {
        let answer = place.synod_head(line, 0);
        assert_eq!((answer.status, &answer.errors[..]), (Some(status), ""), "{line}: {answer:?}");
    }
}
