//! Recognises the well-known shapes of cycles.

use super::{Evidence, Order, Pattern, Reason};
use crate::anomaly::CycleKind;

/// The shape that a cycle has; `writes` says for each of its transactions whether it wrote anything.
pub(super) fn pattern(kind: CycleKind, edges: &[Evidence], writes: &[bool]) -> Option<Pattern> {
    let reasons: Vec<Reason> = edges.iter().map(|edge| edge.reason).collect();
    let is_same_key = edges.iter().all(|edge| edge.key.is_some() && edge.key == edges[0].key);
    if kind.order != Order::Data {
        return stale_read(&reasons);
    }
    use Reason::{InsertedBy, Overwrites, OverwrittenBy, ReadBy};
    match reasons[..] {
        [ReadBy, OverwrittenBy] if is_same_key => Some(Pattern::NonrepeatableRead),
        [ReadBy, OverwrittenBy] => Some(Pattern::ReadSkew),
        [ReadBy, InsertedBy] | [Reason::MissedBy, OverwrittenBy | InsertedBy] => Some(Pattern::Phantom),
        [.., OverwrittenBy] if is_same_key && others_are(&reasons, Overwrites) => Some(Pattern::LostUpdate),
        [OverwrittenBy, OverwrittenBy] if is_same_key => Some(Pattern::LostUpdate),
        [OverwrittenBy | InsertedBy, OverwrittenBy | InsertedBy] => Some(Pattern::WriteSkew),
        // Turned so that an anti-dependency comes last.
        [ReadBy, OverwrittenBy | InsertedBy, ReadBy, OverwrittenBy | InsertedBy]
            if !writes[1] && !writes[3] =>
        {
            Some(Pattern::LongFork)
        }
        _ => read_only_anomaly(&reasons, writes),
    }
}

fn others_are(reasons: &[Reason], reason: Reason) -> bool {
    reasons[..reasons.len() - 1].iter().all(|other| *other == reason)
}

fn is_anti(reason: Reason) -> bool {
    matches!(reason, Reason::OverwrittenBy | Reason::InsertedBy)
}

/// One reader who doesn't see what was there before it, by the order that clients see.
fn stale_read(reasons: &[Reason]) -> Option<Pattern> {
    let [order @ .., last] = reasons else { return None };
    let only_orders = order.iter().all(|reason| matches!(reason, Reason::Session | Reason::RealTime));
    (is_anti(*last) && only_orders).then_some(Pattern::StaleRead)
}

/// Three transactions: a reader that wrote nothing, and two writers, one after the other by anti-dependency.
fn read_only_anomaly(reasons: &[Reason], writes: &[bool]) -> Option<Pattern> {
    if reasons.len() != 3 || reasons.iter().filter(|reason| is_anti(**reason)).count() != 2 {
        return None;
    }
    let reader = (0..3).find(|&place| !writes[place])?;
    let arrives = reasons[(reader + 2) % 3];
    let leaves = reasons[reader];
    (arrives == Reason::ReadBy && is_anti(leaves)).then_some(Pattern::ReadOnlyAnomaly)
}
