//! URIs: sip, sips, tel, and anything else kept as it came.
//!
//! A [`Uri`] is the text it was read from plus the places of its parts; nothing is decoded, so it is written back
//! byte for byte. [`Uri::is_equivalent`] compares as RFC 3261 §19.1.4 says, `==` compares the text.

mod build;
mod equality;
mod escape;
mod read;

pub(crate) use escape::decode;
pub(crate) use read::{Parts, find_parts, read_host_and_port};

use std::borrow::Cow;
use std::fmt;

use crate::message::text::Span;
use crate::message::{Params, Text};

/// A URI.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    text: Text,
    scheme: Scheme,
    /// The user of sip and sips, the number of tel, everything behind the colon of other schemes.
    user: Span,
    password: Option<Span>,
    host: Span,
    port: Option<u16>,
    params: Span,
    headers: Span,
}

/// What kind of URI it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:` (RFC 3966)
    Tel,
    /// Any other scheme.
    Other,
}

/// Why text is not a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// It does not start with a scheme and a colon.
    #[error("the URI has no scheme")]
    Scheme,
    /// It holds white space, control characters, quotes or angle brackets.
    #[error("the URI holds a character that no URI may hold")]
    Character,
    /// Its host is missing or is not a name, an IPv4 address or an IPv6 reference.
    #[error("the URI has no usable host")]
    Host,
    /// Its port is not a number from 0 to 65535.
    #[error("the port of the URI is not a port number")]
    Port,
    /// Its user part is empty or its number is.
    #[error("the user part of the URI is empty")]
    User,
    /// It is longer than [`Uri::SIZE_LIMIT_BYTES`].
    #[error("the URI is too long")]
    Size,
}

impl Uri {
    /// The longest URI that is read.
    pub const SIZE_LIMIT_BYTES: usize = 8 * 1024;

    /// Reads a URI from text of its own.
    ///
    /// # Errors
    /// When the text is not a URI; see [`UriError`].
    pub fn parse(text: &str) -> Result<Self, UriError> {
        Self::read(Text::from(text))
    }

    /// Reads a URI from a piece of a message without a copy.
    ///
    /// # Errors
    /// When the text is not a URI; see [`UriError`].
    pub fn read(text: Text) -> Result<Self, UriError> {
        read::read(text)
    }

    /// Reads a part of a text; `part` must be a slice of it.
    pub(crate) fn read_part(text: &Text, part: &str) -> Result<Self, UriError> {
        read::read_part(text, part)
    }

    /// Which scheme it has.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The user part as written (sip, sips), the number (tel), or everything behind the colon (others).
    pub fn user(&self) -> Option<&str> {
        (!self.user.is_empty()).then(|| self.text.span(self.user))
    }

    /// The user part with its percent escapes decoded.
    pub fn user_decoded(&self) -> Option<Cow<'_, str>> {
        self.user().map(decode)
    }

    /// The password as written; not to be used, but not to be lost either.
    pub fn password(&self) -> Option<&str> {
        self.password.map(|span| self.text.span(span))
    }

    /// The host as written, an IPv6 address with its brackets; empty for tel and other schemes.
    pub fn host(&self) -> &str {
        self.text.span(self.host)
    }

    /// The port, if one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The URI's own parameters.
    pub fn params(&self) -> Params<'_> {
        Params::new(self.text.span(self.params))
    }

    /// The value of one URI parameter, as written.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params().get(name)
    }

    /// The headers behind `?`, as written: `name=value` pairs joined by `&`.
    pub fn headers(&self) -> Option<&str> {
        (!self.headers.is_empty()).then(|| self.text.span(self.headers))
    }

    /// The whole URI as it came.
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// The whole URI as shared text.
    pub fn text(&self) -> &Text {
        &self.text
    }

    /// The same URI in bytes of its own, for a value that outlives its message.
    pub fn detached(&self) -> Self {
        Self { text: self.text.detached(), ..self.clone() }
    }

    /// Whether two URIs mean the same (RFC 3261 §19.1.4). Not transitive, so it is not `==`.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        equality::is_equivalent(self, other)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({})", self.as_str())
    }
}

impl std::str::FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}
