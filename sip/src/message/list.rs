//! Cutting text at separators that stand outside quotes and angle brackets.

use memchr::{memchr, memchr3};

/// The parts of `text` between separators, trimmed; separators in quotes or angle brackets do not count.
pub(crate) fn split(text: &str, separator: u8) -> Split<'_> {
    Split { rest: Some(text), separator }
}

/// The iterator of [`split`].
#[derive(Debug, Clone)]
pub(crate) struct Split<'a> {
    rest: Option<&'a str>,
    separator: u8,
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let (part, tail) = match find_outside(rest, self.separator) {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        self.rest = tail;
        Some(trim(part))
    }
}

/// The position of the first `wanted` byte (ASCII) outside quotes and angle brackets.
pub(crate) fn find_outside(text: &str, wanted: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += memchr3(wanted, b'"', b'<', &bytes[at..])?;
        at += match bytes[at] {
            found if found == wanted => return Some(at),
            b'"' => quoted_length(&text[at..])?,
            _ => memchr(b'>', &bytes[at..])? + 1,
        };
    }
}

/// The text before and behind the first `separator` (ASCII), wherever it stands.
pub(crate) fn cut(text: &str, separator: u8) -> Option<(&str, &str)> {
    let at = memchr(separator, text.as_bytes())?;
    Some((&text[..at], &text[at + 1..]))
}

/// The length of the quoted string at the start of `text`, quotes included; `None` when it does not end.
pub(crate) fn quoted_length(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate();
    if bytes.next()?.1 != b'"' {
        return None;
    }
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The content of a quoted string without its quotes and backslashes; other text as it is.
pub(crate) fn unquoted(text: &str) -> std::borrow::Cow<'_, str> {
    let inner = match quoted_length(text) {
        Some(length) if length == text.len() => &text[1..length - 1],
        _ => return text.into(),
    };
    if !inner.contains('\\') {
        return inner.into();
    }
    let mut characters = inner.chars();
    let mut plain = String::with_capacity(inner.len());
    while let Some(character) = characters.next() {
        let kept = if character == '\\' { characters.next() } else { Some(character) };
        plain.extend(kept);
    }
    plain.into()
}

/// Text as a quoted string: quotes and backslashes escaped, control characters left out.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars().filter(|character| !character.is_control()) {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

/// Text without the white space of a header at its ends (folds included).
pub(crate) fn trim(text: &str) -> &str {
    text.trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_quotes_or_angles_does_not_separate() {
        let parts: Vec<_> = split(r#""a, \"b" <sip:x,y@z> ;q=1, sip:c ,"#, b',').collect();
        assert_eq!(parts, [r#""a, \"b" <sip:x,y@z> ;q=1"#, "sip:c", ""]);
    }

    #[test]
    fn quoting_and_unquoting_give_the_same_text() {
        let text = r#"say "hi" \ bye"#;
        assert_eq!(quoted(text), r#""say \"hi\" \\ bye""#);
        assert_eq!(unquoted(&quoted(text)), text);
        assert_eq!(unquoted("\"open"), "\"open");
    }
}
