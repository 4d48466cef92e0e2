//! Calls and the journal: pushes, the buttons of the call screen, the after-call sheet.

use callfield_domain::{CallId, Direction, Outcome, Timestamp};

use super::{Session, SessionError, SyncReason};
use crate::event_loop::Command;
use crate::events::Event;
use crate::journal::{self, Entry, EntryState, LogForm, Logged, NativeCall, SipCall};
use crate::push::{Caller, Known, PushContext, PushDecision, PushKind, decode_push};
use crate::store::StoreError;

impl Session {
    /// Takes a push: decides at once, shows the call screen, and goes to the call.
    pub fn push_received(&self, kind: PushKind, payload: &[u8]) -> PushDecision {
        let shared = &self.shared;
        let decision = {
            // Held until the call is noted, so that the same push on two threads rings once.
            let mut calls = shared.calls();
            let context =
                PushContext { secret: Some(&shared.secret), calls: Some(&calls), is_before_first_unlock: false };
            let decision = decode_push(kind, payload, shared.clock.now(), &context);
            if let PushDecision::Ring { call, .. } = &decision {
                calls.insert(*call, Known::Live);
            }
            decision
        };
        shared.tell(Event::Push { decision: decision.clone() });
        match &decision {
            PushDecision::Ring { call, node, caller, .. } => {
                self.ring(*call, caller.as_ref());
                self.command_now(Command::Woken { call: *call, node: node.clone() });
                shared.note_call(*call, Known::Live);
            }
            PushDecision::Missed { call, at, outcome, caller } => self.miss(*call, caller.as_ref(), *at, *outcome),
            // The first push may have been lost on the way to the server's answer; the loop asks again.
            PushDecision::AlreadyRinging { .. } | PushDecision::ReportAndEnd { .. } => {}
            PushDecision::NotACall { sync } => self.sync_in_background(*sync),
        }
        decision
    }

    /// Takes the call, as soon as its INVITE is here. Another one that is talked on is held.
    pub async fn answer(&self, call: CallId) {
        self.command(Command::Answer(call)).await;
    }

    /// Refuses the call.
    pub async fn decline(&self, call: CallId) {
        self.command(Command::Decline(call)).await;
    }

    /// Ends the call, whatever its state.
    pub async fn hang_up(&self, call: CallId) {
        self.command(Command::HangUp(call)).await;
    }

    /// Holds a call that talks: neither end hears the other until [`Self::resume`]. [`Event::HoldChanged`] tells when it is.
    pub async fn hold(&self, call: CallId) {
        self.command(Command::Hold { call, is_holding: true }).await;
    }

    /// Turns from the call that is talked on to the one that is held; with none held nothing happens.
    pub async fn swap(&self) {
        self.command(Command::Swap).await;
    }

    /// Resumes a call that the user holds; another one that is talked on is held instead.
    pub async fn resume(&self, call: CallId) {
        self.command(Command::Hold { call, is_holding: false }).await;
    }

    /// Keeps a connection while the app is in the foreground, and lets the phone sleep when it is not.
    pub async fn set_foreground(&self, is_foreground: bool) {
        self.command(Command::Foreground(is_foreground)).await;
    }

    /// Switches the phone's network off (every connection drops, none can be made) or on.
    pub async fn set_network(&self, is_on: bool) {
        if self.shared.network.is_on() == is_on {
            return;
        }
        self.shared.network.switch(is_on);
        self.shared.tell(Event::Network { is_on });
        self.command(Command::NetworkChanged).await;
    }

    /// Journal entries in one of `states`, the newest first.
    ///
    /// # Errors
    /// The store's failure.
    pub fn journal(&self, states: &[EntryState], limit: u32) -> Result<Vec<Entry>, SessionError> {
        Ok(self.shared.store.read::<_, StoreError>(|tx| tx.entries(states, limit))?)
    }

    /// The journal entry of a call.
    ///
    /// # Errors
    /// The store's failure.
    pub fn journal_entry(&self, call: CallId) -> Result<Option<Entry>, SessionError> {
        Ok(self.shared.store.read::<_, StoreError>(|tx| tx.entry(call))?)
    }

    /// Enters a call of the phone's own SIM that the platform saw; told twice it is entered once.
    ///
    /// # Errors
    /// The store's failure.
    pub fn native_call_observed(&self, seen: &NativeCall) -> Result<CallId, SessionError> {
        let (country, now) = (self.country(), self.shared.clock.now());
        let call = self
            .shared
            .write::<_, StoreError>(|tx, random| journal::native_call_observed(tx, seen, &country, now, random))?;
        self.tell_journal_changed(call);
        Ok(call)
    }

    /// Logs a call, with or without a network.
    ///
    /// # Errors
    /// [`SessionError::Journal`].
    pub fn log(&self, call: CallId, form: &LogForm) -> Result<Logged, SessionError> {
        let (platform, now) = (&self.shared.platform, self.shared.clock.now());
        let logged = self.shared.write(|tx, random| journal::log(tx, platform, call, form, now, random))?;
        self.tell_journal_changed(call);
        Ok(logged)
    }

    /// Logs several calls as "no response" at once, all or none.
    ///
    /// # Errors
    /// [`SessionError::Journal`].
    pub fn log_no_answer(&self, calls: &[CallId]) -> Result<(), SessionError> {
        let (platform, now) = (&self.shared.platform, self.shared.clock.now());
        self.shared.write(|tx, random| journal::log_no_answer(tx, platform, calls, now, random))?;
        calls.iter().for_each(|call| self.tell_journal_changed(*call));
        Ok(())
    }

    /// Keeps what was filled in so far.
    ///
    /// # Errors
    /// [`SessionError::Journal`].
    pub fn save_draft(&self, call: CallId, form: &LogForm) -> Result<(), SessionError> {
        Ok(self.shared.store.write(|tx| journal::save_draft(tx, call, form))?)
    }

    /// Leaves the call on the to-log list without asking again.
    ///
    /// # Errors
    /// [`SessionError::Journal`].
    pub fn set_aside(&self, call: CallId) -> Result<(), SessionError> {
        self.shared.store.write(|tx| journal::set_aside(tx, call))?;
        self.tell_journal_changed(call);
        Ok(())
    }

    /// Keeps the call and what was written about it on this phone for good.
    ///
    /// # Errors
    /// [`SessionError::Journal`].
    pub fn keep_private(&self, call: CallId) -> Result<(), SessionError> {
        self.shared.store.write(|tx| journal::keep_private(tx, call))?;
        self.tell_journal_changed(call);
        Ok(())
    }

    /// Never again offers calls with the number of `call` for logging.
    ///
    /// # Errors
    /// [`SessionError::Store`].
    pub fn ignore_number_of(&self, call: CallId) -> Result<(), SessionError> {
        self.shared.store.write::<_, StoreError>(|tx| {
            let number = tx.entry(call)?.and_then(|entry| entry.number);
            number.map_or(Ok(()), |number| tx.ignore_number(&number))
        })?;
        self.tell_journal_changed(call);
        Ok(())
    }

    pub(super) async fn command(&self, command: Command) {
        // The loop ends only after the last session is dropped.
        let _ = self.commands.send(command).await;
    }

    /// As [`Self::command`], from code that may not wait.
    fn command_now(&self, command: Command) {
        if self.commands.try_send(command).is_err() {
            tracing::warn!("the event loop is too far behind to take a push");
        }
    }

    /// Enters a call that this phone never rang for; a wake for it that comes late does not ring.
    fn miss(&self, call: CallId, caller: Option<&Caller>, at: Timestamp, outcome: Outcome) {
        self.shared.note_call(call, Known::Over);
        let (seen, country) = (pushed_call(call, caller), self.country());
        match self.shared.store.write(|tx| journal::sip_call_missed(tx, &seen, &country, at, outcome)) {
            Ok(()) => self.tell_journal_changed(call),
            Err(error) => tracing::warn!(%error, "a missed call could not be entered into the journal"),
        }
    }

    fn ring(&self, call: CallId, caller: Option<&Caller>) {
        let seen = pushed_call(call, caller);
        let own = self.look_up(&seen.number).ok().and_then(|found| found.into_iter().next());
        let is_other = |(other, known): (&CallId, &Known)| *other != call && *known == Known::Live;
        let is_waiting = self.shared.calls().iter().any(is_other);
        self.shared.tell(Event::Ringing {
            call,
            is_waiting,
            number: seen.number.clone(),
            is_from_own_store: own.is_some(),
            name: own.map(|own| own.label).or_else(|| seen.name.clone()),
        });
        let (country, now) = (self.country(), self.shared.clock.now());
        let entered = self.shared.store.write(|tx| journal::sip_call_began(tx, &seen, &country, now));
        if let Err(error) = entered {
            tracing::warn!(%error, "a call could not be entered into the journal");
        }
    }

    fn sync_in_background(&self, is_asked_for: bool) {
        if !is_asked_for {
            return;
        }
        let session = self.clone();
        tokio::spawn(async move {
            // The outcome is told as an event.
            let _ = session.sync_now(SyncReason::Push, &Default::default()).await;
        });
    }

    fn tell_journal_changed(&self, call: CallId) {
        self.shared.tell(Event::JournalChanged { call });
    }
}

/// A call as its push tells of it.
fn pushed_call(call: CallId, caller: Option<&Caller>) -> SipCall {
    SipCall {
        call,
        direction: Direction::Inbound,
        number: caller.map(|caller| caller.from.clone()).unwrap_or_default(),
        name: caller.and_then(|caller| caller.name.clone()),
    }
}
