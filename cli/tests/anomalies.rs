//! The laboratory: what comes out, that it is what the files expect, and how it is told.

mod support;

use std::collections::BTreeSet;
use support::Place;
use synod::{Isolation, Mode};
use synod_cli::anomalies::runner::{What, run};
use synod_cli::anomalies::{
    Answer, Outcome, Scenario, built_in, find, judge, kinds, matrix, parse, permute, story,
};

fn outcome(scenario: &Scenario, mode: Mode, level: Isolation) -> Outcome {
    let run = run(scenario, &scenario.order(), mode, level).expect("runs");
    judge(scenario, &run).expect("makes sense").outcome
}

fn told(scenario: &Scenario, mode: Mode, level: Isolation) -> String {
    let run = run(scenario, &scenario.order(), mode, level).expect("runs");
    story::tell(scenario, &run, &judge(scenario, &run).expect("makes sense"))
}

#[test]
fn every_scenario_comes_out_as_expected_under_each_mode_at_each_level() {
    let scenarios = built_in().expect("all can be read");
    let columns = matrix::columns(None, None);
    assert_eq!((scenarios.len(), columns.len()), (24, 9));
    for scenario in &scenarios {
        let says = |&&(mode, level): &&matrix::Column| scenario.expected(mode, level).is_some();
        assert_eq!(columns.iter().filter(says).count(), columns.len(), "{}", scenario.name);
    }
    let matrix = matrix::compute(&scenarios, &columns).expect("runs");
    assert!(matrix.is_as_expected(), "{}", matrix.page());
}

/// What the literature says of the levels, whatever the files expect.
#[test]
fn levels_allow_what_they_are_known_to_allow() {
    let snapshot_allows = ["G2-item", "G2", "G2-two-edges"];
    let repeatable_read_allows = ["PMP", "G2", "phantom"];
    let uncommitted_only = ["G1a", "G1b", "G1c", "OTV", "dirty-read"];
    for scenario in built_in().expect("all can be read") {
        let allowed = |mode, level| outcome(&scenario, mode, level) == Outcome::Allowed;
        let name = &scenario.name[..];
        for mode in Mode::INTERACTIVE {
            assert!(!allowed(mode, Isolation::Serializable), "{name} under {mode}");
            let at_read_committed = allowed(mode, Isolation::ReadCommitted);
            assert!(!at_read_committed || !uncommitted_only.contains(&name), "{name} under {mode}");
        }
        assert_eq!(
            allowed(Mode::MultiVersion, Isolation::Snapshot),
            snapshot_allows.contains(&name),
            "{name}"
        );
        let repeatable = allowed(Mode::TwoPhaseLocking, Isolation::RepeatableRead);
        assert_eq!(repeatable, repeatable_read_allows.contains(&name), "{name}");
        if uncommitted_only.contains(&name) {
            assert!(allowed(Mode::TwoPhaseLocking, Isolation::ReadUncommitted), "{name}");
        }
    }
}

#[test]
fn a_step_that_waits_is_told_to_wait_and_for_whom() {
    let scenario = find("G0").expect("is there");
    let run =
        run(&scenario, &scenario.order(), Mode::TwoPhaseLocking, Isolation::ReadCommitted).expect("runs");
    let told: Vec<(usize, Option<usize>, &str)> = run
        .events
        .iter()
        .map(|event| {
            let what = match &event.what {
                What::Answered(_) => "answered",
                What::Blocked { on, waits_for } => {
                    assert_eq!((on.as_str(), &waits_for[..]), ("test/1", &[0][..]));
                    "blocked"
                }
                What::Resumed(Answer::Written(_)) => "resumed",
                other => panic!("{other:?}"),
            };
            (event.transaction, event.step, what)
        })
        .collect();
    let expected = [
        (0, 0, "answered"),
        (1, 1, "answered"),
        (0, 2, "answered"),
        (1, 3, "blocked"),
        (0, 4, "answered"),
        (0, 5, "answered"),
        (1, 3, "resumed"),
        (1, 6, "answered"),
        (1, 7, "answered"),
    ];
    assert_eq!(told, expected.map(|(transaction, step, what)| (transaction, Some(step), what)));
}

#[test]
fn the_same_run_is_told_the_same_way_each_time() {
    for scenario in built_in().expect("all can be read") {
        for (mode, level) in matrix::columns(None, None) {
            let first = told(&scenario, mode, level);
            for _ in 0..5 {
                assert_eq!(told(&scenario, mode, level), first);
            }
        }
    }
}

#[test]
fn no_interleaving_of_anything_has_an_anomaly_at_serializable() {
    for scenario in built_in().expect("all can be read") {
        for mode in Mode::INTERACTIVE {
            let permutations = permute(&scenario, mode, Isolation::Serializable, 60).expect("runs");
            assert_eq!(permutations.showing, [] as [Vec<usize>; 0], "{} under {mode}", scenario.name);
            assert_eq!(permutations.outcomes.values().sum::<usize>(), permutations.run);
            let run = run(&scenario, &scenario.order(), mode, Isolation::Serializable).expect("runs");
            assert_eq!(
                kinds(&judge(&scenario, &run).expect("makes sense")),
                [],
                "{} under {mode}",
                scenario.name
            );
        }
    }
}

#[test]
fn all_interleavings_but_the_two_serial_ones_show_write_skew() {
    let scenario = find("G2-item").expect("is there");
    let permutations = permute(&scenario, Mode::MultiVersion, Isolation::Snapshot, 1000).expect("runs");
    assert_eq!((permutations.all, permutations.run), (252, 252));
    let orders: BTreeSet<_> = permutations.showing.iter().collect();
    assert_eq!(orders.len(), 250);
    for serial in [[0, 0, 0, 0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]] {
        assert!(!orders.contains(&serial.to_vec()));
    }
}

#[test]
fn what_stands_behind_a_waiting_step_follows_it_and_what_is_left_is_rolled_back() {
    let text = "title: t\nrow 1 = 10\nT1 begin\nT1 put 1 = 11\nT2 begin\nT2 get 1\nT2 put 2 = 5\nT3 begin\nT3 get 1\n\
                anomaly when T2 read 1 = 11\n";
    let scenario = parse("mine", text).expect("is right");
    let story = told(&scenario, Mode::TwoPhaseLocking, Isolation::Serializable);
    let lines: Vec<String> =
        story.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let place = |wanted: &str| {
        let found = lines.iter().position(|line| line == wanted);
        found.unwrap_or_else(|| panic!("{wanted} is missing in {story}"))
    };
    let order = [
        "T2 get 1 WAITS for T1, at test/1",
        "T2 put 2 = 5 later: it still waits",
        "T3 get 1 WAITS for T1, at test/1",
        "(end) T1 abort rolled back",
        "… T2 get 1 → 10",
        "… T3 get 1 → 10",
        "T2 put 2 = 5 writes test/2 = 5",
        "(end) T2 abort rolled back",
        "(end) T3 abort rolled back",
    ];
    assert!(order.map(place).is_sorted(), "{story}");
}

#[test]
fn mistakes_are_told_with_their_lines() {
    let head = "title: t\nrow 1 = 10\nT1 begin\nT2 begin\n";
    let wrong = [
        ("T1 got 1", "\"got\" is no step"),
        ("T1 get", "\"\" is no key"),
        ("T1 get a b", "\"a b\" is no key"),
        ("T1 put 1", "has no \"= VALUE\""),
        ("T1 put 1 = ten", "\"ten\" is no number"),
        ("T1 add 1 5", "T1 adds to test/1 without having read it"),
        ("T1 scan 1", "\"1\" is no range"),
        ("T1 scan where value ~ 3", "\"value ~ 3\" is no filter"),
        ("T1 scan where value % 0 = 0", "more than 0"),
        ("T1 begin", "T1 has begun already"),
        ("T1 commit now", "nothing comes after commit"),
        ("T3 get 1", "T3 has not begun yet"),
        ("T0 begin", "\"T0\" is no transaction"),
        ("row 1 = 3", "there is a row test/1 already"),
        ("title: again", "there is a second title"),
        ("anomaly: G3", "the checker knows no \"G3\""),
        ("anomaly G0", "write \"anomaly: G2-item\""),
        ("anomaly when T1 slept", "\"T1 slept\" is no condition"),
        ("expect 3pl: waits", "unknown mode"),
        ("expect occ snapshot: waits", "occ has no level snapshot"),
        ("expect occ serialisable: waits", "unknown isolation level"),
        ("expect occ", "write \"expect MODE"),
        ("expect occ: maybe", "\"maybe\" is none of allowed"),
        ("expect occ: aborts: boredom", "\"boredom\" is no reason"),
        ("step T1 begin", "\"step\" is none of"),
    ];
    for (line, reason) in wrong {
        let error = parse("wrong", &format!("{head}{line}\nanomaly: G0\n")).expect_err(line);
        assert_eq!(error.line, 5, "{line}: {error}");
        assert!(error.reason.contains(reason), "{line}: {error}");
    }
    let missing = [
        ("", "there are no steps"),
        ("T1 begin\n", "no line says what the anomaly is"),
        ("T1 begin\nanomaly: G0\n", "there is no title"),
        ("title: t\nT2 begin\nanomaly: G0\n", "there is no T1"),
        ("title: t\nT1 begin\nanomaly when T2 committed\n", "T2, which does nothing"),
    ];
    for (text, reason) in missing {
        let error = parse("wrong", text).expect_err(text);
        assert!(error.reason.contains(reason), "{text}: {error}");
    }
    let ended = parse("wrong", "T1 begin\nT1 commit\nT1 get 1\n").expect_err("ended");
    assert_eq!(ended.to_string(), "line 3: T1 has ended already");
}

#[test]
fn the_command_prints_the_matrix() {
    let page = Place::new().succeeds("anomalies");
    let row = |name: &str| {
        let line = page.lines().find(|line| line.split_whitespace().next() == Some(name));
        line.expect(name).split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let skew = ["ALLOWED", "ALLOWED", "victim", "victim", "ALLOWED", "changed", "ALLOWED", "ALLOWED", "skew"];
    assert_eq!(row("G2-item"), skew);
    assert_eq!(row("G0"), ["waits", "waits", "waits", "waits", "–", "–", "waits", "second", "second"]);
    let heads: Vec<Vec<&str>> =
        page.lines().skip(1).take(2).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(heads[0], ["2pl", "2pl", "2pl", "2pl", "occ", "occ", "mvcc", "mvcc", "mvcc"]);
    assert_eq!(heads[1], ["RU", "RC", "RR", "SER", "RC", "SER", "RC", "SI", "SER"]);
    let widest = page.lines().max_by_key(|line| line.chars().count()).expect("there are lines");
    assert!(widest.chars().count() <= 100, "too wide for many screens: {widest}");
    let mvcc = Place::new().succeeds("anomalies p4 --mode mvcc");
    assert!(mvcc.contains("P4") && !mvcc.contains("2pl"), "{mvcc}");
}

#[test]
fn the_command_tells_and_draws_a_run() {
    let place = Place::new();
    let story = place.succeeds("anomalies G2-item --mode mvcc --level snapshot --svg skew.svg");
    for part in [
        "T1 ──rw test/2──► T2",
        "┆ test/1: 11 (T1, uncommitted) ← 10",
        "G2-item (write skew): T1 read test/2 as it was before T2 wrote it",
    ] {
        assert!(story.contains(part), "{part} is missing in {story}");
    }
    let picture = place.read("skew.svg");
    assert!(picture.starts_with("<svg") && picture.contains(">T1<") && picture.contains("rw test/2"));
    let deadlock = place.succeeds("anomalies deadlock-of-three --mode 2pl --level serializable");
    let cycle =
        "deadlock: T3 waits for test/1, held by T1 waits for test/2, held by T2 waits for test/3, held by T3";
    assert!(deadlock.contains(cycle), "{deadlock}");
    let none = place.fails("anomalies G0 --mode occ --level serializable --svg none.svg", 1);
    assert!(none.contains("nothing to draw"), "{none}");
}

#[test]
fn the_command_runs_files_and_notices_what_is_unexpected() {
    let place = Place::new();
    let text = "title: lost update\nrow 1 = 10\nT1 begin\nT2 begin\nT1 get 1\nT2 get 1\nT1 add 1 5\nT2 add 1 7\nT1 commit\n\
                T2 commit\nanomaly: G-single\nexpect 2pl serializable: aborts: deadlock\n";
    place.write("mine.scenario", format!("{text}expect mvcc snapshot: allowed\n"));
    let answer = place.synod(["anomalies", "./mine.scenario"]);
    assert_eq!(answer.status, Some(1), "{answer:?}");
    let told = "unexpected: mine under mvcc at snapshot: aborts: write conflict, expected allowed";
    assert!(answer.shown.contains(told), "{answer:?}");
    let story = place.synod("anomalies mine.scenario --mode mvcc --level snapshot".split(' '));
    assert_eq!(story.status, Some(1), "{story:?}");
    assert!(story.shown.contains("unexpected: the scenario expects allowed"), "{story:?}");
    place.write("right.scenario", text);
    assert!(place.succeeds("anomalies right.scenario").contains("ALLOWED"));

    place.write("wrong.scenario", "title: t\nT1 begin\nT1 jump\n");
    let error = place.fails("anomalies wrong.scenario", 1);
    assert!(error.contains("wrong.scenario, line 3: \"jump\" is no step"), "{error}");
    assert!(place.fails("anomalies missing", 1).contains("there is no scenario \"missing\""));
    assert!(place.fails("anomalies P4 --mode occ --level snapshot", 1).contains("occ has no level snapshot"));
    assert_eq!(place.synod(["anomalies", "P4", "--permute"]).status, Some(2));
}

#[test]
fn the_command_says_how_many_interleavings_there_are() {
    let place = Place::new();
    let all = place.succeeds("anomalies P4 --mode mvcc --level read-committed --permute");
    assert!(all.contains("all 70 interleavings") && all.contains("T1 T2"), "{all}");
    let some = place.succeeds("anomalies OTV --mode occ --level serializable --permute --limit 10");
    assert!(some.contains("10 of ") && some.contains("evenly spread"), "{some}");
}
