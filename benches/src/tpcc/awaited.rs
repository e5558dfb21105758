//! What a terminal waits for, once it has entered its input.

use super::new_order::NewOrderResult;
use super::payment::PaymentResult;
use super::procedures::UNUSED_ITEM;
use crate::error::{Error, Result};
use std::hint::black_box;
use synod::{CommitHandle, Ticket};

/// A transaction on its way.
pub(super) enum Awaited {
    /// It has committed, and may not be durable yet.
    Commit(CommitHandle),
    /// A New-Order that gets its place in the order.
    NewOrder(Ticket<NewOrderResult>),
    /// A Payment, likewise.
    Payment(Ticket<PaymentResult>),
    /// The ten transactions of a Delivery, likewise.
    Delivery(Vec<Ticket<Option<u32>>>),
}

/// How a transaction has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Committed,
    /// Because of an unused item.
    RolledBack,
    /// A Delivery that found nothing to deliver in so many districts.
    Delivered {
        skipped: u64,
    },
}

impl Awaited {
    /// Whether it has ended, as far as that can be told without waiting.
    pub(super) fn is_done(&self) -> bool {
        match self {
            Awaited::Commit(handle) => handle.is_done(),
            Awaited::NewOrder(ticket) => ticket.is_done(),
            Awaited::Payment(ticket) => ticket.is_done(),
            Awaited::Delivery(tickets) => tickets.iter().all(Ticket::is_done),
        }
    }

    /// Waits until it has run; it may not be durable.
    pub(super) fn wait_executed(&mut self) {
        match self {
            Awaited::Commit(_) => {}
            Awaited::NewOrder(ticket) => ticket.wait_executed(),
            Awaited::Payment(ticket) => ticket.wait_executed(),
            Awaited::Delivery(tickets) => tickets.iter_mut().for_each(Ticket::wait_executed),
        }
    }

    /// Waits until it is durable, or rolled back. A procedure that has not run yet is run meanwhile.
    pub(super) fn wait(self) -> Result<Ended> {
        match self {
            Awaited::Commit(handle) => {
                handle.wait()?;
                Ok(Ended::Committed)
            }
            Awaited::NewOrder(ticket) => match ticket.wait() {
                Ok(executed) => {
                    black_box(executed.output);
                    Ok(Ended::Committed)
                }
                Err(synod::Error::Rejected { reason }) if &*reason == UNUSED_ITEM => Ok(Ended::RolledBack),
                Err(error) => Err(Error::Engine(error)),
            },
            Awaited::Payment(ticket) => {
                black_box(ticket.wait()?.output);
                Ok(Ended::Committed)
            }
            Awaited::Delivery(tickets) => {
                let mut skipped = 0;
                for ticket in tickets {
                    skipped += u64::from(ticket.wait()?.output.is_none());
                }
                Ok(Ended::Delivered { skipped })
            }
        }
    }
}
