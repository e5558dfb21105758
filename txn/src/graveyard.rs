//! Dropped tables, kept until no running transaction can hold a lock in them.
//!
//! A transaction remembers the addresses of the records that it has locked, and not their tables: a point
//! read would otherwise pay for a shared reference count. So the cost is put on the drop. A dropped table is
//! buried together with the list of the transactions that were running then, and goes when they are over:
//!
//! ```text
//! T7 ───── locks a record of t ─────────────────── release ─┐
//! drop of t        marks t ── lists T7 ─── buries ── · · · ─┴─ the next sweep frees t
//! T8                               begins, finds t marked, and locks nothing in it
//! ```
//!
//! **Invariant** A transaction that isn't on the list of a dropped table finds it marked as dropped.

use std::sync::Arc;

use synod_storage::Table;
use synod_storage::sync::Mutex;

use crate::{Registry, TransactionId};

/// The dropped tables that somebody may still hold locks in.
#[derive(Debug, Default)]
pub(crate) struct Graveyard {
    graves: Mutex<Vec<Grave>>,
}

#[derive(Debug)]
struct Grave {
    /// Held to keep it alive.
    _table: Arc<Table>,
    /// Who may hold locks in it.
    running: Vec<(u16, TransactionId)>,
}

impl Graveyard {
    /// Keeps a table that was marked as dropped for as long as the transactions that are running now.
    pub(crate) fn bury(&self, table: Arc<Table>, registry: &Registry) {
        let running = registry.running_now();
        self.graves.lock().push(Grave { _table: table, running });
    }

    /// Lets go of the tables whose transactions are over.
    pub(crate) fn sweep(&self, registry: &Registry) {
        let is_needed = |grave: &mut Grave| {
            grave.running.retain(|&(slot, id)| registry.slot(slot).is_owned_by(id));
            !grave.running.is_empty()
        };
        let freed: Vec<Grave> = self.graves.lock().extract_if(.., |grave| !is_needed(grave)).collect();
        // Frees whole tables: not under the lock.
        drop(freed);
    }
}
