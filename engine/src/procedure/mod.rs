//! Procedures: transactions that are values.
//!
//! A transaction that reads and writes as it goes is known only once it is over. A *procedure* is known beforehand: a name,
//! arguments, and code that was registered under that name. So it can be put in order before it runs, the order can be
//! made durable instead of its effects, and running the same procedures in the same order gives the same state, again and
//! elsewhere (Thomson et al., "Calvin: fast distributed transactions for partitioned database systems", SIGMOD 2012).
//!
//! ```text
//!   arguments ─► declare: what it touches ─► its place in the order ─► run: reads, writes, an output
//!                └ unknown? run it on a snapshot to find out            └ or a rejection: no effects at all
//! ```
//!
//! That holds as long as a procedure depends on nothing but its arguments and what it reads through its [`View`]: no clock,
//! no randomness but the view's, no order of a hash map. [`Options::check_determinism`](crate::Options::check_determinism)
//! helps to find offenders.
//!
//! Procedures run under every mode. In the deterministic one they are the only way to write; in the others each is run
//! like the work of [`Engine::transact`](crate::Engine::transact).

mod answer;
mod declaration;
mod job;
mod library;
mod submit;
mod ticket;
mod view;

use serde::Serialize;
use serde::de::DeserializeOwned;
use synod_storage::Timestamp;

use crate::Result;

pub(crate) use answer::Answer;
pub use declaration::Declaration;
pub(crate) use declaration::declare;
pub(crate) use job::{AnyJob, Job, Verdict};
pub(crate) use library::Library;
pub use ticket::Ticket;
pub use view::View;

/// A transaction that is a value: arguments, and what is done with them.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use synod::{Declaration, Engine, Error, Mode, Options, Procedure, View};
///
/// #[derive(Serialize, Deserialize)]
/// struct Deposit { account: String, amount: u64 }
///
/// impl Procedure for Deposit {
///     const NAME: &'static str = "deposit";
///     type Output = u64;
///
///     fn declare(&self, footprint: &mut Declaration<'_>) -> Result<(), Error> {
///         footprint.write("accounts", &self.account)
///     }
///
///     fn run(&self, view: &View<'_>) -> Result<u64, Error> {
///         let accounts = view.table("accounts")?;
///         let old = view.get(accounts, &self.account)?.map_or(0, |old| u64::from_le_bytes(old[..].try_into().unwrap()));
///         let new = old.checked_add(self.amount).ok_or_else(|| Error::rejected("more than an account can hold"))?;
///         view.put(accounts, &self.account, new.to_le_bytes())?;
///         Ok(new)
///     }
/// }
///
/// let engine = Engine::in_memory(Options::new().mode(Mode::Deterministic).procedure::<Deposit>())?;
/// engine.table("accounts")?;
/// let deposit = |amount| engine.execute(Deposit { account: "ann".into(), amount });
/// assert_eq!(deposit(5)?.output, 5);
/// assert_eq!(deposit(7)?.output, 12);
/// assert!(deposit(u64::MAX).is_err());
/// # Ok::<(), synod::Error>(())
/// ```
pub trait Procedure: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name under which it is registered, and by which the log knows it.
    const NAME: &'static str;

    /// Which version of the code this is. A procedure whose effects have changed needs a new one: a log with the old
    /// one is then refused, and not executed differently.
    const VERSION: u32 = 1;

    /// What it answers.
    type Output: Serialize + Send + 'static;

    /// Says what it will touch, all of it: reading or writing anything else is an error when it runs. By default that is
    /// unknown, and the engine finds out by running it on a snapshot first, which costs about as much as running it.
    ///
    /// # Errors
    /// If a table doesn't exist; the procedure isn't run then.
    fn declare(&self, footprint: &mut Declaration<'_>) -> Result<()> {
        footprint.unknown();
        Ok(())
    }

    /// Does the work. May be called more than once, and by other threads than the one that submitted it. An error, mostly
    /// one from [`Error::rejected`](crate::Error::rejected), undoes all that it has written, and is its answer; so is a
    /// panic.
    ///
    /// # Errors
    /// Its own, and those of the view.
    fn run(&self, view: &View<'_>) -> Result<Self::Output>;
}

/// What became of a procedure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed<T> {
    /// What it answered.
    pub output: T,
    /// Its commit timestamp: a snapshot from then on sees its effects.
    pub timestamp: Timestamp,
    /// Its place in the log; `None` if the mode gives none.
    pub position: Option<Position>,
}

/// A place in the order of a deterministic engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Position {
    /// The number of the epoch.
    pub epoch: u64,
    /// The place within it.
    pub index: u32,
}
