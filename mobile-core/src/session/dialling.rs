//! Calls that this phone begins: which number is dialled, whom it belongs to, and the entry in the journal.

use callfield_domain::phone_number::{Kind, is_emergency};
use callfield_domain::{CallId, Direction, PhoneNumber};
use unicode_normalization::UnicodeNormalization as _;

use super::{Session, SessionError};
use crate::event_loop::Command;
use crate::events::Event;
use crate::journal::{self, SipCall};
use crate::push::Known;
use crate::store::StoreError;

impl Session {
    /// Places a call through the company's line. What becomes of it is told as events: it rings at the far end, the two
    /// talk, it ends; without a network it ends at once. Another call that is talked on is held.
    ///
    /// # Errors
    /// [`SessionError::Emergency`], [`SessionError::NoNumber`], [`SessionError::NotEnrolled`] or the store's failure;
    /// then there is no call.
    pub async fn dial(&self, number: &str) -> Result<CallId, SessionError> {
        let (shared, country) = (&self.shared, self.country());
        let number = dialled(number, &country)?;
        shared.account()?;
        let now = shared.clock.now();
        let entry = shared.write::<_, StoreError>(|tx, random| {
            let call = CallId::new(now, random);
            let seen = SipCall { call, direction: Direction::Outbound, number: number.clone(), name: None };
            journal::sip_call_began(tx, &seen, &country, now)
        })?;
        let call = entry.call;
        shared.note_call(call, Known::Live);
        shared.tell(Event::Dialling { call, number: number.clone(), name: entry.name, record: entry.record });
        self.command(Command::Dial { call, number }).await;
        Ok(call)
    }

    /// Passes the far end of a call that talks on to somebody else: when they answer, the call ends here; if they do not, it
    /// goes on. What becomes of it is told as events.
    ///
    /// # Errors
    /// [`SessionError::Emergency`] or [`SessionError::NoNumber`]; then nothing happens.
    pub async fn transfer(&self, call: CallId, number: &str) -> Result<(), SessionError> {
        let number = dialled(number, &self.country())?;
        self.command(Command::Transfer(call, number)).await;
        Ok(())
    }
}

/// What is dialled for a number as a person wrote it: E.164 where it has that form.
fn dialled(written: &str, country: &str) -> Result<String, SessionError> {
    if is_emergency(written, country) {
        return Err(SessionError::Emergency);
    }
    let number = PhoneNumber::parse(written, country);
    match (number.kind(country), number.e164, number.extension) {
        (Kind::Emergency, ..) => Err(SessionError::Emergency),
        (Kind::Withheld | Kind::Unreadable, ..) => Err(SessionError::NoNumber),
        (_, Some(e164), _) => Ok(e164),
        (Kind::Internal, None, Some(extension)) => Ok(extension),
        // The number plans may be older than the number, and the company's line may know numbers without an area code.
        (Kind::Valid | Kind::Possible | Kind::Internal, None, extension) => Ok(keys(written, extension.as_deref())),
    }
}

/// The keys of a number as it was written, without the extension behind it.
fn keys(written: &str, extension: Option<&str>) -> String {
    let keys: String = written.nfkc().filter(|key| key.is_ascii_digit() || *key == '+').collect();
    let without_extension = extension.and_then(|extension| keys.strip_suffix(extension));
    without_extension.map_or_else(|| keys.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_dialled_in_its_e164_form_however_it_is_written() {
        for written in ["03-1234-5678", "０３-1234-5678", "+81 3 1234 5678", "184 03-1234-5678", "03-1234-5678 内線 12"]
        {
            assert_eq!(dialled(written, "JP").unwrap(), "+81312345678", "{written}");
        }
    }

    #[test]
    fn an_extension_of_the_company_is_dialled_as_it_is() {
        assert_eq!(dialled("101", "JP").unwrap(), "101");
        assert_eq!(dialled("内線 101", "JP").unwrap(), "101");
    }

    #[test]
    fn a_number_that_the_plans_do_not_know_is_dialled_as_it_is_written() {
        assert_eq!(dialled("1234-5678", "JP").unwrap(), "12345678");
        assert_eq!(dialled("１２３４-5678 内線 9", "JP").unwrap(), "12345678");
    }

    #[test]
    fn emergency_numbers_and_what_is_no_number_are_refused() {
        for written in ["110", "１１９", "112", "911", "184 110"] {
            assert!(matches!(dialled(written, "JP"), Err(SessionError::Emergency)), "{written}");
        }
        for written in ["", "hello", "anonymous", "非通知"] {
            assert!(matches!(dialled(written, "JP"), Err(SessionError::NoNumber)), "{written}");
        }
    }
}
