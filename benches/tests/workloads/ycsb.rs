//! Records read, updated and scanned.

use crate::harness::{Tampering, first_row, goes_red, holds_everywhere, is_refused};
use synod_bench::workload::ycsb::{Preset, Settings, Ycsb};

fn small(preset: Preset) -> Ycsb {
    Ycsb::new(Settings { records: 500, scan_max: 20, ..preset.settings() }).expect("settings in range")
}

#[test]
fn the_rules_hold_for_every_preset_under_every_mode() {
    for preset in Preset::ALL {
        holds_everywhere(&small(preset), 1_000, false);
    }
}

#[test]
fn the_rules_hold_where_keys_are_asked_for_one_by_one() {
    for preset in [Preset::T, Preset::Contention] {
        let settings = Settings { records: 500, one_by_one: true, ..preset.settings() };
        holds_everywhere(&Ycsb::new(settings).expect("settings in range"), 1_000, false);
    }
}

#[test]
fn each_rule_goes_red() {
    let tamperings: [Tampering<'_>; 5] = [
        (
            "a lost update",
            vec!["no update is lost", "each value"],
            Box::new(|loaded| {
                loaded.with_value(0, |value| value[0] = value[0].wrapping_add(1));
            }),
        ),
        (
            "a row removed",
            vec!["no record too many", "no update is lost"],
            Box::new(|loaded| {
                // One that has been updated, so that its updates are missed.
                loaded.tamper(|txn| {
                    let mut updated = Vec::new();
                    txn.scan(0, &[], &[], &mut |key, value| {
                        if value[..8] != [0; 8] {
                            updated = key.to_vec();
                        }
                        updated.is_empty()
                    })?;
                    txn.delete(0, &updated)
                });
            }),
        ),
        (
            "a row too many",
            vec!["no record too many", "each value"],
            Box::new(|loaded| {
                loaded.tamper(|txn| txn.put(0, b"surplus!", &[0; 100]));
            }),
        ),
        (
            "a torn value",
            vec!["each value"],
            Box::new(|loaded| {
                loaded.with_value(0, |value| value[99] ^= 1);
            }),
        ),
        (
            "a value at another's key",
            vec!["each value", "no update is lost"],
            Box::new(|loaded| {
                loaded.tamper(|txn| {
                    let (key, mut value) = first_row(txn, 0)?;
                    // The updates of the one are missed then.
                    txn.get(0, &(7u64 << 24).to_be_bytes(), &mut value)?;
                    txn.put(0, &key, &value)
                });
            }),
        ),
    ];
    goes_red(&small(Preset::T), 300, &tamperings);
}

#[test]
fn settings_out_of_range_are_refused() {
    let with = |change: fn(&mut Settings)| {
        let mut settings = Preset::A.settings();
        change(&mut settings);
        Ycsb::new(settings)
    };
    is_refused(with(|settings| settings.records = 0), "records must be 1 to");
    is_refused(with(|settings| settings.key_bytes = 7), "key must be 8 to");
    is_refused(with(|settings| settings.value_bytes = 15), "value must be 16 to");
    is_refused(with(|settings| settings.operations = 0), "operations a transaction must be 1 to");
    is_refused(with(|settings| settings.mix.insert = 60), "together must be 0 to 100, not 160");
}
