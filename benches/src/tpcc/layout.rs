//! How a row lies in its bytes: fixed fields at fixed offsets, then texts.
//!
//! ```text
//! ┌─ fixed part, little-endian, packed ─┬─ texts, each with its length (2 bytes) before it ─┐
//! │ quantity │ ytd │ order_count │ …    │ 10 │ name ……… │ 17 │ street_1 ……… │ …            │
//! └─────────────────────────────────────┴───────────────────────────────────────────────────┘
//! ```
//!
//! Nothing is decoded until it is asked for: a row is a view over bytes, wherever they lie. A New-Order reads
//! one price from an item, in place; it changes four numbers of a stock row in a copy of its bytes and never
//! looks at the other 250. The [`row!`](crate::tpcc::layout) macro writes the views out of a list of fields.

use crate::error::{Error, Result};

/// A value of fixed size inside a row.
pub trait Field: Sized {
    /// Reads the value from exactly its bytes.
    fn read(bytes: &[u8]) -> Self;
    /// Writes the value over exactly its bytes.
    fn write(&self, bytes: &mut [u8]);
}

macro_rules! number_fields {
    ($($type:ty),*) => {$(
        impl Field for $type {
            #[inline]
            fn read(bytes: &[u8]) -> Self {
                let mut raw = [0; size_of::<$type>()];
                raw.copy_from_slice(bytes);
                <$type>::from_le_bytes(raw)
            }
            #[inline]
            fn write(&self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}
number_fields!(u8, u16, u32, i16, i32, i64);

impl<const LENGTH: usize> Field for [u8; LENGTH] {
    #[inline]
    fn read(bytes: &[u8]) -> Self {
        let mut value = [0; LENGTH];
        value.copy_from_slice(bytes);
        value
    }
    #[inline]
    fn write(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(self);
    }
}

/// Checks that the fixed part of a row of `table` is there.
#[inline]
pub fn check_fixed_part(table: &'static str, bytes: &[u8], fixed_bytes: usize) -> Result<()> {
    if bytes.len() >= fixed_bytes {
        return Ok(());
    }
    Err(Error::MalformedRow { table, length: bytes.len(), problem: "its fixed part is cut short" })
}

/// The range of text number `index` in a row whose texts begin at `fixed_bytes`.
pub fn text_range(
    table: &'static str,
    bytes: &[u8],
    fixed_bytes: usize,
    index: usize,
) -> Result<std::ops::Range<usize>> {
    let cut_short = || Error::MalformedRow { table, length: bytes.len(), problem: "a text is cut short" };
    let mut start = fixed_bytes;
    for skipped in 0..=index {
        let length = bytes.get(start..start + 2).ok_or_else(cut_short)?;
        let end = start + 2 + usize::from(u16::read(length));
        if skipped == index {
            return if end <= bytes.len() { Ok(start + 2..end) } else { Err(cut_short()) };
        }
        start = end;
    }
    Err(cut_short())
}

/// Appends a text with its length before it. Longer texts than 65,535 bytes don't occur in this workload.
pub fn push_text(row: &mut Vec<u8>, text: &[u8]) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    row.extend_from_slice(&length.to_le_bytes());
    row.extend_from_slice(&text[..usize::from(length)]);
}

/// Writes, for one table, the view over a row's bytes and the struct of all its values.
///
/// `row! { pub Stock "stock", StockValues<'a> { quantity set_quantity: i16, … } texts { data } }` gives
///
/// - `Stock<B>`: a view over bytes `B`, with `quantity()` for reading, `set_quantity(…)` where the bytes can be
///   written, and `data()` for the text;
/// - `StockValues<'a>`: one field for each column, and `encode`, which writes them as a row.
macro_rules! row {
    (
        $(#[$about:meta])*
        $vis:vis $view:ident $table:literal, $values:ident $(<$life:lifetime>)? {
            $( $(#[$field_about:meta])* $field:ident $set:ident: $type:ty, )*
        }
        texts { $( $(#[$text_about:meta])* $text:ident, )* }
    ) => {
        $(#[$about])*
        ///
        /// This is a view over the row's bytes; fields are read when they are asked for.
        #[derive(Clone, Copy, Debug)]
        $vis struct $view<B>(B);

        const _: () = {
            /// Only for the offsets: no value of this type is ever made.
            #[repr(C, packed)]
            #[allow(dead_code)]
            struct Fixed {
                $( $field: $type, )*
            }

            /// Only for the positions of the texts.
            #[allow(non_camel_case_types, dead_code, clippy::upper_case_acronyms)]
            enum Text {
                $( $text, )*
                None,
            }

            impl<B: AsRef<[u8]>> $view<B> {
                /// A view over `bytes`.
                ///
                /// # Errors
                ///
                /// If the bytes are shorter than the fixed part of such a row.
                #[inline]
                $vis fn parse(bytes: B) -> $crate::error::Result<Self> {
                    $crate::tpcc::layout::check_fixed_part($table, bytes.as_ref(), size_of::<Fixed>())?;
                    Ok($view(bytes))
                }

                $(
                    $(#[$field_about])*
                    #[inline]
                    $vis fn $field(&self) -> $type {
                        const AT: usize = std::mem::offset_of!(Fixed, $field);
                        $crate::tpcc::layout::Field::read(&self.0.as_ref()[AT..AT + size_of::<$type>()])
                    }
                )*

                $(
                    $(#[$text_about])*
                    ///
                    /// # Errors
                    ///
                    /// If the row is cut short.
                    #[inline]
                    $vis fn $text(&self) -> $crate::error::Result<&[u8]> {
                        let bytes = self.0.as_ref();
                        let fixed_bytes = size_of::<Fixed>();
                        $crate::tpcc::layout::text_range($table, bytes, fixed_bytes, Text::$text as usize)
                            .map(|range| &bytes[range])
                    }
                )*
            }

            impl<B: AsRef<[u8]> + AsMut<[u8]>> $view<B> {
                $(
                    /// Changes the field in place.
                    #[inline]
                    $vis fn $set(&mut self, value: $type) {
                        const AT: usize = std::mem::offset_of!(Fixed, $field);
                        $crate::tpcc::layout::Field::write(
                            &value,
                            &mut self.0.as_mut()[AT..AT + size_of::<$type>()],
                        );
                    }
                )*
            }

            impl $(<$life>)? $values $(<$life>)? {
                /// Writes the values as a row; `row` is cleared first.
                $vis fn encode(&self, row: &mut Vec<u8>) {
                    row.clear();
                    row.resize(size_of::<Fixed>(), 0);
                    $({
                        const AT: usize = std::mem::offset_of!(Fixed, $field);
                        $crate::tpcc::layout::Field::write(&self.$field, &mut row[AT..AT + size_of::<$type>()]);
                    })*
                    $( $crate::tpcc::layout::push_text(row, self.$text); )*
                }
            }
        };

        #[doc = concat!("All values of a row of table ", $table, ".")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis struct $values $(<$life>)? {
            $( $(#[$field_about])* $vis $field: $type, )*
            $( $(#[$text_about])* $vis $text: &'a [u8], )*
        }
    };
}
pub(crate) use row;

#[cfg(test)]
mod tests {
    row! {
        /// A row of nothing but this test.
        Sample "sample", SampleValues<'a> {
            /// A small number.
            small set_small: i16,
            /// A large number.
            large set_large: i64,
            /// Some bytes.
            code set_code: [u8; 3],
        }
        texts {
            /// The first text.
            first,
            /// The second text.
            second,
        }
    }

    const VALUES: SampleValues<'static> =
        SampleValues { small: -2, large: 1 << 40, code: *b"abc", first: b"one", second: b"" };

    #[test]
    fn what_is_encoded_is_read_back() {
        let mut row = vec![9; 100];
        VALUES.encode(&mut row);
        assert_eq!(row.len(), 2 + 8 + 3 + (2 + 3) + 2);
        let view = Sample::parse(&row).expect("whole");
        assert_eq!((view.small(), view.large(), view.code()), (-2, 1 << 40, *b"abc"));
        assert_eq!((view.first().expect("text"), view.second().expect("text")), (&b"one"[..], &b""[..]));
    }

    #[test]
    fn setting_a_field_leaves_the_others() {
        let mut row = Vec::new();
        VALUES.encode(&mut row);
        let mut view = Sample::parse(&mut row).expect("whole");
        view.set_large(-1);
        view.set_code(*b"xyz");
        view.set_small(3);
        let mut expected = Vec::new();
        SampleValues { small: 3, large: -1, code: *b"xyz", ..VALUES }.encode(&mut expected);
        assert_eq!(row, expected);
    }

    #[test]
    fn rows_that_are_cut_short_are_errors_at_every_length() {
        let mut row = Vec::new();
        VALUES.encode(&mut row);
        for length in 0..row.len() {
            let cut = &row[..length];
            let whole = Sample::parse(cut).is_ok_and(|view| view.first().is_ok() && view.second().is_ok());
            assert!(!whole, "{length} bytes passed for a row of {}", row.len());
        }
    }
}
