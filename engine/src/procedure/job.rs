//! A procedure on its way, whatever its type.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use smallvec::SmallVec;
use synod_storage::Timestamp;

use super::answer::HasAnswer;
use super::{Answer, Declaration, Executed, Position, Procedure, View};
use crate::{Error, Result};

/// So many bytes of arguments take no memory of their own.
const ARGUMENTS_INLINE: usize = 256;

/// The arguments of a procedure, as the log has them.
pub(crate) type Arguments = SmallVec<[u8; ARGUMENTS_INLINE]>;

/// What is to become of what a procedure has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It stays.
    Commit,
    /// The procedure has rejected, or failed.
    Reject,
}

/// A procedure with its arguments, and the place for its answer.
pub(crate) struct Job<P: Procedure> {
    procedure: P,
    /// When it was handed in, as the history counts moments.
    submitted: u64,
    pub(crate) answer: Answer<P::Output>,
}

/// A job of whichever procedure.
pub(crate) trait AnyJob: Send + Sync {
    fn name(&self) -> &'static str;

    fn version(&self) -> u32;

    /// When it was handed in, as the history counts moments.
    fn submitted(&self) -> u64;

    /// The arguments, as the log has them.
    fn encode(&self) -> Result<Arguments>;

    fn declare(&self, declaration: &mut Declaration<'_>) -> Result<()>;

    /// Runs it, and puts its answer down, given at this place if it has one.
    fn run(&self, view: &View<'_>, position: Option<Position>) -> Verdict;

    /// The answer that was put down, to be compared.
    fn outcome(&self) -> Vec<u8>;

    /// The error that was put down as the answer, if it was one.
    fn error(&self) -> Option<Error>;

    /// Lets the answer be picked up, which was given at this time. Returns who waits for it.
    fn publish(&self, at: Timestamp) -> Option<Waker>;

    /// The answer is this error.
    fn fail(&self, error: Error);
}

impl<P: Procedure> Job<P> {
    pub(crate) fn new(procedure: P, submitted: u64) -> Self {
        Job { procedure, submitted, answer: Answer::default() }
    }
}

impl<P: Procedure> HasAnswer<P::Output> for Job<P> {
    fn answer(&self) -> &Answer<P::Output> {
        &self.answer
    }
}

impl<P: Procedure> AnyJob for Job<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn version(&self) -> u32 {
        P::VERSION
    }

    fn submitted(&self) -> u64 {
        self.submitted
    }

    fn encode(&self) -> Result<Arguments> {
        let mut arguments = Arguments::from_elem(0, ARGUMENTS_INLINE);
        // Those that fit are put down byte by byte, which is faster where there is always room.
        let encoded = match postcard::to_slice(&self.procedure, &mut arguments) {
            Ok(used) => {
                let length = used.len();
                arguments.truncate(length);
                Ok(arguments)
            }
            Err(postcard::Error::SerializeBufferFull) => {
                postcard::to_stdvec(&self.procedure).map(Arguments::from_vec)
            }
            Err(error) => Err(error),
        };
        encoded.map_err(|error| arguments_error::<P>(&error))
    }

    fn declare(&self, declaration: &mut Declaration<'_>) -> Result<()> {
        self.procedure.declare(declaration)
    }

    fn run(&self, view: &View<'_>, position: Option<Position>) -> Verdict {
        let outcome = run_caught(&self.procedure, view);
        let verdict = if outcome.is_ok() { Verdict::Commit } else { Verdict::Reject };
        let timestamp = view.now();
        self.answer.put(outcome.map(|output| Executed { output, timestamp, position }));
        verdict
    }

    fn outcome(&self) -> Vec<u8> {
        self.answer.encoded()
    }

    fn error(&self) -> Option<Error> {
        self.answer.error()
    }

    fn publish(&self, at: Timestamp) -> Option<Waker> {
        self.answer.publish(at)
    }

    fn fail(&self, error: Error) {
        self.answer.put(Err(error));
    }
}

/// Runs a procedure; a panic becomes an error.
pub(crate) fn run_caught<P: Procedure>(procedure: &P, view: &View<'_>) -> Result<P::Output> {
    // The view's effects are undone, whatever state they are in, and nothing else is shared with the procedure.
    catch_unwind(AssertUnwindSafe(|| procedure.run(view))).unwrap_or_else(|panic| {
        let message = message_of(&*panic);
        Err(Error::ProcedurePanicked { procedure: P::NAME, message })
    })
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

pub(crate) fn arguments_error<P: Procedure>(error: &postcard::Error) -> Error {
    Error::ProcedureArguments { procedure: P::NAME.to_owned(), reason: error.to_string() }
}
