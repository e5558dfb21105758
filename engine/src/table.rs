//! A handle to a table.

use std::fmt;
use std::sync::Arc;

use crate::options::MergeFunction;
use crate::{Error, Result};

/// A table: an ordered map from keys to values. Cheap to clone; obtained from
/// [`Engine::table`](crate::Engine::table).
#[derive(Clone)]
pub struct Table {
    pub(crate) engine: u64,
    pub(crate) inner: Arc<synod_storage::Table>,
    pub(crate) merge: Option<Arc<MergeFunction>>,
}

impl Table {
    /// The table's name.
    pub fn name(&self) -> &str {
        self.inner.name()
    }

    /// Checks that this is a table of the engine with this number.
    #[inline]
    pub(crate) fn check_engine(&self, engine: u64) -> Result<()> {
        if self.engine == engine {
            return Ok(());
        }
        Err(Error::ForeignTable { table: self.name().to_owned() })
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("name", &self.name()).finish_non_exhaustive()
    }
}
