//! A running transaction under two-phase locking.

use std::sync::Arc;

use synod_storage::Table;

use super::TwoPhaseLocking;
use crate::locking::Writer;
use crate::protocol::{ActiveTransaction, BeginOptions, CommitReceipt, Expect, Intent, Isolation, Savepoint};
use crate::{Abort, Cursor, Durability, Result, Visit, VisitKey, VisitNth};

/// A transaction that holds locks on what it has read, as its level asks, and on what it has written.
pub(crate) struct Transaction {
    pub(super) writer: Writer,
    pub(super) isolation: Isolation,
}

impl Transaction {
    pub(super) fn begin(protocol: &TwoPhaseLocking, options: &BeginOptions) -> Result<Self> {
        Ok(Transaction { writer: Writer::begin(&protocol.locking, options)?, isolation: options.isolation })
    }
}

impl ActiveTransaction for Transaction {
    fn read(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        intent: Intent,
        visit: &mut VisitKey<'_>,
    ) -> Result<()> {
        self.writer.check(table, key)?;
        self.read_key(table, key, intent, visit)
    }

    fn read_together(
        &mut self,
        table: &Arc<Table>,
        keys: &[&[u8]],
        intent: Intent,
        visit: &mut VisitNth<'_>,
    ) -> Result<()> {
        keys.iter().try_for_each(|key| self.writer.check(table, key))?;
        self.read_keys(table, keys, intent, visit)
    }

    fn write(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        value: Option<&[u8]>,
        expect: Expect,
    ) -> Result<bool> {
        self.writer.check(table, key)?;
        self.write_key(table, key, value, expect)
    }

    fn scan(
        &mut self,
        table: &Arc<Table>,
        cursor: &mut Cursor,
        intent: Intent,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        self.writer.check(table, &[])?;
        if cursor.is_done() {
            return Ok(());
        }
        self.scan_leaf(table, cursor, intent, visit)
    }

    fn write_count(&self) -> u64 {
        self.writer.write_count()
    }

    fn savepoint(&mut self) -> Result<Savepoint> {
        Ok(self.writer.savepoint())
    }

    fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        self.writer.rollback_to(savepoint)
    }

    fn commit(mut self: Box<Self>, durability: Durability) -> Result<CommitReceipt> {
        self.writer.commit(durability, |_| Ok(()))
    }

    fn abort(self: Box<Self>) {}

    fn age(&self) -> u64 {
        self.writer.age()
    }

    fn slot(&self) -> Option<u16> {
        Some(self.writer.slot())
    }

    fn abort_reason(&self) -> Option<&Abort> {
        self.writer.abort_reason()
    }
}
