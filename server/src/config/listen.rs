//! Values of the configuration that are more than a number or a text.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// An address to listen on, or `"off"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(Option<SocketAddr>);

impl Listen {
    /// The address, unless it is off.
    pub const fn address(self) -> Option<SocketAddr> {
        self.0
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text == "off" {
            return Ok(Self(None));
        }
        let address = text.parse().map_err(|_| D::Error::custom("neither ADDRESS:PORT nor \"off\""))?;
        Ok(Self(Some(address)))
    }
}

/// Which database engine and where; it may hold a password, so it never prints itself.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// A database by its URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The URL; `sqlite` alone is a file in `data_dir`.
    pub fn resolve(&self, data_dir: &Path) -> String {
        match self.0.as_str() {
            "sqlite" => format!("sqlite://{}", data_dir.join("callfield.db").display()),
            url => url.to_owned(),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = self.0.split(':').next().unwrap_or_default();
        write!(f, "DatabaseUrl({engine})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_never_prints_its_password() {
        let url = DatabaseUrl::new("postgres://callfield:secret@db/callfield");
        assert_eq!(format!("{url:?}"), "DatabaseUrl(postgres)");
    }

    #[test]
    fn sqlite_alone_is_a_file_in_the_data_folder() {
        assert_eq!(DatabaseUrl::new("sqlite").resolve(Path::new("/data")), "sqlite:///data/callfield.db");
    }
}
