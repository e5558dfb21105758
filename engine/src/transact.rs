//! Running work in a transaction until it commits.

use synod_txn::Abort;

use crate::backoff::Backoff;
use crate::{CommitHandle, Engine, Error, Transaction, TransactionOptions};

/// How [`Engine::transact_with`] runs and retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactOptions {
    /// How each attempt's transaction is begun.
    pub transaction: TransactionOptions,
    /// After so many attempts it gives up with [`Error::RetriesExhausted`].
    pub attempts_max: u32,
}

impl Default for TransactOptions {
    /// 1,000 attempts: far more than conflicts ever take, few enough to end.
    fn default() -> Self {
        TransactOptions { transaction: TransactionOptions::default(), attempts_max: 1_000 }
    }
}

/// What [`Engine::transact_with`] gives back.
#[derive(Debug)]
#[must_use = "until the handle says so, the commit may not survive a crash"]
pub struct Committed<T> {
    /// The work's result.
    pub value: T,
    /// Tells when the commit is durable.
    pub handle: CommitHandle,
    /// Why earlier attempts were aborted, in order.
    pub aborts: Vec<Abort>,
}

impl Engine {
    /// Runs `work` in a transaction, commits, and waits as the durability level asks. If the engine aborts
    /// the transaction, the work is tried again in a new one, after a random wait that begins with about the time
    /// that the work takes and grows with each attempt; so `work` must not have effects elsewhere. If `work` fails by itself, the transaction is
    /// aborted and its error returned.
    ///
    /// ```
    /// use synod::{Engine, Options};
    ///
    /// let engine = Engine::in_memory(Options::new())?;
    /// let counters = engine.table("counters")?;
    /// let visits = engine.transact(|txn| {
    ///     let old = txn.get_for_update(&counters, "visits")?;
    ///     let new = old.map_or(0, |old| u32::from_le_bytes(old[..].try_into().unwrap())) + 1;
    ///     txn.put(&counters, "visits", new.to_le_bytes())?;
    ///     Ok::<_, synod::Error>(new)
    /// })?;
    /// assert_eq!(visits, 1);
    /// # Ok::<(), synod::Error>(())
    /// ```
    ///
    /// # Errors
    /// Whatever `work` returns; [`Error::RetriesExhausted`] after 1,000 attempts; an abort that
    /// isn't worth a retry (a lock timeout); or an error of the commit.
    pub fn transact<T, E: From<Error>>(
        &self,
        work: impl FnMut(&Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        let committed = self.transact_with(&TransactOptions::default(), work)?;
        committed.handle.wait()?;
        Ok(committed.value)
    }

    /// As [`Engine::transact`], with options, and without waiting for durability.
    pub fn transact_with<T, E: From<Error>>(
        &self,
        options: &TransactOptions,
        mut work: impl FnMut(&Transaction) -> Result<T, E>,
    ) -> Result<Committed<T>, E> {
        let mut aborts = Vec::new();
        let mut age = None;
        let mut backoff = Backoff::default();
        loop {
            let transaction = self.begin_aged(options.transaction, age)?;
            age = transaction.age();
            let failure = match work(&transaction) {
                Ok(value) => match transaction.commit_deferred() {
                    Ok(handle) => return Ok(Committed { value, handle, aborts }),
                    Err(error) => match error.abort().cloned() {
                        Some(abort) => (abort, E::from(error)),
                        None => return Err(error.into()),
                    },
                },
                Err(error) => match transaction.abort_reason() {
                    Some(abort) => (abort, error),
                    None => return Err(error),
                },
            };
            let (abort, error) = failure;
            if !abort.is_retryable() {
                return Err(error);
            }
            aborts.push(abort.clone());
            let attempts = aborts.len() as u32;
            if attempts >= options.attempts_max {
                return Err(Error::RetriesExhausted { attempts, last: abort }.into());
            }
            backoff.wait();
        }
    }
}
