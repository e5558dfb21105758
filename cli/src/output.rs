//! The two streams that commands write to. Whoever reads them may have enough before everything is written, as `head`
//! has: that is no failure, and ends no command that has something to find out.

use std::io::{self, ErrorKind, Write};

/// Writes a line or a page to standard output; nothing, once nobody reads it any more.
///
/// # Errors
/// If it can't be written for another reason.
pub(crate) fn print(text: &str) -> io::Result<()> {
    unless_closed(writeln!(io::stdout(), "{text}"))
}

/// Writes a line to standard error, if it can be written.
pub(crate) fn remark(text: &str) {
    // There is nowhere to tell that nothing can be told.
    let _ = writeln!(io::stderr(), "{text}");
}

/// The outcome of a write, which is none's fault if nobody reads any more.
fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_closed_pipe_is_no_failure() {
        assert!(unless_closed(Err(ErrorKind::BrokenPipe.into())).is_ok());
        assert!(unless_closed(Err(ErrorKind::StorageFull.into())).is_err());
        assert!(unless_closed(Ok(())).is_ok());
    }
}
