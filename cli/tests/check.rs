//! `synod check`: verdicts, exit statuses, pictures.

mod support;

use support::Place;

const SKEW: &str = "\
{:index 0 :type :invoke :process 0 :f :txn :value [[:r :ann nil] [:append :bob 1]]}
{:index 1 :type :invoke :process 1 :f :txn :value [[:r :bob nil] [:append :ann 2]]}
{:index 2 :type :ok     :process 0 :f :txn :value [[:r :ann []] [:append :bob 1]]}
{:index 3 :type :ok     :process 1 :f :txn :value [[:r :bob []] [:append :ann 2]]}
{:index 4 :type :invoke :process 1 :f :txn :value [[:r :bob nil] [:r :ann nil]]}
{:index 5 :type :ok     :process 1 :f :txn :value [[:r :bob [1]] [:r :ann [2]]]}
";

#[test]
fn a_level_is_satisfied_or_not() {
    let place = Place::new();
    place.write("skew.edn", SKEW);
    let fine = place.succeeds("check skew.edn --level snapshot-isolation");
    assert!(fine.ends_with("skew.edn satisfies snapshot isolation, as far as can be told\n"), "{fine}");
    assert!(!fine.contains("read committed"), "no table of levels: {fine}");
    let answer = place.synod(["check", "skew.edn", "--level", "serializable"]);
    assert_eq!(answer.status, Some(1), "{answer:?}");
    for expected in [
        "G2-item (write skew)\n  T1 (line 3): read ann = [], append bob 1\n  T2 (line 4): ",
        "  T1 → T2  rw              T1 read ann as it was before T2 appended to it\n",
        "skew.edn does NOT satisfy serializable, because of G2-item (",
    ] {
        assert!(answer.shown.contains(expected), "no {expected:?} in {}", answer.shown);
    }
}

#[test]
fn without_a_level_it_is_strict_serializable_and_all_are_shown() {
    let place = Place::new();
    place.write("skew.edn", SKEW);
    let answer = place.synod(["check", "skew.edn"]);
    assert_eq!(answer.status, Some(1), "{answer:?}");
    let row = |level: &str| {
        let mut rows = answer.shown.lines().filter(|line| line.trim_start().starts_with(level));
        rows.next().unwrap_or_else(|| panic!("no {level} in {}", answer.shown)).to_owned()
    };
    assert!(row("snapshot isolation").contains("as far as can be told"));
    assert!(row("repeatable read").contains("G2-item") && row("strict serializable").contains(" no "));
    // The first transaction of the two alone is fine.
    let lines: Vec<&str> = SKEW.lines().collect();
    place.write("one.edn", [lines[0], lines[2]].join("\n"));
    assert!(
        place.succeeds("check one.edn").ends_with("satisfies strict serializable, as far as can be told\n")
    );
}

#[test]
fn a_recorded_history_has_an_exact_verdict() {
    let place = Place::new();
    place.write("engine.edn", "{:type :ok :ts 5 :value [[:put \"a\"]]} {:type :ok :value [[:get \"a\" 5]]}");
    assert!(place.succeeds("check engine.edn").ends_with("engine.edn satisfies strict serializable\n"));
}

#[test]
fn what_cannot_be_told() {
    let place = Place::new();
    place.write("bad.edn", "{:type :ok :value [[:append 1 1]]}\n{:type :ok, :value [[:r 1 [1}]]}");
    let error = place.fails("check bad.edn", 2);
    assert_eq!(error, "error: bad.edn: line 2, column 29: expected an element, found }\n");
    place.write("twice.edn", "{:type :ok :value [[:w 1 1]]}\n{:type :ok :value [[:w 1 1]]}");
    assert!(place.fails("check twice.edn", 2).contains("T2 (line 2) writes 1 to 1"));
    place.write("unknown.edn", "{:type :info :value [[:w 1 1]]}");
    assert!(place.fails("check unknown.edn", 2).contains("no transaction in it is known to have committed"));
    place.write("empty.edn", "");
    assert!(place.fails("check empty.edn", 2).contains("there are no transactions in it"));
    assert!(place.fails("check missing.edn", 2).contains("cannot read missing.edn"));
    assert!(place.fails("check empty.edn --level none", 2).contains("strict-serializable"));
}

#[test]
fn pictures_and_json() {
    let place = Place::new();
    place.write("skew.edn", SKEW);
    let answer = place.synod(["check", "skew.edn", "--svg", "skew.svg", "--dot", "skew.dot", "--json"]);
    assert_eq!(answer.status, Some(1), "{answer:?}");
    assert!(place.read("skew.svg").starts_with("<svg ") && place.read("skew.dot").starts_with("digraph "));
    let report: serde_json::Value = serde_json::from_str(&answer.shown).expect("JSON");
    assert_eq!(report["valid"], false);
    assert_eq!(report["levels"]["snapshot-isolation"]["satisfied"], true);
    assert_eq!(report["anomalies"][0]["pattern"], "write skew");
    assert_eq!(report["anomalies"][0]["edges"][1]["reason"], "rw");
    let fine = place.synod(["check", "skew.edn", "--level", "read-committed", "--json"]);
    assert_eq!((fine.status, fine.shown.contains("\"valid\": true")), (Some(0), true));
}

#[test]
fn registers_can_be_assumed_to_follow_real_time() {
    let place = Place::new();
    let lines = ["[:w :x 1]", "[:w :x 2]", "[:r :x 2] [:w :y 1]", "[:r :y 1] [:r :x 1]"];
    let event = |kind: &str, line: &str| format!("{{:type :{kind} :process 1 :value [{line}]}}\n");
    let text: String = lines.iter().map(|line| event("invoke", line) + &event("ok", line)).collect();
    place.write("registers.edn", text);
    assert!(place.succeeds("check registers.edn --level serializable").contains("satisfies"));
    let answer =
        place.synod(["check", "registers.edn", "--level", "serializable", "--assume", "linearizable"]);
    assert_eq!(answer.status, Some(1), "{answer:?}");
}

#[test]
fn a_history_can_come_through_a_pipe() {
    let place = Place::new();
    let answer = place.synod_with(["check", "-"], SKEW.as_bytes());
    assert_eq!(answer.status, Some(1), "{answer:?}");
}
