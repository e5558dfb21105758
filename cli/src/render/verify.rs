//! What `synod verify` shows.

use super::moment::moment;
use super::units::{bytes, plural};
use std::collections::BTreeSet;
use synod::{BackupState, CheckpointInfo, Timestamp, Verification};

/// A line for each damage, remarks, and a summary.
pub(crate) fn page(directory: &str, found: &Verification) -> String {
    if found.backup == Some(BackupState::Unfinished) {
        return format!(
            "{directory} is UNFINISHED: making this backup, or restoring a database to here, was interrupted, and \
             nothing in it can be relied on. If it is a backup, \"synod backup\" can finish it; else remove it, and \
             restore again"
        );
    }
    let mut lines: Vec<String> = found.damage.iter().map(|damage| format!("DAMAGE  {damage}")).collect();
    if let Some(torn) = &found.log.torn {
        lines.push(format!(
            "remark  {} ends at offset {} with {} of writes that a crash has interrupted, and nobody was promised; \
             the next opening cuts them off",
            torn.path.display(),
            torn.offset,
            bytes(torn.bytes)
        ));
    }
    lines.extend(found.checkpoints.iter().map(checkpoint));
    if found.log.segments > 0 {
        lines.push(log(found));
    }
    lines.push(summary(directory, found));
    lines.join("\n")
}

fn checkpoint(info: &CheckpointInfo) -> String {
    format!(
        "checked {}, {}: {} of {}, up to {}",
        info.path.display(),
        bytes(info.bytes),
        plural(info.records, "record"),
        plural(info.tables, "table"),
        moment(info.timestamp)
    )
}

fn log(found: &Verification) -> String {
    let log = &found.log;
    let last = match log.last_timestamp {
        Timestamp::MIN => String::new(),
        last => format!(", up to {}", moment(last)),
    };
    let batches = match log.batches {
        0 => String::new(),
        1 => ", 1 batch of procedures".to_owned(),
        batches => format!(", {batches} batches of procedures"),
    };
    format!(
        "checked the log, {} with {}: {}, {}{batches}{last}",
        plural(log.segments, "segment"),
        bytes(log.bytes),
        plural(log.commits, "commit"),
        plural(log.catalog_changes, "table change"),
    )
}

fn summary(directory: &str, found: &Verification) -> String {
    if found.damage.is_empty() {
        return match found.backup {
            Some(BackupState::Complete(timestamp)) => {
                format!("{directory} is a whole backup, up to {}", moment(timestamp))
            }
            _ => format!("{directory} is whole"),
        };
    }
    let files: BTreeSet<_> = found.damage.iter().map(|damage| &damage.path).collect();
    format!(
        "{directory} is DAMAGED: {} in {}",
        plural(found.damage.len() as u64, "place"),
        plural(files.len() as u64, "file")
    )
}
