//! Whether answers, looks and states are those of the scripts, run one after the other.

use synod::Timestamp;

use super::clients::{History, Look, Record};
use super::serial::{State, execute};

/// The records in the order of their places, and the state after each.
#[derive(Debug)]
pub struct Line {
    /// Where each script was, and what came of it.
    pub places: Vec<Timestamp>,
    /// The first is that before all of them.
    pub states: Vec<State>,
}

impl Line {
    /// The state after all up to this place.
    pub fn state_at(&self, at: Timestamp) -> &State {
        &self.states[self.places.partition_point(|place| *place <= at)]
    }

    /// The state after all.
    pub fn last(&self) -> &State {
        self.states.last().expect("there is one before all of them")
    }
}

/// Runs the scripts again, one after the other, in the order of their places.
///
/// # Errors
/// If two have the same place, or one has none; if one was answered differently.
pub fn line_up(records: &[Record], initial: &State) -> Result<Line, String> {
    let place = |record: &Record| record.at.ok_or_else(|| format!("nobody knows where this was: {record:?}"));
    let mut ordered = Vec::new();
    for record in records {
        ordered.push((place(record)?, record));
    }
    ordered.sort_by_key(|(at, _)| *at);
    let mut line = Line { places: Vec::new(), states: vec![initial.clone()] };
    let mut state = initial.clone();
    for (at, record) in ordered {
        if line.places.last() == Some(&at) {
            return Err(format!("two have the place {at:?}"));
        }
        let expected = execute(&mut state, &record.script, at);
        if expected != record.outcome {
            return Err(format!(
                "at {at:?} {:?} was answered {:?} instead of {expected:?}; the state was {:?}",
                record.script,
                record.outcome,
                line.last()
            ));
        }
        line.places.push(at);
        line.states.push(state.clone());
    }
    Ok(line)
}

/// Judges what clients did and saw, beginning with this state. Returns the line of states that it led to.
///
/// # Errors
/// Whatever doesn't fit.
pub fn judge(history: &History, initial: &State) -> Result<Line, String> {
    let line = line_up(&history.records, initial)?;
    check_positions(&history.records)?;
    let mut events: Vec<(u64, u64, Timestamp)> = Vec::new();
    for record in &history.records {
        events.extend(record.at.map(|at| (record.began, record.ended, at)));
    }
    for look in &history.looks {
        let at = look_at(look, &line, &history.records)?;
        events.extend(at.map(|at| (look.began, look.ended, at)));
    }
    check_real_time(events)?;
    Ok(line)
}

/// Finds out what a look has seen; a place, if it was told.
fn look_at(look: &Look, line: &Line, records: &[Record]) -> Result<Option<Timestamp>, String> {
    let how = look.how;
    if let Some(at) = look.at {
        let expected = line.state_at(at);
        if *expected != look.contents {
            return Err(format!("a {how} at {at:?} saw {:?} instead of {expected:?}", look.contents));
        }
        return Ok(Some(at));
    }
    // All that ended before it began; at most all that began before it ended.
    let before = records.iter().filter(|record| record.ended < look.began).filter_map(|record| record.at);
    let first = before.max().map_or(0, |at| line.places.partition_point(|place| *place <= at));
    let after = records.iter().filter(|record| record.began > look.ended).filter_map(|record| record.at);
    let last = after.min().map_or(line.places.len(), |at| line.places.partition_point(|place| *place < at));
    match line.states[first..=last.max(first)].contains(&look.contents) {
        true => Ok(None),
        false => {
            Err(format!("a {how} saw {:?}, which is none of the states {first} to {last}", look.contents))
        }
    }
}

/// Places in the log are in the order of the times.
fn check_positions(records: &[Record]) -> Result<(), String> {
    let mut positions: Vec<_> =
        records.iter().filter_map(|record| Some((record.position?, record.at?))).collect();
    positions.sort_unstable();
    match positions.windows(2).find(|pair| pair[0].0 == pair[1].0 || pair[0].1 >= pair[1].1) {
        Some(pair) => Err(format!("places in the log and times disagree: {pair:?}")),
        None => Ok(()),
    }
}

/// What ended before something else began comes before it, or has seen the same.
fn check_real_time(mut events: Vec<(u64, u64, Timestamp)>) -> Result<(), String> {
    events.sort_unstable();
    let mut ended: Vec<_> = events.iter().map(|(_, ended, at)| (*ended, *at)).collect();
    ended.sort_unstable();
    let mut ended = ended.into_iter().peekable();
    let mut newest = Timestamp::MIN;
    for (began, _, at) in events {
        while let Some((_, before)) = ended.next_if(|(moment, _)| *moment < began) {
            newest = newest.max(before);
        }
        if at < newest {
            return Err(format!("what was at {newest:?} had ended before that at {at:?} began"));
        }
    }
    Ok(())
}
