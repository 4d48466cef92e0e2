//! The values of From, To, Contact, Route and their like: a name, a URI, parameters.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;

use super::list::{find_outside, quoted, quoted_length, trim, unquoted};
use super::params::Params;
use super::text::{Span, Text};
use crate::uri::{self, Uri, UriError};

/// One `"name" <uri>;params` or bare `uri;params`, as it came.
///
/// A URI inside a quoted name is part of the name: `"x <sip:ceo@corp>" <sip:attacker@evil>` is the attacker.
#[derive(Clone)]
pub struct NameAddr {
    text: Text,
    places: Places,
}

/// Where the parts of a value lie in its text.
#[derive(Clone, Copy)]
pub(super) struct Places {
    display: Span,
    uri: Span,
    params: Span,
    /// The parts of the URI in its own text, if they were looked for.
    address: Option<uri::Parts>,
}

impl Places {
    /// Those of a good value; `None` for text that is none.
    pub(super) fn find(whole: &str) -> Option<Self> {
        check(whole).ok()
    }
}

/// Why text is not a name and address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameAddrError {
    /// A quoted name does not end, or something other than an address follows it.
    #[error("the display name is not closed")]
    Quote,
    /// An angle bracket has no partner.
    #[error("the angle brackets do not match")]
    Angle,
    /// A URI outside angle brackets holds `?` or `,`, which only brackets allow (RFC 3261 §20).
    #[error("the URI needs angle brackets")]
    Bare,
    /// A parameter is empty.
    #[error("a parameter is empty")]
    Params,
    /// The URI is not one.
    #[error(transparent)]
    Uri(#[from] UriError),
}

impl NameAddr {
    /// A new value from a plain display name and a URI; add a tag with [`NameAddr::with_param`].
    pub fn new(display: Option<&str>, uri: &Uri) -> Self {
        let text = match display {
            Some(display) => format!("{} <{uri}>", quoted(display)),
            None => format!("<{uri}>"),
        };
        Self::lenient(Text::from(text))
    }

    /// Reads text of its own.
    ///
    /// # Errors
    /// When the text is not a name and address.
    pub fn parse(text: &str) -> Result<Self, NameAddrError> {
        Self::read(Text::from(text))
    }

    /// Reads a piece of a message without a copy.
    ///
    /// # Errors
    /// When the text is not a name and address.
    pub fn read(text: Text) -> Result<Self, NameAddrError> {
        let places = check(text.as_str())?;
        Ok(Self { places, text })
    }

    /// A value whose places were found before in the same text.
    pub(super) fn at(places: Places, text: Text) -> Self {
        Self { text, places }
    }

    /// Whether [`NameAddr::read`] would accept the text.
    pub(super) fn is_well_formed(text: &str) -> bool {
        check(text).is_ok()
    }

    /// Reads what can be read; text without any address becomes the URI part as a whole.
    pub(super) fn lenient(text: Text) -> Self {
        let whole = text.as_str();
        let [display, uri, params] = find_parts(whole).unwrap_or(["", whole, ""]).map(|part| Span::of(whole, part));
        Self { places: Places { display, uri, params, address: None }, text }
    }

    /// The display name without quotes and backslashes; `None` when there is none or it is empty.
    pub fn display(&self) -> Option<Cow<'_, str>> {
        let display = unquoted(self.text.span(self.places.display));
        (!display.is_empty()).then_some(display)
    }

    /// The URI.
    ///
    /// # Errors
    /// Never for a value that [`NameAddr::read`] accepted or a message that was accepted as a whole.
    pub fn uri(&self) -> Result<Uri, UriError> {
        match self.places.address {
            Some(parts) => Ok(parts.of_text(self.text.part(self.uri_text()))),
            None => Uri::read_part(&self.text, self.uri_text()),
        }
    }

    /// The URI as text.
    pub fn uri_text(&self) -> &str {
        self.text.span(self.places.uri)
    }

    /// The tag of From and To.
    pub fn tag(&self) -> Option<&str> {
        self.param("tag")
    }

    /// The parameters behind the address (not those of the URI).
    pub fn params(&self) -> Params<'_> {
        Params::new(self.text.span(self.places.params))
    }

    /// The value of one parameter behind the address, as written.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params().get(name)
    }

    /// The same value with one parameter appended; `value` is written as given and must be a token or quoted.
    pub fn with_param(&self, name: &str, value: Option<&str>) -> Self {
        let equals = if value.is_some() { "=" } else { "" };
        let value = value.unwrap_or_default();
        Self::lenient(Text::from(format!("{};{name}{equals}{value}", self.text)))
    }

    /// The same value with this tag appended.
    pub fn with_tag(&self, tag: &str) -> Self {
        self.with_param("tag", Some(tag))
    }

    /// The same name and URI in brackets without any parameter behind them.
    pub fn without_params(&self) -> Self {
        let display = self.text.span(self.places.display);
        let space = if display.is_empty() { "" } else { " " };
        Self::lenient(Text::from(format!("{display}{space}<{}>", self.uri_text())))
    }

    /// The whole value as it came.
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// The same value in bytes of its own, for a value that outlives its message.
    pub fn detached(&self) -> Self {
        Self { text: self.text.detached(), ..self.clone() }
    }
}

/// Values are the same whose text is.
impl PartialEq for NameAddr {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for NameAddr {}

impl std::hash::Hash for NameAddr {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// The parts of a value whose parameters and URI are good.
fn check(whole: &str) -> Result<Places, NameAddrError> {
    let parts = find_parts(whole)?;
    let [_, address, params] = parts;
    if !Params::new(params).is_well_formed() {
        return Err(NameAddrError::Params);
    }
    let address = Some(uri::find_parts(address)?);
    let [display, uri, params] = parts.map(|part| Span::of(whole, part));
    Ok(Places { display, uri, params, address })
}

/// The display name, the URI and the parameters, as pieces of the text.
fn find_parts(whole: &str) -> Result<[&str; 3], NameAddrError> {
    match find_outside(whole, b'<') {
        Some(open) => find_in_angles(whole, open),
        None => find_bare(whole),
    }
}

/// Reads `display <uri> params` with the bracket at `open`.
fn find_in_angles(whole: &str, open: usize) -> Result<[&str; 3], NameAddrError> {
    let display = trim(&whole[..open]);
    if display.starts_with('"') && quoted_length(display) != Some(display.len()) {
        return Err(NameAddrError::Quote);
    }
    let length = memchr(b'>', &whole.as_bytes()[open..]).ok_or(NameAddrError::Angle)?;
    let params = trim(&whole[open + length + 1..]);
    if !params.is_empty() && !params.starts_with(';') {
        return Err(NameAddrError::Angle);
    }
    Ok([display, &whole[open + 1..open + length], params])
}

/// Reads a URI without brackets: what follows its first semicolon belongs to the header (RFC 3261 §20.10).
fn find_bare(whole: &str) -> Result<[&str; 3], NameAddrError> {
    let text = trim(whole);
    if text.starts_with('"') {
        return Err(NameAddrError::Quote);
    }
    let end = memchr(b';', text.as_bytes()).unwrap_or(text.len());
    let uri = trim(&text[..end]);
    if uri.contains(['?', ',']) {
        return Err(NameAddrError::Bare);
    }
    Ok(["", uri, &text[end..]])
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NameAddr({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> NameAddr {
        NameAddr::parse(text).unwrap()
    }

    #[test]
    fn an_address_inside_a_quoted_name_is_only_a_name() {
        let spoof = read(r#""x <sip:ceo@corp>" <sip:attacker@evil>;tag=1"#);
        assert_eq!(spoof.uri_text(), "sip:attacker@evil");
        assert_eq!(spoof.display().as_deref(), Some("x <sip:ceo@corp>"));
        let spoof = read(r#""x\" <sip:ceo@corp>;tag=9" <sip:attacker@evil>;tag=1"#);
        assert_eq!((spoof.uri_text(), spoof.tag()), ("sip:attacker@evil", Some("1")));
        assert_eq!(spoof.display().as_deref(), Some("x\" <sip:ceo@corp>;tag=9"));
    }

    #[test]
    fn parameters_of_the_uri_are_not_those_of_the_header() {
        let address = read("<sip:a@b;tag=inner;lr>;tag=outer");
        assert_eq!(address.tag(), Some("outer"));
        assert_eq!(address.uri().unwrap().param("tag"), Some("inner"));
        let address = read("sip:a@b;tag=outer;x");
        assert_eq!((address.uri_text(), address.tag()), ("sip:a@b", Some("outer")));
    }

    #[test]
    fn unquoted_names_are_read() {
        assert_eq!(read("Bell, Alexander <sip:a@b>;tag=43").display().as_deref(), Some("Bell, Alexander"));
        assert_eq!(read("caller<sip:a@b>").display().as_deref(), Some("caller"));
        assert_eq!(read("<sip:a@b>").display(), None);
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        let error = |text| NameAddr::parse(text).unwrap_err();
        assert_eq!(error(r#""Mr. J. User <sip:a@b>"#), NameAddrError::Quote);
        assert_eq!(error(r#""a" b <sip:a@b>"#), NameAddrError::Quote);
        assert_eq!(error("<sip:a@b"), NameAddrError::Angle);
        assert_eq!(error("<sip:a@b> <sip:c@d>"), NameAddrError::Angle);
        assert_eq!(error("sip:a@b?Route=x"), NameAddrError::Bare);
        assert_eq!(error("<sip:a@b>;;;;"), NameAddrError::Params);
        assert_eq!(error("< sip:a@b >"), NameAddrError::Uri(UriError::Character));
    }

    #[test]
    fn a_built_value_reads_back() {
        let uri = Uri::parse("sip:a@b").unwrap();
        let address = NameAddr::new(Some("Say \"hi\"\r\n"), &uri).with_tag("t1");
        insta::assert_snapshot!(address, @r#""Say \"hi\"" <sip:a@b>;tag=t1"#);
        assert_eq!(address.display().as_deref(), Some("Say \"hi\""));
        assert_eq!(address.without_params().as_str(), r#""Say \"hi\"" <sip:a@b>"#);
    }
}
