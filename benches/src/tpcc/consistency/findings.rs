//! What the check has found, condition by condition.

use crate::tpcc::scale::Scale;
use serde::Serialize;

/// How many violations of a condition are written down; all are counted.
const EXAMPLES_MAX: usize = 5;
const CONDITIONS: usize = 12;

/// What one condition has shown.
#[derive(Clone, Debug, Serialize)]
pub struct ConditionReport {
    /// The condition's number in clause 3.3.2, from 1 to 12.
    pub number: usize,
    /// What must hold.
    pub statement: String,
    /// How many times it was checked: for so many warehouses, districts, orders, lines or customers.
    pub checked: u64,
    /// How many times it didn't hold.
    pub violations: u64,
    /// The first violations, with the rows and values that contradict each other.
    pub examples: Vec<String>,
}

impl ConditionReport {
    /// Whether the condition holds, and was checked at all.
    pub fn holds(&self) -> bool {
        self.violations == 0 && self.checked > 0
    }
}

#[derive(Clone, Debug, Default)]
struct Found {
    checked: u64,
    violations: u64,
    examples: Vec<String>,
}

/// Collects what is found.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    conditions: [Found; CONDITIONS],
}

impl Findings {
    /// Counts one check of condition `number` (from 1); if it doesn't hold, `describe` says why.
    pub(super) fn expect(&mut self, number: usize, holds: bool, describe: impl FnOnce() -> String) {
        let found = &mut self.conditions[number - 1];
        found.checked += 1;
        if !holds {
            found.violations += 1;
            if found.examples.len() < EXAMPLES_MAX {
                found.examples.push(describe());
            }
        }
    }

    /// Adds what was found elsewhere.
    pub(super) fn merge(&mut self, other: Findings) {
        for (mine, theirs) in self.conditions.iter_mut().zip(other.conditions) {
            mine.checked += theirs.checked;
            mine.violations += theirs.violations;
            let room = EXAMPLES_MAX - mine.examples.len();
            mine.examples.extend(theirs.examples.into_iter().take(room));
        }
    }

    /// The reports of all twelve conditions.
    pub(super) fn into_reports(self, scale: Scale) -> Vec<ConditionReport> {
        self.conditions
            .into_iter()
            .zip(statements(scale))
            .zip(1..)
            .map(|((found, statement), number)| ConditionReport {
                number,
                statement,
                checked: found.checked,
                violations: found.violations,
                examples: found.examples,
            })
            .collect()
    }
}

/// What the twelve conditions say.
fn statements(scale: Scale) -> [String; CONDITIONS] {
    let delivered = format!("count(ORDER) - count(NEW_ORDER) - sum(C_DELIVERY_CNT) = {}", scale.delivered());
    [
        "W_YTD = sum(D_YTD)",
        "D_NEXT_O_ID - 1 = max(O_ID) = max(NO_O_ID)",
        "max(NO_O_ID) - min(NO_O_ID) + 1 = count(NEW_ORDER)",
        "sum(O_OL_CNT) = count(ORDER_LINE)",
        "O_CARRIER_ID is null exactly if the order is in NEW_ORDER",
        "O_OL_CNT = count(ORDER_LINE) of the order",
        "OL_DELIVERY_D is null exactly if O_CARRIER_ID is",
        "W_YTD = sum(H_AMOUNT)",
        "D_YTD = sum(H_AMOUNT)",
        "C_BALANCE = sum(delivered OL_AMOUNT) - sum(H_AMOUNT)",
        &delivered,
        "C_BALANCE + C_YTD_PAYMENT = sum(delivered OL_AMOUNT)",
    ]
    .map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_violations_count_and_the_first_are_told() {
        let mut findings = Findings::default();
        for index in 0..20 {
            findings.expect(3, index % 2 == 0, || format!("number {index}"));
        }
        let mut both = findings.clone();
        both.merge(findings);
        let report = both.into_reports(Scale::full(1)).swap_remove(2);
        assert_eq!((report.number, report.checked, report.violations), (3, 40, 20));
        assert_eq!(report.examples, ["number 1", "number 3", "number 5", "number 7", "number 9"]);
        assert!(!report.holds());
    }

    #[test]
    fn a_condition_that_was_never_checked_does_not_hold() {
        let reports = Findings::default().into_reports(Scale::full(1));
        assert_eq!(reports.len(), 12);
        assert!(reports.iter().all(|report| !report.holds()));
        assert!(reports[10].statement.ends_with("= 2100"));
    }
}
