//! All dependencies of a history, for small ones that somebody wants to look at as a whole; and who is in a
//! cycle of them.

use crate::Error;
use crate::anomaly::{Evidence, evidence};
use crate::graph::{Components, Graph, reason};
use crate::history::History;
use crate::observe::Observed;
use crate::verdict::Options;

/// Which transaction depends on which, and why: the edges of the direct serialization graph, without those of sessions
/// and of real time. [`Evidence::from`] and [`Evidence::to`] are places in the history; transactions that had no effect
/// have no edges.
///
/// ```
/// use synod_checker::{History, Transaction, Version, dependencies};
///
/// let mut history = History::new();
/// let x = history.key("x");
/// history.push(Transaction::committed().put(x, Version::at(1)));
/// history.push(Transaction::committed().get(x, Version::at(1)));
///
/// let edges = dependencies(&history)?;
/// assert_eq!((edges[0].from, edges[0].to, edges[0].reason.short()), (0, 1, "wr"));
/// # Ok::<(), synod_checker::Error>(())
/// ```
///
/// # Errors
/// If the history makes no sense, so that nothing can be said of it.
pub fn dependencies(history: &History) -> Result<Vec<Evidence>, Error> {
    let options = Options { sessions: false, real_time: false, ..Options::default() };
    let observed = Observed::new(history, &options)?;
    let graph = Graph::new(&observed, &options);
    let of = |edge| evidence(&observed, 0, 0, edge);
    let mut edges: Vec<Evidence> = Vec::new();
    for edge in graph.edges() {
        let told = Evidence { from: edge.from as usize, to: edge.to as usize, ..of(edge) };
        let is_same = |other: &Evidence| {
            (other.from, other.to, other.reason, &other.key) == (told.from, told.to, told.reason, &told.key)
        };
        if !edges.iter().any(is_same) {
            edges.push(told);
        }
    }
    Ok(edges)
}

/// For each transaction whether it is in a cycle: whether it would have to come before itself, directly or by way of
/// others, in any order that explains the history. Real time and the order of sessions count as the options say.
///
/// The time is linear in the size of the history.
///
/// ```
/// use synod_checker::{History, Options, Transaction, Version, in_cycles};
///
/// let mut history = History::new();
/// let [x, y] = ["x", "y"].map(|name| history.key(name));
/// history.push(Transaction::committed().get(x, Version::UNBORN).put(y, Version::at(1)));
/// history.push(Transaction::committed().get(y, Version::UNBORN).put(x, Version::at(2)));
/// history.push(Transaction::committed().get(x, Version::at(2)));
///
/// assert_eq!(in_cycles(&history, &Options::default())?, [true, true, false]);
/// # Ok::<(), synod_checker::Error>(())
/// ```
///
/// # Errors
/// If the history makes no sense, so that nothing can be said of it.
pub fn in_cycles(history: &History, options: &Options) -> Result<Vec<bool>, Error> {
    let observed = Observed::new(history, options)?;
    let components = Components::new(&Graph::new(&observed, options), reason::ALL);
    Ok((0..history.transactions().len() as u32).map(|number| components.size(number) > 1).collect())
}
