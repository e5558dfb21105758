//! A thread that stands for many terminals: draws a card, draws its input, runs the transaction, goes on.
//!
//! A terminal waits until its transaction is durable before it starts the next. A thread that waited with it
//! would leave the processor idle for the length of a flush, though the workload has other terminals to serve.
//! So a thread may stand for K terminals: it starts transactions one after another, and those that have
//! committed and aren't durable yet stand in a queue, at most K of them:
//!
//! ```text
//! run ──▶ committed, visible, not durable ──▶ durable: latency ends here
//!           └──── at most K−1 wait here ────┘
//! ```
//!
//! Under the deterministic mode the three updating kinds are procedures, which are handed in one after the other; those
//! that wait in the queue may not have run yet. They run while the thread waits: that the older half of them has run, and
//! that the oldest one is durable.

use super::access::Scratch;
use super::awaited::{Awaited, Ended};
use super::constants::Constants;
use super::deck::{Deck, Kind};
use super::delivery::Delivery;
use super::driver::RunOptions;
use super::failure::Failure;
use super::keys::{DistrictId, HistoryIds};
use super::new_order::NewOrder;
use super::order_status::OrderStatus;
use super::pacing::{Pace, draw_think_time, pace_of};
use super::payment::Payment;
use super::procedures::DeliverDistrict;
use super::scale::DISTRICTS;
use super::schema::Database;
use super::statistics::{KindStatistics, Statistics};
use super::stock_level::StockLevel;
use crate::error::{Error, Result};
use crate::random::Random;
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};
use synod::{Committed, Engine, Mode, TransactOptions, Transaction, TransactionOptions};

/// A transaction that isn't known to have ended.
struct Pending {
    kind: Kind,
    started: Instant,
    awaited: Awaited,
}

/// What there is of a transaction once it was entered.
enum Entered {
    Awaited(Awaited),
    RolledBack,
}

/// The terminals of one thread.
pub(super) struct Terminal<'a> {
    database: &'a Database,
    constants: Constants,
    /// The warehouses of this thread's terminals; they take turns.
    homes: Vec<u16>,
    turn: usize,
    /// With think times the thread is one terminal, whose Stock-Levels are for one district (2.8.1.1).
    stock_level_district: Option<u8>,
    in_flight: usize,
    /// Whether updating transactions are procedures.
    submits: bool,
    updating: TransactOptions,
    reading: TransactOptions,
    random: Random,
    deck: Deck,
    history_ids: HistoryIds,
    scratch: Scratch,
    pending: VecDeque<Pending>,
    /// What the terminals did so far.
    pub(super) statistics: Statistics,
}

/// The home warehouses of a thread's terminals. Every warehouse has terminals: where there are fewer threads
/// than warehouses, a thread has several; where there are more, several threads share one.
pub(super) fn homes(thread: usize, threads: usize, warehouses: u16) -> Vec<u16> {
    let warehouses = usize::from(warehouses);
    if threads >= warehouses {
        return vec![(thread % warehouses) as u16 + 1];
    }
    (thread..warehouses).step_by(threads).map(|warehouse| warehouse as u16 + 1).collect()
}

impl<'a> Terminal<'a> {
    /// The terminals of thread number `thread` in run number `run`.
    pub(super) fn new(
        database: &'a Database,
        options: &RunOptions,
        constants: Constants,
        run: u16,
        thread: u16,
    ) -> Terminal<'a> {
        let transaction =
            TransactionOptions::new().isolation(options.isolation).durability(options.durability);
        // Stream 0 drew the run's constants.
        let stream = u64::from(run) << 16 | (u64::from(thread) + 1);
        let district_of_thread = (thread % u16::from(DISTRICTS)) as u8 + 1;
        Terminal {
            database,
            constants,
            homes: homes(usize::from(thread), options.threads, database.scale.warehouses),
            turn: 0,
            stock_level_district: options.think.then_some(district_of_thread),
            in_flight: options.in_flight,
            submits: database.engine.mode() == Mode::Deterministic,
            updating: TransactOptions { transaction, ..TransactOptions::default() },
            reading: TransactOptions { transaction: transaction.read_only(), ..TransactOptions::default() },
            random: Random::new(options.seed, stream),
            deck: Deck::new(options.mix),
            history_ids: HistoryIds::new(run, thread),
            scratch: Scratch::default(),
            pending: VecDeque::with_capacity(options.in_flight),
            statistics: Statistics::default(),
        }
    }

    /// Enters the next transaction, and waits until there is room for another one; returns when it started.
    pub(super) fn step(&mut self) -> Result<Instant> {
        let kind = self.deck.draw(&mut self.random);
        let started = self.start(kind)?;
        // At most half of those in flight wait to be run, so that others run while the log is flushed.
        let run = self.pending.len().checked_sub(1 + self.in_flight / 2);
        if let Some(newest) = run.and_then(|run| self.pending.get_mut(run)) {
            newest.awaited.wait_executed();
        }
        self.settle(self.in_flight.saturating_sub(1))?;
        Ok(started)
    }

    /// The same with the user's keying and thinking around it; cut short at `deadline` or when `stop` says so.
    pub(super) fn step_with_thinking(&mut self, deadline: Instant, stop: impl Fn() -> bool) -> Result<()> {
        let kind = self.deck.draw(&mut self.random);
        let Pace { keying, thinking_mean } = pace_of(kind);
        if !sleep_until(Instant::now() + keying, deadline, &stop) {
            return Ok(());
        }
        self.start(kind)?;
        self.settle(0)?;
        let thinking = draw_think_time(&mut self.random, thinking_mean);
        sleep_until(Instant::now() + thinking, deadline, &stop);
        Ok(())
    }

    /// Enters a transaction and puts it into the queue; returns when it started.
    fn start(&mut self, kind: Kind) -> Result<Instant> {
        let started = Instant::now();
        match self.perform(kind)? {
            Entered::Awaited(awaited) => self.pending.push_back(Pending { kind, started, awaited }),
            Entered::RolledBack => self.count(kind, started, Ended::RolledBack),
        }
        Ok(started)
    }

    /// Counts the transactions that have become durable, and waits for the oldest ones until at most `leave`
    /// are left.
    pub(super) fn settle(&mut self, leave: usize) -> Result<()> {
        while self.pending.len() > leave
            || self.pending.front().is_some_and(|oldest| oldest.awaited.is_done())
        {
            let Some(Pending { kind, started, awaited }) = self.pending.pop_front() else {
                break;
            };
            let ended = awaited.wait()?;
            self.count(kind, started, ended);
        }
        Ok(())
    }

    fn count(&mut self, kind: Kind, started: Instant, ended: Ended) {
        let counts = &mut self.statistics.audit;
        match ended {
            Ended::Committed => {}
            Ended::RolledBack => counts.new_orders_rolled_back += 1,
            Ended::Delivered { skipped } => counts.delivery_districts_skipped += skipped,
        }
        let statistics = self.statistics.of_mut(kind);
        match ended {
            Ended::RolledBack => statistics.rolled_back += 1,
            _ => statistics.committed += 1,
        }
        statistics.latencies.record(started.elapsed());
    }

    fn perform(&mut self, kind: Kind) -> Result<Entered> {
        let home = self.homes[self.turn];
        self.turn = (self.turn + 1) % self.homes.len();
        match kind {
            Kind::NewOrder => self.new_order(home),
            Kind::Payment => self.payment(home),
            Kind::OrderStatus => self.order_status(home),
            Kind::Delivery => self.delivery(home),
            Kind::StockLevel => self.stock_level(home),
        }
    }

    fn new_order(&mut self, home: u16) -> Result<Entered> {
        let Database { engine, tables, scale, .. } = self.database;
        let input = NewOrder::draw(&mut self.random, home, *scale, &self.constants);
        let counts = &mut self.statistics.audit;
        counts.new_orders += 1;
        counts.order_lines += input.lines().len() as u64;
        counts.remote_order_lines += input.remote_lines() as u64;
        if self.submits {
            let ticket = engine.submit_with(self.updating.transaction, input)?;
            return Ok(Entered::Awaited(Awaited::NewOrder(ticket)));
        }
        let (statistics, scratch) = (self.statistics.of_mut(Kind::NewOrder), &mut self.scratch);
        let work = |txn: &Transaction| input.execute(txn, &tables.refs(), scratch);
        match attempt(engine, &self.updating, statistics, work)? {
            None => Ok(Entered::RolledBack),
            committed => entered(committed),
        }
    }

    fn payment(&mut self, home: u16) -> Result<Entered> {
        let Database { engine, tables, scale, .. } = self.database;
        let history_id = self.history_ids.next_id();
        let input = Payment::draw(&mut self.random, home, *scale, &self.constants, history_id);
        let counts = &mut self.statistics.audit;
        counts.payments += 1;
        counts.remote_payments += u64::from(input.is_remote());
        counts.payments_by_name += u64::from(input.customer.is_by_name());
        if self.submits {
            let ticket = engine.submit_with(self.updating.transaction, input)?;
            return Ok(Entered::Awaited(Awaited::Payment(ticket)));
        }
        let (statistics, scratch) = (self.statistics.of_mut(Kind::Payment), &mut self.scratch);
        let work = |txn: &Transaction| input.execute(txn, &tables.refs(), scratch);
        entered(attempt(engine, &self.updating, statistics, work)?)
    }

    fn order_status(&mut self, home: u16) -> Result<Entered> {
        let Database { engine, tables, scale, .. } = self.database;
        let input = OrderStatus::draw(&mut self.random, home, *scale, &self.constants);
        let counts = &mut self.statistics.audit;
        counts.order_statuses += 1;
        counts.order_statuses_by_name += u64::from(input.customer.is_by_name());
        let (statistics, scratch) = (self.statistics.of_mut(Kind::OrderStatus), &mut self.scratch);
        let work = |txn: &Transaction| input.execute(txn, &tables.refs(), scratch);
        entered(attempt(engine, &self.reading, statistics, work)?)
    }

    /// Ten transactions.
    fn delivery(&mut self, home: u16) -> Result<Entered> {
        let input = Delivery::draw(&mut self.random, home);
        self.statistics.audit.delivery_districts += u64::from(DISTRICTS);
        if !self.submits {
            return self.deliver(input);
        }
        let submit = |district| {
            let procedure = DeliverDistrict { delivery: input, district };
            self.database.engine.submit_with(self.updating.transaction, procedure)
        };
        let tickets = (1..=DISTRICTS).map(submit).collect::<synod::Result<_>>()?;
        Ok(Entered::Awaited(Awaited::Delivery(tickets)))
    }

    /// The terminal waits for the last transaction that delivered something. As the log keeps the commit order, the
    /// others are durable by then.
    fn deliver(&mut self, input: Delivery) -> Result<Entered> {
        let Database { engine, tables, .. } = self.database;
        let (statistics, scratch) = (self.statistics.of_mut(Kind::Delivery), &mut self.scratch);
        let mut last: Option<Committed<Option<u32>>> = None;
        let mut skipped = 0;
        for district in 1..=DISTRICTS {
            let work = |txn: &Transaction| input.execute(district, txn, &tables.refs(), scratch);
            let committed = attempt(engine, &self.updating, statistics, work)?;
            let delivered = committed.as_ref().is_some_and(|committed| committed.value.is_some());
            skipped += u64::from(!delivered);
            if delivered || last.is_none() {
                last = committed;
            }
        }
        self.statistics.audit.delivery_districts_skipped += skipped;
        entered(last)
    }

    fn stock_level(&mut self, home: u16) -> Result<Entered> {
        let Database { engine, tables, .. } = self.database;
        let drawn = self.random.between(1, u64::from(DISTRICTS)) as u8;
        let district = self.stock_level_district.unwrap_or(drawn);
        let input = StockLevel::draw(&mut self.random, DistrictId { warehouse: home, district });
        let (statistics, scratch) = (self.statistics.of_mut(Kind::StockLevel), &mut self.scratch);
        let work = |txn: &Transaction| input.execute(txn, &tables.refs(), scratch);
        entered(attempt(engine, &self.reading, statistics, work)?)
    }
}

/// Of a transaction that never rolls back on purpose.
fn entered<T>(committed: Option<Committed<T>>) -> Result<Entered> {
    let committed = committed
        .ok_or_else(|| Error::Settings("a transaction without items rolled back: a bug here".to_string()))?;
    black_box(&committed.value);
    Ok(Entered::Awaited(Awaited::Commit(committed.handle)))
}

/// Runs `work` as a transaction, again after each abort by the engine, and counts the aborts. `None` if the
/// work rolled back because of an unused item.
fn attempt<T>(
    engine: &Engine,
    options: &TransactOptions,
    statistics: &mut KindStatistics,
    mut work: impl FnMut(&Transaction) -> Result<T, Failure>,
) -> Result<Option<Committed<T>>> {
    let mut attempts = 0;
    let outcome = engine.transact_with(options, |txn| {
        attempts += 1;
        work(txn)
    });
    statistics.retries += u64::from(attempts.max(1) - 1u32);
    match outcome {
        Ok(committed) => {
            for abort in &committed.aborts {
                *statistics.aborts.entry(abort.kind()).or_default() += 1;
            }
            Ok(Some(committed))
        }
        Err(Failure::UnusedItem) => Ok(None),
        Err(Failure::Error(error)) => Err(error),
    }
}

/// Sleeps until `wake`; false if `deadline` or `stop` came first.
fn sleep_until(wake: Instant, deadline: Instant, stop: &impl Fn() -> bool) -> bool {
    const NAP_MAX: Duration = Duration::from_millis(50);
    loop {
        let now = Instant::now();
        if now >= deadline || stop() {
            return false;
        }
        if now >= wake {
            return true;
        }
        std::thread::sleep((wake.min(deadline) - now).min(NAP_MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_warehouse_has_terminals_and_every_thread_has_a_home() {
        for threads in 1..=12 {
            for warehouses in 1..=12u16 {
                let all: Vec<Vec<u16>> =
                    (0..threads).map(|thread| homes(thread, threads, warehouses)).collect();
                assert!(all.iter().all(|homes| !homes.is_empty()));
                let used: std::collections::BTreeSet<u16> = all.iter().flatten().copied().collect();
                assert_eq!(used, (1..=warehouses).collect(), "{threads} threads, {warehouses} warehouses");
            }
        }
        assert_eq!(homes(1, 2, 5), [2, 4]);
        assert_eq!(homes(3, 4, 2), [2]);
    }

    #[test]
    fn sleeping_ends_at_the_first_of_wake_deadline_and_stop() {
        let now = Instant::now();
        let soon = now + Duration::from_millis(5);
        let later = now + Duration::from_secs(100);
        assert!(sleep_until(soon, later, &|| false));
        assert!(!sleep_until(later, Instant::now() + Duration::from_millis(5), &|| false));
        assert!(!sleep_until(later, later, &|| true));
    }
}
