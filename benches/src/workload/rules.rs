//! What settings and checks of workloads have in common.

use crate::error::{Error, Result};
use std::fmt::Display;
use std::ops::RangeInclusive;

/// Complains of a setting that is out of its range.
pub(super) fn within<T: PartialOrd + Display>(name: &str, value: T, range: RangeInclusive<T>) -> Result<()> {
    match range.contains(&value) {
        true => Ok(()),
        false => {
            Err(Error::Settings(format!("{name} must be {} to {}, not {value}", range.start(), range.end())))
        }
    }
}

/// What breaks a rule that says how much there must be of something, if anything does.
pub(super) fn differs(what: &str, is: i64, wanted: i64) -> Option<String> {
    (is != wanted).then(|| format!("{is} {what}, and it must be {wanted}"))
}

/// Notes what breaks a rule, unless something has broken it before.
pub(super) fn note(broken: &mut Option<String>, problem: impl FnOnce() -> String) {
    broken.get_or_insert_with(problem);
}
