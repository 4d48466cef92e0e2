//! A typed line as words: blanks separate, quotes keep together.

/// The words of a line; `None` when a quote is not closed.
pub(super) fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_blanks_and_empty_words() {
        let said = words(r#"log last --details "wants a 'quote'" --subject ''"#).unwrap();
        assert_eq!(said, ["log", "last", "--details", "wants a 'quote'", "--subject", ""]);
    }

    #[test]
    fn a_quote_that_is_not_closed_is_no_line() {
        assert_eq!(words("log \"last"), None);
        assert_eq!(words("  "), Some(vec![]));
    }
}
