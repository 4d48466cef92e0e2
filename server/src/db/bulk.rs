//! Several rows in one statement: on either engine the way to it costs more than a row.

use std::sync::LazyLock;

/// The rows that a statement takes, the most first; the last one makes every count possible.
const SIZES: [usize; 4] = [64, 16, 4, 1];

/// A statement for several rows of values.
pub(super) struct Bulk {
    by_size: [String; SIZES.len()],
}

/// A statement whose texts are made when it is first used.
pub(super) type LazyBulk = LazyLock<Bulk>;

/// Declares a table's statements for several rows (head, row, width and tail of [`Bulk::new`]) and lists them, so that a
/// test can prepare every one on both engines.
macro_rules! bulks {
    ($($(#[$doc:meta])* $name:ident = $head:expr, $row:expr, $width:expr, $tail:expr;)*) => {
        $($(#[$doc])* static $name: $crate::db::bulk::LazyBulk =
            std::sync::LazyLock::new(|| $crate::db::bulk::Bulk::new($head, $row, $width, $tail));)*
        #[cfg(test)]
        pub(crate) static BULKS: &[(&str, &$crate::db::bulk::LazyBulk)] = &[$((stringify!($name), &$name)),*];
    };
}
pub(super) use bulks;

impl Bulk {
    /// `head`, then `row` for each row, then `tail`. In `row`, `:1` is the row's first parameter, `width` is how many
    /// it has, and `$1` is shared by all rows.
    pub(super) fn new(head: &str, row: &str, width: usize, tail: &str) -> Self {
        let by_size = SIZES.map(|size| {
            let rows: Vec<String> = (0..size).map(|nth| numbered(row, 2 + nth * width, width)).collect();
            format!("{head} VALUES {} {tail}", rows.join(", "))
        });
        Self { by_size }
    }

    /// Cuts rows into as many as one statement takes, with that statement.
    pub(super) fn cut<'a, T>(&'static self, rows: &'a [T]) -> impl Iterator<Item = (&'static str, &'a [T])> {
        let mut rest = rows;
        std::iter::from_fn(move || {
            let nth = SIZES.iter().position(|size| *size <= rest.len())?;
            let (rows, after) = rest.split_at(SIZES[nth]);
            rest = after;
            Some((self.by_size[nth].as_str(), rows))
        })
    }

    /// Every text of it.
    #[cfg(test)]
    pub(super) fn texts(&'static self) -> impl Iterator<Item = &'static str> {
        self.by_size.iter().map(String::as_str)
    }
}

/// A row's text with its parameters counted from `first`.
fn numbered(row: &str, first: usize, width: usize) -> String {
    // The highest first: `:1` is also how `:10` begins.
    (1..=width).rev().fold(row.to_owned(), |row, nth| row.replace(&format!(":{nth}"), &format!("${}", first + nth - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    static PAIRS: LazyBulk = LazyLock::new(|| Bulk::new("INSERT INTO t", "($1, :1, :2 + :1)", 2, "ON CONFLICT"));

    #[test]
    fn rows_are_numbered_on() {
        let four = PAIRS.texts().nth(2).unwrap();
        let expected =
            "INSERT INTO t VALUES ($1, $2, $3 + $2), ($1, $4, $5 + $4), ($1, $6, $7 + $6), ($1, $8, $9 + $8)";
        assert_eq!(four, format!("{expected} ON CONFLICT"));
        assert_eq!(numbered("(:1, :10)", 2, 10), "($2, $11)");
    }

    #[test]
    fn every_row_is_in_one_statement_and_the_order_stays() {
        for count in 0..150 {
            let rows: Vec<usize> = (0..count).collect();
            let cut: Vec<_> = PAIRS.cut(&rows).collect();
            assert!(cut.len() <= count / 64 + 9);
            for (text, rows) in &cut {
                assert_eq!(text.matches("($1").count(), rows.len());
            }
            assert_eq!(cut.into_iter().flat_map(|(_, rows)| rows.to_vec()).collect::<Vec<_>>(), rows);
        }
    }
}
