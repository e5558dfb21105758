//! What `synod replay` shows.

use super::moment::moment;
use super::units::plural;
use synod::{Mode, ReplaySummary, ReplayedEpoch};

/// So many epochs are shown unless all are asked for.
pub(crate) const EPOCHS_SHOWN: usize = 20;

/// A line for each epoch, or for some of them, evenly spread, with the last one.
pub(crate) fn epochs(epochs: &[ReplayedEpoch], shown: usize) -> String {
    let step = epochs.len().div_ceil(shown.max(1)).max(1);
    let chosen = epochs.iter().rev().step_by(step).collect::<Vec<_>>();
    let lines = chosen.into_iter().rev().map(|epoch| {
        let verdict = match epoch.is_confirmed {
            Some(true) => "as in the log",
            Some(false) => "NOT as in the log",
            None => "not in the log",
        };
        format!(
            "epoch {:>8}  up to {}  state {:016x}  {verdict}",
            epoch.epoch,
            moment(epoch.last),
            epoch.hash
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What was done, how fast, and what came of it.
pub(crate) fn summary(summary: &ReplaySummary, epochs: &[ReplayedEpoch], mode: Mode) -> String {
    let seconds = summary.duration.as_secs_f64();
    let rate = summary.procedures as f64 / seconds.max(1e-9);
    let begin = match summary.checkpoint {
        Some(at) => format!("from the checkpoint of {}", moment(at)),
        None => "from the beginning of the log".to_owned(),
    };
    let confirmed = epochs.iter().filter(|epoch| epoch.is_confirmed == Some(true)).count() as u64;
    let verdict = match mode {
        Mode::Deterministic => {
            format!("; {} with the state that the log tells of", plural(confirmed, "epoch"))
        }
        _ => format!(", as transactions of the mode {mode}"),
    };
    format!(
        "executed {} in {seconds:.2} s, {rate:.0}/s, {begin}{verdict}\nstate {:016x}",
        plural(summary.procedures, "procedure"),
        summary.state_hash
    )
}
