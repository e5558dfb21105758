//! Damaged texts: whatever is read, there is a history or an error with a place, never a panic, never an endless loop.

mod simulate;

use simulate::{Form, Isolation, Random, Workload, run};
use synod_checker::{Options, check, read_edn, write_edn};

const PIECES: [&str; 24] = [
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "#",
    "#_",
    "#{",
    "\"",
    "\\",
    ":",
    ";",
    "\n",
    "nil",
    "-1",
    "99999999999999999999999999999999999999999",
    ":type :ok",
    ":value",
    "[:scan nil",
    "[:append 1",
    "#bytes \"0\"",
    "é",
    "\u{0}",
];

fn text(seed: u64) -> Vec<u8> {
    let form = [Form::Versions, Form::Lists, Form::Registers][seed as usize % 3];
    let (clients, transactions, keys, writes_per_key) = (3, 12, 4, 8);
    let workload = Workload {
        seed,
        isolation: Isolation::ReadCommitted,
        form,
        clients,
        transactions,
        keys,
        writes_per_key,
    };
    let mut text = Vec::new();
    write_edn(&run(workload), &mut text).expect("written");
    text
}

#[test]
fn damage_is_an_error_or_another_history() {
    let mut random = Random(5);
    let (mut errors, mut histories) = (0, 0);
    for seed in 0..3000 {
        let mut text = text(seed % 30);
        for _ in 0..1 + random.below(3) {
            let at = random.below(text.len() as u64 + 1) as usize;
            match random.below(4) {
                0 => text.truncate(at.max(1)),
                1 if at < text.len() => text[at] ^= 1 << random.below(8),
                2 if at < text.len() => drop(text.remove(at)),
                _ => {
                    let piece = PIECES[random.below(PIECES.len() as u64) as usize];
                    text.splice(at..at, piece.bytes());
                }
            }
        }
        match read_edn(&text, |_| {}) {
            Err(error) => {
                let lines = text.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
                assert!(error.line >= 1 && error.line <= lines && error.column >= 1, "{error}");
                errors += 1;
            }
            Ok(history) => {
                // Versions may now be made twice, and so on; that is an error, too.
                let _ = check(&history, &Options::default());
                histories += 1;
            }
        }
    }
    assert!(errors > 500 && histories > 200, "{errors} {histories}");
}
