//! The rules that must hold after a run.

use super::transaction::encode_key;
use super::values::{fill, stamp_of};
use super::{Mix, Settings};
use crate::error::Result;
use crate::target::{Client, finished};
use crate::workload::{Past, Rules};

const NO_ROW: &str = "no record too many or too few";
const NO_VALUE: &str = "each value is one that was written at its key";
const NO_UPDATE: &str = "no update is lost or made twice";

/// Looks at all records.
pub(super) fn check(settings: &Settings, client: &mut dyn Client, past: &Past) -> Result<Rules> {
    let (mut rows, mut updates, mut broken) = (0i64, 0u64, None);
    let (mut expected_key, mut expected) = (Vec::new(), Vec::new());
    finished(client.attempt(true, &mut |txn| {
        (rows, updates, broken) = (0, 0, None);
        txn.scan(0, &[], &[], &mut |key, value| {
            rows += 1;
            let number = key.first_chunk().map_or(0, |number| u64::from_be_bytes(*number));
            let stamp = stamp_of(value, number).unwrap_or_default();
            encode_key(number, settings.key_bytes, &mut expected_key);
            fill(number, stamp, settings.value_bytes, &mut expected);
            if key != expected_key || value != expected {
                broken.get_or_insert_with(|| format!("the value at key {number} is none of its own"));
            }
            updates = updates.wrapping_add(stamp);
            true
        })
    }))?;
    let wanted_rows = settings.records as i64 + past.answers.rows;
    let missed =
        |is: String, wanted: String| (is != wanted).then(|| format!("{is}, and {wanted} were acknowledged"));
    let mut rules = Rules::from([
        (NO_ROW, missed(format!("{rows} records"), format!("{wanted_rows} records"))),
        (NO_VALUE, broken),
    ]);
    let Mix { update, read_modify_write, .. } = settings.mix;
    // Blind updates have random stamps.
    if update == 0 && read_modify_write > 0 {
        let (is, wanted) = (format!("{updates} updates"), format!("{} updates", past.answers.sum));
        rules.insert(NO_UPDATE, missed(is, wanted));
    }
    Ok(rules)
}
