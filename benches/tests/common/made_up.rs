//! A comparison that nobody has measured, with figures that can be told from each other: for the tests of what shows it.
#![allow(dead_code, reason = "not every test needs everything")]

use std::collections::BTreeMap;
use synod_bench::driver::report::{
    FORMAT, Machine, Point, PointReport, Report, Sample, Setting, TargetReport,
};
use synod_bench::latency::LatencySummary;
use synod_bench::target::About;

/// The rule that is broken by [`sweep`]'s third target at its second point.
pub(crate) const BROKEN_RULE: &str = "money < 1,000 & \"lost\"";

/// Three targets, of which one breaks a rule at one point, over two points, with three repetitions.
pub(crate) fn sweep() -> Report {
    let values = ["0.5", "0.99"];
    let points = values.map(|value| Point { value: value.to_string(), threads: 2, bound_per_second: 1e6 });
    let mut targets = vec![
        target("occ", &[], &[300_000.0, 90_000.0]),
        target("mvcc", &[], &[200_000.0, 91_000.0]),
        target("other@snapshot", &["write skew"], &[50_000.0, 40_000.0]),
    ];
    targets[2].points[1] = PointReport { broken: vec![BROKEN_RULE.to_string()], samples: vec![] };
    report(Some("theta"), points.to_vec(), targets)
}

/// Two targets at one point.
pub(crate) fn single() -> Report {
    let point = Point { value: String::new(), threads: 2, bound_per_second: 1e6 };
    let targets = vec![target("occ", &[], &[300_000.0]), target("2pl", &[], &[200_000.0])];
    report(None, vec![point], targets)
}

/// As many targets and points as ever.
pub(crate) fn large() -> Report {
    let values = ["0", "0.5", "0.7", "0.8", "0.9", "0.99", "1.1", "1.25"];
    let points = values.map(|value| Point { value: value.to_string(), threads: 4, bound_per_second: 3e6 });
    let names = [
        "2pl",
        "occ",
        "mvcc",
        "mvcc@snapshot",
        "deterministic",
        "rocksdb-optimistic",
        "rocksdb-pessimistic",
        "redb",
        "fjall-optimistic",
        "lmdb",
        "sqlite-wal",
        "surrealkv",
    ];
    let target = |(place, name): (usize, &&str)| {
        let slope = [1.0, 0.97, 0.94, 0.9, 0.8, 0.6, 0.4, 0.3];
        let goodput = |slope: &f64| 1e6 / (1.0 + 1.3 * place as f64) * slope.powf(2.0 - place as f64 / 8.0);
        target(name, &[], &slope.iter().map(goodput).collect::<Vec<_>>())
    };
    report(Some("theta"), points.to_vec(), names.iter().enumerate().map(target).collect())
}

/// Runs at these rates, two percent below and three above.
pub(crate) fn runs(per_second: f64) -> PointReport {
    PointReport { broken: vec![], samples: [0.98, 1.0, 1.03].map(|noise| run(per_second * noise)).to_vec() }
}

/// A run of ten seconds.
pub(crate) fn run(per_second: f64) -> Sample {
    let committed = (per_second * 10.0).round() as u64;
    let latency_ns = (2e9 / per_second) as u64;
    Sample {
        seconds: 10.0,
        committed,
        rejected: committed / 100,
        aborts: BTreeMap::from([
            ("lock timeout".to_string(), committed / 50),
            ("serialization".to_string(), committed / 20),
        ]),
        latency: LatencySummary {
            mean_ns: latency_ns,
            p50_ns: latency_ns,
            p90_ns: latency_ns * 2,
            p99_ns: latency_ns * 5,
            p999_ns: latency_ns * 40,
            p9999_ns: latency_ns * 300,
            max_ns: latency_ns * 1_000,
        },
        cpu_ns: 20_000_000_000,
        allocations: Some(committed * 3),
        written_bytes: committed * 1_500,
        memory_growth_bytes: Some(committed * 20),
    }
}

fn target(name: &str, allows: &[&str], per_second: &[f64]) -> TargetReport {
    let is_ours = !name.contains('-') && !name.starts_with("other");
    let mut points: Vec<PointReport> = per_second.iter().copied().map(runs).collect();
    if !is_ours {
        points.iter_mut().flat_map(|point| &mut point.samples).for_each(|sample| sample.allocations = None);
    }
    TargetReport {
        about: About {
            name: name.to_string(),
            engine: if is_ours { "synod 0.1.0".to_string() } else { format!("{name} 4.5") },
            isolation: "strict serializable".to_string(),
            allows: allows.iter().map(ToString::to_string).collect(),
            durability: "its log is flushed, together with that of others".to_string(),
            has_concurrent_writers: is_ours,
            notes: vec!["16 MiB of <cache>".to_string()],
        },
        load_seconds: 1.25,
        memory_bytes: 300 << 20,
        database_bytes: 150 << 20,
        points,
    }
}

fn report(sweep: Option<&str>, points: Vec<Point>, targets: Vec<TargetReport>) -> Report {
    Report {
        format: FORMAT,
        version: "0.1.0".to_string(),
        command: "synod bench ycsb --records 1000000 --theta 0.5,0.99 --repeat 3".to_string(),
        started_unix_s: 1_795_248_000,
        workload: "ycsb-t".to_string(),
        settings: vec![
            Setting { name: "records".to_string(), value: "1,000,000 of 100 bytes".to_string() },
            Setting { name: "durability".to_string(), value: "group".to_string() },
        ],
        machine: Machine {
            processor: "Test Processor 3000".to_string(),
            cores: 2,
            memory_bytes: 8 << 30,
            system: "Linux 6.12".to_string(),
            atomic_ns: 5.2,
            lookup_ns: 250.0,
            flush_ns: 120_000.0,
            round_trip_ns: 9_000.0,
        },
        sweep: sweep.map(str::to_string),
        repetitions: 3,
        seconds: 10.0,
        points,
        targets,
        rate: None,
        ended_early: false,
        failure: None,
    }
}
