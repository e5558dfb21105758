//! What shows a comparison: the page, the rows for other programs, the sentences, and what has changed between two.

#[path = "common/made_up.rs"]
mod made_up;

use made_up::{BROKEN_RULE, large, run, runs, single, sweep};
use synod_bench::driver::change::{Verdict, changes, differences};
use synod_bench::driver::report::{PointReport, Report, Setting};
use synod_bench::driver::{csv, summary};
use synod_bench::html;

/// Checks that each tag that is opened is closed, in the right order, and returns the names of all tags.
fn tags(page: &str) -> Vec<String> {
    const EMPTY: [&str; 3] = ["meta", "!DOCTYPE", "br"];
    let (mut open, mut all) = (Vec::<String>::new(), Vec::new());
    for part in page.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap_or_else(|| panic!("no end of <{part}"));
        assert!(!text.contains('>'), "a stray > in {text:?}");
        let name: String = tag.chars().take_while(|letter| !letter.is_whitespace()).collect();
        match name.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop().as_deref(), Some(closed), "before {text:?}"),
            None if tag.ends_with('/') || EMPTY.contains(&&name[..]) => {}
            None => open.push(name.clone()),
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes in <{tag}>");
        all.push(name);
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    all
}

fn page(report: &Report) -> String {
    html::page(report).expect("it can be drawn")
}

fn assert_contains(text: &str, expected: &[&str]) {
    for expected in expected {
        assert!(text.contains(expected), "no {expected:?}");
    }
}

#[test]
fn the_page_needs_nothing_else() {
    for report in [sweep(), single(), large()] {
        let page = page(&report);
        let tags = tags(&page);
        for alien in ["script", "link", "img", "iframe"] {
            assert!(tags.iter().all(|tag| tag != alien), "{alien}");
        }
        for alien in ["http:", "https:", "url(", "@import", "href="] {
            let page = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
            assert!(!page.contains(alien), "{alien}");
        }
        assert!(!page.contains("#A1") && !page.contains("#A2"), "all colours have names");
        assert!(!page.contains("NaN") && !page.contains("inf "), "all figures are numbers");
    }
}

#[test]
fn the_page_of_a_sweep_shows_everything() {
    let page = page(&sweep());
    assert_contains(
        &page,
        &[
            "<h1>ycsb-t: 3 targets compared over theta</h1>",
            "theta = 0.5: occ is the fastest with 300,000 committed transactions a second, 1.50 × mvcc",
            "theta = 0.99: mvcc is ahead with 91,000 committed transactions a second, but within the noise of occ.",
            "300,000 (294,000–309,000)",
            "0.30 ×",
            "6.67 (6.47–6.80) µs",
            "write skew",
            "its log is flushed, together with that of others",
            "one at a time",
            "16 MiB of &lt;cache&gt;",
            "synod bench ycsb --records 1000000 --theta 0.5,0.99 --repeat 3",
            "1,000,000 of 100 bytes",
            "Test Processor 3000",
            "2026-11-21 08:00:00 UTC",
            "serialization",
            "1.25 s",
            "150 MiB",
            "prefers-color-scheme: dark",
        ],
    );
    let charts = page.matches("<svg").count();
    let drawn = ["committed/s by theta", "aborts per 1,000 by theta", "Latency by percentile, theta = 0.99"];
    assert_contains(&page, &drawn);
    assert!(charts >= 10, "{charts}");
}

#[test]
fn what_is_broken_has_no_figures() {
    let page = page(&sweep());
    assert_contains(
        &page,
        &["other@snapshot, theta = 0.99: money &lt; 1,000 &amp; &quot;lost&quot;", "✗ BROKE A RULE"],
    );
    assert!(!page.contains("40,000 (39,200"), "it would have been this fast");
    // Even if it has runs.
    let mut report = sweep();
    report.targets[0].points[0].broken.push(BROKEN_RULE.to_string());
    assert!(!self::page(&report).contains("300,000"));
    assert!(!csv::page(&report).contains(",300000,"));
    assert!(summary::sentences(&report)[0].starts_with("theta = 0.5: mvcc is the fastest"));
}

#[test]
fn many_targets_have_a_row_each_and_few_a_column() {
    assert!(page(&large()).contains("<th scope=\"row\">rocksdb-pessimistic</th>"));
    assert!(page(&single()).contains("<th scope=\"col\">occ</th>"));
}

#[test]
fn nothing_measured_can_be_shown() {
    let mut report = sweep();
    report.ended_early = true;
    report.targets.iter_mut().for_each(|target| target.points.fill(PointReport::default()));
    let page = page(&report);
    tags(&page);
    assert_contains(&page, &["nothing was measured", "ended before its time", "not measured"]);
    assert_eq!(csv::page(&report).lines().count(), 1);
}

#[test]
fn weaker_levels_are_named_with_what_they_allow() {
    let mut report = single();
    report.targets[0].about.allows = vec!["lost updates".to_string(), "write skew".to_string()];
    let sentences = summary::sentences(&report);
    assert!(
        sentences[0].starts_with("occ (which allows lost updates and write skew) is the fastest"),
        "{sentences:?}"
    );
}

/// The fields of each row.
fn fields(csv: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut is_quoted) = (vec![], vec![], String::new(), false);
    let mut letters = csv.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, is_quoted) {
            ('"', true) if letters.peek() == Some(&'"') => field.extend(letters.next()),
            ('"', _) => is_quoted = !is_quoted,
            (',', false) => row.push(std::mem::take(&mut field)),
            ('\r', false) => {}
            ('\n', false) => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            (letter, _) => field.push(letter),
        }
    }
    assert!(!is_quoted && field.is_empty() && row.is_empty(), "it ends with a whole row");
    rows
}

#[test]
fn the_rows_give_the_figures_again() {
    let report = sweep();
    let rows = fields(&csv::page(&report));
    let column = |name: &str| rows[0].iter().position(|column| column == name).expect(name);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "all rows are as wide as the header");
    // Three targets at two points, three times; but for the broken one, which has a row without figures.
    assert_eq!(rows.len(), 1 + 5 * 3 + 1);
    let sample = &report.targets[1].points[1].samples[2];
    let found = |row: &&Vec<String>| {
        row[column("target")] == "mvcc" && row[column("value")] == "0.99" && row[column("repetition")] == "3"
    };
    let row = rows.iter().find(found).expect("its row");
    let number = |name: &str| row[column(name)].parse::<f64>().expect(name);
    assert_eq!(number("goodput_per_second"), sample.goodput());
    assert_eq!(number("share_of_bound"), sample.goodput() / 1e6);
    assert_eq!(number("cpu_ns_per_transaction"), sample.cpu_ns_per_transaction());
    assert_eq!(number("p9999_ns"), sample.latency.p9999_ns as f64);
    assert_eq!(number("aborts"), sample.aborts.values().sum::<u64>() as f64);
    assert_eq!(row[column("aborts_by_reason")], "lock timeout=18746; serialization=46865");
    let broken = rows.iter().find(|row| row[column("broken")] == BROKEN_RULE).expect("its rule, unchanged");
    assert_eq!((&broken[column("goodput_per_second")][..], &broken[column("p50_ns")][..]), ("", ""));
}

/// The verdict on the first target at the first point, after it has these runs.
fn verdict(after: PointReport) -> Verdict {
    let before = sweep();
    let mut changed = before.clone();
    changed.targets[0].points[0] = after;
    changes(&before, &changed).points[0].targets[0].verdict
}

fn measured(rates: &[f64]) -> PointReport {
    PointReport { broken: vec![], samples: rates.iter().copied().map(run).collect() }
}

#[test]
fn only_what_is_beyond_the_noise_has_changed() {
    assert_eq!(verdict(runs(300_000.0)), Verdict::Same);
    assert_eq!(verdict(runs(310_000.0)), Verdict::Same, "the ranges have values in common");
    assert_eq!(verdict(runs(400_000.0)), Verdict::Faster);
    assert_eq!(verdict(runs(200_000.0)), Verdict::Slower);
    // Before it was 294,000 to 309,000. All of these are more, but they differ more from each other than from that.
    assert_eq!(verdict(measured(&[310_000.0, 320_000.0, 360_000.0])), Verdict::Same);
    assert_eq!(verdict(measured(&[310_000.0, 360_000.0])), Verdict::Faster, "two runs show no spread");
    let broken = PointReport { broken: vec![BROKEN_RULE.to_string()], samples: vec![] };
    assert_eq!(verdict(broken), Verdict::Broken);
    assert_eq!(verdict(measured(&[])), Verdict::Missing);
}

#[test]
fn broken_rules_stay_or_go() {
    let before = sweep();
    let mut after = before.clone();
    after.targets[2].points[1] = runs(40_000.0);
    let verdict = |one: &Report, other: &Report| changes(one, other).points[1].targets[2].verdict;
    assert_eq!(verdict(&before, &before), Verdict::StillBroken);
    assert_eq!(verdict(&before, &after), Verdict::Mended);
    assert_eq!(verdict(&after, &before), Verdict::Broken);
    assert_eq!(changes(&after, &before).worse_by(99.0).len(), 1, "it is worse, however much may be lost");
    assert!(changes(&before, &after).worse_by(0.0).is_empty());
}

#[test]
fn worse_is_what_is_slower_by_more_than_so_much() {
    let before = sweep();
    let mut after = before.clone();
    after.targets[1].points[0] = runs(180_000.0);
    let changes = changes(&before, &after);
    let found: Vec<_> =
        changes.worse_by(9.0).iter().map(|(point, change)| (&point.value[..], change.target)).collect();
    assert_eq!(found, [("0.5", "mvcc")]);
    assert!(changes.worse_by(11.0).is_empty());
    let p99 = changes.points[0].targets[1].p99.expect("measured");
    assert!(p99.is_beyond_noise && p99.ratio() > 1.1, "{p99:?}");
}

#[test]
fn on_another_machine_look_ups_count() {
    let before = sweep();
    let mut after = before.clone();
    after.machine.processor = "Test Processor 6000".to_string();
    after.machine.lookup_ns /= 2.0;
    let of_first = |after: &Report| {
        let changes = changes(&before, after);
        (changes.machine.len(), changes.points[0].targets[0].verdict, changes.worse_by(10.0).len())
    };
    // Half of what the machine could do; at all five that have figures.
    assert_eq!(of_first(&after), (1, Verdict::Slower, 5));
    after.targets[0].points[0] = runs(600_000.0);
    assert_eq!(of_first(&after), (1, Verdict::Same, 4));
}

#[test]
fn other_settings_are_told() {
    let before = sweep();
    assert!(differences(&before, &before).is_empty());
    let mut after = before.clone();
    after.settings[1].value = "sync".to_string();
    after.settings.push(Setting { name: "writes".to_string(), value: "5".to_string() });
    after.points.pop();
    let found = differences(&before, &after);
    let names: Vec<&str> = found.iter().map(|(name, _, _)| &name[..]).collect();
    assert_eq!(names, ["points", "durability", "writes"]);
    assert_eq!((&found[1].1[..], &found[1].2[..]), ("group", "sync"));
    assert_eq!(found[2].1, "not set");
}

#[test]
fn targets_that_only_one_has_are_named() {
    let before = sweep();
    let mut after = before.clone();
    after.targets.remove(0);
    let changes = changes(&before, &after);
    assert_eq!((changes.only_before, changes.only_after.len()), (vec!["occ"], 0));
    assert!(changes.points.iter().all(|point| point.targets.len() == 2));
}
