//! The server's side: what a client answered.

use super::fields::Fields;
use super::{Algorithm, Qop};
use crate::message::Message;

/// One answer to a challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who it says it is; a hash when [`Credentials::has_hidden_user`].
    pub user: String,
    /// Whether the user is hashed with the realm (RFC 7616 §3.4.4).
    pub has_hidden_user: bool,
    /// The realm of the challenge.
    pub realm: String,
    /// The URI that was signed. Old phones sign another than that of the start line, so it is the one that is checked.
    pub uri: String,
    /// The hash.
    pub algorithm: Algorithm,
    pub(super) nonce: String,
    pub(super) response: String,
    /// How the nonce was used: protection, count and the client's own random text; `None` for RFC 2069.
    pub(super) usage: Option<(Qop, u32, String)>,
}

impl Credentials {
    /// The credentials in Authorization (or Proxy-Authorization) for one of our realms.
    pub fn find(request: &Message, realm: &str) -> Option<Self> {
        let lines = request.headers("Authorization").chain(request.headers("Proxy-Authorization"));
        let mut values = lines.flat_map(Fields::read_all);
        values.find_map(|fields| Self::of(&fields).filter(|credentials| credentials.realm == realm))
    }

    /// Reads the first credentials of an Authorization value.
    pub fn read(value: &str) -> Option<Self> {
        Fields::read_all(value).first().and_then(Self::of)
    }

    fn of(fields: &Fields) -> Option<Self> {
        let usage = match fields.get("qop") {
            Some(qop) => {
                let count = fields.get("nc").filter(|count| count.len() == 8)?;
                let count = u32::from_str_radix(count, 16).ok()?;
                Some((Qop::of(qop)?, count, fields.get("cnonce")?.to_owned()))
            }
            None => None,
        };
        let user = match fields.get("username") {
            Some(user) => user.to_owned(),
            None => extended(fields.get("username*")?)?,
        };
        Some(Self {
            user,
            has_hidden_user: fields.is_true("userhash"),
            realm: fields.get("realm")?.to_owned(),
            uri: fields.get("uri")?.to_owned(),
            algorithm: fields.get("algorithm").map_or(Some(Algorithm::Md5), Algorithm::of)?,
            nonce: fields.get("nonce")?.to_owned(),
            response: fields.get("response")?.to_ascii_lowercase(),
            usage,
        })
    }
}

/// Reads `UTF-8''percent%20escaped` (RFC 5987).
fn extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, text) = rest.split_once('\'')?;
    let is_utf_8 = charset.eq_ignore_ascii_case("UTF-8");
    is_utf_8.then(|| crate::uri::decode(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extended_user_is_decoded() {
        let value = "Digest username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, realm=r, uri=\"/x\", nonce=n, response=r";
        assert_eq!(Credentials::read(value).unwrap().user, "J\u{e4}s\u{f8}n Doe");
    }

    #[test]
    fn what_lacks_a_field_or_has_a_short_count_is_none() {
        let full = "Digest username=u, realm=r, uri=x, nonce=n, response=r, qop=auth, nc=00000001, cnonce=c";
        assert!(Credentials::read(full).is_some());
        for field in
            ["username=u, ", "realm=r, ", "uri=x, ", "nonce=n, ", "response=r, ", "nc=00000001, ", ", cnonce=c"]
        {
            assert_eq!(Credentials::read(&full.replace(field, "")), None, "{field}");
        }
        assert_eq!(Credentials::read(&full.replace("00000001", "1")), None);
        assert_eq!(Credentials::read(&format!("{full}, algorithm=MD6")), None);
    }
}
