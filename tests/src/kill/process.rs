//! Starting a process and killing it.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::crash::failure::PATIENCE;

/// The signal that can't be caught.
const SIGKILL: i32 = 9;

/// Starts a process whose output is listened to.
///
/// # Errors
/// If it can't be started.
pub fn start(program: &Path, arguments: &[&str]) -> Result<Child, String> {
    let child = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    child.map_err(|error| format!("cannot start {}: {error}", program.display()))
}

/// Kills a process some time after it has said a line that begins with `cue`. Returns everything that it said until
/// then; a line that the kill has cut off was not said.
///
/// # Errors
/// If it ends by itself, or never says the cue.
pub fn kill_after(mut child: Child, cue: &'static str, wait: Duration) -> Result<String, String> {
    let mut stdout = child.stdout.take().expect("its output is listened to");
    let (heard, is_heard) = channel();
    let listener = std::thread::spawn(move || {
        let (mut said, mut heard) = (Vec::new(), Some(heard));
        let mut piece = [0; 1 << 16];
        while let Ok(bytes @ 1..) = stdout.read(&mut piece) {
            said.extend_from_slice(&piece[..bytes]);
            if let Some(heard) = heard.take_if(|_| has_line(whole_lines(&said), cue)) {
                // Whoever waits for it may have lost patience.
                let _ = heard.send(());
            }
        }
        whole_lines(&said).to_owned()
    });
    let was_heard = is_heard.recv_timeout(PATIENCE).is_ok();
    if was_heard {
        std::thread::sleep(wait);
    }
    // It may have ended by itself; its status tells.
    let _ = child.kill();
    let status = child.wait().map_err(|error| format!("cannot wait for the process: {error}"))?;
    let said = listener.join().expect("the listener doesn't panic");
    match status.signal() {
        Some(SIGKILL) if was_heard => Ok(said),
        Some(SIGKILL) => Err(format!("the process has not said {cue:?} in {} s", PATIENCE.as_secs())),
        _ => Err(format!("the process ended by itself: {status}")),
    }
}

fn has_line(said: &str, cue: &str) -> bool {
    said.lines().any(|line| line.starts_with(cue))
}

/// The lines that are whole.
fn whole_lines(bytes: &[u8]) -> &str {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    std::str::from_utf8(&bytes[..end]).expect("it says what is text")
}
