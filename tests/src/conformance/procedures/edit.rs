//! A procedure that writes what it is told.

use serde::{Deserialize, Serialize};
use synod::{Declaration, Error, Procedure, Result, View};

/// What becomes of an edit after it has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// It commits.
    Commit,
    /// It rejects.
    Reject,
    /// It panics.
    Panic,
}

/// Puts and deletes records of the table `t`, in order, and answers what was there before each.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Edit {
    writes: Vec<(String, Option<String>)>,
    end: End,
    is_declared: bool,
}

impl Edit {
    /// One that does nothing, declares that, and commits.
    #[expect(clippy::new_without_default, reason = "the beginning of a sentence")]
    pub fn new() -> Edit {
        Edit { writes: Vec::new(), end: End::Commit, is_declared: true }
    }

    /// And puts a record.
    pub fn put(mut self, key: impl Into<String>, value: impl Into<String>) -> Edit {
        self.writes.push((key.into(), Some(value.into())));
        self
    }

    /// And deletes a key.
    pub fn delete(mut self, key: impl Into<String>) -> Edit {
        self.writes.push((key.into(), None));
        self
    }

    /// And ends like this.
    pub fn end(self, end: End) -> Edit {
        Edit { end, ..self }
    }

    /// Without saying beforehand what it touches.
    pub fn undeclared(self) -> Edit {
        Edit { is_declared: false, ..self }
    }
}

impl Procedure for Edit {
    const NAME: &'static str = "edit";
    type Output = Vec<Option<String>>;

    fn declare(&self, footprint: &mut Declaration<'_>) -> Result<()> {
        if !self.is_declared {
            footprint.unknown();
        }
        self.writes.iter().try_for_each(|(key, _)| footprint.write("t", key))
    }

    fn run(&self, view: &View<'_>) -> Result<Vec<Option<String>>> {
        let table = view.table("t")?;
        let mut before = Vec::new();
        for (key, value) in &self.writes {
            before.push(view.get(table, key)?.map(super::super::world::text));
            match value {
                Some(value) => view.put(table, key, value)?,
                None => drop(view.delete(table, key)?),
            }
        }
        match self.end {
            End::Commit => Ok(before),
            End::Reject => Err(Error::rejected("it was told to")),
            End::Panic => panic!("it was told to"),
        }
    }
}
