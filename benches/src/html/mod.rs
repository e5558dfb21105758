//! A comparison as one page of HTML that needs nothing else: no network, no scripts.
//!
//! | file | what it is for |
//! | --- | --- |
//! | `page.rs` | the sections, in their order |
//! | `charts.rs` | which charts there are, and of what |
//! | `bars.rs`, `lines.rs` | the two kinds of charts |
//! | `scale.rs`, `canvas.rs` | axes; drawing as SVG |
//! | `tables.rs` | all figures |
//! | `style.css` | colours, by day and by night, on wide and narrow screens |

mod bars;
mod canvas;
mod charts;
mod lines;
mod page;
mod scale;
mod tables;

use crate::driver::report::Report;
use crate::error::Result;

/// Writes the page.
///
/// # Errors
///
/// If a chart can't be drawn.
pub fn page(report: &Report) -> Result<String> {
    page::page(report)
}

/// Text as it must stand in HTML, between tags and in attributes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Of the characters that can't be seen, HTML allows only white space.
            letter if letter.is_control() && !letter.is_whitespace() => safe.push('\u{fffd}'),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_a_tag() {
        assert_eq!(
            escaped("<a href=\"x\">'&\u{1}'</a>"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;\u{fffd}&#39;&lt;/a&gt;"
        );
    }
}
