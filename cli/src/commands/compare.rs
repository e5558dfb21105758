//! `synod compare`: two measurements of the same workload.

use super::report::read;
use super::show;
use crate::arguments::CompareArguments;
use crate::output::remark;
use crate::{Error, Result, render};
use synod_bench::driver::change::{Changes, changes, differences};

/// Compares two measurements; false if something is worse by more than it may be. An error means that it can't be told.
pub(crate) fn run(arguments: &CompareArguments) -> Result<bool> {
    let (before, after) = (read(&arguments.before)?, read(&arguments.after)?);
    let differences = differences(&before, &after);
    if !differences.is_empty() {
        let listed = render::changes::differences(&differences);
        if !arguments.anyway {
            return Err(Error::Different { listed });
        }
        remark(&format!("warning: the two don't measure the same:\n{listed}"));
    }
    let changes = changes(&before, &after);
    if changes.points.iter().all(|point| point.targets.is_empty()) {
        return Err(Error::NothingShared);
    }
    if !changes.machine.is_empty() {
        let listed = render::changes::differences(&changes.machine);
        remark(&format!(
            "warning: the machines differ, so verdicts are about goodput in look-ups (× L / threads):\n{listed}"
        ));
    }
    show(&render::changes::page(&before, &changes))?;
    arguments.fail_above.map_or(Ok(true), |percent| judge(&changes, percent))
}

/// Whether nothing is worse by more than so many percent; says what is.
fn judge(changes: &Changes<'_>, percent: f64) -> Result<bool> {
    let worse = changes.worse_by(percent);
    show(&render::changes::judgement(&worse, percent))?;
    Ok(worse.is_empty())
}
