//! The procedures that an engine knows.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Procedure;
use super::job::{AnyJob, Job, arguments_error};
use crate::{Error, Result};

/// Makes a job of a procedure from arguments out of a log.
type Decode = fn(&[u8]) -> Result<Arc<dyn AnyJob>>;

/// Procedures by name.
#[derive(Clone, Default)]
pub(crate) struct Library {
    entries: FxHashMap<&'static str, (u32, Decode)>,
}

impl Library {
    pub(crate) fn add<P: Procedure>(&mut self) {
        let decode: Decode = |arguments| {
            let procedure: P =
                postcard::from_bytes(arguments).map_err(|error| arguments_error::<P>(&error))?;
            Ok(Arc::new(Job::new(procedure, 0)))
        };
        self.entries.insert(P::NAME, (P::VERSION, decode));
    }

    /// An error unless this procedure is known, in this version.
    pub(crate) fn check(&self, name: &str, version: u32) -> Result<()> {
        self.find(name, version).map(|_| ())
    }

    /// A job out of a log.
    pub(crate) fn decode(&self, name: &str, version: u32, arguments: &[u8]) -> Result<Arc<dyn AnyJob>> {
        self.find(name, version)?(arguments)
    }

    fn find(&self, name: &str, version: u32) -> Result<Decode> {
        let known = self.entries.get(name);
        match known {
            Some((known, decode)) if *known == version => Ok(*decode),
            _ => Err(Error::UnknownProcedure {
                procedure: name.to_owned(),
                version,
                known: known.map(|(known, _)| *known),
            }),
        }
    }
}
