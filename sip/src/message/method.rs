//! Request methods.

use std::fmt;

use super::text::Text;

/// What a request asks for. Names are case-sensitive (RFC 3261 §7.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    /// Starts or changes a session (RFC 3261).
    Invite,
    /// Confirms the final answer to an INVITE (RFC 3261).
    Ack,
    /// Ends a session (RFC 3261).
    Bye,
    /// Withdraws a pending request (RFC 3261).
    Cancel,
    /// Asks what the other end can do (RFC 3261).
    Options,
    /// Binds an address of record to contacts (RFC 3261).
    Register,
    /// Acknowledges a provisional answer (RFC 3262).
    Prack,
    /// Changes a session before or after its answer (RFC 3311).
    Update,
    /// Carries mid-call information (RFC 6086).
    Info,
    /// Asks the other end to contact somebody (RFC 3515).
    Refer,
    /// Asks for notifications (RFC 6665).
    Subscribe,
    /// Notifies a subscriber (RFC 6665).
    Notify,
    /// Carries an instant message (RFC 3428).
    Message,
    /// Publishes event state (RFC 3903).
    Publish,
    /// Any other method, as it came.
    Other(Text),
}

impl Method {
    /// The method as written in a start line.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Options => "OPTIONS",
            Self::Register => "REGISTER",
            Self::Prack => "PRACK",
            Self::Update => "UPDATE",
            Self::Info => "INFO",
            Self::Refer => "REFER",
            Self::Subscribe => "SUBSCRIBE",
            Self::Notify => "NOTIFY",
            Self::Message => "MESSAGE",
            Self::Publish => "PUBLISH",
            Self::Other(name) => name.as_str(),
        }
    }

    /// The method of this name; `None` when the name has no enum value of its own.
    fn known(name: &str) -> Option<Self> {
        Some(match name {
            "INVITE" => Self::Invite,
            "ACK" => Self::Ack,
            "BYE" => Self::Bye,
            "CANCEL" => Self::Cancel,
            "OPTIONS" => Self::Options,
            "REGISTER" => Self::Register,
            "PRACK" => Self::Prack,
            "UPDATE" => Self::Update,
            "INFO" => Self::Info,
            "REFER" => Self::Refer,
            "SUBSCRIBE" => Self::Subscribe,
            "NOTIFY" => Self::Notify,
            "MESSAGE" => Self::Message,
            "PUBLISH" => Self::Publish,
            _ => return None,
        })
    }

    /// The method with this name, whatever it is.
    pub fn of(name: &str) -> Self {
        Self::known(name).unwrap_or_else(|| Self::Other(Text::from(name)))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
