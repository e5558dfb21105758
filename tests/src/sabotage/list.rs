//! What can be broken.

use super::{Mutation, Suite};

const fn breaks(name: &'static str, file: &'static str, from: &'static str, to: &'static str) -> Mutation {
    Mutation { name, file, from, to, suite: Suite::Durability, harmless: None }
}

const fn confuses(name: &'static str, file: &'static str, from: &'static str, to: &'static str) -> Mutation {
    Mutation { suite: Suite::Deterministic, ..breaks(name, file, from, to) }
}

/// Every fsync, every sync of a directory, every checksum, and what else durability rests on; then what the deterministic
/// mode rests on.
pub const MUTATIONS: &[Mutation] = &[
    // fsyncs
    breaks(
        "the log is not synced",
        "storage/src/wal/writer.rs",
        "        self.segment.file.sync_data()?;\n        self.durable",
        "        self.durable",
    ),
    breaks(
        "a new log segment is not synced",
        "storage/src/wal/writer.rs",
        "    file.sync_data()?;\n    device.sync_directory(&place.directory)?;",
        "    device.sync_directory(&place.directory)?;",
    ),
    breaks("a note is not synced", "storage/src/note.rs", "        file.sync_data()\n", "        Ok(())\n"),
    breaks(
        "a checkpoint is not synced before it gets its name",
        "storage/src/checkpoint/writer.rs",
        "        self.sync()?;\n        self.file.forget();",
        "        self.file.forget();",
    ),
    breaks("a restored file is not synced", "engine/src/backup/restore.rs", "    target.sync_data()?;\n", ""),
    // directories
    breaks(
        "the name of a new log segment is not synced",
        "storage/src/wal/writer.rs",
        "    file.sync_data()?;\n    device.sync_directory(&place.directory)?;",
        "    file.sync_data()?;",
    ),
    breaks(
        "the removal of log segments is not synced",
        "storage/src/wal/mod.rs",
        "            device.sync_directory(&directory)?;\n            *is_unsynced = false;",
        "            *is_unsynced = false;",
    ),
    breaks(
        "the names of recovered log segments are not synced",
        "storage/src/wal/recovery.rs",
        "    place.home.device().sync_directory(&place.directory)?;\n    recoverer",
        "    recoverer",
    ),
    breaks(
        "the name of a note is not synced",
        "storage/src/note.rs",
        "        device.sync_directory(path.parent().unwrap_or(Path::new(\".\")))\n",
        "        Ok(())\n",
    ),
    breaks(
        "the name of the database's first note is not synced again",
        "storage/src/home.rs",
        "            device.sync_directory(directory)?;\n        }\n        let database",
        "        }\n        let database",
    ),
    breaks(
        "the name of a checkpoint is not synced",
        "storage/src/checkpoint/writer.rs",
        "        self.is_finished = true;\n        self.device.sync_directory(&self.directory)?;",
        "        self.is_finished = true;",
    ),
    breaks(
        "the removal of an old checkpoint is not synced",
        "storage/src/checkpoint/mod.rs",
        "    home.device().sync_directory(&directory)\n",
        "    Ok(())\n",
    ),
    breaks(
        "the setting aside of a damaged checkpoint is not synced",
        "storage/src/checkpoint/mod.rs",
        "    home.device().sync_directory(&home.directory().join(CHECKPOINT_DIRECTORY))\n",
        "    Ok(())\n",
    ),
    breaks(
        "the names of restored files are not synced",
        "engine/src/backup/restore.rs",
        "    device.sync_directory(to)?;\n    Ok(bytes)",
        "    Ok(bytes)",
    ),
    breaks(
        "the removal of a backup's note is not synced",
        "engine/src/backup/marker.rs",
        "    device.sync_directory(directory)\n",
        "    Ok(())\n",
    ),
    // checksums
    breaks(
        "the checksum of a log frame is not tested",
        "storage/src/wal/decode.rs",
        "    if crc != checksum(bytes) {",
        "    if crc != checksum(bytes) && false {",
    ),
    breaks(
        "the checksum of a log segment's header is not tested",
        "storage/src/wal/segment.rs",
        "|| crc != checksum(&block) {",
        "|| (crc != checksum(&block) && false) {",
    ),
    breaks(
        "the checksum of a note is not tested",
        "storage/src/note.rs",
        "            || stored != checksum(&sector)\n",
        "            || (stored != checksum(&sector) && false)\n",
    ),
    breaks(
        "the checksum of a checkpoint's block is not tested",
        "storage/src/checkpoint/block.rs",
        "    if number(0) != crc32c(&bytes[4..]) {",
        "    if number(0) != crc32c(&bytes[4..]) && false {",
    ),
    breaks(
        "a checkpoint's block is not compared with its index",
        "storage/src/checkpoint/block.rs",
        "    if number(0) != crc {",
        "    if number(0) != crc && false {",
    ),
    breaks(
        "the checksum of a checkpoint's header is not tested",
        "storage/src/checkpoint/header.rs",
        "|| crc != checksum(&page, CRC_OFFSET) {",
        "|| (crc != checksum(&page, CRC_OFFSET) && false) {",
    ),
    breaks(
        "a checkpoint's header is not compared with its end",
        "storage/src/checkpoint/reader.rs",
        "        if trailer.header_crc != header_crc {",
        "        if trailer.header_crc != header_crc && false {",
    ),
    breaks(
        "the checksum of a checkpoint's end is not tested",
        "storage/src/checkpoint/header.rs",
        "        if !is_whole || crc != u64::from(checksum(&bytes, TRAILER_CRC_OFFSET)) {",
        "        if !is_whole || (crc != u64::from(checksum(&bytes, TRAILER_CRC_OFFSET)) && false) {",
    ),
    // order
    breaks(
        "a checkpoint is written before the log that it has",
        "engine/src/checkpoint.rs",
        "        view.flush_log()?;\n",
        "",
    ),
    breaks(
        "the log behind the older checkpoint is removed",
        "engine/src/checkpoint.rs",
        "let mut needed = state.installed[0].log.segment;",
        "let mut needed = state.installed[state.installed.len() - 1].log.segment;",
    ),
    breaks(
        "the older checkpoint is removed at once",
        "engine/src/checkpoint.rs",
        "while state.installed.len() > self.settings.kept {",
        "while state.installed.len() > 1 {",
    ),
    breaks(
        "a damaged checkpoint is not passed over",
        "engine/src/recovery/mod.rs",
        "Err(error @ Error::Corrupt { .. }) => {",
        "Err(error @ Error::Locked { .. }) => {",
    ),
    breaks(
        "commits right behind a checkpoint are not replayed",
        "storage/src/wal/reader.rs",
        "Ok((at, _)) if at <= self.after => self.last = at,",
        "Ok((at, _)) if at.0 <= self.after.0 + 1 => self.last = at,",
    ),
    breaks(
        "the end of the log is not noted",
        "storage/src/home.rs",
        "        FORMAT.write(&*database.file, numbers(self.identity, end))?;",
        "        let _ = (&FORMAT, end, &database.file, self.identity);",
    ),
    breaks(
        "the log may end anywhere",
        "storage/src/wal/recovery.rs",
        "    if end >= reaches {",
        "    if end >= reaches || true {",
    ),
    breaks(
        "a backup says that it is complete from the start",
        "engine/src/backup/mod.rs",
        "            marker::write(&**device, path, marker)?;",
        "            marker::write(&**device, path, Marker { timestamp: Some(Timestamp::MIN), ..marker })?;",
    ),
    breaks(
        "a backup has what is not durable",
        "engine/src/backup/mod.rs",
        "        view.flush_log()?;\n",
        "",
    ),
    breaks(
        "the change feed runs ahead of durability",
        "storage/src/wal/kept.rs",
        "Extent::Growing(segment.bytes)",
        "Extent::Growing(segment.bytes + 4000)",
    ),
    breaks(
        "commit handles are woken in any order",
        "txn/src/commit_log.rs",
        "        served.sort_by_key(|(timestamp, _)| *timestamp);\n",
        "",
    ),
    breaks(
        "commits are acknowledged before they are durable",
        "txn/src/store.rs",
        "        let Some(log) = self.log.as_ref().filter(|_| level.waits()) else { return Ok(()) };",
        "        let Some(log) = self.log.as_ref().filter(|_| level.waits() && false) else { return Ok(()) };",
    ),
    // the deterministic mode
    confuses(
        "a reader does not wait for the writer before it",
        "txn/src/deterministic/scheduler.rs",
        "false => keys.writer(hash, newcomer, is_unfinished),",
        "false => None,",
    ),
    confuses(
        "the state's hash stays as it is when a record is deleted",
        "txn/src/deterministic/execution.rs",
        "                change = change.wrapping_add(new).wrapping_sub(old);",
        "                change = change.wrapping_add(new).wrapping_sub(if new == 0 { 0 } else { old });",
    ),
    confuses(
        "a record that came in after somebody had looked ahead is missed",
        "txn/src/deterministic/execution.rs",
        "            self.find_changed_records(guard);\n",
        "",
    ),
    confuses(
        "a version is taken out of the chain before the prefix has passed the one after it",
        "txn/src/snapshot.rs",
        "            && to <= self.newest\n",
        "",
    ),
    confuses(
        "what comes later in the order is seen before what comes earlier",
        "engine/src/deterministic/core.rs",
        "        store.oracle().observe(prefix.visible());",
        "        store.oracle().observe(prefix.visible().max(finished.runnable.place.at));",
    ),
    confuses(
        "a snapshot may lack what was answered",
        "engine/src/deterministic/session.rs",
        "            executor.has_finished(finished.runnable.place.at, &mut core);\n",
        "",
    ),
    confuses(
        "a footprint that has moved is taken for the right one",
        "engine/src/deterministic/session.rs",
        "if scheduled.reconnaissances > 0 && has_strayed {",
        "if scheduled.reconnaissances > 0 && has_strayed && false {",
    ),
    confuses(
        "a procedure is answered before it is durable",
        "engine/src/procedure/ticket.rs",
        "        durability.waits().then(||",
        "        (durability.waits() && false).then(||",
    ),
    confuses(
        "the epoch that is open when the log is flushed is not appended before",
        "txn/src/store.rs",
        "        self.batches.append_open();\n",
        "",
    ),
    confuses(
        "an epoch that has run before it ended is not passed",
        "engine/src/deterministic/prefix.rs",
        ".last = Some(last);\n        self.pass_if_ended(store);",
        ".last = Some(last);\n        let _ = store;",
    ),
    confuses(
        "a footprint that was found out is not in the log",
        "engine/src/deterministic/core.rs",
        "        if scheduled.reconnaissances > 0 {",
        "        if scheduled.reconnaissances > 0 && false {",
    ),
    confuses(
        "a batch of the log is not executed",
        "engine/src/deterministic/replay.rs",
        "            if at > after {",
        "            if at > after && header.epoch != 5 {",
    ),
];
