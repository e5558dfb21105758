//! `synod replay`.

use super::dump::dump;
use super::{options, refuse_backup, require_database, show};
use crate::arguments::ReplayArguments;
use crate::meter::Meter;
use crate::output::remark;
use crate::{Result, render};
use synod::{Engine, Mode, ReplayOptions, ReplayedEpoch};

/// Executes a log again; false if something came out differently.
pub(crate) fn run(arguments: &ReplayArguments) -> Result<bool> {
    let directory = &arguments.directory;
    require_database(directory)?;
    refuse_backup(directory)?;
    let mut options = options().mode(arguments.mode).checkpoint_log_bytes(u64::MAX);
    if let Some(threads) = arguments.threads {
        options = options.workers(threads.into());
    }
    let replay = ReplayOptions {
        until: arguments.until.unwrap_or(u64::MAX),
        from_newest_checkpoint: arguments.from_newest_checkpoint,
    };
    let mut epochs: Vec<ReplayedEpoch> = Vec::new();
    let mut meter = Meter::new();
    let outcome = Engine::replay(directory, options, replay, |epoch| {
        meter.step(|| format!("executed epoch {}", epoch.epoch));
        epochs.push(epoch);
    });
    let shown = if arguments.epochs { usize::MAX } else { render::replay::EPOCHS_SHOWN };
    // A dump has standard output for itself.
    let tell = |text: &str| {
        if arguments.tables.is_empty() {
            return show(text);
        }
        remark(text);
        Ok(())
    };
    tell(&render::replay::epochs(&epochs, shown))?;
    let replayed = match outcome {
        Ok(replayed) => replayed,
        Err(divergence @ synod::Error::Diverged { .. }) => {
            tell(&divergence.to_string())?;
            return Ok(false);
        }
        Err(error) => return Err(error.into()),
    };
    tell(&render::replay::summary(&replayed.summary, &epochs, arguments.mode))?;
    if !arguments.tables.is_empty() {
        dump(&replayed.engine, &arguments.tables, None)?;
    }
    Ok(arguments.mode != Mode::Deterministic || epochs.iter().all(|epoch| epoch.is_confirmed != Some(false)))
}
