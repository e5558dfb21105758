//! Reads a history: joins invocations and how they ended.

use super::error::EdnError;
use super::event::{Event, Process, Type, event};
use super::token::{Token, Tokens};
use crate::history::{History, Key, Operation, Outcome, Transaction};
use rustc_hash::FxHashMap;

/// Reads a history from the text of a file; `progress` is told from time to time how many bytes have been read.
///
/// ```
/// let text = r"{:type :ok, :process 1, :value [[:append :x 1] [:r :x [1]]]}";
/// let history = synod_checker::read_edn(text.as_bytes(), |_| {})?;
/// assert_eq!(history.transactions()[0].session, Some(1));
/// # Ok::<(), synod_checker::EdnError>(())
/// ```
///
/// # Errors
/// If the text isn't EDN, or no history: what, and where.
pub fn read_edn(text: &[u8], mut progress: impl FnMut(usize)) -> Result<History, EdnError> {
    let mut tokens = Tokens::new(text);
    let mut joined = Joined::default();
    let mut in_vector = false;
    loop {
        match tokens.next()? {
            Token::Open(b'{') => {
                if let Some(event) = event(&mut tokens, &mut joined.history)? {
                    joined.add(event);
                }
                progress(tokens.position());
            }
            Token::Open(b'[' | b'(') if !in_vector && joined.events == 0 => in_vector = true,
            Token::Close(b']' | b')') if in_vector => in_vector = false,
            // Records of a program have their class in front.
            Token::Tag(_) => {}
            Token::End if !in_vector => break,
            other => return Err(tokens.unexpected("an event like {:type :ok, :value [[:r 1 nil]]}", &other)),
        }
    }
    Ok(joined.finish())
}

/// The transactions so far.
#[derive(Default)]
struct Joined {
    history: History,
    /// For each process the transaction that it has invoked and not yet finished.
    running: FxHashMap<Process, usize>,
    events: u64,
}

impl Joined {
    fn add(&mut self, event: Event) {
        let moment = event.index.unwrap_or(self.events);
        self.events += 1;
        let session = match event.process {
            Process::Number(number) => Some(number),
            Process::Unnamed | Process::Other => None,
        };
        let mut transaction = Transaction::new(match event.what {
            Type::Ok => Outcome::Committed,
            Type::Fail => Outcome::Aborted,
            Type::Info | Type::Invoke => Outcome::Unknown,
        });
        (transaction.session, transaction.line) = (session, Some(event.line));
        transaction.operations = event.operations;
        if event.what == Type::Invoke {
            transaction.begin = Some(moment);
            keep_writes(&mut transaction);
            // Whoever runs already will never be finished.
            self.running.insert(event.process, self.history.push(transaction));
        } else if let Some(place) = self.running.remove(&event.process) {
            let invoked = &mut self.history.transactions_mut()[place];
            invoked.outcome = transaction.outcome;
            if transaction.outcome == Outcome::Committed {
                invoked.end = Some(moment);
                (invoked.operations, invoked.line) = (transaction.operations, transaction.line);
            } else if !transaction.operations.is_empty() {
                // What it has read is not known, whatever it says.
                keep_writes(&mut transaction);
                invoked.operations = transaction.operations;
            }
        } else {
            (transaction.begin, transaction.end) = (event.begin, event.end);
            self.history.push(transaction);
        }
    }

    /// Decides which reads of nothing are reads of empty lists.
    fn finish(mut self) -> History {
        let mut has_lists = false;
        let mut is_register = vec![false; self.history.keys()];
        let mut is_list = vec![false; self.history.keys()];
        for operation in self.history.transactions().iter().flat_map(|transaction| &transaction.operations) {
            let of = |Key(key): &Key| *key as usize;
            match operation {
                Operation::Append { key, .. } | Operation::ReadList { key, .. } => {
                    has_lists = true;
                    is_list[of(key)] = true;
                }
                Operation::Write { key, .. } | Operation::Read { key, value: Some(_) } => {
                    is_register[of(key)] = true;
                }
                _ => {}
            }
        }
        if has_lists {
            for operation in self.history.transactions_mut().iter_mut().flat_map(|txn| &mut txn.operations) {
                if let Operation::Read { key, value: None } = *operation
                    && (is_list[key.0 as usize] || !is_register[key.0 as usize])
                {
                    *operation = Operation::ReadList { key, elements: Box::default() };
                }
            }
        }
        self.history
    }
}

fn keep_writes(transaction: &mut Transaction) {
    transaction.operations.retain(Operation::writes);
}
