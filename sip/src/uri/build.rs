//! Making URIs and copies with one part changed.

use std::fmt::Write as _;

use super::{Scheme, Uri, UriError, escape};

impl Uri {
    /// A sip URI; `user` is plain text and is escaped as needed.
    ///
    /// # Errors
    /// When the host is not usable.
    pub fn sip(user: Option<&str>, host: &str, port: Option<u16>) -> Result<Self, UriError> {
        let mut text = String::from("sip:");
        if let Some(user) = user {
            text.push_str(&escape::encode_user(user));
            text.push('@');
        }
        text.push_str(host);
        if let Some(port) = port {
            // Writing to a String cannot fail.
            let _ = write!(text, ":{port}");
        }
        Self::read(text.into())
    }

    /// The same URI with one parameter more; an earlier one of this name is replaced. `value` is plain text.
    pub fn with_param(&self, name: &str, value: Option<&str>) -> Self {
        let mut params = self.params_without(name);
        params.push(';');
        params.push_str(&escape::encode_param(name));
        if let Some(value) = value {
            params.push('=');
            params.push_str(&escape::encode_param(value));
        }
        self.with_tail(&params, self.headers())
    }

    /// The same URI without the parameters of this name.
    pub fn without_param(&self, name: &str) -> Self {
        self.with_tail(&self.params_without(name), self.headers())
    }

    /// The same URI without headers, as it must stand in a start line.
    pub fn without_headers(&self) -> Self {
        self.with_tail(self.params().as_str(), None)
    }

    /// The same URI with one header more behind `?`, such as Replaces in a Refer-To; `value` is plain text.
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        let pair = format!("{}={}", escape::encode_header(name), escape::encode_header(value));
        let headers = self.headers().map_or(pair.clone(), |headers| format!("{headers}&{pair}"));
        self.with_tail(self.params().as_str(), Some(&headers))
    }

    /// The value of the first header of this name behind `?`, decoded.
    pub fn header(&self, name: &str) -> Option<String> {
        let pairs = self.headers()?.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.into_iter().find(|(found, _)| escape::decode(found).eq_ignore_ascii_case(name))?;
        Some(escape::decode(value).into_owned())
    }

    fn params_without(&self, name: &str) -> String {
        let mut params = String::new();
        for (found, value) in self.params().iter().filter(|(found, _)| !found.eq_ignore_ascii_case(name)) {
            params.push(';');
            params.push_str(found);
            if let Some(value) = value {
                params.push('=');
                params.push_str(value);
            }
        }
        params
    }

    /// A URI of another scheme has no parts, so it stays as it is.
    fn with_tail(&self, params: &str, headers: Option<&str>) -> Self {
        let head_end = match self.scheme {
            Scheme::Sip | Scheme::Sips => self.host_end(),
            Scheme::Tel => self.user.end(),
            Scheme::Other => return self.clone(),
        };
        let mut text = self.as_str()[..head_end].to_owned();
        text.push_str(params);
        if let Some(headers) = headers {
            text.push('?');
            text.push_str(headers);
        }
        Self::read(text.into()).unwrap_or_else(|_| self.clone())
    }

    /// Where host and port end.
    fn host_end(&self) -> usize {
        let tail = &self.as_str()[self.host.end()..];
        self.host.end() + tail.find([';', '?']).unwrap_or(tail.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_built_uri_reads_back() {
        let uri = Uri::sip(Some("a@b c"), "[::1]", Some(5070)).unwrap();
        assert_eq!(uri.as_str(), "sip:a%40b%20c@[::1]:5070");
        assert_eq!(uri.user_decoded().as_deref(), Some("a@b c"));
        assert!(Uri::sip(None, "a b", None).is_err());
    }

    #[test]
    fn one_part_changes_and_the_rest_stays() {
        let uri = Uri::parse("sip:x@h:5060;a=1;lr?b=2").unwrap();
        assert_eq!(uri.with_param("A", Some("2;3")).as_str(), "sip:x@h:5060;lr;A=2%3B3?b=2");
        assert_eq!(uri.without_param("lr").as_str(), "sip:x@h:5060;a=1?b=2");
        assert_eq!(uri.without_headers().as_str(), "sip:x@h:5060;a=1;lr");
    }

    #[test]
    fn a_header_goes_in_and_comes_out() {
        let uri = Uri::parse("sip:x@h").unwrap().with_header("Replaces", "1@h;to-tag=a;from-tag=b");
        assert_eq!(uri.as_str(), "sip:x@h?Replaces=1%40h%3Bto-tag%3Da%3Bfrom-tag%3Db");
        assert_eq!(uri.header("replaces").as_deref(), Some("1@h;to-tag=a;from-tag=b"));
        assert_eq!(uri.header("subject"), None);
    }
}
